"""Trouble that one message shows: an answer that takes something back, says nothing, or did not fit its schema.

Cheap on purpose: each new message is looked at once, and only the beginning of its text. Phrases are English only; in
another language an answer that corrects itself is not noticed, and nothing else is changed by it. A model's thinking is
not looked at: reasoning models turn back and forth there, and that is no trouble.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

_MOST_CHARACTERS = 400  # of an answer's text: who takes something back does so early
_MOST_OF_RESULT = 200  # characters of a tool message that are searched

_PHRASES = (
    r"(?:oh,? |hmm,? |no,? |but )?wait(?:[,.!:;\u2013\u2014\u2026]| -| a (?:moment|minute|second)\b)",
    r"actually,",
    r"(?:let me|i need to|i have to|i must) correct (?:that|this|myself|my)\b",
    r"(?:i|i've|i have) made an? (?:\w+ )?(?:mistake|error)\b",
    r"(?:sorry|oops), i (?:made an? (?:\w+ )?(?:mistake|error)|misread|misspoke|was mistaken)\b",
    r"my mistake\b",
    r"on second thoughts?\b",
    r"correction:",
    r"(?:my )?apologies(?:[,.!:]| for (?:the|my|that))",
    r"i apologi[sz]e for (?:the|my|that)\b",
    r"scratch that\b",
    r"i (?:misread|misspoke)\b",
    r"i stand corrected\b",
)
_TAKES_BACK = re.compile(r"(?:\A|[.!?:\n])[\s*_>\"']*(?:" + "|".join(_PHRASES) + ")")

_THINKING = frozenset({"thinking", "redacted_thinking", "reasoning", "reasoning_content"})
# What a provider may say beside the content: then the answer is not empty.
_SAID_BESIDE = ("function_call", "audio", "refusal")
# What LangChain's ToolStrategy writes under the wrong answer. Its status is "success", so only the text tells.
_MISFIT = "Failed to parse structured output for tool"
_SEVERAL = "incorrectly returned multiple structured responses"


def takes_back(content: Any) -> bool:
    """Whether an answer takes back what was said before, by an English phrase at the start of one of its sentences.

    >>> takes_back("Wait, the flight leaves at nine."), takes_back("Please wait for the result.")
    (True, False)
    """
    text = (content if isinstance(content, str) else _first_text(content))[:_MOST_CHARACTERS].lower()
    return _may_take_back(text) and _TAKES_BACK.search(text.replace("\u2019", "'")) is not None


def says_nothing(message: Any) -> bool:
    """Whether an answer holds nothing to read, tool calls aside: no text, no media, nothing beside its content."""
    content = message.content
    if isinstance(content, str):
        if content and not content.isspace():
            return False
    elif any(not _is_empty(block) for block in content):
        return False
    beside = getattr(message, "additional_kwargs", None)
    return not beside or not any(beside.get(key) for key in _SAID_BESIDE)


def misfit_reported(message: Any) -> bool:
    """Whether a tool message tells the model that its answer did not fit the schema that was demanded."""
    content = message.content
    if not isinstance(content, str):
        return False
    begin = content[:_MOST_OF_RESULT]
    return _MISFIT in begin or _SEVERAL in begin


def _may_take_back(text: str) -> bool:
    """Whether a word that is in every phrase of its kind is there: ten times as fast as the pattern."""
    return (
        "wait" in text
        or "actually" in text
        or "correct" in text
        or "mis" in text
        or "made a" in text
        or "thought" in text
        or "apolog" in text
        or "scratch" in text
    )


def _first_text(content: Any) -> str:
    """The text that an answer made of blocks begins with."""
    for block in content if isinstance(content, Sequence) else ():
        if isinstance(block, str):
            return block
        if isinstance(block, Mapping) and block.get("type") in {"text", "output_text"}:
            return str(block.get("text") or "")
    return ""


def _is_empty(block: Any) -> bool:
    if isinstance(block, str):
        return not block.strip()
    kind = block.get("type") if isinstance(block, Mapping) else None
    if kind in {"text", "output_text"}:
        return not str(block.get("text") or "").strip()
    return kind in _THINKING or kind in {"tool_use", "tool_call", "invalid_tool_call", "function_call"}
