"""The records of the books: what a ledger takes, keeps and returns.

Money is integer nano-dollars (``*_nano``, ``nano_usd``), time is epoch seconds.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from langroute.money import dollars
from langroute.quick import quick

Purpose = Literal["general", "final_synthesis", "verification", "human_handoff"]
RESERVED_PURPOSES: tuple[Purpose, ...] = ("final_synthesis", "verification", "human_handoff")

Resource = Literal["dollars", "input_tokens", "output_tokens", "retries", "seconds"]


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """What a call sets aside or uses: money, tokens, and whether it is a retry."""

    nano_usd: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    retries: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        """Sum per resource."""
        return Amount(
            nano_usd=self.nano_usd + other.nano_usd,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            retries=self.retries + other.retries,
        )

    def __sub__(self, other: "Amount") -> "Amount":
        """Difference per resource; may be negative."""
        return Amount(
            nano_usd=self.nano_usd - other.nano_usd,
            input_tokens=self.input_tokens - other.input_tokens,
            output_tokens=self.output_tokens - other.output_tokens,
            retries=self.retries - other.retries,
        )


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of one ledger scope; None means unlimited.

    Attributes:
        nano_usd: nano-dollars in all, reserves included.
        input_tokens: input tokens in all.
        output_tokens: output tokens in all.
        retries: retries in all.
        reserves: nano-dollars kept for each purpose, as pairs; their sum is at most ``nano_usd``.
        window_s: None where the limits hold for as long as the scope does; else the seconds of a rolling window: they
            count what is held now and what was settled in the last ``window_s`` seconds. A scope keeps its window for
            ever, and one with a window has no reserves.
    """

    nano_usd: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    retries: int | None = None
    reserves: tuple[tuple[Purpose, int], ...] = ()
    window_s: float | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """The books of one scope at one moment.

    Attributes:
        scope: name of the scope, for example ``episode:42``.
        limits: its limits.
        spent: what settled calls used, as far as the limits count it.
        held: what open holds set aside.
        past: what settled calls used and no longer counts: it has left the window, or was forgiven by a reset.
        used_nano: nano-dollars spent or held by purpose, as pairs; empty in a scope with a window.
        calls: holds ever taken from the scope.
        opened_at: epoch seconds when the scope was opened.
        closed: whether the episode was finished; a closed scope takes no more holds.
    """

    scope: str
    limits: Limits
    spent: Amount = field(default_factory=Amount)
    held: Amount = field(default_factory=Amount)
    past: Amount = field(default_factory=Amount)
    used_nano: tuple[tuple[Purpose, int], ...] = ()
    calls: int = 0
    opened_at: float = 0.0
    closed: bool = False

    @property
    def used(self) -> Amount:
        """Spent plus held."""
        return self.spent + self.held

    @property
    def lifetime(self) -> Amount:
        """All that calls settled here ever used, whether it still counts or not."""
        return self.spent + self.past

    def reserve_left(self, purpose: Purpose) -> int:
        """Nano-dollars still kept for a purpose: its reserve less what that purpose has spent or holds."""
        kept = next((nano for name, nano in self.limits.reserves if name == purpose), 0)
        used = next((nano for name, nano in self.used_nano if name == purpose), 0)
        return max(0, kept - used)

    def available_nano(self, purpose: Purpose) -> int | None:
        """Nano-dollars a call of this purpose may set aside: all that is left but the other purposes' reserves."""
        if self.limits.nano_usd is None:
            return None
        others = sum([self.reserve_left(name) for name, _ in self.limits.reserves if name != purpose])
        return max(0, self.limits.nano_usd - self.spent.nano_usd - self.held.nano_usd - others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remaining:
    """What is left of an episode's budget at one moment; None means unlimited, and nothing is below zero.

    Attributes:
        dollars: exact dollars that a call or charge of the purpose in question may still set aside: less what is spent,
            what calls under way hold, and what is kept for other purposes.
        input_tokens: input tokens.
        output_tokens: output tokens.
        retries: calls that may repeat an attempt.
        seconds: seconds in which calls are still admitted.
    """

    dollars: Decimal | None
    input_tokens: int | None
    output_tokens: int | None
    retries: int | None
    seconds: float | None


def remaining_of(balance: Balance, purpose: Purpose, *, max_seconds: float | None, now: float) -> Remaining:
    """What the books have left for a purpose."""
    limits, used, nano = balance.limits, balance.used, balance.available_nano(purpose)
    return Remaining(
        dollars=None if nano is None else dollars(nano),
        input_tokens=_left(limits.input_tokens, used.input_tokens),
        output_tokens=_left(limits.output_tokens, used.output_tokens),
        retries=_left(limits.retries, used.retries),
        seconds=None if max_seconds is None else max(0.0, round(max_seconds - (now - balance.opened_at), 3)),
    )


def _left(limit: int | None, used: int) -> int | None:
    return None if limit is None else max(0, limit - used)


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRequest:
    """A call's worst case, to be set aside in every scope at once or in none.

    Attributes:
        id: unique id of the hold; taking the same id again changes nothing.
        scopes: every scope it takes from, the episode first.
        amount: the worst case.
        purpose: which reserve it may open.
        arm: name of the arm, for the books.
        at: epoch seconds.
        expires: epoch seconds from which on `Ledger.expire` may settle it at its worst case; None: never.
        opens: limits of those ``scopes`` that may not be open yet, as pairs: they are opened with the hold, in the same
            atomic step, or not at all. A scope that is open keeps its limits.
    """

    id: str
    scopes: tuple[str, ...]
    amount: Amount
    purpose: Purpose = "general"
    arm: str = ""
    at: float = 0.0
    expires: float | None = None
    opens: tuple[tuple[str, Limits], ...] = ()


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """The truth about a line that was booked at its worst case, as somebody found it out later.

    Attributes:
        at: epoch seconds.
        before: what was booked until then.
        reason: how the truth is known.
    """

    at: float
    before: Amount
    reason: str = ""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the books: a hold and what became of it.

    Attributes:
        held: what was set aside.
        settled: what is booked, or None while the hold is open.
        worst_case: the worst case is booked because the truth is not known.
        at: epoch seconds when the hold was taken.
        settled_at: epoch seconds of the settlement that stands; a correction does not change them.
        expires: epoch seconds at which its lease ends; None: never.
        expired: it was settled by `Ledger.expire`, because nobody had settled it in time.
        corrections: what was put right afterwards, oldest first.
    """

    id: str
    scopes: tuple[str, ...]
    purpose: Purpose
    arm: str
    held: Amount
    settled: Amount | None
    worst_case: bool
    at: float
    settled_at: float | None
    expires: float | None = None
    expired: bool = False
    corrections: tuple[Correction, ...] = ()


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """A change that somebody made to the budget of a scope.

    Attributes:
        scope: the scope.
        at: epoch seconds.
        kind: ``limits`` were changed, or the scope was ``reset``: what it had spent was forgiven.
        before: limits until then.
        after: limits from then on; the same after a reset.
        forgiven: what a reset took out of the count.
        reason: why, in free text.
    """

    scope: str
    at: float
    kind: Literal["limits", "reset"]
    before: Limits
    after: Limits
    forgiven: Amount = field(default_factory=Amount)
    reason: str = ""
