"""The matrix: whatever LangGraph does to a call, every door routes it once, books it once, and in the right episode."""

from collections import defaultdict

import pytest

from langroute.books import Amount
from tests.integration.door_kits import DOORS, WAYS, Kit
from tests.integration.scenarios import SCENARIOS, SETTINGS, Expected

ANY = "any"

NOT_FOR: dict[tuple[str, str, str], str] = {
    ("route_graph", "a call outside any graph", ANY): "it routes graphs",
    ("route_graph", "all doors at once", ANY): "the same program as RoutedChatModel's",
    ("routed_node", "all doors at once", ANY): "the same program as RoutedChatModel's",
    ("RoutingCallbackHandler", "all doors at once", ANY): "it stands in the program of the others",
    ("route_graph", "@entrypoint and @task", ANY): "these have no builder; routed_node is their door",
    (ANY, "a call outside any graph", "messages"): "stream_mode is an option of graphs",
    (ANY, "a call outside any graph", "amessages"): "stream_mode is an option of graphs",
    (ANY, "a batch of runs", "messages"): "a batch brings whole answers",
    (ANY, "a batch of runs", "amessages"): "a batch brings whole answers",
}
"""Cells that make no sense, by door, scenario and way, each with the reason."""

Cell = tuple[str, str, str]


def fits(pattern: Cell, cell: Cell) -> bool:
    """Whether a line of NOT_FOR speaks of a cell."""
    return all(part in (ANY, own) for part, own in zip(pattern, cell, strict=True))


ALL: list[Cell] = [(door, scenario, way) for door in DOORS for scenario in SCENARIOS for way in WAYS]
CELLS = [cell for cell in ALL if not any(fits(pattern, cell) for pattern in NOT_FOR)]


@pytest.mark.parametrize(("door", "scenario", "way"), CELLS)
def test_each_call_is_routed_and_paid_once(door: str, scenario: str, way: str) -> None:
    """Provider calls, runs that a user sees, records and books agree, in as many episodes as there were turns."""
    kit = Kit(door, way, **SETTINGS.get(scenario, {}))
    expected = SCENARIOS[scenario](kit)
    made_once(kit, expected)
    if kit.door.meters:
        metered(kit)
    else:
        booked(kit)
    if way.endswith("messages"):
        streamed_once(kit)


def made_once(kit: Kit, expected: Expected) -> None:
    """As many calls, runs and records as expected, in the right episodes; each run has its own record."""
    records = kit.records()
    told = [record for episode in records.values() for record in episode]
    assert len(kit.calls()) == len(kit.witness.began) == len(kit.witness.texts) == sum(expected.calls)
    assert sorted(len(episode) for episode in records.values()) == sorted(expected.calls)
    assert expected.names is None or sorted(records) == sorted(expected.names)
    for episode in records.values():
        assert sorted(record.step.call_index for record in episode) == list(range(len(episode)))
    assert all(record.outcome and record.outcome.accepted and not record.outcome.defects for record in told)
    in_order = sorted(told, key=lambda record: record.at)
    assert expected.arms is None or tuple(record.decision.arm for record in in_order) == expected.arms
    assert sorted(record.outcome.arm for record in told if record.outcome) == sorted(kit.calls())


def booked(kit: Kit) -> None:
    """Every run is that of one routed call; the books are the price of the usage reported, and nothing is held."""
    records = {record.id: record for episode in kit.records().values() for record in episode}
    runs = {run["langroute_record"]: run["ls_model_name"] for run in kit.witness.began}
    assert runs == {name: f"model-{record.decision.arm}" for name, record in records.items()}
    if kit.door.surrounds:
        assert {episode.id for episode in kit.around if episode} == set(kit.records())
        assert None not in kit.around
    balances = [kit.router.balance(episode) for episode in kit.records()]
    assert sum(balance.spent.nano_usd for balance in balances) == kit.witness.nano_usd > 0
    for balance in balances:
        assert balance.held == Amount()
        assert balance.available_nano("general") == 10**9 - balance.spent.nano_usd


def metered(kit: Kit) -> None:
    """Every call is metered once, at its price, and no budget was touched."""
    totals = kit.handler.totals
    assert (totals.calls, totals.paid_nano) == (len(kit.calls()), kit.witness.nano_usd)
    assert (totals.routed, totals.unknown, totals.unread, totals.failed) == (0, 0, 0, 0)
    assert {record.action for episode in kit.records().values() for record in episode} == {"shadow"}
    assert kit.router.ledger.latest("") is None


def streamed_once(kit: Kit) -> None:
    """The tokens that a run streamed are what its models said, each once."""
    texts: dict[str | None, str] = defaultdict(str)
    for piece in kit.pieces:
        texts[piece.id] += piece.text
    assert sorted(texts.values()) == sorted(kit.witness.texts)


def test_the_matrix_is_whole() -> None:
    """All five doors, all scenarios and all six ways; nothing is left out but by a line with a reason."""
    assert list(DOORS) == [
        "RoutedChatModel",
        "route_graph",
        "routed_node",
        "RoutingMiddleware",
        "RoutingCallbackHandler",
    ]
    assert WAYS == ("invoke", "ainvoke", "stream", "astream", "messages", "amessages")
    assert len(SCENARIOS) == 21
    for pattern, reason in NOT_FOR.items():
        assert any(fits(pattern, cell) for cell in ALL), f"no such cell: {pattern}"
        assert reason
    left_out = len(ALL) - len(CELLS)
    assert (len(ALL), left_out) == (630, 48)
