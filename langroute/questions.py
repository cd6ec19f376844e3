"""Asking a person before a dear call: the question, the answers that are understood, and the open questions.

Nothing is held while a person thinks. LangGraph runs a node again from its start when a run is resumed, and hands the
answers to the questions in the order they were asked; by then the router might decide otherwise, and an answer would
meet the wrong question. So each question is kept under its place - the execution of the node, and the number of the
call in it - and a call that comes to a place with a question asks that one first.
"""

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from langroute.errors import ConfigError
from langroute.money import dollars, format_dollars, limit_nano
from langroute.protocols import Journal
from langroute.records import ActionTaken

ACTION_NAME = "langroute_spend"
_MOST_REMEMBERED = 10_000
_MOST_RUNNING = 1_000  # node executions under way at once; each is kept alive, with what LangGraph keeps in it
_ANSWERS = "The last answer could not be followed; say 'once', 'episode', 'no' or {'raise_budget_to_usd': 0.5}."

Verdict = Literal["once", "episode", "no", "raise"]
Ask = Callable[["Question"], object]
"""Asks a person outside any graph; returns what ``read_answer`` understands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """May this call be made?

    Attributes:
        id: unique id.
        place: the node's execution and the number of the call in it; empty outside a graph.
        episode: id of the episode.
        call_index: index of the step.
        node: graph node; empty outside a graph.
        kind: kind of the step.
        arm: the arm that would make the call.
        cost_nano: what the call is expected to cost, in nano-dollars.
        worst_nano: what it may cost at most.
        above_nano: the price from which on a person is asked.
        spent_nano: what the episode has spent.
        limit_nano: its limit; None when unlimited.
    """

    id: str
    place: str
    episode: str
    call_index: int
    node: str
    kind: str
    arm: str
    cost_nano: int
    worst_nano: int
    above_nano: int
    spent_nano: int
    limit_nano: int | None

    @property
    def text(self) -> str:
        """The question in one sentence."""
        of = "" if self.limit_nano is None else f" of {format_dollars(self.limit_nano)}"
        where = f" in node {self.node}" if self.node else ""
        return (
            f"May {self.arm} make this {self.kind} call{where}? It is expected to cost "
            f"{format_dollars(self.cost_nano)}, at most {format_dollars(self.worst_nano)}; "
            f"{format_dollars(self.spent_nano)}{of} is spent."
        )

    def payload(self, *, again: bool = False) -> dict[str, Any]:
        """The question in the form of LangChain's human-in-the-loop requests, which their user interfaces show.

        Args:
            again: the last answer could not be followed, so the question says which ones can.
        """
        args = {
            "episode": self.episode,
            "node": self.node,
            "kind": self.kind,
            "arm": self.arm,
            "expected_usd": float(dollars(self.cost_nano)),
            "worst_usd": float(dollars(self.worst_nano)),
            "spent_usd": float(dollars(self.spent_nano)),
            "limit_usd": None if self.limit_nano is None else float(dollars(self.limit_nano)),
            "allow": "once",
            "raise_budget_to_usd": None,
        }
        return {
            "action_requests": [
                {"name": ACTION_NAME, "args": args, "description": f"{_ANSWERS} {self.text}" if again else self.text}
            ],
            "review_configs": [{"action_name": ACTION_NAME, "allowed_decisions": ["approve", "edit", "reject"]}],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a person said.

    Attributes:
        verdict: yes ``once``, yes for the ``episode``, ``no``, or yes and ``raise`` the budget first.
        dollars: the new total of the budget, where it is to be raised.
    """

    verdict: Verdict
    dollars: float | None = None

    @property
    def text(self) -> str:
        """The answer in words."""
        told = {"once": "yes, once", "episode": "yes, for the whole episode", "no": "no"}
        return told.get(self.verdict) or f"yes, and the budget is raised to ${self.dollars:g}"


def read_answer(value: object) -> Answer:
    """The answer in what a graph was resumed with.

    Understood are ``True``, ``"yes"`` and ``"once"``; ``"episode"``; ``False`` and ``"no"``; ``{"raise_budget_to_usd":
    0.5}``; and LangChain's human-in-the-loop answers: ``{"decisions": [{"type": "approve"}]}``, ``reject``, and
    ``edit`` with ``allow`` (``once`` or ``episode``) or ``raise_budget_to_usd`` among the arguments.

    Raises:
        ConfigError: it is none of these; the message lists them.
    """
    if isinstance(value, Mapping):
        return _read_decision(value)
    said = value.strip().lower() if isinstance(value, str) else value
    if said is True or said in ("yes", "y", "once"):
        return Answer(verdict="once")
    if said == "episode":
        return Answer(verdict="episode")
    if said is False or said in ("no", "n"):
        return Answer(verdict="no")
    raise _not_understood(value)


def _read_decision(value: Mapping[str, Any]) -> Answer:
    if "decisions" in value:
        decisions = value["decisions"]
        if not isinstance(decisions, list | tuple) or len(decisions) != 1 or not isinstance(decisions[0], Mapping):
            raise _not_understood(value)
        kind, edited = decisions[0].get("type"), decisions[0].get("edited_action")
        if kind in ("approve", "reject"):
            return Answer(verdict="once" if kind == "approve" else "no")
        args = edited.get("args") if isinstance(edited, Mapping) else None
        if kind == "edit" and isinstance(args, Mapping):
            return _read_decision({"allow": "once", **args})
        raise _not_understood(value)
    total = value.get("raise_budget_to_usd")
    if total is not None:
        limit_nano(total, field="raise_budget_to_usd")
        return Answer(verdict="raise", dollars=float(total))
    if "allow" in value and not isinstance(value["allow"], Mapping):
        return read_answer(value["allow"])
    raise _not_understood(value)


def _not_understood(value: object) -> ConfigError:
    return ConfigError(
        f"{value!r} is no answer; resume with 'once', 'episode', 'no', {{'raise_budget_to_usd': 0.5}}, or LangChain's "
        "{'decisions': [{'type': 'approve'}]}",
        field="resume",
    )


class QuestionBook:
    """The questions that were asked, and the episodes that need not ask any more. Safe from any thread.

    It remembers in memory and reads an episode's questions back from the journal where it does not know the episode, so
    that a run that is resumed in another process meets the same question.

    Args:
        journal: where actions are kept.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._known: OrderedDict[str, _Asked] = OrderedDict()
        self._calls: OrderedDict[int, tuple[object, int]] = OrderedDict()
        self._lock = threading.Lock()

    def place(self, task: str, execution: object) -> str:
        """The place of a call: the node's task, and the number of the call in this execution of it."""
        if not task:
            return ""
        with self._lock:
            kept, count = self._calls.get(id(execution), (None, 0))
            count = count if kept is execution else 0
            self._calls[id(execution)] = (execution, count + 1)
            self._calls.move_to_end(id(execution))
            while len(self._calls) > _MOST_RUNNING:
                self._calls.popitem(last=False)
        return f"{task}#{count}"

    def asked_at(self, episode: str, place: str) -> Question | None:
        """The question that was asked at a place of an episode, if any. May read the journal."""
        return self._of(episode).questions.get(place) if place else None

    def consents(self, episode: str) -> bool:
        """Whether a person allowed all dear calls of an episode. May read the journal."""
        return self._of(episode).consent

    def take(self, action: ActionTaken) -> None:
        """Keep a question or an answer among what is known."""
        self._of(action.episode).take(action)

    def _of(self, episode: str) -> "_Asked":
        with self._lock:
            known = self._known.get(episode)
            if known is not None:
                self._known.move_to_end(episode)
                return known
        read = _Asked()
        for action in self._journal.actions(episode):
            read.take(action)
        with self._lock:
            known = self._known.setdefault(episode, read)
            while len(self._known) > _MOST_REMEMBERED:
                self._known.popitem(last=False)
            return known


class _Asked:
    """What was asked and answered in one episode."""

    def __init__(self) -> None:
        self.questions: dict[str, Question] = {}
        self.consent = False

    def take(self, action: ActionTaken) -> None:
        if action.action == "ask" and action.detail:
            question = Question(**json.loads(action.detail))
            self.questions[question.place] = question
        elif action.action == "answered":
            self.consent = self.consent or json.loads(action.detail or "{}").get("verdict") == "episode"


def asked(question: Question, *, at: float) -> ActionTaken:
    """The action of asking."""
    return ActionTaken(
        id=question.id,
        episode=question.episode,
        at=at,
        action="ask",
        reason=question.text,
        call_index=question.call_index,
        node=question.node,
        detail=json.dumps(asdict(question)),
    )


def asked_again(question: Question, *, at: float) -> ActionTaken:
    """The action of asking once more, because the answer was none that could be followed."""
    return ActionTaken(
        id=f"{question.id}-again",
        episode=question.episode,
        at=at,
        action="ask",
        reason="The answer could not be followed, so the question is asked again.",
        call_index=question.call_index,
        node=question.node,
    )


def answered(question: Question, answer: Answer, *, at: float) -> ActionTaken:
    """The action of answering; answering again replaces it."""
    return ActionTaken(
        id=f"{question.id}-answer",
        episode=question.episode,
        at=at,
        action="answered",
        reason=f"A person said {answer.text}.",
        call_index=question.call_index,
        node=question.node,
        detail=json.dumps(asdict(answer)),
    )
