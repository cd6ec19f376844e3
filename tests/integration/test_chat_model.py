"""RoutedChatModel: every public way of calling it is routed once, paid once and settled."""

import asyncio
import gc
from typing import Any

import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableBinding, RunnableConfig
from langchain_core.tools import tool
from pydantic import BaseModel

from langroute import Budget, BudgetExceeded, ConfigError, LedgerError, NoArmAvailable, RoutedChatModel
from langroute.testing import Reply
from tests.integration.routed import LARGE, SMALL, House


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


WORK: RunnableConfig = {"metadata": {"langroute_kind": "execution"}}


class Verdict(BaseModel):
    """A verdict."""

    ok: bool


def settled(house: House, episode: str) -> bool:
    """Whether nothing of an episode is held any more and its books equal its records."""
    balance = house.router.balance(episode)
    booked = sum(record.outcome.cost_nano for record in house.records(episode) if record.outcome)
    return balance.held.nano_usd == 0 and balance.spent.nano_usd == booked


def test_each_sync_way_in_routes_once_and_settles() -> None:
    """invoke, stream, batch and generate each make one provider call per prompt and settle its true cost."""
    house = House()
    with house.router.episode("e"):
        assert house.llm.invoke("hi").content == "small"
        assert "".join(str(piece.content) for piece in house.llm.stream("hi")) == "small"
        assert [message.content for message in house.llm.batch(["a", "b"])] == ["small", "small"]
        assert house.llm.generate([[HumanMessage("hi")]]).generations[0][0].text == "small"
    assert len(house.small.calls) == 5
    assert len(house.large.calls) == 0
    assert settled(house, "e")
    assert sorted(record.step.call_index for record in house.records("e")) == [0, 1, 2, 3, 4]


async def test_each_async_way_in_routes_once_and_settles() -> None:
    """ainvoke, astream, abatch and agenerate do as their sync twins."""
    house = House()
    with house.router.episode("e"):
        assert (await house.llm.ainvoke("hi")).content == "small"
        assert "".join([str(piece.content) async for piece in house.llm.astream("hi")]) == "small"
        assert [message.content for message in await house.llm.abatch(["a", "b"])] == ["small", "small"]
        assert (await house.llm.agenerate([[HumanMessage("hi")]])).generations[0][0].text == "small"
    assert len(house.small.calls) == 5
    assert settled(house, "e")


def test_usage_is_counted_once_under_the_chosen_models_name() -> None:
    """A usage callback sees one run per provider call, with the name of the model that made it."""
    house = House()
    usage = UsageMetadataCallbackHandler()
    with house.router.episode("e"):
        message = house.llm.invoke("hi", {"callbacks": [usage]})
        list(house.llm.stream("hi", {"callbacks": [usage]}))
    assert list(usage.usage_metadata) == ["s-1"]
    assert usage.usage_metadata["s-1"]["input_tokens"] == 2 * message.usage_metadata["input_tokens"]


def test_the_books_hold_what_the_usage_costs() -> None:
    """The episode's spending is the price of the reported tokens, to the nano-dollar."""
    house = House(small=[Reply(text="yes", input_tokens=1000, output_tokens=10)])
    with house.router.episode("e"):
        house.llm.invoke("hi")
    assert house.router.balance("e").spent.nano_usd == SMALL.cost(input_tokens=1000, output_tokens=10) == 54_000


def test_tools_are_bound_on_the_chosen_model() -> None:
    """bind_tools returns a binding; the chosen model gets the tools in its own form, with the tool choice."""
    house = House(small=[Reply(tool_calls=(("add", {"a": 1, "b": 2}),))])
    bound = house.llm.bind_tools([add], tool_choice="any")
    assert isinstance(bound, RunnableBinding)
    with house.router.episode("e"):
        message = bound.invoke("add 1 and 2", WORK)
    assert message.tool_calls[0]["args"] == {"a": 1, "b": 2}
    sent = house.small.calls[0].kwargs
    assert sent["tools"][0]["function"]["name"] == "add"
    assert sent["tool_choice"] == "any"


def test_an_output_limit_is_sent_with_every_call() -> None:
    """The limit that the hold was computed from is the one the provider is sent; the user's own limit wins if lower."""
    house = House()
    with house.router.episode("e"):
        house.llm.invoke("hi")
        house.llm.invoke("hi", max_tokens=7)
        list(house.llm.stream("hi", max_tokens=9))
    assert [call.kwargs["max_tokens"] for call in house.small.calls] == [4096, 7, 9]


@pytest.mark.parametrize("bad", [("add", "{not json"), ("subtract", {"a": 1}), ("add", {"a": 1})])
def test_a_malformed_call_is_made_again_by_a_stronger_arm(bad: Any) -> None:
    """A tool call that cannot be parsed, of no known tool, or lacking an argument never reaches the agent."""
    good = Reply(tool_calls=(("add", {"a": 1, "b": 2}),))
    house = House(small=[Reply(tool_calls=(bad,))], large=[good])
    with house.router.episode("e"):
        message = house.llm.bind_tools([add]).invoke("add", WORK)
    assert message.tool_calls[0]["args"] == {"a": 1, "b": 2}
    first, second = house.records("e")
    assert (first.decision.arm, first.outcome.accepted) == ("small", False)
    assert (second.decision.arm, second.outcome.accepted) == ("large", True)
    assert second.step.rejected[0].arm == "small"
    assert settled(house, "e")


def test_the_last_arms_malformed_call_is_passed_on() -> None:
    """When no other arm is left the agent gets what there is: it has its own way with bad calls."""
    bad = Reply(tool_calls=(("add", "{not json"),))
    house = House(small=[bad], large=[bad])
    with house.router.episode("e"):
        message = house.llm.bind_tools([add]).invoke("add", WORK)
    assert message.invalid_tool_calls
    assert house.arms("e") == ["small", "large"]


def test_structured_output_uses_the_chosen_models_own_strategy() -> None:
    """with_structured_output parses as the chosen model does, and its hidden usage is booked."""
    house = House(small=[Reply(tool_calls=(("Verdict", {"ok": True}),), input_tokens=50, output_tokens=5)])
    with house.router.episode("e"):
        assert house.llm.with_structured_output(Verdict).invoke("well?") == Verdict(ok=True)
    assert house.router.balance("e").spent.input_tokens == 50


@pytest.mark.parametrize("include_raw", [True, False])
def test_structured_calls_are_sent_an_output_limit(include_raw: bool) -> None:
    """The limit that the hold was computed from reaches the provider, however the schema is bound."""
    house = House(small=[Reply(tool_calls=(("Verdict", {"ok": True}),), output_tokens=50)])
    with house.router.episode("e"):
        house.llm.with_structured_output(Verdict, include_raw=include_raw).invoke("well?", max_tokens=7)
    assert house.records("e")[0].outcome.usage.output_tokens == 7  # a scripted model writes no more than its limit


def test_structured_output_that_does_not_fit_goes_to_a_stronger_arm() -> None:
    """A misfit is not raised while another arm may do better; it is raised when none does."""
    misfit = Reply(tool_calls=(("Verdict", {"ok": "perhaps"}),))
    house = House(small=[misfit, misfit], large=[Reply(tool_calls=(("Verdict", {"ok": False}),)), misfit])
    structured = house.llm.with_structured_output(Verdict)
    with house.router.episode("e"):
        assert structured.invoke("well?") == Verdict(ok=False)
        with pytest.raises(ValueError, match="ok"):
            structured.invoke("well?")
    assert house.arms("e") == ["small", "large", "small", "large"]
    assert settled(house, "e")


def test_a_refused_call_is_never_made() -> None:
    """Where no worst case fits, BudgetExceeded names scope, limit, spent and requested, and no model is called."""
    house = House(budget=Budget(total_dollars=0.000001))
    with house.router.episode("e"), pytest.raises(BudgetExceeded) as caught:
        house.llm.invoke("hi")
    assert caught.value.scope == "episode:e"
    assert float(caught.value.limit) == pytest.approx(1e-6)
    assert caught.value.requested > caught.value.limit
    assert not house.small.calls
    assert not house.large.calls
    assert house.records("e")[0].action == "stop"


def test_provider_errors_keep_their_type_and_settle_the_hold() -> None:
    """The caller sees the provider's own error; the worst case is booked where it may have been billed."""
    house = House(small=[RuntimeError("boom")])
    with house.router.episode("e"), pytest.raises(RuntimeError, match="boom"):
        house.llm.invoke("hi")
    (record,) = house.records("e")
    assert record.outcome.worst_case
    assert house.router.balance("e").spent.nano_usd == record.decision.worst_nano
    assert settled(house, "e")


def test_an_early_closed_stream_is_settled_at_its_worst_case() -> None:
    """A stream that the consumer closes was billed for nobody knows how much: the whole hold is booked."""
    house = House(small=["one two three four"])
    with house.router.episode("e"):
        pieces = house.llm.stream("hi")
        next(pieces)
        pieces.close()
    (record,) = house.records("e")
    assert record.outcome.worst_case
    assert settled(house, "e")


async def test_a_cancelled_call_is_settled_at_its_worst_case() -> None:
    """Cancelling the task settles the hold; nothing stays open."""
    started = asyncio.Event()

    async def never(messages: Any, kwargs: Any) -> str:
        started.set()
        await asyncio.Event().wait()
        return "never"

    house = House(small=never)
    with house.router.episode("e"):
        task = asyncio.create_task(house.llm.ainvoke("hi"))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    (record,) = house.records("e")
    assert record.outcome.worst_case
    assert record.outcome.error == "CancelledError"
    assert settled(house, "e")


async def test_an_early_closed_async_stream_is_settled() -> None:
    """aclose() on a stream settles its hold at the worst case."""
    house = House(small=["one two three four"])
    with house.router.episode("e"):
        pieces = house.llm.astream("hi")
        await anext(pieces)
        await pieces.aclose()
    gc.collect()
    assert house.records("e")[0].outcome.worst_case
    assert settled(house, "e")


def test_a_stream_without_usage_books_the_worst_case() -> None:
    """A stream cut by the server ends without error and without usage: the hold is booked in full, and marked."""
    house = House(small=[Reply(text="one two three", cut_after=1)])
    with house.router.episode("e"):
        list(house.llm.stream("hi"))
    assert house.records("e")[0].outcome.worst_case
    assert settled(house, "e")


def test_streams_are_not_gated_unless_asked() -> None:
    """By default a stream starts at once; with gate_streams nothing of a rejected answer is streamed."""
    bad, good = Reply(text="hm", tool_calls=(("add", "{"),)), Reply(text="yes", tool_calls=(("add", {"a": 1, "b": 2}),))
    house = House(small=[bad])
    with house.router.episode("e"):
        list(house.llm.bind_tools([add]).stream("add", WORK))
    assert house.arms("e") == ["small"]

    from langroute import RouterConfig  # noqa: PLC0415

    gated = House(small=[bad], large=[good], config=RouterConfig(gate_streams=True))
    with gated.router.episode("e"):
        pieces = list(gated.llm.bind_tools([add]).stream("add", WORK))
    assert "hm" not in "".join(str(piece.content) for piece in pieces)
    assert pieces[-1].tool_calls[0]["args"] == {"a": 1, "b": 2}
    assert gated.arms("e") == ["small", "large"]


def test_an_arm_can_be_demanded_and_a_kind_set_by_metadata() -> None:
    """Pins and kinds of a single call come from its config; an unknown one is refused by name."""
    house = House()
    with house.router.episode("e"):
        assert house.llm.invoke("hi", {"metadata": {"langroute_arm": "large"}}).content == "large"
        assert house.llm.invoke("hi", {"metadata": {"langroute_kind": "control"}}).content == "large"
        with pytest.raises(ConfigError, match="langroute_kind"):
            house.llm.invoke("hi", {"metadata": {"langroute_kind": "thinking"}})
        with pytest.raises(NoArmAvailable, match="pinned to 'huge', which the pool does not have"):
            house.llm.invoke("hi", {"metadata": {"langroute_arm": "huge"}})


def test_several_answers_per_call_are_refused() -> None:
    """n > 1 would be billed n times under one hold."""
    house = House()
    with house.router.episode("e"), pytest.raises(ConfigError, match="n:"):
        house.llm.invoke("hi", n=2)


def test_a_finished_episode_takes_no_more_calls() -> None:
    """finish() closes the episode and keeps what is known of its quality."""
    house = House()
    with house.router.episode("e") as episode:
        house.llm.invoke("hi")
        episode.finish(success=True, note="graded")
        with pytest.raises(LedgerError, match="closed"):
            house.llm.invoke("hi")
    assert house.router.journal.end("e").success == 1.0
    assert settled(house, "e")


def test_something_else_than_a_router_is_refused() -> None:
    """A pool given in place of a router is told apart at once."""
    with pytest.raises(ConfigError, match="router: must be a StepRouter, not ModelPool"):
        RoutedChatModel(House().pool)  # type: ignore[arg-type]


def test_the_model_itself_is_what_langchain_expects() -> None:
    """It has a type, a shared profile, and answers as an AIMessage."""
    house = House()
    assert house.llm._llm_type == "langroute"
    with house.router.episode("e"):
        assert isinstance(house.llm.invoke([("human", "hi")]), AIMessage)
    assert LARGE.cost(input_tokens=1, output_tokens=1) > SMALL.cost(input_tokens=1, output_tokens=1)
