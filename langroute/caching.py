"""How providers' prompt caches behave: what is cached, from which length on, and for how long, as data per provider.

A rule serves estimates only: what a call is expected to cost. What is held for it is the dearest outcome whatever the
cache does, and what is booked is what the provider reported.
"""

from dataclasses import dataclass
from typing import Literal

from langroute.errors import ConfigError

CacheMode = Literal["automatic", "marked", "shown", "none"]
_MODES = ("automatic", "marked", "shown", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheRule:
    """When a provider serves the beginning of a prompt from its cache.

    Attributes:
        mode: ``automatic``: every prompt is kept. ``marked``: only what the messages mark (``cache_control``), so what
            is warm is what the last call reported as read or written. ``shown``: kept as far as is known only once a
            call of the conversation has reported a read. ``none``: never.
        min_tokens: shorter prefixes are never served.
        block_tokens: prefixes are served in whole blocks of this many tokens.
        lifetime_s: seconds after its last use for which a prefix is counted on.

    Raises:
        ConfigError: a value is impossible; the message names the field.
    """

    mode: CacheMode = "shown"
    min_tokens: int = 1
    block_tokens: int = 1
    lifetime_s: float = 300.0

    def __post_init__(self) -> None:
        if self.mode not in _MODES:
            raise ConfigError(f"must be one of {', '.join(_MODES)}, not {self.mode!r}", field="mode")
        for name in ("min_tokens", "block_tokens"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise ConfigError(f"must be a whole number of tokens, at least 1, not {value!r}", field=name)
        seconds = self.lifetime_s
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds >= 0:
            raise ConfigError(f"must be a number of seconds, not {seconds!r}", field="lifetime_s")

    def readable(self, tokens: int, *, age_s: float) -> int:
        """How many of these leading tokens the cache is expected to serve.

        Args:
            tokens: length of the prefix that was sent before.
            age_s: seconds since then.

        >>> CacheRule(mode="automatic", min_tokens=1024, block_tokens=128).readable(2000, age_s=10.0)
        1920
        """
        if age_s > self.lifetime_s or tokens < self.min_tokens or self.mode == "none":
            return 0
        return tokens - tokens % self.block_tokens


_OPENAI = CacheRule(mode="automatic", min_tokens=1024, block_tokens=128, lifetime_s=300.0)
_SHOWN = CacheRule()

# Provider -> beginnings of model names -> rule; the longest beginning that fits wins, and the empty one fits all. Where
# pages of a provider disagree, the longer minimum and the shorter lifetime stand here. docs/prices.md has the sources,
# and says which of these numbers no page confirms.
_RULES: dict[str, dict[str, CacheRule]] = {
    "openai": {
        "": _OPENAI,
        # Since then prefixes live at least half an hour, and writes are billed.
        "gpt-5.6": CacheRule(mode="automatic", min_tokens=1024, block_tokens=128, lifetime_s=1800.0),
    },
    "anthropic": {
        "": CacheRule(mode="marked", min_tokens=1024),
        "claude-opus-5": CacheRule(mode="marked", min_tokens=512),
        "claude-opus-4-5": CacheRule(mode="marked", min_tokens=4096),
        "claude-opus-4-6": CacheRule(mode="marked", min_tokens=4096),
        "claude-opus-4-7": CacheRule(mode="marked", min_tokens=4096),
        "claude-sonnet-4-6": CacheRule(mode="marked", min_tokens=2048),
        "claude-haiku-4-5": CacheRule(mode="marked", min_tokens=4096),
        "claude-3-5-haiku": CacheRule(mode="marked", min_tokens=2048),
        "claude-3-haiku": CacheRule(mode="marked", min_tokens=2048),
    },
    # Minimum, block and lifetime as measured on 20,163 calls of gemini-3-pro-preview: its page says 4096 tokens and
    # nothing of blocks or lifetime, and the calls were served whole blocks of some 2,020 tokens from the first on.
    "google": {"": CacheRule(mode="automatic", min_tokens=2020, block_tokens=2020)},
    "deepseek": {"": CacheRule(mode="automatic", min_tokens=64, block_tokens=64, lifetime_s=3600.0)},
    "groq": {"": CacheRule(mode="automatic", min_tokens=1024, block_tokens=128, lifetime_s=7200.0)},
}
_SAME_AS = {
    "amazon_bedrock": "anthropic",
    "anthropic-bedrock": "anthropic",
    "anthropic_bedrock": "anthropic",
    "azure": "openai",
    "azure_openai": "openai",
    "bedrock": "anthropic",
    "bedrock_converse": "anthropic",
    "google_anthropic_vertex": "anthropic",
    "google_genai": "google",
    "google_vertexai": "google",
}


def cache_rule(*, model: str, provider: str) -> CacheRule:
    """The rule of a model; of providers that are not known here only what their calls show.

    Args:
        model: the provider's name for it; a path or a region before it does not matter.
        provider: LangChain's id.

    >>> cache_rule(model="claude-opus-4-6", provider="anthropic").min_tokens
    4096
    """
    rules = _RULES.get(_SAME_AS.get(provider, provider))
    if rules is None:
        return _SHOWN
    name = model.rpartition("/")[2].rpartition("anthropic.")[2].lower()
    return rules[max((start for start in rules if name.startswith(start)), key=len)]
