"""Swaps that cannot break: one conversation over four wire formats, on servers as strict as the providers.

The requests are built by the real packages. What each server refuses, and by which documentation, stands with it.
"""

import asyncio
from collections.abc import Iterator
from copy import deepcopy
from functools import reduce
from itertools import permutations
from operator import add as add_up
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.exceptions import ModelInvalidRequestError
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from pydantic import BaseModel

from langroute import Budget, NoArmAvailable, RoutedChatModel, RoutingMiddleware
from langroute.integrations.swap import reasons as why
from tests.integration.swap_bench import SwapBench, add, pinned, results, routed, swapped, talk

ARMS = ("chat", "responses", "sealed", "sonnet", "opus", "haiku", "elsewhere", "gemini")
PNG = {"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png"}


class Verdict(BaseModel):
    """A verdict."""

    ok: bool


@pytest.fixture(scope="module")
def serving() -> Iterator[SwapBench]:
    """The servers, for all tests of this module."""
    with SwapBench() as bench:
        yield bench


@pytest.fixture
def bench(serving: SwapBench) -> SwapBench:
    """The servers as new."""
    serving.begin()
    return serving


# -- every way from one arm to another ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "second"), list(permutations(ARMS, 2)))
def test_any_arm_goes_on_where_any_other_left_off(bench: SwapBench, first: str, second: str) -> None:
    """Thoughts, parallel calls and all, there and back again: nobody refuses, state stays, and the books are right."""
    router = bench.router()
    llm = RoutedChatModel(router).bind_tools([add])
    with router.episode("e"):
        messages = talk(llm, (first,))
        before, seen = deepcopy(messages), list(messages)
        messages = talk(llm, (second, first, second), messages)
    assert messages[: len(before)] == before
    assert all(left is right for left, right in zip(messages, seen, strict=False))
    assert router.balance("e").spent.nano_usd == bench.metered()
    assert all(isinstance(message, AIMessage) and message.tool_calls for message in messages if message.type == "ai")


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ("chat", "opus", "must start with a thinking block"),
        ("haiku", "sonnet", "must start with a thinking block"),
        ("gemini", "haiku", "thinking.signature: Field required"),
        ("responses", "sealed", "without its required 'reasoning' item"),
        ("haiku", "elsewhere", "must define tools"),
    ],
)
def test_without_being_made_fit_the_same_conversations_break(
    bench: SwapBench, first: str, second: str, told: str
) -> None:
    """The control: where the second package is given the first one's answers as they are, the provider refuses."""
    messages = talk(routed(bench), (first,))
    plain = bench.models[second]
    with pytest.raises(ModelInvalidRequestError, match=told):
        (plain if second == "elsewhere" else plain.bind_tools([add])).invoke(messages)
    fit = RoutedChatModel(bench.router())
    answer = (fit if second == "elsewhere" else fit.bind_tools([add])).invoke(messages, pinned(second))
    assert answer.text


def test_streams_are_made_fit_as_whole_answers_are(bench: SwapBench) -> None:
    """Each arm in turn, on what the others have streamed."""
    router = bench.router()
    llm = RoutedChatModel(router).bind_tools([add])
    messages: list[BaseMessage] = [HumanMessage("Add.")]
    with router.episode("e"):
        for arm in (*ARMS, *reversed(ARMS)):
            whole = reduce(add_up, llm.stream(messages, pinned(arm)))
            messages += [whole, *results(whole)]
    assert router.balance("e").spent.nano_usd == bench.metered()


def test_async_streams_and_answers_are_made_fit(bench: SwapBench) -> None:
    """Without blocking the event loop, in the same way."""
    router = bench.router()
    llm = RoutedChatModel(router).bind_tools([add])

    async def spoken() -> None:
        messages: list[BaseMessage] = [HumanMessage("Add.")]
        for arm in arms:
            whole: Any = reduce(add_up, [piece async for piece in llm.astream(messages, pinned(arm))])
            messages += [whole, *results(whole)]
            again = await llm.ainvoke(messages, pinned(arm))
            messages += [again, *results(again)]
        await bench.aclose(arms)

    arms = ("chat", "responses", "haiku", "gemini")
    with router.episode("e"):
        asyncio.run(spoken())
    assert router.balance("e").spent.nano_usd == bench.metered()


# -- agents ------------------------------------------------------------------------------------------------------------


def test_an_agent_whose_arm_changes_at_every_step_comes_to_its_end(bench: SwapBench) -> None:
    """`create_agent` under the middleware: each step by another provider, tools run in between."""
    router = bench.router(("responses", "sonnet", "gemini", "chat", "opus"))
    agent = create_agent(bench.models["chat"], tools=[add], middleware=[RoutingMiddleware(router)])
    with router.episode("e"):
        state = agent.invoke({"messages": [HumanMessage("Add.")]})
    assert state["messages"][-1].text == "It is done."
    router.flush()
    records = router.journal.records("e")
    assert [record.decision.arm for record in records][:3] == ["responses", "sonnet", "gemini"]
    assert why.REASONING in swapped(records)[1]
    assert router.balance("e").spent.nano_usd == bench.metered()


def test_structured_answers_come_from_every_arm(bench: SwapBench) -> None:
    """A schema by the way of each provider, on a conversation of the one before."""
    router = bench.router()
    llm = RoutedChatModel(router)
    with router.episode("e"):
        for arm in ("chat", "responses", "haiku", "gemini"):
            messages = talk(llm.bind_tools([add]), ("opus", "gemini"))
            messages += [HumanMessage("Is it done? Answer in JSON.")]
            for options in ({}, {"method": "json_mode"} if arm in {"chat", "responses"} else {"strict": True}):
                said = llm.with_structured_output(Verdict, include_raw=True, **options)
                assert "parsed" in said.invoke(messages, pinned(arm))


def test_the_last_call_of_a_loop_keeps_claudes_tools(serving: SwapBench) -> None:
    """Thoughts are bound to the tools: the last call rules out calling them, where it takes them away from others."""
    with SwapBench(binds_prefix=True) as bench:
        for arm in ("haiku", "chat"):
            bench.begin()
            router = bench.router((arm,), budget=Budget(total_dollars=0.0009))
            agent = create_agent(bench.models["chat"], tools=[add], middleware=[RoutingMiddleware(router)])
            with router.episode(arm):
                state = agent.invoke({"messages": [HumanMessage("Add.")]}, {"recursion_limit": 60})
            assert state["messages"][-1].text == "It is done."
            sent = (bench.anthropic if arm == "haiku" else bench.chat).requests[-1]
            assert sent.get("tool_choice") == ({"type": "none"} if arm == "haiku" else None)
            assert bool(sent.get("tools")) == (arm == "haiku")


def test_thoughts_stay_valid_while_other_arms_answer_in_between(serving: SwapBench) -> None:
    """Newer Claudes check that nothing before a thought has changed since; what they are sent only ever grows."""
    with SwapBench(binds_prefix=True) as bench:
        llm = routed(bench)
        messages = talk(llm, ("sonnet", "chat", "sonnet", "gemini", "sonnet", "opus", "sonnet"))
        messages += [HumanMessage("And now?"), SystemMessage("Be brief.")]
        talk(llm, ("sonnet", "responses", "sonnet"), messages)
        kept = [
            block
            for message in bench.anthropic.requests[-1]["messages"]
            if isinstance(message["content"], list)
            for block in message["content"]
            if block["type"] == "thinking"
        ]
        assert len(kept) >= 5


# -- what is masked, dropped and rewritten -----------------------------------------------------------------------------


def test_a_picture_from_a_tool_is_seen_by_every_arm(bench: SwapBench) -> None:
    """Where a tool message holds text only, the picture follows in a user's message."""
    llm = routed(bench)
    for arm in ARMS:
        messages = talk(llm, (arm,))[:-2]
        made = messages[-1]
        assert isinstance(made, AIMessage)
        shown = [ToolMessage([PNG], tool_call_id=call["id"]) for call in made.tool_calls]
        for reader in ARMS:
            assert llm.invoke([*messages, *shown], pinned(reader)).tool_calls


def test_settings_that_an_arm_refuses_are_left_out(bench: SwapBench) -> None:
    """One call, any arm: each is sent what it takes, and the log says what was left out."""
    router = bench.router()
    given: dict[str, Any] = {
        "temperature": 0.5,
        "top_k": 5,
        "seed": 1,
        "stop": ["END"],
        "logprobs": True,
        "reasoning_effort": "low",
        "cache_control": {"type": "ephemeral"},
        "parallel_tool_calls": False,
    }
    llm = RoutedChatModel(router).bind_tools([add], tool_choice="auto").bind(**given)
    with router.episode("e"):
        for arm in ARMS:
            llm.invoke([HumanMessage("Add.")], pinned(arm))
    router.flush()
    told = dict(zip(ARMS, swapped(router.journal.records("e")), strict=True))
    assert told["chat"] == tuple(map(why.option_dropped, ("top_k", "cache_control", "reasoning_effort")))
    assert why.option_dropped("temperature") in told["responses"]
    assert why.option_dropped("seed") in told["haiku"]
    assert why.option_dropped("parallel_tool_calls") in told["gemini"]
    assert bench.anthropic.requests[-1]["cache_control"] == {"type": "ephemeral"}


def test_a_providers_own_tool_leaves_only_its_arms(bench: SwapBench) -> None:
    """The others are masked before anything is held; where none is left, the error says why for each."""
    router = bench.router(("chat", "haiku"))
    search = {"type": "web_search_20250305", "name": "web_search"}
    with router.episode("e"):
        RoutedChatModel(router).bind_tools([search]).invoke([HumanMessage("Look it up.")])
    router.flush()
    record = router.journal.records("e")[0]
    assert record.decision.arm in {"sonnet", "opus", "haiku", "elsewhere"}
    rejected = {tried.arm: (tried.reason, tried.why) for tried in record.step.rejected}
    assert rejected["chat"] == ("has no web_search_20250305, a tool of anthropic", "unfit")
    assert set(rejected) == {"chat", "responses", "sealed", "gemini"}
    both = [search, {"google_search": {}}]
    with pytest.raises(NoArmAvailable, match="has no google_search"):
        RoutedChatModel(router).bind(tools=both).invoke([HumanMessage("Look it up.")])
    assert router.balance("e").held.nano_usd == 0


def test_a_file_of_one_provider_leaves_only_its_arms(bench: SwapBench) -> None:
    """An id that was given by OpenAI means nothing elsewhere."""
    router = bench.router(("haiku", "responses"))
    message = HumanMessage([{"type": "text", "text": "Sum it up."}, {"type": "file", "file_id": "file-1"}])
    with router.episode("e"):
        RoutedChatModel(router).invoke([message])
    router.flush()
    record = router.journal.records("e")[0]
    assert record.decision.arm == "responses"
    assert {tried.arm for tried in record.step.rejected} == {"sonnet", "opus", "haiku", "elsewhere", "gemini"}


def test_the_hold_grows_with_what_is_declared(bench: SwapBench) -> None:
    """Tools that are declared for a history are input too: the bound that is held covers them."""
    router = bench.router()
    messages = talk(routed(bench), ("haiku",))
    with router.episode("e"):
        RoutedChatModel(router).invoke(messages, pinned("elsewhere"))
    router.flush()
    record = router.journal.records("e")[0]
    assert swapped([record]) == [(why.TOOLS_DECLARED,)]
    plain = bench.router()
    with plain.episode("e"):
        RoutedChatModel(plain).bind_tools([add]).invoke(messages, pinned("elsewhere"))
    plain.flush()
    sent = bench.elsewhere.requests
    assert [tool["name"] for tool in sent[0]["tools"]] == ["add"]
    assert sent[0]["tool_choice"] == {"type": "none"}
    assert record.outcome is not None
    assert record.outcome.usage is not None
    assert record.step.input_bound > record.outcome.usage.input_tokens


def test_histories_of_every_kind_are_taken_by_every_arm(bench: SwapBench) -> None:
    """Cut runs, trimmed beginnings, words between call and result, prompts in between, markers, empty messages."""
    call: Any = {"name": "add", "args": {"a": 1, "b": 2}, "type": "tool_call"}
    odd: list[list[BaseMessage]] = [
        [HumanMessage("q"), AIMessage("", tool_calls=[{**call, "id": "call_1"}]), HumanMessage("and?")],
        [ToolMessage("3", tool_call_id="call_1"), HumanMessage("and?")],
        [AIMessage("Hello."), HumanMessage("q")],
        [SystemMessage("Write a poem.")],
        [
            HumanMessage("q"),
            AIMessage("", tool_calls=[{**call, "id": "functions.add:0"}]),
            HumanMessage("hurry"),
            ToolMessage("3", tool_call_id="functions.add:0"),
        ],
        [HumanMessage("q"), AIMessage("a"), SystemMessage("Be brief."), HumanMessage("b")],
        [SystemMessage([{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}]), HumanMessage("q")],
        [HumanMessage("q"), AIMessage(" "), HumanMessage(" "), HumanMessage("b")],
        [
            HumanMessage("q"),
            *(AIMessage("", tool_calls=[{**call, "id": "x" * 60}]), ToolMessage("3", tool_call_id="x" * 60)) * 2,
        ],
    ]
    llm = routed(bench)
    for messages in odd:
        before = deepcopy(messages)
        for arm in ARMS:
            assert llm.invoke(messages, pinned(arm)).text
        assert messages == before
