"""What every door must do, as checks anyone can run on a door of their own.

    from langroute.testing import check_door
    report = check_door(MyDoor())                  # raises AssertionError, naming the check that failed
    assert not report.skipped                      # or look at the reasons

Under pytest, parametrise over `DOOR_CHECKS` and call `check.on(door)` for one result per check; a check that the door
lacks the power for returns the reason instead of running. Nothing here needs pytest.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from langroute.budget import Budget
from langroute.testing import door_faults, door_promises
from langroute.testing.door import POWERS, Door, DoorReport, Power
from langroute.testing.door_bench import EPISODE, WAYS, DoorBench, Stage
from langroute.testing.purity import expect
from langroute.testing.scripted import Answerer

Promise = Callable[[Stage, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorCheck:
    """One promise, tried in one way.

    Attributes:
        name: what it is called in failures and reports.
        promise: the check itself.
        way: ``run``, ``arun``, ``stream`` or ``astream``.
        needs: the powers without which it cannot be tried.
    """

    name: str
    promise: Promise
    way: str
    needs: tuple[Power, ...]

    def on(self, door: Door) -> str | None:
        """Try it; None when the promise is kept, or the reason why it was skipped.

        Raises:
            AssertionError: the promise is not kept; says which one.
        """
        _check_described(door)
        for power in self.needs:
            if power in door.lacks:
                return f"lacks {power}: {door.lacks[power]}"
        with ExitStack() as benches:

            def stage(
                *, answers: Answerer | None = None, budget: Budget | None = None, episode: str | None = EPISODE
            ) -> DoorBench:
                bench = DoorBench(door, answers=answers, budget=budget, episode=episode)
                benches.callback(bench.close)
                return bench

            try:
                self.promise(stage, self.way)
            except Exception as exc:
                promise = " ".join((self.promise.__doc__ or "").split())
                raise AssertionError(f"{door.name} fails {self.name}: {exc}\nthe promise: {promise}") from exc
        return None


def check_door(door: Door) -> DoorReport:
    """Run every check, each on a router and models of its own.

    It runs event loops of its own, so call it where none is running; in async code use ``acheck_door``.

    Args:
        door: how to put a question through the door, and which powers it lacks.

    Returns:
        What was checked, and what was skipped for which reason.

    Raises:
        AssertionError: a promise is not kept; names the check and says what was promised.
    """
    skipped: dict[str, str] = {}
    for name, check in DOOR_CHECKS.items():
        reason = check.on(door)
        if reason is not None:
            skipped[name] = reason
    passed = tuple(name for name in DOOR_CHECKS if name not in skipped)
    return DoorReport(door=door.name, passed=passed, skipped=skipped)


async def acheck_door(door: Door) -> DoorReport:
    """As ``check_door``, where an event loop is running."""
    return await asyncio.to_thread(check_door, door)


def _check_described(door: Any) -> None:
    """The description is whole, so that nothing is skipped in silence.

    Raises:
        AssertionError: a power is missing without a reason, or unknown.
    """
    expect(isinstance(door, Door), f"{type(door).__name__} needs name, lacks and run(router, call)")
    for power, reason in door.lacks.items():
        expect(power in POWERS, f"{door.name}: lacks[{power!r}] is no power; there are {', '.join(POWERS)}")
        expect(str(reason).strip(), f"{door.name}: lacks[{power!r}] must say why")
    for way in WAYS[1:]:
        there, lacking = callable(getattr(door, way, None)), way in door.lacks
        expect(there or lacking, f"{door.name} has no {way}(); write it, or say in lacks[{way!r}] why not")
        expect(not (there and lacking), f"{door.name} has {way}(), and lacks[{way!r}] says it has not")


def _checks() -> Mapping[str, DoorCheck]:
    found: dict[str, DoorCheck] = {}
    for promise, ways, needs in _TABLE:
        for way in ways:
            name = f"{promise.__name__}[{way}]"
            own: tuple[Power, ...] = () if way == "run" else (way,)  # type: ignore[assignment]
            found[name] = DoorCheck(name=name, promise=promise, way=way, needs=(*own, *needs))
    return found


_WHOLE, _STREAMS = ("run", "arun"), ("stream", "astream")
_TABLE: tuple[tuple[Promise, tuple[str, ...], tuple[Power, ...]], ...] = (
    (door_promises.asks_the_provider_once, WAYS, ()),
    (door_promises.counts_usage_once, WAYS, ()),
    (door_promises.passes_the_config_on, WAYS, ()),
    (door_promises.leaves_the_messages_alone, WAYS, ()),
    (door_promises.streams_in_pieces, _STREAMS, ()),
    (door_promises.books_what_was_used, WAYS, ("books",)),
    (door_promises.leaves_one_record, WAYS, ("records",)),
    (door_promises.calls_the_chosen_arm, WAYS, ("decides", "records")),
    (door_promises.obeys_a_pin, WAYS, ("decides",)),
    (door_promises.finds_the_episode_in_the_config, _WHOLE, ("records",)),
    (door_promises.binds_tools_on_the_chosen_model, _WHOLE, ("tools",)),
    (door_promises.escalates_a_malformed_call, _WHOLE, ("tools", "decides", "records")),
    (door_promises.parses_structured_output, _WHOLE, ("structure",)),
    (door_promises.never_routes_twice, WAYS, ("nests", "books", "records")),
    (door_faults.refuses_before_calling, WAYS, ("decides", "holds", "books")),
    (door_faults.keeps_the_providers_error, WAYS, ()),
    (door_faults.settles_a_failed_call, WAYS, ("holds", "books", "records")),
    (door_faults.books_the_worst_without_usage, WAYS, ("holds", "books", "records")),
    (door_faults.settles_a_closed_stream, _STREAMS, ("holds", "books", "records")),
    (door_faults.settles_a_cancelled_call, ("arun",), ("holds", "books", "records")),
)

DOOR_CHECKS: Mapping[str, DoorCheck] = _checks()
"""Every check of a door by name."""
