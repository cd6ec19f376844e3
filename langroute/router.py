"""StepRouter: from a step to a decision. START HERE.

``decide`` is the heart, and pure: estimates per arm, a ruling (the price of a dollar and a mask), and the policy's
choice. Around it the router keeps what a running agent needs: the books, the episodes, the journal and the log.
"""

import asyncio
import hashlib
import logging
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, Self

from langroute import defaults
from langroute.acts import Act, Close, Look, Raise, Recall, Settle, Take, Tell
from langroute.books import Balance
from langroute.budget import Budget
from langroute.checks import (
    Pool,
    arms_by_name,
    check_parts,
    checked_config,
    checked_kinds,
    checked_rules,
    checked_target,
    merged_config,
)
from langroute.config import RouterConfig
from langroute.decider import Decider
from langroute.deliberation import Deliberation
from langroute.desk import Desk
from langroute.episodes import Episode, EpisodeBook, RunPlace
from langroute.errors import ConfigError
from langroute.faults import pause_before
from langroute.protocols import (
    Acceptance,
    Clock,
    Estimator,
    Governor,
    Journal,
    Ledger,
    RoutingPolicy,
    Selector,
    TextEncoder,
)
from langroute.questions import Ask
from langroute.records import (
    ActionTaken,
    Arm,
    Kind,
    PoolSnapshot,
    RoutingDecision,
    Step,
)
from langroute.scopes import checked_said

_log = logging.getLogger("langroute.router")


class StepRouter:
    """Decides, before every model call, which arm of a pool makes it; keeps its budget; explains itself.

    Args:
        pool: the arms to choose from.
        budget: what each episode may use; unlimited when left out.
        store: where books and journal live, such as ``memory://`` or ``sqlite:///file.db``.
        policy: a policy, or the name of one: ``prior``, ``always-small``, ``always-large``, ``always:ARM``,
            ``exploring:SHARE``; or the folder of a learned policy, which brings its estimator and its acceptance rules.
        quality_target: share of its reference's success that a learned policy is to keep; see ``Target``.
        dollars_per_episode: what an episode should cost on average, by a learned policy.
        price_of_a_dollar: success given up per dollar saved. At most one of these three is given.
        estimator: what to expect of an arm; the prior when left out.
        governor: the price of a dollar and the mask; ``BudgetGovernor`` when left out.
        acceptance: rules an answer must pass; well-formedness when left out, ``()`` for none.
        selector: chooses among the answers of arms with several samples; their majority when left out.
        ledger: the books, instead of the store's.
        journal: the journal, instead of the store's.
        clock: the machine's when left out.
        ask: asks a person before a dear call (``actions.ask_above_dollars``): called with a ``Question``, returns what
            ``langroute.questions.read_answer`` understands; may be a coroutine function for async calls. When left out
            the graph is interrupted.
        logger: a structlog logger; the standard logger ``langroute`` when left out.
        config: all further settings; arguments given here win over it.

    Raises:
        ConfigError: a setting is wrong; names the field.

    Attributes:
        pool: the arms.
        config: the settings in force.
        ledger: the books.
        journal: the stored records.
        encoder: reads what was asked for the estimator; None where it has no use for text.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        budget: Budget | None = None,
        store: str | None = None,
        policy: RoutingPolicy | str | None = None,
        quality_target: float | None = None,
        dollars_per_episode: float | None = None,
        price_of_a_dollar: float | None = None,
        kinds: Mapping[str, Kind] | None = None,
        estimator: Estimator | None = None,
        governor: Governor | None = None,
        acceptance: Sequence[Acceptance] | None = None,
        selector: Selector | None = None,
        ledger: Ledger | None = None,
        journal: Journal | None = None,
        clock: Clock | None = None,
        ask: Ask | None = None,
        logger: Any = None,
        config: RouterConfig | None = None,
    ) -> None:
        own = None if isinstance(policy, str) else policy
        check_parts(policy=own, estimator=estimator, governor=governor, selector=selector)
        check_parts(ledger=ledger, journal=journal, clock=clock)
        target = checked_target(
            quality=quality_target, dollars_per_episode=dollars_per_episode, price_of_a_dollar=price_of_a_dollar
        )
        named = policy if own is None else None
        given = {"budget": budget, "store": store, "kinds": checked_kinds(kinds), "policy": named, "target": target}
        self.config = merged_config(checked_config(config), given)
        self.pool = pool
        self._arms = arms_by_name(pool, self.config)
        rooms = defaults.rooms(self.config, pool.arms)
        self.policy = own or rooms.policy
        self.estimator = estimator or rooms.estimator
        self.encoder = self.estimator if isinstance(self.estimator, TextEncoder) else None
        self.governor = governor or rooms.governor
        self._decider = _decider(self)
        self.acceptance = checked_rules(rooms.acceptance if acceptance is None else acceptance, arms=self._arms)
        self.selector = selector or defaults.selector()
        self.ledger = ledger or defaults.open_ledger(self.config.store)
        self.journal = journal or defaults.open_journal(self.config.journal or self.config.store)
        self.clock = clock or defaults.clock()
        self.log = defaults.routing_log(logger)
        self.attempts_on_fault = self.config.attempts_on_fault
        self.patience_s = self.config.patience_s
        self.lease_s = self.config.lease_s
        self.asks = self.config.actions.ask_above_dollars is not None
        self.person = ask
        self.blocking = self.ledger.blocking
        self.snapshot = snapshot_of(pool.arms)
        self.desk = Desk(ledger=self.ledger, journal=self.journal, log=self.log, clock=self.clock, pool=self.snapshot)
        self.questions = self.desk.questions
        self._told_single_call = False
        self.episodes = self._episode_book()

    # -- deciding: pure ------------------------------------------------------------------------------------------

    def decide(self, step: Step) -> RoutingDecision:
        """Which arm makes this step's call, and why. Pure: no clock, no randomness, no network.

        The same router settings and the same step give the same decision, byte for byte.
        """
        return self.deliberate(step).decision

    def deliberate(self, step: Step) -> Deliberation:
        """The decision with the estimates and the ruling it was based on, and what was done beside it. Pure."""
        return self._decider.deliberate(step)

    def arm(self, name: str) -> Arm:
        """An arm by name.

        Raises:
            ConfigError: the pool has no such arm.
        """
        try:
            return self._arms[name]
        except KeyError:
            raise ConfigError(f"the pool has no arm {name!r}; it has {', '.join(self._arms)}", field="arm") from None

    # -- episodes ------------------------------------------------------------------------------------------------

    def episode(
        self,
        episode_id: str,
        *,
        budget: Budget | None = None,
        arm: str | None = None,
        scopes: Mapping[str, str] | None = None,
    ) -> Episode:
        """A handle on an episode; as a context manager, every routed call inside belongs to it.

        Args:
            episode_id: any non-empty string, unique for one attempt at one task.
            budget: its own budget, instead of the router's.
            arm: the arm that makes its calls, unless a call, its node or ``RouterConfig.pins`` says otherwise.
            scopes: whose shared budgets (``RouterConfig.scopes``) it takes from, for example ``{"user": "ada"}``.

        Raises:
            ConfigError: the id is empty, the episode already runs under another budget or takes from other shared ones,
                the pool has no such arm, or the configuration no such scope.
        """
        return self.episodes.episode(
            episode_id,
            budget=budget,
            arm=None if arm is None else self.arm(arm).name,
            scopes=None if scopes is None else checked_said(scopes, field="scopes"),
        )

    def balance(self, episode_id: str) -> Balance:
        """The books of an episode now."""
        return self.episodes.episode(episode_id).look()

    # -- what the drivers ask for --------------------------------------------------------------------------------

    def perform(self, act: Act) -> Any:
        """Perform a Look, Take or Close of the flow."""
        match act:
            case Look(place=place):
                episode = self.episodes.resolve(place)
                return episode, episode.books()
            case Take(request=request):
                return self.ledger.hold(request)
            case Close() | Settle():
                return self.desk.close(act) if isinstance(act, Close) else self.desk.settle(act, act.hold_id)
            case Tell(action=action):
                return self.tell(action)
            case Recall(place=place, episode=episode):
                where = self.questions.place(place.task, place.execution)
                return where, self.questions.asked_at(episode.id, where), self.questions.consents(episode.id)
            case Raise(episode=episode, dollars=dollars):
                return episode.raise_budget(total_dollars=dollars)
            case _:
                raise TypeError(f"not an act of the desk: {act!r}")

    def tell(self, action: ActionTaken) -> None:
        """Log an action and keep it in the journal; a journal that fails never fails a call."""
        self.desk.tell(action)

    async def aresolve(self, place: RunPlace) -> Episode:
        """The episode of a place, without blocking the event loop."""
        if self.blocking:
            return await asyncio.to_thread(self.episodes.resolve, place)
        return self.episodes.resolve(place)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    async def asleep(self, seconds: float) -> None:
        """Wait without blocking the event loop."""
        await asyncio.sleep(seconds)

    def pause_before(self, attempt: int) -> float:
        """Seconds before a failed call is made again: exponential with full jitter, at most 8 s."""
        return pause_before(attempt)

    def new_id(self) -> str:
        """A fresh unique id."""
        return os.urandom(16).hex()  # a quarter of the time of a UUID

    # -- housekeeping --------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Return when the journal has stored every record so far."""
        self.journal.flush()

    def close(self) -> None:
        """Store what is left and release the store. Open holds stay in the books."""
        self.journal.close()
        self.ledger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @classmethod
    def from_file(cls, path: Any, pool: Pool, **options: Any) -> Self:
        """A router with the settings of a YAML or TOML file; ``options`` as in the constructor win over it."""
        return cls(pool, config=RouterConfig.from_file(path), **options)

    def _episode_book(self) -> EpisodeBook:
        return EpisodeBook(
            ledger=self.ledger,
            budget=self.config.budget,
            clock=self.clock,
            new_id=self.new_id,
            on_finish=self.desk.finish,
            on_single_call=self._warn_single_call,
            rules=self.config.scopes,
            on_action=self.tell,
        )

    def _warn_single_call(self) -> None:
        if not self._told_single_call:
            self._told_single_call = True
            _log.warning(
                "a routed call was made outside any graph and episode, so it is an episode of its own with a whole "
                "budget; wrap the work in `with router.episode('id'):` to put it under one budget"
            )


def _decider(router: StepRouter) -> Decider:
    config = router.config
    return Decider(
        router.pool.arms,
        estimator=router.estimator,
        governor=router.governor,
        policy=router.policy,
        tiers=config.tiers,
        entries=config.entries,
        actions=config.actions,
    )


def snapshot_of(arms: Sequence[Arm]) -> PoolSnapshot:
    """The arms as they are stored; equal arms have equal ids."""
    return PoolSnapshot(id=hashlib.sha256(repr(tuple(arms)).encode()).hexdigest()[:16], arms=tuple(arms))
