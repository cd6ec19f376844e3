"""Public helpers for testing agents, and contract suites for rooms of your own.

Names load on first use, so that importing this package imports neither LangChain nor anything that needs it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langroute.testing.answerer import obliging
    from langroute.testing.anthropic_server import AnthropicServer
    from langroute.testing.clock import FakeClock
    from langroute.testing.door import Door, DoorCall, DoorReport
    from langroute.testing.door_contract import acheck_door, check_door
    from langroute.testing.estimator_contract import check_estimator
    from langroute.testing.google_server import GoogleServer
    from langroute.testing.ledger_contract import check_ledger
    from langroute.testing.openai_server import ScriptedServer
    from langroute.testing.policy_contract import check_policy
    from langroute.testing.reply import Reply
    from langroute.testing.responses_server import ResponsesServer
    from langroute.testing.scripted import ScriptedCall, ScriptedModel, ScriptExhausted
    from langroute.testing.scripted_service import refusal

__all__ = [
    "AnthropicServer",
    "Door",
    "DoorCall",
    "DoorReport",
    "FakeClock",
    "GoogleServer",
    "Reply",
    "ResponsesServer",
    "ScriptExhausted",
    "ScriptedCall",
    "ScriptedModel",
    "ScriptedServer",
    "acheck_door",
    "check_door",
    "check_estimator",
    "check_ledger",
    "check_policy",
    "obliging",
    "refusal",
]

_HOMES = {
    "AnthropicServer": "anthropic_server",
    "Door": "door",
    "DoorCall": "door",
    "DoorReport": "door",
    "FakeClock": "clock",
    "GoogleServer": "google_server",
    "Reply": "reply",
    "ResponsesServer": "responses_server",
    "ScriptExhausted": "scripted",
    "ScriptedCall": "scripted",
    "ScriptedModel": "scripted",
    "ScriptedServer": "openai_server",
    "acheck_door": "door_contract",
    "check_door": "door_contract",
    "check_estimator": "estimator_contract",
    "check_ledger": "ledger_contract",
    "check_policy": "policy_contract",
    "obliging": "answerer",
    "refusal": "scripted_service",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
