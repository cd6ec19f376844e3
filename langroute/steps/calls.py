"""The kind of a call that no classified node makes, from what the call itself carries; worked out once."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from langroute.steps.classify import Classification, classify_node, fields_of, name_of
from langroute.steps.facts import author

_MOST_REMEMBERED = 1_024  # different calls; the least recently seen is forgotten
_MOST_OF_PROMPT = 1_500  # characters that are read of a system prompt


def classify_call(*, node: str, prompt: str = "", tools: bool = False, schema: object | None = None) -> Classification:
    """The kind of a call, from the node it is made in, its system prompt, its tools and its schema.

    The same facts are classified once and then looked up, so that it may be asked before every call. What is
    remembered is bounded, and keeps no schema alive. A prompt that changes in its first 1,500 characters from call to
    call (a clock, a name) is classified each time.

    Args:
        node: the name of the node or function that makes the call.
        prompt: the text of the system prompt.
        tools: tools are bound to the call.
        schema: what the answer must fit (class, JSON schema, or the name of one).

    >>> classify_call(node="step", prompt="Decide which worker acts next.").kind
    'control'
    """
    known = None if schema is None else (name_of(schema), fields_of(schema))
    return _classified(node, prompt[:_MOST_OF_PROMPT], tools, known)


def system_prompt(messages: Sequence[Any]) -> str:
    """The text of the system messages that a conversation begins with."""
    found: list[str] = []
    for message in messages:
        if author(message) != "system":
            break
        content = message.content
        found += [content] if isinstance(content, str) else map(_text, content)
    return "\n".join(filter(None, found))


@lru_cache(maxsize=_MOST_REMEMBERED)
def _classified(node: str, prompt: str, tools: bool, schema: tuple[str, str] | None) -> Classification:
    described = None if schema is None else {"title": schema[0], "properties": dict.fromkeys(schema[1].split())}
    return classify_node(name=node, prompt=prompt, tools=tools, schema=described)


def _text(block: Any) -> str:
    text = block.get("text") if isinstance(block, Mapping) else block
    return text if isinstance(text, str) else ""
