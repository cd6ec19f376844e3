"""The lab's models and prices, ready for a pool of arms."""

from typing import TYPE_CHECKING

from langroute.caching import CacheRule
from langroute.lab.catalog import MODEL_NAMES, SHAPES, rates_of
from langroute.lab.prompt_cache import BLOCK_TOKENS, LIFETIME_S
from langroute.lab.service import LabService
from langroute.money import Price

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

LAB_CACHE = CacheRule(mode="automatic", min_tokens=BLOCK_TOKENS, block_tokens=BLOCK_TOKENS, lifetime_s=LIFETIME_S)
"""How the lab's prompt cache behaves, as `langroute.lab.prompt_cache` keeps it."""
API_KEY = "lab"
"""The key that lab clients send; the server asks for none unless it is told to."""


def lab_prices() -> dict[str, Price]:
    """What each of the lab's models costs, by model name (``lab-small`` ...); follows from their sizes alone."""
    prices = {}
    for name in MODEL_NAMES:
        rates = rates_of(SHAPES[name].parameters)
        prices[name] = Price(
            input_per_million=rates.input_per_million,
            output_per_million=rates.output_per_million,
            cached_input_per_million=rates.cached_input_per_million,
        )
    return prices


def lab_models(base_url: str | None = None, *, service: LabService | None = None) -> "dict[str, BaseChatModel]":
    """The lab's models as chat models, under the names ``small``, ``medium`` and ``large``.

    All tell log probabilities and take the likeliest token each time; none retries by itself.

    Args:
        base_url: a running `LabServer`'s; the models are then `ChatOpenAI`. None answers in this process.
        service: what answers in this process; None takes the one that all in-process models share.
    """
    names = {name.removeprefix("lab-"): name for name in MODEL_NAMES}
    if base_url is not None:
        return {short: _remote(name, base_url) for short, name in names.items()}
    from langroute.lab.chat_model import LabChatModel  # noqa: PLC0415 - LangChain is imported when it is needed

    return {short: LabChatModel(model=name, service=service) for short, name in names.items()}


def _remote(name: str, base_url: str) -> "BaseChatModel":
    from langchain_openai import ChatOpenAI  # noqa: PLC0415 - takes a second to import
    from pydantic import SecretStr  # noqa: PLC0415 - comes with it

    return ChatOpenAI(
        model=name, base_url=base_url, api_key=SecretStr(API_KEY), logprobs=True, temperature=0, max_retries=0,
        stream_usage=True,
    )  # fmt: skip
