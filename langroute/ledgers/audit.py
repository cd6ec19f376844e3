"""Do the lines sum to the books? Asked over the public contract alone, so of any ledger."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from langroute.books import Amount, Balance, Entry
from langroute.errors import LedgerError
from langroute.protocols import Ledger

_RESOURCES = ("nano_usd", "input_tokens", "output_tokens", "retries")
_MOST_LOOKS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A sum that the books and the lines do not agree on.

    Attributes:
        what: which sum, for example ``settled nano_usd``.
        lines: what the lines come to.
        books: what the totals say.
    """

    what: str
    lines: int
    books: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What an audit of one scope found.

    Attributes:
        balance: the books of the scope.
        lines: how many holds were ever taken from it.
        settled: what its settled lines come to.
        held: what its open lines come to.
        worst_case: how many lines are booked at a worst case, because the truth is not known.
        differences: every sum that does not agree; none where the books are right.
    """

    balance: Balance
    lines: int
    settled: Amount
    held: Amount
    worst_case: int
    differences: tuple[Difference, ...]

    @property
    def sound(self) -> bool:
        """Whether every sum agrees."""
        return not self.differences


def audit(ledger: Ledger, scope: str) -> Audit:
    """Prove that the lines of a scope sum to its books, resource by resource.

    Settled lines must come to what the scope ever spent: what still counts, and what was forgiven or has left the
    window. Open lines must come to what is held, and their number to the calls. Where nothing was forgiven and there is
    no window, the same holds for each purpose. Books that are in use are read until they stood still meanwhile.

    Raises:
        LedgerError: the scope was never opened, or changes too fast to be read.
    """
    before = ledger.balance(scope)
    for _ in range(_MOST_LOOKS):
        entries, after = ledger.entries(scope), ledger.balance(scope)
        if before == after:
            return _audited(after, entries)
        before = after
    raise LedgerError(f"scope {scope!r} changes faster than it can be read; audit it when less is going on")


def _audited(balance: Balance, entries: Sequence[Entry]) -> Audit:
    settled = sum((entry.settled for entry in entries if entry.settled is not None), Amount())
    held = sum((entry.held for entry in entries if entry.settled is None), Amount())
    return Audit(
        balance=balance,
        lines=len(entries),
        settled=settled,
        held=held,
        worst_case=sum(entry.worst_case for entry in entries),
        differences=tuple(
            Difference(what=what, lines=lines, books=books)
            for what, lines, books in _sums(balance, entries, settled=settled, held=held)
            if lines != books
        ),
    )


def _sums(
    balance: Balance, entries: Sequence[Entry], *, settled: Amount, held: Amount
) -> Iterator[tuple[str, int, int]]:
    for name in _RESOURCES:
        yield f"settled {name}", getattr(settled, name), getattr(balance.lifetime, name)
        yield f"held {name}", getattr(held, name), getattr(balance.held, name)
    yield "calls", len(entries), balance.calls
    yield "ids", len({entry.id for entry in entries}), len(entries)
    yield "lines of other scopes", sum(balance.scope not in entry.scopes for entry in entries), 0
    if balance.limits.window_s is None and balance.past == Amount():
        told = dict(balance.used_nano)
        for purpose in sorted({entry.purpose for entry in entries} | told.keys()):
            lines = sum(_counted(entry) for entry in entries if entry.purpose == purpose)
            yield f"used for {purpose}", lines, told.get(purpose, 0)


def _counted(entry: Entry) -> int:
    return (entry.held if entry.settled is None else entry.settled).nano_usd
