"""The doors of the house, as the contract suite drives them."""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from langchain.agents import create_agent
from langchain.agents.structured_output import ToolStrategy
from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableLambda
from langgraph.graph import END, START, MessagesState, StateGraph

from langroute import RoutedChatModel, StepRouter, route_graph
from langroute.integrations.callbacks import RoutingCallbackHandler
from langroute.integrations.middleware import RoutingMiddleware
from langroute.integrations.node import routed_node
from langroute.testing import DoorCall, ScriptedModel


def prepared(router: StepRouter, call: DoorCall) -> Any:
    """A routed chat model with what the call brings bound to it."""
    return bound(call.model or RoutedChatModel(router), call)


def bound(model: Any, call: DoorCall) -> Any:
    """A chat model with what the call brings bound to it."""
    if call.schema is not None:
        return model.with_structured_output(call.schema)
    return model.bind_tools(call.tools) if call.tools else model


class ChatModelDoor:
    """RoutedChatModel, called as any chat model."""

    name = "RoutedChatModel"
    lacks: Mapping[str, str] = {"nests": "it is what others nest"}

    def run(self, router: StepRouter, call: DoorCall) -> Any:
        return prepared(router, call).invoke(call.messages, call.config)

    async def arun(self, router: StepRouter, call: DoorCall) -> Any:
        return await prepared(router, call).ainvoke(call.messages, call.config)

    def stream(self, router: StepRouter, call: DoorCall) -> Iterator[Any]:
        return prepared(router, call).stream(call.messages, call.config)  # type: ignore[no-any-return]

    def astream(self, router: StepRouter, call: DoorCall) -> AsyncIterator[Any]:
        return prepared(router, call).astream(call.messages, call.config)  # type: ignore[no-any-return]


class Answered(MessagesState, total=False):
    """Messages, and a parsed object where one was asked for."""

    parsed: Any


class GraphDoor:
    """A node of a plain StateGraph that calls its model itself, put through route_graph."""

    name = "a node through route_graph"
    lacks: Mapping[str, str] = {}

    def run(self, router: StepRouter, call: DoorCall) -> Any:
        return answer_of(self.graph(router, call).invoke({"messages": call.messages}, call.config), call)

    async def arun(self, router: StepRouter, call: DoorCall) -> Any:
        return answer_of(await self.graph(router, call).ainvoke({"messages": call.messages}, call.config), call)

    def stream(self, router: StepRouter, call: DoorCall) -> Iterator[Any]:
        for piece, _ in self.graph(router, call).stream(
            {"messages": call.messages}, call.config, stream_mode="messages"
        ):
            yield piece

    async def astream(self, router: StepRouter, call: DoorCall) -> AsyncIterator[Any]:
        async for piece, _ in self.graph(router, call).astream(
            {"messages": call.messages}, call.config, stream_mode="messages"
        ):
            yield piece

    def graph(self, router: StepRouter, call: DoorCall) -> Any:
        """A graph of one node, sync and async."""
        model = prepared(router, call)

        def answer(state: Answered) -> Any:
            return updated(model.invoke(state["messages"]))

        async def aanswer(state: Answered) -> Any:
            return updated(await model.ainvoke(state["messages"]))

        builder = StateGraph(Answered).add_node("answer", RunnableLambda(answer, aanswer))
        return route_graph(builder.add_edge(START, "answer").add_edge("answer", END), router).compile()


class NodeDoor(GraphDoor):
    """A node of a plain StateGraph with a decorator, which hands it its model."""

    name = "a node with routed_node"
    lacks: Mapping[str, str] = {}

    def graph(self, router: StepRouter, call: DoorCall) -> Any:
        """A graph of one node, sync and async; its model is the injected one, or the application's."""

        @routed_node(router)
        def answer(state: Answered, model: Any) -> Any:
            return updated(bound(call.model or model, call).invoke(state["messages"]))

        @routed_node(router)
        async def aanswer(state: Answered, model: Any) -> Any:
            return updated(await bound(call.model or model, call).ainvoke(state["messages"]))

        builder = StateGraph(Answered).add_node("answer", RunnableLambda(answer, aanswer))
        return builder.add_edge(START, "answer").add_edge("answer", END).compile()


class MeteringDoor:
    """The dearest model of the pool, called by an app that knows nothing of langroute, under the callback handler."""

    name = "RoutingCallbackHandler"
    lacks: Mapping[str, str] = {
        "decides": "it only watches which model the app calls",
        "holds": "it only watches",
        "books": "metered calls take nothing from a budget",
    }

    def run(self, router: StepRouter, call: DoorCall) -> Any:
        return self.model(router, call).invoke(call.messages, self.metered(router, call))

    async def arun(self, router: StepRouter, call: DoorCall) -> Any:
        return await self.model(router, call).ainvoke(call.messages, self.metered(router, call))

    def stream(self, router: StepRouter, call: DoorCall) -> Iterator[Any]:
        return self.model(router, call).stream(call.messages, self.metered(router, call))  # type: ignore[no-any-return]

    def astream(self, router: StepRouter, call: DoorCall) -> AsyncIterator[Any]:
        return self.model(router, call).astream(call.messages, self.metered(router, call))  # type: ignore[no-any-return]

    def model(self, router: StepRouter, call: DoorCall) -> Any:
        """The app's own model."""
        pool: Any = router.pool
        return bound(call.model or pool.model(pool.dearest.name), call)

    def metered(self, router: StepRouter, call: DoorCall) -> Any:
        """The config with the handler beside the user's callbacks."""
        callbacks: Any = call.config.get("callbacks") or []
        return {**call.config, "callbacks": [*callbacks, RoutingCallbackHandler(router)]}


class AgentDoor:
    """An agent of LangChain's whose model is a RoutedChatModel."""

    name = "create_agent over RoutedChatModel"
    lacks: Mapping[str, str] = {}

    def run(self, router: StepRouter, call: DoorCall) -> Any:
        return self.answer(self.agent(router, call).invoke({"messages": call.messages}, call.config), call)

    async def arun(self, router: StepRouter, call: DoorCall) -> Any:
        return self.answer(await self.agent(router, call).ainvoke({"messages": call.messages}, call.config), call)

    def stream(self, router: StepRouter, call: DoorCall) -> Iterator[Any]:
        for piece, _ in self.agent(router, call).stream(
            {"messages": call.messages}, call.config, stream_mode="messages"
        ):
            yield piece

    async def astream(self, router: StepRouter, call: DoorCall) -> AsyncIterator[Any]:
        async for piece, _ in self.agent(router, call).astream(
            {"messages": call.messages}, call.config, stream_mode="messages"
        ):
            yield piece

    def agent(self, router: StepRouter, call: DoorCall) -> Any:
        """An agent with the call's tools and schema."""
        schema = call.schema
        wanted: Any = {} if schema is None else {"response_format": ToolStrategy(schema)}
        return create_agent(call.model or RoutedChatModel(router), list(call.tools), **wanted)

    def answer(self, state: Any, call: DoorCall) -> Any:
        """What the agent came to."""
        return state["messages"][-1] if call.schema is None else state["structured_response"]


class MiddlewareDoor(AgentDoor):
    """An agent of LangChain's with RoutingMiddleware, whose own model is any chat model."""

    name = "create_agent with RoutingMiddleware"

    def agent(self, router: StepRouter, call: DoorCall) -> Any:
        """An agent with the call's tools and schema; its own model answers nothing."""
        wanted: Any = {} if call.schema is None else {"response_format": ToolStrategy(call.schema)}
        model = call.model or ScriptedModel([], model_name="the agent's own")
        return create_agent(model, list(call.tools), middleware=[RoutingMiddleware(router)], **wanted)


def updated(answer: Any) -> dict[str, Any]:
    """What a node writes of an answer."""
    return {"messages": [answer]} if isinstance(answer, BaseMessage) else {"parsed": answer}


def answer_of(state: Any, call: DoorCall) -> Any:
    """What a graph came to."""
    return state["messages"][-1] if call.schema is None else state["parsed"]
