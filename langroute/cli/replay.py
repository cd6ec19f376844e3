"""``langroute replay``: what an episode would have cost under another policy."""

# ruff: noqa: PLC0415 - a command imports what it needs when it runs, so that --help is quick

from typing import TYPE_CHECKING, Annotated

import typer

from langroute.cli.stores import DEFAULT_STORE, AsJson, Store, console, reading
from langroute.errors import ReplayError

if TYPE_CHECKING:
    from langroute.records import Arm
    from langroute.replay import Decide


def replay(
    episode: Annotated[str, typer.Argument(help="Id of a stored episode.")],
    *,
    policy: Annotated[str, typer.Option("--policy", help="always-small, always-large, always:ARM or prior.")],
    store: Store = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Estimate what an episode would cost under another policy.

    What the estimate assumes is printed with it.
    """
    with reading(store) as journal:
        records, arms = journal.records(episode), journal.arms(episode)
    if not arms:
        raise ReplayError(f"the store does not hold the pool of episode {episode}, so other arms have no price here")
    from langroute.observe.replayed import explain_replay, replay_as_json
    from langroute.replay import replay_episode

    replayed = replay_episode(records, arms=arms, policy_name=policy, decide=_decide(policy, arms))
    if as_json:
        typer.echo(replay_as_json(replayed))
    else:
        console().print(explain_replay(replayed))


def _decide(policy: str, arms: "tuple[Arm, ...]") -> "Decide | None":
    """How the default policy decides; the always-policies are worked out from prices alone."""
    if policy != "prior":
        return None
    from langroute.estimators.prior import PriorEstimator
    from langroute.governor import BudgetGovernor
    from langroute.policies.frontier import FrontierPolicy
    from langroute.replay import decider

    return decider(arms=arms, estimator=PriorEstimator(), governor=BudgetGovernor(), policy=FrontierPolicy())
