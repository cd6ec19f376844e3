"""What it is worth to know of the prompt cache: how well prices are foretold, and what a router saves by it.

    python tests/bench/cache.py [--json] [--tasks N] [--lab-only | --steps-only]

``mae_aware`` and ``mae_blind``: the sum of absolute errors of the foretold input price over all calls, over the sum of
what they really cost, on 20,163 real calls (``cache_steps.py``). ``mae_aware_of_full``: the same errors over what the
calls would have cost without a cache. ``lab_saving``: what the aware router spends less than the blind one in the lab,
as a share, at a cached rate of a tenth and prices that lie close together (``cache_lab.py``); ``lab`` has the sweep.
"""

import argparse
import json
import sys
from typing import Any

import cache_lab
import cache_steps


def on_steps() -> dict[str, Any] | str:
    """The figures on real calls, or why there are none."""
    path = cache_steps.data_file()
    if not path.exists():
        return f"{path.name} is not there; set LANGROUTE_DATA to the folder that holds miniswe_steps"
    try:
        return cache_steps.measure(cache_steps.load(path))
    except ImportError:
        return "reading Parquet needs pyarrow: pip install pyarrow"


def report(*, tasks: int, steps: bool, lab: bool) -> dict[str, Any]:
    """All figures as one object; a part that was not measured is null, with its reason."""
    foretold = on_steps() if steps else "left out"
    ran = cache_lab.sweep(tasks) if lab else None
    ladder, rate = cache_lab.HEADLINE
    known = foretold if isinstance(foretold, dict) else None
    return {
        "mae_aware": known and known["aware"]["of_true"],
        "mae_blind": known and known["blind"]["of_true"],
        "mae_aware_of_full": known and known["aware"]["of_full"],
        "mae_blind_of_full": known and known["blind"]["of_full"],
        "lab_saving": ran and ran[ladder][f"{rate:g}"]["saving"],
        "steps": foretold,
        "lab": ran,
    }


def told(found: dict[str, Any]) -> str:
    """The figures for people."""
    lines = []
    steps = found["steps"]
    if isinstance(steps, str):
        lines.append(f"steps: {steps}")
    else:
        lines.append(f"{steps['calls']} calls: error of the foretold input price, of what it was / of the full price")
        for name in ("aware", "blind", "hits", "misses_known", "block_from_other_repositories"):
            seen = steps[name]
            lines.append(f"  {name:30} {seen['of_true']:.1%} / {seen['of_full']:.1%}, bias {seen['bias']:.2f}")
    for ladder in cache_lab.LADDERS if found["lab"] else ():
        for rate, seen in found["lab"][ladder].items():
            lines.append(
                f"lab, {ladder} ladder, cached at {rate}: saves {seen['saving']:.2%} "
                f"[{seen['low']:.2%}, {seen['high']:.2%}], success {seen['aware']['success']} "
                f"against {seen['blind']['success']} of {found['lab']['tasks']}"
            )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Print the figures; exit code 2 when the real calls should be read and cannot be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--tasks", type=int, default=150, help="tasks per router in the lab")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--lab-only", action="store_true", help="leave the real calls out")
    only.add_argument("--steps-only", action="store_true", help="leave the lab out")
    options = parser.parse_args(arguments)
    found = report(tasks=options.tasks, steps=not options.lab_only, lab=not options.steps_only)
    print(json.dumps(found) if options.json else told(found))
    return 2 if isinstance(found["steps"], str) and not options.lab_only else 0


if __name__ == "__main__":
    sys.exit(main())
