"""The world of the lab: word problems about orders, with exact answers.

A problem lists order lines (how many, in which pack, of what, at which price), then adjustments (a percentage off,
perhaps for members only; a coupon; shipping) and notes (an item that is missing), then asks what some of it costs or
counts. Rules a reader has to know: a pack word stands for a number of pieces; a price is per piece or per pack; missing
items are left out; adjustments apply to costs only, in the order written, except that shipping always comes last; a
member's discount is for members. Percentages round down to whole dollars.
"""

import random
import re
from dataclasses import dataclass

from langroute.lab.vocabulary import ITEMS, UNITS

LEVELS = (1, 2, 3)
"""Difficulty: 2, 3 or 4 order lines, with more packs, notes and adjustments as the level rises."""


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
        return f"{self.quantity}{unit} {self.item} at {self.price}{per}"

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
    chosen = level or rng.choice(LEVELS)
    lines = _draw_lines(rng, chosen)
    counting = rng.random() < 0.2
    missing = rng.choice(lines).item if rng.random() < (0.0, 0.3, 0.5)[chosen - 1] else None
    question, asked = _draw_question(rng, lines, missing)
    adjustments = _draw_adjustments(rng, chosen)
    member = rng.random() < 0.5
    applied = () if counting else _applied(adjustments, member)
    verb = "count" if counting else "cost"
    plan = tuple(f"{verb} {line.item}" for line in asked)
    plan += (("sum",) if len(asked) > 1 else ()) + tuple(adjustment.name for adjustment in applied)
    notes = [adjustment.text for adjustment in adjustments] + ([f"{missing} missing"] if missing else [])
    rng.shuffle(notes)
    written = [note for note in notes if not note.startswith(("off", "coupon", "shipping"))]
    del written
    body = " , ".join([line.text for line in lines] + notes)
    problem = f"{'member' if member else 'guest'} : {body} . {verb} of {question} ?"
    order = tuple(sorted(adjustments, key=lambda a: notes.index(a.text)))
    applied = () if counting else _applied(order, member)
    plan = tuple(step for step in plan if step.split()[0] in ("cost", "count", "sum")) + tuple(a.name for a in applied)
    answer = _total(asked, applied, counting=counting)
    return Task(
        seed=seed, level=chosen, problem=problem, lines=lines, adjustments=order, plan=plan, answer=answer,
        unit="pieces" if counting else "dollars",
    )  # fmt: skip
