"""What the callback door keeps: totals, the episodes of metered calls, and what their models cost."""

import logging
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TypeVar

from langroute.books import Amount, Balance
from langroute.budget import Budget
from langroute.deliberation import view_of
from langroute.episodes import RunPlace, turn_id
from langroute.errors import PriceUnknown
from langroute.money import Price
from langroute.protocols import PriceBook
from langroute.records import Arm, Step, as_dollars

_log = logging.getLogger("langroute.callbacks")

_MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterTotals:
    """What a handler has metered so far.

    Attributes:
        calls: metered calls that have ended.
        failed: those of them that ended in an error.
        cached: those of them that LangChain's own cache answered, at no cost.
        unknown: those of them whose price or usage is not known; nothing below counts them.
        routed: calls that langroute made itself: they are booked already, and not metered here.
        unread: calls that could not be read; the log says why.
        input_tokens: input tokens reported.
        output_tokens: output tokens reported.
        paid_nano: nano-dollars paid.
        expected_nano: nano-dollars that were expected, before the calls, of the arms that would have been chosen.
        would_nano: nano-dollars that those arms would have cost with the tokens that were really used.
    """

    calls: int = 0
    failed: int = 0
    cached: int = 0
    unknown: int = 0
    routed: int = 0
    unread: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    paid_nano: int = 0
    expected_nano: int = 0
    would_nano: int = 0

    @property
    def paid_usd(self) -> float:
        """Dollars paid."""
        return as_dollars(self.paid_nano) or 0.0

    @property
    def expected_usd(self) -> float:
        """Dollars expected of the arms that would have been chosen."""
        return as_dollars(self.expected_nano) or 0.0

    @property
    def would_usd(self) -> float:
        """Dollars those arms would have cost with the same tokens."""
        return as_dollars(self.would_nano) or 0.0

    def plus(self, **counts: int) -> "MeterTotals":
        """The totals with more counted."""
        return replace(self, **{name: getattr(self, name) + count for name, count in counts.items()})


class MeteredEpisodes:
    """Names the episodes of metered calls and keeps what each would have spent; no ledger knows of it.

    The rules are those of routed calls: the id the user gave; under a thread id one turn, or the whole thread; else one
    run. Whether a run goes on with a turn is known only while this process remembers the turn.

    Args:
        budget: what each episode would have.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._runs: OrderedDict[Hashable, tuple[object, str]] = OrderedDict()
        self._turns: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._shadows: OrderedDict[str, _Shadow] = OrderedDict()
        self._lock = Lock()

    def name(self, place: RunPlace, *, run: str, unique: str, at: float) -> str:
        """The id of a call's episode.

        Args:
            place: where the call stands.
            run: id of the outermost run, for where the host has no identity of its own.
            unique: what makes a new id.
            at: epoch seconds of the call.
        """
        if place.explicit:
            return place.explicit
        if place.thread and self._budget.per == "thread":
            return place.thread
        key: Hashable = run if place.run is None else id(place.run)
        with self._lock:
            known = self._runs.get(key)
            if known is not None and known[0] is place.run:
                return known[1]
            name = self._new(place, unique, at)
            _keep(self._runs, key, (place.run, name))
            return name

    def _new(self, place: RunPlace, unique: str, at: float) -> str:
        if not place.thread:
            return f"run-{unique}"
        latest = self._turns.get(place.thread)
        if latest is not None and place.goes_on(latest[1]):
            return latest[0]
        turn = turn_id(place.thread, unique)
        _keep(self._turns, place.thread, (turn, at))
        return turn

    def begin(self, episode: str, *, at: float) -> int:
        """The index of the next call of an episode."""
        with self._lock:
            shadow = self._shadows.get(episode) or _Shadow(opened_at=at)
            _keep(self._shadows, episode, shadow)
            shadow.calls += 1
            return shadow.calls - 1

    def with_budget(self, step: Step, *, at: float) -> Step:
        """The step with what would be left, had its episode been routed as decided so far."""
        with self._lock:
            shadow = self._shadows.get(step.episode) or _Shadow(opened_at=at)
            balance = Balance(
                scope=f"shadow:{step.episode}",
                limits=self._budget.limits(),
                spent=shadow.spent,
                calls=shadow.calls,
                opened_at=shadow.opened_at,
            )
        view = view_of((balance,), step, max_seconds=self._budget.max_seconds, now=at)
        return replace(step, budget=view)

    def spend(self, episode: str, amount: Amount) -> None:
        """Note what a call would have used."""
        with self._lock:
            shadow = self._shadows.get(episode)
            if shadow is not None:
                shadow.spent += amount


@dataclass(slots=True, kw_only=True)
class _Shadow:
    """What an episode would have used."""

    opened_at: float
    calls: int = 0
    spent: Amount = field(default_factory=Amount)


class ModelPrices:
    """What the models of an app cost: those of the pool at their arms' prices, others by a price book.

    Args:
        arms: the pool's.
        book: knows other models.
    """

    def __init__(self, arms: Sequence[Arm], book: PriceBook) -> None:
        self._arms = arms
        self._book = book
        self._known: OrderedDict[tuple[tuple[str, ...], str], Price | None] = OrderedDict()
        self._lock = Lock()

    def arm(self, names: Sequence[str], provider: str) -> Arm | None:
        """The arm with the model of one of these names, best first, at this provider."""
        found = [arm for name in names for arm in self._arms if name and arm.model == name]
        fitting = (arm for arm in found if not provider or arm.provider == provider)
        return next(fitting, None)

    def price(self, names: Sequence[str], provider: str) -> Price | None:
        """The price of the model that has these names, best first; None when unknown, which is logged once."""
        arm = self.arm(names, provider)
        if arm is not None:
            return arm.price
        key = (tuple(names), provider)
        with self._lock:
            if key not in self._known:
                _keep(self._known, key, self._looked_up(names, provider))
            return self._known[key]

    def _looked_up(self, names: Sequence[str], provider: str) -> Price | None:
        reason = "the price book does not know it"
        for name in filter(None, names):
            try:
                price = self._book.price(model=name, provider=provider or None)
            except PriceUnknown as unknown:
                reason = str(unknown)
                continue
            if price is not None:
                return price
        _log.warning(
            "price_unknown: %s of provider %s: %s; its calls are metered without a cost. Name a price: "
            "ModelPool(..., prices=...) for an arm, or RoutingCallbackHandler(router, prices={model: Price(...)})",
            " / ".join(dict.fromkeys(filter(None, names))) or "a model without a name",
            provider or "unknown",
            reason,
        )
        return None


Key = TypeVar("Key", bound=Hashable)
Kept = TypeVar("Kept")


def _keep(kept: "OrderedDict[Key, Kept]", key: Key, value: Kept) -> None:
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > _MOST_REMEMBERED:
        kept.popitem(last=False)
