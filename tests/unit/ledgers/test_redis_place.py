"""Redis URLs, what they never show, and what a server may say against a client."""

import pickle
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from servers import RedisServer, spare_port

from langroute.books import Limits
from langroute.errors import ConfigError, LedgerError, LedgerUnavailable
from langroute.ledgers import open_ledger
from langroute.ledgers.redis import RedisLedger
from langroute.ledgers.redis_place import RedisPlace
from langroute.testing import check_ledger


def test_a_url_says_where_the_books_are() -> None:
    """Everything that a URL may say, and what holds where it does not."""
    assert RedisPlace.from_url("redis://localhost") == RedisPlace(host="localhost")
    assert RedisPlace.from_url(
        "rediss://ada:p%40ss@[::1]:7000/3?prefix=team%3Aa&timeout_s=0.5&ssl_ca_certs=ca.pem"
    ) == RedisPlace(
        host="::1",
        port=7000,
        database=3,
        user="ada",
        password="p@ss",  # noqa: S106 - an example
        tls=True,
        prefix="team:a",
        timeout_s=0.5,
        files=(("ssl_ca_certs", "ca.pem"),),
    )


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("", "no server is named"),
        (":6379/0", "no server is named"),
        ("host:port", "not a URL: Port could not be cast"),
        ("host/books", "the path must be the number of a database"),
        ("host/-1", "the path must be the number of a database"),
        ("host?prefix=", "the prefix must not be empty"),
        ("host?prefix={a}", "has no braces"),
        ("host?timeout_s=soon", "timeout_s must be seconds above 0"),
        ("host?timeout_s=nan", "timeout_s must be seconds above 0"),
        ("host?ssl_ca_certs=a.pem", "unknown option 'ssl_ca_certs'; known are prefix, timeout_s"),
        ("host#1", "write '#' as %23"),
    ],
)
def test_a_url_that_names_no_books_is_refused_with_the_way_out(place: str, told: str) -> None:
    """What cannot be used is a `ConfigError` on the field ``store`` that shows a URL that can."""
    with pytest.raises(ConfigError, match=f"{told}.*write redis://user:password@host:6379/0") as caught:
        open_ledger(f"redis://{place}")
    assert caught.value.field == "store"


@pytest.mark.parametrize(
    "url", ["redis://ada:secret@host:bad", "redis://ada:secret@host/x", "redis://:secret@host?a=b"]
)
def test_a_refused_url_does_not_repeat_its_password(url: str) -> None:
    """Messages end in logs."""
    with pytest.raises(ConfigError) as caught:
        open_ledger(url)
    assert "secret" not in str(caught.value)


def test_urls_open_redis_ledgers_without_a_connection() -> None:
    """`open_ledger` knows both schemes and opens nothing; the password is in no text of the ledger, but is pickled."""
    plain, tls = open_ledger("redis://:secret@host.invalid"), open_ledger("rediss://ada:secret@host.invalid/2")
    assert (repr(plain), repr(tls)) == (
        "RedisLedger('redis://host.invalid:6379/0')",
        "TlsRedisLedger('rediss://host.invalid:6379/2')",
    )
    copy = pickle.loads(pickle.dumps(tls))
    assert isinstance(copy, RedisLedger)
    assert copy.url == "rediss://host.invalid:6379/2"
    assert copy._scripts.place == RedisPlace.from_url("rediss://ada:secret@host.invalid/2")
    assert "secret" not in repr(copy._scripts.place)


def test_without_the_package_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that needs redis-py says which extra brings it, when the ledger is made."""
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ConfigError, match=r"store: .*pip install 'langroute\[redis\]'"):
        open_ledger("redis://localhost")


def test_prefixes_and_databases_are_books_of_their_own(redis_url: str) -> None:
    """Two prefixes share nothing; the same URL is another door to the same books."""
    first, again, other = RedisLedger(redis_url), RedisLedger(redis_url), RedisLedger(f"{redis_url}-other")
    first.open("episode:a", Limits(nano_usd=7), at=0.0)
    assert again.balance("episode:a").limits == Limits(nano_usd=7)
    with pytest.raises(LedgerError, match="never opened"):
        other.balance("episode:a")
    for ledger in (first, again, other):
        ledger.close()


def test_names_that_cannot_be_written_are_refused(redis_url: str) -> None:
    """A lone surrogate is no text; a name of any real text is."""
    ledger = RedisLedger(redis_url)
    with pytest.raises(LedgerError, match="surrogates"):
        ledger.open("episode:\ud800", Limits(), at=0.0)
    name = 'user:"\\ \n\x00é😀/{}='
    assert ledger.open(name, Limits(), at=0.0).scope == name
    found = ledger.latest('user:"\\')
    assert found is not None
    assert found.scope == name
    ledger.close()


def test_a_wrong_password_is_told_without_repeating_it() -> None:
    """Signing in fails: the ledger is unavailable, says which setting to look at, and shows no secret."""
    server = RedisServer(requirepass="right-secret")
    server.start(password="right-secret")  # noqa: S106 - of a server that lives for this test
    try:
        RedisLedger(f"redis://:right-secret@127.0.0.1:{server.port}").open("episode:a", Limits(), at=0.0)
        for url in (f"redis://:wrong-secret@127.0.0.1:{server.port}", f"redis://127.0.0.1:{server.port}"):
            with pytest.raises(LedgerUnavailable, match=r"Nothing of this was booked\. .*password") as caught:
                RedisLedger(url).open("episode:a", Limits(), at=0.0)
            assert "secret" not in str(caught.value)
    finally:
        server.end()


def test_the_rights_that_the_page_names_are_enough(private_redis: RedisServer) -> None:
    """A user with the rights of docs/ledgers/redis.md keeps the whole contract, and has no key beside the prefix."""
    page = (Path(__file__).parents[3] / "docs" / "ledgers" / "redis.md").read_text("utf-8")
    rights = page.partition("```text\nlangroute ")[2].partition("```")[0].split()
    client = private_redis.client()
    client.execute_command("ACL", "SETUSER", "langroute", *rights)
    url = private_redis.url.replace("redis://", "redis://langroute:password@")

    def emptied() -> RedisLedger:
        client.flushall()
        return RedisLedger(url)

    check_ledger(emptied)
    client.close()
    with pytest.raises(LedgerUnavailable, match=r"The user needs EVAL"):
        RedisLedger(f"{url}?prefix=other").open("episode:a", Limits(), at=0.0)


def test_a_replica_and_foreign_keys_are_told(private_redis: RedisServer) -> None:
    """Writes on a replica and keys that are something else are refused with the way out."""
    client = private_redis.client()
    client.set("{taken}:books", "something else")
    with pytest.raises(LedgerUnavailable, match=r"choose another prefix"):
        RedisLedger(f"{private_redis.url}?prefix=taken").open("episode:a", Limits(), at=0.0)
    client.hset("{newer}:books", mapping={"format": "2", "born": "b", "changes": "1"})
    with pytest.raises(LedgerUnavailable, match=r"format 2, written by a newer langroute"):
        RedisLedger(f"{private_redis.url}?prefix=newer").open("episode:a", Limits(), at=0.0)
    client.replicaof("127.0.0.1", spare_port())
    with pytest.raises(LedgerUnavailable, match=r"name the primary"):
        RedisLedger(private_redis.url).open("episode:a", Limits(), at=0.0)
    client.close()


def test_a_cluster_is_refused_clearly() -> None:
    """A node of a Redis Cluster answers with a redirection or none: the ledger says that clusters are not supported."""
    server = RedisServer(cluster_enabled="yes").start()
    try:
        with pytest.raises(LedgerUnavailable, match=r"Redis Cluster is not supported"):
            RedisLedger(server.url).open("episode:a", Limits(), at=0.0)
    finally:
        server.end()


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "langroute tests")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "redis.crt", folder / "redis.key"
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, private


def test_an_encrypted_connection_checks_whom_it_talks_to(tmp_path: Path) -> None:
    """``rediss://`` works with a certificate that is trusted, and refuses one that is not."""
    public, private = certificate(tmp_path)
    port = spare_port()
    server = RedisServer(
        tls_port=str(port), tls_cert_file=str(public), tls_key_file=str(private), tls_auth_clients="no"
    ).start()
    try:
        ledger = open_ledger(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={public}")
        assert ledger.open("episode:a", Limits(nano_usd=5), at=0.0).limits == Limits(nano_usd=5)
        ledger.close()
        with pytest.raises(LedgerUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
            open_ledger(f"rediss://127.0.0.1:{port}/0").open("episode:a", Limits(), at=0.0)
    finally:
        server.end()
