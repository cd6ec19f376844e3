"""What an error of a provider means for the books, and whether the call may be made again.

Errors are recognised by shape (``status_code``, class name), so that no provider's SDK has to be imported.
"""

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An error, classified.

    Attributes:
        name: class name of the error.
        billed: False when the provider cannot have billed the call; True when it may have.
        transient: the same call may succeed a moment later.
    """

    name: str
    billed: bool
    transient: bool


def classify_fault(error: BaseException) -> Fault:
    """What to book and whether to try again.

    ========================================  =============  =========
    error                                     booked         transient
    ========================================  =============  =========
    4xx answer (refused before any work)      nothing        408, 409, 425, 429
    no connection was ever made               nothing        yes
    5xx answer                                worst case     yes
    time-out, connection lost, cut stream     worst case     yes
    cancelled, stream closed, anything else   worst case     no
    ========================================  =============  =========
    """
    name = type(error).__name__
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return Fault(name=name, billed=status not in _MODEL_REFUSED, transient=status in _TRANSIENT_STATUS)
    if any(type(cause).__name__ in _NEVER_SENT for cause in _causes(error)):
        return Fault(name=name, billed=False, transient=True)
    transient = isinstance(error, Exception) and any(base.__name__ in _TRANSIENT_NAMES for base in type(error).__mro__)
    return Fault(name=name, billed=True, transient=transient)


def _causes(error: BaseException) -> list[BaseException]:
    # Only what the SDK named as the cause. The context may be an error the caller was already handling, and an old
    # failure to connect elsewhere must not make a billed call look free.
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and not any(link is seen for seen in chain):
        chain.append(link)
        link = link.__cause__
    return chain
