"""Every door keeps every promise of the contract."""

import pytest

from langroute.testing.door import Door
from langroute.testing.door_contract import DOOR_CHECKS
from tests.contract.doors import AgentDoor, ChatModelDoor, GraphDoor, MeteringDoor, MiddlewareDoor, NodeDoor

DOORS: dict[str, Door] = {
    "chat model": ChatModelDoor(),
    "graph": GraphDoor(),
    "node": NodeDoor(),
    "agent": AgentDoor(),
    "middleware": MiddlewareDoor(),
    "callbacks": MeteringDoor(),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("check", DOOR_CHECKS)
def test_door_keeps_its_promise(check: str, door: str) -> None:
    """The check's own docstring is the promise."""
    reason = DOOR_CHECKS[check].on(DOORS[door])
    if reason is not None:
        pytest.skip(reason)
