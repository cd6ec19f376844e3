"""A call as callbacks see it: read out of what LangChain logs when somebody else's call begins."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config

from langroute.integrations.request import BoundTool, ModelCall, Structure

_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict")
_FORMATS = ("response_format", "text_format", "response_schema")
_BUILT_BY = "ls_integration"
_STRUCTURED = "ls_structured_output_format"


def logged_call(
    messages: Sequence[BaseMessage],
    *,
    metadata: Mapping[str, Any],
    tags: Sequence[str],
    params: Mapping[str, Any],
    options: Mapping[str, Any],
) -> ModelCall:
    """A call from what the start of its run was logged with.

    Args:
        messages: the prompt.
        metadata: of the run; what the config in force says beside it is added.
        tags: of the run.
        params: the parameters the model is called with, its own settings among them.
        options: keyword arguments of the call.
    """
    structure = _structure(options.get(_STRUCTURED))
    given = () if structure is not None else params.get("tools") or params.get("functions") or ()
    tools = (
        tuple(_readable(tool) for tool in given) if isinstance(given, Sequence) and not isinstance(given, str) else ()
    )
    formats = {name: params[name] for name in _FORMATS if params.get(name)} if structure is None else {}
    if formats:
        formats = {"response_format": next(iter(formats.values()))}
    return ModelCall(
        prompt=messages,
        messages=list(messages),
        config=_config(metadata, tags),
        tools=tools,
        structure=structure,
        options=formats,
        output_limit=_limit(params),
    )


def _config(metadata: Mapping[str, Any], tags: Sequence[str]) -> RunnableConfig:
    """The config in force around the call, with what the run itself says of its place."""
    around = var_child_runnable_config.get() or RunnableConfig()
    place = around.get("metadata") or {}
    said = {**place, **metadata}
    if _BUILT_BY in place:
        said[_BUILT_BY] = place[_BUILT_BY]  # of the agent around; the model's own name for itself stands in its place
    whole = {**around, "metadata": said, "tags": list(tags)}
    return cast("RunnableConfig", whole)


def _structure(told: Any) -> Structure | None:
    """The schema of ``with_structured_output``, which LangChain logs beside whatever a provider is sent for it."""
    schema = told.get("schema") if isinstance(told, Mapping) else None
    if not schema:
        return None
    try:
        BoundTool(schema)
    except Exception:  # a converter says no in many ways; that an answer must fit a schema is known all the same
        name = schema.get("title", "schema") if isinstance(schema, Mapping) else "schema"
        schema = {"title": str(name), "description": "", "type": "object", "properties": {}}
    return Structure(schema=schema)


def _readable(tool: Any) -> Any:
    """A tool in a form that can be read; providers' own forms count by their text."""
    try:
        BoundTool(tool)
    except Exception:
        return {"type": "provider", "given": tool if isinstance(tool, Mapping) else repr(tool)}
    return tool


def _limit(params: Mapping[str, Any]) -> int | None:
    given = [params[name] for name in _LIMITS if isinstance(params.get(name), int) and params[name] > 0]
    return min(given, default=None)
