"""Requests as bare HTTP, for what no client would send."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen


def post(url: str, body: Any, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
    """Status and decoded JSON of what a server answers."""
    asked = Request(url, json.dumps(body).encode(), {"content-type": "application/json", **(headers or {})})  # noqa: S310
    try:
        with urlopen(asked, timeout=10) as answer:  # noqa: S310 - a server of the test's own, on loopback
            return answer.status, json.loads(answer.read())
    except HTTPError as refused:
        with refused:
            return refused.code, json.loads(refused.read())
