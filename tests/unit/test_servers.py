"""How tests find a Redis server; see `tests/servers.py`."""

import pytest
import servers


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that names no server, and a standard port where none answers."""
    for name in (servers.NAMED, servers.REQUIRED):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(servers, "STANDARD", f"redis://127.0.0.1:{servers.spare_port()}/0")


def test_a_named_server_is_used_and_must_answer(
    nobody: None, private_redis: servers.RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the environment names comes first; if it does not answer, that is a failure and no skip."""
    monkeypatch.setenv(servers.NAMED, private_redis.url)
    assert list(servers.shared_server()) == [private_redis.url]
    private_redis.stop()
    with pytest.raises(pytest.fail.Exception, match="no Redis that takes writes answers"):
        list(servers.shared_server())


def test_a_server_at_the_standard_port_is_used(
    nobody: None, private_redis: servers.RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a name, what answers at the standard port is taken."""
    monkeypatch.setattr(servers, "STANDARD", private_redis.url)
    assert list(servers.shared_server()) == [private_redis.url]


def test_a_private_server_is_started_and_ended(nobody: None) -> None:
    """Where nobody answers one is started; afterwards it is gone, with its files."""
    for url in servers.shared_server():
        assert servers.answers(url)
    assert not servers.answers(url)


def test_without_a_binary_tests_skip_or_fail_as_told(nobody: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """No server and nothing to start one from: a skip that says so, or a failure where servers are required."""
    monkeypatch.setattr(servers, "BINARIES", ("no-such-server",))
    with pytest.raises(pytest.skip.Exception, match="no no-such-server on PATH"):
        list(servers.shared_server())
    monkeypatch.setenv(servers.REQUIRED, "1")
    with pytest.raises(pytest.fail.Exception, match=f"{servers.REQUIRED} is set"):
        list(servers.shared_server())
