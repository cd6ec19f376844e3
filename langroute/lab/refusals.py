"""How the lab words a refusal: status, message, type, param and code as the real API gives them."""

from collections.abc import Mapping
from typing import Any

from langroute.errors import LangrouteError

Json = dict[str, Any]


class ApiError(LangrouteError):
    """A request the lab refuses, as the real API would.

    Attributes:
        status: the HTTP status.
        param: the field to blame; None when no single one is.
        code: the machine-readable reason; None where the real API gives none.
        type: the family of the error.
        headers: headers that go with it, for example ``retry-after``.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        param: str | None = None,
        code: str | None = None,
        type: str = "invalid_request_error",  # noqa: A002 - the field's name on the wire
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.param = param
        self.code = code
        self.type = type
        self.headers = dict(headers or {})

    def body(self) -> Json:
        """The error as the JSON the real API sends."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


def kind_of(value: object) -> str:
    """The JSON type of a value, with its article."""
    if value is None:
        return "null"
    kinds: tuple[tuple[type, str], ...] = (
        (bool, "a boolean"), (int, "an integer"), (float, "a decimal"), (str, "a string"), (list, "an array"),
    )  # fmt: skip
    return next((name for kind, name in kinds if isinstance(value, kind)), "an object")


def wrong_type(param: str, expected: str, value: object) -> ApiError:
    """The refusal of a value of the wrong JSON type."""
    told = f"Invalid type for '{param}': expected {expected}, but got {kind_of(value)} instead."
    return ApiError(told, param=param, code="invalid_type")


def missing(param: str) -> ApiError:
    """The refusal of a request that lacks a field."""
    return ApiError(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")
