"""Situations: seeded random steps, arms, estimates and rulings, to try policies and estimators on."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from langroute.money import Price
from langroute.records import KINDS, Arm, BudgetView, Estimate, Features, Permit, Pressure, Rejection, Ruling, Step

_NANO_PER_DOLLAR = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One step with everything a decision about it is based on.

    Attributes:
        step: the step.
        arms: the pool.
        estimates: one per arm, in pool order.
        ruling: permits in pool order, and the price of a dollar.
    """

    step: Step
    arms: tuple[Arm, ...]
    estimates: tuple[Estimate, ...]
    ruling: Ruling


def situations(*, rounds: int, seed: int = 0) -> Iterator[Situation]:
    """So many situations; the same for the same seed.

    Pools have one to six arms. About a sixth of the situations permit no arm, and a sixth permit every arm at a price
    of a dollar of zero.
    """
    source = random.Random(seed)  # noqa: S311 - test data, no secret
    for number in range(rounds):
        arms = draw_arms(source)
        step = draw_step(source, arms)
        mood = ("free", "barred", "mixed", "mixed", "mixed", "mixed")[number % 6]
        yield Situation(
            step=step,
            arms=arms,
            estimates=tuple(_estimate(source, arm, step) for arm in arms),
            ruling=_ruling(source, arms, step, mood),
        )


def draw_arms(source: random.Random) -> tuple[Arm, ...]:
    """A pool of one to six arms in no order of price, ranks as a pool gives them."""
    count = source.randint(1, 6)
    prices = [round(source.uniform(0.01, 20.0), 3) for _ in range(count)]
    dearer = sorted(range(count), key=prices.__getitem__)
    return tuple(
        Arm(
            name=f"arm-{number}",
            model=f"model-{number}",
            provider="anywhere",
            price=Price(input_per_million=price, output_per_million=4 * price, cached_input_per_million=price / 10),
            context_window=source.choice((None, 8_000, 200_000)),
            calls_tools=source.random() < 0.8,
            structured_output=source.random() < 0.8,
            rank=dearer.index(number) / (count - 1) if count > 1 else 1.0,
            modalities=source.choice((None, (), ("image",), ("audio", "file", "image", "video"))),
        )
        for number, price in enumerate(prices)
    )


def draw_step(source: random.Random, arms: tuple[Arm, ...]) -> Step:
    """A step in some trouble, with some budget, perhaps with a retry or a demanded arm."""
    tokens = source.randint(0, 20_000)
    retries = source.choice((0, 0, 0, 1, 2))
    rejected = source.sample(arms, k=min(retries, len(arms)))
    return Step(
        episode=f"episode-{source.randrange(1_000)}",
        call_index=source.randrange(50),
        attempt=retries,
        node=source.choice(("", "plan", "work", "check", "report")),
        kind=source.choice(KINDS),
        pressure=_pressure(source, retries),
        input_tokens=tokens,
        input_bound=2 * tokens + 100,
        output_cap=source.choice((16, 256, 4_096)),
        needs_tools=source.random() < 0.3,
        needs_structure=source.random() < 0.2,
        pinned=source.choice((None, None, None, source.choice(arms).name)),
        rejected=tuple(Rejection(arm=arm.name, reason="invalid_tool_call") for arm in rejected),
        budget=_budget(source),
        features=_features(source),
        needs_media=source.choice(((), (), (), ("image",), ("file", "image"))),
    )


def _pressure(source: random.Random, retries: int) -> Pressure:
    return Pressure(
        retries=retries,
        invalid_tool_calls=source.choice((0, 0, 1)),
        tool_errors=source.choice((0, 0, 1, 3)),
        repeated_calls=source.choice((0, 0, 2)),
        cycles=source.choice((0, 0, 1, 7)),
        self_corrections=source.choice((0, 0, 0, 1)),
        schema_failures=source.choice((0, 0, 0, 1)),
        empty_ends=source.choice((0, 0, 0, 1)),
        context_share=source.choice((0.0, 0.1234, 0.75, 1.0)),
    )


def _features(source: random.Random) -> Features:
    return Features(
        prompt_bytes=source.randint(0, 80_000),
        retrievals=source.choice((0, 0, 4)),
        tool_category=source.choice(("", "search", "code", "mixed")),
        prior_confidence=source.choice((None, 0.0, 0.5, 0.98)),
        hint=source.choice(("", "extraction")),
        channel=source.choice(("", "chat", "batch")),
        domain=source.choice(("", "legal")),
    )


def _budget(source: random.Random) -> BudgetView:
    if source.random() < 0.3:
        return BudgetView(scope="episode:any")
    limit = source.randint(1, 2 * _NANO_PER_DOLLAR)
    spent = source.randint(0, limit)
    return BudgetView(
        scope="episode:any",
        limit_nano=limit,
        spent_nano=spent,
        available_nano=limit - spent,
        output_tokens_left=source.choice((None, 0, 10_000)),
        retries_left=source.choice((None, 0, 3)),
    )


def _estimate(source: random.Random, arm: Arm, step: Step) -> Estimate:
    output = source.randint(1, step.output_cap)
    return Estimate(
        arm=arm.name,
        # Rounded, so that ties happen.
        success=round(source.random(), 1),
        cost_nano=arm.price.cost(input_tokens=step.input_tokens, output_tokens=output),
        output_tokens=output,
    )


def _ruling(source: random.Random, arms: tuple[Arm, ...], step: Step, mood: str) -> Ruling:
    free = mood == "free"
    return Ruling(
        price_of_dollar=0.0 if free else source.choice((0.0, 0.5, 20.0, 1e6)),
        permits=tuple(_permit(arm, step, allowed=free or (mood == "mixed" and source.random() < 0.6)) for arm in arms),
        reason="drawn for a test",
    )


def _permit(arm: Arm, step: Step, *, allowed: bool) -> Permit:
    if not allowed:
        return Permit(arm=arm.name, why_not="not allowed in this situation")
    return Permit(
        arm=arm.name,
        output_limit=step.output_cap,
        input_bound=step.input_bound,
        worst_nano=arm.price.worst_cost(input_tokens=step.input_bound, output_tokens=step.output_cap),
    )
