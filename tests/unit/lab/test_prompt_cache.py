"""The prompt cache counts what two prompts really share, in whole blocks, for as long as it lives."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from langroute.lab.prompt_cache import PromptCache


@dataclass(slots=True)
class Time:
    """A clock moved by hand."""

    now: float = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


def _cache(time: Time, max_blocks: int = 1000) -> PromptCache:
    return PromptCache(clock=time, block_tokens=4, lifetime_s=300.0, max_blocks=max_blocks)


def test_a_shared_prefix_is_cached_in_whole_blocks() -> None:
    """The first use caches nothing; later ones get the whole blocks they share from the first token on."""
    cache = _cache(Time())
    assert cache.use("m", range(10)) == 0
    assert cache.use("m", range(10)) == 8
    assert cache.use("m", [*range(6), 99, 99, 99, 99]) == 4
    assert cache.use("m", [5, *range(1, 10)]) == 0


def test_the_last_token_is_always_read() -> None:
    """A prompt that is cached to its end still has a block computed: there must be something to answer from."""
    cache = _cache(Time())
    cache.use("m", range(8))
    assert cache.use("m", range(8)) == 4
    assert cache.use("m", range(9)) == 8
    assert cache.use("m", []) == 0


def test_models_share_nothing() -> None:
    """What one model has read another one has to read again."""
    cache = _cache(Time())
    cache.use("m", range(10))
    assert cache.use("n", range(10)) == 0


def test_a_prefix_is_forgotten_when_it_is_not_used_and_kept_when_it_is() -> None:
    """The lifetime counts from the last use, and ends at 300 seconds."""
    time = Time()
    cache = _cache(time)
    cache.use("m", range(10))
    time.now = 299.0
    assert cache.use("m", range(10)) == 8
    time.now = 598.0
    assert cache.use("m", range(10)) == 8
    time.now = 898.0
    assert cache.use("m", range(10)) == 0
    assert cache.use("m", range(10)) == 8


def test_the_least_recently_used_prefix_goes_first() -> None:
    """Beyond its size the cache forgets what was not used longest, last blocks before the ones they stand on."""
    cache = _cache(Time(), max_blocks=3)
    cache.use("m", range(9))
    cache.use("m", range(100, 105))
    cache.use("m", range(200, 205))
    assert cache.use("m", range(100, 105)) == 4
    assert cache.use("m", range(9)) == 4


def test_clear_forgets_everything() -> None:
    """After a clear every prompt is new."""
    cache = _cache(Time())
    cache.use("m", range(10))
    cache.clear()
    assert cache.use("m", range(10)) == 0


@given(st.lists(st.lists(st.integers(0, 1), max_size=24), max_size=8))
def test_the_cache_agrees_with_comparing_all_prompts(prompts: list[list[int]]) -> None:
    """Within lifetime and size, cached tokens are the longest shared prefix with any earlier prompt, in blocks."""
    cache, earlier = _cache(Time()), list[list[int]]()
    for prompt in prompts:
        shared = max((_shared(prompt, other) for other in earlier), default=0)
        limit = max(0, len(prompt) - 1) // 4 * 4
        assert cache.use("m", prompt) == min(shared // 4 * 4, limit)
        earlier.append(prompt)


def _shared(left: list[int], right: list[int]) -> int:
    # Only whole blocks of either are kept, so a ragged end counts as not there.
    pairs = zip(left[: len(left) // 4 * 4], right[: len(right) // 4 * 4], strict=False)
    count = 0
    for one, other in pairs:
        if one != other:
            break
        count += 1
    return count
