"""How much oftener real agents fail in episodes that langroute's signals call troubled.

    python tests/bench/pressure.py [--json] [--models]

Reads ``agentdojo/steps.parquet`` under ``$LANGROUTE_DATA``, or under ``../shared/data`` beside the repository; needs
pyarrow. An episode is one run of one model on one task; it failed when the user's task was not done (``utility``).

Each episode is written as messages and read by langroute's own ``read_pressure``. The rows hold no arguments of calls,
so equal arguments cannot be told; two stand-ins bracket them. ``repeated_call``: a call of the same tool, at the same
place of an answer with the same number of characters. ``repeated_tool``: a call of the same tool in a later step,
whatever it was called with. Texts, schemas and the graph are not in the rows either: self-corrections, schema failures,
invalid calls and cycles cannot be checked here. Empty ends can: steps that wrote no character.

Shares have Wilson's 95% intervals. Episodes of one task resemble each other, so differences have intervals that
resample whole tasks. ``within`` compares the same model on the same task only (Mantel-Haenszel weights).
"""

import argparse
import json
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from numpy.typing import NDArray

from langroute.lab.intervals import paired_bootstrap, wilson
from langroute.steps import read_pressure

Row = dict[str, Any]
_EPISODE = ("model", "suite", "task", "attack", "inj")


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One run of one model on one task, and the signals that were read in it."""

    model: str
    task: str
    attacked: bool
    failed: bool
    signals: frozenset[str]


def data_file() -> Path:
    """Where the steps should be."""
    root = os.environ.get("LANGROUTE_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data"
    return Path(root) / "agentdojo" / "steps.parquet"


def load(path: Path) -> list[Row]:
    """The steps of all episodes."""
    from pyarrow import parquet  # noqa: PLC0415 - `main` says how to get it where it is missing

    rows: list[Row] = parquet.read_table(path).to_pylist()
    return rows


def messages(steps: Iterable[Row], arguments: Callable[[Row, int], dict[str, Any]]) -> list[AnyMessage]:
    """The steps of an episode as messages; ``arguments`` makes up those of a call from its step and its place in it."""
    written: list[AnyMessage] = [HumanMessage("task")]
    for step in steps:
        names = [name for name in step["tools"].split(";") if name]
        calls = [
            {"name": name, "args": arguments(step, place), "id": f"{step['step']}.{place}"}
            for place, name in enumerate(names)
        ]
        written.append(AIMessage("." * min(1, step["out_chars"]), tool_calls=calls))
        for place, call in enumerate(calls):
            status = "error" if place < step["tool_errors"] else "success"
            written.append(ToolMessage("", tool_call_id=str(call["id"]), status=status))
    return written


def read_episode(steps: Sequence[Row]) -> Episode:
    """What langroute sees in an episode."""
    first = steps[0]
    same_size = read_pressure(messages(steps, lambda step, place: {"characters": step["out_chars"], "place": place}))
    same_tool = read_pressure(messages(map(_each_tool_once, steps), lambda step, place: {}))
    seen = {
        "tool_error": same_size.tool_errors,
        "repeated_call": same_size.repeated_calls,
        "error_or_repeat": same_size.tool_errors + same_size.repeated_calls,
        "repeated_tool": same_tool.repeated_calls,
        "empty_end": same_size.empty_ends,
    }
    return Episode(
        model=first["model"],
        task=f"{first['suite']}/{first['task']}",
        attacked=first["attack"] != "none",
        failed=not first["utility"],
        signals=frozenset(name for name, count in seen.items() if count),
    )


def _each_tool_once(step: Row) -> Row:
    return {**step, "tools": ";".join(dict.fromkeys(step["tools"].split(";")))}


def read_episodes(rows: Iterable[Row]) -> list[Episode]:
    """All episodes of the steps."""
    found: defaultdict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        found[tuple(row[key] for key in _EPISODE)].append(row)
    return [read_episode(sorted(steps, key=lambda step: int(step["step"]))) for steps in found.values()]


def compare(episodes: Sequence[Episode], signal: str) -> dict[str, Any]:
    """How often episodes with and without a signal failed."""
    shares = {}
    for name, there in (("with", True), ("without", False)):
        chosen = [episode.failed for episode in episodes if (signal in episode.signals) == there]
        shares[name] = {"episodes": len(chosen), **(_share(sum(chosen), len(chosen)) if chosen else {})}
    return shares


def _share(failed: int, episodes: int) -> dict[str, float]:
    found = wilson(failed, episodes)
    return {"failed": round(found.mean, 4), "low": round(found.low, 4), "high": round(found.high, 4)}


def differences(episodes: Sequence[Episode], signal: str) -> dict[str, Any]:
    """Failure with the signal less failure without: over all episodes, and within the same model and task."""
    tasks: defaultdict[str, NDArray[np.float64]] = defaultdict(lambda: np.zeros(6))
    strata: defaultdict[tuple[str, str], NDArray[np.float64]] = defaultdict(lambda: np.zeros(4))
    for episode in episodes:
        place = 0 if signal in episode.signals else 2
        strata[episode.model, episode.task][place : place + 2] += (episode.failed, 1)
    for (_, task), (failed, yes, failed_without, no) in strata.items():
        weighted = (failed * no - failed_without * yes) / (yes + no)
        tasks[task] += (failed, yes, failed_without, no, weighted, yes * no / (yes + no))
    rows = [tuple(map(float, row)) for row in tasks.values()]
    both = sum(bool(yes and no) for _, yes, _, no in strata.values())
    return {
        "difference": _measured(_crude, rows),
        "within": {**_measured(_within, rows), "strata": both},
    }


def _crude(table: NDArray[np.float64]) -> float:
    failed, yes, failed_without, no = table[:, :4].sum(axis=0)
    return float(failed / yes - failed_without / no) if yes and no else float("nan")


def _within(table: NDArray[np.float64]) -> float:
    weighted, weight = table[:, 4:].sum(axis=0)
    return float(weighted / weight) if weight else float("nan")


def _measured(statistic: Callable[[NDArray[np.float64]], float], rows: list[tuple[float, ...]]) -> dict[str, float]:
    low, high = paired_bootstrap(statistic, rows)
    return {"value": round(statistic(np.asarray(rows)), 4), "low": round(low, 4), "high": round(high, 4)}


def measure(episodes: Sequence[Episode]) -> dict[str, Any]:
    """All figures: by signal, with and without attack, and by model."""
    signals = ("tool_error", "repeated_call", "error_or_repeat", "repeated_tool", "empty_end")
    models = sorted({episode.model for episode in episodes})
    return {
        "episodes": len(episodes),
        "models": len(models),
        "failed": round(sum(episode.failed for episode in episodes) / len(episodes), 4),
        "signals": {
            signal: {
                **compare(episodes, signal),
                **differences(episodes, signal),
                "attacked": compare([episode for episode in episodes if episode.attacked], signal),
                "not_attacked": compare([episode for episode in episodes if not episode.attacked], signal),
            }
            for signal in signals
        },
        "by_model": {
            model: {
                signal: compare([episode for episode in episodes if episode.model == model], signal)
                for signal in ("tool_error", "repeated_call", "error_or_repeat")
            }
            for model in models
        },
    }


def main(arguments: list[str] | None = None) -> int:
    """Print the figures; exit code 2 when the data or pyarrow are not there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--models", action="store_true", help="show the figures of each model too")
    options = parser.parse_args(arguments)
    if not data_file().exists():
        print(f"{data_file()} is not there; set LANGROUTE_DATA to the folder that holds agentdojo", file=sys.stderr)
        return 2
    try:
        rows = load(data_file())
    except ImportError:
        print("reading Parquet needs pyarrow: pip install pyarrow", file=sys.stderr)
        return 2
    result = measure(read_episodes(rows))
    if options.json:
        print(json.dumps(result))
        return 0
    for signal, found in result["signals"].items():
        print(_line(signal, found), f"  within {_difference(found['within'])}, all {_difference(found['difference'])}")
    for model, found in result["by_model"].items() if options.models else ():
        print(_line(f"{model}, error_or_repeat", found["error_or_repeat"]))
    return 0


def _line(name: str, found: dict[str, Any]) -> str:
    parts = [
        f"{side} {found[side].get('failed', float('nan')):.3f} of {found[side]['episodes']}"
        for side in ("with", "without")
    ]
    return f"{name}: failed {', '.join(parts)}"


def _difference(found: dict[str, float]) -> str:
    return f"{found['value']:+.3f} [{found['low']:+.3f}, {found['high']:+.3f}]"


if __name__ == "__main__":
    sys.exit(main())
