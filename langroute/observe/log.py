"""RoutingLog: writes the events of ``events.py``, one by one.

Nothing is printed until the program asks for it, and no global configuration is read or changed: the default log is
the standard logger ``langroute`` at level INFO, one JSON object a line, so ``logging.basicConfig(level="INFO")``
shows it. A program with a structlog logger of its own passes that instead.
"""

import logging
from math import isfinite
from typing import Any, Protocol

import orjson
from pydantic_core import to_json

from langroute.errors import ConfigError
from langroute.observe.plain import Event, action_event, is_finite, step_event
from langroute.observe.prepared import LOGGER_NAME, log_record
from langroute.records import Action, Record


class EventLogger(Protocol):
    """Any structlog logger: what is called with an event's name and its other fields."""

    def info(self, event: str, /, **fields: Any) -> Any:
        """Log one event at level INFO."""
        ...


class RoutingLog:
    """The structured log of one router.

    A logger that fails never fails a call: its error is reported on the standard logger ``langroute.log``.

    Args:
        logger: a structlog logger; the standard logger ``langroute`` with JSON lines when left out.

    Raises:
        ConfigError: the logger is a plain one of ``logging``, or no logger.

    >>> RoutingLog().action(episode="42", action="stop", reason="no arm fits into what is left", at=0.0)
    """

    def __init__(self, logger: EventLogger | None = None) -> None:
        if logger is not None:
            _check(logger)
        self._gate = logging.getLogger(LOGGER_NAME) if logger is None else None
        self._logger = logger

    def step(self, record: Record) -> None:
        """Log an attempt that is over: one line; where no call was made, another one with what was done instead."""
        if not self._wanted():
            return
        self._emit(step_event(record), plain=is_finite(record))
        if record.action in ("stop", "refused"):
            self._instead(record)

    def action(
        self, *, episode: str, action: Action, reason: str, at: float, call_index: int | None = None, node: str = ""
    ) -> None:
        """Log something other than a call; arguments as in ``events.action_event``."""
        if self._wanted():
            told = action_event(episode=episode, action=action, reason=reason, at=at, call_index=call_index, node=node)
            self._emit(told, plain=isfinite(at))

    def _instead(self, record: Record) -> None:
        step, decision = record.step, record.decision
        action: Action = "stop"
        reason = decision.rationale
        if record.action == "refused":
            action = "refused"
            reason = f"No hold could be taken for {decision.arm}, so the call was not made."
        self.action(
            episode=step.episode,
            action=action,
            reason=reason,
            at=record.at,
            call_index=step.call_index,
            node=step.node,
        )

    def _wanted(self) -> bool:
        # Building an event costs more than all else here, and most programs have the log switched off.
        return self._gate is None or self._gate.isEnabledFor(logging.INFO)

    def _emit(self, told: Event, *, plain: bool) -> None:
        name = told["event"]
        try:
            if self._gate is not None:
                _write(self._gate, name, _line(told, plain=plain))
            elif self._logger is not None:
                del told["event"]
                self._logger.info(name, **told)
        except Exception:
            logging.getLogger(f"{LOGGER_NAME}.log").exception("the routing log could not write a %s event", name)


def _check(logger: object) -> None:
    if isinstance(logger, logging.Logger):
        message = (
            "is a plain logger, which takes no fields; wrap it: structlog.stdlib.get_logger(), structlog.wrap_logger"
        )
        raise ConfigError(message, field="logger")
    if not callable(getattr(logger, "info", None)):
        raise ConfigError(f"must be a structlog logger, not {logger!r}", field="logger")


def _line(told: Event, *, plain: bool) -> str:
    """An event as JSON; ``plain`` says that all its numbers are finite."""
    if plain:
        try:
            return orjson.dumps(told).decode()
        except TypeError:
            pass  # an amount beyond 64 bits, or a number type of some other library
    return to_json(told, inf_nan_mode="strings").decode()


def _write(logger: logging.Logger, event: str, line: str) -> None:
    """Hand a line to the standard logger ``langroute``."""
    # Not `logger.info`: that walks the stack for a caller, which is the same place here for every line.
    logger.handle(log_record(logger, event, line))
