"""A conversation in the order and form that a wire format demands.

Providers differ in what they refuse: calls without results, results without calls, ids that are too long or used twice,
system messages inside the conversation, empty messages, a conversation that an answer opens. What is sent for a
message depends on nothing that comes later but the results of its own calls, so that a longer conversation begins with
the very messages of the shorter one: prompt caches stay warm, and Anthropic's thoughts stay valid, which are bound to
what stands before them.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from langroute.integrations.swap import reasons as why
from langroute.integrations.swap.fits import Fit
from langroute.integrations.swap.inputs import as_human, says_nothing, with_known_role
from langroute.integrations.swap.targets import Target

_OPENING = "Go on."
_LONGEST_ID = {"openai_chat": 40, "openai_responses": 64, "anthropic": 64}

FitOf = Callable[[BaseMessage], Fit | None]


@dataclass(slots=True)
class Arranged:
    """A conversation while it is put in order.

    Attributes:
        messages: what is sent so far.
        added: messages among them that stand for none of the originals.
        reasons: what was changed or left out.
        why_not: why the arm cannot be sent it; empty when it can.
    """

    messages: list[BaseMessage] = field(default_factory=list)
    added: int = 0
    reasons: list[str] = field(default_factory=list)
    why_not: str = ""


class Arranger:
    """Puts one conversation in order for one target.

    Args:
        messages: the conversation.
        target: the arm it is sent to.
        fit_of: what a single message becomes; None for itself.
    """

    def __init__(self, messages: Sequence[BaseMessage], target: Target, fit_of: FitOf) -> None:
        self._messages = messages
        self._target = target
        self._fit_of = fit_of
        self._strict = target.wire != "other"
        self._seen: set[str] = set()
        self._taken: set[int] = set()
        self._results = _results(messages)
        self._done = Arranged()

    def arrange(self) -> Arranged:
        """The conversation as it is sent."""
        leading = True
        for place, message in enumerate(self._messages):
            known = with_known_role(message) if self._strict and self._target.wire != "openai_chat" else message
            if known is not message:
                self._done.reasons.append(why.ROLES)
            leading = leading and isinstance(known, SystemMessage)
            self._add(place, known, leading=leading)
        if self._target.wire in {"anthropic", "google"}:
            self._open()
        return self._done

    def _add(self, place: int, message: BaseMessage, *, leading: bool) -> None:
        if isinstance(message, ToolMessage):
            self._add_result(place, message)
        elif isinstance(message, AIMessage):
            self._add_answer(place, message)
        elif isinstance(message, SystemMessage) and not leading and not self._may_stand(place):
            self._done.reasons.append(why.SYSTEM_INSIDE)
            self._put(as_human(message))
        elif self._is_empty(message):
            self._done.reasons.append(why.EMPTY)
        else:
            self._put(message)

    # -- answers and their results -------------------------------------------------------------------------------------

    def _add_answer(self, place: int, message: AIMessage) -> None:
        fit = self._fit_of(message)
        answer = message if fit is None else self._note(fit)
        if not isinstance(answer, AIMessage):
            return
        if not self._strict:
            self._done.messages.append(answer)
            return
        calls = [*message.tool_calls, *message.invalid_tool_calls]
        if not calls:
            self._put_answer(answer)
            return
        found = self._found(place, calls)
        answer = self._answered(answer, calls, found)
        if answer is None:
            return
        self._put_answer(answer)
        self._put_results(place, answer, found)

    def _found(self, place: int, calls: Sequence[Any]) -> list[int | None]:
        """Where the result of each call stands; None where there is none."""
        found: list[int | None] = []
        for call in calls:
            places = self._results.get(call["id"] or "", ())
            hit = next((other for other in places if other > place and other not in self._taken), None)
            if hit is not None:
                self._taken.add(hit)
            found.append(hit)
        return found

    def _answered(self, answer: AIMessage, calls: Sequence[Any], found: Sequence[int | None]) -> AIMessage | None:
        """The answer with those calls only that have a result, under ids that the target takes."""
        ids = [self._new_id(call["id"]) for call in calls]
        lone = None in found
        if not lone and ids == [call["id"] for call in calls]:
            return answer
        if lone:
            self._done.reasons.append(why.LONE_CALL)
        if any(new != call["id"] for new, call, hit in zip(ids, calls, found, strict=True) if hit is not None):
            self._done.reasons.append(why.CALL_IDS)
        kept = [{**call, "id": new} for call, new, hit in zip(calls, ids, found, strict=True) if hit is not None]
        text = answer.text
        if not kept and not text.strip():
            self._done.reasons.append(why.EMPTY)
            return None
        return AIMessage(
            content=text,
            tool_calls=[call for call in kept if call.get("type") != "invalid_tool_call"],
            invalid_tool_calls=[call for call in kept if call.get("type") == "invalid_tool_call"],
            name=answer.name,
        )

    def _new_id(self, given: str | None) -> str:
        """The id of a call: the one it has, unless it is missing, too long or taken."""
        most = _LONGEST_ID.get(self._target.wire)
        known = given or ""
        if not known or known in self._seen or (most is not None and len(known) > most):
            known = "call_" + hashlib.sha256(f"{known}:{len(self._seen)}".encode()).hexdigest()[:24]
        self._seen.add(known)
        return known

    def _put_results(self, place: int, answer: AIMessage, found: Sequence[int | None]) -> None:
        ids = iter([call["id"] for call in (*answer.tool_calls, *answer.invalid_tool_calls)])
        pairs = sorted((hit, next(ids)) for hit in found if hit is not None)
        if [hit for hit, _ in pairs] != list(range(place + 1, place + 1 + len(pairs))):
            self._done.reasons.append(why.RESULT_ORDER)
        behind: list[BaseMessage] = []
        for hit, known in pairs:
            result = self._messages[hit]
            fit = self._fit_of(result)
            sent = result if fit is None else self._note(fit)
            if isinstance(sent, ToolMessage) and sent.tool_call_id != known:
                sent = sent.model_copy(update={"tool_call_id": known})
            if sent is not None:
                self._done.messages.append(sent)
            if fit is not None and fit.behind is not None:
                behind.append(fit.behind)
        self._done.messages += behind
        self._done.added += len(behind)

    def _add_result(self, place: int, message: ToolMessage) -> None:
        if place in self._taken:
            return
        if self._strict and not self._is_native_result(message):
            self._done.reasons.append(why.LONE_RESULT)
            return
        self._put(message)

    def _is_native_result(self, message: ToolMessage) -> bool:
        """Whether a result answers a call among the blocks of an answer, such as OpenAI's computer calls."""
        return self._target.wire == "openai_responses" and any(
            isinstance(block, dict) and block.get("call_id") == message.tool_call_id
            for sent in self._done.messages
            if isinstance(sent, AIMessage) and isinstance(sent.content, list)
            for block in sent.content
        )

    # -- the rest ------------------------------------------------------------------------------------------------------

    def _put_answer(self, answer: AIMessage) -> None:
        calls = answer.tool_calls or answer.invalid_tool_calls
        if not calls and self._target.wire == "anthropic" and says_nothing(answer):
            self._done.reasons.append(why.EMPTY)
            return
        self._done.messages.append(answer)

    def _put(self, message: BaseMessage) -> None:
        fit = self._fit_of(message)
        sent = message if fit is None else self._note(fit)
        if sent is not None:
            self._done.messages.append(sent)
        if fit is not None and fit.behind is not None:
            self._done.messages.append(fit.behind)
            self._done.added += 1

    def _note(self, fit: Fit) -> BaseMessage | None:
        self._done.reasons += fit.reasons
        self._done.why_not = self._done.why_not or fit.why_not
        return fit.message

    def _is_empty(self, message: BaseMessage) -> bool:
        return (
            self._target.wire in {"anthropic", "google"} and isinstance(message, HumanMessage) and says_nothing(message)
        )

    def _may_stand(self, place: int) -> bool:
        """Whether a system message may stand inside the conversation at this place."""
        if self._target.wire != "anthropic":
            return self._target.system_inside
        before, after = self._messages[place - 1], self._messages[place + 1 : place + 2]
        follows = isinstance(before, HumanMessage | ToolMessage | SystemMessage)
        return self._target.system_inside and follows and all(isinstance(next_, AIMessage) for next_ in after)

    def _open(self) -> None:
        """See to it that a person opens the conversation: Anthropic and Google demand it."""
        messages = self._done.messages
        first = next((place for place, sent in enumerate(messages) if not isinstance(sent, SystemMessage)), None)
        if first is not None and isinstance(messages[first], HumanMessage):
            return
        messages.insert(len(messages) if first is None else first, HumanMessage(_OPENING))
        self._done.added += 1
        self._done.reasons.append(why.OPENING)


def _results(messages: Iterable[BaseMessage]) -> dict[str, list[int]]:
    """Where the results of each call id stand."""
    places: dict[str, list[int]] = {}
    for place, message in enumerate(messages):
        if isinstance(message, ToolMessage):
            places.setdefault(message.tool_call_id or "", []).append(place)
    return places


def is_cold(messages: Sequence[BaseMessage]) -> bool:
    """Whether the answer under way, tool calls and all, began without a thought.

    To Anthropic, all that follows a person's words up to the next is one answer; words that follow a tool's result are
    part of that result's message.
    """
    asked = -1
    for place, sent in enumerate(messages):
        if isinstance(sent, HumanMessage) and not (place and isinstance(messages[place - 1], ToolMessage)):
            asked = place
    first = next((sent for sent in messages[asked + 1 :] if isinstance(sent, AIMessage)), None)
    return first is not None and not _thinks_first(first)


def _thinks_first(answer: AIMessage) -> bool:
    content = answer.content
    first = content[0] if isinstance(content, list) and content else None
    return isinstance(first, dict) and first.get("type") in {"thinking", "redacted_thinking", "reasoning"}
