"""How fast, and in how much memory, large tables are trained on: ``python tests/bench/training.py [--rows N ...]``.

Writes synthetic Parquet files of steps (eight to an episode, four arms, thirty nodes) and trains the boosted estimator
on each in a process of its own, in batches. Flat memory means: four times the rows take little more than the same peak.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

_BATCH = 65_536
_ARMS = np.array(["nano", "mini", "plain", "large"], dtype=object)
_KINDS = np.array(["control", "execution", "verification", "presentation"], dtype=object)


def write(path: Path, rows: int) -> None:
    """A table of steps, written in batches."""
    from langroute.learning.parquet import ParquetRows  # noqa: PLC0415 - only the parent writes

    writer = ParquetRows(path)
    for start in range(0, rows, _BATCH):
        writer.write(steps(start, min(_BATCH, rows - start)))
    writer.close()


def steps(start: int, rows: int) -> dict[str, Any]:
    """So many rows; dearer arms and easier episodes succeed more often."""
    random = np.random.default_rng(start)
    arm, kind, node = random.integers(4, size=rows), random.integers(4, size=rows), random.integers(30, size=rows)
    number = (start + np.arange(rows)) // 8
    ease = np.sin(number * 12.9898) * 1.5
    chance = 1 / (1 + np.exp(-(0.5 + 0.7 * arm + ease - 0.3 * kind)))
    tokens = random.gamma(2, 100, size=rows) * (1 + kind)
    return {
        "task": np.array([f"episode-{at}" for at in number], dtype=object),
        "arm": _ARMS[arm],
        "success": (random.random(rows) < chance).astype(float),
        "cost_usd": tokens * 1e-6 * (1.0 + arm) ** 2,
        "output_tokens": tokens,
        "credit": np.full(rows, "episode", dtype=object),
        "kind": _KINDS[kind],
        "node": np.array([f"node-{at}" for at in node], dtype=object),
        "call_index": (start + np.arange(rows)) % 8 * 1.0,
        "retries": random.poisson(0.3, rows) * 1.0,
        "input_tokens": np.exp(random.normal(7 - 0.3 * ease, 1)),
        "prompt_bytes": np.exp(random.normal(9, 1, rows)),
        "prior_confidence": np.where(random.random(rows) < 0.3, np.nan, random.random(rows)),
        "budget_share": random.random(rows),
    }


def measure(path: Path) -> dict[str, Any]:
    """Train on a file in this process."""
    from langroute.learning.learners import learner  # noqa: PLC0415 - imported where memory is measured
    from langroute.learning.tables import train_table  # noqa: PLC0415

    began = time.monotonic()
    trained = train_table(path, learner("boosted"), large=0)
    seconds, busy = time.monotonic() - began, time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        trained.save(Path(folder) / "artifact")
    rows = trained.data["rows"]
    return {
        "rows": rows,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(busy, 1),
        "rows_per_s": round(rows / seconds),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "log_loss": trained.metrics["log_loss"],
    }


def main() -> None:
    """Parse, and measure each size in a process of its own."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[250_000, 1_000_000], help="sizes of the tables")
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.file:
        print(json.dumps(measure(options.file)))
        return
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for rows in options.rows:
            path = Path(folder) / f"{rows}.parquet"
            write(path, rows)
            done = subprocess.run(  # noqa: S603 - this very script
                [sys.executable, __file__, "--file", str(path)], check=True, stdout=subprocess.PIPE, text=True
            )
            found.append(json.loads(done.stdout.splitlines()[-1]))
            if not options.json:
                told = found[-1]
                print(
                    f"{told['rows']:>10,} rows in {told['seconds']:.0f} s ({told['cpu_seconds']:.0f} s of processor): "
                    f"{told['rows_per_s']:,} rows a second, peak {told['peak_mb']} MB"
                )
    if options.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
