"""What a step is: the kind of node it is made in, and how much trouble its conversation is in."""

from langroute.steps.calls import classify_call, system_prompt
from langroute.steps.classify import Classification, NodeEdges, classify_node
from langroute.steps.input_tokens import bound_input_tokens, expected_input_tokens
from langroute.steps.pressure import ConversationReader, LastUsage, Reading, read_pressure

__all__ = [
    "Classification",
    "ConversationReader",
    "LastUsage",
    "NodeEdges",
    "Reading",
    "bound_input_tokens",
    "classify_call",
    "classify_node",
    "expected_input_tokens",
    "read_pressure",
    "system_prompt",
]
