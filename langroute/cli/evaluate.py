"""``langroute evaluate`` and ``langroute frontier``: how good a learned policy is on a table of outcomes."""

# ruff: noqa: PLC0415 - a command imports what it needs when it runs, so that --help is quick

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from langroute.cli.stores import AsJson, console
from langroute.errors import ConfigError

if TYPE_CHECKING:
    from langroute.artifacts import LearnedPolicy
    from langroute.learning.report import Line, Report, Told

ArtifactFolder = Annotated[Path, typer.Argument(help="Folder that langroute train saved.")]
Table = Annotated[Path, typer.Argument(help="Table of outcomes: .parquet, .jsonl, or a folder with both files.")]
Tasks = Annotated[Path | None, typer.Option("--tasks", help="A table with task, text and group.")]
Html = Annotated[Path | None, typer.Option("--html", help="Write a page with plots here; it opens without a network.")]
Quality = Annotated[
    float | None, typer.Option("--quality-target", min=0.0, help="Show it at the price the policy has for this target.")
]
PriceOfDollar = Annotated[
    float | None, typer.Option("--price-of-a-dollar", min=0.0, help="Show it at this price of a dollar.")
]


def evaluate(
    artifact: ArtifactFolder,
    table: Table,
    *,
    tasks: Tasks = None,
    html: Html = None,
    as_json: AsJson = False,
    quality_target: Quality = None,
    price_of_a_dollar: PriceOfDollar = None,
) -> None:
    """Judge a learned policy on outcomes, beside all baselines.

    Replayed where the table holds every arm on every task; else model-based, and labelled so.
    """
    learned, report = _evaluated(artifact, table, tasks, quality_target, price_of_a_dollar)
    _write(html, report, f"{artifact.name} on {table.name}")
    if as_json:
        typer.echo(json.dumps(report.as_data(), indent=2))
        return
    from langroute.learning.report import shown_lines

    console().print(_lines(shown_lines(report)))
    if report.measures:
        typer.echo()
        console().print(_measures(report))
    _say_notes(report, learned, html)


def frontier(
    artifact: ArtifactFolder, table: Table, *, tasks: Tasks = None, html: Html = None, as_json: AsJson = False
) -> None:
    """Print the whole frontier of a learned policy: what each price of a dollar buys."""
    learned, report = _evaluated(artifact, table, tasks, None, None)
    _write(html, report, f"{artifact.name} on {table.name}")
    if as_json:
        data, names = report.as_data(), ("basis", "tasks", "frontier", "hull", "oracle")
        typer.echo(json.dumps({name: data[name] for name in names}, indent=2))
        return
    console().print(_lines(report.frontier))
    _say_notes(report, learned, html)


def _evaluated(
    artifact: Path, table: Path, tasks: Path | None, quality: float | None, price: float | None
) -> "tuple[LearnedPolicy, Report]":
    from langroute.artifacts import open_policy
    from langroute.learning.reading import read_table
    from langroute.learning.report import evaluated

    learned = open_policy(artifact)
    return learned, evaluated(learned, read_table(table, tasks=tasks), price=_price(learned, quality, price))


def _price(learned: "LearnedPolicy", quality: float | None, price: float | None) -> float | None:
    """The price that was asked for; without one, that for 0.97 of the reference, where the policy's table has it."""
    from langroute.target import Target

    if price is not None and quality is not None:
        raise ConfigError("and --price-of-a-dollar exclude each other; give one", field="--quality-target")
    if price is not None:
        return price
    prices: Any = learned.targets
    if prices is None:
        if quality is not None:
            raise ConfigError("this policy has no table of prices; give --price-of-a-dollar", field="--quality-target")
        return None
    try:
        return float(prices.price(Target(quality=quality or 0.97))[0])
    except ConfigError:
        if quality is not None:
            raise
        return None


def _write(html: Path | None, report: "Report", title: str) -> None:
    if html is None:
        return
    from langroute.learning.report_page import page_of

    page = page_of(report, title=title)
    try:
        html.write_text(page, encoding="utf-8")
    except OSError as exc:
        raise ConfigError(f"{html} cannot be written: {exc.strerror or exc}", field="--html") from exc


def _lines(lines: "tuple[Line, ...]") -> Any:
    from langroute.observe.layout import Column, Row, Rows

    columns = (
        Column(title="policy", most=34),
        Column(title="dollars", align="point"),
        Column(title="quality", align="right"),
        Column(title="95% interval"),
        Column(title="lambda", align="right", least_width=70),
    )
    return Rows(
        columns=columns,
        rows=tuple(
            Row(
                cells=(
                    line.name if not line.name.startswith("lambda") else "this policy",
                    f"{line.dollars:.6f}",
                    f"{line.quality.point:.4f}",
                    ""
                    if line.quality.low == line.quality.high
                    else f"{line.quality.low:.4f} to {line.quality.high:.4f}",
                    "" if line.price_of_dollar is None else f"{line.price_of_dollar:.4g}",
                )
            )
            for line in lines
        ),
    )


def _measures(report: "Report") -> Any:
    from langroute.observe.layout import Column, Row, Rows

    columns = (Column(title="measure"), Column(title="value", align="right"), Column(title="95% interval"))
    rows = tuple(Row(cells=(name, f"{told.point:.4f}", _interval(told))) for name, told in report.measures.items())
    return Rows(columns=columns, rows=rows)


def _interval(told: "Told") -> str:
    return f"{told.low:.4f} to {told.high:.4f}"


def _say_notes(report: "Report", learned: "LearnedPolicy", html: Path | None) -> None:
    from langroute.observe.layout import Paragraph

    prices: Any = learned.targets
    told = [f"{report.basis.capitalize()} on {report.tasks} tasks with {len(report.arms)} arms.", *report.notes]
    told += [f"Prices of the policy ({prices.basis}): {prices.certificate}"] if prices is not None else []
    told += [f"Written to {html}."] if html is not None else []
    for note in told:
        typer.echo()
        console().print(Paragraph(text=note))
