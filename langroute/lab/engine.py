"""The lab's models at work: inference in numpy, with a key-value cache and real token logprobs.

Weights are data of this package, half precision on disk and single precision in memory. A loaded model holds no
state between calls, so one can be used from many threads.
"""

import functools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from langroute.errors import ConfigError
from langroute.lab.catalog import CONTEXT_WINDOW, MODEL_NAMES, Rates, Shape, rates_of
from langroute.lab.chat import Reply, decode_reply, encode_chat
from langroute.lab.forward import Cache, Weights, run
from langroute.lab.vocabulary import END, PAD, decode_text, token_text, vocabulary_hash

__all__ = [
    "MODEL_NAMES",
    "Completion",
    "LabModel",
    "Rates",
    "Reply",
    "TokenOut",
    "decode_reply",
    "decode_text",
    "encode_chat",
    "token_text",
]

TOP = 5
_BATCH = 256
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TokenOut:
    """One generated token: its natural-log probability, and the likeliest tokens at its place, best first."""

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole reply; `length` means that the token limit or the context window cut it off."""

    tokens: tuple[TokenOut, ...]
    finish_reason: Literal["stop", "length"]

    @property
    def ids(self) -> tuple[int, ...]:
        """The tokens alone."""
        return tuple(token.token for token in self.tokens)

    @property
    def mean_logprob(self) -> float:
        """Mean log probability of the tokens; 0.0 for an empty reply."""
        return sum(token.logprob for token in self.tokens) / len(self.tokens) if self.tokens else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class LabModel:
    """One of the lab's language models; get it with `LabModel.load`."""

    name: str
    weights: Weights
    card: dict[str, Any]
    context_window: int = CONTEXT_WINDOW

    @staticmethod
    @functools.lru_cache(maxsize=len(MODEL_NAMES))
    def load(name: str) -> "LabModel":
        """Return a model of the lab; loaded once and kept.

        Raises:
            ConfigError: if there is no such model, or its weights do not fit this version's vocabulary.
        """
        if name not in MODEL_NAMES:
            raise ConfigError(f"no lab model is called {name!r}; there are {', '.join(MODEL_NAMES)}", field="model")
        return load_from(resources.files("langroute.lab") / "weights", name)

    @property
    def parameters(self) -> int:
        """How many trained numbers the model has."""
        return self.weights.shape.parameters

    @property
    def rates(self) -> Rates:
        """What the model's tokens cost."""
        return rates_of(self.parameters)

    def stream(
        self, prompt: Sequence[int], *, max_tokens: int, temperature: float = 0.0, seed: int | None = None
    ) -> Iterator[TokenOut]:
        """Yield a reply token by token; the end marker is not yielded, so a reply cut off is `max_tokens` long.

        Args:
            prompt: tokens, as `encode_chat` gives them; shorter than the context window.
            max_tokens: most tokens to generate.
            temperature: 0 takes the likeliest token; above 0 draws from the sharpened or flattened distribution.
            seed: of the draw; None draws differently each time.

        Raises:
            ValueError: if the prompt is empty, fills the context window or holds unknown tokens.
        """
        for out in self._tokens(prompt, max_tokens=max_tokens, temperature=temperature, seed=seed):
            if out.token == END:
                return
            yield out

    def complete(
        self, prompt: Sequence[int], *, max_tokens: int, temperature: float = 0.0, seed: int | None = None
    ) -> Completion:
        """Return the reply that `stream` yields, with the reason it ended."""
        tokens: list[TokenOut] = []
        for out in self._tokens(prompt, max_tokens=max_tokens, temperature=temperature, seed=seed):
            if out.token == END:
                return Completion(tuple(tokens), "stop")
            tokens.append(out)
        return Completion(tuple(tokens), "length")

    def _tokens(
        self, prompt: Sequence[int], *, max_tokens: int, temperature: float, seed: int | None
    ) -> Iterator[TokenOut]:
        """Yield tokens up to and including the end marker."""
        self._validate(prompt)
        limit = min(max_tokens, self.context_window - len(prompt))
        rng = np.random.default_rng(seed) if temperature > 0 else None
        cache = Cache(self.weights.shape, batch=1, length=len(prompt) + limit)
        fed = np.asarray([prompt])
        for _ in range(limit):
            logits = run(self.weights, fed, cache)[0]
            out = _choose(logits, temperature, rng)
            yield out
            if out.token == END:
                return
            fed = np.array([[out.token]])

    def _validate(self, prompt: Sequence[int]) -> None:
        if not prompt:
            raise ValueError("the prompt is empty")
        if len(prompt) >= self.context_window:
            raise ValueError(f"the prompt's {len(prompt)} tokens fill the context window of {self.context_window}")
        if not 0 <= min(prompt) <= max(prompt) < len(self.weights.embed):
            raise ValueError(f"the prompt holds tokens outside the vocabulary of {len(self.weights.embed)}")

    def complete_batch(self, prompts: Sequence[Sequence[int]], *, max_tokens: int) -> list[Completion]:
        """Return the greedy replies to many prompts, as `complete` would give each, much faster."""
        order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
        replies: list[Completion | None] = [None] * len(prompts)
        for start in range(0, len(order), _BATCH):
            chunk = order[start : start + _BATCH]
            for index, reply in zip(chunk, self._batch([prompts[i] for i in chunk], max_tokens), strict=True):
                replies[index] = reply
        return [reply for reply in replies if reply is not None]

    def _batch(self, prompts: list[Sequence[int]], max_tokens: int) -> list[Completion]:
        for prompt in prompts:
            self._validate(prompt)
        longest = max(map(len, prompts))
        limits = [min(max_tokens, self.context_window - len(prompt)) for prompt in prompts]
        # Padded on the left, where the mask hides it: positions only count as distances.
        padding = np.array([longest - len(prompt) for prompt in prompts])
        fed = np.array([[PAD] * (longest - len(prompt)) + list(prompt) for prompt in prompts])
        cache = Cache(self.weights.shape, batch=len(prompts), length=longest + max(limits), padding=padding)
        out: list[list[TokenOut]] = [[] for _ in prompts]
        ended = [limit <= 0 for limit in limits]
        stopped = [False] * len(prompts)
        for _ in range(max(limits)):
            chosen = _choose_rows(run(self.weights, fed, cache))
            for row, token in enumerate(chosen):
                if ended[row]:
                    continue
                if token.token == END:
                    stopped[row] = ended[row] = True
                    continue
                out[row].append(token)
                ended[row] = len(out[row]) >= limits[row]
            if all(ended):
                break
            fed = np.array([[token.token] for token in chosen])
        return [Completion(tuple(t), "stop" if s else "length") for t, s in zip(out, stopped, strict=True)]


def _log_softmax(logits: Floats) -> Floats:
    shifted = logits - logits.max(-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(-1, keepdims=True)), np.float32)


def _choose(logits: Floats, temperature: float, rng: np.random.Generator | None) -> TokenOut:
    logprobs = _log_softmax(logits)
    top = np.argsort(-logprobs, kind="stable")[:TOP]
    token = int(top[0])
    if rng is not None:
        chances = np.exp(_log_softmax(logits / np.float32(temperature)).astype(np.float64))
        token = int(rng.choice(len(chances), p=chances / chances.sum()))
    return _token_out(logprobs, token, top)


def _choose_rows(logits: Floats) -> list[TokenOut]:
    logprobs = _log_softmax(logits)
    tops = np.argsort(-logprobs, axis=-1, kind="stable")[:, :TOP]
    return [_token_out(row, int(top[0]), top) for row, top in zip(logprobs, tops, strict=True)]


def _token_out(logprobs: Floats, token: int, top: npt.NDArray[np.intp]) -> TokenOut:
    return TokenOut(token, float(logprobs[token]), tuple((int(t), float(logprobs[t])) for t in top))


def load_from(folder: Any, name: str) -> LabModel:
    """Return the model whose `name.npz` and `name.json` lie in a folder (a path or a package resource).

    Raises:
        ConfigError: if the weights were trained for another vocabulary or another size.
    """
    card = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    if card["vocabulary"] != vocabulary_hash():
        raise ConfigError(
            f"the weights of {name} were trained for vocabulary {card['vocabulary']}, this is {vocabulary_hash()}; "
            "train anew with python -m langroute.lab.train",
            field="vocabulary",
        )
    shape = Shape(**card["shape"])
    with (folder / f"{name}.npz").open("rb") as file, np.load(file) as arrays:
        weights = Weights.from_arrays(shape, {key: arrays[key] for key in arrays.files})
    return LabModel(name=name, weights=weights, card=card)
