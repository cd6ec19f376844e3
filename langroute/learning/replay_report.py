"""Many replayed episodes as a person reads them, and as JSON."""

from pydantic_core import to_json
from rich.console import Group, RenderableType
from rich.text import Text

from langroute.learning.bootstrap import Interval
from langroute.learning.replays import ReplayedEpisodes
from langroute.money import format_dollars
from langroute.observe.layout import Facts, Paragraph, plain
from langroute.observe.plain import SCHEMA_VERSION
from langroute.records import as_dollars


def explain_replays(found: ReplayedEpisodes) -> RenderableType:
    """What the episodes would have cost and achieved, how sure that is, and what it assumes; fitted to the width."""
    title = Text(f"{found.episodes} episodes under policy {plain(found.policy)}", style="bold")
    assumed = Paragraph(text=f"Assumed: {'; '.join(found.assumptions)}.")
    return Group(title, "", Facts(pairs=_facts(found)), "", assumed)


def replays_as_json(found: ReplayedEpisodes) -> str:
    """The same as one JSON object; amounts are dollars."""
    whole = {
        "schema_version": SCHEMA_VERSION,
        "policy": found.policy,
        "episodes": found.episodes,
        "calls": found.calls,
        "calls_changed": found.changed,
        "recorded_usd": as_dollars(found.recorded_nano),
        "replayed_usd": as_dollars(found.nano),
        "cost_share": _plain(found.cost),
        "episodes_over_limit": found.over_limit,
        "episodes_judged": found.judged,
        "recorded_success": _plain(found.recorded_success),
        "success": _plain(found.success),
        "left_out": found.left_out,
        "assumptions": list(found.assumptions),
    }
    return to_json(whole, indent=2, inf_nan_mode="strings").decode()


def _facts(found: ReplayedEpisodes) -> tuple[tuple[str, str], ...]:
    times = f", {_told(found.cost)} times as much" if found.cost else ""
    facts = [
        ("calls", f"{found.calls}, of which {found.changed} by another arm"),
        ("spent", format_dollars(found.recorded_nano)),
        ("replayed", f"{format_dollars(found.nano)}{times} (an estimate)"),
        ("over budget", f"{found.over_limit} episodes would have been"),
    ]
    if found.recorded_success and found.success:
        facts.append(
            ("success", f"{_told(found.recorded_success)} as recorded, in {found.judged} episodes that have one")
        )
        facts.append(("", f"{_told(found.success)} expected (model-based)"))
    facts += [("left out", f"{count} episodes: {why}") for why, count in found.left_out.items()]
    return tuple(facts)


def _told(interval: Interval | None) -> str:
    return "" if interval is None else f"{interval.point:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def _plain(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else {"point": interval.point, "low": interval.low, "high": interval.high}
