"""What a journey needs of those it is made for: the router, and the door that saw the call."""

from typing import Protocol

from langroute.books import Balance
from langroute.deliberation import Deliberation
from langroute.protocols import Acceptance, Clock, Selector
from langroute.questions import Ask as AskPerson
from langroute.records import Arm, Step

Books = tuple[Balance, ...]
"""The books of every scope that a call takes from, its episode's first."""


class Router(Protocol):
    """What the flow needs of a router."""

    clock: Clock
    acceptance: tuple[Acceptance, ...]
    selector: Selector
    attempts_on_fault: int
    patience_s: float
    lease_s: float
    asks: bool
    person: AskPerson | None

    def deliberate(self, step: Step) -> Deliberation:
        """Estimates, ruling and decision for a step, with the measures taken. Pure."""
        ...

    def arm(self, name: str) -> Arm:
        """An arm by name."""
        ...

    def new_id(self) -> str:
        """A fresh unique id."""
        ...

    def pause_before(self, attempt: int) -> float:
        """Seconds to wait before making a failed call again; ``attempt`` counts from 1."""
        ...


class Observe(Protocol):
    """What the flow needs of a door: the step it sees."""

    def __call__(self, episode: str, call_index: int, /, *, compress: bool = False) -> Step:
        """The step, given its episode's id and the index of the call; ``budget`` is still to be filled in.

        Args:
            episode: id of the episode.
            call_index: index of the step.
            compress: first make the prompt shorter that will be sent, if the door has the means.
        """
        ...


def ms_since(router: Router, began: float) -> float:
    """Milliseconds since a moment of the router's clock that never goes back."""
    return round((router.clock.elapsed() - began) * 1000, 3)
