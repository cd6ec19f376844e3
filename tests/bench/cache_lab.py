"""What it saves in the lab to know of the prompt cache: the same router on the same tasks, aware of it and blind to it.

The lab's provider caches prefixes and reports what it served; the books price that. Two price ladders: the lab's own,
on which each model costs several times the one below it, and a narrow one, as models of rival providers stand to each
other. Tasks are the demonstration's, seeded; models take the likeliest token; every router gets a provider of its own,
so none finds its prompts in a cache that another one filled.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from langroute.lab.catalog import DOLLARS_AT_100K, MODEL_NAMES, PRICE_EXPONENT, SHAPES
from langroute.lab.counting import count_tokens
from langroute.lab.demo import CONFIG, demo_tasks, run_policy
from langroute.lab.intervals import paired_bootstrap
from langroute.lab.pool import LAB_CACHE, lab_models
from langroute.lab.service import LabService
from langroute.lab.world import Task
from langroute.money import Price
from langroute.pool import ModelPool
from langroute.router import StepRouter

LADDERS = {"narrow": 0.3, "own": PRICE_EXPONENT}
READ_RATES = (0.1, 0.25, 0.5, 1.0)
HEADLINE = ("narrow", 0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What one router did: nano-dollars and success by task, and what its provider served."""

    nano: tuple[int, ...]
    success: tuple[bool, ...]
    cached_tokens: int
    input_tokens: int
    switches: int
    metered: bool


def prices(ladder: str, read_rate: float) -> dict[str, Price]:
    """The models' prices: input by the size of the model, output four times that, cached input the given part."""
    found = {}
    for name in MODEL_NAMES:
        micro = round(DOLLARS_AT_100K * (SHAPES[name].parameters / 100_000) ** LADDERS[ladder] * 250) * 4_000
        found[name.removeprefix("lab-")] = Price(
            input_per_million=str(micro / 1e6),
            output_per_million=str(4 * micro / 1e6),
            cached_input_per_million=str(round(micro * read_rate) / 1e6),
        )
    return found


def run(tasks: Sequence[Task], *, ladder: str, read_rate: float, aware: bool) -> Ran:
    """Every task once, by one router on a provider of its own."""
    service = LabService()
    models = lab_models(service=service)
    pool = ModelPool(
        models,
        prices=prices(ladder, read_rate),
        token_counters=dict.fromkeys(models, count_tokens),
        cache_rules=dict.fromkeys(models, LAB_CACHE),
    )
    with StepRouter(pool, config=CONFIG.model_copy(update={"cache_aware": aware})) as router:
        result = run_policy("routed", tasks, router, run_id="bench", workers=1)
        switches = sum(_switches(router, done.episode) for done in result.runs)
    total = service.meter.total()
    booked = sum(done.nano_usd for done in result.runs)
    return Ran(
        nano=tuple([done.nano_usd for done in result.runs]),
        success=tuple([bool(done.success) for done in result.runs]),
        cached_tokens=total.cached_tokens,
        input_tokens=total.prompt_tokens,
        switches=switches,
        metered=booked == total.nano_dollars,
    )


def _switches(router: StepRouter, episode: str) -> int:
    arms = [record.outcome.arm for record in router.journal.records(episode) if record.outcome is not None]
    return sum(before != after for before, after in pairwise(arms))


def compare(aware: Ran, blind: Ran) -> dict[str, Any]:
    """Both runs beside each other; the saving with a 95% interval over tasks."""
    pairs = [(float(left), float(right)) for left, right in zip(aware.nano, blind.nano, strict=True)]
    low, high = paired_bootstrap(_saving, pairs)
    return {
        "saving": round(_saving(np.asarray(pairs)), 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "aware": _shown(aware),
        "blind": _shown(blind),
    }


def _saving(table: Any) -> float:
    aware, blind = table.sum(axis=0)
    return float(1 - aware / blind)


def _shown(ran: Ran) -> dict[str, Any]:
    return {
        "usd": round(sum(ran.nano) / 1e9, 9),
        "success": sum(ran.success),
        "cached_share": round(ran.cached_tokens / ran.input_tokens, 4),
        "switches": ran.switches,
    }


def sweep(count: int) -> dict[str, Any]:
    """Both routers on every ladder and read rate."""
    tasks = demo_tasks(count)
    found: dict[str, Any] = {"tasks": count, "thrift": CONFIG.thrift}
    for ladder in LADDERS:
        found[ladder] = {}
        for rate in READ_RATES:
            aware, blind = (run(tasks, ladder=ladder, read_rate=rate, aware=told) for told in (True, False))
            found[ladder][f"{rate:g}"] = compare(aware, blind)
            if ladder == "own" and rate == 0.25:
                found["booked_as_metered"] = aware.metered and blind.metered
    return found
