"""ValidityAcceptance: an answer must be well-formed before the agent sees it."""

from langroute.records import Outcome, Step

MALFORMED = frozenset({"invalid_tool_call", "unknown_tool", "invalid_arguments", "invalid_structure"})


class ValidityAcceptance:
    """Rejects malformed tool calls and structured output, so that a stronger arm makes the call again at once.

    Only steps to which tools or a schema are bound are judged: plain text has no form to check, and streams at once.
    """

    name = "validity"

    def gates(self, step: Step) -> bool:
        """Whether tools or a schema are bound to the step."""
        return step.needs_tools or step.needs_structure

    def defects(self, step: Step, outcome: Outcome) -> tuple[str, ...]:  # noqa: ARG002 - the contract's signature
        """The defects of form among those that were found."""
        return tuple(defect for defect in outcome.defects if defect in MALFORMED)
