"""The rules of prompt caches: what they expect to be read, and which one a model has."""

from typing import Any

import pytest

from langroute.caching import CacheRule, cache_rule
from langroute.errors import ConfigError


@pytest.mark.parametrize(
    ("tokens", "age_s", "expected"),
    [(1023, 0.0, 0), (1024, 0.0, 1024), (1151, 300.0, 1024), (1152, 300.0, 1152), (5000, 300.5, 0)],
)
def test_whole_blocks_from_a_minimum_on_for_a_lifetime(tokens: int, age_s: float, expected: int) -> None:
    """A prefix is read in whole blocks, not below the minimum, and not after its lifetime."""
    rule = CacheRule(mode="automatic", min_tokens=1024, block_tokens=128, lifetime_s=300.0)
    assert rule.readable(tokens, age_s=age_s) == expected


def test_no_cache_serves_nothing() -> None:
    """A rule without a cache never expects a read."""
    assert CacheRule(mode="none").readable(10**6, age_s=0.0) == 0


@pytest.mark.parametrize(
    ("provider", "model", "mode", "least"),
    [
        ("openai", "gpt-5-nano", "automatic", 1024),
        ("azure", "gpt-4o", "automatic", 1024),
        ("anthropic", "claude-sonnet-4-5-20250929", "marked", 1024),
        ("anthropic", "claude-opus-4-6", "marked", 4096),
        ("bedrock_converse", "us.anthropic.claude-haiku-4-5-20251001-v1:0", "marked", 4096),
        ("google_genai", "models/gemini-3-pro-preview", "automatic", 2020),
        ("deepseek", "deepseek-chat", "automatic", 64),
        ("groq", "llama", "automatic", 1024),
        ("xai", "grok-4", "shown", 1),
        ("", "mine", "shown", 1),
    ],
)
def test_every_model_has_a_rule(provider: str, model: str, mode: str, least: int) -> None:
    """The rule goes by provider and the longest known beginning of the name; who is not known has to show a cache."""
    rule = cache_rule(model=model, provider=provider)
    assert (rule.mode, rule.min_tokens) == (mode, least)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mode", "sometimes"),
        ("min_tokens", 0),
        ("min_tokens", 1.5),
        ("block_tokens", True),
        ("lifetime_s", -1.0),
        ("lifetime_s", float("nan")),
        ("lifetime_s", "long"),
    ],
)
def test_an_impossible_rule_is_refused(field: str, value: Any) -> None:
    """A wrong value is refused, and the message names the field."""
    with pytest.raises(ConfigError, match=field):
        CacheRule(**{field: value})
