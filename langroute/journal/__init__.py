"""The journal: the stored records of episodes, read by ``explain``, replay and training."""

from langroute.journal.memory import MemoryJournal
from langroute.journal.row import from_json, to_json
from langroute.journal.sqlite import SqliteJournal
from langroute.journal.store import open_journal

__all__ = ["MemoryJournal", "SqliteJournal", "from_json", "open_journal", "to_json"]
