"""How a contract suite drives a door: what the author of a door writes, and what the suite hands over.

class MyDoor:
    name = "my door"
    lacks = {"astream": "it is for batch jobs", "nests": "it takes no chat model"}

    def run(self, router, call):
        return wrap(router, call.tools).invoke(call.messages, call.config)

    async def arun(self, router, call): ...
    def stream(self, router, call): ...
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args, runtime_checkable

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig
from pydantic import BaseModel

from langroute.router import StepRouter

Power = Literal["arun", "stream", "astream", "tools", "structure", "records", "decides", "holds", "books", "nests"]
POWERS: tuple[Power, ...] = get_args(Power)
"""What a door may lack, with a reason.

- ``arun``, ``stream``, ``astream``: it has the method of this name.
- ``tools``, ``structure``: tools reach the model; answers fit a schema.
- ``records``: each call leaves a record in the router's journal.
- ``decides``: it chooses the arm that makes the call; a door without it only watches.
- ``holds``: it sets aside the worst case before the call, and refuses what does not fit.
- ``books``: it books what the calls cost.
- ``nests``: the application hands it a chat model, which may be a RoutedChatModel.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorCall:
    """One question that a door is to pass on.

    Attributes:
        messages: the conversation; a list that nobody may change.
        config: the user's config, with callbacks, tags and metadata.
        tools: tools for the model; functions, as users write them.
        schema: what the answer must fit; None for free text.
        model: the chat model that the application brings; None where the door may take what it likes. A door that
            decides by wrapping a model of the application takes this one where it is given; a door that only watches
            finds models in ``router.pool.model(name)``.
    """

    messages: list[BaseMessage]
    config: RunnableConfig
    tools: Sequence[Any] = ()
    schema: type[BaseModel] | None = None
    model: BaseChatModel | None = None


@runtime_checkable
class Door(Protocol):
    """A way for calls to be routed: what every door has."""

    @property
    def name(self) -> str:
        """What to call it in failures."""
        ...

    @property
    def lacks(self) -> Mapping[str, str]:
        """The `POWERS` it does not have, each with the reason; these checks are skipped, and the report says so."""
        ...

    def run(self, router: StepRouter, call: DoorCall) -> Any:
        """Pass the question on through the door, and return the model's last message, or the parsed object.

        It is called inside ``router.episode(...)``: the calls belong to that episode.
        """
        ...


@runtime_checkable
class AsyncDoor(Protocol):
    """A door with an async way in."""

    async def arun(self, router: StepRouter, call: DoorCall) -> Any:
        """As ``Door.run``."""
        ...


@runtime_checkable
class StreamingDoor(Protocol):
    """A door whose answers come piece by piece."""

    def stream(self, router: StepRouter, call: DoorCall) -> Iterator[Any]:
        """The pieces of the answer, as message chunks. Closing it closes what the door streams."""
        ...


@runtime_checkable
class AsyncStreamingDoor(Protocol):
    """A door whose answers come piece by piece without blocking the event loop."""

    def astream(self, router: StepRouter, call: DoorCall) -> AsyncIterator[Any]:
        """As ``StreamingDoor.stream``; ``aclose()`` closes what the door streams."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorReport:
    """What was checked of a door.

    Attributes:
        door: its name.
        passed: names of the checks it passed, in order.
        skipped: names of the checks that were not made, each with the reason.
    """

    door: str
    passed: tuple[str, ...]
    skipped: Mapping[str, str]
