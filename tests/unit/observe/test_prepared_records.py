"""Records of the routing log are those that the standard logger itself would make."""

import asyncio
import logging
import logging.handlers
import multiprocessing
import pickle
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from langroute.observe import log as module
from langroute.observe.log import RoutingLog
from langroute.observe.prepared import LOGGER_NAME, log_record

CLOCKS = {"created", "msecs", "relativeCreated"}


def usual(logger: logging.Logger) -> logging.LogRecord:
    """The record that the logger makes itself, for the same line."""
    return logger.makeRecord(LOGGER_NAME, logging.INFO, str(module.__file__), 0, "a line", (), None, func="an_event")


def assert_alike(logger: logging.Logger) -> None:
    """Both records have the same attributes with the same values; those of the clock are one after the other."""
    before, made, after = usual(logger), log_record(logger, "an_event", "a line"), usual(logger)
    assert type(made) is type(before)
    assert {key: value for key, value in vars(made).items() if key not in CLOCKS} == {
        key: value for key, value in vars(before).items() if key not in CLOCKS
    }
    assert {key: type(value) for key, value in vars(made).items()} == {
        key: type(value) for key, value in vars(before).items()
    }
    assert before.created <= made.created <= after.created
    assert made.msecs == pytest.approx(int(made.created % 1 * 1000), abs=1)
    assert before.relativeCreated - 0.01 <= made.relativeCreated <= after.relativeCreated + 0.01


@pytest.fixture
def logger() -> logging.Logger:
    """The logger that the routing log writes to."""
    return logging.getLogger(LOGGER_NAME)


@pytest.fixture
def handled(logger: logging.Logger) -> Iterator[Callable[[logging.Handler], None]]:
    """Switches the log on, with a handler for as long as the test runs."""
    before, added = logger.level, list[logging.Handler]()

    def add(handler: logging.Handler) -> None:
        logger.addHandler(handler)
        added.append(handler)

    logger.setLevel(logging.INFO)
    yield add
    logger.setLevel(before)
    for handler in added:
        logger.removeHandler(handler)


def tell(reason: str = "why") -> None:
    """Write one line."""
    RoutingLog().action(episode="e", action="stop", reason=reason, at=0.0)


def test_every_attribute_is_that_of_a_usual_record(logger: logging.Logger) -> None:
    """In the main thread, in a named thread, and in a task of an event loop."""
    assert_alike(logger)
    failed: list[BaseException] = []

    def elsewhere() -> None:
        try:
            assert_alike(logger)
            assert log_record(logger, "e", "l").threadName == "elsewhere"
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=elsewhere, name="elsewhere")
    thread.start()
    thread.join()
    assert failed == []

    async def in_a_task() -> None:
        assert_alike(logger)

    asyncio.run(in_a_task())


@pytest.mark.parametrize("setting", ["logThreads", "logProcesses", "logMultiprocessing", "logAsyncioTasks"])
def test_what_a_program_does_not_want_to_know_is_left_out(
    logger: logging.Logger, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    """The switches of ``logging`` hold here as well, from the moment they are set."""
    monkeypatch.setattr(logging, setting, False, raising=sys.version_info >= (3, 12) or setting != "logAsyncioTasks")
    assert_alike(logger)


def test_names_are_those_of_the_moment(logger: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process and a level that got other names are told by them; without multiprocessing it is the main process."""
    monkeypatch.setattr(multiprocessing.current_process(), "name", "worker-7")
    assert_alike(logger)
    assert log_record(logger, "e", "l").processName == "worker-7"
    monkeypatch.delitem(sys.modules, "multiprocessing")
    assert_alike(logger)
    assert log_record(logger, "e", "l").processName == "MainProcess"
    monkeypatch.setitem(logging._levelToName, logging.INFO, "Notice")
    assert_alike(logger)


def test_a_record_factory_of_the_program_makes_the_records(
    logger: logging.Logger, handled: Callable[[logging.Handler], None]
) -> None:
    """What a factory adds is in the records of the routing log, too."""
    handler = logging.handlers.BufferingHandler(10)
    handled(handler)
    before = logging.getLogRecordFactory()

    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = before(*args, **kwargs)
        record.trace = "t-1"
        return record

    logging.setLogRecordFactory(factory)
    try:
        tell()
        assert_alike(logger)
    finally:
        logging.setLogRecordFactory(before)
    tell()
    assert [getattr(record, "trace", "") for record in handler.buffer] == ["t-1", ""]


def test_whoever_makes_the_records_of_a_logger_goes_on_making_them(
    logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A class of loggers with its own way, and a tracer that put itself into the usual one."""
    usually = logging.Logger.makeRecord

    def traced(self: logging.Logger, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = usually(self, *args, **kwargs)
        record.trace = "t-2"
        return record

    class Own(logging.Logger):
        makeRecord = traced  # noqa: N815 - logging's name

    assert vars(log_record(Own(LOGGER_NAME), "e", "l"))["trace"] == "t-2"
    monkeypatch.setattr(logging.Logger, "makeRecord", traced)
    assert vars(log_record(logger, "e", "l"))["trace"] == "t-2"


def test_formatters_can_tell_everything(handled: Callable[[logging.Handler], None]) -> None:
    """Thread, process, time, file, module, function and the milliseconds since logging began can be formatted."""
    handler = logging.handlers.BufferingHandler(10)
    handled(handler)
    tell()
    (record,) = handler.buffer
    layout = "%(levelname)s %(name)s %(filename)s %(module)s %(funcName)s:%(lineno)d %(processName)s %(threadName)s"
    assert logging.Formatter(layout).format(record) == (
        "INFO langroute log.py log routing_action:0 MainProcess MainThread"
    )
    numbers = "%(process)d %(thread)d %(relativeCreated)d %(levelno)d %(asctime)s"
    told = logging.Formatter(numbers).format(record).split()
    assert (told[0], told[1], told[3]) == (str(record.process), str(threading.get_ident()), "20")
    assert told[5].endswith(f",{int(record.msecs):03d}")
    assert record.getMessage().startswith('{"event":"routing_action"')


def test_filters_see_and_change_the_records(logger: logging.Logger, handled: Callable[[logging.Handler], None]) -> None:
    """A filter of the logger can hold lines back and add fields; nothing it adds is left in the next record."""
    handler = logging.handlers.BufferingHandler(10)
    handled(handler)

    def only_second(record: logging.LogRecord) -> bool:
        seen = hasattr(record, "seen")
        record.seen = True
        return "second" in record.getMessage() and not seen

    logger.addFilter(only_second)
    try:
        tell("first")
        tell("second")
    finally:
        logger.removeFilter(only_second)
    assert [vars(record)["seen"] for record in handler.buffer] == [True]


def test_records_go_through_queues_and_sockets(handled: Callable[[logging.Handler], None]) -> None:
    """A queue handler passes them on, pickled or not, and they read the same on the other side."""
    waiting: queue.Queue[logging.LogRecord] = queue.Queue()
    handled(logging.handlers.QueueHandler(waiting))
    tell("100 %s")
    record = waiting.get_nowait()
    assert vars(pickle.loads(pickle.dumps(record))) == vars(record)
    sent = logging.handlers.SocketHandler("localhost", 0).makePickle(record)
    assert logging.makeLogRecord(pickle.loads(sent[4:])).getMessage() == record.getMessage()
    assert "100 %s" in record.getMessage()
