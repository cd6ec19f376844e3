"""The doors over a real client and a server that bills: a kit of ChatOpenAI, and what the server's meter proves."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from openai import DefaultAsyncHttpxClient, DefaultHttpxClient

from langroute.books import Amount, Entry
from langroute.testing import Reply, ScriptedServer
from langroute.testing.door_bench import PRICES
from tests.integration.door_kits import Kit

ROUTING = ("RoutedChatModel", "route_graph", "routed_node", "RoutingMiddleware")
"""The doors that book."""

_TEAM = ("general-purpose", "critic")
Script = Callable[[dict[str, Any]], Any]


def play_request(request: dict[str, Any]) -> Reply:
    """What the server says: a verdict, a delegation, a call of a tool, or four words; the same that `play` says."""
    names = {tool["function"]["name"] for tool in request.get("tools") or ()}
    answered = sum(message["role"] == "tool" for message in request["messages"])
    if request.get("response_format"):
        return Reply(text=json.dumps({"ok": True}), cached_tokens=1)
    if "Verdict" in names:
        return Reply(tool_calls=(("Verdict", {"ok": True}),), cached_tokens=1)
    if "task" in names and answered < 2:
        return Reply(tool_calls=(("task", {"description": "do it", "subagent_type": _TEAM[answered]}),))
    if "task" not in names and "look" in names and not answered:
        return Reply(tool_calls=(("look", {"at": "it"}),), cached_tokens=1)
    return Reply(text="one two three four", cached_tokens=1)


class Provider(ScriptedServer):
    """A server for many tests, each of which finds it as new.

    Attributes:
        script: what it says to a request; a reply, or an error to raise.
    """

    def __init__(self) -> None:
        self.script: Script = play_request
        prices = {f"model-{name}": price for name, price in PRICES.items()}
        super().__init__(self._say, prices=prices)

    def _say(self, request: dict[str, Any]) -> Any:
        return self.script(request)

    def renew(self) -> None:
        """Forget what it was told, served and billed."""
        self.faults.release()
        self.wait_idle()
        self.meter.reset()
        self.requests.clear()
        self.script = play_request

    def first(self, *answers: Any) -> None:
        """Say these first, and then what it usually says."""
        waiting = iter(answers)
        self.script = lambda request: next(waiting, None) or play_request(request)


class MeteredKit(Kit):
    """A kit whose calls go over HTTP to a server that bills; a context manager, on one event loop."""

    def __init__(self, door: str, way: str, provider: Provider, **options: Any) -> None:
        self.provider = provider
        # Their own: langchain-openai would keep connections for the loop of the next test.
        self._clients = {"http_client": DefaultHttpxClient(), "http_async_client": DefaultAsyncHttpxClient()}
        self._runner = asyncio.Runner()
        super().__init__(door, way, **options)

    def made_models(self) -> dict[str, Any]:
        return {name: self.provider.chat_model(f"model-{name}", **self._clients) for name in PRICES}

    def run_async(self, work: Any) -> Any:
        return self._runner.run(work)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.provider.faults.release()
        self._runner.run(self._clients["http_async_client"].aclose())  # type: ignore[union-attr]
        self._runner.close()
        self._clients["http_client"].close()  # type: ignore[union-attr]
        self.router.close()

    # -- what is proven ------------------------------------------------------------------------------------------------

    def entries(self) -> list[Entry]:
        """Every line of the books of every episode that has a record."""
        ledger = self.router.ledger
        return [entry for episode in self.records() for entry in ledger.entries(f"episode:{episode}")]

    def proven(self, *, lost: int | None = 0) -> None:
        """The books against the server's meter: the truth to the nano-dollar where it was told, else not below it.

        Every call whose usage was received is booked at exactly what the server billed for a request. What the server
        billed beside these is covered, request by request, by calls that are booked at their worst case and say so.

        Args:
            lost: how many calls must be booked at their worst case; None where that depends on who was faster.
        """
        self.provider.wait_idle()
        entries, balances = self.entries(), [self.router.balance(episode) for episode in self.records()]
        assert all(entry.settled is not None for entry in entries), "a hold was left open"
        assert all(balance.held == Amount() for balance in balances)
        assert sum(balance.spent.nano_usd for balance in balances) == sum(map(booked, entries))
        billed = Counter(row.nano_dollars for row in self.provider.meter.rows())
        told = Counter(booked(entry) for entry in entries if not entry.worst_case and booked(entry))
        assert not told - billed, "what is booked as known was never billed"
        covered = sorted((booked(entry) for entry in entries if entry.worst_case), reverse=True)
        beside = sorted((billed - told).elements(), reverse=True)
        assert len(beside) <= len(covered), "the server billed a request that no call covers"
        assert all(ours >= theirs for ours, theirs in zip(covered, beside, strict=False))
        assert lost is None or len(covered) == lost
        self._marked(entries)

    def _marked(self, entries: list[Entry]) -> None:
        """Each worst case is the whole hold, and its record says the same."""
        assert all(entry.settled == entry.held for entry in entries if entry.worst_case)
        records = {record.id: record for episode in self.records().values() for record in episode}
        for entry in entries:
            outcome = records[entry.id].outcome
            assert outcome is not None
            assert (outcome.worst_case, outcome.cost_nano) == (entry.worst_case, booked(entry))


def booked(entry: Entry) -> int:
    """The nano-dollars of a settled line."""
    return 0 if entry.settled is None else entry.settled.nano_usd
