"""Reads off a chat model what routing needs to know: who serves it, what it can do, how its output is limited.

LangChain has no one way to ask; each function here says where it looks and what it assumes when nothing is said.
"""

import inspect
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

# OpenAI-compatible endpoints are reached through ChatOpenAI: then the host says who serves and bills the model.
_HOSTS = {
    "api.anthropic.com": "anthropic",
    "api.deepseek.com": "deepseek",
    "api.fireworks.ai": "fireworks",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistralai",
    "api.perplexity.ai": "perplexity",
    "api.together.xyz": "together",
    "api.x.ai": "xai",
    "azure.com": "azure",
    "googleapis.com": "google_genai",
    "openrouter.ai": "openrouter",
}
_STANDARD_TERMS = {
    "service_tier": {"auto", "default", "on_demand", "standard", "standard_only"},
    "inference_geo": {"global"},
    "speed": {"standard"},
}
_MEDIA_FLAGS = {"audio": "audio_inputs", "file": "pdf_inputs", "image": "image_inputs", "video": "video_inputs"}
_LIMIT_FIELDS = ("max_tokens", "max_output_tokens", "max_completion_tokens", "num_predict")
# OpenAI's Responses API refuses smaller limits.
_RESPONSES_MIN_OUTPUT = 16
_OLLAMA_OPTIONS = (
    "mirostat",
    "mirostat_eta",
    "mirostat_tau",
    "num_ctx",
    "num_gpu",
    "num_thread",
    "repeat_last_n",
    "repeat_penalty",
    "temperature",
    "seed",
    "stop",
    "tfs_z",
    "top_k",
    "top_p",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What a model says about itself.

    Attributes:
        provider: LangChain's id of the provider, or that of the endpoint the model is reached at.
        model: the provider's name for the model.
        context_window: most input tokens; None when unknown.
        calls_tools: whether tools may be bound; True when unknown.
        structured_output: whether a schema may be bound; True when unknown.
        max_output_tokens: the smaller of the provider's limit and the user's own; None when neither is known.
        min_output_tokens: output limits below this are rejected by the provider.
        special_terms: a setting that is billed at other rates than the list's, as ``name=value``; empty without one.
        modalities: kinds of media it takes beside text, sorted; None when the profile says nothing of any.
        service_tier: tier it asks for; empty when it asks for none.
    """

    provider: str
    model: str
    context_window: int | None
    calls_tools: bool
    structured_output: bool
    max_output_tokens: int | None
    min_output_tokens: int
    special_terms: str
    modalities: tuple[str, ...] | None = None
    service_tier: str = ""


def traits(model: "BaseChatModel") -> Traits:
    """Everything routing needs to know about a model, read once."""
    profile: dict[str, Any] = dict(getattr(model, "profile", None) or {})
    calls_tools = _overrides(model, "bind_tools") and profile.get("tool_calling") is not False
    limits = (_count(profile.get("max_output_tokens")), *(_count(value) for value in _own_limits(model)))
    params = model._get_ls_params()  # the only way to ask any chat model for its provider and its model's name
    return Traits(
        provider=_provider_at(model) or params.get("ls_provider", ""),
        model=params.get("ls_model_name") or type(model).__name__,
        context_window=_count(profile.get("max_input_tokens")),
        calls_tools=calls_tools,
        structured_output=_structured_output(model, profile, calls_tools=calls_tools),
        max_output_tokens=min((limit for limit in limits if limit is not None), default=None),
        min_output_tokens=_floor(model),
        special_terms=_special_terms(model),
        modalities=_modalities(profile),
        service_tier=tier if isinstance(tier := getattr(model, "service_tier", None), str) else "",
    )


def output_limit_kwargs(model: "BaseChatModel", tokens: int) -> dict[str, Any]:
    """The keyword arguments of one call that limit its output to a number of tokens.

    Most providers take ``max_tokens``, Google's take ``max_output_tokens``; Ollama takes the limit only among its
    ``options``, which replace the model's own and are therefore repeated. A class that names none of these gets
    ``max_tokens``, the name LangChain's standard parameters give it.
    """
    name = _limit_field(type(model))
    if name == "num_predict":
        own = {name: getattr(model, name, None) for name in _OLLAMA_OPTIONS}
        return {"options": {**{name: value for name, value in own.items() if value is not None}, "num_predict": tokens}}
    return {name or "max_tokens": tokens}


def limited_model(model: "BaseChatModel", tokens: int) -> "BaseChatModel":
    """A copy of the model whose every call is limited to a number of output tokens.

    For calls that keyword arguments do not reach: ``with_structured_output(..., include_raw=True)`` drops them. The
    copy shares the model's clients. A class without a field for the limit comes back as it is.
    """
    name = _limit_field(type(model))
    if name is None:
        return model
    update: dict[str, Any] = {name: tokens}
    if isinstance(passed := getattr(model, "model_kwargs", None), dict):
        update["model_kwargs"] = {key: value for key, value in passed.items() if key not in _LIMIT_FIELDS}
    return model.model_copy(update=update)


@lru_cache(maxsize=256)
def _limit_field(kind: "type[BaseChatModel]") -> str | None:
    fields = kind.model_fields
    return next((name for name in ("max_output_tokens", "num_predict", "max_tokens") if name in fields), None)


def _provider_at(model: "BaseChatModel") -> str:
    """The provider at the endpoint of an OpenAI-compatible model; empty for the class's own and for unknown hosts."""
    base = getattr(model, "openai_api_base", None) or getattr(getattr(model, "root_client", None), "base_url", None)
    host = urlsplit(str(base)).hostname or "" if base else ""
    return next((name for known, name in _HOSTS.items() if host == known or host.endswith(f".{known}")), "")


def _count(value: object) -> int | None:
    """A positive number of tokens; None for anything else, such as Ollama's -1 for "without limit"."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _modalities(profile: dict[str, Any]) -> tuple[str, ...] | None:
    """The kinds of media a profile does not rule out; profiles speak of files as PDF."""
    if not any(flag in profile for flag in _MEDIA_FLAGS.values()):
        return None
    return tuple(kind for kind, flag in _MEDIA_FLAGS.items() if profile.get(flag) is not False)


def _own_limits(model: "BaseChatModel") -> list[object]:
    passed = getattr(model, "model_kwargs", None)
    extra = passed if isinstance(passed, dict) else {}
    return [getattr(model, name, None) for name in _LIMIT_FIELDS] + [extra.get(name) for name in _LIMIT_FIELDS]


def _overrides(model: "BaseChatModel", method: str) -> bool:
    from langchain_core.language_models import BaseChatModel  # noqa: PLC0415 - no framework before a pool is built

    return getattr(type(model), method) is not getattr(BaseChatModel, method)


def _structured_output(model: "BaseChatModel", profile: dict[str, Any], *, calls_tools: bool) -> bool:
    if not _overrides(model, "with_structured_output"):
        return calls_tools  # LangChain's own way binds the schema as a tool
    if profile.get("structured_output") is not False:
        return True
    # The profile speaks of the provider's native way; a class that goes through a tool call does not need it.
    method = inspect.signature(model.with_structured_output).parameters.get("method")
    return calls_tools and method is not None and method.default == "function_calling"


def _floor(model: "BaseChatModel") -> int:
    thinking = getattr(model, "thinking", None)
    budget = _count(thinking.get("budget_tokens")) if isinstance(thinking, dict) else None
    if budget is not None:
        return budget + 1  # Anthropic wants the limit above the thinking budget
    return _RESPONSES_MIN_OUTPUT if getattr(model, "use_responses_api", None) is True else 1


def _special_terms(model: "BaseChatModel") -> str:
    for name, usual in _STANDARD_TERMS.items():
        value = getattr(model, name, None)
        if isinstance(value, str) and value not in usual:
            return f"{name}={value!r}"
    return ""
