"""The guard of tests/conftest.py."""

import socket
import threading

import pytest


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1", "example.org"])
def test_nothing_leaves_this_machine(address: str) -> None:
    """A connection beyond loopback is refused before anything is sent, names included."""
    with pytest.raises(AssertionError, match="this machine only"):
        socket.create_connection((address, 80), timeout=0.1)


def test_the_guard_holds_in_other_threads() -> None:
    """A thread cannot leave this machine either."""
    refused: list[str] = []

    def leave() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            try:
                sender.sendto(b"x", ("192.0.2.1", 9))
            except AssertionError as error:
                refused.append(str(error))

    thread = threading.Thread(target=leave)
    thread.start()
    thread.join()
    assert refused


def test_loopback_works() -> None:
    """Servers on this machine are reached, by number and by name."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for host in ("127.0.0.1", "localhost"):
            socket.create_connection((host, port), timeout=5).close()
