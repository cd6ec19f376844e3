"""Every scenario of the matrix against a server's own meter, through every door that books.

The server bills by arithmetic of its own; our records are asked only whether they agree with it.
"""

from collections.abc import Iterator

import pytest

from tests.integration.metered_kit import ROUTING, MeteredKit, Provider
from tests.integration.scenarios import SCENARIOS, SETTINGS
from tests.integration.test_door_scenarios import NOT_FOR, fits

WAYS = ("invoke", "amessages")
"""Whole and sync, and streamed and async; the other ways stand in the matrix of scripted models."""

CELLS = [
    (door, scenario, way)
    for door in ROUTING
    for scenario in SCENARIOS
    for way in WAYS
    if not any(fits(pattern, (door, scenario, way)) for pattern in NOT_FOR)
]


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    """One server for all tests of this module."""
    with Provider() as server:
        yield server


@pytest.fixture
def provider(running: Provider) -> Provider:
    """The server, as new."""
    running.renew()
    return running


# langchain-openai serialises a parsed answer with a model that knows only of text.
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning")
@pytest.mark.parametrize(("door", "scenario", "way"), CELLS)
def test_the_books_are_the_servers_meter(provider: Provider, door: str, scenario: str, way: str) -> None:
    """Interrupts, forks, retries, fan-outs, subgraphs, subagents: booked is what was billed, to the nano-dollar."""
    with MeteredKit(door, way, provider, **SETTINGS.get(scenario, {})) as kit:
        expected = SCENARIOS[scenario](kit)
        kit.proven()
        assert len(provider.meter.rows()) == len(kit.entries()) == sum(expected.calls)


def test_every_door_that_books_meets_every_scenario() -> None:
    """Nothing is left out but what the matrix leaves out with a reason."""
    assert (len(ROUTING), len(SCENARIOS), len(WAYS)) == (4, 21, 2)
    assert len(CELLS) == 4 * 21 * 2 - 15
