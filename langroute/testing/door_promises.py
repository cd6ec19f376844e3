"""What a door promises of a call that goes well, whichever way it is asked; part of `check_door`.

Each check takes a stage, which makes benches for the door under test, and the way in: ``run``, ``arun``, ``stream`` or
``astream``.
"""

from copy import deepcopy
from typing import Any

from pydantic import BaseModel

from langroute.integrations.chat_model import RoutedChatModel
from langroute.replay import replay_decision
from langroute.testing.door_bench import EPISODE, PLAIN, PRICES, TAG, Stage, calling, text_of
from langroute.testing.purity import expect
from langroute.testing.reply import Reply


class Verdict(BaseModel):
    """What the checks of structured output ask for."""

    ok: bool


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def asks_the_provider_once(stage: Stage, way: str) -> None:
    """One question is one call of one provider, seen as one run by the user's callbacks, and its answer comes back."""
    bench = stage()
    answer = bench.ask(way, bench.call())
    expect(bench.provider_calls == 1, f"one question must be one provider call, there were {bench.provider_calls}")
    runs = (bench.witness.started, bench.witness.ended)
    expect(runs == (1, 1), f"one provider call must be one run of a chat model, {runs} began and ended")
    expect(text_of(answer) == PLAIN.text, f"the provider said {PLAIN.text!r}, the door gives {text_of(answer)!r}")


def counts_usage_once(stage: Stage, way: str) -> None:
    """The user's callbacks are told the usage of the provider call once."""
    bench = stage()
    bench.ask(way, bench.call())
    told, wanted = bench.witness.output_tokens, PLAIN.output_tokens
    expect(told == wanted, f"{wanted} output tokens were used, the user's callbacks were told of {told}")


def passes_the_config_on(stage: Stage, way: str) -> None:
    """Callbacks, tags and metadata of the user's config arrive at the provider call."""
    bench = stage()
    bench.ask(way, bench.call())
    expect(bench.witness.started, "the callbacks of the user's config must see the provider call")
    expect(TAG in bench.witness.tags, f"the tags of the user's config must arrive, got {bench.witness.tags}")
    got = bench.witness.metadata.get("door_check")
    expect(got == "yes", f"the metadata of the user's config must arrive, got {bench.witness.metadata}")


def leaves_the_messages_alone(stage: Stage, way: str) -> None:
    """The messages and the config that were given are not changed."""
    bench = stage()
    call = bench.call()
    messages, settings = deepcopy(call.messages), _settings(call.config)
    bench.ask(way, call)
    expect(call.messages == messages, f"the messages given were changed, from {messages} to {call.messages}")
    expect(_settings(call.config) == settings, f"the config given was changed: {call.config}")


def _settings(config: Any) -> str:
    return repr({key: config.get(key) for key in ("tags", "metadata", "configurable", "callbacks")})


def books_what_was_used(stage: Stage, way: str) -> None:
    """The books equal the price of the reported usage, to the nano-dollar, and nothing stays held."""
    bench = stage()
    bench.ask(way, bench.call())
    bench.ask(way, bench.call())
    spent, used = bench.balance().spent, bench.price_of(PLAIN)
    expect(spent.nano_usd == used, f"usage of {used} nano-dollars was reported, {spent.nano_usd} are booked")
    tokens = 2 * (PLAIN.output_tokens or 0)
    expect(spent.output_tokens == tokens, f"{tokens} output tokens were reported, {spent.output_tokens} are booked")


def leaves_one_record(stage: Stage, way: str) -> None:
    """A call leaves exactly one record, in the episode around it, and its decision replays byte for byte."""
    bench = stage()
    bench.ask(way, bench.call())
    records = bench.records()
    expect(len(records) == 1, f"one call must leave one record, there are {len(records)}")
    found = list(bench.router.journal.episodes())
    expect(found == [EPISODE], f"the call belongs to the episode around it, {EPISODE}; records are in {found}")
    (record,) = records
    again = replay_decision(record, [bench.router.policy])
    expect(repr(again) == repr(record.decision), f"the decision replays as\n{again}\nand was\n{record.decision}")


def calls_the_chosen_arm(stage: Stage, way: str) -> None:
    """The arm that the record says was chosen is the one that made the call, and its outcome says so."""
    bench = stage()
    bench.ask(way, bench.call())
    called = [name for name, model in bench.models.items() for _ in model.calls]
    chosen = [record.decision.arm for record in bench.records()]
    expect(called == chosen, f"the records say that {chosen} was chosen, called was {called}")
    made = [record.outcome.arm for record in bench.records() if record.outcome]
    expect(made == called, f"the outcomes in the records are of {made}, called was {called}")


def obeys_a_pin(stage: Stage, way: str) -> None:
    """An arm named in the config's metadata makes the call, whichever it is."""
    for arm in PRICES:
        bench = stage()
        bench.ask(way, bench.call(metadata={"langroute_arm": arm}))
        called = [name for name, model in bench.models.items() if model.calls]
        expect(called == [arm], f"langroute_arm demanded {arm}, called was {called}")


def finds_the_episode_in_the_config(stage: Stage, way: str) -> None:
    """An episode named in the config's metadata pays for the call, where none stands around it."""
    bench = stage(episode=None)
    bench.ask(way, bench.call(metadata={"langroute_episode": "named-in-config"}))
    bench.router.flush()
    found = list(bench.router.journal.episodes())
    expect(found == ["named-in-config"], f"langroute_episode named the episode, records are in {found}")


def binds_tools_on_the_chosen_model(stage: Stage, way: str) -> None:
    """Tools reach the model that was chosen, and its tool call comes back, or is carried out."""
    bench = stage(answers=calling(Reply(tool_calls=(("add", {"a": 1, "b": 2}),), input_tokens=313)))
    answer = bench.ask(way, bench.call(tools=[add]))
    for name, model in bench.models.items():
        for made in model.calls:
            sent = [tool["function"]["name"] for tool in made.kwargs.get("tools") or ()]
            expect("add" in sent, f"{name} was called without the tool that was given; it got {sent}")
    calls = getattr(answer, "tool_calls", [])
    done = bench.provider_calls > 1 or [call["args"] for call in calls] == [{"a": 1, "b": 2}]
    expect(done, f"the model's tool call must come back or be carried out, got {answer!r}")
    expect(bench.witness.started == bench.provider_calls, "every provider call must be one run of a chat model")


def parses_structured_output(stage: Stage, way: str) -> None:
    """An answer that must fit a schema comes back parsed, by one provider call whose usage is told."""
    reply = Reply(tool_calls=(("Verdict", {"ok": True}),), input_tokens=313, output_tokens=17)
    bench = stage(answers=calling(reply, then=Reply(text='{"ok": true}', input_tokens=313, output_tokens=17)))
    answer = bench.ask(way, bench.call(schema=Verdict))
    expect(answer == Verdict(ok=True), f"the answer must be parsed into the schema, got {answer!r}")
    expect(bench.provider_calls == 1, f"one question must be one provider call, there were {bench.provider_calls}")
    told = bench.witness.output_tokens
    expect(told == 17, f"17 output tokens were used, the user's callbacks were told of {told}")


def escalates_a_malformed_call(stage: Stage, way: str) -> None:
    """A tool call that cannot be parsed never reaches the application: another arm makes it again."""
    bad, good = (Reply(tool_calls=(("add", raw),), input_tokens=313) for raw in ('{"a": 1,', {"a": 1, "b": 2}))
    bench = stage(answers=calling(bad, good))
    answer = bench.ask(way, bench.call(tools=[add]))
    expect(not getattr(answer, "invalid_tool_calls", ()), f"a malformed tool call was passed on: {answer!r}")
    first, second, *_ = (*bench.records(), None, None)
    expect(
        first is not None and first.outcome is not None and not first.outcome.accepted,
        "the malformed answer must be recorded as not accepted",
    )
    arms = [None if record is None else record.decision.arm for record in (first, second)]
    expect(None not in arms and arms[0] != arms[1], f"another arm must make the call again, they were {arms}")
    bench.balance()


def never_routes_twice(stage: Stage, way: str) -> None:
    """A RoutedChatModel handed to the door is not routed a second time: one call, one run, one record."""
    bench = stage()
    answer = bench.ask(way, bench.call(model=RoutedChatModel(bench.router)))
    made = (bench.provider_calls, bench.witness.started, len(bench.records()))
    expect(made == (1, 1, 1), f"provider calls, runs and records must be one each, they are {made}")
    expect(text_of(answer) == PLAIN.text, f"the provider said {PLAIN.text!r}, the door gives {text_of(answer)!r}")
    spent, used = bench.balance().spent.nano_usd, bench.price_of(PLAIN)
    expect(spent == used, f"usage of {used} nano-dollars was reported, {spent} are booked")


def streams_in_pieces(stage: Stage, way: str) -> None:
    """A streamed answer comes in pieces, not whole at its end."""
    bench = stage()
    count = sum(bool(text_of(piece)) for piece in bench.pieces(way, bench.call()))
    expect(count > 1, f"a stream must come piece by piece, there was {count} with text")
