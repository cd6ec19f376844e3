import http.client
import http.server
import json
import sys
import threading
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from langroute.cli import lab

Run = Callable[..., Any]


def test_measure_passes_its_options_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command measures what it was asked to and prints the answer as it is."""
    asked: list[dict[str, Any]] = []
    fake = ModuleType("langroute.lab.measure")
    monkeypatch.setattr(fake, "run", lambda **options: asked.append(options) or print('{"tasks": 5}'), raising=False)
    monkeypatch.setitem(sys.modules, "langroute.lab.measure", fake)
    result = run("lab", "measure", "--tasks", "5", "--seed", "300000", "--json")
    assert json.loads(result.output) == {"tasks": 5}
    assert asked == [{"tasks": 5, "seed": 300000, "as_json": True}]


def test_serve_serves_until_interrupted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server answers on the address that was printed, and is gone after Ctrl-C."""
    served: list[int] = []
    printed: list[str] = []

    def wait() -> None:
        port = int(printed[0].split(":")[2].split("/")[0])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/v1/models")
        served.append(connection.getresponse().status)
        connection.close()
        raise KeyboardInterrupt

    monkeypatch.setattr(lab.typer, "echo", printed.append)
    monkeypatch.setattr(lab, "threading", SimpleNamespace(Event=lambda: SimpleNamespace(wait=wait)))
    before = set(threading.enumerate())  # servers of other tests may still be there
    result = run("lab", "serve", "--port", "0")
    assert result.exit_code == 0, result.output
    assert served == [200]
    assert printed[-1] == "Stopped."
    left = set(threading.enumerate()) - before
    assert not [thread for thread in left if thread.name.startswith("langroute-lab")]


def test_a_taken_port_is_one_clear_line(run: Run) -> None:
    """A port that cannot be listened on is an error that names it."""
    listening = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    try:
        result = run("lab", "serve", "--port", str(listening.server_port))
    finally:
        listening.server_close()
    assert result.exit_code == 2
    assert f"cannot listen on 127.0.0.1:{listening.server_port}" in result.stderr
