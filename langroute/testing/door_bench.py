"""The stage a check of a door plays on: scripted models, a router over them, and a witness in the user's config."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol, cast

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import LLMResult
from langchain_core.runnables import RunnableConfig

from langroute.books import Amount, Balance
from langroute.budget import Budget
from langroute.money import Price
from langroute.pool import ModelPool
from langroute.records import Record
from langroute.router import StepRouter
from langroute.testing.door import AsyncDoor, AsyncStreamingDoor, Door, DoorCall, StreamingDoor
from langroute.testing.purity import expect
from langroute.testing.reply import Reply
from langroute.testing.scripted import Answerer, ScriptedModel

EPISODE = "check-door"
TAG = "door-check"
WAYS = ("run", "arun", "stream", "astream")

# Prices of awkward decimals, so that a rounding of one nano-dollar shows.
PRICES = {
    "small": Price(input_per_million=0.137, output_per_million=1.011, cached_input_per_million=0.0137),
    "large": Price(input_per_million=2.501, output_per_million=10.003, cached_input_per_million=0.2501),
}
# Long enough to bound the tokens that the scripted answers report.
_PROMPT = " ".join(f"word{number}" for number in range(120))
PLAIN = Reply(text="one two three four", input_tokens=313, output_tokens=17, cached_tokens=64, reasoning_tokens=5)


class RunWitness(BaseCallbackHandler):
    """Watches, as a user's own callback does.

    Attributes:
        started: runs of chat models that began.
        ended: those that ended with an answer.
        output_tokens: output tokens reported to it, summed.
        tags: tags of the last run.
        metadata: metadata of the last run.
    """

    run_inline = True

    def __init__(self) -> None:
        super().__init__()
        self.started = self.ended = self.output_tokens = 0
        self.tags: list[str] = []
        self.metadata: dict[str, Any] = {}

    def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Note a run that begins."""
        self.started += 1
        self.tags = list(kwargs.get("tags") or ())
        self.metadata = dict(kwargs.get("metadata") or {})

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:  # noqa: ARG002
        """Count a run that ends, and what it used."""
        self.ended += 1
        usage = getattr(getattr(response.generations[0][0], "message", None), "usage_metadata", None)
        self.output_tokens += (usage or {}).get("output_tokens", 0)


class DoorBench:
    """One check's stage.

    Args:
        door: the door under test.
        answers: what both scripted models say; a plain text when left out.
        budget: of the episode; a dollar when left out.
        episode: the episode that stands around the calls; None for none.

    Attributes:
        door: the door under test.
        models: the scripted models by arm.
        router: a fresh router over them, everything in memory.
        witness: the callback in the user's config.
    """

    def __init__(
        self,
        door: Door,
        *,
        answers: Answerer | None = None,
        budget: Budget | None = None,
        episode: str | None = EPISODE,
    ) -> None:
        self.door = door
        script = answers or (lambda messages, kwargs: PLAIN)  # noqa: ARG005 - an answerer takes both
        self.models = {name: ScriptedModel(script, model_name=f"model-{name}") for name in PRICES}
        self.router = StepRouter(
            ModelPool(self.models, prices=PRICES), budget=budget or Budget(total_dollars=1.0), store="memory://"
        )
        self.witness = RunWitness()
        self._episode = episode

    def around(self) -> AbstractContextManager[object]:
        """The episode that the calls are made in."""
        return nullcontext() if self._episode is None else self.router.episode(self._episode)

    def call(self, *, metadata: Mapping[str, Any] | None = None, **options: Any) -> DoorCall:
        """A question with the witness in its config."""
        config = RunnableConfig(
            callbacks=[self.witness], tags=[TAG], metadata={"door_check": "yes", **(metadata or {})}
        )
        messages: list[BaseMessage] = [HumanMessage(_PROMPT, id="question")]
        return DoorCall(messages=messages, config=config, **options)

    def ask(self, way: str, call: DoorCall) -> Any:
        """Put a question through the door inside the episode; a stream is put together again."""
        if way in ("stream", "astream"):
            return joined(self.pieces(way, call))
        if way == "arun":
            return asyncio.run(self._arun(call))
        with self.around():
            return self.door.run(self.router, call)

    def pieces(self, way: str, call: DoorCall) -> list[Any]:
        """The pieces of a streamed answer."""
        if way == "astream":
            return asyncio.run(self._apieces(call))
        with self.around():
            return list(cast("StreamingDoor", self.door).stream(self.router, call))

    async def _apieces(self, call: DoorCall) -> list[Any]:
        with self.around():
            pieces = cast("AsyncStreamingDoor", self.door).astream(self.router, call)
            return [piece async for piece in pieces]

    async def _arun(self, call: DoorCall) -> Any:
        with self.around():
            return await cast("AsyncDoor", self.door).arun(self.router, call)

    # -- what is known afterwards ----------------------------------------------------------------------------------

    @property
    def provider_calls(self) -> int:
        """Calls that the scripted models received."""
        return sum(len(model.calls) for model in self.models.values())

    def records(self) -> Sequence[Record]:
        """The stored records of the episode."""
        self.router.flush()
        return self.router.journal.records(EPISODE)

    def balance(self) -> Balance:
        """The books of the episode, after making sure that nothing is held any more and that the records agree."""
        balance = self.router.balance(EPISODE)
        expect(balance.held == Amount(), f"no hold may be left open, but {balance.held} is still held")
        booked = sum(record.outcome.cost_nano for record in self.records() if record.outcome)
        expect(
            balance.spent.nano_usd == booked,
            f"the books must equal the records: {balance.spent.nano_usd} nano-dollars against {booked}",
        )
        return balance

    def price_of(self, reply: Reply) -> int:
        """Nano-dollars of the calls received, if each was answered with this reply."""
        return sum(
            len(model.calls)
            * PRICES[name].cost(
                input_tokens=reply.input_tokens or 0,
                output_tokens=reply.output_tokens or 0,
                cache_read_tokens=reply.cached_tokens,
            )
            for name, model in self.models.items()
        )

    def close(self) -> None:
        """Give back what the router holds."""
        self.router.close()


class Stage(Protocol):
    """Makes the benches of one check."""

    def __call__(
        self, *, answers: Answerer | None = None, budget: Budget | None = None, episode: str | None = EPISODE
    ) -> DoorBench:
        """A bench for the door under test, given back when the check has ended."""
        ...


def joined(pieces: Sequence[Any]) -> Any:
    """A streamed answer put together: the sum of its chunks, or its last piece where they cannot be added."""
    expect(pieces, "a stream must bring at least one piece")
    answer = pieces[0]
    for piece in pieces[1:]:
        answer = answer + piece if hasattr(piece, "tool_call_chunks") else piece
    return answer


def text_of(answer: Any) -> str:
    """The text of an answer."""
    return str(getattr(answer, "text", answer))


def calling(*calls: Reply, then: Reply = PLAIN) -> Answerer:
    """A script for models with tools: these replies one after the other, and ``then`` once a tool has answered."""
    waiting = list(calls)

    def answer(messages: Sequence[BaseMessage], kwargs: Mapping[str, Any]) -> Reply:
        if isinstance(messages[-1], ToolMessage) or not kwargs.get("tools"):
            return then
        return waiting.pop(0) if waiting else then

    return answer
