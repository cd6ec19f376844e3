"""What many stored episodes would have cost under another policy, and what it would have made of their success."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from langroute.errors import EpisodeNotFound
from langroute.learning.bootstrap import Interval, bootstrap
from langroute.protocols import Journal
from langroute.records import Arm
from langroute.replay import Decide, Replayed, replay_episode

_NO_POOL = "the pool is not stored, so other arms have no price, or no call was decided"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedEpisodes:
    """Stored episodes under another policy, summed up. Intervals are 95%, by bootstrap over episodes.

    Attributes:
        policy: its name.
        episodes: how many were replayed.
        calls: model calls in them.
        changed: calls that another arm would have made.
        recorded_nano: nano-dollars that were booked.
        nano: nano-dollars that would have been spent.
        cost: what would have been spent as a share of what was; None where nothing was spent.
        over_limit: episodes whose own budget would not have carried it.
        judged: episodes whose success is known and whose changes the learned estimator could weigh.
        recorded_success: mean success of these as it was; None where there is none.
        success: mean success they would have had: model-based, clipped to [0, 1] in each episode.
        left_out: why episodes could not be replayed, with how many.
        assumptions: what the answer assumes.
    """

    policy: str
    episodes: int
    calls: int
    changed: int
    recorded_nano: int
    nano: int
    cost: Interval | None
    over_limit: int
    judged: int
    recorded_success: Interval | None
    success: Interval | None
    left_out: dict[str, int]
    assumptions: tuple[str, ...]


def replay_episodes(
    journal: Journal,
    ids: Iterable[str],
    *,
    policy_name: str,
    decide_for: Callable[[tuple[Arm, ...]], Decide | None],
    learned: bool,
    seed: int = 0,
) -> ReplayedEpisodes:
    """Replay stored episodes; see ``langroute.replay.replay_episode`` for what each replay assumes.

    Args:
        journal: where they are stored.
        ids: which.
        policy_name: as for ``replay_episode``.
        decide_for: makes the other policy for a pool; asked once for each pool.
        learned: its estimates were learned from outcomes, so what they say of success is told.
        seed: of the bootstrap.

    Raises:
        EpisodeNotFound: no episode could be replayed.
    """
    found: list[tuple[Replayed, float | None]] = []
    left_out: dict[str, int] = {}
    made: dict[tuple[Arm, ...], Decide | None] = {}
    for episode in ids:
        arms = journal.arms(episode)
        if not arms:
            left_out[_NO_POOL] = left_out.get(_NO_POOL, 0) + 1
            continue
        if arms not in made:
            made[arms] = decide_for(arms)
        records = journal.records(episode)
        replayed = replay_episode(records, arms=arms, policy_name=policy_name, decide=made[arms], learned=learned)
        end = journal.end(episode)
        found.append((replayed, None if end is None or end.success is None else float(end.success)))
    if not found:
        told = "; ".join(f"{count} episodes: {why}" for why, count in left_out.items()) or "the store holds none"
        raise EpisodeNotFound(f"there is no episode to replay ({told})")
    return _summed(found, policy_name, left_out, seed=seed)


def _summed(
    found: Sequence[tuple[Replayed, float | None]], policy: str, left_out: dict[str, int], *, seed: int
) -> ReplayedEpisodes:
    whole = [replayed for replayed, _ in found]
    before = np.array([replayed.recorded_nano for replayed in whole], dtype=np.float64)
    after = np.array([replayed.nano for replayed in whole], dtype=np.float64)
    known = [
        (success, replayed.gain) for replayed, success in found if success is not None and replayed.gain is not None
    ]
    was = np.array([success for success, _ in known])
    would = np.clip(was + np.array([gain for _, gain in known]), 0.0, 1.0) if known else was
    return ReplayedEpisodes(
        policy=policy,
        episodes=len(whole),
        calls=sum(len(replayed.calls) for replayed in whole),
        changed=sum(replayed.changed for replayed in whole),
        recorded_nano=sum(replayed.recorded_nano for replayed in whole),
        nano=sum(replayed.nano for replayed in whole),
        cost=bootstrap(lambda rows: _share(after[rows], before[rows]), len(whole), seed=seed) if before.any() else None,
        over_limit=sum(replayed.over_limit for replayed in whole),
        judged=len(known),
        recorded_success=bootstrap(lambda rows: float(was[rows].mean()), len(known), seed=seed) if known else None,
        success=bootstrap(lambda rows: float(would[rows].mean()), len(known), seed=seed) if known else None,
        left_out=left_out,
        assumptions=tuple(dict.fromkeys(text for replayed in whole for text in replayed.assumptions)),
    )


def _share(after: NDArray[np.float64], before: NDArray[np.float64]) -> float | None:
    return float(after.sum() / before.sum()) if before.any() else None
