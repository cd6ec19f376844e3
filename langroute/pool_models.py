"""Turns what a user puts into a pool into a chat model that langroute may call.

A prepared model is a copy: the user's object is never changed. On the copy the SDK makes no retries of its own, because
a retry nobody holds money for could break a budget, and streams report their usage, because a stream without usage must
be booked at its worst case.
"""

import importlib
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from langroute.errors import ConfigError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

_CLIENT_FIELDS = ("client", "async_client", "root_client", "root_async_client")
# Parameters in an extra request body would win over the output limit that is sent, and so over what was held.
_LIMIT_NAMES = ("max_tokens", "max_completion_tokens", "max_output_tokens")


def prepared_model(entry: object, *, field: str) -> "BaseChatModel":
    """The model behind a pool entry, ready to be called by langroute.

    Args:
        entry: a LangChain chat model or a ``"provider:model"`` name.
        field: where the entry stands, for messages.

    Raises:
        ConfigError: the entry is neither, cannot be built, or is wrapped in a way that would act behind the budget.
    """
    model = _from_name(entry, field=field) if isinstance(entry, str) else entry
    return _prepare(_checked(model, field=field), field=field)


def _from_name(name: str, *, field: str) -> object:
    provider, colon, model = (part.strip() for part in name.partition(":"))
    if not (provider and colon and model):
        raise ConfigError(
            f"{name!r} does not say which provider serves it; write it as 'provider:model', for example "
            "'openai:gpt-5', or give a chat model object",
            field=field,
        )
    try:
        return _openai(model) if provider == "openai" else _by_langchain(provider, model, field=field)
    except ConfigError:
        raise
    except ImportError as exc:
        raise ConfigError(f"{name!r} needs the LangChain package of its provider: {exc}", field=field) from exc
    except Exception as exc:  # whatever a provider's constructor raises: a missing key, an unknown setting
        raise ConfigError(
            f"{name!r} could not be built: {exc}. Correct the name, set the provider's API key, "
            "or give a chat model object",
            field=field,
        ) from exc


def _openai(model: str) -> object:
    from langchain_openai import ChatOpenAI  # noqa: PLC0415 - 1.4 seconds, only where a name asks for it

    return ChatOpenAI(model=model)


def _by_langchain(provider: str, model: str, *, field: str) -> object:
    try:
        init_chat_model = importlib.import_module("langchain.chat_models").init_chat_model
    except ImportError as exc:
        raise ConfigError(
            f"models of {provider!r} are built by name with the package langchain: `pip install langroute[langchain]` "
            "and the package of the provider (`pip install langchain-anthropic`, say), or give a chat model object",
            field=field,
        ) from exc
    built: object = init_chat_model(model, model_provider=provider)
    return built


def _checked(model: object, *, field: str) -> "BaseChatModel":
    from langchain_core.language_models import BaseChatModel  # noqa: PLC0415 - no framework before a pool is built
    from langchain_core.runnables import RunnableWithFallbacks  # noqa: PLC0415
    from langchain_core.runnables.base import RunnableBindingBase  # noqa: PLC0415
    from langchain_core.runnables.retry import RunnableRetry  # noqa: PLC0415

    why = ""
    if getattr(model, "_langroute_routed", False):
        why = "is a routed model; a call is never routed twice, so put the models themselves into one pool"
    elif isinstance(model, RunnableWithFallbacks):
        why = (
            "has fallbacks, whose calls no budget would cover; give each model a name of its own in the pool, "
            "and langroute falls back between them with a hold for each call"
        )
    elif isinstance(model, RunnableRetry):
        why = "retries by itself, and no budget would cover that; give the plain model: langroute retries, held"
    elif isinstance(model, RunnableBindingBase):
        why = (
            "is bound to arguments or configuration (.bind, .bind_tools, .with_config), which would be lost when tools "
            "are bound to the chosen model; give the plain model, set parameters in its constructor, and bind tools "
            "to the routed model"
        )
    elif not isinstance(model, BaseChatModel):
        why = "is neither a LangChain chat model nor a 'provider:model' name"
    if why or not isinstance(model, BaseChatModel):
        raise ConfigError(f"{type(model).__name__} {why}", field=field)
    _refuse_hidden_costs(model, field=field)
    return model


def _refuse_hidden_costs(model: "BaseChatModel", *, field: str) -> None:
    """Refuse settings that make a call dearer than the hold taken for it."""
    passed = getattr(model, "model_kwargs", None)
    samples = (getattr(model, "n", None), passed.get("n") if isinstance(passed, Mapping) else None)
    if any(isinstance(n, int) and n > 1 for n in samples):
        raise ConfigError(
            f"asks for {max(n or 1 for n in samples)} answers per call, and each of them is billed; leave n at 1",
            field=f"{field}.n",
        )
    body = getattr(model, "extra_body", None)
    hidden = [name for name in (*_LIMIT_NAMES, "n") if isinstance(body, Mapping) and name in body]
    if hidden:
        raise ConfigError(
            f"{', '.join(hidden)} would override what langroute sends; set the model's own max_tokens instead",
            field=f"{field}.extra_body",
        )


def _prepare(model: "BaseChatModel", *, field: str) -> "BaseChatModel":
    fields = type(model).model_fields
    update: dict[str, Any] = {}
    if "max_retries" in fields:
        # Google's SDKs count attempts, not retries, and read 0 as "use the default".
        update["max_retries"] = 1 if type(model).__module__.startswith("langchain_google") else 0
    if "stream_usage" in fields:
        update["stream_usage"] = True
    for name in _CLIENT_FIELDS:
        if name in fields and (client := getattr(model, name, None)) is not None:
            _refuse_botocore_retries(client, field=field)
            update[name] = _without_retries(client)
    copy = model.model_copy(update=update)
    # A client built lazily from the old settings is among the copied values; dropped, it is built again from the new.
    for name in _lazy_attributes(type(model)):
        copy.__dict__.pop(name, None)
    return copy


def _lazy_attributes(cls: type) -> list[str]:
    members = (item for base in cls.__mro__ for item in vars(base).items())
    return [name for name, member in members if isinstance(member, cached_property)]


def _without_retries(client: Any) -> Any:
    """The same client, sharing its connections, that asks once; unchanged where it is of a kind without retries.

    The SDKs of OpenAI, Anthropic, Groq and others come from one generator: a client has ``with_options``, and a
    resource of it, such as ``client.chat.completions``, is built from the client.
    """
    if hasattr(client, "with_options"):
        return client.with_options(max_retries=0)
    owner: Any = getattr(client, "_client", None)
    return type(client)(owner.with_options(max_retries=0)) if hasattr(owner, "with_options") else client


def _refuse_botocore_retries(client: Any, *, field: str) -> None:
    config = getattr(getattr(client, "meta", None), "config", None)
    retries = getattr(config, "retries", None)
    if isinstance(retries, Mapping) and retries.get("total_max_attempts") != 1:
        raise ConfigError(
            "its AWS client retries by itself, and no budget would cover that; build the model with max_retries=0, "
            "or its client with botocore.config.Config(retries={'total_max_attempts': 1})",
            field=f"{field}.max_retries",
        )
