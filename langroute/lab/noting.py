"""Texts as the router's encoder sees them, kept beside the journal, which never holds text."""

import threading
from collections.abc import Sequence

from langroute.protocols import Estimator, TextEncoder
from langroute.quick import changed
from langroute.records import Arm, Estimate, Features, Step


class NotingEstimator:
    """Passes all on to another estimator, and keeps each text that was asked; its number is the last of its vector.

    So whoever runs an app of his own can join what was asked to the rows of his journal, exactly as a live step is
    read. The lab does it to collect; the texts are kept in memory only.

    Args:
        inner: what to expect of an arm; reads text where it can.
    """

    def __init__(self, inner: Estimator) -> None:
        self.inner = inner
        self.name, self.version = inner.name, inner.version
        self.texts: list[str] = []
        self._lock = threading.Lock()

    def encode(self, text: str) -> tuple[float, ...]:
        """The inner estimator's vector, then the number of the text."""
        own = self.inner.encode(text) if isinstance(self.inner, TextEncoder) else ()
        with self._lock:
            self.texts.append(text)
            return (*own, float(len(self.texts) - 1))

    def estimate(self, step: Step, arms: Sequence[Arm]) -> tuple[Estimate, ...]:
        """One estimate per arm, by the inner estimator, which sees its own vector only."""
        if not step.features.text:
            return self.inner.estimate(step, arms)
        own: Features = changed(step.features, text=step.features.text[:-1])
        return self.inner.estimate(changed(step, features=own), arms)

    def text_of(self, encoded: Sequence[float]) -> str:
        """The text that a vector was made of; empty for an empty vector."""
        return self.texts[int(encoded[-1])] if len(encoded) else ""
