"""The model card of an artifact: what it was trained on, how good it is, and what it must not be used for."""

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from langroute.errors import ConfigError
from langroute.learning.learners import Lesson
from langroute.prices_of_targets import PriceTable
from langroute.target import Target

_TOLD = {
    "log_loss": ("log loss of success", "{:.4f}"),
    "brier": ("Brier score of success", "{:.4f}"),
    "auroc": ("AUROC of success", "{:.3f}"),
    "calibration_error": ("calibration error (ten bins)", "{:.4f}"),
    "cost_mae_usd": ("mean error of cost, dollars", "{:.6f}"),
    "token_mae": ("mean error of output tokens", "{:.1f}"),
}
_LIBRARIES = ("langroute", "numpy", "xgboost-cpu", "xgboost", "scikit-learn", "pyarrow")


def model_card(
    estimator: str,
    *,
    data: Mapping[str, Any],
    metrics: Mapping[str, Any],
    lesson: Lesson,
    targets: PriceTable | None = None,
    rule: str = "",
) -> str:
    """The card, as Markdown.

    Args:
        estimator: what was trained.
        data: what it was trained on; see ``Examples.described``.
        metrics: what was measured out of fold.
        lesson: what was learned.
        targets: prices of a dollar for targets.
        rule: the policy that was fitted; empty for the router's own.
    """
    parts = (
        f"# Routing policy: {estimator}",
        "## Trained on\n\n" + _data_told(data),
        "## How good it is\n\n" + _metrics_told(metrics),
        "## How it chooses\n\n" + _RULES.get(rule, rule),
        "## What it reads\n\n" + _features_told(lesson),
        "## What a target costs\n\n" + _targets_told(targets),
        "## Which cheap answers stand\n\n" + _acceptance_told(metrics.get("acceptance")),
        "## What it is not for\n\n" + _LIMITS,
        "## Versions\n\n" + _versions_told(),
    )
    return "\n\n".join(parts) + "\n"


_RULES = {
    "": "By the frontier: the most success less the price of a dollar times the cost.",
    "cascade": "By cascade routing: after each answer again, by what its confidence is worth. Confidences come from "
    "logprobs; an answer without any is worth what was expected of its arm.",
    "chain": "By a chain: arms in an order of their own for each group (`domain`) and price of a dollar. It goes on "
    "only where an acceptance rule rejects an answer, and was planned for one that knows right from wrong.",
    "difference": "By a difference: the cheap arm, unless the best one is expected to be better by more than that.",
}

_LIMITS = """\
- Other work than the table's: what an arm achieves elsewhere is not in it. Judge it on a table of that work first.
- Arms that it never saw: they are estimated by the prior, and the log says so.
- Where a policy chose the arms of the table by what it knew of the steps, arms were tried on different steps, and what
  is learned of them is what they did there. Outcomes collected by chance (`propensity` below 1) lack this flaw.
- Success that was credited from an episode to its steps is an approximation: a step is not known to have failed.
- Judging people, or answers: it predicts how well model calls go, nothing else."""


def _data_told(data: Mapping[str, Any]) -> str:
    arms = ", ".join(f"{name} ({count:,})" for name, count in data.get("arms", {}).items())
    cost = data.get("cost_nano")
    lines = [
        f"- {data['rows']:,} rows: {data['tasks']:,} tasks, {data['episodes']:,} episodes, {data['groups']:,} groups",
        f"- arms (rows): {arms}",
        f"- mean success {data['success']:.3f}"
        + ("" if cost is None else f", mean cost of a row ${cost / 1e9:.6f}")
        + (f", {data['period']}" if data.get("period") else ""),
        f"- fingerprint of the data: `{data['fingerprint']}`",
    ]
    return "\n".join(lines)


def _metrics_told(metrics: Mapping[str, Any]) -> str:
    rows = ["| measure | learned | 95% interval | arm's mean | mean of group and arm |", "|---|---|---|---|---|"]
    for name, (told, form) in _TOLD.items():
        if name in metrics:
            found = metrics[name]
            cells = [form.format(found[key]) if key in found else "-" for key in ("value", "arm_mean", "group_mean")]
            between = f"{form.format(found['low'])} to {form.format(found['high'])}" if "low" in found else "-"
            rows.append(f"| {told} | {cells[0]} | {between} | {cells[1]} | {cells[2]} |")
    folds, seed = metrics.get("folds", "?"), metrics.get("seed", "?")
    head = f"Measured {metrics.get('basis', 'out of fold')}; {folds} folds, seed {seed}."
    return head + "\n\n" + "\n".join(rows)


def _features_told(lesson: Lesson) -> str:
    columns = [*lesson.numbers, *lesson.words]
    text = f"; a text vector of {lesson.text} numbers" if lesson.text else "; no text"
    return f"{', '.join(columns) or 'no column of a step (none of them varied)'}{text}."


_SHARES = (1.0, 0.99, 0.97, 0.95, 0.9)


def _targets_told(targets: PriceTable | None) -> str:
    if targets is None:
        return (
            "No price of a dollar was found for targets: costs are unknown, or an arm was too rare to be asked "
            "everywhere. Give `price_of_a_dollar`."
        )
    rows = [
        "| quality wanted | success per dollar | dollars an episode | reached | 95% from |",
        "|---|---|---|---|---|",
    ]
    for share in _SHARES:
        try:
            price, _ = targets.price(Target(quality=share))
        except ConfigError:
            rows.append(f"| {share:g} | not reached | - | - | - |")
            continue
        point = next(point for point in targets.points if point.price_of_dollar == price)
        low = f"{point.low:.3f}" if targets.basis == "replayed" else "-"
        rows.append(f"| {share:g} | {price:.4g} | {point.dollars:.6f} | {point.quality:.3f} | {low} |")
    head = f"Quality is a share of the success of {targets.reference}, {targets.basis}. {targets.certificate}"
    return head.strip() + "\n\n" + "\n".join(rows)


def _acceptance_told(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "Every well-formed one: no rule was asked for (`--accept`)."
    lines = [
        f"- {cell['told']} Seen: {cell['answers']:,} answers, {cell['wrong']:.1%} wrong, "
        f"{cell['accepted']:.1%} accepted."
        for cell in found["cells"]
    ]
    return "\n".join(lines) or "No cheap answer was there to calibrate on."


def _versions_told() -> str:
    found = [f"python {platform.python_version()}"]
    for name in _LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)
