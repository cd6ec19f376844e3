"""What happened to an episode, calls and all else, in the order of time."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from langroute.money import format_dollars
from langroute.observe.layout import Row
from langroute.records import Action, ActionTaken, Record, as_dollars

_LABELS: Mapping[Action, str] = {
    "budget_changed": "budget",
    "downgrade": "downgraded",
    "lower_output": "lowered",
    "compress": "compressed",
    "verify": "verified",
    "spot_check": "compared",
    "skip": "skipped",
    "ask": "asked",
    "finish": "last call",
    "retry": "retried",
    "escalate": "escalated",
    "stop": "stopped",
    "episode_finished": "finished",
}
"""How an action is told in one short word; the others are told by their names."""

_AFTER_ITS_CALL: frozenset[Action] = frozenset({"retry", "failover", "escalate"})
"""Told with the time of the decision whose call they follow; all others come before a decision of the same time."""


def happened(records: Sequence[Record], actions: Sequence[ActionTaken]) -> Iterator[Record | ActionTaken]:
    """Records and actions together: the records in the order given, each action before the first that is later."""
    waiting = sorted(actions, key=lambda action: (action.at, action.action in _AFTER_ITS_CALL))
    for record in records:
        while waiting and _comes_before(waiting[0], record):
            yield waiting.pop(0)
        yield record
    yield from waiting


def _comes_before(action: ActionTaken, record: Record) -> bool:
    return action.at < record.at or (action.at == record.at and action.action not in _AFTER_ITS_CALL)


def rows_of(
    records: Sequence[Record], actions: Sequence[ActionTaken], *, row: Callable[[Record], Row]
) -> tuple[Row, ...]:
    """The rows of a table: ``row`` makes that of a record, the measures taken about its step are noted beneath it."""
    return tuple(
        _action_row(each)
        if isinstance(each, ActionTaken)
        else replace(made := row(each), notes=(*made.notes, *measures_of(each)))
        for each in happened(records, actions)
    )


def _action_row(action: ActionTaken) -> Row:
    """The row of an action: where it happened, what it cost and what was done; the reason stands beneath it."""
    index = "-" if action.call_index is None else str(action.call_index)
    cost = format_dollars(action.cost_nano) if action.cost_nano else ""
    return Row(
        cells=(index, action.node, "", "", cost, "", "", "", "", _LABELS.get(action.action, action.action)),
        notes=(action.reason,) if action.reason else (),
    )


def measures_of(record: Record) -> tuple[str, ...]:
    """What was done about a step beside choosing its arm, one sentence each."""
    return tuple(f"{_LABELS.get(taken.action, taken.action).capitalize()}: {taken.reason}" for taken in record.measures)


def action_json(action: ActionTaken) -> dict[str, object]:
    """An action as plain data; amounts are dollars, and the detail is whatever it was written as."""
    return {
        "id": action.id,
        "at": action.at,
        "action": action.action,
        "reason": action.reason,
        "call_index": action.call_index,
        "node": action.node,
        "cost_usd": as_dollars(action.cost_nano),
        "detail": _detail(action.detail),
    }


def _detail(text: str) -> object:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text
