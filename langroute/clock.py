"""SystemClock: the machine's own time."""

import time


class SystemClock:
    """The machine's wall clock, and its monotonic clock for durations."""

    def now(self) -> float:
        """Epoch seconds."""
        return time.time()

    def elapsed(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.perf_counter()
