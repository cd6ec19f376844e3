"""What routing adds to a step, in ratios to R, a bare one-node LangGraph step that is measured in the same run.

    python tests/bench/overhead.py [--json] [--cpu] [--rounds N] [--seed N] [--peer-env FOLDER | --no-peer]

Every case (``overhead_cases.py``) is timed once in each round, in a new shuffled order, so that what else the machine
does hits all of them alike. A figure is the median over the rounds of what was measured within one round.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from overhead_cases import Case, cases, log_to_nowhere, use_cpu_clock
from overhead_peer import PeerUnavailable, default_home, peer

Times = dict[str, list[float]]

# Key -> what is measured, and what it is measured against; the difference, in units of R.
ADDED = {
    "chat_model_sync": ("chat_model", "agent"),
    "chat_model_async": ("chat_model_async", "agent_async"),
    "middleware_sync": ("middleware", "agent"),
    "chat_model_sync_1000": ("chat_model_1000", "agent_1000"),
    "middleware_sync_1000": ("middleware_1000", "agent_1000"),
    "sqlite_added": ("chat_model_sqlite", "chat_model"),
    "boosted_sync": ("boosted", "agent"),
    "boosted_async": ("boosted_async", "agent_async"),
    "boosted_middleware_sync": ("boosted_middleware", "agent"),
    "boosted_sync_1000": ("boosted_1000", "agent_1000"),
}
# Further differences, for people: no target hangs on them.
ALSO_ADDED = {
    "chat_model_tools_sync": ("chat_model_tools", "agent_tools"),
    "middleware_tools_sync": ("middleware_tools", "agent_tools"),
    "middleware_async": ("middleware_async", "agent_async"),
    "plain_hook_async": ("plain_hook_async", "agent_async"),
}
TARGETS = {
    "chat_model_sync": 0.4,
    "chat_model_async": 0.5,
    "middleware_sync": 0.6,
    "chat_model_sync_1000": 0.4,
    "middleware_sync_1000": 0.6,
    "own_path_growth": 1.1,
    "versus_litellm": 0.1,
    "sqlite_added": 0.45,
    "boosted_sync": 0.4,
    "boosted_async": 0.5,
    "boosted_middleware_sync": 0.6,
    "boosted_sync_1000": 0.4,
}
_BATCH_S = 0.006
_MOST_CALLS = 40


def measure(made: dict[str, Case], *, rounds: int, generator: random.Random) -> Times:
    """Seconds of one call, by case, one figure a round."""
    calls = {name: _calls(case) for name, case in made.items()}
    times: Times = {name: [] for name in made}
    order = list(made)
    for _ in range(rounds):
        generator.shuffle(order)
        for name in order:
            times[name].append(made[name](calls[name]))
    return times


def _calls(case: Case) -> int:
    """How many calls fill a batch; the first ones warm up."""
    case(4)
    return max(2, min(_MOST_CALLS, round(_BATCH_S / case(4))))


def ratios(times: Times) -> dict[str, list[float]]:
    """Every key that could be measured, one figure a round."""
    bare = times["bare_step"]
    found = {
        key: [(after - before) / one for after, before, one in zip(times[more], times[less], bare, strict=True)]
        for key, (more, less) in {**ADDED, **ALSO_ADDED}.items()
        if more in times and less in times
    }
    found["own_path_growth"] = _over(times["own_path_1000"], times["own_path_10"])
    if "litellm" in times:
        added = [one * part for one, part in zip(bare, found["chat_model_sync"], strict=True)]
        found["versus_litellm"] = _over(added, times["litellm"])
    return found


def _over(left: list[float], right: list[float]) -> list[float]:
    return [one / other for one, other in zip(left, right, strict=True)]


def report(times: Times, reasons: dict[str, str]) -> dict[str, Any]:
    """The figures as one JSON object: the keys with a target, then what they were made from."""
    found = ratios(times)
    middles = {key: round(median(values), 3) for key, values in found.items()}
    return {
        **{key: middles.get(key) for key in TARGETS},
        "also": {key: middles[key] for key in ALSO_ADDED if key in middles},
        "quartiles": {key: _quartiles(values) for key, values in found.items()},
        "r_us": round(median(times["bare_step"]) * 1e6, 1),
        "microseconds": {name: round(median(values) * 1e6, 1) for name, values in sorted(times.items())},
        "targets": TARGETS,
        "reasons": reasons,
    }


def _quartiles(values: list[float]) -> list[float]:
    first, _, third = quantiles(values, n=4)
    return [round(first, 3), round(third, 3)]


def show(result: dict[str, Any]) -> None:
    """The figures as a table for people."""
    print(f"R, a bare one-node step: {result['r_us']:.0f} us\n")
    print(f"{'':24}{'median':>8}{'quartiles':>18}{'target':>8}")
    for key in (*TARGETS, *ALSO_ADDED):
        spread = result["quartiles"].get(key)
        middle = result[key] if key in TARGETS else result["also"].get(key)
        target = f"{TARGETS[key]:8.2f}" if key in TARGETS else ""
        told = f"{middle:8.3f}{f'{spread[0]:.3f} - {spread[1]:.3f}':>18}" if spread else f"{'-':>8}{'':>18}"
        print(f"{key:24}{told}{target}")
    print("\nmicroseconds of one call or turn")
    for name, value in result["microseconds"].items():
        print(f"{name:24}{value:8.0f}")


def main(arguments: list[str] | None = None) -> int:
    """Print the figures; 0 also where some could not be measured, which the reasons tell."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=100, help="how often each case is timed (default 100)")
    parser.add_argument("--seed", type=int, default=0, help="of the shuffling")
    parser.add_argument("--peer-env", type=Path, default=default_home(), help="folder of litellm's environment")
    parser.add_argument("--no-peer", action="store_true", help="leave litellm out")
    parser.add_argument("--cpu", action="store_true", help="processor time instead of wall time: for a busy machine")
    options = parser.parse_args(arguments)
    if options.cpu:
        use_cpu_clock()
    log_to_nowhere()
    with asyncio.Runner() as runner, tempfile.TemporaryDirectory() as folder:
        made, reasons = cases(runner.get_loop(), Path(folder))
        compared = None
        try:
            if options.no_peer:
                raise PeerUnavailable("left out by --no-peer")
            compared = made["litellm"] = peer(options.peer_env, cpu=options.cpu)
        except PeerUnavailable as exc:
            reasons = {**reasons, "versus_litellm": str(exc)}
        times = measure(made, rounds=options.rounds, generator=random.Random(options.seed))
        if compared is not None:
            compared.close()
    for key, reason in reasons.items():
        print(f"{key} is null: {reason}", file=sys.stderr)
    result = report(times, dict(reasons))
    print(json.dumps(result)) if options.json else show(result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
