"""An episode of the journal as rows of the table of outcomes: one a call, or one for the whole episode."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from langroute.estimators.columns import row_of
from langroute.journal.verdicts import flaws, on_episode, on_steps
from langroute.learning.credit import Credited, Quality, credit_of
from langroute.money import NANO_PER_DOLLAR
from langroute.records import ActionTaken, Arm, EpisodeEnd, Outcome, Record

Row = dict[str, Any]

NO_CALL = "decisions without a call (stopped or refused)"
FAILED = "calls that ended in an error, which says nothing of an answer"
UNKNOWN_ARM = "metered calls of models that the pool lacks"
UNKNOWN_SUCCESS = "calls of episodes whose success nobody said"
DOUBTED = "answers that were rejected on a doubt alone, which is no verdict on them"
UNKNOWN_EPISODES = "episodes whose success nobody said"
OTHER_ENCODERS = "encoded texts of another length than the first (their rows stand without them)"
EMPTY = "episodes without a call"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEpisode:
    """What the journal holds of one episode.

    Attributes:
        id: its id.
        records: its records, in order.
        actions: what happened beside its calls.
        end: how it ended; None when nobody said.
        arms: its pool; empty when it is not stored.
    """

    id: str
    records: Sequence[Record]
    actions: Sequence[ActionTaken] = ()
    end: EpisodeEnd | None = None
    arms: Sequence[Arm] = ()


@dataclass(slots=True, kw_only=True)
class Tally:
    """What became of what was read, so that nothing is lost in silence.

    Attributes:
        episodes: episodes that gave at least one row.
        rows: rows by what their success rests on, for example ``episode's success, credited to its steps``.
        left_out: what gave no row, by reason.
        unpriced: calls without a known cost, by model; they have rows, with an empty cost.
    """

    episodes: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    unpriced: Counter[str] = field(default_factory=Counter)


def step_rows(episode: StoredEpisode, tally: Tally, *, quality: Quality = "known") -> list[Row]:
    """One row for each call of an episode whose success is known in some way; see `langroute.learning.credit`.

    Metered calls of an app that is not routed (shadow records) count as calls of the arm that made them, with no
    propensity and no policy: nobody chose it. A cost booked at the worst case is not what the call cost, so it is left
    empty, as is one that could not be priced.
    """
    said, of_steps = on_episode(episode.end), on_steps(episode.actions)
    last = _last_attempts(episode.records)
    runs: Counter[str] = Counter()
    rows: list[Row] = []
    for record in episode.records:
        outcome = record.outcome
        if outcome is None or (reason := _unusable(outcome)):
            tally.left_out[NO_CALL if outcome is None else reason] += 1
            continue
        index = record.step.call_index
        own = of_steps.get(index) if last[index] == record.id else None
        flawed = bool(flaws(outcome))
        credited = credit_of(own=own, episode=said, accepted=outcome.accepted, flawed=flawed, quality=quality)
        if credited is None:
            tally.left_out[UNKNOWN_SUCCESS if outcome.accepted else DOUBTED] += 1
            continue
        rows.append(_step_row(episode, record, outcome, credited, run=runs[outcome.arm]))
        runs[outcome.arm] += 1
        tally.rows[told(credited)] += 1
        tally.unpriced.update([outcome.served_by or outcome.arm] if math.isnan(rows[-1]["cost_usd"]) else ())
    tally.episodes += bool(rows)
    return rows


def episode_rows(episode: StoredEpisode, tally: Tally) -> list[Row]:
    """One row for an episode whose success somebody said: all its calls together.

    ``arm`` is the arm that made all of its calls, or all of them joined by ``+``. What was known before is that of its
    first step; tokens and dollars are sums, those of rejected and failed calls included.
    """
    calls = [(record, record.outcome) for record in episode.records if record.outcome is not None]
    said = on_episode(episode.end)
    if not calls or said is None:
        tally.left_out[UNKNOWN_EPISODES if calls else EMPTY] += 1
        return []
    first = calls[0][0]
    outcomes = [outcome for _, outcome in calls]
    costs = [_cost(outcome) for outcome in outcomes]
    models = _models(episode.arms)
    names = sorted({outcome.arm or outcome.served_by or "unknown" for outcome in outcomes})
    credited = Credited(success=said.success, level="episode", source=said.source, credit="own")
    tally.episodes += 1
    tally.rows[told(credited)] += 1
    tally.unpriced.update(
        each.served_by or each.arm for each, cost in zip(outcomes, costs, strict=True) if cost is None
    )
    return [
        {
            **row_of(first.step),
            **credited.cells(),
            "task": episode.id,
            "episode": episode.id,
            "arm": "+".join(names),
            "group": first.step.features.domain,
            "cost_usd": _dollars(None if None in costs else sum(cost or 0 for cost in costs)),
            "charged_usd": sum(action.cost_nano for action in episode.actions) / NANO_PER_DOLLAR,
            **_tokens(outcomes),
            "steps": len(calls),
            "latency_ms": sum(outcome.latency_ms for outcome in outcomes),
            "at": first.at,
            "policy": _policy(first),
            "model": "+".join(sorted({models.get(outcome.arm, ("", ""))[0] for outcome in outcomes} - {""})),
            "encoded": first.step.features.text,
        }
    ]


def _last_attempts(records: Iterable[Record]) -> dict[int, str]:
    """By step, the id of its last attempt with a call: what is said of a step is said of what came of it."""
    return {record.step.call_index: record.id for record in records if record.outcome is not None}


def _unusable(outcome: Outcome) -> str:
    if outcome.error:
        return FAILED
    return "" if outcome.arm else UNKNOWN_ARM


def _step_row(episode: StoredEpisode, record: Record, outcome: Outcome, credited: Credited, *, run: int) -> Row:
    routed = record.action == "call"
    model, provider = _models(episode.arms).get(outcome.arm, ("", ""))
    tokens = _tokens([outcome])
    return {
        **row_of(record.step),
        **credited.cells(),
        "task": episode.id,
        "episode": episode.id,
        "step_id": record.id,
        "arm": outcome.arm,
        "group": episode.records[0].step.features.domain,  # a task has one group, whatever its later steps say
        "run": run,
        "cost_usd": _dollars(_cost(outcome)),
        **tokens,
        "input_tokens": float(record.step.input_tokens),
        "used_input_tokens": tokens["input_tokens"],
        "steps": 1,
        "latency_ms": outcome.latency_ms,
        "at": record.at,
        "propensity": record.decision.propensity if routed else math.nan,
        "accepted": float(outcome.accepted),
        "confidence": math.nan if outcome.confidence is None else outcome.confidence,
        "defects": "; ".join(outcome.defects),
        "policy": _policy(record) if routed else "",
        "model": outcome.served_by or model,
        "provider": provider,
        "encoded": record.step.features.text,
    }


def _cost(outcome: Outcome) -> int | None:
    """Nano-dollars that the call cost; None where only a bound, or nothing, is known."""
    return outcome.cost_nano if outcome.cost_known and not outcome.worst_case else None


def _dollars(nano: int | None) -> float:
    return math.nan if nano is None else nano / NANO_PER_DOLLAR


def _tokens(outcomes: Sequence[Outcome]) -> Row:
    usages = [outcome.usage for outcome in outcomes if outcome.usage is not None]
    names = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
    return {name: sum(getattr(usage, name) for usage in usages) if usages else math.nan for name in names}


def _models(arms: Sequence[Arm]) -> dict[str, tuple[str, str]]:
    return {arm.name: (arm.model, arm.provider) for arm in arms}


def _policy(record: Record) -> str:
    return f"{record.decision.policy} {record.decision.policy_version}".strip()


def told(credited: Credited) -> str:
    """What a row's success rests on, for people."""
    if credited.credit == "episode":
        return "with their episode's success, credited to each of its steps"
    if credited.level == "episode":
        return "with the success of their episode"
    if credited.source == "validity":
        return "judged by the validity of their answer alone"
    return "with a verdict on the step itself"
