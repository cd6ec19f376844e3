"""What happened to an episode beside its calls, in the report: in the order of time, with reasons and costs."""

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import pytest
from episode_samples import ARMS, END, episode
from rich.console import Console, RenderableType

from langroute.observe.layout import Column, Row, Rows
from langroute.observe.report import as_json, explain, explain_step
from langroute.observe.timeline import happened
from langroute.observe.totals import totals
from langroute.records import Action, ActionTaken, Measure, Record

RECORDS = episode()
PLAN, FIRST, SECOND, REFUSED, REPORT, STOPPED = RECORDS


def took(action: Action, at: float, reason: str = "why", **fields: object) -> ActionTaken:
    """An action of the sample episode, so many seconds after it began."""
    plain = ActionTaken(id=f"{action}@{at}", episode="order-42", at=PLAN.at + at, action=action, reason=reason)
    return replace(plain, **fields)  # type: ignore[arg-type]


ACTIONS = (
    took("budget_changed", 7, "total_dollars from $0.08 to $0.16"),
    took("ask", 0, "large may cost $0.03", call_index=0, node="plan"),
    took("answered", 0, "yes, once", call_index=0, node="plan"),
    took("charged", 1, "search costs $0.004", cost_nano=4_000_000, detail='{"name": "search"}'),
    took("skip", 5.5, "illustrate is optional", node="illustrate"),
)


def printed(what: RenderableType, *, width: int = 80) -> str:
    """The lines as a pipe of this width gets them."""
    written = io.StringIO()
    Console(file=written, width=width, highlight=False).print(what)
    return written.getvalue()


def labels(text: str) -> list[str]:
    """The last word of every row of the table, its heading left out."""
    rows = [line for line in text.split("\n\n")[1].splitlines() if not line.startswith("    ")]
    return [line.split()[-1] for line in rows[1:]]


def test_actions_stand_between_the_steps_in_the_order_of_time() -> None:
    """Whatever the order they were stored in; records stay in theirs."""
    order = ["asked", "answered", "ok", "charged", "rejected", "error", "refused", "skipped", "ok", "budget", "stopped"]
    assert labels(printed(explain(RECORDS, END, ARMS, ACTIONS))) == order
    assert [each for each in happened(RECORDS, ACTIONS) if isinstance(each, Record)] == list(RECORDS)
    late = took("charged", 1e9)
    assert list(happened((), (late, *ACTIONS)))[-1] is late


def test_what_follows_a_call_stands_behind_it() -> None:
    """A failover carries the time of the decision that it follows; a question that of the decision before it."""
    assert list(happened([PLAN], [took("failover", 0), took("ask", 0)])) == [took("ask", 0), PLAN, took("failover", 0)]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_actions_fit_the_width_and_give_their_reasons(width: int) -> None:
    """At any width each action has one line and its whole reason; no line is longer, and nothing is coloured."""
    text = printed(explain(RECORDS, END, ARMS, ACTIONS), width=width)
    assert max(map(len, text.splitlines())) <= width
    assert "\x1b" not in text
    for action in ACTIONS:
        assert f"    {action.reason}\n" in text


def test_every_action_has_a_word_that_is_not_cut() -> None:
    """The column of outcomes is wide enough for all of them."""
    for action in get_args(Action):
        assert ".." not in printed(explain((), actions=[took(action, 0)]), width=60)


def test_charges_count_as_spent() -> None:
    """What was spent is calls and charges, each told apart; without charges the line is as it was."""
    calls = totals(RECORDS).cost_nano
    sums = totals(RECORDS, ARMS, ACTIONS)
    assert (sums.cost_nano, sums.charged_nano, sums.spent_nano) == (calls, 4_000_000, calls + 4_000_000)
    text = " ".join(printed(explain(RECORDS, END, ARMS, ACTIONS)).split())
    assert "spent $0.0185 of $0.08 ($0.0145 for calls, expected $0.0065, and $0.004 charged)" in text
    assert "spent $0.0145 of $0.08 (expected $0.0065)" in " ".join(printed(explain(RECORDS, END, ARMS)).split())


def test_an_episode_of_actions_alone_says_so_and_lists_them() -> None:
    """Where no call was decided, what happened is told without empty columns or sums of nothing."""
    text = printed(explain((), END, (), ACTIONS))
    assert text.startswith("Episode order-42\n\nNo model call was decided in this episode; this happened to it:\n\n")
    assert "#  node          cost  outcome\n" in text
    assert "spent  $0.004 ($0.004 charged)\n" in text
    assert "calls" not in text.splitlines()[-3:]
    assert [word in text for word in ("asked", "answered", "charged", "skipped", "budget")] == [True] * 5


def test_measures_stand_under_their_step() -> None:
    """What was done beside choosing an arm is a note of the step, and a line of the decision told whole."""
    measures = (
        Measure(action="downgrade", reason="small instead of large: money goes faster than planned."),
        Measure(action="lower_output", reason="small may write 100 instead of 1024 tokens."),
    )
    record = replace(FIRST, measures=measures)
    text = printed(explain([record]))
    assert "    Downgraded: small instead of large: money goes faster than planned.\n" in text
    assert "    Lowered: small may write 100 instead of 1024 tokens.\n" in text
    whole = " ".join(printed(explain_step(record)).split())
    assert "measures Downgraded: small instead of large: money goes faster than planned. Lowered: small may" in whole
    assert "measures" not in printed(explain_step(FIRST))


def test_json_lists_actions_in_the_order_of_time() -> None:
    """The JSON form has every action with its cost in dollars, and charges beside the cost of calls."""
    told = json.loads(as_json(RECORDS, END, ARMS, ACTIONS))
    assert [action["action"] for action in told["actions"]] == ["ask", "answered", "charged", "skip", "budget_changed"]
    assert told["actions"][2] == {
        "id": "charged@1",
        "at": PLAN.at + 1,
        "action": "charged",
        "reason": "search costs $0.004",
        "call_index": None,
        "node": "",
        "cost_usd": 0.004,
        "detail": {"name": "search"},
    }
    assert told["totals"]["charged_usd"] == 0.004
    assert told["totals"]["spent_usd"] == pytest.approx(told["totals"]["cost_usd"] + 0.004)
    alone = json.loads(as_json((), None, (), [replace(ACTIONS[0], detail="{broken")]))
    assert (alone["episode"], alone["attempts"], alone["actions"][0]["detail"]) == ("order-42", [], "{broken")
    assert alone["totals"]["limit_usd"] is None


def test_an_empty_column_is_left_out() -> None:
    """A heading over nothing tells nothing."""
    columns = (Column(title="a"), Column(title="b"), Column(title="c", align="right"))
    rows: Sequence[Row] = (Row(cells=("1", "", "3")), Row(cells=("", " ", "")))
    assert printed(Rows(columns=columns, rows=tuple(rows))).splitlines()[0] == "a  c"
