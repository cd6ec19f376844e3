"""Own episodes as a table of outcomes, from a journal of any size with flat memory."""

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from langroute.errors import ConfigError
from langroute.learning.credit import Quality
from langroute.learning.journal_rows import OTHER_ENCODERS, Row, StoredEpisode, Tally, episode_rows, step_rows
from langroute.learning.schema import COLUMNS, Level
from langroute.learning.writing import TableWriter
from langroute.protocols import Journal, JournalIndex
from langroute.records import Arm

_AT_ONCE = 4096
_NOT_OURS = ("text", "dataset", "cost_nano", "error")

EXPORTED: tuple[str, ...] = tuple(name for name in COLUMNS if name not in _NOT_OURS)
"""The columns of an export. Records never hold text, so there is none of what was asked."""


def export_journal(
    journal: Journal,
    path: str | Path,
    *,
    since: float | None = None,
    level: Level = "step",
    quality: Quality = "known",
) -> Tally:
    """Write the episodes of a journal as a table of outcomes, and say what became of each.

    Args:
        journal: where the episodes are; one of langroute's own stores.
        path: a ``.parquet`` or ``.jsonl`` file; one that is there is replaced. Without a row no file is made.
        since: epoch seconds; only episodes with a record or an action of that time or later, whole.
        level: a row for each call (``step``), or one for each episode.
        quality: what to take for success where nobody said anything; see `Quality`.

    Raises:
        ConfigError: the file cannot be written, or validity is to stand for the success of whole episodes.
        JournalUnavailable: the store does not answer.
    """
    if level == "episode" and quality == "validity":
        raise ConfigError("says nothing of a whole episode; export steps, or take known success only", field="quality")
    tally = Tally()
    found = episodes_of(journal, since=since)
    rows = chain.from_iterable(
        step_rows(each, tally, quality=quality) if level == "step" else episode_rows(each, tally) for each in found
    )
    write_rows(path, _of_one_encoder(rows, tally), columns=EXPORTED)
    return tally


def episodes_of(journal: Journal, *, since: float | None = None) -> Iterator[StoredEpisode]:
    """The episodes of a journal, one at a time.

    Raises:
        ConfigError: the journal cannot name all its episodes (`langroute.protocols.JournalIndex`).
    """
    if not isinstance(journal, JournalIndex):
        raise ConfigError(f"{type(journal).__name__} has no every_episode, so its episodes cannot be listed")
    pools: dict[str, Sequence[Arm]] = {}
    for episode in journal.every_episode(since=since):
        records = journal.records(episode)
        pool = records[-1].pool if records else ""
        if pool and pool not in pools:
            pools[pool] = journal.arms(episode)
        yield StoredEpisode(
            id=episode,
            records=records,
            actions=journal.actions(episode),
            end=journal.end(episode),
            arms=pools.get(pool, ()),
        )


def _of_one_encoder(rows: Iterator[Row], tally: Tally) -> Iterator[Row]:
    """Rows whose encoded texts have one length: that of the first. An encoder that was changed since made others."""
    length = 0
    for row in rows:
        encoded = row["encoded"]
        length = length or len(encoded)
        if len(encoded) not in (0, length):
            tally.left_out[OTHER_ENCODERS] += 1
            row["encoded"] = ()
        yield row


def write_rows(path: str | Path, rows: Iterator[Row], *, columns: tuple[str, ...]) -> None:
    """Write rows as a table with these columns, in batches; a row that lacks one has its default there."""
    with TableWriter(path) as writer:
        while batch := list(islice(rows, _AT_ONCE)):
            writer.write({name: [_cell(row, name) for row in batch] for name in columns})


def _cell(row: Row, name: str) -> Any:
    if name in row:
        return row[name]
    known = COLUMNS.get(name)
    return None if known is None else known.default
