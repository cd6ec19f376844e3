"""Tools, the choice among them and all other settings of a call, as every format takes them."""

from typing import Any, cast

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool

from langroute import ConfigError
from langroute.integrations.swap import reasons as why
from langroute.integrations.swap.options import KNOWN_BY, fit_options, fit_structure_options, why_no_options
from langroute.integrations.swap.targets import target_of
from langroute.integrations.swap.tools import fit_tool_options, fit_tools, tool_owners, why_no_tools
from tests.unit.integrations.swap.arms import KEY, MODELS, ONE_OF_EACH, pool, target


@tool
def look(place: str) -> str:
    """Look somewhere."""
    return place


def options(arm: str, **given: Any) -> tuple[dict[str, Any], list[str]]:
    """The options an arm is sent, and what was noted."""
    notes: list[str] = []
    return dict(fit_options(given, target(arm), notes)), notes


def bound(arm: str, **given: Any) -> Any:
    """What the arm's package makes of a binding after it was made fit."""
    model: Any = MODELS[arm]
    return model.bind_tools([look], **fit_tool_options(given, target(arm), [])).kwargs


def chosen(arm: str, given: Any) -> Any:
    """A tool choice as the arm's package sends it."""
    kwargs, model = bound(arm, tool_choice=given), cast("Any", MODELS[arm])
    if arm != "gemini":
        return kwargs["tool_choice"]
    asked = model._prepare_request([HumanMessage("q")], **kwargs)["config"].tool_config.function_calling_config
    return asked.mode.value, asked.allowed_function_names


# -- options -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "arms"),
    [
        ("temperature", 0.5, {"chat", "sonnet", "gemini", "flash"}),
        ("top_p", 0.5, {"chat", "sonnet", "gemini", "flash"}),
        ("top_k", 5, {"sonnet", "gemini", "flash"}),
        ("seed", 1, {"chat", "gemini", "flash"}),
        ("frequency_penalty", 0.5, {"chat", "gemini", "flash"}),
        ("logprobs", True, {"chat"}),
        ("logit_bias", {"1": 2}, {"chat"}),
        ("stop", ["x"], {"chat", "sonnet", "opus", "gemini", "flash"}),
        ("cache_control", {"type": "ephemeral"}, {"sonnet", "opus"}),
        ("thinking", {"type": "adaptive"}, {"sonnet", "opus"}),
        ("verbosity", "low", {"responses", "mini"}),
        ("user", "u", {"chat", "responses", "mini"}),
        ("safety_settings", {}, {"gemini", "flash"}),
        ("something_new", 1, set(MODELS)),
    ],
)
def test_options_go_to_the_arms_that_know_them(name: str, value: Any, arms: set[str]) -> None:
    """An option that a format or a thinking model refuses is left out, and the log says so; unknown ones go through."""
    for arm in MODELS:
        kept, notes = options(arm, **{name: value})
        assert (name in kept) == (arm in arms), arm
        assert notes == ([] if arm in arms else [why.option_dropped(name)])


def test_options_that_fit_are_the_very_same() -> None:
    """Nothing is copied where nothing changes."""
    given = {"temperature": 0.5}
    assert fit_options(given, target("chat"), []) is given
    assert fit_options({}, target("chat"), []) == {}


@pytest.mark.parametrize("name", ["reasoning_effort", "effort", "thinking_level"])
def test_effort_is_asked_for_in_the_words_of_the_arm(name: str) -> None:
    """Each provider has a name and levels of its own; what a model lacks is the next level below."""
    assert options("responses", **{name: "high"})[0] == {"reasoning_effort": "high"}
    assert options("responses", **{name: "max"})[0] == {"reasoning_effort": "high"}
    assert options("opus", **{name: "medium"})[0] in ({"reasoning_effort": "medium"}, {"effort": "medium"})
    assert options("gemini", **{name: "medium"})[0] in ({"reasoning_effort": "low"}, {"thinking_level": "low"})
    assert options("chat", **{name: "high"}) == ({}, [why.option_dropped(name)])
    assert options("sonnet", **{name: "high"}) == ({}, [why.option_dropped(name)])


def test_openais_reasoning_says_the_effort_to_the_others() -> None:
    """The dictionary stays with OpenAI's thinking models; the others are told the level in it."""
    asked = {"effort": "low", "summary": "auto"}
    assert options("responses", reasoning=asked)[0] == {"reasoning": asked}
    assert options("opus", reasoning=asked)[0] == {"reasoning_effort": "low"}
    assert options("chat", reasoning=asked)[0] == {}


def test_values_are_brought_into_range() -> None:
    """Anthropic's temperature ends at 1, and its newer models refuse `top_p` beside it; stop texts are counted."""
    assert options("sonnet", temperature=1.5, top_p=0.5)[0] == {"temperature": 1}
    assert options("chat", temperature=1.5, top_p=0.5)[0] == {"temperature": 1.5, "top_p": 0.5}
    assert options("sonnet", stop=["\n", "END"])[0] == {"stop": ["END"]}
    assert options("sonnet", stop=["\n"])[0] == {}
    assert options("chat", stop=list("abcdef"))[0] == {"stop": list("abcd")}
    assert options("gemini", stop=list("abcdef"))[0] == {"stop": list("abcde")}


def test_a_pool_says_what_else_an_arm_refuses() -> None:
    """The table can be wrong about a model: whoever runs it says so."""
    assert pool(refused_options={"chat": ["seed"]}).refused_options("chat") == {"seed"}
    notes: list[str] = []
    assert fit_options({"seed": 1}, target("chat", refused=["seed"]), notes) == {}
    assert notes == [why.option_dropped("seed")]
    for wrong in ({"nobody": ["seed"]}, {"chat": "seed"}, {"chat": [1]}, ["seed"]):
        with pytest.raises(ConfigError, match="refused_options"):
            pool(refused_options=wrong)


def test_every_option_in_the_table_is_somebodys() -> None:
    """The table holds no option that nobody takes, and none that all take and need not be named but for sampling."""
    everybody = frozenset({"openai_chat", "openai_responses", "anthropic", "google"})
    assert all(known for known in KNOWN_BY.values())
    assert {name for name, known in KNOWN_BY.items() if known == everybody} == {"temperature", "top_p", "service_tier"}


def test_json_without_a_schema_masks_claude() -> None:
    """Anthropic has no such mode, and to leave it out would bring back prose."""
    asked = {"response_format": {"type": "json_object"}}
    assert {arm for arm in MODELS if why_no_options(asked, target(arm))} == {"sonnet", "opus"}
    schema = {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}}
    assert not any(why_no_options(schema, target(arm)) for arm in MODELS)


@pytest.mark.parametrize(
    ("arm", "given", "kept"),
    [
        ("chat", {"method": "json_mode", "strict": True}, {"method": "json_mode", "strict": True}),
        ("sonnet", {"method": "json_mode", "strict": True}, {"strict": True}),
        ("gemini", {"method": "json_schema", "strict": True, "tools": []}, {"method": "json_schema", "strict": True}),
    ],
)
def test_structure_comes_the_arms_own_way_where_it_lacks_the_one_asked_for(
    arm: str, given: dict[str, Any], kept: dict[str, Any]
) -> None:
    """A method or option that a package refuses is left out; the schema is demanded in its usual way."""
    notes: list[str] = []
    assert fit_structure_options(given, target(arm), notes) == kept
    assert notes == ([] if given == kept else [why.STRUCTURE])


# -- tools -------------------------------------------------------------------------------------------------------------

FORCED = [
    ("any", {"chat": "required", "sonnet": {"type": "any"}, "gemini": ("ANY", ["look"])}),
    ("required", {"chat": "required", "sonnet": {"type": "any"}, "gemini": ("ANY", ["look"])}),
    (True, {"chat": "required", "sonnet": {"type": "any"}, "gemini": ("ANY", ["look"])}),
    ({"type": "any"}, {"chat": "required", "sonnet": {"type": "any"}, "gemini": ("ANY", ["look"])}),
    ("none", {"chat": "none", "sonnet": {"type": "none"}, "gemini": ("NONE", None)}),
    ("auto", {"chat": "auto", "sonnet": {"type": "auto"}, "gemini": ("AUTO", None)}),
]
NAMED = {
    "chat": {"type": "function", "function": {"name": "look"}},
    "sonnet": {"type": "tool", "name": "look"},
    "gemini": ("ANY", ["look"]),
}
BY_NAME = [
    "look",
    {"type": "function", "function": {"name": "look"}},
    {"type": "function", "name": "look"},
    {"type": "tool", "name": "look"},
]


@pytest.mark.parametrize(("given", "sent"), [*FORCED, *((each, NAMED) for each in BY_NAME)])
def test_a_tool_choice_means_the_same_everywhere(given: Any, sent: dict[str, Any]) -> None:
    """Whoever's words it is in, each package is given it in those it understands."""
    for arm, wanted in sent.items():
        assert chosen(arm, given) == wanted, arm


def test_a_tool_is_not_forced_on_models_that_refuse_it() -> None:
    """Newer Claudes take no forced choice; the tool stays at hand, and the log says so."""
    newer, notes = target_of("new", ChatAnthropic(model_name="claude-opus-5-5", api_key=KEY)), list[str]()
    assert fit_tool_options({"tool_choice": "any"}, newer, notes) == {}
    assert notes == [why.FORCED_TOOL]
    assert fit_tool_options({"tool_choice": "auto"}, newer, []) == {"tool_choice": "auto"}


def test_parallel_calls_are_ruled_out_where_that_can_be_said() -> None:
    """Google has no such setting, and its package fails on it."""
    assert bound("chat", parallel_tool_calls=False)["parallel_tool_calls"] is False
    assert bound("sonnet", parallel_tool_calls=False)["tool_choice"]["disable_parallel_tool_use"] is True
    assert "parallel_tool_calls" not in bound("gemini", parallel_tool_calls=False)


@pytest.mark.parametrize(
    ("given", "arms"),
    [
        ({"type": "web_search_20250305", "name": "web_search"}, {"sonnet"}),
        ({"type": "computer_20250124", "name": "computer"}, {"sonnet"}),
        ({"type": "code_execution_20250825", "name": "code_execution"}, {"sonnet"}),
        ({"type": "web_search"}, {"chat", "responses"}),
        ({"type": "web_search_preview"}, {"chat", "responses"}),
        ({"type": "code_interpreter", "container": {"type": "auto"}}, {"chat", "responses"}),
        ({"type": "mcp", "server_label": "x"}, {"chat", "responses"}),
        ({"google_search": {}}, {"gemini"}),
        ({"code_execution": {}}, {"gemini"}),
        ({"type": "function", "function": {"name": "f", "parameters": {}}}, set(ONE_OF_EACH)),
        ({"name": "f", "input_schema": {"type": "object"}}, set(ONE_OF_EACH)),
        (look, set(ONE_OF_EACH)),
    ],
)
def test_a_tool_that_only_one_provider_runs_masks_the_others(given: Any, arms: set[str]) -> None:
    """Searches, sandboxes and screens of a provider are its own; without them the call would be another one."""
    owners = tool_owners([look, given])
    assert {arm for arm in ONE_OF_EACH if not why_no_tools(owners, target(arm))} == arms


def test_cache_markers_of_tools_stay_with_claude() -> None:
    """OpenAI refuses them on tools too; the tools given are not changed."""
    marked = {"name": "f", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}}
    given, notes = [look, marked], list[str]()
    assert fit_tools(given, target("sonnet"), notes) is given
    assert notes == []
    assert fit_tools(given, target("chat"), notes) == [look, {"name": "f", "input_schema": {"type": "object"}}]
    assert notes == [why.TOOL_MARKS]
    assert "cache_control" in marked
    assert fit_tools([look], target("chat"), []) == [look]
