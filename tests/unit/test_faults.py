"""What an error of a provider means: whether it may have been billed, and whether trying again makes sense."""

import asyncio
import socket
from http import HTTPStatus

import pytest
from fakes import ApiError

from langroute.faults import classify_fault


class APIConnectionError(Exception):
    """As the SDKs call it; its cause tells what happened."""


class APITimeoutError(APIConnectionError):
    """As the SDKs call it."""


class ConnectError(Exception):
    """As httpx calls it: no connection was made."""


class ReadTimeout(Exception):
    """As httpx calls it: the request was sent."""


class ClientError(Exception):
    """As Google's SDK calls it; langchain-google-genai raises an error of its own from it."""

    def __init__(self, code: object) -> None:
        super().__init__()
        self.code = code


def _caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "billed", "transient"),
    [
        *[(ApiError(status), False, False) for status in (400, 401, 403, 404, 413, 422)],
        *[(ApiError(status), False, True) for status in (408, 409, 425, 429)],
        *[(ApiError(status), True, True) for status in (500, 502, 503, 504, 529)],
        (ApiError(501), True, False),
        (ApiError(200), True, False),
        (ClientError(400), False, False),
        (ClientError(429), False, True),
        (ClientError(503), True, True),
        (ClientError(HTTPStatus.TOO_MANY_REQUESTS), False, True),
        (_caused(ValueError(), ClientError(429)), False, True),
        (_caused(ValueError(), ApiError(401)), False, False),
        (ClientError("429"), True, False),
        (ClientError(7), True, False),
        (ConnectError(), False, True),
        (ConnectionRefusedError(), False, True),
        (socket.gaierror(), False, True),
        (_caused(APIConnectionError(), ConnectError()), False, True),
        (_caused(APIConnectionError(), _caused(ReadTimeout(), OSError())), True, True),
        (APIConnectionError(), True, True),
        (APITimeoutError(), True, True),
        (TimeoutError(), True, True),
        (ConnectionResetError(), True, True),
        (ReadTimeout(), True, True),
        (ValueError(), True, False),
        (asyncio.CancelledError(), True, False),
        (KeyboardInterrupt(), True, False),
        (GeneratorExit(), True, False),
    ],
    ids=repr,
)
def test_the_table(error: BaseException, billed: bool, transient: bool) -> None:
    """Each kind of error is booked and repeated as the table in the docstring says."""
    fault = classify_fault(error)
    assert (fault.name, fault.billed, fault.transient) == (type(error).__name__, billed, transient)


def test_an_error_that_was_being_handled_proves_nothing() -> None:
    """A failed connection of a tool, handled while the call was made, does not make a billed call look free."""
    with pytest.raises(ReadTimeout) as caught:
        _fail_while_handling_another()
    assert isinstance(caught.value.__context__, ConnectError)
    assert classify_fault(caught.value).billed


def _fail_while_handling_another() -> None:
    try:
        raise ConnectError
    except ConnectError:
        raise ReadTimeout  # noqa: B904 - the model call knows nothing of what its caller handles


def test_causes_in_a_circle_end() -> None:
    """A chain of causes that bites its tail is still classified."""
    first, second = APIConnectionError(), ValueError()
    first.__cause__, second.__cause__ = second, first
    assert classify_fault(first).billed
