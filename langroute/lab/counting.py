"""The lab's own tokenizer as a token counter of a pool: exact, so that holds are no larger than they must be."""

from collections.abc import Mapping, Sequence
from typing import Any

from langroute.lab.chat import encode_chat


def count_tokens(messages: Sequence[Any], tools: Sequence[Mapping[str, Any]]) -> int:
    """Input tokens that the lab's server bills for a call.

    Args:
        messages: LangChain messages.
        tools: JSON schemas of the bound tools, in OpenAI's form.
    """
    from langchain_core.messages import convert_to_openai_messages  # noqa: PLC0415 - takes a while to import

    return len(encode_chat(convert_to_openai_messages(list(messages)), tools or None))
