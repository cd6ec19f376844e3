"""The obliging answerer and the values it fits into schemas."""

import enum
from typing import Annotated, Any, Literal

import pytest
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, Field, TypeAdapter, create_model

from langroute.testing import obliging
from langroute.testing.fitting import Hints, fitting_value


class Colour(enum.Enum):
    RED = "red"


class Leaf(BaseModel):
    size: Annotated[int, Field(ge=10, le=12)]
    kind: Literal["oak", "elm"]


class Tree(BaseModel):
    leaves: Annotated[list[Leaf], Field(min_length=2)]
    up: "Tree | None"
    colour: Colour


KINDS: dict[str, Any] = {
    "text": str,
    "long text": Annotated[str, Field(min_length=40)],
    "short text": Annotated[str, Field(max_length=2)],
    "whole": int,
    "above": Annotated[int, Field(gt=6)],
    "below": Annotated[int, Field(lt=-6)],
    "steps": Annotated[int, Field(ge=10, multiple_of=7)],
    "between": Annotated[float, Field(gt=0.2, lt=0.3)],
    "up to": Annotated[float, Field(le=0.125)],
    "flag": bool,
    "nothing": None,
    "maybe": int | None,
    "either": int | str,
    "list": list[int],
    "pair": tuple[int, str],
    "set": Annotated[set[str], Field(min_length=3)],
    "map": dict[str, int],
    "nested": Tree,
    "enumeration": Colour,
    "constant": Literal["only"],
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_fits_whatever_schema_is_asked_for(kind: str) -> None:
    """What is fitted to the JSON schema of a type is accepted by that type."""
    model = create_model("Asked", it=(KINDS[kind], ...))
    model.model_validate_json(model.model_validate(fitting_value(model.model_json_schema())).model_dump_json())


@pytest.mark.parametrize("form", ["date", "date-time", "time", "uuid", "email", "uri", "ipv4", "ipv6", "duration"])
def test_texts_of_a_format_have_it(form: str) -> None:
    """The usual formats are met; a hint does not stand in their place."""
    text = fitting_value({"type": "string", "format": form}, Hints(texts=["hint"]))
    assert text != "hint"
    if form in ("date", "date-time", "time", "uuid", "duration"):
        python = {"date-time": "datetime", "time": "time", "uuid": "uuid.UUID", "duration": "timedelta"}
        home = __import__("uuid").UUID if form == "uuid" else getattr(__import__("datetime"), python.get(form, form))
        TypeAdapter(home).validate_python(text)


def test_only_what_is_required_is_given() -> None:
    """Optional properties are left out, and lists are as short as they may be."""
    schema = {"type": "object", "properties": {"a": {"type": "array"}, "b": {"type": "string"}}, "required": ["a"]}
    assert fitting_value(schema) == {"a": []}


def test_parts_put_together_are_all_kept() -> None:
    """What `allOf` brings together is required together, references included."""
    schema = {
        "$defs": {"one": {"type": "object", "properties": {"a": {"const": 1}}, "required": ["a"]}},
        "allOf": [{"$ref": "#/$defs/one"}, {"properties": {"b": {"const": 2}}, "required": ["b"]}],
    }
    assert fitting_value(schema) == {"a": 1, "b": 2}


def test_a_schema_without_an_end_is_refused() -> None:
    """A schema that demands itself has no finite value, and says so instead of running away."""
    endless = {"type": "object", "properties": {"me": {"$ref": "#"}}, "required": ["me"]}
    with pytest.raises(ValueError, match="no finite value fits"):
        fitting_value(endless)


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def get_weather(place: str) -> str:
    """Tell the weather."""
    return place


TOOLS = [convert_to_openai_tool(add), convert_to_openai_tool(get_weather)]


def asked(text: Any, role: str = "user", **options: Any) -> Any:
    """What the answerer says to one message."""
    return obliging({"messages": [{"role": role, "content": text}], **options})


def test_a_tool_is_called_when_it_is_named() -> None:
    """Its name, or a word of it, calls a tool, with the numbers and quoted texts of the prompt as arguments."""
    assert asked("Please add 3 and -4.", tools=TOOLS).tool_calls == (("add", {"a": 3, "b": -4}),)
    told = [{"type": "text", "text": "What is the weather in 'Rome'?"}]
    assert asked(told, tools=TOOLS).tool_calls == (("get_weather", {"place": "Rome"}),)
    assert asked("Hello", tools=TOOLS).tool_calls == ()
    assert asked("Please add 3 and 4.").tool_calls == ()


def test_a_tool_is_called_when_one_is_demanded() -> None:
    """`required` and a name are obeyed whatever the prompt says, and so is `none`."""
    named = {"type": "function", "function": {"name": "get_weather"}}
    assert asked("Hello", tools=TOOLS, tool_choice="required").tool_calls[0][0] == "add"
    assert asked("Rain?", tools=TOOLS, tool_choice=named).tool_calls == (("get_weather", {"place": "place"}),)
    assert asked("weather", tools=TOOLS, tool_choice="required").tool_calls[0][0] == "get_weather"
    assert asked("Please add 3 and 4.", tools=TOOLS, tool_choice="none").tool_calls == ()


def test_an_agent_comes_to_an_end() -> None:
    """After a tool has answered, the answer is text, so that a tool loop stops."""
    said = asked("add says 7", role="tool", tools=TOOLS)
    assert (said.text, said.tool_calls) == ("You said: add says 7", ())


def test_json_is_given_where_it_is_asked_for() -> None:
    """A schema gets a value that fits, JSON mode the quoted keys, and everything else an echo."""
    schema = {"type": "json_schema", "json_schema": {"name": "Leaf", "schema": Leaf.model_json_schema()}}
    assert Leaf.model_validate_json(asked("11, please", response_format=schema).text).size == 11
    keyed = asked("JSON with 'setup' and 'end'", response_format={"type": "json_object"})
    assert keyed.text == '{"setup": "some text", "end": "some text"}'
    assert asked("Hi").text == "You said: Hi"
    assert asked("").text == "You said nothing."
