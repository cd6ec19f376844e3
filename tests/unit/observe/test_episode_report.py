import io
import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from episode_samples import ARMS, END, episode
from rich.console import Console, RenderableType

from langroute.errors import EpisodeNotFound
from langroute.observe.events import step_event
from langroute.observe.report import as_json, explain, explain_step
from langroute.observe.totals import totals
from langroute.policies.frontier import FrontierPolicy
from langroute.records import EpisodeEnd, Record

PLAN, FIRST, SECOND, REFUSED, REPORT, STOPPED = episode()


def printed(what: RenderableType, *, width: int = 80, colour: bool = False) -> str:
    written = io.StringIO()
    Console(file=written, width=width, highlight=False, force_terminal=colour).print(what)
    return written.getvalue()


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_an_episode_fits_the_width_and_says_why(width: int) -> None:
    """At any width every attempt has its line and its whole rationale, and no line is longer than the width."""
    text = printed(explain(episode(), END, ARMS), width=width)
    assert max(map(len, text.splitlines())) <= width
    for record in episode():
        assert record.decision.rationale in flat(text)


def test_a_pipe_gets_no_colour_and_a_terminal_does() -> None:
    """Control sequences are written to a terminal only; the words are the same."""
    assert "\x1b" not in printed(explain(episode(), END))
    assert "\x1b" in printed(explain(episode(), END), colour=True)


def test_wide_tables_add_columns() -> None:
    """Expected cost, tokens and pressure have columns where there is room."""
    narrow, wide = (printed(explain(episode(), END), width=width).splitlines()[2].split() for width in (80, 120))
    assert narrow == ["#", "node", "kind", "arm", "cost", "left", "outcome"]
    assert wide == ["#", "node", "kind", "arm", "cost", "expected", "tokens", "left", "pressure", "outcome"]


def test_trouble_is_told() -> None:
    """Rejections, errors, worst-case bookings, refusals and stops can all be read off the table."""
    text = flat(printed(explain(episode(), END)))
    assert "Rejected for invalid_tool_call." in text
    assert "The call ended in APITimeoutError. *Booked at the worst case" in text
    assert "No hold could be taken" in text
    assert "Stop: no arm may make this presentation call" in text
    assert "4 in 5 steps, 1 rejected, 1 failed, 1 refused, 1 stopped, 1 at worst case (*)" in text


def test_totals_add_up() -> None:
    """The sums are those of the records, and what is left after a step is the budget less what it cost."""
    sums = totals(episode(), ARMS)
    costs = [record.outcome.cost_nano for record in episode() if record.outcome]
    assert sums.cost_nano == sum(costs)
    assert (sums.input_tokens, sums.output_tokens) == (880 + 905 + 700, 210 + 64 + 120)
    assert (sums.calls, sums.steps, sums.limit_nano) == (4, 5, 80_000_000)
    assert "$0.0774" in printed(explain([PLAN]))  # 0.08 less 0.0026245


def test_the_dearest_arm_is_an_estimate_from_tokens_or_from_estimates() -> None:
    """With the pool the dearest arm is priced on the tokens used, without it by the decisions' own estimates."""
    by_tokens, by_estimates = totals([FIRST], ARMS).dearest, totals([FIRST]).dearest
    assert by_tokens is not None
    assert by_estimates is not None
    assert (by_tokens.arm, by_tokens.nano) == ("large", 905 * 1_250 + 64 * 10_000)
    assert (by_estimates.arm, by_estimates.nano) == ("large", FIRST.estimates[1].cost_nano)
    assert "an estimate: the same calls and tokens at its price" in flat(printed(explain([FIRST], None, ARMS)))
    assert "an estimate: what each decision expected" in flat(printed(explain([FIRST])))
    assert (by_tokens.against_nano, by_estimates.against_nano) == (70_850, FIRST.decision.cost_nano)
    assert totals([STOPPED]).dearest is None


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (None, "ended nobody said how"),
        (replace(END, success=None, note="left open"), "ended nobody said how: left open"),
        (END, "ended success: the total was right"),
        (replace(END, success=0.0, note=""), "ended failure"),
        (replace(END, success=0.75, note=""), "ended success 0.75"),
    ],
)
def test_the_end_is_told(end: EpisodeEnd | None, said: str) -> None:
    """How the episode ended is said as far as anybody said it."""
    assert flat(printed(explain(episode(), end))).endswith(said)


def test_unlimited_budgets_have_nothing_left_to_tell() -> None:
    """Without a limit the report neither invents one nor breaks."""
    free = replace(
        PLAN, step=replace(PLAN.step, budget=replace(PLAN.step.budget, limit_nano=None, available_nano=None))
    )
    assert " of $" not in printed(explain([free]))
    assert "dollars unlimited" in printed(explain_step(free), width=120)


@pytest.mark.parametrize("width", [80, 120])
def test_a_single_decision_is_told_whole(width: int) -> None:
    """Every alternative with its estimates and why not, and everything the decision knew."""
    text = printed(explain_step(SECOND), width=width)
    assert max(map(len, text.splitlines())) <= width
    said = flat(text)
    for part in (
        "small 0.480 $0.000125",
        "not chosen: tried in this step: invalid_tool_call",
        "chosen",
        "kind execution (the node is called work)",
        f"policy frontier {FrontierPolicy.version}, propensity 1",
        "pressure 2 (retries 1, invalid tool calls 1)",
        "$0.057 for this step of $0.08: $0.003 spent, $0.00 held, $0.02 kept for final_synthesis",
        "APITimeoutError",
    ):
        assert part in said


@pytest.mark.parametrize("record", [REFUSED, STOPPED])
def test_a_decision_without_a_call_is_told_whole(record: Record) -> None:
    """A refused hold and a stop have their alternatives too."""
    text = printed(explain_step(record))
    assert flat(text).endswith({"refused": "outcome refused", "stop": "outcome stopped"}[record.action])


def test_json_holds_the_same_events_as_the_log() -> None:
    """The JSON form is one object whose attempts are the events of the log, each beside what was done."""
    told = json.loads(as_json(episode(), END, ARMS))
    assert (told["schema_version"], told["episode"], told["end"]["success"]) == (2, "order-42", 1.0)
    actions = [attempt.pop("action") for attempt in told["attempts"]]
    assert actions == ["call", "call", "call", "refused", "call", "stop"]
    assert told["attempts"] == [step_event(record).model_dump(mode="json") for record in episode()]
    assert [attempt["outcome"] is None for attempt in told["attempts"]] == [action != "call" for action in actions]
    assert told["totals"]["cost_usd"] == totals(episode()).cost_nano / 1e9
    assert told["totals"]["dearest"]["arm"] == "large"


def test_json_has_no_bare_infinity() -> None:
    """An infinite price of a dollar does not make the JSON unreadable."""
    record = replace(PLAN, decision=replace(PLAN.decision, price_of_dollar=float("inf")))
    assert json.loads(as_json([record]))["attempts"][0]["price_of_dollar"] == "Infinity"


@pytest.mark.parametrize("tell", [explain, as_json])
def test_nothing_to_explain_is_an_error(tell: object) -> None:
    """An episode without records is not printed as an empty one."""
    records: Sequence[Record] = ()
    with pytest.raises(EpisodeNotFound):
        tell(records)  # type: ignore[operator]
