"""What tools are for."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langroute.steps.features import ToolCategories, demanded_tool, is_retrieval, tool_category


def _schema(name: str, text: str = "") -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "description": text}}


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("search_emails", "search"),
        ("TavilySearch", "search"),
        ("run_python", "code"),
        ("sql_db_query", "data"),
        ("get_weather", "data"),
        ("write_file", "write"),
        ("send_email", "communicate"),
        ("calculator", "compute"),
        ("frobnicate", "other"),
    ],
)
def test_a_name_tells_what_a_tool_is_for(name: str, category: str) -> None:
    """The first known word of the name decides."""
    assert tool_category([(name, "")]) == category
    assert is_retrieval(name) is (category == "search")


def test_the_description_speaks_where_the_name_is_silent() -> None:
    """An opaque name is read by its description; the name goes first."""
    assert tool_category([("t1", "Sends a message: send it to the user")]) == "communicate"
    assert tool_category([("search_t1", "Sends an email")]) == "search"


def test_the_majority_speaks_for_a_set() -> None:
    """More than half of the tools name the category; without a majority it is mixed, without tools empty."""
    search, mail, python = ("search_web", ""), ("send_email", ""), ("run_python", "")
    assert tool_category([search, search, mail]) == "search"
    assert tool_category([search, mail]) == "mixed"
    assert tool_category([search, mail, python]) == "mixed"
    assert tool_category([]) == ""


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        (None, ""),
        ("auto", ""),
        ("any", ""),
        ("required", ""),
        (True, ""),
        ("send_email", "send_email"),
        ({"type": "function", "function": {"name": "send_email"}}, "send_email"),
        ({"type": "tool", "name": "send_email"}, "send_email"),
        ({"type": "any"}, ""),
    ],
)
def test_a_demand_by_name_is_read_in_every_form(choice: object, name: str) -> None:
    """OpenAI's and Anthropic's forms and LangChain's short one; words that leave the choice name nothing."""
    assert demanded_tool(choice) == name


def test_the_demanded_tool_counts_alone() -> None:
    """tool_choice by name wins over the majority; a name that is not bound changes nothing."""
    tools = [_schema("search_web"), _schema("search_news"), _schema("send_email")]
    known = ToolCategories()
    assert known.of(tools, tool_choice="send_email", schemas=lambda: tools) == "communicate"
    assert known.of(tools, tool_choice="auto", schemas=lambda: tools) == "search"
    assert known.of(tools, tool_choice="nobody", schemas=lambda: tools) == "search"
    assert known.of([], tool_choice=None, schemas=lambda: tools) == ""


def test_a_set_that_was_seen_is_not_read_again() -> None:
    """The same tool objects cost one look; equal ones made anew are read, and memory stays bounded."""
    asked: list[int] = []

    def schemas() -> list[dict[str, Any]]:
        asked.append(1)
        return [_schema("search_web")]

    known = ToolCategories()
    tools = schemas()
    asked.clear()
    for _ in range(3):
        assert known.of(tuple(tools), tool_choice=None, schemas=schemas) == "search"
    assert len(asked) == 1
    for _ in range(200):
        known.of(schemas(), tool_choice=None, schemas=schemas)
    assert len(known._known) <= 64


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=6))
def test_any_text_gets_a_category(tools: list[tuple[str, str]]) -> None:
    """Whatever tools are called, the answer is one of a few words and the order of the tools does not matter."""
    found = tool_category(tools)
    assert found in {"", "search", "code", "data", "write", "communicate", "compute", "other", "mixed"}
    assert tool_category(tools[::-1]) == found
