"""RoutingMiddleware with a `response_format`: each arm in its own way, and what does not fit is made again."""

import json
from typing import Any

import pytest
from langchain.agents.structured_output import ProviderStrategy, StructuredOutputValidationError, ToolStrategy
from pydantic import BaseModel

from langroute import ModelPool, StepRouter
from langroute.integrations.middleware import RoutingMiddleware
from langroute.testing import Reply, ScriptedModel
from tests.integration.agents import add, agent_of, all_records, books_hold
from tests.integration.routed import LARGE, SMALL, House

WORK: Any = {"metadata": {"langroute_kind": "execution"}}
INPUT: Any = {"messages": [("user", "add 1 and 2")]}


class Sum(BaseModel):
    """A sum."""

    total: int


class Word(BaseModel):
    """A word."""

    text: str


GOOD = Reply(tool_calls=(("Sum", {"total": 3}),))
NATIVE = Reply(text=json.dumps({"total": 3}))
BAD = [Reply(tool_calls=(("Sum", {"total": "three"}),)), Reply(tool_calls=(("Sum", {}),)), Reply(text="It is 3.")]


class Formatting(ScriptedModel):
    """A scripted model whose class has a way of its own to give structured output, as OpenAI's does."""

    def with_structured_output(self, schema: Any, *, method: str = "json_schema", **kwargs: Any) -> Any:
        """The model, told the schema."""
        return self.bind(response_format=schema, method=method, **kwargs)


class Native(House):
    """A house whose large model has structured output of its own, which its small one lacks."""

    def __init__(self, *, small: Any, large: Any) -> None:
        self.small = Formatting(small, model_name="s-1", profile={"structured_output": False})
        self.large = Formatting(large, model_name="l-1", profile={"structured_output": True})
        self.pool = ModelPool({"small": self.small, "large": self.large}, prices={"small": SMALL, "large": LARGE})
        self.router = StepRouter(self.pool)


@pytest.mark.parametrize("form", [Sum, ToolStrategy(Sum), ToolStrategy(Sum | Word)], ids=["raw", "tool", "union"])
def test_a_schema_is_bound_on_the_chosen_model(form: Any) -> None:
    """A raw schema and a tool strategy give the structured response, by a tool that LangChain binds itself."""
    house = House(small=[GOOD])
    state = agent_of(house, tools=[add], response_format=form).invoke(INPUT, WORK)
    assert state["structured_response"] == Sum(total=3)
    sent = house.small.calls[0].kwargs
    assert {tool["function"]["name"] for tool in sent["tools"]} >= {"add", "Sum"}
    assert sent["tool_choice"] == "any"
    assert all_records(house)[0].outcome.defects == ()
    assert books_hold(house)


async def test_a_schema_works_for_async_agents() -> None:
    """ainvoke gives the structured response too."""
    house = House(small=[GOOD])
    state = await agent_of(house, response_format=Sum).ainvoke(INPUT, WORK)
    assert state["structured_response"] == Sum(total=3)
    assert books_hold(house)


def test_a_raw_schema_takes_each_arms_own_way() -> None:
    """Under a raw schema the arm's profile decides: the provider's own way for one, a tool for the other."""
    house = Native(small=[GOOD], large=[NATIVE])
    agent = agent_of(house, response_format=Sum)
    assert agent.invoke(INPUT, {"metadata": {"langroute_arm": "small"}})["structured_response"] == Sum(total=3)
    assert agent.invoke(INPUT, {"metadata": {"langroute_arm": "large"}})["structured_response"] == Sum(total=3)
    assert "response_format" not in house.small.calls[0].kwargs
    assert "response_format" in house.large.calls[0].kwargs
    assert books_hold(house)


@pytest.mark.parametrize("bad", BAD, ids=["wrong type", "missing", "no call"])
@pytest.mark.parametrize("form", [Sum, ToolStrategy(Sum, handle_errors=False)], ids=["raw", "raising"])
def test_an_answer_that_does_not_fit_is_made_again_by_another_arm(form: Any, bad: Reply) -> None:
    """What does not fit the schema never reaches the agent: a stronger arm answers, and both are paid for."""
    house = House(small=[bad], large=[GOOD])
    state = agent_of(house, response_format=form).invoke(INPUT, WORK)
    assert state["structured_response"] == Sum(total=3)
    first, second = all_records(house)
    assert "invalid_structure" in first.outcome.defects or "invalid_arguments" in first.outcome.defects
    assert (first.outcome.accepted, second.outcome.accepted) == (False, True)
    assert not first.outcome.worst_case
    assert books_hold(house)


async def test_an_answer_that_does_not_fit_is_made_again_in_async_agents() -> None:
    """The same for ainvoke."""
    house = House(small=[BAD[0]], large=[GOOD])
    state = await agent_of(house, response_format=Sum).ainvoke(INPUT, WORK)
    assert state["structured_response"] == Sum(total=3)
    assert [record.outcome.accepted for record in all_records(house)] == [False, True]
    assert books_hold(house)


def test_a_demanded_provider_strategy_goes_to_an_arm_that_has_it() -> None:
    """``ProviderStrategy`` masks arms whose profile says they cannot; what does not parse is made again or raised."""
    house = Native(small=[], large=[NATIVE])
    state = agent_of(house, response_format=ProviderStrategy(Sum)).invoke(INPUT, WORK)
    assert state["structured_response"] == Sum(total=3)
    (record,) = all_records(house)
    assert "structured output" in next(item.why_not for item in record.decision.alternatives if item.arm == "small")


def test_when_no_arm_fits_the_schema_langchains_error_is_raised() -> None:
    """The error of the last answer is raised as LangChain raises it; both answers are in the books at their price."""
    house = House(small=["no json"], large=["no json either"])
    with pytest.raises(StructuredOutputValidationError):
        agent_of(house, tools=[], response_format=ProviderStrategy(Sum)).invoke(INPUT, WORK)
    assert [record.outcome.worst_case for record in all_records(house) if record.outcome] == [False, False]
    assert books_hold(house)


def test_where_no_arm_fits_the_tool_langchain_tells_the_model() -> None:
    """With a tool strategy the last misfit goes back to the model, as without routing; the next turn may mend it."""

    def mending(messages: Any, kwargs: Any) -> Reply:
        return GOOD if messages[-1].type == "tool" else BAD[0]

    house = House(small=mending, large=mending)
    state = agent_of(house, response_format=ToolStrategy(Sum)).invoke(INPUT, WORK)
    assert state["structured_response"] == Sum(total=3)
    assert len(all_records(house)) == 3  # two misfits and the mended answer
    assert books_hold(house)


def test_the_schema_is_part_of_the_hold() -> None:
    """The input that is held counts the schema's bytes."""
    house = House(small=lambda messages, kwargs: GOOD)
    agent_of(house, tools=[], response_format=Sum).invoke(INPUT, WORK)
    bare = House(small=lambda messages, kwargs: "3")
    agent_of(bare, tools=[]).invoke(INPUT, WORK)
    (with_schema,), (without,) = all_records(house), all_records(bare)
    assert with_schema.step.input_bound > without.step.input_bound + 50


def test_a_schema_in_a_stream() -> None:
    """Token streams of an agent with a schema give the structured response, counted once."""
    house = House(small=[GOOD])
    agent = agent_of(house, RoutingMiddleware(house.router), response_format=Sum)
    chunks = list(agent.stream(INPUT, WORK, stream_mode=["messages", "values"]))
    assert [data for mode, data in chunks if mode == "values"][-1]["structured_response"] == Sum(total=3)
    assert len(all_records(house)) == len(house.small.calls) == 1
    assert books_hold(house)
