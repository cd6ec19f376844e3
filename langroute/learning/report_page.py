"""A report as one HTML page that opens without a network: frontier, calibration and saving, by plotly."""

from html import escape
from typing import Any

from langroute.errors import ConfigError
from langroute.learning.report import Report, Told, shown_lines

_WIDE = 20
"""Where the dearest costs this many times the cheapest, costs are drawn on a logarithmic axis."""


def page_of(report: Report, *, title: str) -> str:
    """The page; plotly's own program is part of it.

    Raises:
        ConfigError: plotly is not installed.
    """
    try:
        from plotly.graph_objects import Bar, Figure, Scatter  # noqa: PLC0415 - only pages need it
    except ImportError as exc:
        raise ConfigError("needs plotly; install langroute[learn]", field="--html") from exc
    figures = [_frontier(report, Figure, Scatter), _calibration(report, Figure, Scatter), _saving(report, Figure, Bar)]
    drawn = "\n".join(
        figure.to_html(full_html=False, include_plotlyjs=number == 0, div_id=f"figure-{number}")
        for number, figure in enumerate(figures)
    )
    notes = "".join(f"<p>{escape(note)}</p>" for note in report.notes)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        "<style>body{font-family:sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
        "td,th{padding:.2rem .8rem;text-align:right}td:first-child,th:first-child{text-align:left}</style></head>"
        f"<body><h1>{escape(title)}</h1><p>{report.basis}, {report.tasks} tasks, {len(report.arms)} arms</p>"
        f"{notes}{_table(report)}{drawn}</body></html>\n"
    )


def _table(report: Report) -> str:
    rows = "".join(
        f"<tr><td>{escape(line.name)}</td><td>{line.dollars:.6g}</td><td>{line.quality.point:.4f}</td>"
        f"<td>{_interval(line.quality)}</td></tr>"
        for line in shown_lines(report)
    )
    measures = "".join(
        f"<tr><td>{escape(name)}</td><td></td><td>{told.point:.4f}</td><td>{_interval(told)}</td></tr>"
        for name, told in report.measures.items()
    )
    head = "<tr><th></th><th>dollars</th><th>quality</th><th>95% interval</th></tr>"
    return f"<table>{head}{rows}{measures}</table>"


def _interval(told: Told) -> str:
    """The interval; empty where none was worked out."""
    return "" if told.low == told.high else f"[{told.low:.4f}, {told.high:.4f}]"


def _frontier(report: Report, figure: Any, scatter: Any) -> Any:
    drawn = figure(layout={"title": f"Cost and quality ({report.basis})", "template": "plotly_white"})
    own = [(line.dollars, line.quality.point) for line in report.frontier]
    parts = [
        ("this policy, by price of a dollar", own, "lines"),
        ("hull of single arms", list(report.hull), "lines"),
        ("oracle", list(report.oracle), "lines"),
        *((line.name, [(line.dollars, line.quality.point)], "markers") for line in report.lines),
    ]
    for name, points, mode in parts:
        if points:
            ordered = sorted(points)
            drawn.add_trace(
                scatter(x=[x for x, _ in ordered], y=[y for _, y in ordered], mode=mode, name=name, marker={"size": 9})
            )
    costs = [x for _, points, _ in parts for x, _ in points]
    wide = bool(costs) and min(costs) > 0 and max(costs) > _WIDE * min(costs)
    drawn.update_xaxes(title_text="dollars", type="log" if wide else "linear")
    drawn.update_yaxes(title_text="mean success")
    return drawn


def _calibration(report: Report, figure: Any, scatter: Any) -> Any:
    drawn = figure(layout={"title": "Calibration: success as expected and as it was", "template": "plotly_white"})
    said, true = [bin_[0] for bin_ in report.calibration], [bin_[1] for bin_ in report.calibration]
    drawn.add_trace(scatter(x=[0, 1], y=[0, 1], mode="lines", name="right", line={"dash": "dot"}))
    drawn.add_trace(scatter(x=said, y=true, mode="lines+markers", name="bins of equally many rows"))
    drawn.update_xaxes(title_text="expected")
    drawn.update_yaxes(title_text="was")
    return drawn


def _saving(report: Report, figure: Any, bar: Any) -> Any:
    dearest = max((line.dollars for line in report.lines), default=0.0)
    lines = shown_lines(report)
    drawn = figure(layout={"title": "Saved against the dearest line", "template": "plotly_white"})
    saved = [1 - line.dollars / dearest if dearest else 0.0 for line in lines]
    drawn.add_trace(bar(x=[line.name for line in lines], y=saved))
    drawn.update_yaxes(tickformat=".0%")
    return drawn
