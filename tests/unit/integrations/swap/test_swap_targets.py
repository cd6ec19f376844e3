"""What is known of an arm: its format, its model, and what that model refuses."""

from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_openai import AzureChatOpenAI, ChatOpenAI

from langroute import ModelPool
from langroute.integrations.swap import reasons as why
from langroute.integrations.swap.swap import Swap
from langroute.integrations.swap.targets import base_name, target_of
from tests.unit.integrations.swap.arms import KEY, PRICE, target

THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "x"}
MARKED = HumanMessage([{"type": "text", "text": "q", "cache_control": {"type": "ephemeral"}}])


class Elsewhere(FakeListChatModel):
    """A chat model of a package that nothing is known of."""

    maker: str = "elsewhere"

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> Any:
        return {**super()._get_ls_params(stop=stop, **kwargs), "ls_provider": self.maker, "ls_model_name": "m"}


@pytest.mark.parametrize(
    ("arm", "wire", "maker"),
    [
        ("chat", "openai_chat", "openai"),
        ("responses", "openai_responses", "openai"),
        ("sonnet", "anthropic", "anthropic"),
        ("gemini", "google", "google_genai"),
    ],
)
def test_the_format_is_known_by_the_package(arm: str, wire: str, maker: str) -> None:
    """And so is the name that its answers give for their provider."""
    found = target(arm)
    assert (found.wire, found.maker) == (wire, maker)


def test_classes_built_on_openais_speak_its_format_under_their_own_name() -> None:
    """Azure's answers say OpenAI; where they come from is another place, which matters for ids."""
    azure = target_of(
        "azure",
        AzureChatOpenAI(
            azure_deployment="gpt-4.1",
            azure_endpoint="https://a.example",
            api_version="2025-01-01",
            api_key=KEY,
            model="gpt-4.1",
        ),
    )
    assert (azure.wire, azure.maker, azure.endpoint) == ("openai_chat", "openai", "a.example")
    assert target("chat").endpoint != azure.endpoint
    assert target_of("other", Elsewhere(responses=["a"])).wire == "other"


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("gpt-5-2025-08-07", "gpt-5"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("claude-3-5-sonnet-latest", "claude-3-5-sonnet"),
        ("models/gemini-3-pro-preview", "gemini-3-pro-preview"),
        ("anthropic/claude-opus-5", "claude-opus-5"),
        ("gpt-4.1", "gpt-4.1"),
    ],
)
def test_a_models_name_is_told_without_date_and_gateway(name: str, plain: str) -> None:
    """So that an answer is known as its model's."""
    assert base_name(name) == plain


@pytest.mark.parametrize(
    ("settings", "reasons"),
    [
        ({"model": "gpt-4.1"}, False),
        ({"model": "gpt-5"}, True),
        ({"model": "o3"}, True),
        ({"model": "gpt-5.1", "reasoning_effort": "none"}, False),
        ({"model": "gpt-5-chat-latest"}, False),
        ({"model": "some-local-model", "base_url": "http://localhost:1/v1"}, False),
    ],
)
def test_thinking_models_are_known(settings: dict[str, Any], reasons: bool) -> None:
    """By their profile, or by name where they have none; they take no temperature."""
    found = target_of("arm", ChatOpenAI(api_key=KEY, **settings))
    assert found.reasons is reasons
    assert found.samples is not reasons


def test_models_of_other_packages_are_sent_text_and_their_own() -> None:
    """Nothing is known of their format: answers of others become text, cache markers go, all else stays."""
    pool = ModelPool(
        {"a": Elsewhere(responses=["a"]), "b": Elsewhere(responses=["b"], maker="amazon_bedrock")},
        prices={"a": PRICE, "b": PRICE},
    )
    swap = Swap(pool)
    about = {"model_provider": "anthropic", "model_name": "claude-sonnet-4-5"}
    thought = AIMessage([THOUGHT, {"type": "text", "text": "So."}], response_metadata=about)
    inside, lone = SystemMessage("s"), AIMessage("", tool_calls=[{"name": "f", "args": {}, "id": "c"}])
    fitted = swap.fit("a", messages=[MARKED, thought, inside, lone], options={"temperature": 1, "top_k": 2})
    assert fitted.messages[0] == HumanMessage([{"type": "text", "text": "q"}])
    assert fitted.messages[1].content == "So."
    assert fitted.messages[2] is inside
    assert fitted.messages[3] is lone
    assert fitted.options == {"temperature": 1, "top_k": 2}
    assert set(fitted.reasons) == {why.CACHE_MARKS, why.REASONING}
    own = [MARKED]
    assert swap.fit("b", messages=own).messages is own
