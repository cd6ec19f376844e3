"""Per-step model routing for LangGraph and LangChain agents, under budgets that cannot be overspent."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langroute.actions import Actions
    from langroute.books import Remaining
    from langroute.budget import Budget
    from langroute.caching import CacheRule
    from langroute.config import RouterConfig
    from langroute.entry import EntryRule, When
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
        StepNotWorthwhile,
    )
    from langroute.integrations.callbacks import RoutingCallbackHandler
    from langroute.integrations.chat_model import RoutedChatModel
    from langroute.integrations.graph import node_kinds, route_graph
    from langroute.integrations.middleware import RoutingMiddleware
    from langroute.integrations.node import routed_node
    from langroute.integrations.scope import find_episode
    from langroute.ledgers import open_ledger
    from langroute.money import Price
    from langroute.pool import ModelPool
    from langroute.records import Arm, RoutingDecision, Step
    from langroute.router import StepRouter
    from langroute.steps.classify import Classification, classify_node
    from langroute.tiers import Tier

__version__ = "0.1.0"

_HOMES = {
    "Actions": "actions",
    "Arm": "records",
    "Budget": "budget",
    "BudgetExceeded": "errors",
    "CacheRule": "caching",
    "Classification": "steps.classify",
    "ConfigError": "errors",
    "EntryRule": "entry",
    "Episode": "episodes",
    "JournalUnavailable": "errors",
    "LangrouteError": "errors",
    "LedgerError": "errors",
    "LedgerUnavailable": "errors",
    "ModelPool": "pool",
    "NoArmAvailable": "errors",
    "Price": "money",
    "PriceUnknown": "errors",
    "Remaining": "books",
    "RoutedChatModel": "integrations.chat_model",
    "RouterConfig": "config",
    "RoutingCallbackHandler": "integrations.callbacks",
    "RoutingDecision": "records",
    "RoutingMiddleware": "integrations.middleware",
    "Step": "records",
    "StepNotWorthwhile": "errors",
    "StepRouter": "router",
    "Tier": "tiers",
    "When": "entry",
    "classify_node": "steps.classify",
    "current_episode": "episodes",
    "find_episode": "integrations.scope",
    "node_kinds": "integrations.graph",
    "open_ledger": "ledgers",
    "route_graph": "integrations.graph",
    "routed_node": "integrations.node",
}

__all__ = [
    "Actions",
    "Arm",
    "Budget",
    "BudgetExceeded",
    "CacheRule",
    "Classification",
    "ConfigError",
    "EntryRule",
    "Episode",
    "JournalUnavailable",
    "LangrouteError",
    "LedgerError",
    "LedgerUnavailable",
    "ModelPool",
    "NoArmAvailable",
    "Price",
    "PriceUnknown",
    "Remaining",
    "RoutedChatModel",
    "RouterConfig",
    "RoutingCallbackHandler",
    "RoutingDecision",
    "RoutingMiddleware",
    "Step",
    "StepNotWorthwhile",
    "StepRouter",
    "Tier",
    "When",
    "classify_node",
    "current_episode",
    "find_episode",
    "node_kinds",
    "open_ledger",
    "route_graph",
    "routed_node",
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
