"""The lab's server in a process of its own, so that client and models do not share one interpreter."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from langroute.errors import LangrouteError


class ServerFailed(LangrouteError):
    """The lab's server could not be started."""


@contextmanager
def served() -> Iterator[str]:
    """Run the lab's server on a free port of loopback; gives its base URL, and ends it afterwards.

    Raises:
        ServerFailed: it did not start; the message holds what it said.
    """
    command = [sys.executable, "-m", "langroute", "lab", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            yield _base_url(process)
        finally:
            process.terminate()
            process.communicate()


def _base_url(process: "subprocess.Popen[str]") -> str:
    line = process.stdout.readline() if process.stdout else ""
    found = [word for word in line.split() if word.startswith("http://")]
    if not found:
        process.terminate()
        _, said = process.communicate()
        raise ServerFailed(f"the lab's server did not start: {(line + said).strip() or 'it said nothing'}")
    return found[0]


def metered_nano(base_url: str) -> int:
    """Nano-dollars that the server's own meter has counted so far."""
    with urllib.request.urlopen(f"{base_url}/lab/meter", timeout=10) as answer:  # noqa: S310 - loopback
        meter: dict[str, Any] = json.load(answer)
    return int(meter["total"]["nano_dollars"])
