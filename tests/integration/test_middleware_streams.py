"""RoutingMiddleware under every way of streaming an agent: nothing rejected leaks, nothing is counted twice."""

from typing import Any

import pytest

from langroute import RouterConfig
from langroute.integrations.middleware import RoutingMiddleware
from langroute.testing import Reply
from tests.integration.agents import adder, adding, agent_of, all_records, books_hold
from tests.integration.routed import House

WORK: Any = {"metadata": {"langroute_kind": "execution"}}
INPUT: Any = {"messages": [("user", "add 1 and 2")]}


def drafting(**options: Any) -> House:
    """A house whose small model first drafts a malformed call; the large one plays the adder."""
    draft = Reply(text="my draft", tool_calls=(("add", "{not json"),))
    return House(small=[draft, "It is 3."], large=adder, **options)


def test_tokens_stream_as_they_come() -> None:
    """``stream_mode="messages"`` gives the answer piece by piece, each once, in the chosen model's run."""
    house = adding()
    pieces = list(agent_of(house).stream(INPUT, WORK, stream_mode="messages"))
    spoken = [piece.text for piece, about in pieces if about["langgraph_node"] == "model" and piece.text]
    assert spoken == ["It", " is", " 3."]
    assert all("langroute:small" in about["tags"] for _, about in pieces if about["langgraph_node"] == "model")
    assert all(call.streamed for call in house.small.calls)
    assert books_hold(house)


async def test_tokens_stream_as_they_come_from_async_agents() -> None:
    """astream gives the same pieces."""
    house = adding()
    stream = agent_of(house).astream(INPUT, WORK, stream_mode="messages")
    pieces = [piece.text async for piece, about in stream if about["langgraph_node"] == "model"]
    assert [piece for piece in pieces if piece] == ["It", " is", " 3."]
    assert books_hold(house)


@pytest.mark.parametrize("mode", ["messages", "updates", "values"])
def test_a_rejected_draft_never_shows_in_a_gated_stream(mode: Any) -> None:
    """With ``gate_streams`` a draft that is rejected is in no stream; the accepted answer is in each."""
    house = drafting(config=RouterConfig(gate_streams=True))
    told = str(list(agent_of(house).stream(INPUT, WORK, stream_mode=mode)))
    assert "draft" not in told
    assert "It is 3." in told
    assert [record.decision.arm for record in all_records(house)] == ["small", "large", "small"]
    assert books_hold(house)


async def test_a_rejected_draft_never_shows_in_a_gated_async_stream() -> None:
    """The same for astream."""
    house = drafting(config=RouterConfig(gate_streams=True))
    told = str([piece async for piece in agent_of(house).astream(INPUT, WORK, stream_mode="messages")])
    assert "draft" not in told
    assert "It is 3." in told
    assert books_hold(house)


@pytest.mark.parametrize("mode", ["updates", "values"])
def test_streams_of_state_are_gated_without_being_told(mode: Any) -> None:
    """Where nobody watches tokens, a malformed answer is made again by another arm, as in a plain call."""
    house = drafting()
    told = str(list(agent_of(house).stream(INPUT, WORK, stream_mode=mode)))
    assert "draft" not in told
    assert [record.decision.arm for record in all_records(house)] == ["small", "large", "small"]


def test_an_ungated_stream_keeps_what_was_shown() -> None:
    """A stream that started at once cannot be taken back: its malformed answer stands, and its defect is recorded."""
    house = drafting()
    told = str(list(agent_of(house).stream(INPUT, WORK, stream_mode="messages")))
    assert "draft" in told
    first, *_ = all_records(house)
    assert first.outcome.accepted
    assert "invalid_tool_call" in first.outcome.defects


def test_a_stream_without_usage_is_booked_at_its_worst_case() -> None:
    """A streamed answer that reports no usage settles its whole hold, marked."""
    house = House(small=[Reply(text="yes", usage=False)])
    list(agent_of(house, tools=[]).stream(INPUT, WORK, stream_mode="messages"))
    (record,) = all_records(house)
    assert record.outcome.worst_case
    assert record.outcome.cost_nano == record.decision.worst_nano
    assert books_hold(house)


def test_a_stream_that_is_closed_early_settles_its_hold() -> None:
    """Closing the agent's stream in the middle of an answer leaves nothing held."""
    house = House(small=[Reply(text="one two three four five")])
    stream = agent_of(house, tools=[]).stream(INPUT, WORK, stream_mode="messages")
    next(stream)
    stream.close()
    assert books_hold(house)


async def test_a_cancelled_agent_settles_its_hold() -> None:
    """Cancelling an async agent while its model answers books what may have been billed, and holds nothing."""
    import asyncio  # noqa: PLC0415 - for this test only

    begun = asyncio.Event()

    async def slow(messages: Any, kwargs: Any) -> str:
        begun.set()
        await asyncio.Event().wait()
        return "never"

    house = House(small=slow)
    task = asyncio.create_task(agent_of(house, tools=[]).ainvoke(INPUT, WORK))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (record,) = all_records(house)
    assert record.outcome.worst_case
    assert books_hold(house)


def test_event_streams_see_one_run_per_call() -> None:
    """A gated and a streamed call each show as one chat model run in the events of the agent."""
    house = adding()
    middleware = RoutingMiddleware(house.router)
    events = _events(agent_of(house, middleware))
    assert events.count("on_chat_model_start") == events.count("on_chat_model_end") == 2


def _events(agent: Any) -> list[str]:
    import asyncio  # noqa: PLC0415 - for this test only

    async def collect() -> list[str]:
        return [event["event"] async for event in agent.astream_events(INPUT, WORK, version="v2")]

    return asyncio.run(collect())
