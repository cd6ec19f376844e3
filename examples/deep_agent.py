"""A deep agent with subagents under one budget, offline: every call of all of them is routed once.

deepagents hands no middleware to its general-purpose subagent, so the model itself is the routed one. The middleware
beside it puts in the real model for the main agent's calls, and runs the tools inside the episode.

The lab's tiny models cannot play a deep agent, so scripted models speak here: they cost what is said and need nothing.

Run it: ``python examples/deep_agent.py``
"""

from collections.abc import Mapping, Sequence
from typing import Any

from deepagents import create_deep_agent
from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.tools import tool

from langroute import Budget, ModelPool, Price, RoutedChatModel, RoutingMiddleware, StepRouter, current_episode
from langroute.money import format_dollars
from langroute.testing import Reply, ScriptedModel

PRICES = {
    "small": Price(input_per_million=0.10, output_per_million=0.40),
    "large": Price(input_per_million=2.50, output_per_million=10.00),
}
VISITS = {"Aare": "bring a towel", "Limmat": "mind the current"}


@tool
def look_up(river: str) -> str:
    """What is known about a river, and what is left of the budget."""
    episode = current_episode()
    left = None if episode is None else episode.look().available_nano("general")
    print(f"  tool: {river}, {format_dollars(left or 0)} left")
    return VISITS[river]


def speak(messages: Sequence[BaseMessage], kwargs: Mapping[str, Any]) -> Reply:
    """What the models say: the agent sends a researcher per river and a critic, and sums up what they found."""
    tools = {item["function"]["name"] for item in kwargs.get("tools", ())}
    found = [str(message.text) for message in messages if message.type == "tool"]
    if "task" in tools:
        return _lead(found)
    if "look_up" in tools and not found:
        river = messages[-1].text.split()[-1]
        return Reply(text="", tool_calls=(("look_up", {"river": river}),), input_tokens=900, output_tokens=20)
    return Reply(text=found[0] if found else "Sound advice.", input_tokens=950, output_tokens=15)


def _lead(found: list[str]) -> Reply:
    if not found:
        sent = tuple(
            ("task", {"subagent_type": "general-purpose", "description": f"Look up {river}"}) for river in VISITS
        )
        return Reply(tool_calls=sent, input_tokens=2_400, output_tokens=60)
    if len(found) == len(VISITS):
        check = {"subagent_type": "critic", "description": "Check: " + "; ".join(found)}
        return Reply(tool_calls=(("task", check),), input_tokens=2_600, output_tokens=40)
    return Reply(text="Before you swim: " + " and ".join(found[: len(VISITS)]) + ".", input_tokens=2_700)


def main() -> None:
    """Run the agent and print what each call was and cost."""
    pool = ModelPool({name: ScriptedModel(speak, model_name=name) for name in PRICES}, prices=PRICES)
    router = StepRouter(pool, budget=Budget(total_dollars=0.25))
    critic: Any = {
        "name": "critic",
        "description": "checks what was found",
        "system_prompt": "Verify the claims.",
        "tools": [],
        "middleware": [RoutingMiddleware(router, kind="verification")],
    }
    agent = create_deep_agent(
        model=RoutedChatModel(router),
        tools=[look_up],
        middleware=[RoutingMiddleware(router)],
        subagents=[critic],
    )
    with router.episode("swim") as episode:
        state = agent.invoke({"messages": [HumanMessage("What must I know before I swim?")]})
    print(state["messages"][-1].text)
    for record in sorted(router.journal.records(episode.id), key=lambda record: record.step.call_index):
        cost = format_dollars(record.outcome.cost_nano) if record.outcome else ""
        print(f"  {record.step.call_index}  {record.step.kind:<13} {record.decision.arm:<6} {cost}")
    print(f"{format_dollars(episode.look().spent.nano_usd)} of $0.25 spent, by all agents together")


if __name__ == "__main__":
    main()
