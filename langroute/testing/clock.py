"""FakeClock: time that passes only when a test says so."""


class FakeClock:
    """A clock (``langroute.protocols.Clock``) moved by hand.

    Args:
        at: epoch seconds that ``now`` starts from; ``elapsed`` starts from zero.

    >>> clock = FakeClock(at=100.0)
    >>> clock.advance(2.5)
    >>> clock.now(), clock.elapsed()
    (102.5, 2.5)
    """

    def __init__(self, *, at: float = 1_000_000_000.0) -> None:
        self._now = at
        self._elapsed = 0.0

    def now(self) -> float:
        """Epoch seconds."""
        return self._now

    def elapsed(self) -> float:
        """Seconds that passed since the clock was made; never goes back."""
        return self._elapsed

    def advance(self, seconds: float) -> None:
        """Let time pass, on both clocks.

        Raises:
            ValueError: ``seconds`` is negative; to set the wall clock back, use ``set_now``.
        """
        if seconds < 0:
            raise ValueError(f"time passes forward only, got {seconds} s; use set_now to move the wall clock alone")
        self._now += seconds
        self._elapsed += seconds

    def set_now(self, at: float) -> None:
        """Set the wall clock, as a correction of the system's time does; ``elapsed`` does not notice."""
        self._now = at
