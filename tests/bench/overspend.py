"""Who spends more than the budget: eight parallel calls of $0.0125 against a cap of $0.02, and how fast the books are.

    python tests/bench/overspend.py [--json] [--cpu] [--rounds N] [--seed N] [--no-peers] [--redis URL] [--postgres URL]

The calls go to a local server whose meter is the witness (``overspend_scene.py``). langroute makes each with its whole
output limit or not at all; so do its peers, each in an environment of its own and used as its documentation says is
strictest (``overspend_peers.py``). Then the calls are made one after the other and each answer is lost on its way: the
provider bills it, the client never learns what it cost. Then, without any peer: pairs of hold and settle by store and
concurrency (``overspend_pairs.py``), how long an event loop stands still (``overspend_loop.py``), and what holding less
than the worst case lets through (``overspend_holds.py``).

Redis and PostgreSQL are measured where a server answers: give a server on which a few ten thousand rows do not matter.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

import overspend_own as own
import overspend_pairs
from overhead_peer import PeerUnavailable
from overspend_holds import compare
from overspend_loop import longest_block_ms
from overspend_pairs import CONCURRENCY, p99_ms, pairs_per_s, use_cpu_clock
from overspend_peers import PEERS, cache_folder, run_peer
from overspend_scene import CAP_USD, Scene
from overspend_stores import NAMES, StoreUnavailable, opened, store_url

from langroute.ledgers import MemoryLedger
from langroute.protocols import Ledger

Found = dict[str, Any]
Reasons = dict[str, str]

TARGETS: dict[str, float] = {"admitted_least": 1, "spent_most": CAP_USD}
SPEED_TARGETS: dict[str, float] = {"memory": 300_000, "sqlite": 4_000}
LOOP_TARGET_MS = 5.0
_PAIRS = {"memory": 40_000}
_FEWER_PAIRS = 2_000
_LOOP_CALLS = 640


def spending(scene: Scene) -> Found:
    """langroute on both scenes, by store on the first, and as it comes: with a smaller limit where that still fits."""
    return {
        "langroute": scene.watch(own.at_once),
        "in_a_row": {"langroute": scene.watch(own.in_a_row)},
        "also": {"langroute_shorter": scene.watch(partial(own.at_once, whole=False))},
    }


def peers_spending(scene: Scene, folder: Path, run: Callable[..., None] = run_peer) -> tuple[Found, Found, Reasons]:
    """The peers on both scenes, and why one could not be watched."""
    at_once: Found = dict.fromkeys(PEERS)
    in_a_row: Found = dict.fromkeys(PEERS)
    reasons: Reasons = {}
    for name, peer in PEERS.items():
        try:
            at_once[name] = scene.watch(lambda url, peer=peer: run(peer, "at_once", url, folder=folder))
            in_a_row[name] = scene.watch(lambda url, peer=peer: run(peer, "in_a_row", url, folder=folder))
        except PeerUnavailable as exc:
            reasons[name] = str(exc)
    return at_once, in_a_row, reasons


def speed(ledger: Ledger, *, rounds: int) -> tuple[dict[str, int], dict[str, float]]:
    """Pairs a second and the 99th percentile of one pair in milliseconds, by concurrency: medians over the rounds."""
    pairs = _PAIRS["memory"] if isinstance(ledger, MemoryLedger) else _FEWER_PAIRS
    rates: dict[str, int] = {}
    tails: dict[str, float] = {}
    for threads in CONCURRENCY:
        done = [pairs_per_s(ledger, threads=threads, pairs=pairs, run=uuid4().hex) for _ in range(rounds)]
        late = [p99_ms(ledger, threads=threads, pairs=pairs, run=uuid4().hex) for _ in range(rounds)]
        rates[str(threads)], tails[str(threads)] = round(median(done)), round(median(late), 4)
    return rates, tails


def blocks(open_one: Callable[[], Any], *, collect: bool, rounds: int) -> float:
    """Milliseconds that the loop stood still at most, over every concurrency: the median over the rounds."""
    found = []
    for _ in range(rounds):
        longest = 0.0
        for tasks in CONCURRENCY:
            with open_one() as ledger:
                blocked = longest_block_ms(ledger, tasks=tasks, calls=_LOOP_CALLS // tasks, collect=collect)
            longest = max(longest, blocked)
        found.append(longest)
    return round(median(found), 3)


def stores(scene: Scene, folder: Path, *, rounds: int, given: Mapping[str, str | None]) -> tuple[Found, Reasons]:
    """What each store does: the eight calls on its books, speed, and the event loop."""
    found: Found = {
        key: dict.fromkeys(NAMES) for key in ("by_store", "pairs_per_s", "p99", "loop_ms", "loop_ms_with_gc")
    }
    reasons: Reasons = {}
    for name in NAMES:
        url = partial(store_url, name, folder, given)
        try:
            with opened(url()) as ledger:
                found["pairs_per_s"][name], found["p99"][name] = speed(ledger, rounds=rounds)
        except StoreUnavailable as exc:
            reasons[name] = str(exc)
            continue
        found["by_store"][name] = scene.watch(partial(own.at_once, store=url()))
        found["loop_ms"][name] = blocks(lambda url=url: opened(url()), collect=False, rounds=rounds)
        found["loop_ms_with_gc"][name] = blocks(lambda url=url: opened(url()), collect=True, rounds=rounds)
    return found, reasons


def report(
    own_part: Found, peers: tuple[Found, Found, Reasons], store_part: tuple[Found, Reasons], holds: Found
) -> Found:
    """All figures as one JSON object."""
    at_once, in_a_row, why_no_peer = peers
    by_store, why_no_store = store_part
    return {
        "langroute": own_part["langroute"],
        **at_once,
        "in_a_row": {**own_part["in_a_row"], **in_a_row},
        "also": own_part["also"],
        **by_store,
        "holds": holds,
        "clock": "processor" if overspend_pairs.clock is time.process_time else "wall",
        "units": {"spent": "dollars", "cap": "dollars", "p99": "milliseconds of one pair", "loop_ms": "milliseconds"},
        "targets": {"langroute": TARGETS, "pairs_per_s": SPEED_TARGETS, "loop_ms": LOOP_TARGET_MS},
        "reasons": {**why_no_peer, **why_no_store},
    }


def show(result: Found) -> None:
    """The figures as tables for people."""
    print(f"eight calls of $0.0125 under a cap of ${CAP_USD:.2f}, by the server's meter\n")
    print(f"{'':20}{'at once':>20}{'answers lost':>20}")
    for name in ("langroute", *PEERS):
        print(f"{name:20}{_told(result[name]):>20}{_told(result['in_a_row'][name]):>20}")
    print(f"{'shorter calls too':20}{_told(result['also']['langroute_shorter']):>20}")
    print(f"\n{'store':12}{'threads':>8}{'pairs/s':>10}{'p99 ms':>10}{'loop ms':>10}{'with gc':>10}")
    for name in NAMES:
        rates = result["pairs_per_s"][name]
        if rates is None:
            print(f"{name:12}{'-':>8}{'-':>10}{'-':>10}{'-':>10}{'-':>10}")
            continue
        for threads, rate in rates.items():
            tail, first = result["p99"][name][threads], threads == "1"
            loop = (result["loop_ms"][name], result["loop_ms_with_gc"][name]) if first else ("", "")
            print(f"{name:12}{threads:>8}{rate:>10}{tail:>10}{loop[0]:>10}{loop[1]:>10}")
    print(f"\n{'held':12}{'tokens':>8}{'overspent':>11}{'spent':>8}{'most':>8}{'calls':>8}{'at once':>9}")
    for rule, told in result["holds"].items():
        print(
            f"{rule:12}{told['held_tokens']:>8}{told['overspent']:>11.1%}{told['spent']:>8.1%}{told['most_spent']:>8.1%}"
            f"{told['made']:>8}{told['at_once']:>9}"
        )


def _told(spent: dict[str, Any] | None) -> str:
    return "-" if spent is None else f"{spent['admitted']} of 8, ${spent['spent']:.4f}"


def main(arguments: list[str] | None = None) -> int:
    """Print the figures; 1 where langroute let nothing through or overspent."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=5, help="how often each speed is measured (default 5)")
    parser.add_argument("--cpu", action="store_true", help="processor time for pairs_per_s: for a busy machine")
    parser.add_argument("--seed", type=int, default=0, help="of the simulated answers")
    parser.add_argument("--peer-envs", type=Path, default=cache_folder(), help="folder of the peers' environments")
    parser.add_argument("--no-peers", action="store_true", help="leave the peers out")
    parser.add_argument("--redis", metavar="URL", help="a Redis to measure")
    parser.add_argument("--postgres", metavar="URL", help="a PostgreSQL to measure")
    options = parser.parse_args(arguments)
    if options.cpu:
        use_cpu_clock()
    given = {"redis": options.redis, "postgres": options.postgres}
    with Scene() as scene, tempfile.TemporaryDirectory() as folder:
        own_part = spending(scene)
        if options.no_peers:
            left_out = dict.fromkeys(PEERS, "left out by --no-peers")
            peers: tuple[Found, Found, Reasons] = (dict.fromkeys(PEERS), dict.fromkeys(PEERS), left_out)
        else:
            peers = peers_spending(scene, options.peer_envs)
        store_part = stores(scene, Path(folder), rounds=options.rounds, given=given)
    result = report(own_part, peers, store_part, compare(seed=options.seed))
    for key, reason in result["reasons"].items():
        print(f"{key} is null: {reason}", file=sys.stderr)
    print(json.dumps(result)) if options.json else show(result)
    ours = [result["langroute"], *(told for told in result["by_store"].values() if told)]
    return int(any(told["admitted"] < TARGETS["admitted_least"] or told["spent"] > CAP_USD for told in ours))


if __name__ == "__main__":
    sys.exit(main())
