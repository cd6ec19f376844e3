"""What is said of a swap in the log: one short reason for each thing that was changed or left out of what is sent."""

from typing import Final

REASONING: Final = "reasoning of another model left out"
SERVER_TOOLS: Final = "provider-side tool calls of another provider left out"
CITATIONS: Final = "citations left out"
ANSWER_MEDIA: Final = "media of an answer left out"
ITEM_IDS: Final = "item ids of another model left out"
CACHE_MARKS: Final = "cache markers left out"
MEDIA_FORM: Final = "media blocks rewritten"
TEXT_FORM: Final = "text blocks rewritten"
RESULT_MEDIA: Final = "media of a tool result moved behind it"
CALL_IDS: Final = "tool-call ids rewritten"
LONE_CALL: Final = "tool call without a result left out"
LONE_RESULT: Final = "tool result without a call left out"
RESULT_ORDER: Final = "tool results put behind their call"
SYSTEM_INSIDE: Final = "system message inside the conversation sent as a user's"
EMPTY: Final = "empty message left out"
OPENING: Final = "opening message added"
BETWEEN: Final = "message between two answers added"
ROLES: Final = "message with a free role rewritten"
NAMES: Final = "message name rewritten"
TOOLS_DECLARED: Final = "tools of the history declared"
TOOLS_KEPT: Final = "tools kept, calling them ruled out"
TOOL_CHOICE: Final = "tool choice rewritten"
FORCED_TOOL: Final = "forced tool choice left out"
TOOL_MARKS: Final = "cache markers of tools left out"
THINKING_OFF: Final = "thinking switched off inside a tool loop that began without"
STRUCTURE: Final = "structured output by the model's own way"


def option_dropped(name: str) -> str:
    """That an option of the call was left out."""
    return f"option {name} left out"


def option_changed(name: str) -> str:
    """That an option of the call was written in another way or brought into range."""
    return f"option {name} rewritten"
