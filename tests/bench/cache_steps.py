"""How well the input price of real calls is foretold, with and without the prompt cache in mind.

Reads ``miniswe_steps/steps.parquet`` under ``$LANGROUTE_DATA``, or under ``../shared/data`` beside the repository;
needs pyarrow. Each episode is written as messages, call by call, and priced by what langroute itself expects of the
cache before the call: from the reports of the calls before it and the rule of the provider. The number of input tokens
is taken as known, as a tokenizer gives it; what the call then reported of its cache is not looked at.

The rule of the provider was measured on these very rows. So the block is also chosen for each repository from all
others, and the error under those blocks is told beside.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, median
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from langroute.caching import CacheRule, cache_rule
from langroute.money import Price
from langroute.records import Arm, Usage
from langroute.steps.warmth import PromptCaches

Row = dict[str, Any]
BLOCKS = (1024, *range(1900, 2101, 10), 2048, 4096)
# What the rows' own costs rebuild at, dollars per million tokens.
PRICE = Price(input_per_million="1.99", output_per_million="11.95", cached_input_per_million="0.20")
RULE = cache_rule(model="gemini-3-pro-preview", provider="google_genai")
_PACE_S = 10.0  # the rows hold no times; all calls of an episode are taken to come within the lifetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Foretold:
    """One call: nano-dollars of its input as reported, as foretold with the cache in mind, and at the full price."""

    group: str
    first: bool
    hit: bool
    true: int
    aware: int
    blind: int


def data_file() -> Path:
    """Where the steps should be."""
    root = os.environ.get("LANGROUTE_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data"
    return Path(root) / "miniswe_steps" / "steps.parquet"


def load(path: Path) -> list[list[Row]]:
    """The calls of each episode, in order."""
    from pyarrow import parquet  # noqa: PLC0415 - the caller says how to get it where it is missing

    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in parquet.read_table(path).to_pylist():
        found[row["inst"]].append(row)
    return [sorted(rows, key=lambda row: int(row["step"])) for rows in found.values()]


def foretell(episode: Sequence[Row], rule: CacheRule) -> list[Foretold]:
    """Every call of an episode, foretold before it and compared after it."""
    arm = Arm(name="it", model="gemini-3-pro-preview", provider="google_genai", price=PRICE, caching=rule)
    caches, messages, told = PromptCaches([arm]), [HumanMessage(str(episode[0]["inst"]))], []
    talk: list[AnyMessage] = list(messages)
    for number, row in enumerate(episode):
        tokens, at = int(row["inp"]), number * _PACE_S
        expected = caches.expect(talk, tools_bytes=0, input_tokens=tokens, marked=False, at=at)
        read = expected[0].read_tokens if expected else 0
        usage = Usage(input_tokens=tokens, output_tokens=int(row["out"]), cache_read_tokens=int(row["cached"]))
        told.append(
            Foretold(
                group=str(row["inst"]).partition("__")[0],
                first=number == 0,
                hit=usage.cache_read_tokens > 0,
                true=_input_nano(tokens, usage.cache_read_tokens),
                aware=_input_nano(tokens, read),
                blind=_input_nano(tokens, 0),
            )
        )
        caches.learn(talk, arm="it", usage=usage, prompt_bytes=4 * tokens, tools_bytes=0, at=at)
        talk = [*talk, AIMessage("." * number), HumanMessage("," * number)]
    return told


def _input_nano(tokens: int, read: int) -> int:
    return PRICE.cost(input_tokens=tokens, output_tokens=0, cache_read_tokens=read)


def errors(told: Iterable[Foretold], guess: Callable[[Foretold], int]) -> dict[str, float]:
    """How far a guess is off.

    ``of_true``: sum of absolute errors over the sum of true costs. ``mean_relative``: mean over the calls of the
    absolute error over the true cost. ``of_full``: sum of absolute errors over the sum of full prices. ``bias``: sum of
    guesses over sum of true costs.
    """
    calls = list(told)
    off = [abs(guess(call) - call.true) for call in calls]
    relative = [error / call.true for error, call in zip(off, calls, strict=True)]
    true = sum(call.true for call in calls)
    return {
        "of_true": round(sum(off) / true, 4),
        "mean_relative": round(mean(relative), 4),
        "median_relative": round(median(relative), 4),
        "of_full": round(sum(off) / sum(call.blind for call in calls), 4),
        "bias": round(sum(guess(call) for call in calls) / true, 4),
    }


def elsewhere(episodes: Sequence[Sequence[Row]]) -> tuple[list[Foretold], dict[str, int]]:
    """Every call foretold with the block that was best on all other repositories; and those blocks, by repository."""
    by_block = {block: _with_block(episodes, block) for block in BLOCKS}
    groups = sorted({call.group for call in by_block[BLOCKS[0]]})
    off = {block: _off(calls) for block, calls in by_block.items()}
    chosen, told = {}, []
    for group in groups:
        block = min(BLOCKS, key=lambda block: sum(off[block].values()) - off[block][group])
        chosen[group] = block
        told += [call for call in by_block[block] if call.group == group]
    return told, chosen


def _with_block(episodes: Sequence[Sequence[Row]], block: int) -> list[Foretold]:
    rule = replace(RULE, block_tokens=block, min_tokens=block)
    return [call for episode in episodes for call in foretell(episode, rule)]


def _off(calls: Iterable[Foretold]) -> dict[str, int]:
    found: defaultdict[str, int] = defaultdict(int)
    for call in calls:
        found[call.group] += abs(call.aware - call.true)
    return dict(found)


def measure(episodes: Sequence[Sequence[Row]], *, choose: bool = True) -> dict[str, Any]:
    """All figures on the steps."""
    told = [call for episode in episodes for call in foretell(episode, RULE)]
    found = {
        "calls": len(told),
        "episodes": len(episodes),
        "aware": errors(told, lambda call: call.aware),
        "blind": errors(told, lambda call: call.blind),
        "hits": errors([call for call in told if call.hit], lambda call: call.aware),
        "misses": round(mean([not call.hit for call in told if not call.first]), 4),
        "misses_known": errors(told, lambda call: call.aware if call.hit else call.blind),
    }
    if choose:
        apart, blocks = elsewhere(episodes)
        found["block_from_other_repositories"] = {
            **errors(apart, lambda call: call.aware),
            "blocks": sorted(set(blocks.values())),
        }
    return found
