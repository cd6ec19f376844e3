"""Tools and bound models are made once, and made anew as soon as anything that is sent of them changes."""

from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool, StructuredTool, tool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel

from langroute.integrations import bindings
from langroute.integrations.bindings import BoundModels, schema_bytes, schema_of
from langroute.integrations.options import json_bytes
from langroute.testing import ScriptedModel


class Place(BaseModel):
    """Other arguments."""

    city: str


def clock(zone: str) -> str:
    """Tell the time."""
    return zone


def clock_tool() -> BaseTool:
    return StructuredTool.from_function(clock)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The tools that were converted, one entry per conversion by langroute."""
    converted: list[Any] = []
    monkeypatch.setattr(
        bindings, "convert_to_openai_tool", lambda item: (converted.append(item), convert_to_openai_tool(item))[1]
    )
    return converted


class Binding:
    """Binds, and counts how often the model itself was asked to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.models, self.asked = BoundModels(), 0
        own = ScriptedModel.bind_tools

        def asked(model: Any, tools: Any, **options: Any) -> Any:
            self.asked += 1
            return own(model, tools, **options)

        monkeypatch.setattr(ScriptedModel, "bind_tools", asked)

    def __call__(self, model: BaseChatModel, *tools: Any, **options: Any) -> Any:
        bound: Any = self.models.bind(model, list(tools), options)
        assert bound.bound is model
        sent = [schema_of(item) for item in tools]
        assert (
            [dict(item) for item in bound.kwargs["tools"]] == [convert_to_openai_tool(item) for item in tools] == sent
        )
        return bound


@pytest.fixture
def binding(monkeypatch: pytest.MonkeyPatch) -> Binding:
    return Binding(monkeypatch)


MODEL, OTHER = ScriptedModel([]), ScriptedModel([])


def test_the_same_tools_are_bound_once(binding: Binding) -> None:
    """A model is asked to bind tools once, however many steps use them; other options and models are other bindings."""
    first, second = clock_tool(), clock_tool()
    assert binding(MODEL, first, second) is binding(MODEL, first, second)
    assert binding.asked == 1
    binding(MODEL, second, first)
    binding(OTHER, first, second)
    assert binding.asked == 3
    assert binding(MODEL, first, tool_choice="any").kwargs["tool_choice"] == "any"
    assert binding(MODEL, first, tool_choice="auto").kwargs["tool_choice"] == "auto"


def test_a_changed_tool_is_sent_as_it_is_now(binding: Binding) -> None:
    """A tool that gets another name, description or schema between two calls is converted and bound anew."""
    item = clock_tool()
    binding(MODEL, item)
    for change in ({"name": "watch"}, {"description": "Tell the time in a zone."}, {"args_schema": Place}):
        for field, value in change.items():
            setattr(item, field, value)
        before = binding.asked
        binding(MODEL, item)
        assert binding.asked == before + 1
        assert schema_bytes(item) == json_bytes(convert_to_openai_tool(item))
    assert schema_of(item)["function"]["parameters"]["properties"].keys() == {"city"}


def test_tools_of_one_name_are_not_confused(binding: Binding) -> None:
    """Two tools of equal name and description, with other arguments, are two tools."""

    @tool("clock")
    def by_zone(zone: str) -> str:
        """Tell the time."""
        return zone

    @tool("clock")
    def by_city(city: str) -> str:
        """Tell the time."""
        return city

    assert binding(MODEL, by_zone) is not binding(MODEL, by_city)
    assert schema_of(by_zone) != schema_of(by_city)


@pytest.mark.parametrize(
    "item",
    [
        clock,
        Place,
        convert_to_openai_tool(clock),
        StructuredTool.from_function(clock, metadata={"a": 1}),
        StructuredTool.from_function(clock, name="c", description="d", args_schema=Place.model_json_schema()),
    ],
    ids=["function", "class", "dictionary", "metadata", "json-schema"],
)
def test_what_could_change_unseen_is_never_kept(item: Any, binding: Binding, counted: list[Any]) -> None:
    """Functions, dictionaries and tools with settings or a dictionary inside are converted and bound at every call."""
    binding(MODEL, item)
    binding(MODEL, item)
    assert binding.asked == len(counted) == 2
    assert len(binding.models) == 0


def test_options_that_could_change_unseen_are_never_kept(binding: Binding) -> None:
    """A binding with a dictionary among its options is made at every call."""
    item = clock_tool()
    binding(MODEL, item, tool_choice={"type": "any"})
    binding(MODEL, item, tool_choice={"type": "any"})
    assert binding.asked == 2


def test_what_is_kept_is_bounded(binding: Binding) -> None:
    """Programs that make new tools for every call keep a limited number of them alive."""
    for _ in range(bindings._MOST_BOUND + 3):
        binding(MODEL, clock_tool())
    assert len(binding.models) == bindings._MOST_BOUND
    assert bindings._kept_schema.cache_info().maxsize == bindings._MOST_TOOLS


def test_a_schema_is_made_once(counted: list[Any]) -> None:
    """A tool is converted at its first call, for its JSON and its size together."""
    item = clock_tool()
    assert schema_of(item) is schema_of(item)
    assert schema_bytes(item) == json_bytes(schema_of(item))
    assert counted == [item]
