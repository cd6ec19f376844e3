"""Every check of the ledger contract can fail: each finds a ledger that is wrong in the one way it is about."""

import broken_ledgers as broken
import pytest

from langroute.ledgers import MemoryLedger
from langroute.testing.ledger_contract import LEDGER_CHECKS, check_ledger

FOUND_BY: dict[str, type[MemoryLedger]] = {
    "fits_the_protocol": broken.Undecided,
    "opens_once": broken.Reopening,
    "refuses_what_is_unknown": broken.Inventing,
    "refuses_nonsense": broken.Gullible,
    "holds_to_the_last_nano_dollar": broken.Generous,
    "limits_every_resource": broken.DollarsOnly,
    "keeps_reserves": broken.DollarsOnly,
    "holds_everywhere_or_nowhere": broken.Leaking,
    "names_the_tightest": broken.Blaming,
    "holds_once_per_id": broken.Repeating,
    "settles_once": broken.Overwriting,
    "releases_with_zero": broken.Clinging,
    "books_the_truth_above_the_hold": broken.Hiding,
    "closes_to_holds_only": broken.NeverClosing,
    "finds_the_latest": broken.Alphabetical,
    "lists_entries": broken.Reversed,
    "keeps_books_after_close": broken.Vanishing,
    "keeps_large_numbers_exact": broken.Rounding,
    "raises_a_live_budget": broken.Forgetting,
    "lowers_below_what_is_used": broken.Stubborn,
    "amends_every_limit": broken.DollarsOnly,
    "amends_reserves": broken.DollarsOnly,
    "amends_what_is_open_only": broken.Welcoming,
    "records_amendments": broken.Forgetting,
    "resets_what_is_spent": broken.Forgetting,
    "resets_reserves": broken.Releasing,
    "resets_what_there_is_only": broken.Welcoming,
    "gives_nothing_back_that_was_forgiven": broken.GivingBackTwice,
    "resets_one_scope_alone": broken.Sweeping,
    "resets_a_window": broken.Recalling,
    "opens_with_the_first_hold": broken.OpeningNothing,
    "opens_nothing_for_a_refused_hold": broken.OpeningFirst,
    "lists_scopes": broken.Alphabetical,
    "expires_what_is_overdue": broken.ReleasingWhatExpires,
    "expires_by_scope_and_when_closed": broken.ReleasingWhatExpires,
    "settles_after_expiry": broken.Final,
    "waits_for_the_truth_after_expiry": broken.Certain,
    "corrects_a_worst_case": broken.Lax,
    "confirms_a_worst_case": broken.Lax,
    "corrects_worst_cases_only": broken.Doubting,
    "refuses_times_that_are_none": broken.Gullible,
    "survives_jumping_clocks": broken.Doubling,
    "forgets_what_left_the_window": broken.Unforgetting,
    "counts_what_is_held_however_old": broken.Impatient,
    "looks_without_touching": broken.Touching,
    "time_never_goes_back": broken.TimeTravelling,
    "never_passes_a_limit_in_any_window": broken.ShortSighted,
    "holds_in_a_window_and_an_episode": broken.Blaming,
    "puts_right_inside_a_window": broken.GivingBackTwice,
    "books_late_truths_inside_a_window": broken.Backdating,
    "refuses_impossible_windows": broken.Welcoming,
    "never_overspends_under_threads": broken.Racing,
    "loses_nothing_under_threads": broken.Losing,
    "books_once_under_threads": broken.Racing,
    "keeps_amended_limits_under_threads": broken.Racing,
    "opens_once_under_threads": broken.Racing,
    "settles_or_expires_once_under_threads": broken.Losing,
    "never_passes_a_window_under_threads": broken.Racing,
}


@pytest.mark.parametrize("name", FOUND_BY)
def test_a_check_finds_what_it_is_about(name: str) -> None:
    """The check fails on a ledger that breaks its promise, and not because of how the ledger was broken."""
    with pytest.raises(Exception, match=r"\S") as caught:
        LEDGER_CHECKS[name](FOUND_BY[name]())
    assert not isinstance(caught.value, TypeError | AttributeError | NameError)


def test_every_check_has_a_ledger_that_it_finds() -> None:
    """A check that no broken ledger fails would prove nothing."""
    assert FOUND_BY.keys() == LEDGER_CHECKS.keys()


def test_check_ledger_names_the_ledger_and_the_check() -> None:
    """The public suite says what failed on which ledger."""
    with pytest.raises(AssertionError, match="Alphabetical fails finds_the_latest: AssertionError"):
        check_ledger(broken.Alphabetical)
