"""An engine that remembers what its models answered: greedy replies do not change, so no prompt is worked out twice."""

import threading
from collections.abc import Iterator, Sequence

from langroute.lab.engine import LabModel, TokenOut
from langroute.lab.meter import PublishedRates
from langroute.lab.service import LabEngine

Key = tuple[tuple[int, ...], int]


class RememberingModel:
    """A lab model whose whole greedy replies are kept; the same tokens, log probabilities and bill as without.

    Args:
        model: what answers at first.
    """

    def __init__(self, model: LabModel) -> None:
        self._model = model
        self._known: dict[Key, tuple[TokenOut, ...]] = {}

    @property
    def rates(self) -> PublishedRates:
        """Its price list."""
        return self._model.rates

    @property
    def context_window(self) -> int:
        """Most tokens of prompt and answer together."""
        return self._model.context_window

    def stream(
        self, prompt: Sequence[int], *, max_tokens: int, temperature: float = 0.0, seed: int | None = None
    ) -> Iterator[TokenOut]:
        """The tokens of an answer, as `LabModel.stream` gives them."""
        if temperature > 0:
            yield from self._model.stream(prompt, max_tokens=max_tokens, temperature=temperature, seed=seed)
            return
        key = (tuple(prompt), max_tokens)
        known = self._known.get(key)
        if known is not None:
            yield from known
            return
        told: list[TokenOut] = []
        for token in self._model.stream(prompt, max_tokens=max_tokens):
            told.append(token)
            yield token
        self._known[key] = tuple(told)  # only whole replies come this far


class RememberingEngine(LabEngine):
    """The lab's models, each remembering; for runs that try many policies on the same tasks. Memory grows with use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._remembering: dict[str, RememberingModel] = {}

    def model(self, name: str) -> RememberingModel:  # type: ignore[override] # the protocol's ServedModel is met
        """One of the lab's models; the same object each time.

        Raises:
            ConfigError: there is no such model.
        """
        with self._lock:
            if name not in self._remembering:
                self._remembering[name] = RememberingModel(LabModel.load(name))
            return self._remembering[name]
