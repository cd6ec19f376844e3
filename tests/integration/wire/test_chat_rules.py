"""ScriptedServer refuses what OpenAI's chat completions refuse, and no more."""

from collections.abc import Iterator

import openai
import pytest

from langroute import Price
from langroute.testing import ScriptedServer

from .chat_requests import REFUSED, TAKEN, USER
from .posting import post


@pytest.fixture(scope="module")
def listening() -> Iterator[ScriptedServer]:
    """One server for all bare requests; it answers everything that it takes."""
    price = Price(input_per_million=1, output_per_million=1)
    prices = dict.fromkeys(("scripted-small", "gpt-5-mini", "gpt-6-luna"), price)
    with ScriptedServer(lambda _: "ok", prices=prices) as server:
        yield server


@pytest.mark.parametrize("name", REFUSED)
def test_what_openai_refuses_is_refused(name: str, listening: ScriptedServer) -> None:
    """The request is answered with 400 and OpenAI's words for it."""
    changes, told = REFUSED[name]
    body = {"model": "scripted-small", "messages": [USER], **changes}
    status, answer = post(f"{listening.base_url}/chat/completions", body)
    assert (status, answer["error"]["type"]) == (400, "invalid_request_error")
    assert told in answer["error"]["message"]


@pytest.mark.parametrize("name", TAKEN)
def test_what_openai_takes_is_taken(name: str, listening: ScriptedServer) -> None:
    """The rules refuse no more than the API does, as far as that is known; what was sent is what is kept."""
    body = {"model": "scripted-small", "messages": [USER], **TAKEN[name]}
    status, answer = post(f"{listening.base_url}/chat/completions", body)
    assert (status, answer.get("choices", [{}])[0].get("message", {}).get("content")) == (200, "ok")
    assert listening.requests[-1] == body


def test_any_model_may_be_one_that_reasons() -> None:
    """A test says which of its models take no temperature; the client's own error comes of it."""
    with ScriptedServer(["no", "yes"], reasoning=["scripted-large"]) as server:
        with pytest.raises(openai.BadRequestError, match="'temperature' does not support 0"):
            server.chat_model("scripted-large", temperature=0).invoke("hi")
        server.chat_model("scripted-small", temperature=0).invoke("hi")
