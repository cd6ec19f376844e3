"""How sure a model was of its answer, read from the token log-probabilities that a provider sent with it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage


def confidence_of(message: AIMessage) -> float | None:
    """Geometric mean of the output tokens' probabilities, in (0, 1]; None without logprobs."""
    values = _logprobs(message)
    return round(math.exp(sum(values) / len(values)), 6) if values else None


def uncertainty_of(message: AIMessage) -> float | None:
    """Mean of ``1 - p`` over the output tokens, in [0, 1); None without logprobs (RouteNLP's u, 2604.23577).

    A single token that was a guess weighs less here than in the geometric mean, where it can take everything.
    """
    values = _logprobs(message)
    return round(sum([1 - math.exp(value) for value in values]) / len(values), 6) if values else None


def options_of(message: AIMessage) -> tuple[float, ...]:
    """Probabilities of the likeliest tokens at the first place of the answer that is not blank, best first.

    That place decides answers such as ``ok`` or ``B``. Empty where no alternatives were sent (``top_logprobs``).
    """
    for token in _tokens(message):
        if str(token.get("token", "")).strip():
            found = [_probability(seen) for seen in token.get("top_logprobs") or () if isinstance(seen, Mapping)]
            return tuple(sorted([value for value in found if value is not None], reverse=True))
    return ()


def _probability(token: Mapping[str, Any]) -> float | None:
    logprob = token.get("logprob")
    return round(math.exp(min(0.0, logprob)), 6) if isinstance(logprob, int | float) else None


def _logprobs(message: AIMessage) -> list[float]:
    return [token["logprob"] for token in _tokens(message) if isinstance(token.get("logprob"), int | float)]


def _tokens(message: AIMessage) -> Sequence[Mapping[str, Any]]:
    logprobs = message.response_metadata.get("logprobs")
    content = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    return [token for token in content or () if isinstance(token, Mapping)]
