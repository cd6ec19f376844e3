"""What a rejected answer says about the step that is tried again."""

import pytest
from fakes import a_step

from langroute.learned import Learned
from langroute.records import Pressure, Rejection


@pytest.mark.parametrize(
    ("reason", "pressure"),
    [
        ("invalid_tool_call", Pressure(retries=1, invalid_tool_calls=1)),
        ("unknown_tool, invalid_arguments", Pressure(retries=1, invalid_tool_calls=1)),
        ("invalid_structure", Pressure(retries=1, schema_failures=1)),
        ("invalid_arguments, invalid_structure", Pressure(retries=1, invalid_tool_calls=1, schema_failures=1)),
        ("low_confidence", Pressure(retries=1)),
        ("verifier_says_wrong", Pressure(retries=1)),
        ("low_confidence, invalid_arguments", Pressure(retries=1, invalid_tool_calls=1)),
    ],
)
def test_only_what_was_malformed_counts_as_malformed(reason: str, pressure: Pressure) -> None:
    """A doubted answer is a retry and nothing more; a malformed one counts as what was malformed about it."""
    learned = Learned(attempt=1, rejected=[Rejection(arm="small", reason=reason)])
    assert learned.onto(a_step()).pressure == pressure
