"""The trace card: what an episode cost, where, and what went wrong, and the same again from its JSON."""

import io
import json
from dataclasses import replace

import pytest
from episode_samples import END, episode
from rich.console import Console

from langroute.errors import ConfigError, EpisodeNotFound
from langroute.observe.card import TraceCard, card_of
from langroute.observe.card_report import explain_card
from langroute.records import ActionTaken

CHARGE = ActionTaken(
    id="c1", episode="order-42", at=END.at, action="charged", reason="search", cost_nano=4_000_001, detail=""
)


def printed(card: TraceCard, *, width: int) -> str:
    console = Console(width=width, file=io.StringIO(), highlight=False)
    console.print(explain_card(card))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_card_is_the_sum_of_its_records() -> None:
    """Calls, tokens and dollars on a card are those of the records, and its spans add up to the whole."""
    records = episode()
    card = card_of(records, END, [CHARGE])
    outcomes = [record.outcome for record in records if record.outcome is not None]
    assert card.llm_call_count == len(outcomes)
    assert card.total_nano == sum(outcome.cost_nano for outcome in outcomes) + 4_000_001
    assert card.total_tokens.input == sum(each.usage.input_tokens for each in outcomes if each.usage)
    assert sum(span.nano for span in card.top_cost_spans) == card.total_nano
    assert [span.nano for span in card.top_cost_spans] == sorted((s.nano for s in card.top_cost_spans), reverse=True)
    assert (card.tool_call_count, card.success) == (1, 1.0)


def test_a_card_names_what_was_repaired_and_what_failed() -> None:
    """A step whose later attempt was passed on is repaired, one that ends in a refusal or a stop has failed."""
    rejected = next(each for each in episode() if each.outcome is not None and each.outcome.defects)
    assert rejected.outcome is not None
    again = replace(rejected, id="again", outcome=replace(rejected.outcome, defects=(), accepted=True))
    (step,) = card_of([rejected, again]).failed_or_repaired_steps
    assert (step.step, step.ending) == (rejected.step.call_index, "repaired")
    assert step.trouble == (f"rejected for {', '.join(rejected.outcome.defects)}",)
    (step,) = card_of([again, rejected]).failed_or_repaired_steps
    assert step.ending == "failed"
    whole = {each.trouble[-1]: each.ending for each in card_of(episode()).failed_or_repaired_steps}
    assert whole["stopped"] == "failed"


def test_a_card_comes_back_from_its_json() -> None:
    """Card to JSON to card loses nothing, down to the nano-dollar; the names are those of the paper."""
    card = card_of(episode(), END, [CHARGE])
    told = json.loads(json.dumps(card.to_json()))
    assert TraceCard.from_json(json.dumps(told)) == card
    assert {"task_id", "total_cost_usd", "total_tokens", "llm_call_count", "tool_call_count", "top_cost_spans"} <= set(
        told
    )
    assert set(told["total_tokens"]) == {"input", "output", "cacheRead", "cacheWrite"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"task_id": "a"}'])
def test_what_is_no_card_is_refused(text: str) -> None:
    """Text that is no card says so, and how one is made."""
    with pytest.raises(ConfigError, match="is no trace card"):
        TraceCard.from_json(text)


def test_redundant_calls_and_agents_are_what_records_show() -> None:
    """Tool calls made again are the most that any step saw; nodes that loop are the agents."""
    first, *rest = (record for record in episode() if record.outcome is not None)
    pressure = replace(first.step.pressure, repeated_calls=3)
    card = card_of([replace(first, step=replace(first.step, pressure=pressure, loops=True)), *rest])
    assert card.redundant_tool_calls == 3
    assert card.sub_agents == (first.step.node,)


@pytest.mark.parametrize("width", [80, 120])
def test_a_card_fits_its_width(width: int) -> None:
    """No line of a printed card is wider than the page, and there is no colour in a pipe."""
    text = printed(card_of(episode(), END, [CHARGE]), width=width)
    assert max(map(len, text.splitlines())) <= width
    assert "\x1b" not in text
    assert "Card of episode order-42" in text


def test_there_is_no_card_of_nothing() -> None:
    """An episode without records and actions has no card."""
    with pytest.raises(EpisodeNotFound):
        card_of([])
