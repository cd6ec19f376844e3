"""check_door can fail: each promise is broken by a door made for it, and the door is found out."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatResult, LLMResult

from langroute import BudgetExceeded, RoutedChatModel, StepRouter
from langroute.books import Amount
from langroute.testing import DoorCall, acheck_door, check_door
from langroute.testing.door_contract import DOOR_CHECKS
from tests.contract.doors import ChatModelDoor, GraphDoor, prepared


class Doubling(BaseChatModel):
    """Wrong as a router easily is: it calls the routed model under a run of its own."""

    target: Any

    @property
    def _llm_type(self) -> str:
        return "doubling"

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        answer = self.target.invoke(messages, {"callbacks": run_manager.get_child()})
        return ChatResult(generations=[ChatGeneration(message=answer)])


class Broken(ChatModelDoor):
    """RoutedChatModel's own door, to be spoiled in one way."""

    name = "broken"
    lacks: Mapping[str, str] = {}


class AskingTwice(Broken):
    def run(self, router: StepRouter, call: DoorCall) -> Any:
        super().run(router, call)
        return super().run(router, call)


class RunningTwice(Broken):
    def run(self, router: StepRouter, call: DoorCall) -> Any:
        return Doubling(target=RoutedChatModel(router)).invoke(call.messages, call.config)


class CountingTwice(Broken):
    def run(self, router: StepRouter, call: DoorCall) -> Any:
        answer = super().run(router, call)
        for handler in call.config["callbacks"]:  # type: ignore[union-attr]
            handler.on_llm_end(LLMResult(generations=[[ChatGeneration(message=answer)]]), run_id=uuid4())
        return answer


class LosingTheConfig(Broken):
    def run(self, router: StepRouter, call: DoorCall) -> Any:
        return RoutedChatModel(router, callbacks=call.config["callbacks"]).invoke(call.messages)


class ChangingMessages(Broken):
    def run(self, router: StepRouter, call: DoorCall) -> Any:
        answer = super().run(router, call)
        call.messages.append(answer)
        return answer


class MarkingMessages(Broken):
    async def arun(self, router: StepRouter, call: DoorCall) -> Any:
        call.messages[0].additional_kwargs["cache_control"] = {"type": "ephemeral"}
        return await super().arun(router, call)


class StreamingWhole(Broken):
    def stream(self, router: StepRouter, call: DoorCall) -> Iterator[Any]:
        yield self.run(router, call)


class NeverSettling(Broken):
    def run(self, router: StepRouter, call: DoorCall) -> Any:
        router.desk.settle = lambda act, hold_id: None  # type: ignore[method-assign]
        return super().run(router, call)


class SettlingAtZero(Broken):
    """Books nothing where the truth is not known."""

    def run(self, router: StepRouter, call: DoorCall) -> Any:
        return super().run(self._cheated(router), call)

    async def arun(self, router: StepRouter, call: DoorCall) -> Any:
        return await super().arun(self._cheated(router), call)

    def stream(self, router: StepRouter, call: DoorCall) -> Iterator[Any]:
        return super().stream(self._cheated(router), call)

    def _cheated(self, router: StepRouter) -> StepRouter:
        settle = router.ledger.settle

        def cheated(hold_id: str, amount: Amount, *, worst_case: bool = False, at: float) -> Any:
            return settle(hold_id, Amount() if worst_case else amount, at=at)

        router.ledger.settle = cheated  # type: ignore[method-assign]
        return router


class NotRouting(Broken):
    def run(self, router: StepRouter, call: DoorCall) -> Any:
        return router.pool.model("small").invoke(call.messages, call.config)  # type: ignore[attr-defined]


class AskingAnother(Broken):
    """Puts the answer of another model than the chosen one in its place."""

    def run(self, router: StepRouter, call: DoorCall) -> Any:
        pool: Any = router.pool
        pool._models = dict(zip(pool._models, reversed(pool._models.values()), strict=True))
        return super().run(router, call)


class WithoutMetadata(Broken):
    """Drops langroute's own keys of the metadata."""

    def run(self, router: StepRouter, call: DoorCall) -> Any:
        kept = {key: value for key, value in call.config["metadata"].items() if not key.startswith("langroute")}
        return prepared(router, call).invoke(call.messages, {**call.config, "metadata": kept})


class WithoutTools(Broken):
    def run(self, router: StepRouter, call: DoorCall) -> Any:
        return RoutedChatModel(router).invoke(call.messages, call.config)


class Ungated(Broken):
    """Takes whatever comes, as a stream does that has begun already."""

    def run(self, router: StepRouter, call: DoorCall) -> Any:
        first, *rest = self.stream(router, call)
        return sum(rest, first)


class RoutingTwice(Broken):
    def run(self, router: StepRouter, call: DoorCall) -> Any:
        if call.model is not None:
            call.model.invoke(call.messages, call.config)
        return super().run(router, call)


class GivingIn(Broken):
    """Calls a model behind the router's back where the budget says no."""

    def run(self, router: StepRouter, call: DoorCall) -> Any:
        try:
            return super().run(router, call)
        except BudgetExceeded:
            return NotRouting().run(router, call)


class Swallowing(Broken):
    def run(self, router: StepRouter, call: DoorCall) -> Any:
        try:
            return super().run(router, call)
        except RuntimeError:
            return AIMessage("Sorry, something went wrong.")


class Wrapping(Broken):
    def run(self, router: StepRouter, call: DoorCall) -> Any:
        try:
            return super().run(router, call)
        except RuntimeError as exc:
            raise ValueError("the model failed") from exc


class Uncancellable(Broken):
    async def arun(self, router: StepRouter, call: DoorCall) -> Any:
        try:
            return await super().arun(router, call)
        except asyncio.CancelledError:
            return AIMessage("Sorry, something went wrong.")


BREAKS: list[tuple[str, type[Broken]]] = [
    ("asks_the_provider_once", AskingTwice),
    ("asks_the_provider_once", RunningTwice),
    ("counts_usage_once", CountingTwice),
    ("counts_usage_once", RunningTwice),
    ("passes_the_config_on", LosingTheConfig),
    ("leaves_the_messages_alone", ChangingMessages),
    ("leaves_the_messages_alone", MarkingMessages),
    ("streams_in_pieces", StreamingWhole),
    ("books_what_was_used", NeverSettling),
    ("leaves_one_record", AskingTwice),
    ("leaves_one_record", NotRouting),
    ("calls_the_chosen_arm", AskingAnother),
    ("obeys_a_pin", WithoutMetadata),
    ("finds_the_episode_in_the_config", WithoutMetadata),
    ("binds_tools_on_the_chosen_model", WithoutTools),
    ("escalates_a_malformed_call", Ungated),
    ("parses_structured_output", WithoutTools),
    ("never_routes_twice", RoutingTwice),
    ("refuses_before_calling", GivingIn),
    ("keeps_the_providers_error", Swallowing),
    ("keeps_the_providers_error", Wrapping),
    ("settles_a_failed_call", SettlingAtZero),
    ("settles_a_failed_call", NeverSettling),
    ("books_the_worst_without_usage", SettlingAtZero),
    ("settles_a_closed_stream", SettlingAtZero),
    ("settles_a_cancelled_call", SettlingAtZero),
    ("settles_a_cancelled_call", Uncancellable),
]


def try_in_every_way(promise: str, door: Broken) -> None:
    """Make every check of one promise."""
    for check in DOOR_CHECKS.values():
        if check.promise.__name__ == promise:
            check.on(door)


@pytest.mark.parametrize(("promise", "broken"), BREAKS, ids=lambda part: getattr(part, "__name__", part))
def test_a_door_that_breaks_a_promise_is_found_out(promise: str, broken: type[Broken]) -> None:
    """The check of that promise fails on it, says so in the promise's words, and so does the whole suite."""
    with pytest.raises(AssertionError, match=rf"broken fails {promise}\[\w+\]: .+\nthe promise: \w"):
        try_in_every_way(promise, broken())
    with pytest.raises(AssertionError, match=r"broken fails \w+\[\w+\]"):
        check_door(broken())


def test_every_promise_can_be_broken() -> None:
    """No check of the suite passes whatever the door does."""
    assert {check.promise.__name__ for check in DOOR_CHECKS.values()} == {promise for promise, _ in BREAKS}


def test_the_report_tells_what_was_skipped_and_why() -> None:
    """What a door lacks is not passed over in silence."""
    report = check_door(ChatModelDoor())
    assert report.door == "RoutedChatModel"
    assert dict.fromkeys(report.skipped.values()) == {"lacks nests: it is what others nest": None}
    assert set(report.passed) | set(report.skipped) == set(DOOR_CHECKS)
    assert len(report.passed) > 50
    assert check_door(GraphDoor()).skipped == {}


async def test_the_suite_runs_under_an_event_loop_too() -> None:
    """In async code the same checks are made from a thread."""
    assert await acheck_door(ChatModelDoor()) == await asyncio.to_thread(check_door, ChatModelDoor())


class Watching:
    """A door that only watches: the application calls its own model, and nothing is decided or booked."""

    name = "watching"
    lacks: Mapping[str, str] = {
        "decides": "it changes nothing",
        "holds": "it changes nothing",
        "books": "it does not count",
        "records": "it does not count",
        "nests": "it changes nothing",
        "tools": "not tried",
        "structure": "not tried",
        "astream": "not tried",
    }

    def run(self, router: StepRouter, call: DoorCall) -> Any:
        return router.pool.model("small").invoke(call.messages, call.config)  # type: ignore[attr-defined]

    async def arun(self, router: StepRouter, call: DoorCall) -> Any:
        return await router.pool.model("small").ainvoke(call.messages, call.config)  # type: ignore[attr-defined]

    def stream(self, router: StepRouter, call: DoorCall) -> Iterator[Any]:
        yield from router.pool.model("small").stream(call.messages, call.config)  # type: ignore[attr-defined]


def test_a_door_that_only_watches_passes_what_is_asked_of_it() -> None:
    """Without deciding and holding, what is left is that the application's calls stay as they are."""
    report = check_door(Watching())
    assert "asks_the_provider_once[stream]" in report.passed
    assert "lacks decides: it changes nothing" in report.skipped.values()
    assert "lacks astream: not tried" in report.skipped.values()


class Partial(Watching):
    name = "partial"

    def __init__(self, **lacks: str) -> None:
        self.lacks = {**Watching.lacks, **lacks}


class WithAstream(Watching):
    async def astream(self, router: StepRouter, call: DoorCall) -> AsyncIterator[Any]:
        yield AIMessageChunk(content="")


def test_what_is_missing_needs_a_reason() -> None:
    """A door that leaves a way out without a word, names an unknown power or gives no reason is refused."""
    silent = Partial()
    silent.lacks = {key: reason for key, reason in silent.lacks.items() if key != "astream"}
    for door, told in (
        (silent, r"partial has no astream\(\)"),
        (Partial(telepathy="no"), "'telepathy'.* is no power"),
        (Partial(holds=" "), "'holds'.* must say why"),
        (WithAstream(), r"watching has astream\(\), and lacks"),
        (object(), r"needs name, lacks and run"),
    ):
        with pytest.raises(AssertionError, match=told):
            check_door(door)  # type: ignore[arg-type]
