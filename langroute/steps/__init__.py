"""What a step is: the kind of node it is made in, and how much trouble its conversation is in."""

from langroute.steps.input_tokens import bound_input_tokens, expected_input_tokens
from langroute.steps.pressure import ConversationReader, LastUsage, Reading, read_pressure

__all__ = [
    "ConversationReader",
    "LastUsage",
    "Reading",
    "bound_input_tokens",
    "expected_input_tokens",
    "read_pressure",
]
