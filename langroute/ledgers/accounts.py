"""The running totals of one scope in memory: plain integers, from which records are built for those who ask."""

from langroute.books import Amount, Balance, HoldRequest, Limits, Purpose
from langroute.ledgers.rules import BUCKETS, PURPOSES, bucket_of, refusal
from langroute.quick import maker

Numbers = tuple[int, int, int, int]
"""Nano-dollars, input tokens, output tokens and retries."""

NOTHING: Numbers = (0, 0, 0, 0)

_ORDER = {purpose: place for place, purpose in enumerate(PURPOSES)}

_amount, _balance = maker(Amount), maker(Balance)
_NO_AMOUNT = Amount()


class Account:
    """One scope's totals, under the lock of the ledger that keeps it.

    Attributes:
        number: how many scopes were opened before it.
        ids: ids of its holds, oldest first.
        era: how many amendments the ledger had recorded at its last reset, that one included: what was settled before
            is forgiven.
    """

    __slots__ = (
        "buckets",
        "calls",
        "closed",
        "era",
        "held_input",
        "held_nano",
        "held_output",
        "held_retries",
        "ids",
        "limits",
        "newest",
        "number",
        "opened_at",
        "past",
        "scope",
        "spent_input",
        "spent_nano",
        "spent_output",
        "spent_retries",
        "used",
    )

    def __init__(self, scope: str, limits: Limits, *, at: float, number: int) -> None:
        self.scope = scope
        self.limits = limits
        self.number = number
        self.opened_at = at
        self.closed = False
        self.calls = 0
        self.era = 0
        self.used: dict[Purpose, int] = {}
        self.ids: list[str] = []
        self.held_nano = self.held_input = self.held_output = self.held_retries = 0
        self.spent_nano = self.spent_input = self.spent_output = self.spent_retries = 0
        self.past = _NO_AMOUNT
        self.newest = 0
        self.buckets: dict[int, Numbers] | None = None if limits.window_s is None else {}

    def admits(self, request: HoldRequest) -> bool:
        """Whether a hold fits: the same rule as `rules.refusal`, without building records where there is no window."""
        if self.buckets:
            return refusal([self.balance(request.at)], request) is None
        limits, amount, purpose = self.limits, request.amount, request.purpose
        if self.closed:
            return False
        most, nano = limits.nano_usd, amount.nano_usd
        if most is not None and nano:
            room = most - self.spent_nano - self.held_nano - nano
            if limits.reserves:
                for name, kept in limits.reserves:
                    if name != purpose:
                        room -= max(0, kept - self.used.get(name, 0))
            if room < 0:
                return False
        most, tokens = limits.input_tokens, amount.input_tokens
        if most is not None and tokens and tokens > most - self.spent_input - self.held_input:
            return False
        most, tokens = limits.output_tokens, amount.output_tokens
        if most is not None and tokens and tokens > most - self.spent_output - self.held_output:
            return False
        most, retries = limits.retries, amount.retries
        return most is None or not retries or retries <= most - self.spent_retries - self.held_retries

    def take(self, request: HoldRequest) -> None:
        """Set a hold's amount aside."""
        amount, purpose = request.amount, request.purpose
        nano = amount.nano_usd
        self.held_nano += nano
        self.held_input += amount.input_tokens
        self.held_output += amount.output_tokens
        self.held_retries += amount.retries
        self.calls += 1
        self.ids.append(request.id)
        if self.buckets is None:
            used = self.used
            used[purpose] = used.get(purpose, 0) + nano
        else:
            self.advance(request.at)

    def book(self, held: Amount, settled: Amount, purpose: Purpose, at: float) -> None:
        """Replace a hold's amount by what was used."""
        nano = settled.nano_usd
        self.held_nano -= held.nano_usd
        self.held_input -= held.input_tokens
        self.held_output -= held.output_tokens
        self.held_retries -= held.retries
        self.spent_nano += nano
        self.spent_input += settled.input_tokens
        self.spent_output += settled.output_tokens
        self.spent_retries += settled.retries
        if self.buckets is None:
            self.used[purpose] += nano - held.nano_usd
        else:
            self.advance(at)
            self._add(self.newest, numbers_of(settled))

    def rebook(self, back: Numbers, more: Numbers, purpose: Purpose, *, booked: float, era: int, at: float) -> None:
        """Take back from where a line was booked, and book more now.

        Args:
            back: what is taken back.
            more: what is booked.
            purpose: the line's.
            booked: epoch seconds of the settlement that is changed.
            era: how many amendments there were then.
            at: epoch seconds now.
        """
        self.advance(at)
        counts = era >= self.era
        if self.limits.window_s is not None:
            bucket = bucket_of(booked, self.limits.window_s)
            counts = counts and bucket >= self.newest - BUCKETS
            if counts:
                # A clock that ran back may have dated the line before the bucket it was booked in. Then the window
                # counts what is taken back a little too long, never too short.
                self._add(bucket, negative(back))
            self._add(self.newest, more)
        else:
            self.used[purpose] = self.used.get(purpose, 0) + more[0] - (back[0] if counts else 0)
        self._spend(more)
        if counts:
            self._spend(negative(back))
        else:
            self.past = self.past - _amount(*back)

    def advance(self, at: float) -> None:
        """Forget what has left the window by now; the newest time seen never goes back."""
        if self.limits.window_s is None or self.buckets is None:
            return
        now = bucket_of(at, self.limits.window_s)
        if now <= self.newest:
            return
        self.newest = now
        for bucket in [bucket for bucket in self.buckets if bucket < now - BUCKETS]:
            gone = self.buckets.pop(bucket)
            self._spend(negative(gone))
            self.past = self.past + _amount(*gone)

    def forgive(self, *, era: int, held: dict[Purpose, int]) -> Amount:
        """Count nothing of what is spent any more; ``held`` is what open holds hold by purpose."""
        forgiven = _amount(self.spent_nano, self.spent_input, self.spent_output, self.spent_retries)
        self.past = self.past + forgiven
        self.spent_nano = self.spent_input = self.spent_output = self.spent_retries = 0
        self.era = era
        if self.buckets is None:
            self.used = held
        else:
            self.buckets.clear()
        return forgiven

    def balance(self, at: float | None = None) -> Balance:
        """The totals as a record; of a scope with a window as they are at ``at``, where that is later than all seen."""
        spent = _amount(self.spent_nano, self.spent_input, self.spent_output, self.spent_retries)
        past = self.past
        if at is not None and self.buckets:
            gone = self._gone(at)
            spent, past = spent - gone, past + gone
        used = self.used
        return _balance(
            self.scope,
            self.limits,
            spent,
            _amount(self.held_nano, self.held_input, self.held_output, self.held_retries),
            past,
            _told(used) if used else (),
            self.calls,
            self.opened_at,
            self.closed,
        )

    def _gone(self, at: float) -> Amount:
        gone = _NO_AMOUNT
        if self.buckets and self.limits.window_s is not None:
            least = max(self.newest, bucket_of(at, self.limits.window_s)) - BUCKETS
            for bucket, numbers in self.buckets.items():
                if bucket < least:
                    gone = gone + _amount(*numbers)
        return gone

    def _add(self, bucket: int, numbers: Numbers) -> None:
        if self.buckets is not None:
            self.buckets[bucket] = added(self.buckets.get(bucket, NOTHING), numbers)

    def _spend(self, numbers: Numbers) -> None:
        nano, tokens_in, tokens_out, retries = numbers
        self.spent_nano += nano
        self.spent_input += tokens_in
        self.spent_output += tokens_out
        self.spent_retries += retries


def _told(used: dict[Purpose, int]) -> tuple[tuple[Purpose, int], ...]:
    if len(used) == 1:
        ((purpose, nano),) = used.items()
        return ((purpose, nano),) if nano else ()
    return tuple(sorted([pair for pair in used.items() if pair[1]], key=lambda pair: _ORDER[pair[0]]))


def numbers_of(amount: Amount) -> Numbers:
    """An amount as bare numbers."""
    return amount.nano_usd, amount.input_tokens, amount.output_tokens, amount.retries


def amount_of(numbers: Numbers) -> Amount:
    """Bare numbers as an amount."""
    return _amount(*numbers)


def added(one: Numbers, other: Numbers) -> Numbers:
    """Sum per resource."""
    return one[0] + other[0], one[1] + other[1], one[2] + other[2], one[3] + other[3]


def negative(numbers: Numbers) -> Numbers:
    """The same below zero."""
    return -numbers[0], -numbers[1], -numbers[2], -numbers[3]
