"""What the callback door keeps: bounded, and by the rules of episodes."""

from langroute import Budget
from langroute.books import Amount
from langroute.episodes import RunPlace
from langroute.integrations.metering import MeteredEpisodes, MeterTotals
from langroute.records import BudgetView, Step


def step(episode: str, **options: object) -> Step:
    """A step of an episode."""
    return Step(episode=episode, call_index=0, kind="execution", budget=BudgetView(scope=""), **options)  # type: ignore[arg-type]


def test_one_run_has_one_name_and_names_are_bounded() -> None:
    """A run keeps its name while it is remembered; the ten thousand newest are."""
    book = MeteredEpisodes(Budget())
    assert all(book.name(RunPlace(), run="r", unique=unique, at=0.0) == "run-1" for unique in "12")
    for number in range(10_000):
        place = RunPlace(thread=f"t{number}", run=object())
        book.begin(book.name(place, run="", unique=str(number), at=0.0), at=0.0)
    assert book.name(RunPlace(), run="r", unique="3", at=0.0) == "run-3"
    assert max(len(book._runs), len(book._turns), len(book._shadows)) == 10_000


def test_an_identity_that_is_used_again_is_another_run() -> None:
    """Python may give a new object the id of one that is gone: the run is told by the object itself."""
    book, first = MeteredEpisodes(Budget()), object()
    name = book.name(RunPlace(run=first), run="", unique="1", at=0.0)
    book._runs[id(first)] = (object(), name)
    assert book.name(RunPlace(run=first), run="", unique="2", at=0.0) == "run-2"


def test_a_thread_is_told_from_one_that_looks_like_its_turn() -> None:
    """The turns of a thread and those of one whose name holds the separator never meet, as with routed calls."""
    book = MeteredEpisodes(Budget())
    names = {
        book.name(RunPlace(thread=thread, run=object()), run="", unique="1", at=0.0) for thread in ("a", "a#1", "a%231")
    }
    assert len(names) == 3


def test_the_budget_is_what_would_be_left() -> None:
    """What decisions would have spent is gone for the next step, reserves are kept, time runs from the first call."""
    book = MeteredEpisodes(Budget(total_dollars=1.0, reserve_for_verification=0.25, max_seconds=60))
    assert [book.begin("e", at=100.0), book.begin("e", at=110.0)] == [0, 1]
    book.spend("e", Amount(nano_usd=500_000_000))
    book.spend("never begun", Amount(nano_usd=1))
    view = book.with_budget(step("e"), at=130.0).budget
    assert (view.scope, view.spent_nano, view.available_nano, view.seconds_left) == (
        "shadow:e",
        500_000_000,
        250_000_000,
        30.0,
    )
    assert book.with_budget(step("e", purpose="verification"), at=130.0).budget.available_nano == 500_000_000


def test_totals_add_up_in_dollars() -> None:
    """Counts are added field by field; dollars are exact to the nano-dollar."""
    totals = MeterTotals().plus(calls=1, paid_nano=3).plus(calls=1, expected_nano=5, would_nano=1)
    assert (totals.calls, totals.paid_usd, totals.expected_usd, totals.would_usd) == (2, 3e-9, 5e-9, 1e-9)
