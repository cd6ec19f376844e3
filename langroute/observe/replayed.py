"""A replayed episode as a person reads it, and as JSON."""

from pydantic_core import to_json
from rich.console import Group, RenderableType
from rich.text import Text

from langroute.money import format_dollars
from langroute.observe.layout import Column, Facts, Paragraph, Row, Rows, plain
from langroute.observe.plain import SCHEMA_VERSION
from langroute.records import as_dollars
from langroute.replay import Replayed, ReplayedCall

_COLUMNS = (
    Column(title="#", align="right"),
    Column(title="node", most=16),
    Column(title="made by", most=16),
    Column(title="cost", align="point"),
    Column(title="replayed by", most=16),
    Column(title="would cost", align="point"),
    Column(title="from", most=12),
)


def explain_replay(replayed: Replayed) -> RenderableType:
    """What the episode would have cost, call by call, and what that assumes; fitted to the width."""
    title = Text(f"Episode {plain(replayed.episode)} under policy {plain(replayed.policy)}", style="bold")
    rows = Rows(columns=_COLUMNS, rows=tuple(_row(call) for call in replayed.calls))
    assumed = Paragraph(text=f"Assumed: {'; '.join(replayed.assumptions)}.")
    return Group(title, "", rows, "", Facts(pairs=_sums(replayed)), "", assumed)


def replay_as_json(replayed: Replayed) -> str:
    """The same as one JSON object; amounts are dollars."""
    whole = {
        "schema_version": SCHEMA_VERSION,
        "episode": replayed.episode,
        "policy": replayed.policy,
        "recorded_usd": as_dollars(replayed.recorded_nano),
        "replayed_usd": as_dollars(replayed.nano),
        "limit_usd": as_dollars(replayed.limit_nano),
        "over_limit": replayed.over_limit,
        "calls_changed": replayed.changed,
        "assumptions": list(replayed.assumptions),
        "calls": [_call_json(call) for call in replayed.calls],
    }
    return to_json(whole, indent=2, inf_nan_mode="strings").decode()


def _row(call: ReplayedCall) -> Row:
    return Row(
        cells=(
            f"{call.call_index}" + (f".{call.attempt}" if call.attempt else ""),
            call.node or "-",
            call.recorded_arm,
            format_dollars(call.recorded_nano),
            call.arm or "-",
            format_dollars(call.nano),
            call.basis,
        )
    )


def _sums(replayed: Replayed) -> tuple[tuple[str, str], ...]:
    recorded, nano, limit = replayed.recorded_nano, replayed.nano, replayed.limit_nano
    times = f", {nano / recorded:.2f} times as much" if recorded else ""
    within = "above" if replayed.over_limit else "within"
    return (
        ("calls", f"{len(replayed.calls)}, of which {replayed.changed} by another arm"),
        ("spent", format_dollars(recorded)),
        ("replayed", f"{format_dollars(nano)}{times} (an estimate)"),
        ("budget", "" if limit is None else f"{within} the limit of {format_dollars(limit)}"),
    )


def _call_json(call: ReplayedCall) -> dict[str, object]:
    return {
        "call_index": call.call_index,
        "attempt": call.attempt,
        "node": call.node,
        "recorded_arm": call.recorded_arm,
        "recorded_usd": as_dollars(call.recorded_nano),
        "arm": call.arm,
        "replayed_usd": as_dollars(call.nano),
        "basis": call.basis,
    }
