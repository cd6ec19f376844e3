"""Records of the standard logger, filled in from a prepared one.

What ``logging`` finds out for each record anew, such as the parts of the caller's path, is the same for every line of
the routing log. A record made here has the attributes of a usual one; tests compare them all.
"""

import logging
import os
import sys
import threading
import time
from pathlib import Path
from types import FunctionType

LOGGER_NAME = "langroute"

_PATH = str(Path(__file__).with_name("log.py"))
_PREPARED = vars(logging.LogRecord(LOGGER_NAME, logging.INFO, _PATH, 0, "", (), None))
_LOGGING_SINCE = _PREPARED["created"] - _PREPARED["relativeCreated"] / 1000
_LOGGING_FILE = logging.LogRecord.getMessage.__code__.co_filename


def log_record(logger: logging.Logger, event: str, line: str) -> logging.LogRecord:
    """A record at level INFO with a line as its message, and the name of its event as the function it comes from.

    Where the program has a record factory, a class of loggers, or a tracer that makes records, they make it.
    """
    if logging.getLogRecordFactory() is not logging.LogRecord or not _is_of_logging(type(logger).makeRecord):
        return logger.makeRecord(LOGGER_NAME, logging.INFO, _PATH, 0, line, (), None, func=event)
    now = time.time()
    told = _PREPARED.copy()
    told["msg"] = line
    told["funcName"] = event
    told["levelname"] = logging.getLevelName(logging.INFO)
    told["created"] = now
    told["msecs"] = int((now - int(now)) * 1000) + 0.0
    told["relativeCreated"] = (now - _LOGGING_SINCE) * 1000
    told["thread"] = threading.get_ident() if logging.logThreads else None
    told["threadName"] = threading.current_thread().name if logging.logThreads else None
    told["processName"] = _process_name() if logging.logMultiprocessing else None
    told["process"] = os.getpid() if logging.logProcesses else None
    if sys.version_info >= (3, 12):
        told["taskName"] = _task_name() if logging.logAsyncioTasks else None
    record = logging.LogRecord.__new__(logging.LogRecord)
    record.__dict__ = told
    return record


def _is_of_logging(method: object) -> bool:
    # By the file of its code: some tracers put a function of theirs there before this module is imported.
    return type(method) is FunctionType and method.__code__.co_filename == _LOGGING_FILE


def _process_name() -> str:
    # Not imported for its name alone: where nobody has, this is the main process.
    module = sys.modules.get("multiprocessing")
    return "MainProcess" if module is None else str(module.current_process().name)


def _task_name() -> str | None:
    module = sys.modules.get("asyncio")
    try:
        return None if module is None else str(module.current_task().get_name())
    except (AttributeError, RuntimeError):  # no task, or no loop at all
        return None
