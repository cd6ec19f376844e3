"""Arms of every wire format, by the partner packages' own models; nothing is sent to anybody."""

from collections.abc import Sequence
from typing import Any

from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from langroute import ModelPool, Price
from langroute.integrations.swap.swap import Swap
from langroute.integrations.swap.targets import Target, target_of

KEY = SecretStr("none")
PRICE = Price(input_per_million=1, output_per_million=2)


def models() -> dict[str, BaseChatModel]:
    """One model of each format, and a second one of three of them."""
    thinking = {"type": "enabled", "budget_tokens": 1024}
    return {
        "chat": ChatOpenAI(model="gpt-4.1", api_key=KEY),
        "responses": ChatOpenAI(model="gpt-5", api_key=KEY, use_responses_api=True),
        "mini": ChatOpenAI(model="gpt-5-mini", api_key=KEY, use_responses_api=True),
        "sonnet": ChatAnthropic(model_name="claude-sonnet-4-5", api_key=KEY),
        "opus": ChatAnthropic(model_name="claude-opus-4-5", api_key=KEY, thinking=thinking, max_tokens_to_sample=4000),
        "gemini": ChatGoogleGenerativeAI(model="gemini-3-pro-preview", api_key=KEY),
        "flash": ChatGoogleGenerativeAI(model="gemini-2.5-flash", api_key=KEY),
    }


MODELS = models()
ONE_OF_EACH = ("chat", "responses", "sonnet", "gemini")


def pool(**options: Any) -> ModelPool:
    """All of these arms."""
    return ModelPool(MODELS, prices=dict.fromkeys(MODELS, PRICE), **options)


def swap(**options: Any) -> Swap:
    """What makes calls fit for them."""
    return Swap(pool(**options))


def target(arm: str, **options: Any) -> Target:
    """What is known of one of them."""
    return target_of(arm, MODELS[arm], **options)


def payload(arm: str, messages: Sequence[BaseMessage]) -> Any:
    """What the arm's own package would send for messages."""
    model: Any = MODELS[arm]
    if isinstance(model, ChatGoogleGenerativeAI):
        return model._prepare_request(list(messages))
    return model._get_request_payload(list(messages))


def answer(arm: str, content: Any, **fields: Any) -> AIMessage:
    """An answer as the arm's package would hand it on."""
    known = target(arm)
    about = {"model_provider": known.maker, "model_name": known.model}
    return AIMessage(content, response_metadata=about, **fields)


def call(name: str = "look", known: str | None = "call_1", **args: Any) -> Any:
    """A tool call."""
    return {"name": name, "args": args, "id": known, "type": "tool_call"}
