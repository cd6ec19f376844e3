"""What an error of a provider means for the books, and whether the call may be made again.

Errors are recognised by shape (``status_code``, class name), so that no provider's SDK has to be imported. Google's
packages call the status ``code``, and LangChain's hides it in the cause of its own error.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

from tenacity import RetryCallState, Retrying, wait_random_exponential

from langroute.errors import LangrouteError

_NEVER_SENT = ("ConnectError", "ConnectionRefusedError", "gaierror", "ConnectTimeout", "PoolTimeout")
_TRANSIENT_NAMES = (
    "APIConnectionError",
    "APITimeoutError",
    "ConnectionError",
    "TimeoutError",
    "ReadTimeout",
    "ReadError",
)
_TRANSIENT_STATUS = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_MODEL_REFUSED = range(400, 500)
# Another arm may well do what this one refuses: its key, its name or its window is at fault, not the request.
_ONLY_HERE_STATUS = frozenset({401, 402, 403, 404, 413})
_TOO_LONG = (
    "context_length",
    "context length",
    "context window",
    "too many tokens",
    "prompt is too long",
    "exceeds the maximum number of tokens",
)
_STATUSES = range(400, 600)
_MOST_WAIT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An error, classified.

    Attributes:
        name: class name of the error.
        billed: False when the provider cannot have billed the call; True when it may have.
        transient: the same call may succeed a moment later.
        elsewhere: another arm may succeed at once.
        retry_after_s: seconds the provider asks to wait, at most a minute; 0 when it does not say.
    """

    name: str
    billed: bool
    transient: bool
    elsewhere: bool = False
    retry_after_s: float = 0.0


def classify_fault(error: BaseException) -> Fault:
    """What to book and whether to try again.

    ========================================  =============  ================  ===========
    error                                     booked         again             another arm
    ========================================  =============  ================  ===========
    4xx answer (refused before any work)      nothing        408 409 425 429   those, and 401 402 403 404 413
    prompt longer than the arm's window       nothing        no                yes
    no connection was ever made               nothing        yes               yes
    5xx answer                                worst case     500 502 503 504   the same
                                                             529
    time-out, connection lost, cut stream     worst case     yes               yes
    cancelled, stream closed, anything else   worst case     no                no
    ========================================  =============  ================  ===========
    """
    name = type(error).__name__
    status = _status(error)
    if status is not None:
        transient = status in _TRANSIENT_STATUS
        return Fault(
            name=name,
            billed=status not in _MODEL_REFUSED,
            transient=transient,
            elsewhere=transient or status in _ONLY_HERE_STATUS or (status in _MODEL_REFUSED and _too_long(error)),
            retry_after_s=_retry_after(error),
        )
    if any(type(cause).__name__ in _NEVER_SENT for cause in _causes(error)):
        return Fault(name=name, billed=False, transient=True, elsewhere=True)
    transient = isinstance(error, Exception) and any(base.__name__ in _TRANSIENT_NAMES for base in type(error).__mro__)
    return Fault(name=name, billed=True, transient=transient, elsewhere=transient)


def steers(error: BaseException) -> bool:
    """Whether an error is no failure of a call, but steers the program around it.

    Cancellation, an interpreter that ends, langroute's own word on budgets and settings, and LangGraph's interrupts and
    commands, which are known by name here.
    """
    bubbles = any(base.__name__ == "GraphBubbleUp" for base in type(error).__mro__)
    return bubbles or not isinstance(error, Exception) or isinstance(error, LangrouteError)


_backoff = wait_random_exponential(multiplier=0.5, max=8.0)


def pause_before(attempt: int) -> float:
    """Seconds to wait before attempt number ``attempt`` + 1: exponential with full jitter, at most 8 (tenacity)."""
    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = attempt + 1
    return _backoff(state)


def _status(error: BaseException) -> int | None:
    """The HTTP status that a provider answered with, told by the error or by what its SDK named as the cause."""
    told = getattr(error, "status_code", None)
    if isinstance(told, int):
        return told
    for cause in _causes(error):
        for name in ("status_code", "code"):
            status = getattr(cause, name, None)
            if isinstance(status, int) and status in _STATUSES:
                return int(status)
    return None


def _too_long(error: BaseException) -> bool:
    """Whether a refusal says that the prompt does not fit the window; providers say so only in words."""
    said = str(error).lower()
    return any(words in said for words in _TOO_LONG)


def _retry_after(error: BaseException) -> float:
    """Seconds a provider asks to wait; the form with a date is not read."""
    answers = [getattr(cause, "response", None) for cause in _causes(error)]
    headers = next((found for answer in answers if isinstance(found := getattr(answer, "headers", None), Mapping)), {})
    asked = headers.get("retry-after")
    try:
        seconds = float(asked) if asked is not None else 0.0
    except (TypeError, ValueError):
        return 0.0
    return min(_MOST_WAIT_S, max(0.0, seconds)) if isfinite(seconds) else 0.0


def _causes(error: BaseException) -> list[BaseException]:
    # Only what the SDK named as the cause. The context may be an error the caller was already handling, and an old
    # failure to connect elsewhere must not make a billed call look free.
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and not any(link is seen for seen in chain):
        chain.append(link)
        link = link.__cause__
    return chain
