"""What token log-probabilities say of an answer, however a provider or an old client sent them."""

import math
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from langroute.integrations.certainty import confidence_of, options_of, uncertainty_of
from langroute.integrations.meter import reply_of
from langroute.records import Outcome


def _token(text: str, p: float, *others: float) -> dict[str, Any]:
    top = [{"token": "x", "logprob": math.log(other)} for other in (p, *others)] if others else []
    return {"token": text, "logprob": math.log(p), "top_logprobs": top}


def _message(*tokens: Any) -> AIMessage:
    return AIMessage("ok", response_metadata={"logprobs": {"content": list(tokens)}})


def test_both_means_are_those_of_their_definitions() -> None:
    """Confidence is the geometric mean of the probabilities, uncertainty the arithmetic mean of one less each."""
    message = _message(_token("a", 0.9), _token("b", 0.4))
    assert confidence_of(message) == pytest.approx(math.sqrt(0.36), abs=1e-6)
    assert uncertainty_of(message) == pytest.approx(0.35, abs=1e-6)


def test_one_guess_weighs_less_in_the_arithmetic_mean() -> None:
    """Nineteen sure tokens and a guess: the geometric mean loses most of itself, the arithmetic one a twentieth."""
    message = _message(*[_token("a", 1.0)] * 19, _token("b", 1e-9))
    assert uncertainty_of(message) == pytest.approx(0.05, abs=1e-6)
    assert (confidence_of(message) or 1.0) < 0.4


def test_options_are_read_where_the_answer_begins() -> None:
    """Blank tokens before the answer are passed over; the alternatives come best first."""
    message = _message(_token("\n", 1.0, 0.1), _token("ok", 0.6, 0.3, 0.05), _token(".", 0.9, 0.1))
    assert options_of(message) == (0.6, 0.3, 0.05)


def test_entropy_is_of_the_alternatives_that_were_sent() -> None:
    """What the alternatives leave out is set aside; a sure answer has none, and without alternatives nobody knows."""
    assert Outcome(arm="a", options=(0.4, 0.4)).answer_entropy == pytest.approx(math.log(2))
    assert Outcome(arm="a", options=(1.0, 0.0)).answer_entropy == 0.0
    assert Outcome(arm="a").answer_entropy is None


@pytest.mark.parametrize(
    "metadata",
    [{}, {"logprobs": None}, {"logprobs": []}, {"logprobs": {"content": None}}, {"logprobs": {"content": ["odd", {}]}}],
)
def test_without_logprobs_nothing_is_known(metadata: dict[str, Any]) -> None:
    """A provider that sends no log-probabilities, or sends them in another form, leaves all three unknown."""
    reply = reply_of(AIMessage("ok", response_metadata=metadata), None, ())
    assert (reply.confidence, reply.uncertainty, reply.options) == (None, None, ())


def test_a_reply_carries_all_three() -> None:
    """What the door reads of an answer reaches the flow."""
    reply = reply_of(_message(_token("ok", 0.5, 0.25)), None, ())
    assert (reply.confidence, reply.uncertainty, reply.options) == (0.5, 0.5, (0.5, 0.25))
