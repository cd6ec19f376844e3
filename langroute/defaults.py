"""Where the house is put together: the concrete rooms that a router uses when it is given none.

This is the one module between the router and the concrete policies, estimators, rules and stores.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

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
from langroute.policies.exploring import ExploringPolicy
from langroute.policies.frontier import FrontierPolicy
from langroute.policies.pinned import PinnedPolicy
from langroute.protocols import Acceptance, Clock, Estimator, Governor, RoutingPolicy, Selector
from langroute.records import Arm

if TYPE_CHECKING:
    from langroute.artifacts import LearnedPolicy

__all__ = ["Rooms", "clock", "open_journal", "open_ledger", "policy", "rooms", "routing_log", "selector"]

POLICY_NAMES = ("prior", "always-small", "always-large", "always:ARM", "exploring:SHARE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """The parts that decide, where a router is given none of its own."""

    estimator: Estimator
    policy: RoutingPolicy
    governor: Governor
    acceptance: tuple[Acceptance, ...]


def rooms(config: RouterConfig, arms: Sequence[Arm]) -> Rooms:
    """The parts that a configuration asks for; those of a learned policy where it names the folder of one.

    Raises:
        ConfigError: no policy has this name, or its target cannot be reached or looked up.
        ArtifactInvalid: the folder of the learned policy is damaged or of another version.
    """
    learned = _opened(config.policy, arms) if is_folder(config.policy) else None
    price, because = _price_of_dollar(config, learned)
    governor = BudgetGovernor(
        thrift=config.thrift, actions=config.actions, price_of_dollar=price, priced_because=because
    )
    if learned is None:
        return Rooms(
            estimator=PriorEstimator(),
            policy=policy(config.policy, arms),
            governor=governor,
            acceptance=(ValidityAcceptance(),),
        )
    return Rooms(
        estimator=learned.estimator,
        policy=learned.policy or FrontierPolicy(),
        governor=governor,
        acceptance=(ValidityAcceptance(), *learned.acceptance),
    )


def is_folder(name: str) -> bool:
    """Whether a policy's name is that of a folder: it is there, or it looks like a path."""
    named = name in POLICY_NAMES or name.startswith(("always:", "exploring:"))
    return not named and (Path(name).is_dir() or "/" in name or os.sep in name)


def _opened(folder: str, arms: Sequence[Arm]) -> "LearnedPolicy":
    from langroute.artifacts import open_policy  # noqa: PLC0415 - loads numpy, which routing by the prior needs not

    return open_policy(folder, arms)


def _price_of_dollar(config: RouterConfig, learned: "LearnedPolicy | None") -> tuple[float | None, str]:
    target = config.target
    if not target.said:
        return None, ""
    if target.price_of_a_dollar is not None:
        return target.price_of_a_dollar, "as set"
    if learned is None or learned.targets is None:
        (wish,) = target.said
        lacks = (
            f"policy {config.policy!r} is not learned"
            if learned is None
            else f"{config.policy} found no prices for targets; train it on more, on outcomes of every arm, "
            "or with --policy frontier"
        )
        raise ConfigError(
            f"is looked up in what a learned policy found on its calibration data, and {lacks}. Give the folder of a "
            "learned policy, or price_of_a_dollar",
            field=f"target.{wish}",
        )
    found: tuple[float, str] = learned.targets.price(target)
    return found


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
    if kind == "exploring" and arm:
        return ExploringPolicy(share=_share(arm))
    if kind != "always":
        known = ", ".join(POLICY_NAMES)
        raise ConfigError(
            f"no policy is called {name!r}; use one of {known}, or the folder of a learned policy", field="policy"
        )
    if arm not in by_rank:
        raise ConfigError(f"the pool has no arm {arm!r}; it has {', '.join(by_rank)}", field="policy")
    return PinnedPolicy([arm, *by_rank], name=name)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        message = f"exploring:{text} must name a share of the steps between 0 and 1, such as exploring:0.1"
        raise ConfigError(message, field="policy")
    return share


def selector() -> Selector:
    """What chooses among several answers of one arm."""
    return Majority()


def clock() -> Clock:
    """The machine's clock."""
    return SystemClock()


def routing_log(logger: EventLogger | None) -> RoutingLog:
    """The structured log, on the user's logger or on langroute's own."""
    return RoutingLog(logger)
