"""The five doors as the matrix drives them: a program is written once and built around a call that one door routes."""

import asyncio
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from deepagents import create_deep_agent
from langchain.agents import create_agent
from langchain.agents.structured_output import ToolStrategy
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import LLMResult
from langgraph.graph import START, MessagesState, StateGraph
from pydantic import BaseModel

from langroute import Budget, Episode, ModelPool, RoutedChatModel, StepRouter, current_episode, route_graph
from langroute.integrations.callbacks import RoutingCallbackHandler
from langroute.integrations.middleware import RoutingMiddleware
from langroute.integrations.node import routed_node
from langroute.records import Record
from langroute.testing import Reply, ScriptedModel
from langroute.testing.door_bench import PRICES

WAYS = ("invoke", "ainvoke", "stream", "astream", "messages", "amessages")
"""How a cell is run: whole; the call streamed by its node; the whole program streamed with stream_mode="messages"."""


class Verdict(BaseModel):
    """What structured answers must fit."""

    ok: bool


def play(messages: Sequence[BaseMessage], kwargs: Mapping[str, Any]) -> Reply:
    """What every scripted model says: a verdict, a delegation, a call of a tool, or four words."""
    names = {tool["function"]["name"] for tool in kwargs.get("tools", ())}
    answered = sum(message.type == "tool" for message in messages)
    if "Verdict" in names:
        return Reply(tool_calls=(("Verdict", {"ok": True}),), cached_tokens=1)
    if "task" in names and answered < 2:
        return Reply(tool_calls=(("task", {"description": "do it", "subagent_type": _TEAM[answered]}),))
    if "task" not in names and "look" in names and not answered:
        return Reply(tool_calls=(("look", {"at": "it"}),), cached_tokens=1)
    return Reply(text="one two three four", cached_tokens=1)


_TEAM = ("general-purpose", "critic")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a node asks its model; yielded by the node, which is then sent the answer (a list for several prompts)."""

    prompts: tuple[str, ...]
    schema: type[BaseModel] | None = None
    config: Any = None
    agent: Any = None


def ask(*prompts: str, **options: Any) -> Question:
    """A question of one prompt, or of several in one batch."""
    return Question(prompts=prompts, **options)


Work = Callable[[Any], Generator[Any, Any, Any]]


class Witness(BaseCallbackHandler):
    """A user's own handler: which runs of chat models began, and what each that ended said and used."""

    run_inline = True

    def __init__(self) -> None:
        super().__init__()
        self.began: list[dict[str, Any]] = []
        self.texts: list[str] = []
        self.nano_usd = 0

    def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
        self.began.append(dict(kwargs["metadata"]))

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        message: Any = response.generations[0][0].message  # type: ignore[union-attr]
        usage, arm = message.usage_metadata, message.response_metadata["model_name"].removeprefix("model-")
        self.texts.append(message.text)
        self.nano_usd += PRICES[arm].cost(
            input_tokens=usage["input_tokens"],
            output_tokens=usage["output_tokens"],
            cache_read_tokens=usage["input_token_details"]["cache_read"],
        )


class Door:
    """How one door puts itself around a program: by default not at all.

    Attributes:
        meters: it only watches.
        surrounds: the functions of the program run inside their episode, also before they call a model.
    """

    meters = False
    surrounds = False

    def model(self, kit: "Kit") -> Any:
        """What a node calls."""
        return RoutedChatModel(kit.router)

    def asked(self, kit: "Kit", model: Any, question: Question) -> Any:
        """The runnable that answers a question."""
        return model if question.schema is None else model.with_structured_output(question.schema)

    def prompt(self, text: str) -> Any:
        """A prompt as the runnable takes it."""
        return text

    def value(self, answer: Any) -> Any:
        """What came back: a text or the object asked for."""
        return answer if isinstance(answer, Verdict) else str(answer.text)

    def node(self, kit: "Kit", function: Callable[..., Any], arm: str | None = None) -> Callable[..., Any]:
        """A function as a node or a task."""
        return function

    def add(self, kit: "Kit", builder: Any, function: Callable[..., Any], arm: str | None, options: Any) -> None:
        """Put a node into a graph, with its arm pinned where one is given."""
        said = {} if arm is None else {"metadata": {"langroute_arm": arm}}
        builder.add_node(function.__name__, self.node(kit, function), **said, **options)

    def graph(self, kit: "Kit", builder: Any) -> Any:
        """A graph before it is compiled."""
        return builder

    def agent(self, kit: "Kit", tools: Sequence[Any], **options: Any) -> Any:
        """An agent of LangChain's."""
        return create_agent(self.model(kit), list(tools), **options)

    def deep_agent(self, kit: "Kit", tools: Sequence[Any], critic: Any) -> Any:
        """An agent of deepagents with a subagent."""
        return create_deep_agent(model=self.model(kit), tools=list(tools), subagents=[critic])

    def hosted(self, kit: "Kit", agent: Any) -> Any:
        """The program that an agent stands in: itself."""
        return agent


class ChatModelDoor(Door):
    """Nodes call a RoutedChatModel; nothing else is changed."""


class GraphDoor(Door):
    """The graph went through route_graph."""

    surrounds = True

    def graph(self, kit: "Kit", builder: Any) -> Any:
        return route_graph(builder, kit.router)

    def hosted(self, kit: "Kit", agent: Any) -> Any:
        """A graph whose one node calls the agent."""

        def work(state: Any) -> Any:
            answer = yield ask(state["messages"][-1].text, agent=agent)
            return {"messages": [("ai", answer)]}

        return kit.compiled(kit.add(StateGraph(MessagesState), work).add_edge(START, "work"))


class NodeDoor(GraphDoor):
    """Each node is decorated with routed_node, which hands it its model."""

    def node(self, kit: "Kit", function: Callable[..., Any], arm: str | None = None) -> Callable[..., Any]:
        return routed_node(kit.router, arm=arm)(function)

    def add(self, kit: "Kit", builder: Any, function: Callable[..., Any], arm: str | None, options: Any) -> None:
        builder.add_node(function.__name__, self.node(kit, function, arm), **options)

    def graph(self, kit: "Kit", builder: Any) -> Any:
        return builder


class MiddlewareDoor(Door):
    """Nodes call an agent with RoutingMiddleware, whose own model would fail the test."""

    def model(self, kit: "Kit") -> Any:
        return ScriptedModel([], model_name="the agent's own")

    def asked(self, kit: "Kit", model: Any, question: Question) -> Any:
        # Without a memory of its own, as a model: else a resumed node would be given the agent's last answer.
        form = {} if question.schema is None else {"response_format": ToolStrategy(question.schema)}
        return create_agent(model, [], middleware=[RoutingMiddleware(kit.router)], checkpointer=False, **form)

    def prompt(self, text: str) -> Any:
        return {"messages": [("user", text)]}

    def value(self, answer: Any) -> Any:
        return answer.get("structured_response") or str(answer["messages"][-1].text)

    def agent(self, kit: "Kit", tools: Sequence[Any], **options: Any) -> Any:
        return create_agent(self.model(kit), list(tools), middleware=[RoutingMiddleware(kit.router)], **options)

    def deep_agent(self, kit: "Kit", tools: Sequence[Any], critic: Any) -> Any:
        routing = RoutingMiddleware(kit.router)
        own = {**critic, "middleware": [RoutingMiddleware(kit.router, kind="verification")]}
        model = RoutedChatModel(kit.router)  # for the general-purpose subagent, which is handed no middleware
        return create_deep_agent(model=model, tools=list(tools), middleware=[routing], subagents=[own])


class CallbackDoor(Door):
    """An app on a model of its own, with the metering handler in its config."""

    meters = True

    def model(self, kit: "Kit") -> Any:
        return kit.models["large"]


DOORS: dict[str, Door] = {
    "RoutedChatModel": ChatModelDoor(),
    "route_graph": GraphDoor(),
    "routed_node": NodeDoor(),
    "RoutingMiddleware": MiddlewareDoor(),
    "RoutingCallbackHandler": CallbackDoor(),
}


class Kit:
    """What one cell is built with and judged by.

    Attributes:
        door: the door under test.
        way: how the cell is run, one of ``WAYS``.
        models: the scripted models by arm.
        router: a fresh router over them, with a dollar per episode.
        witness: the handler in the user's config.
        handler: the metering handler.
        is_metered: whether that is in the config of what runs.
        pieces: the tokens that a whole program streamed.
        around: the episode that each function of the program found around it.
    """

    def __init__(self, door: str, way: str, **options: Any) -> None:
        self.door, self.way = DOORS[door], way
        self.models = self.made_models()
        pool = ModelPool(self.models, prices=PRICES)
        self.router = StepRouter(pool, **{"budget": Budget(total_dollars=1.0), **options})
        self.model = self.door.model(self)
        self.witness, self.handler = Witness(), RoutingCallbackHandler(self.router)
        self.pieces: list[AIMessageChunk] = []
        self.around: list[Episode | None] = []
        self.is_metered = self.door.meters
        self.asynchronous = way.startswith("a")

    def made_models(self) -> dict[str, Any]:
        """The models of the pool, by arm."""
        return {name: ScriptedModel(play, model_name=f"model-{name}") for name in PRICES}

    def run_async(self, work: Any) -> Any:
        """Run a coroutine to its end."""
        return asyncio.run(work)

    # -- building --------------------------------------------------------------------------------------------------

    def function(self, work: Work) -> Callable[..., Any]:
        """A node's function, sync or async, that answers what the work asks."""

        def run(given: Any, *, model: Any = None) -> Any:
            self.around.append(current_episode())
            going, answer = work(given), None
            while True:
                try:
                    wanted = going.send(answer)
                except StopIteration as done:
                    return done.value
                answer = self.answer(wanted, model) if isinstance(wanted, Question) else wanted.result()

        async def arun(given: Any, *, model: Any = None) -> Any:
            self.around.append(current_episode())
            going, answer = work(given), None
            while True:
                try:
                    wanted = going.send(answer)
                except StopIteration as done:
                    return done.value
                answer = await (self.aanswer(wanted, model) if isinstance(wanted, Question) else wanted)

        made: Any = arun if self.asynchronous else run
        made.__name__ = made.__qualname__ = work.__name__
        return made  # type: ignore[no-any-return]

    def add(self, builder: Any, *works: Work, arm: str | None = None, **options: Any) -> Any:
        """Put nodes into a graph."""
        for work in works:
            self.door.add(self, builder, self.function(work), arm, options)
        return builder

    def compiled(self, builder: Any, **options: Any) -> Any:
        """A graph that runs."""
        return self.door.graph(self, builder).compile(**options)

    # -- running ---------------------------------------------------------------------------------------------------

    def answer(self, question: Question, model: Any = None) -> Any:
        """Ask through the door, in the way of the cell."""
        asked, prompts = self._asked(question, model)
        if len(prompts) > 1:
            return [self._value(question, answer) for answer in asked.batch(prompts, question.config)]
        if self.way == "stream":
            return self._value(question, _whole(list(asked.stream(prompts[0], question.config, **self._how(question)))))
        return self._value(question, asked.invoke(prompts[0], question.config))

    async def aanswer(self, question: Question, model: Any = None) -> Any:
        """The same for async programs."""
        asked, prompts = self._asked(question, model)
        if len(prompts) > 1:
            return [self._value(question, answer) for answer in await asked.abatch(prompts, question.config)]
        if self.way == "astream":
            pieces = asked.astream(prompts[0], question.config, **self._how(question))
            return self._value(question, _whole([piece async for piece in pieces]))
        return self._value(question, await asked.ainvoke(prompts[0], question.config))

    def _asked(self, question: Question, model: Any) -> tuple[Any, list[Any]]:
        if question.agent is not None:
            return question.agent, [{"messages": [("user", prompt)]} for prompt in question.prompts]
        asked = self.door.asked(self, self.model if model is None else model, question)
        return asked, [self.door.prompt(prompt) for prompt in question.prompts]

    def _how(self, question: Question) -> dict[str, Any]:
        is_agent = question.agent is not None or isinstance(self.door, MiddlewareDoor)
        return {"stream_mode": ["messages", "values"]} if is_agent else {}

    def _value(self, question: Question, answer: Any) -> Any:
        return str(answer["messages"][-1].text) if question.agent is not None else self.door.value(answer)

    def config(self, config: Any = None) -> Any:
        """The user's config: with a witness, and with the metering handler where the cell is metered."""
        handlers = [self.witness, *([self.handler] if self.is_metered else [])]
        return {**(config or {}), "callbacks": handlers}

    def run(self, program: Any, given: Any, config: Any = None) -> Any:
        """Run a whole program in the way of the cell; gives its last state."""
        if self.asynchronous:
            return self.run_async(self._arun(program, given, self.config(config)))
        if self.way == "messages":
            return self._read(list(program.stream(given, self.config(config), **_STREAMED)))
        return program.invoke(given, self.config(config))

    async def _arun(self, program: Any, given: Any, config: Any) -> Any:
        if self.way == "amessages":
            return self._read([piece async for piece in program.astream(given, config, **_STREAMED)])
        return await program.ainvoke(given, config)

    def run_batch(self, program: Any, inputs: list[Any]) -> list[Any]:
        """Run a program on several inputs at once."""
        if self.asynchronous:
            return self.run_async(program.abatch(inputs, self.config()))  # type: ignore[no-any-return]
        return program.batch(inputs, self.config())  # type: ignore[no-any-return]

    def alone(self, work: Work, given: Any, *, episode: str) -> Any:
        """Run a node's function outside any graph, in an episode."""
        function = self.door.node(self, self.function(work))
        with nullcontext() if self.door.meters else self.router.episode(episode):
            return self.run_async(function(given)) if self.asynchronous else function(given)

    def _read(self, told: list[Any]) -> Any:
        self.pieces += [data[0] for _, mode, data in told if mode == "messages" and isinstance(data[0], AIMessageChunk)]
        return [data for space, mode, data in told if mode == "values" and not space][-1]

    # -- what is known afterwards ------------------------------------------------------------------------------------

    def calls(self) -> list[str]:
        """The arms whose models were called, one name a call."""
        return [name for name, model in self.models.items() for _ in model.calls]

    def records(self) -> dict[str, Sequence[Record]]:
        """The stored records by episode."""
        self.router.flush()
        return {name: self.router.journal.records(name) for name in self.router.journal.episodes()}


_STREAMED: dict[str, Any] = {"stream_mode": ["messages", "values"], "subgraphs": True}


def _whole(pieces: list[Any]) -> Any:
    """A streamed answer: the sum of its chunks, or the last state of an agent."""
    if isinstance(pieces[0], tuple):
        return [data for mode, data in pieces if mode == "values"][-1]
    answer = pieces[0]
    for piece in pieces[1:]:
        answer = answer + piece if isinstance(answer, AIMessageChunk) else piece
    return answer
