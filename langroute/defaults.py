"""Where the house is put together: the concrete rooms that a router uses when it is given none.

This is the one module between the router and the concrete policies, estimators, rules and stores.
"""

from collections.abc import Sequence

from langroute.acceptance.selection import Majority
from langroute.acceptance.validity import ValidityAcceptance
from langroute.clock import SystemClock
from langroute.config import RouterConfig
from langroute.errors import ConfigError
from langroute.estimators.prior import PriorEstimator
from langroute.governor import BudgetGovernor
from langroute.journal.store import open_journal
from langroute.ledgers import open_ledger
from langroute.observe.log import EventLogger, RoutingLog
from langroute.policies.frontier import FrontierPolicy
from langroute.policies.pinned import PinnedPolicy
from langroute.protocols import Acceptance, Clock, Estimator, Governor, RoutingPolicy, Selector
from langroute.records import Arm

__all__ = [
    "acceptance",
    "clock",
    "estimator",
    "governor",
    "open_journal",
    "open_ledger",
    "policy",
    "routing_log",
    "selector",
]

POLICY_NAMES = ("prior", "always-small", "always-large", "always:ARM")


def policy(name: str, arms: Sequence[Arm]) -> RoutingPolicy:
    """The policy of a name.

    Raises:
        ConfigError: no policy has this name, or the pool has no such arm.
    """
    # Of the arms of one model the one that calls it once stands first, from either end.
    by_rank = [arm.name for arm in sorted(arms, key=lambda arm: (arm.rank, arm.samples))]
    from_top = [arm.name for arm in sorted(arms, key=lambda arm: (-arm.rank, arm.samples))]
    if name == "prior":
        return FrontierPolicy()
    if name == "always-small":
        return PinnedPolicy(by_rank, name=name)
    if name == "always-large":
        return PinnedPolicy(from_top, name=name)
    kind, _, arm = name.partition(":")
    if kind != "always":
        raise ConfigError(f"no policy is called {name!r}; use one of {', '.join(POLICY_NAMES)}", field="policy")
    if arm not in by_rank:
        raise ConfigError(f"the pool has no arm {arm!r}; it has {', '.join(by_rank)}", field="policy")
    return PinnedPolicy([arm, *by_rank], name=name)


def estimator() -> Estimator:
    """The estimator that needs no data."""
    return PriorEstimator()


def governor(config: RouterConfig) -> Governor:
    """The governor of a configuration."""
    return BudgetGovernor(thrift=config.thrift, actions=config.actions)


def acceptance() -> tuple[Acceptance, ...]:
    """The rules an answer must pass."""
    return (ValidityAcceptance(),)


def selector() -> Selector:
    """What chooses among several answers of one arm."""
    return Majority()


def clock() -> Clock:
    """The machine's clock."""
    return SystemClock()


def routing_log(logger: EventLogger | None) -> RoutingLog:
    """The structured log, on the user's logger or on langroute's own."""
    return RoutingLog(logger)
