"""How long an artifact takes to load: ``python tests/bench/loading.py FOLDER [--processes N]``.

In fresh processes, because only the first time in each counts: langroute and numpy are imported before, what the
artifact itself needs is not. Prints milliseconds, and the modules that loading brought.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median

_ONE = """
import json, sys, time
import langroute, numpy
from langroute import StepRouter, ModelPool
import langroute.defaults
before = set(sys.modules)
began, busy = time.perf_counter(), time.process_time()
from langroute.artifacts import open_policy
open_policy(sys.argv[1])
took, busy = time.perf_counter() - began, time.process_time() - busy
print(json.dumps([took, busy, sorted(set(sys.modules) - before)]))
"""


def main() -> None:
    """Parse, load in so many processes, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="an artifact")
    parser.add_argument("--processes", type=int, default=11, help="how often it is loaded")
    options = parser.parse_args()
    found = [
        json.loads(subprocess.check_output([sys.executable, "-c", _ONE, str(options.folder)], text=True))  # noqa: S603
        for _ in range(options.processes)
    ]
    wall, busy = (sorted(1_000 * one[at] for one in found) for at in (0, 1))
    print(f"wall {median(wall):.1f} ms (least {wall[0]:.1f}), processor {median(busy):.1f} ms (least {busy[0]:.1f})")
    print("brought:", ", ".join(found[0][2]))


if __name__ == "__main__":
    main()
