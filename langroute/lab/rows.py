"""The training rows on disk: drawn once, then mapped by every training process."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from langroute.lab.lessons import Row, draw_drill, draw_row
from langroute.lab.vocabulary import vocabulary_hash

FIELDS = ("tokens", "previous", "positions", "segments", "weights")


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Many rows end to end: `ends[i]` is where row i ends."""

    key: str
    ends: npt.NDArray[np.int64]
    fields: dict[str, npt.NDArray[np.generic]]

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> Row:
        span = slice(self.ends[index - 1] if index else 0, self.ends[index])
        return Row(**{name: values[span] for name, values in self.fields.items()})  # type: ignore[arg-type] # one dtype each

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens in each row."""
        return np.diff(self.ends, prepend=0)


def open_rows(work_dir: Path, count: int, drills: int = 0) -> Rows:
    """Return the training rows, drawn and written to `work_dir` on first use.

    Args:
        work_dir: where the file is kept.
        count: full rows, of the seeds from 0.
        drills: plan drills added to them, of the seeds from `count`.

    They are drawn anew whenever the first rows, which stand for all, come out differently than before.
    """
    first = b"".join(draw_row(seed).tokens.tobytes() + draw_row(seed).weights.tobytes() for seed in range(200))
    key = hashlib.sha256(f"{vocabulary_hash()} {count} {drills} ".encode() + first).hexdigest()[:16]
    path = work_dir / f"rows-{key}.npz"
    if not path.exists():
        full = [draw_row(seed) for seed in range(count)]
        _write(path, full + [draw_drill(count + index) for index in range(drills)])
    with np.load(path) as saved:
        return Rows(key, saved["ends"], {name: saved[name] for name in FIELDS})


def _write(path: Path, rows: list[Row]) -> None:
    arrays = {name: np.concatenate([getattr(row, name) for row in rows]) for name in FIELDS}
    partial = path.with_suffix(".partial.npz")
    arrays["ends"] = np.cumsum([len(row) for row in rows])
    np.savez(partial, allow_pickle=False, **arrays)
    partial.replace(path)
