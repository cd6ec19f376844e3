"""Desk: what a router writes down: settlements in the books, records and actions in the journal, and the log."""

import logging
from typing import Protocol

from langroute.acts import Close, Settle
from langroute.errors import LedgerError, LedgerUnavailable
from langroute.protocols import Clock, Journal, Ledger
from langroute.questions import QuestionBook
from langroute.quick import changed
from langroute.records import Action, ActionTaken, EpisodeEnd, PoolSnapshot, Record

_log = logging.getLogger("langroute.router")


class Log(Protocol):
    """What the desk needs of the log."""

    def step(self, record: Record) -> None:
        """One line for a record."""
        ...

    def action(
        self, *, episode: str, action: Action, reason: str, at: float, call_index: int | None = None, node: str = ""
    ) -> None:
        """One line for an action."""
        ...


class Desk:
    """Writes down what happened. A journal that fails never fails a call, and an answer that is paid for is never lost.

    Args:
        ledger: the books.
        journal: the stored records.
        log: the lines.
        clock: tells when something was settled.
        pool: the pool that the records chose from; kept in the journal with the first of them.
    """

    def __init__(self, *, ledger: Ledger, journal: Journal, log: Log, clock: Clock, pool: PoolSnapshot) -> None:
        self.questions = QuestionBook(journal)
        self._ledger = ledger
        self._journal = journal
        self._log = log
        self._clock = clock
        self._pool = pool
        self._pool_kept = False

    def close(self, act: Close) -> None:
        """Settle the hold of an attempt, then log and store its record."""
        try:
            if act.hold_id is not None:
                self.settle(act, act.hold_id)
        finally:
            self._log.step(act.record)
        if act.then:
            self._tell_next(act)
        try:
            if not self._pool_kept:
                self._journal.keep_pool(self._pool)
                self._pool_kept = True
            self._journal.write(changed(act.record, pool=self._pool.id))
        except Exception:
            _log.exception("the journal refused a record of episode %s; the call goes on", act.record.step.episode)

    def settle(self, act: Close | Settle, hold_id: str) -> None:
        """Replace a hold by what was used."""
        try:
            self._ledger.settle(hold_id, act.amount, worst_case=act.worst_case, at=self._clock.now())
        except LedgerUnavailable:
            # The answer is paid for and must not be lost; the hold stays in the books, which is more than it cost.
            _log.exception("the ledger could not settle %s; its hold stays in the books", hold_id)
        except LedgerError:
            # A hold that was interrupted while it was taken may not be there: then there is nothing to give back.
            if act.record.action == "call":
                raise

    def _tell_next(self, act: Close) -> None:
        outcome, step = act.record.outcome, act.record.step
        if outcome is not None and act.then:
            self._log.action(
                episode=step.episode,
                action=act.then,
                reason=f"{outcome.arm} failed: {outcome.error or ', '.join(outcome.defects)}",
                at=act.record.at,
                call_index=step.call_index,
                node=step.node,
            )

    def tell(self, action: ActionTaken) -> None:
        """Log an action and keep it in the journal."""
        self._log.action(
            episode=action.episode,
            action=action.action,
            reason=action.reason,
            at=action.at,
            call_index=action.call_index,
            node=action.node,
        )
        if action.action in ("ask", "answered"):
            self.questions.take(action)
        try:
            self._journal.note(action)
            if action.action == "ask":
                self._journal.flush()  # a resume may come in another process
        except Exception:
            _log.exception("the journal refused an action of episode %s", action.episode)

    def finish(self, end: EpisodeEnd) -> None:
        """Log and store how an episode ended."""
        self._log.action(
            episode=end.episode,
            action="episode_finished",
            reason="success is unknown" if end.success is None else f"success {end.success:g}",
            at=end.at,
        )
        try:
            self._journal.finish(end)
        except Exception:
            _log.exception("the journal refused the end of episode %s", end.episode)
