"""What a call's config and prompt become on their way to the chosen model."""

from typing import Any

import pytest
from integration.routed import House
from langchain_core.callbacks import BaseCallbackHandler, CallbackManager
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs

from langroute.integrations import chat_model
from langroute.integrations.caller import LangChainCaller
from langroute.integrations.meter import CallMeter


class Heard(BaseCallbackHandler):
    """Keeps the messages that chat models were started with."""

    def __init__(self) -> None:
        self.messages: list[BaseMessage] = []

    def on_chat_model_start(self, serialized: dict[str, Any], messages: list[list[BaseMessage]], **kwargs: Any) -> None:
        self.messages.extend(messages[0])


def _callbacks(kind: str) -> Any:
    handlers: list[BaseCallbackHandler] = [Heard()]
    return {"none": None, "list": handlers, "manager": CallbackManager(handlers, inheritable_handlers=handlers)}[kind]


@pytest.mark.parametrize("options", [{}, {"stream": True}], ids=["whole", "in pieces"])
@pytest.mark.parametrize("kind", ["none", "list", "manager"])
def test_a_config_grows_as_langchain_would_merge_it(
    kind: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What langroute adds to a config ends up where `merge_configs` puts it; the config given stays as it was.

    A whole answer tells its usage itself; one that may come in pieces is watched by a meter.
    """
    given = RunnableConfig(tags=["b", "a"], metadata={"mine": 1}, callbacks=_callbacks(kind), configurable={"x": 1})
    house, sent = House(), []
    monkeypatch.setattr(house.small.__class__, "invoke", lambda self, prompt, config, **kw: sent.append(config))
    before = dict(given), len(getattr(given["callbacks"], "handlers", given["callbacks"] or ()))
    house.llm.invoke("Hi", given, **options)
    (config,) = sent
    handlers = getattr(config["callbacks"], "handlers", config["callbacks"] or ())
    ours = [item for item in handlers if type(item) is CallMeter]
    added = {key: config["metadata"][key] for key in config["metadata"] if key.startswith("langroute_")}
    arm = [tag for tag in config["tags"] if tag.startswith("langroute:")]
    merged = merge_configs(given, RunnableConfig(tags=arm, metadata=added, callbacks=[*ours]))
    assert (len(ours), len(arm)) == (len(options), 1)
    assert set(added) == {"langroute_episode", "langroute_call_index", "langroute_record"}
    for key in ("tags", "metadata", "configurable"):
        assert config[key] == merged[key]
    assert _handlers(config) == _handlers(merged)
    assert before == (dict(given), len(getattr(given["callbacks"], "handlers", given["callbacks"] or ())))


def _handlers(config: RunnableConfig) -> tuple[list[Any], list[Any]]:
    callbacks: Any = config["callbacks"] or []
    if isinstance(callbacks, list):
        return callbacks, callbacks
    return callbacks.handlers, callbacks.inheritable_handlers


def test_no_prompt_is_written_out_for_the_meter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Handlers that know no chat models are sent the prompt as text, built anew per call; the meter is none of them."""
    monkeypatch.setattr(
        "langchain_core.callbacks.manager.get_buffer_string", lambda messages: pytest.fail("the prompt was written out")
    )
    assert House().llm.invoke("Hi").content


@pytest.mark.parametrize("prompt", [[("human", "Hi")], [{"role": "user", "content": "Hi"}], ["Hi"], "Hi"])
def test_every_form_of_a_prompt_is_read_as_messages(prompt: Any) -> None:
    """Whatever LangChain takes as a prompt reaches the router as messages, alone or beside real ones."""
    heard, house = Heard(), House()
    house.llm.invoke(prompt, {"callbacks": [heard]})
    mixed = [*prompt, AIMessage("Yes?"), HumanMessage("Go on.")] if isinstance(prompt, list) else prompt
    house.llm.invoke(mixed, {"callbacks": [heard]})
    assert [message.text for message in heard.messages[:1]] == ["Hi"]
    assert all(isinstance(message, BaseMessage) for message in heard.messages)


def test_a_prompt_that_grows_during_the_call_is_read_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """The messages of a call are those it was made with, also if the program appends to its list meanwhile."""
    prompt: list[Any] = [HumanMessage("Hi")]

    def answer(messages: Any, kwargs: Any) -> str:
        prompt.append(HumanMessage("And another thing."))
        return "yes"

    house, seen, made = House(small=answer, large=answer), [], LangChainCaller
    monkeypatch.setattr(
        chat_model,
        "LangChainCaller",
        lambda pool, call, *rest, **options: (seen.append(call), made(pool, call, *rest, **options))[1],
    )
    house.llm.invoke(prompt)
    assert [len(call.messages) for call in seen] == [1]
