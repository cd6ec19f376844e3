"""A prompt cache as providers keep one: what two prompts share from their first token on is computed once."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

BLOCK_TOKENS = 16
"""Prefixes are shared in whole blocks of this many tokens."""
LIFETIME_S = 300.0
"""A block is forgotten when it was not used for this many seconds."""
MAX_BLOCKS = 65_536
"""The least recently used blocks beyond this many are forgotten."""

_ROOT = 0


@dataclass(slots=True)
class _Block:
    node: int
    expires: float


class PromptCache:
    """Remembers prompts as chains of blocks, per model, so equal prefixes meet exactly and never by hash.

    Args:
        clock: seconds on a clock that never goes back.
        block_tokens: tokens per block.
        lifetime_s: seconds without use after which a block is forgotten.
        max_blocks: blocks kept in all.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        block_tokens: int = BLOCK_TOKENS,
        lifetime_s: float = LIFETIME_S,
        max_blocks: int = MAX_BLOCKS,
    ) -> None:
        self._clock = clock
        self._size = block_tokens
        self._lifetime = lifetime_s
        self._max = max_blocks
        self._lock = threading.Lock()
        self._blocks: OrderedDict[tuple[str, int, tuple[int, ...]], _Block] = OrderedDict()
        self._last_node = _ROOT

    def use(self, model: str, prompt: Sequence[int]) -> int:
        """How many leading tokens of a prompt were cached; from now on all its whole blocks are.

        At least the last token is never counted as cached: a model has to read something to answer.
        """
        with self._lock:
            now = self._clock()
            hits, node, unbroken = 0, _ROOT, True
            chain: list[tuple[str, int, tuple[int, ...]]] = []
            for start in range(0, len(prompt) - self._size + 1, self._size):
                key = (model, node, tuple(prompt[start : start + self._size]))
                block, hit = self._touch(key, now)
                unbroken = unbroken and hit
                hits += unbroken
                node = block.node
                chain.append(key)
            self._trim(chain)
        return min(hits, max(0, len(prompt) - 1) // self._size) * self._size

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._blocks.clear()

    def _touch(self, key: tuple[str, int, tuple[int, ...]], now: float) -> tuple[_Block, bool]:
        block = self._blocks.get(key)
        hit = block is not None and now < block.expires
        if block is None:
            self._last_node += 1
            block = self._blocks[key] = _Block(self._last_node, 0.0)
        block.expires = now + self._lifetime
        return block, hit

    def _trim(self, chain: list[tuple[str, int, tuple[int, ...]]]) -> None:
        # Last blocks first, so that the least recently used one never has a younger block behind it.
        for key in reversed(chain):
            self._blocks.move_to_end(key)
        while len(self._blocks) > self._max:
            self._blocks.popitem(last=False)
