"""Asking a person: what answers are understood, what is kept, and what a call does with them."""

import json
from dataclasses import replace
from typing import Any

import pytest
from fakes import ApiError, Bench, ListJournal, ScriptedCaller, a_step, good, ladder

from langroute.actions import Actions
from langroute.acts import Ask, Take
from langroute.budget import Budget
from langroute.config import RouterConfig
from langroute.episodes import RunPlace
from langroute.errors import ConfigError, NoArmAvailable
from langroute.policies.frontier import FrontierPolicy
from langroute.questions import ACTION_NAME, Answer, Question, QuestionBook, answered, asked, read_answer

DEAR = Actions(ask_above_dollars=0.001)  # the small arm stays below it, the large one does not
PLACE = RunPlace(explicit="e", task="plan:1", execution=object())


class Interrupted(Exception):
    """As a graph is interrupted."""


def bench(**options: Any) -> Bench:
    """A router that asks before a call of the large arm, which its policy wants for a control step."""
    return Bench(config=RouterConfig(actions=DEAR, budget=Budget(total_dollars=1)), **options)


def a_question(**fields: Any) -> Question:
    values: dict[str, Any] = {
        "id": "q1",
        "place": "plan:1#0",
        "episode": "e",
        "call_index": 3,
        "node": "plan",
        "kind": "control",
        "arm": "large",
        "cost_nano": 20_000_000,
        "worst_nano": 30_000_000,
        "above_nano": 10_000_000,
        "spent_nano": 5_000_000,
        "limit_nano": 100_000_000,
    }
    return Question(**{**values, **fields})


# -- what is understood --------------------------------------------------------------------------------------------


def _edit(**args: Any) -> dict[str, Any]:
    return {"decisions": [{"type": "edit", "edited_action": {"name": ACTION_NAME, "args": args}}]}


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (True, Answer(verdict="once")),
        (" Yes ", Answer(verdict="once")),
        ("once", Answer(verdict="once")),
        ("episode", Answer(verdict="episode")),
        (False, Answer(verdict="no")),
        ("no", Answer(verdict="no")),
        ({"raise_budget_to_usd": 0.5}, Answer(verdict="raise", dollars=0.5)),
        ({"decisions": [{"type": "approve"}]}, Answer(verdict="once")),
        ({"decisions": [{"type": "reject", "message": "too dear"}]}, Answer(verdict="no")),
        (_edit(allow="episode"), Answer(verdict="episode")),
        (_edit(arm="large", raise_budget_to_usd=2), Answer(verdict="raise", dollars=2.0)),
        (_edit(arm="large", allow="once", raise_budget_to_usd=None), Answer(verdict="once")),
    ],
    ids=repr,
)
def test_an_answer_is_understood(given: object, meant: Answer) -> None:
    """Plain words, and the form in which LangChain's human-in-the-loop interfaces answer."""
    assert read_answer(given) == meant


@pytest.mark.parametrize(
    "given",
    [
        "maybe",
        None,
        1,
        0,
        {},
        {"decisions": []},
        {"decisions": [{"type": "approve"}, {"type": "approve"}]},
        {"decisions": [{"type": "respond"}]},
        {"allow": {"allow": "once"}},
        _edit(allow="always"),
    ],
    ids=repr,
)
def test_what_is_no_answer_is_refused(given: object) -> None:
    """Never taken for a yes; the error shows the answers there are."""
    with pytest.raises(ConfigError, match="resume with") as caught:
        read_answer(given)
    assert caught.value.field == "resume"


@pytest.mark.parametrize("amount", [-1, "much", float("inf")])
def test_a_raise_needs_an_amount(amount: object) -> None:
    """A total that is none is refused by name."""
    with pytest.raises(ConfigError, match="raise_budget_to_usd"):
        read_answer({"raise_budget_to_usd": amount})


def test_a_question_has_the_form_of_langchains_requests() -> None:
    """One action to review, with what it would cost and the ways to change it, and a sentence for people."""
    payload = a_question().payload()
    (request,) = payload["action_requests"]
    assert request["name"] == payload["review_configs"][0]["action_name"] == ACTION_NAME
    assert request["args"]["expected_usd"] == 0.02
    assert request["args"]["limit_usd"] == 0.1
    assert "May large make this control call in node plan?" in request["description"]
    assert json.loads(json.dumps(payload)) == payload


# -- what is kept --------------------------------------------------------------------------------------------------


def test_calls_of_one_execution_have_places_of_their_own() -> None:
    """A node that is run again from its start counts its calls from the start again; outside a graph there is none."""
    book, first, again = QuestionBook(ListJournal()), object(), object()
    assert [book.place("plan:1", first) for _ in range(2)] == ["plan:1#0", "plan:1#1"]
    assert book.place("plan:1", again) == "plan:1#0"
    assert book.place("", None) == ""


def test_questions_are_read_back_from_the_journal() -> None:
    """A run that is resumed in another process meets the same question, and a consent for the episode."""
    journal = ListJournal()
    for action in (
        asked(a_question(), at=1.0),
        answered(a_question(), Answer(verdict="episode"), at=2.0),
        asked(a_question(id="q2", place="work:2#0"), at=3.0),
    ):
        journal.note(action)
    book = QuestionBook(journal)
    assert book.asked_at("e", "plan:1#0") == a_question()
    assert book.asked_at("e", "work:2#0") == a_question(id="q2", place="work:2#0")
    assert book.asked_at("e", "report:3#0") is None
    assert book.consents("e")
    assert not book.consents("other")


# -- what a call does ----------------------------------------------------------------------------------------------


def _acts(house: Bench) -> list[str]:
    return [type(act).__name__ for act in house.desk.acts]


def test_a_person_is_asked_before_anything_is_held() -> None:
    """While the graph is interrupted nothing is held, nothing is called, and the question is kept."""
    house, caller = bench(), ScriptedCaller()
    caller.answers = [Interrupted()]
    with pytest.raises(Interrupted):
        house.run(caller, kind="control", place=PLACE)
    assert not any(isinstance(act, Take) for act in house.desk.acts)
    assert house.books.used.nano_usd == 0
    assert [action.action for action in house.journal.noted] == ["ask"]
    assert caller.asked[0].arm == "large"
    assert caller.asked[0].place == "plan:1#0"


@pytest.mark.parametrize(("answer", "arms"), [("once", ["large"]), ("no", ["small"])])
def test_the_answer_decides(answer: str, arms: list[str]) -> None:
    """Yes makes the call, no leaves the dear arms out, and both are told."""
    house, caller = bench(), ScriptedCaller(good())
    caller.answers = [answer]
    house.run(caller, kind="control", place=PLACE)
    assert caller.arms == arms
    assert [action.action for action in house.journal.noted] == ["ask", "answered"]
    (record,) = house.journal.kept
    assert [(out.arm, out.why) for out in record.step.rejected] == ([("large", "person")] if answer == "no" else [])
    assert record.step.pressure.total == 0


def test_a_resume_meets_the_question_that_was_asked_whatever_is_decided_now() -> None:
    """The router would choose a cheap arm by now: the open question is still asked first, so that the answer fits."""
    house = bench()
    first = ScriptedCaller()
    first.answers = [Interrupted()]
    with pytest.raises(Interrupted):
        house.run(first, kind="control", place=PLACE)
    again = ScriptedCaller(good())
    again.answers = ["no"]
    resumed = RunPlace(explicit="e", task="plan:1", execution=object())
    house.run(again, kind="presentation", place=resumed)
    assert again.asked == first.asked
    assert again.arms == ["small"]
    assert sum(action.action == "ask" for action in house.journal.noted) == 2
    assert len({action.id for action in house.journal.noted if action.action == "ask"}) == 1


def test_yes_for_the_episode_asks_no_more() -> None:
    """Neither in the next step, nor in another process that reads the journal."""
    house, caller = bench(), ScriptedCaller(good(), good())
    caller.answers = ["episode"]
    for task in ("plan:1", "plan:2"):
        house.run(caller, kind="control", place=RunPlace(explicit="e", task=task, execution=object()))
    assert len(caller.asked) == 1
    assert caller.arms == ["large", "large"]
    other = bench()
    other.journal.noted = house.journal.noted
    later = ScriptedCaller(good())
    other.run(later, kind="control", place=RunPlace(explicit="e", task="plan:3", execution=object()))
    assert not later.asked
    assert later.arms == ["large"]


def test_yes_once_asks_again_in_the_next_step() -> None:
    """An answer holds for the step it was given for."""
    house, caller = bench(), ScriptedCaller(good(), good())
    caller.answers = ["once", "no"]
    for task in ("plan:1", "plan:2"):
        house.run(caller, kind="control", place=RunPlace(explicit="e", task=task, execution=object()))
    assert caller.arms == ["large", "small"]


def test_the_budget_can_be_raised_in_the_answer() -> None:
    """The raise is in the books before the call is held, and is told."""
    house, caller = bench(), ScriptedCaller(good())
    caller.answers = [{"raise_budget_to_usd": 3}]
    house.run(caller, kind="control", place=PLACE)
    assert house.books.limits.nano_usd == 3_000_000_000
    assert [action.action for action in house.journal.noted] == ["ask", "answered", "budget_changed"]
    assert caller.arms == ["large"]


def test_where_a_no_leaves_no_arm_the_refusal_says_so() -> None:
    """A pinned arm that a person refused is not replaced in silence."""
    house, caller = bench(), ScriptedCaller()
    caller.answers = ["no"]
    with pytest.raises(NoArmAvailable, match="a person said no"):
        house.run(caller, kind="control", place=PLACE, pinned="large")
    assert house.books.used.nano_usd == 0


def test_a_cheap_call_asks_nobody() -> None:
    """Below the price from which on a person is asked, nothing is asked and nothing kept."""
    house, caller = bench(), ScriptedCaller(good())
    house.run(caller, kind="presentation", place=PLACE)
    assert not caller.asked
    assert not house.journal.noted


def test_without_a_graph_a_function_asks() -> None:
    """``StepRouter(ask=...)`` is called with the question; the door is not."""
    seen: list[Question] = []
    house = bench(ask=lambda question: (seen.append(question), "once")[1])
    caller = ScriptedCaller(good())
    house.run(caller, kind="control")
    assert [question.arm for question in seen] == ["large"]
    assert not caller.asked
    assert caller.arms == ["large"]


async def test_a_coroutine_may_ask() -> None:
    """In async calls a person may be asked by a coroutine function, or by a function in another thread."""

    async def ask(question: Question) -> str:
        return "no"

    for person in (ask, lambda question: "no"):
        house, caller = bench(ask=person), ScriptedCaller(good())
        await house.arun(caller, kind="control")
        assert caller.arms == ["small"]


def test_a_yes_once_is_no_yes_to_a_dearer_arm() -> None:
    """When the approved arm fails, one that may cost more than was approved is left out; the approved one goes on."""
    config = RouterConfig(
        actions=Actions(ask_above_dollars=0.0001), thrift=1.0, tiers={"control": {"minimum": "medium"}}
    )
    house = Bench(config=config, arms=ladder("small", "medium", "large"))
    caller = ScriptedCaller(ApiError(429), good())
    caller.answers = ["once"]
    house.run(caller, kind="control", place=PLACE)
    assert [question.arm for question in caller.asked] == ["medium"]
    assert caller.arms == ["medium", "medium"]
    assert [(out.arm, out.why) for out in house.journal.kept[-1].step.rejected] == [("large", "person")]


def test_after_a_no_the_cheap_arm_is_tried_again() -> None:
    """An arm that failed for a moment is all that a person's no leaves: it is not given up for that."""
    house, caller = bench(), ScriptedCaller(ApiError(503), good())
    caller.answers = ["no"]
    house.run(caller, kind="presentation", place=PLACE)
    assert [question.arm for question in caller.asked] == ["large"]
    assert caller.arms == ["small", "small"]
    assert len(house.desk.pauses) == 1


def test_asking_ends_whatever_the_policy_tells() -> None:
    """A policy that lists no alternatives cannot have a person's no ignored for ever."""

    class Terse:
        name, version = "terse", "1"

        def choose(self, step: Any, estimates: Any, ruling: Any) -> Any:
            return replace(FrontierPolicy().choose(step, estimates, ruling), alternatives=())

    house, caller = bench(policy=Terse()), ScriptedCaller(good())
    caller.answers = ["no"]
    house.run(caller, kind="control", place=PLACE)
    assert caller.arms == ["small"]


@pytest.mark.parametrize("nonsense", ["banana", {"raise_budget_to_usd": -1}, {"raise_budget_to_usd": 1e300}])
def test_an_answer_that_cannot_be_followed_is_asked_for_again(nonsense: object) -> None:
    """A graph keeps what it was resumed with: an error would come back at every resume from then on."""
    house, caller = bench(), ScriptedCaller(good())
    caller.answers = [nonsense, "no"]
    house.run(caller, kind="control", place=PLACE)
    assert caller.asked[0] == caller.asked[1]
    assert caller.arms == ["small"]
    assert [action.action for action in house.journal.noted] == ["ask", "ask", "answered"]
    assert QuestionBook(house.journal).asked_at("e", "plan:1#0") == caller.asked[0]


def test_a_function_that_answers_nonsense_is_told() -> None:
    """There a program is at fault, and no resume would bring the same answer back."""
    with pytest.raises(ConfigError, match="no answer"):
        bench(ask=lambda question: "banana").run(ScriptedCaller(), kind="control")


def test_a_function_that_allowed_the_episode_is_not_asked_when_a_node_runs_again() -> None:
    """Only a graph has to be interrupted again to hand over the answer that is waiting."""
    seen: list[Question] = []
    house = bench(ask=lambda question: (seen.append(question), "episode")[1])
    for _ in range(2):
        house.run(
            ScriptedCaller(good()), kind="control", place=RunPlace(explicit="e", task="plan:1", execution=object())
        )
    assert len(seen) == 1


def test_a_coroutine_function_cannot_be_asked_by_a_sync_call() -> None:
    """The error says so, and no coroutine is left over."""

    async def ask(question: Question) -> str:
        return "once"

    with pytest.raises(ConfigError, match="coroutine function"):
        bench(ask=ask).run(ScriptedCaller(), kind="control")


def test_asking_costs_nothing_where_it_is_switched_off() -> None:
    """Without a price from which on to ask, no step recalls anything."""
    house = Bench(budget=Budget(total_dollars=1))
    house.run(ScriptedCaller(good()), kind="control", place=PLACE)
    assert "Recall" not in _acts(house)
    assert not any(isinstance(act, Ask) for act in house.desk.acts)
    assert a_step().rejected == ()
