import json
import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel, TypeAdapter

from langroute.observe import events

PAGE = (Path(__file__).parents[3] / "docs" / "log.md").read_text(encoding="utf-8")
MODELS = [
    value
    for value in vars(events).values()
    if isinstance(value, type) and issubclass(value, BaseModel) and value is not BaseModel and value.__doc__
]


@pytest.mark.parametrize("model", [model for model in MODELS if not model.__name__.startswith("_")])
def test_every_field_is_on_the_page(model: type[BaseModel]) -> None:
    """The page on the log tells of every field what the schema says of it."""
    for name, field in model.model_fields.items():
        assert re.search(rf"^\| `{name}` \| .+ \| {re.escape(str(field.description))} \|$", PAGE, re.MULTILINE), name


def test_every_action_is_on_the_page() -> None:
    """The page on the log explains every action."""
    told = PAGE.partition("| action |")[2].partition("##")[0]
    assert re.findall(r"^\| `(\w+)` \|", told, re.MULTILINE) == list(get_args(events.Action))


def test_the_examples_are_real() -> None:
    """The examples on the page are events of the schema in force, one of each kind."""
    adapter: TypeAdapter[events.RoutingEvent] = TypeAdapter(events.RoutingEvent)
    examples = re.findall(r"^```json\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    told = [adapter.validate_json(example) for example in examples]
    assert [event.event for event in told] == ["routing_step", "routing_action"]
    assert [json.loads(example) for example in examples] == [event.model_dump(mode="json") for event in told]
