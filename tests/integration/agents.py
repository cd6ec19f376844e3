"""What the tests of the middleware door share: agents over a routed house."""

from collections.abc import Mapping, Sequence
from typing import Any

from langchain.agents import create_agent
from langchain_core.messages import BaseMessage
from langchain_core.tools import tool

from langroute.integrations.middleware import RoutingMiddleware
from langroute.testing import Reply, ScriptedModel
from tests.integration.routed import House


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def adder(messages: Sequence[BaseMessage], kwargs: Mapping[str, Any]) -> str | Reply:
    """Calls the tool once, then answers with its result."""
    last = messages[-1]
    return f"It is {last.text}." if last.type == "tool" else Reply(tool_calls=(("add", {"a": 1, "b": 2}),))


def unused() -> ScriptedModel:
    """A model that fails the test when it is called: the agent's own, which the router's choice replaces."""
    return ScriptedModel([], model_name="the agent's own")


def adding(**options: Any) -> House:
    """A house whose models play the adder."""
    return House(**{"small": adder, "large": adder, **options})


def agent_of(house: House, *beside: Any, model: Any = None, tools: Sequence[Any] = (add,), **options: Any) -> Any:
    """An agent with the routing middleware alone, or with the middleware given, which has it somewhere."""
    middleware = list(beside) or [RoutingMiddleware(house.router)]
    return create_agent(unused() if model is None else model, list(tools), middleware=middleware, **options)


def ask(agent: Any, text: str = "add 1 and 2", config: Any = None) -> str:
    """The text of an agent's last message."""
    return str(agent.invoke({"messages": [("user", text)]}, config)["messages"][-1].text)


def books_hold(house: House) -> bool:
    """Whether every episode's books equal its records, nothing is held any more, and no worst case was booked."""
    house.router.flush()
    for episode in house.router.journal.episodes():
        balance, records = house.router.balance(episode), house.records(episode)
        booked = sum(record.outcome.cost_nano for record in records if record.outcome)
        if balance.held.nano_usd or balance.spent.nano_usd != booked:
            return False
    return True


def all_records(house: House) -> list[Any]:
    """The records of all episodes."""
    house.router.flush()
    return [record for episode in house.router.journal.episodes() for record in house.records(episode)]
