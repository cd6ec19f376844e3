"""What ``overhead.py`` times: each case is a function that makes a number of calls and returns the seconds of one.

All cases answer with the same instant fake model. An agent's turn is one ``invoke`` of a ``create_agent`` graph; the
routed ones choose among four arms, keep a memory ledger, and log and journal every step. Each turn is a run, so an
episode, of its own. Histories alternate between n and n + 2 messages, as turns of one conversation do.
"""

import asyncio
import logging
import math
import os
import random
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

from langroute import Budget, ModelPool, Price, RoutedChatModel, StepRouter, drivers
from langroute.episodes import RunPlace
from langroute.flow import Call, Reply, journey
from langroute.integrations.request import StepReader, model_call
from langroute.records import KINDS, Step, Usage

Case = Callable[[int], float]
clock: Callable[[], float] = time.perf_counter


def use_cpu_clock() -> None:
    """Count the processor's seconds of this process instead of the wall's, for a busy machine."""
    global clock  # noqa: PLW0603 - one clock for all cases of a run
    clock = time.process_time


SHORT, TEN, LONG = 1, 10, 1_000
_PRICES = {
    name: Price(input_per_million=rate, output_per_million=8 * rate)
    for name, rate in {"nano": 0.05, "mini": 0.25, "plain": 1.25, "large": 5.0}.items()
}
_BUDGET = Budget(total_dollars=1.0, reserve_for_final_synthesis=0.1)


class InstantModel(BaseChatModel):
    """Answers at once, as a provider's model would: with usage and its own name."""

    model_name: str = "instant"

    @property
    def _llm_type(self) -> str:
        return "instant"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        """Bind tools as LangChain's own models do."""
        return self.bind(tools=[convert_to_openai_tool(item) for item in tools], **kwargs)

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        answer = AIMessage(
            "yes",
            usage_metadata={"input_tokens": 12, "output_tokens": 3, "total_tokens": 15},
            response_metadata={"model_name": self.model_name},
        )
        return ChatResult(generations=[ChatGeneration(message=answer)])

    async def _agenerate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        return self._generate(messages, stop, run_manager, **kwargs)


@tool
def search(query: str, limit: int = 5) -> str:
    """Search the shop for products.

    Args:
        query: what to look for.
        limit: how many to return.
    """
    return query * limit


@tool
def order(product: str, amount: int) -> str:
    """Order a product.

    Args:
        product: its name.
        amount: how many of it.
    """
    return product * amount


def pool() -> ModelPool:
    """Four arms, each an instant model."""
    return ModelPool({name: InstantModel(model_name=name) for name in _PRICES}, prices=_PRICES)


def router(**options: Any) -> StepRouter:
    """A router over the four arms, with a budget, whose log is on."""
    return StepRouter(pool(), budget=_BUDGET, **options)


def log_to_nowhere() -> None:
    """Switch langroute's log on: every line is rendered and written, to a file that keeps nothing."""
    handler = logging.StreamHandler(Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - as long as we run
    logger = logging.getLogger("langroute")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


def history(messages: int) -> list[BaseMessage]:
    """A conversation that ends with a question."""
    pairs = [
        HumanMessage(f"What about number {index}?", id=f"h{index}")
        if index % 2 == 0
        else AIMessage(f"Number {index} is in stock, and ships tomorrow.", id=f"a{index}")
        for index in range(messages + messages % 2 - 1)
    ]
    return pairs[-messages:]


def turns(messages: int) -> list[list[BaseMessage]]:
    """The same conversation at two of its turns."""
    whole = history(messages + 2)
    return [whole[:-2], whole] if messages % 2 else [whole[1:-2], whole[1:]]


def bare_step() -> Case:
    """R: one step of a graph whose only node does nothing."""

    class State(TypedDict):
        value: int

    builder = StateGraph(State)
    builder.add_node("step", lambda state: {"value": 1})
    builder.add_edge(START, "step")
    builder.add_edge("step", END)
    graph = builder.compile()
    return _timed(lambda: graph.invoke({"value": 0}))


def agent(
    model: BaseChatModel, *, messages: int = SHORT, middleware: Sequence[Any] = (), tools: Sequence[Any] = ()
) -> Case:
    """A turn of an agent."""
    graph = create_agent(model, tools=list(tools), middleware=list(middleware))
    inputs = cycle([{"messages": turn} for turn in turns(messages)])
    return _timed(lambda: graph.invoke(next(inputs)))


def async_agent(loop: asyncio.AbstractEventLoop, model: BaseChatModel, *, middleware: Sequence[Any] = ()) -> Case:
    """A turn of an agent, asynchronously."""
    graph = create_agent(model, tools=[], middleware=list(middleware))
    inputs = cycle([{"messages": turn} for turn in turns(SHORT)])

    async def batch(calls: int) -> float:
        began = clock()
        for _ in range(calls):
            await graph.ainvoke(next(inputs))
        return (clock() - began) / calls

    return lambda calls: loop.run_until_complete(batch(calls))


def routed(**options: Any) -> BaseChatModel:
    """The chat model door."""
    return RoutedChatModel(router(**options))


def routing_middleware(**options: Any) -> Any:
    """The middleware door.

    Raises:
        ImportError: this version has none.
    """
    from langroute.integrations.middleware import RoutingMiddleware  # noqa: PLC0415 - may be missing

    return RoutingMiddleware(router(**options))


def boosted_policy(folder: Path) -> str:
    """A policy of boosted trees over the four arms, trained here and stored: 100 trees for each of its three sums.

    Raises:
        ImportError: XGBoost is not installed.
    """
    import xgboost  # noqa: F401, PLC0415 - says that it is missing

    from langroute.learning.boosted_sums import TreeOptions  # noqa: PLC0415
    from langroute.learning.boosting import BoostedLearner  # noqa: PLC0415
    from langroute.learning.examples import Examples  # noqa: PLC0415
    from langroute.learning.training import train  # noqa: PLC0415

    # So slow a rate that no sum stops before its last tree: the most that a decision may have to walk.
    options = TreeOptions(rate=0.01, patience=100, folds=2)
    trained = train(Examples.read(_outcomes()), BoostedLearner(options=options), folds=2)
    return str(trained.save(folder / "boosted"))


def _outcomes(rows: int = 4_000) -> dict[str, Any]:
    """Steps of which every column that a policy reads tells something."""
    source, columns = random.Random(0), defaultdict(list)
    for number in range(rows):
        arm, kind = source.randrange(4), source.randrange(4)
        retries, size, share = source.randrange(3), source.lognormvariate(8, 1), source.random()
        chance = 0.55 + 0.08 * arm - 0.08 * kind - 0.06 * retries + 0.1 * share - 0.02 * math.log(size)
        tokens = 1 + round(source.gammavariate(4, 20) * (1 + kind + retries))
        row = {
            "task": f"task-{number // 4}",
            "arm": list(_PRICES)[arm],
            "success": float(source.random() < chance),
            "cost_usd": tokens * 1e-6 * 4.0**arm,
            "output_tokens": float(tokens),
            "kind": KINDS[kind],
            "node": f"node-{source.randrange(12)}",
            "tool_category": source.choice(("", "search", "code")),
            "retries": float(retries),
            "input_tokens": size,
            "prompt_bytes": 4 * size * source.random(),
            "budget_share": share,
            "call_index": float(number % 4),
            "prior_confidence": source.choice((None, source.random())),
        }
        for name, value in row.items():
            columns[name].append(value)
    return dict(columns)


def plain_hook() -> Any:
    """A middleware of LangChain with one sync hook that does nothing: what any of them costs an async agent."""

    class PlainHook(AgentMiddleware):
        def before_model(self, state: Any, runtime: Any) -> dict[str, Any] | None:
            return None

    return PlainHook()


def own_path(messages: int) -> Case:
    """Observe, decide, hold, settle, record: langroute's own part of a call, without LangChain around it."""
    desk, config = router(), RunnableConfig(metadata={"langgraph_node": "model"})
    calls = cycle(
        [model_call(prompt=turn, messages=turn, config=config, options={"tools": [search]}) for turn in turns(messages)]
    )
    reader, caller = StepReader(desk.config, desk.pool), _Answering()
    place = RunPlace(explicit="own-path")

    def step() -> None:
        call = next(calls)

        def observe(episode: str, index: int, /, *, compress: bool = False) -> Step:
            return reader.read(call, episode=episode, call_index=index)

        drivers.run(journey(desk, place, observe), desk, caller)

    desk.episode("own-path", budget=Budget())  # without a limit: it lasts for all calls
    return _timed(step)


class _Answering:
    """A caller that brings the same answer each time."""

    _reply = Reply(value="yes", usage=Usage(input_tokens=12, output_tokens=3), served_by="nano")

    def call(self, act: Call) -> Reply:
        return self._reply

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


def _timed(call: Callable[[], Any]) -> Case:
    def batch(calls: int) -> float:
        began = clock()
        for _ in range(calls):
            call()
        return (clock() - began) / calls

    return batch


def cases(loop: asyncio.AbstractEventLoop, folder: Path) -> tuple[dict[str, Case], Mapping[str, str]]:
    """Every case by name, and why some of them cannot be measured."""
    made: dict[str, Case] = {
        "bare_step": bare_step(),
        "agent": agent(InstantModel()),
        "agent_async": async_agent(loop, InstantModel()),
        "agent_1000": agent(InstantModel(), messages=LONG),
        "chat_model": agent(routed()),
        "chat_model_async": async_agent(loop, routed()),
        "chat_model_1000": agent(routed(), messages=LONG),
        "agent_tools": agent(InstantModel(), tools=[search, order]),
        "chat_model_tools": agent(routed(), tools=[search, order]),
        "chat_model_sqlite": agent(routed(ledger=_sqlite_ledger(folder))),
        "own_path_10": own_path(TEN),
        "own_path_1000": own_path(LONG),
        "plain_hook_async": async_agent(loop, InstantModel(), middleware=[plain_hook()]),
    }
    reasons: dict[str, str] = {}
    try:
        learned = boosted_policy(folder)
        made["boosted"] = agent(routed(policy=learned))
        made["boosted_async"] = async_agent(loop, routed(policy=learned))
        made["boosted_1000"] = agent(routed(policy=learned), messages=LONG)
        made["boosted_middleware"] = agent(InstantModel(), middleware=[routing_middleware(policy=learned)])
    except ImportError as missing:
        reasons["boosted"] = f"XGBoost is not installed ({missing})"
    try:
        made["middleware"] = agent(InstantModel(), middleware=[routing_middleware()])
        made["middleware_1000"] = agent(InstantModel(), middleware=[routing_middleware()], messages=LONG)
        made["middleware_tools"] = agent(InstantModel(), middleware=[routing_middleware()], tools=[search, order])
        made["middleware_async"] = async_agent(loop, InstantModel(), middleware=[routing_middleware()])
    except ImportError as missing:
        reasons["middleware"] = f"this version has no middleware door ({missing})"
    return made, reasons


def _sqlite_ledger(folder: Path) -> Any:
    from langroute.ledgers import open_ledger  # noqa: PLC0415

    return open_ledger(f"sqlite:///{folder / 'books.db'}")
