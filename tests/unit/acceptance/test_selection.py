"""Selectors: which of several answers is passed on."""

import pytest
from fakes import a_step

from langroute.acceptance.selection import FirstValid, Majority, MostConfident, last_line
from langroute.candidates import Candidate
from langroute.protocols import AnswerReader, Selector

STEP = a_step()


def candidates(*told: tuple[str, float | None] | tuple[str, float | None, str]) -> list[Candidate]:
    """Answers with their confidences, and a defect where one is named."""
    return [Candidate(answer=one[0], confidence=one[1], defects=tuple(one[2:])) for one in told]


@pytest.mark.parametrize("selector", [FirstValid(), MostConfident(), Majority()])
def test_a_well_formed_answer_is_chosen_before_a_malformed_one(selector: Selector) -> None:
    """Whatever speaks for it; and where all are malformed, the first of equals is taken."""
    seen = candidates(("a", 0.9, "invalid_tool_call"), ("a", 0.9, "invalid_tool_call"), ("b", 0.1))
    assert isinstance(selector, Selector)
    assert selector.select(STEP, seen) == 2
    assert selector.select(STEP, seen[:2]) == 0


def test_the_surest_answer_is_taken() -> None:
    """An answer without logprobs counts as least sure."""
    assert MostConfident().select(STEP, candidates(("a", None), ("b", 0.4), ("c", 0.7))) == 2
    assert FirstValid().select(STEP, candidates(("a", None), ("b", 0.4), ("c", 0.7))) == 0


def test_the_majority_is_taken_and_the_surest_of_it() -> None:
    """Votes come first, confidence breaks ties, and what cannot be read votes for itself alone."""
    assert Majority().select(STEP, candidates(("a", 0.9), ("b", 0.1), ("b", 0.5))) == 2
    assert Majority().select(STEP, candidates(("a", 0.2), ("b", 0.9))) == 1
    assert Majority().select(STEP, candidates(("", 0.9), ("", 0.9), ("b", 0.1), ("b", 0.1))) == 2


def test_a_majority_may_look_at_a_part_of_the_answer() -> None:
    """Ways of reasoning differ, conclusions agree."""
    seen = candidates(("so\n41", 0.9), ("thus\n42", 0.1), ("hence\n42", 0.2))
    selector = Majority(read=last_line)
    assert isinstance(selector, AnswerReader)
    assert selector.select(STEP, seen) == 2
    assert (last_line(""), last_line("a\n\n")) == ("", "a")
