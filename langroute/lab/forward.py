"""The forward pass of a lab model in numpy, with a key-value cache.

The same sums as `langroute.lab.network`; written for few, small operations per token.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from langroute.errors import ConfigError
from langroute.lab.catalog import CONTEXT_WINDOW, NEIGHBOURS, ROTARY_BASE, Shape
from langroute.lab.vocabulary import PAD

Floats = npt.NDArray[np.float32]
_EPSILON = np.float32(1e-5)
_HIDDEN = np.float32(-1e9)


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """Weights of one layer; the norms' gains are folded into the matrices after them.

    `qkv` also gives, after queries, keys and values, the queries and keys with the two halves of what rotates swapped:
    rotating is then one sum.
    """

    qkv: Floats
    out: Floats
    up: Floats
    down: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """A model's weights, in single precision, with its rotary tables."""

    shape: Shape
    embed: Floats
    before: Floats
    unembed: Floats
    layers: tuple[Layer, ...]
    cos: Floats
    sin: Floats

    @classmethod
    def from_arrays(cls, shape: Shape, arrays: Mapping[str, npt.NDArray[np.floating]]) -> "Weights":
        """Build weights from named arrays, as training writes them.

        Raises:
            ConfigError: if an array is missing, or all of them are not as many numbers as the shape says.
        """
        count = sum(array.size for array in arrays.values())
        if count != shape.parameters:
            raise ConfigError(f"the weights hold {count} numbers, the shape has {shape.parameters}", field="weights")
        full = {name: np.asarray(array, np.float32) for name, array in arrays.items()}
        scale = np.float32((shape.width // shape.heads) ** -0.5)
        partners = _partners(shape)
        layers = []
        for index in range(shape.layers):
            part = {key.split(".")[-1]: value for key, value in full.items() if key.startswith(f"layers.{index}.")}
            qkv = part["norm1"][:, None] * part["qkv"]
            qkv[:, : shape.width] *= scale
            turned = qkv[:, : 2 * shape.width][:, partners]
            layers.append(
                Layer(
                    np.concatenate((qkv, turned), axis=1),
                    part["out"],
                    part["norm2"][:, None] * part["up"],
                    part["down"],
                )
            )
        cos, sin = _rotary_tables(shape.width // shape.heads)
        unembed = np.ascontiguousarray(full["norm"][:, None] * full["embed"].T)
        return cls(shape, full["embed"], full["embed"] @ full["before"], unembed, tuple(layers), cos, sin)


class Cache:
    """Keys and values of the tokens seen so far, for a batch of prompts padded on the left.

    Args:
        shape: the model's size.
        batch: how many prompts.
        length: most tokens that will ever be fed, prompt and reply together.
        padding: tokens of padding at the left of each prompt.
    """

    def __init__(self, shape: Shape, *, batch: int, length: int, padding: npt.NDArray[np.int64] | None = None) -> None:
        size = (shape.layers, batch, shape.heads, length, shape.width // shape.heads)
        self.keys = np.empty(size, np.float32)
        self.values = np.empty(size, np.float32)
        self.used = 0
        self.last = np.full((batch, NEIGHBOURS), PAD)
        self.hidden: Floats | None = None
        if padding is not None and padding.any():
            self.hidden = np.where(np.arange(length) < padding[:, None], _HIDDEN, np.float32(0))[:, None, None, :]


def run(weights: Weights, tokens: npt.NDArray[np.int64], cache: Cache) -> Floats:
    """Feed tokens and return the logits after the last one.

    Args:
        weights: the model.
        tokens: (batch, time), the tokens that follow what the cache has seen.
        cache: is extended by these tokens.

    Returns:
        Logits of shape (batch, vocabulary).
    """
    time = tokens.shape[1]
    start, end = cache.used, cache.used + time
    cos, sin = weights.cos[start:end], weights.sin[start:end]
    mask = cache.hidden[..., :end] if cache.hidden is not None else None
    if time > 1:
        causal = np.where(np.arange(end) > np.arange(start, end)[:, None], _HIDDEN, np.float32(0))
        mask = causal if mask is None else mask + causal
    seen = np.concatenate((cache.last, tokens), axis=1)
    cache.last = seen[:, -NEIGHBOURS:]
    x = weights.embed[tokens]
    for distance in range(1, NEIGHBOURS + 1):
        x = x + weights.before[distance - 1][seen[:, NEIGHBOURS - distance : seen.shape[1] - distance]]
    last = len(weights.layers) - 1
    for index, layer in enumerate(weights.layers):
        x = _attend(weights.shape, layer, x, cache, index, (start, end), (cos, sin), mask, only_last=index == last)
        x = x + np.square(np.maximum(_norm(x) @ layer.up, 0)) @ layer.down
    cache.used = end
    return np.asarray(_norm(x[:, -1]) @ weights.unembed, np.float32)


def _attend(
    shape: Shape,
    layer: Layer,
    x: Floats,
    cache: Cache,
    index: int,
    span: tuple[int, int],
    rotary: tuple[Floats, Floats],
    mask: Floats | None,
    *,
    only_last: bool,
) -> Floats:
    """Return the stream after attention; with `only_last`, just its last place, for the others are not needed."""
    batch, time, width = x.shape
    start, end = span
    qkv = (_norm(x) @ layer.qkv).reshape(batch, time, 5, shape.heads, width // shape.heads).transpose(2, 0, 3, 1, 4)
    cos, sin = rotary
    queries, keys = qkv[:2] * cos + qkv[3:] * sin
    cache.keys[index, :, :, start:end] = keys
    cache.values[index, :, :, start:end] = qkv[2]
    if only_last and time > 1:
        queries, x, time = queries[:, :, -1:], x[:, -1:], 1
        mask = mask[..., -1:, :] if mask is not None else None
    scores = queries @ cache.keys[index, :, :, :end].swapaxes(-1, -2)
    if mask is not None:
        scores = scores + mask
    scores = np.exp(scores - scores.max(-1, keepdims=True))
    scores /= scores.sum(-1, keepdims=True)
    mixed = (scores @ cache.values[index, :, :, :end]).transpose(0, 2, 1, 3).reshape(batch, time, width)
    return np.asarray(x + mixed @ layer.out, np.float32)


def _norm(x: Floats) -> Floats:
    mean_square = np.einsum("...i,...i->...", x, x)[..., None] / np.float32(x.shape[-1])
    return np.asarray(x / np.sqrt(mean_square + _EPSILON), np.float32)


def _partners(shape: Shape) -> npt.NDArray[np.intp]:
    """Return, for each column of queries and keys, the column that it is rotated with (its own where nothing turns)."""
    head = shape.width // shape.heads
    pairs = head // 4
    within = np.concatenate((np.arange(pairs, 2 * pairs), np.arange(pairs), np.arange(2 * pairs, head)))
    return (np.arange(0, 2 * shape.width, head)[:, None] + within).ravel()


def _rotary_tables(head: int) -> tuple[Floats, Floats]:
    """Return the factors of a head's columns and of their partners, (positions, head)."""
    pairs = head // 4
    # Padding shifts positions, by less than another window.
    angles = np.arange(2 * CONTEXT_WINDOW)[:, None] * ROTARY_BASE ** (-np.arange(pairs) / pairs)
    still = np.zeros((len(angles), head - 2 * pairs))
    cos = np.concatenate((np.cos(angles), np.cos(angles), still + 1), axis=1)
    sin = np.concatenate((-np.sin(angles), np.sin(angles), still), axis=1)
    return cos.astype(np.float32), sin.astype(np.float32)
