"""``langroute replay``: what stored episodes would have cost under another policy."""

# ruff: noqa: PLC0415 - a command imports what it needs when it runs, so that --help is quick

from typing import TYPE_CHECKING, Annotated, Any

import typer

from langroute.cli.stores import DEFAULT_STORE, AsJson, Store, console, reading
from langroute.errors import ConfigError, ReplayError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from langroute.protocols import Journal
    from langroute.records import Arm
    from langroute.replay import Decide

_POLICY = "always-small, always-large, always:ARM, prior, or the folder of a learned policy."


def replay(
    episode: Annotated[str, typer.Argument(help="Id of a stored episode; all of them when left out.")] = "",
    *,
    policy: Annotated[str, typer.Option("--policy", help=_POLICY)],
    quality_target: Annotated[
        float | None, typer.Option("--quality-target", help="Share of quality that a learned policy is to keep.")
    ] = None,
    dollars_per_episode: Annotated[
        float | None, typer.Option("--dollars-per-episode", help="What an episode should cost on average.")
    ] = None,
    price_of_a_dollar: Annotated[
        float | None, typer.Option("--price-of-a-dollar", help="Success given up per dollar saved.")
    ] = None,
    since: Annotated[str, typer.Option("--since", help="Only episodes since then: 30d, 12h, or 2026-11-01.")] = "",
    store: Store = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Estimate what episodes would cost under another policy, and by a learned one, what they would achieve.

    What the estimate assumes is printed with it.
    """
    wishes = {"quality": quality_target, "dollars_per_episode": dollars_per_episode}
    make = _maker(policy, {**wishes, "price_of_a_dollar": price_of_a_dollar})
    if episode and since:
        raise ConfigError("goes with all episodes, not with one; leave out the id or --since", field="--since")
    with reading(store) as journal:
        text = _one(journal, episode, policy, make, as_json) if episode else _all(journal, since, policy, make, as_json)
    if isinstance(text, str):
        typer.echo(text)
    else:
        console().print(text)


def _one(journal: "Journal", episode: str, policy: str, make: "Maker", as_json: bool) -> Any:
    from langroute.observe.replayed import explain_replay, replay_as_json
    from langroute.replay import replay_episode

    records, arms = journal.records(episode), journal.arms(episode)
    if not arms:
        raise ReplayError(f"the store does not hold the pool of episode {episode}, so other arms have no price here")
    learned = _is_learned(policy)
    replayed = replay_episode(records, arms=arms, policy_name=policy, decide=make(arms), learned=learned)
    return replay_as_json(replayed) if as_json else explain_replay(replayed)


def _all(journal: "Journal", since: str, policy: str, make: "Maker", as_json: bool) -> Any:
    from langroute.learning.replay_report import explain_replays, replays_as_json
    from langroute.learning.replays import replay_episodes

    learned = _is_learned(policy)
    found = replay_episodes(journal, _ids(journal, since), policy_name=policy, decide_for=make, learned=learned)
    return replays_as_json(found) if as_json else explain_replays(found)


def _ids(journal: "Journal", since: str) -> "Iterator[str]":
    import time

    from langroute.cli.periods import moment
    from langroute.protocols import JournalIndex

    begin = moment(since, now=time.time(), field="--since") if since else None
    if not isinstance(journal, JournalIndex):
        raise ConfigError("cannot name all its episodes; give the id of one", field="--store")
    return journal.every_episode(since=begin)


if TYPE_CHECKING:
    Maker = Callable[[tuple[Arm, ...]], Decide | None]


def _is_learned(policy: str) -> bool:
    from langroute.defaults import is_folder

    return is_folder(policy)


def _maker(policy: str, wishes: "dict[str, float | None]") -> "Maker":
    """How a policy decides for a pool; the always-policies are worked out from prices alone."""
    from langroute.config import RouterConfig
    from langroute.defaults import rooms
    from langroute.replay import decider

    target = {name: wish for name, wish in wishes.items() if wish is not None}
    config = RouterConfig(policy=policy, target=target)
    if policy != "prior" and not _is_learned(policy):
        if target:
            raise ConfigError(f"has no effect on {policy}; use prior or a learned policy", field="target")
        return lambda arms: None  # noqa: ARG005 - the always-policies need no decision

    def make(arms: "tuple[Arm, ...]") -> "Decide":
        found = rooms(config, arms)
        return decider(arms=arms, estimator=found.estimator, governor=found.governor, policy=found.policy)

    return make
