"""Ledgers: where holds and settlements are booked, outside graph state."""

from langroute.ledgers.memory import MemoryLedger
from langroute.ledgers.sqlite import SqliteLedger
from langroute.ledgers.stores import open_ledger

__all__ = ["MemoryLedger", "SqliteLedger", "open_ledger"]
