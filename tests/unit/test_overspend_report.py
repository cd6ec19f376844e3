"""The bench of overspending: how its report is made. What peers and stores do is measured there, not tested here."""

import json
import random
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from langroute.books import Balance, Entry
from langroute.errors import LedgerUnavailable
from langroute.ledgers import MemoryLedger

BENCH = Path(__file__).resolve().parents[1] / "bench"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The bench as a module; it stands beside its parts, as a script does."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(BENCH))
    import overspend  # noqa: PLC0415 - found only now

    yield overspend
    for name in set(sys.modules) - before:
        if name.startswith("over"):
            del sys.modules[name]


ONE = {"admitted": 1, "spent": 0.0125, "cap": 0.02}
ALL = {"admitted": 8, "spent": 0.1, "cap": 0.02}
OWN = {"langroute": ONE, "in_a_row": {"langroute": ONE}, "also": {"langroute_shorter": ONE}}
STORES = {
    "by_store": {"memory": ONE, "sqlite": ONE, "redis": None, "postgres": None},
    "pairs_per_s": {"memory": {"1": 300_000}, "sqlite": {"1": 4_000}, "redis": None, "postgres": None},
    "p99": {"memory": {"1": 0.01}, "sqlite": {"1": 0.3}, "redis": None, "postgres": None},
    "loop_ms": {"memory": 1.0, "sqlite": 2.0, "redis": None, "postgres": None},
    "loop_ms_with_gc": {"memory": 1.0, "sqlite": 2.0, "redis": None, "postgres": None},
}
HOLDS = {"worst_case": {"held_tokens": 9, "overspent": 0, "spent": 0.9, "most_spent": 1, "made": 3, "at_once": 2}}


def peers_of(bench: Any, failing: str) -> Any:
    """The peers on the scene, one of them not to be had."""

    class Scene:
        def watch(self, act: Any) -> Any:
            act("url")
            return ALL

    def run(peer: Any, scene: str, url: str, *, folder: Path) -> None:
        if peer.script == failing:
            raise bench.PeerUnavailable("not on the index")

    return bench.peers_spending(Scene(), Path(), run)


def test_the_report_has_its_keys_and_reasons(bench: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON object, langroute and each peer alike; what cannot be had is null, with a reason."""
    peers = peers_of(bench, "overspend_with_breakerbox.py")
    result = bench.report(OWN, peers, (STORES, {"redis": "no server", "postgres": "no server"}), HOLDS)
    told = json.loads(json.dumps(result))
    assert told["langroute"] == ONE
    assert {name: told[name] for name in bench.PEERS} == {
        "litellm": ALL,
        "litellm_key": ALL,
        "cascadeflow": ALL,
        "breakerbox": None,
    }
    assert told["in_a_row"] == {"langroute": ONE, **{name: told[name] for name in bench.PEERS}}
    assert told["pairs_per_s"]["memory"]["1"] == 300_000
    assert told["reasons"] == {"breakerbox": "not on the index", "redis": "no server", "postgres": "no server"}
    bench.show(result)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["breakerbox", "-", "-"] in lines
    assert ["litellm", "8", "of", "8,", "$0.1000", "8", "of", "8,", "$0.1000"] in lines
    assert ["redis", "-", "-", "-", "-", "-"] in lines


def test_peers_are_pinned(bench: Any) -> None:
    """Each peer's environment says the exact version of all that it asks for, and its script exists."""
    for peer in bench.PEERS.values():
        assert all(package.count("==") == 1 for package in peer.packages)
        assert (BENCH / peer.script).exists()


def test_langroute_keeps_the_cap_in_both_scenes(bench: Any) -> None:
    """Of eight calls at once one is made; one whose answer was lost is paid at its worst, so no second one is made."""
    with bench.Scene() as scene:
        found = bench.spending(scene)
    assert found["langroute"] == found["in_a_row"]["langroute"] == ONE
    shorter = found["also"]["langroute_shorter"]
    assert shorter["admitted"] == 2
    assert ONE["spent"] < shorter["spent"] <= ONE["cap"]


def test_pairs_are_booked_as_often_as_they_are_counted(bench: Any) -> None:
    """Each thread books its own share, once, and nothing is left held."""
    from overspend_pairs import p99_ms, pairs_per_s  # type: ignore[import-not-found]  # noqa: PLC0415

    ledger = MemoryLedger()
    assert pairs_per_s(ledger, threads=8, pairs=100, run="a") > 0
    assert p99_ms(ledger, threads=64, pairs=64, run="b") > 0
    books: list[Balance] = [ledger.balance("bench:a"), ledger.balance("bench:b")]
    assert [balance.calls for balance in books] == [96, 64]
    assert all(balance.held.nano_usd == 0 < balance.spent.nano_usd for balance in books)


def test_a_thread_that_fails_fails_the_figure(bench: Any) -> None:
    """A store that goes away while it is measured gives no figure."""
    from overspend_pairs import pairs_per_s  # noqa: PLC0415

    class Broken(MemoryLedger):
        def settle(self, *args: Any, **kwargs: Any) -> Entry:
            raise LedgerUnavailable("away")

    before = threading.active_count()
    with pytest.raises(LedgerUnavailable):
        pairs_per_s(Broken(), threads=2, pairs=4, run="a")
    assert threading.active_count() <= before


def test_a_store_that_does_not_answer_is_told(bench: Any, tmp_path: Path) -> None:
    """No such ledger, no client, no server: the reason is the ledger's own, on one line."""
    stores = sys.modules["overspend_stores"]
    with pytest.raises(stores.StoreUnavailable, match="unknown scheme 'nosuch'"), stores.opened("nosuch://x"):
        pass

    def away(url: str) -> Any:
        raise LedgerUnavailable(f"{url}:\nnobody answers")

    url = stores.store_url("redis", tmp_path, {"redis": "redis://given"})
    with pytest.raises(stores.StoreUnavailable, match=r"^redis://given: nobody answers$"):
        stores.opened(url, opening=away).__enter__()
    for name in ("memory", "sqlite"):
        with stores.opened(stores.store_url(name, tmp_path, {})) as ledger:
            assert ledger.scopes if hasattr(ledger, "scopes") else ledger.latest("bench:")


@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_the_loop_is_watched(bench: Any, store: str, tmp_path: Path) -> None:
    """The longest callback of a loop is found, and afterwards loops run as before."""
    import asyncio  # noqa: PLC0415

    loop, stores = sys.modules["overspend_loop"], sys.modules["overspend_stores"]
    run = asyncio.Handle._run
    with stores.opened(stores.store_url(store, tmp_path, {})) as ledger:
        assert 0 < loop.longest_block_ms(ledger, tasks=4, calls=2, collect=False) < 10_000
        books = ledger.latest("episode:loop-")
        assert books is not None
        assert books.calls == 4 * (2 + 2)
    assert asyncio.Handle._run is run


def test_only_the_worst_case_never_overspends(bench: Any) -> None:
    """Holding an average or nothing lets episodes overspend; the worst case does not, with fewer calls at once."""
    holds = sys.modules["overspend_holds"]
    found = holds.compare(seed=1, episodes=10)
    assert list(found) == ["worst_case", "ninety_five", "average", "nothing"]
    assert found["worst_case"]["overspent"] == 0
    assert found["worst_case"]["most_spent"] <= 1
    assert found["average"]["overspent"] == found["nothing"]["overspent"] == 1
    assert found["worst_case"]["at_once"] < found["average"]["at_once"]
    assert holds.episode(holds.LIMIT, random.Random(1)) == holds.episode(holds.LIMIT, random.Random(1))
