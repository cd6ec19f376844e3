"""How well learned routing does on recorded outcomes: ``python tests/bench/quality.py [ROW ...] [--json]``.

Reads ``$LANGROUTE_DATA`` or ``../shared/data``. Each row says what it reached beside what is wanted, with a 95%
interval by paired bootstrap over tasks, and what the baselines reach on the same tasks. ``--fit DIR`` learns from all
of the data and stores it; ``--score DIR DATA_FOLDER`` scores what was stored on a folder of the same form.
"""

import argparse
import importlib
import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from quality_row import Reached, Row

MODULES = {
    "mmlu_known": "quality_mmlu",
    "mmlu_unseen": "quality_mmlu",
    "gsm8k": "quality_gsm8k",
    "pareto": "quality_pareto",
    "mcp_tasks": "quality_chains",
    "mcp_service": "quality_chains",
    "mcp_recurring": "quality_chains",
    "mcp_noisy": "quality_chains",
    "swe_beyond": "quality_swe",
    "no_harm": "quality_no_harm",
    "lab": "quality_lab",
}
"""Where each row is, in the order of the table."""
DATA = Path(os.environ.get("LANGROUTE_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")


def row_of(name: str) -> Row:
    """A row by name; only its own module is imported, so that a row runs where another one cannot."""
    return next(row for row in importlib.import_module(MODULES[name]).ROWS if row.name == name)


def chosen_rows(names: list[str]) -> list[str]:
    """The rows that were asked for, in the order of the table; all without names."""
    unknown = [name for name in names if name not in MODULES]
    if unknown:
        raise SystemExit(f"no row is called {', '.join(unknown)}; there are {', '.join(MODULES)}")
    return [name for name in MODULES if not names or name in names]


def told(row: Row, reached: Reached, seconds: float) -> str:
    """A row as a line of text."""
    wanted = f"{'>=' if row.higher else '<='} {row.reach:g}"
    beside = ", ".join(f"{name} {value:.3f}" for name, value in reached.baselines.items())
    verdict = "reached" if row.passes(reached) else "missed"
    figure = f"{reached.reached:.3f} [{reached.low:.3f}, {reached.high:.3f}]"
    return f"{row.name:14} {figure:24} wanted {wanted:8} {verdict:8} ({seconds:.0f} s)\n{'':14} {beside}"


def as_data(row: Row, reached: Reached) -> dict[str, object]:
    """A row as plain data."""
    return {**asdict(reached), "reach": row.reach, "higher": row.higher}


def run(names: list[str], args: argparse.Namespace) -> dict[str, object]:
    """Fit, score or measure each row, and say so as it goes."""
    found: dict[str, object] = {}
    for name in names:
        row = row_of(name)
        began = time.monotonic()
        if args.fit:
            folder = args.fit / name
            folder.mkdir(parents=True, exist_ok=True)
            row.fit(DATA, folder)
            print(f"{name}: stored in {folder}", file=sys.stderr)
            continue
        reached = row.score(args.score[0] / name, args.score[1]) if args.score else row.measure(DATA)
        found[name] = as_data(row, reached)
        print(told(row, reached, time.monotonic() - began), file=sys.stderr if args.json else sys.stdout, flush=True)
    return found


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", help="names of rows; all when left out")
    parser.add_argument("--json", action="store_true", help="print one JSON object to stdout")
    parser.add_argument("--fit", type=Path, metavar="DIR", help="learn from all of the data and store it in DIR")
    parser.add_argument("--score", type=Path, nargs=2, metavar=("DIR", "DATA_FOLDER"), help="score what was stored")
    args = parser.parse_args()
    found = run(chosen_rows(args.rows), args)
    if args.json and not args.fit:
        print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
