"""The world of the lab: word problems about orders, with exact answers.

A problem lists order lines (how many, in which pack, of what, at which price), then adjustments (a percentage off,
perhaps for members only; a coupon; shipping) and notes (an item that is missing), then asks what some of it costs or
counts. Rules a reader has to know: a pack word stands for a number of pieces; a price is per piece or per pack; missing
items are left out; adjustments apply to costs only, in the order written, except that shipping always comes last; a
member's discount is for members. Percentages round down to whole dollars.
"""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from langroute.lab.vocabulary import ITEMS, UNITS

LEVELS = (1, 2, 3)
"""Difficulty: 2, 3 or 4 order lines, with more packs, notes and adjustments as the level rises."""

LINE_COUNT = {1: 2, 2: 3, 3: 4}
PACK_SHARE = {1: 0.5, 2: 0.6, 3: 0.7}
MISSING_SHARE = {1: 0.0, 2: 0.3, 3: 0.5}
ADJUSTMENT_COUNTS = {1: (0, 1), 2: (0, 1, 2), 3: (1, 2, 2, 3)}
COUNT_SHARE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """One line of an order: `quantity` of `unit` (None: single pieces) of `item` at `price` dollars."""

    quantity: int
    unit: str | None
    item: str
    price: int
    per_pack: bool

    @property
    def text(self) -> str:
        """The line as the problem writes it."""
        unit = f" {self.unit}" if self.unit else ""
        per = "" if not self.unit else (f" per {self.unit}" if self.per_pack else " apiece")
        return f"{self.item} {self.quantity}{unit} at {self.price}{per}"

    @property
    def count_factors(self) -> tuple[int, ...]:
        """Numbers whose product is the number of pieces."""
        return (self.quantity, UNITS[self.unit]) if self.unit else (self.quantity,)

    @property
    def cost_factors(self) -> tuple[int, ...]:
        """Numbers whose product is the cost in dollars."""
        return (self.quantity, self.price) if self.per_pack or not self.unit else (*self.count_factors, self.price)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """A change to the cost: `off` (percent), `coupon` or `shipping` (dollars)."""

    name: str
    amount: int
    members_only: bool = False

    @property
    def text(self) -> str:
        """The adjustment as the problem writes it."""
        if self.name == "off":
            return f"{self.amount} % off" + (" for members" if self.members_only else "")
        return f"{self.name} {self.amount}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A problem with its truth: the oracle's plan, the answer and the unit the answer is in."""

    seed: int
    level: int
    problem: str
    lines: tuple[OrderLine, ...]
    adjustments: tuple[Adjustment, ...]
    plan: tuple[str, ...]
    answer: int
    unit: str


def sample_task(seed: int, level: int | None = None) -> Task:
    """Return the task of a seed; the same seed and level give the same task, on any machine.

    Args:
        seed: any integer.
        level: 1, 2 or 3; None draws one from the seed.

    Raises:
        ValueError: if the level is not one of `LEVELS`.
    """
    if level is not None and level not in LEVELS:
        raise ValueError(f"level must be one of {LEVELS}, not {level!r}")
    rng = random.Random(f"{seed}/{level}")  # noqa: S311 - a reproducible world, nothing secret
    level = level or rng.choice(LEVELS)
    lines = _draw_lines(rng, level)
    missing = rng.choice(lines).item if rng.random() < MISSING_SHARE[level] else None
    question, asked = _draw_question(rng, level, lines, missing)
    adjustments = _draw_adjustments(rng, level)
    member, counting = rng.random() < 0.5, rng.random() < COUNT_SHARE
    verb = "count" if counting else "cost"
    applied = () if counting else applied_adjustments(adjustments, member=member)
    notes = [adjustment.text for adjustment in adjustments]
    if missing:
        notes.insert(rng.randint(0, len(notes)), f"{missing} missing")
    body = " , ".join([line.text for line in lines] + notes)
    return Task(
        seed=seed,
        level=level,
        problem=f"{'member' if member else 'guest'} : {body} . {verb} of {question} ?",
        lines=lines,
        adjustments=adjustments,
        plan=_oracle_plan(verb, asked, applied),
        answer=sum(prod(line.count_factors) for line in asked) if counting else _total_cost(asked, applied),
        unit="pieces" if counting else "dollars",
    )


def _draw_lines(rng: random.Random, level: int) -> tuple[OrderLine, ...]:
    lines = []
    for item in rng.sample(ITEMS, LINE_COUNT[level]):
        unit = rng.choice(tuple(UNITS)) if rng.random() < PACK_SHARE[level] else None
        per_pack = unit is not None and rng.random() < 0.5
        price = rng.randint(5, 20)
        lines.append(OrderLine(quantity=rng.randint(3, 9), unit=unit, item=item, price=price, per_pack=per_pack))
    return tuple(lines)


def _draw_question(
    rng: random.Random, level: int, lines: tuple[OrderLine, ...], missing: str | None
) -> tuple[str, tuple[OrderLine, ...]]:
    """Return the question's words and the lines it asks for, in the order a plan should take them."""
    form = rng.choice(("all", "named", "but"))
    if form == "but":
        left_out = rng.choice([line for line in lines if line.item != missing])
        words, asked = f"all but {left_out.item}", tuple(line for line in lines if line is not left_out)
    elif form == "named":
        asked = tuple(rng.sample(lines, min(level, len(lines) - 1)))
        words = " and ".join(line.item for line in asked)
    else:
        words, asked = "all", lines
    left = tuple(line for line in asked if line.item != missing)
    return (words, left) if left else ("all", tuple(line for line in lines if line.item != missing))


def _draw_adjustments(rng: random.Random, level: int) -> tuple[Adjustment, ...]:
    names = rng.sample(("off", "coupon", "shipping"), rng.choice(ADJUSTMENT_COUNTS[level]))
    amounts = {"off": rng.choice((10, 20, 50)), "coupon": rng.randint(2, 6), "shipping": rng.randint(2, 9)}
    members_only = level > 1 and rng.random() < 0.6
    return tuple(
        Adjustment(name=name, amount=amounts[name], members_only=members_only and name == "off") for name in names
    )


def applied_adjustments(adjustments: tuple[Adjustment, ...], *, member: bool) -> tuple[Adjustment, ...]:
    """Return the adjustments that apply, in the order they apply in: as written, shipping last."""
    applied = [adjustment for adjustment in adjustments if member or not adjustment.members_only]
    return tuple(sorted(applied, key=lambda adjustment: adjustment.name == "shipping"))


def _oracle_plan(verb: str, asked: tuple[OrderLine, ...], applied: tuple[Adjustment, ...]) -> tuple[str, ...]:
    total = ("sum",) if len(asked) > 1 else ()
    return (*(f"{verb} {line.item}" for line in asked), *total, *(adjustment.name for adjustment in applied))


def _total_cost(asked: tuple[OrderLine, ...], applied: tuple[Adjustment, ...]) -> int:
    total = sum(prod(line.cost_factors) for line in asked)
    for adjustment in applied:
        if adjustment.name == "off":
            total = total * (100 - adjustment.amount) // 100
        else:
            total += adjustment.amount if adjustment.name == "shipping" else -adjustment.amount
    return total


_ANSWER = re.compile(r"you (?:pay|get) (-?\d+) (dollars|pieces)")


def grade(task: Task, answer: str | Mapping[str, object] | None) -> bool:
    """Say whether an answer is exactly right: the right number in the right unit, and nothing else.

    Args:
        task: the task that was set.
        answer: the agent's report, or its final state with the key `answer`; None counts as wrong.
    """
    text = answer.get("answer") if isinstance(answer, Mapping) else answer
    match = _ANSWER.fullmatch(text.strip()) if isinstance(text, str) else None
    return match is not None and (int(match.group(1)), match.group(2)) == (task.answer, task.unit)
