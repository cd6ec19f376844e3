"""One pool over strict local servers of four wire formats, by the real partner packages; arms that take turns."""

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool

from langroute import Budget, ModelPool, Price, RoutedChatModel, StepRouter
from langroute.policies.pinned import PinnedPolicy
from langroute.records import Estimate, Record, RoutingDecision, Ruling, Step
from langroute.testing import AnthropicServer, GoogleServer, Reply, ResponsesServer, ScriptedServer
from langroute.testing.answerer import obliging
from langroute.testing.wire_server import WireServer

PRICE = Price(input_per_million=0.137, output_per_million=1.011, cached_input_per_million=0.0137)
THINKING = {"type": "enabled", "budget_tokens": 1024}
REASONING = {"effort": "low", "summary": "auto"}
CALLS = (("add", {"a": 1, "b": 2}), ("add", {"a": 3, "b": 4}))


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def working(request: Any) -> Any:
    """Thinks, says a word and calls a tool twice at once; answers in the end, and whoever demands a schema at once."""
    if "json_object" in str(request) or '"ok"' in json.dumps(request):
        return obliging(request)
    if str(request).count("add") >= 40 or "no tools are at hand" in str(request):
        return Reply(text="It is done.", thinking="That is all.")
    return Reply(text="Let me see.", thinking="I should add.", tool_calls=CALLS)


class InTurn:
    """Another arm at every step."""

    name, version = "in-turn", "1"

    def __init__(self, order: Sequence[str]) -> None:
        self.order = tuple(order)

    def choose(self, step: Step, estimates: Sequence[Estimate], ruling: Ruling) -> RoutingDecision:
        """The arm whose turn it is; where it is not permitted, the one after it."""
        turn = step.call_index % len(self.order)
        order = (*self.order[turn:], *self.order[:turn])
        return PinnedPolicy(order, name=self.name).choose(step, estimates, ruling)


class BedrockLike(ChatAnthropic):
    """Claude by another way than Anthropic's own API, as the packages for other clouds build on this one."""

    @property
    def _llm_type(self) -> str:
        return "anthropic-elsewhere"


class SwapBench:
    """Servers, a pool of their models, and what went over the wire.

    Args:
        answers: what all servers answer.
        binds_prefix: Anthropic's server refuses thoughts whose prefix has changed, as newer models do.
    """

    def __init__(self, answers: Callable[[Any], Any] = working, *, binds_prefix: bool = False) -> None:
        self.chat = ScriptedServer(answers, prices={"gpt-4.1": PRICE})
        self.responses = ResponsesServer(answers, prices={"gpt-5": PRICE, "gpt-5-mini": PRICE})
        claudes = dict.fromkeys(("claude-sonnet-4-6", "scripted-opus", "claude-haiku-4-5"), PRICE)
        self.anthropic = AnthropicServer(answers, prices=claudes, binds_prefix=binds_prefix)
        self.elsewhere = AnthropicServer(answers, prices=claudes, tools_with_history=True)
        self.google = GoogleServer(answers, prices={"gemini-3-pro-preview": PRICE})
        self.servers: tuple[WireServer, ...] = (
            self.chat,
            self.responses,
            self.anthropic,
            self.elsewhere,
            self.google,
        )
        self._open = ExitStack()

    def __enter__(self) -> "SwapBench":
        for server in self.servers:
            self._open.enter_context(server)
        self.models: dict[str, Any] = {
            "chat": self.chat.chat_model("gpt-4.1"),
            "responses": self.responses.chat_model("gpt-5", reasoning=REASONING),
            "sealed": self.responses.chat_model(
                "gpt-5-mini", reasoning=REASONING, store=False, include=["reasoning.encrypted_content"]
            ),
            "sonnet": self.anthropic.chat_model("claude-sonnet-4-6", thinking=THINKING, max_tokens=4000),
            "opus": self.anthropic.chat_model("scripted-opus", thinking=THINKING, max_tokens=4000),
            "haiku": self.anthropic.chat_model("claude-haiku-4-5", max_tokens=4000),
            "elsewhere": BedrockLike(
                model_name="claude-haiku-4-5", base_url=self.elsewhere.origin, api_key=self.elsewhere.key
            ),
            "gemini": self.google.chat_model("gemini-3-pro-preview", include_thoughts=True),
        }
        self.pool = ModelPool(self.models, prices=dict.fromkeys(self.models, PRICE))
        return self

    def __exit__(self, *error: object) -> None:
        for model in (self.models["gemini"], self.pool.model("gemini")):
            model.client.close()
        self._open.close()

    async def aclose(self, arms: Sequence[str]) -> None:
        """Close the async connections of some arms, in the event loop that opened them."""
        for arm in arms:
            model: Any = self.pool.model(arm)
            if arm == "gemini":
                await model.client.aio.aclose()
            else:
                await (model._async_client if arm == "haiku" else model.root_async_client).close()

    def router(self, order: Sequence[str] = ("chat",), **options: Any) -> StepRouter:
        """A router whose arms take turns in this order."""
        return StepRouter(self.pool, policy=InTurn(order), **{"budget": Budget(total_dollars=1.0), **options})

    def begin(self) -> None:
        """Forget what was metered and sent."""
        for server in self.servers:
            server.meter.reset()
            server.requests.clear()

    def metered(self) -> int:
        """Nano-dollars that all servers metered."""
        for server in self.servers:
            server.wait_idle()
        return sum(server.meter.total().nano_dollars for server in self.servers)


def pinned(arm: str) -> RunnableConfig:
    """A config that demands an arm for a step of execution."""
    return {"metadata": {"langroute_arm": arm, "langroute_kind": "execution"}}


def talk(llm: Any, arms: Sequence[str], start: Sequence[BaseMessage] = ()) -> list[BaseMessage]:
    """A tool loop in which each of these arms answers in turn; every call gets its result."""
    messages = [*start] or [SystemMessage("Be exact."), HumanMessage("Add.")]
    for arm in arms:
        answer = llm.invoke(messages, pinned(arm))
        messages.append(answer)
        messages += results(answer)
    return messages


def results(answer: AIMessage) -> list[ToolMessage]:
    """A result for every call of an answer."""
    return [ToolMessage("3", tool_call_id=call["id"]) for call in answer.tool_calls]


def routed(bench: SwapBench, **options: Any) -> Any:
    """The routed model with the tool bound."""
    return RoutedChatModel(bench.router(**options)).bind_tools([add])


def swapped(records: Sequence[Record]) -> list[tuple[str, ...]]:
    """What was changed or left out, call by call."""
    return [record.outcome.swapped for record in records if record.outcome is not None]
