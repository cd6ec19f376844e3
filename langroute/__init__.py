"""Per-step model routing for LangGraph and LangChain agents, under budgets that cannot be overspent."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langroute.budget import Budget
    from langroute.config import RouterConfig
    from langroute.episodes import Episode, current_episode
    from langroute.errors import (
        BudgetExceeded,
        ConfigError,
        JournalUnavailable,
        LangrouteError,
        LedgerError,
        LedgerUnavailable,
        NoArmAvailable,
        PriceUnknown,
    )
    from langroute.integrations.chat_model import RoutedChatModel
    from langroute.integrations.graph import node_kinds, route_graph
    from langroute.ledgers import open_ledger
    from langroute.money import Price
    from langroute.pool import ModelPool
    from langroute.records import Arm, RoutingDecision, Step
    from langroute.router import StepRouter
    from langroute.steps.classify import Classification, classify_node

__version__ = "0.1.0"

_HOMES = {
    "Arm": "records",
    "Budget": "budget",
    "BudgetExceeded": "errors",
    "Classification": "steps.classify",
    "ConfigError": "errors",
    "Episode": "episodes",
    "JournalUnavailable": "errors",
    "LangrouteError": "errors",
    "LedgerError": "errors",
    "LedgerUnavailable": "errors",
    "ModelPool": "pool",
    "NoArmAvailable": "errors",
    "Price": "money",
    "PriceUnknown": "errors",
    "RoutedChatModel": "integrations.chat_model",
    "RouterConfig": "config",
    "RoutingDecision": "records",
    "Step": "records",
    "StepRouter": "router",
    "classify_node": "steps.classify",
    "current_episode": "episodes",
    "node_kinds": "integrations.graph",
    "open_ledger": "ledgers",
    "route_graph": "integrations.graph",
}

__all__ = [
    "Arm",
    "Budget",
    "BudgetExceeded",
    "Classification",
    "ConfigError",
    "Episode",
    "JournalUnavailable",
    "LangrouteError",
    "LedgerError",
    "LedgerUnavailable",
    "ModelPool",
    "NoArmAvailable",
    "Price",
    "PriceUnknown",
    "RoutedChatModel",
    "RouterConfig",
    "RoutingDecision",
    "Step",
    "StepRouter",
    "classify_node",
    "current_episode",
    "node_kinds",
    "open_ledger",
    "route_graph",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that ``import langroute`` loads no framework."""
    if name not in _HOMES:
        raise AttributeError(f"module 'langroute' has no attribute {name!r}")
    value = getattr(import_module(f"langroute.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names."""
    return sorted([*globals(), *__all__])
