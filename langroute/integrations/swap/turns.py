"""A conversation in the order and form that a wire format demands.

Providers differ in what they refuse: calls without results, results without calls, ids that are too long or used twice,
system messages inside the conversation, empty messages, a conversation that an answer opens. What is sent for a
message depends on nothing that comes later but the results of its own calls, so that a longer conversation begins with
the very messages of the shorter one: prompt caches stay warm, and Anthropic's thoughts stay valid, which are bound to
what stands before them.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from langroute.integrations.swap import reasons as why
from langroute.integrations.swap.fits import Fit
from langroute.integrations.swap.inputs import as_human, says_nothing, with_known_role
from langroute.integrations.swap.progress import Arranged, Mark
from langroute.integrations.swap.targets import Target
from langroute.steps.facts import author, message_bytes

_OPENING = "Go on."
_LONGEST_ID = {"openai_chat": 40, "openai_responses": 64, "anthropic": 64}

FitOf = Callable[[BaseMessage], Fit | None]


class Arranger:
    """Puts one conversation in order for one target.

    Args:
        messages: the conversation.
        target: the arm it is sent to.
        fit_of: what a single message becomes; None for itself.
        done: what the settled part of it became.
        start: how many messages that part has.

    Attributes:
        mark: up to where it is settled now; None where nothing more is.
    """

    def __init__(
        self, messages: Sequence[BaseMessage], target: Target, fit_of: FitOf, done: Arranged, start: int = 0
    ) -> None:
        self.mark: Mark | None = None
        self._messages = messages
        self._target = target
        self._fit_of = fit_of
        self._strict = target.wire != "other"
        self._start = start
        self._done = done
        self._results = _results(messages, start)
        self._taken: set[int] = set()
        self._farthest = 0
        self._open_calls = False

    def arrange(self) -> Arranged:
        """The conversation as it is sent, but for who opens it."""
        done, last = self._done, len(self._messages) - 1
        settled: tuple[int, int, int, str, int, int, int] | None = None
        for place in range(self._start, len(self._messages)):
            self._add(place, self._messages[place])
            if place < last and not self._open_calls and self._farthest <= place:
                counts = len(done.messages), len(done.reasons)
                settled = place + 1, *counts, done.why_not, done.growth, done.added, len(done.ids)
        self.mark = None if settled is None else Mark(*settled)
        return done

    def _add(self, place: int, given: BaseMessage) -> None:
        message = given
        if given.type == "chat" and self._strict and self._target.wire != "openai_chat":
            message = with_known_role(given)
            if message is not given:
                self._done.reasons.append(why.ROLES)
        who = author(message)
        if who == "tool" and isinstance(message, ToolMessage):
            self._add_result(place, message)
        elif who == "ai" and isinstance(message, AIMessage):
            self._add_answer(place, given, message)
        elif who == "system" and not self._may_stand(place):
            self._done.reasons.append(why.SYSTEM_INSIDE)
            self._put(given, as_human(message))
        elif who == "human" and self._target.wire in {"anthropic", "google"} and says_nothing(message):
            self._done.reasons.append(why.EMPTY)
            self._send(given, None, None)
        else:
            self._put(given, message)

    # -- what is sent --------------------------------------------------------------------------------------------------

    def _put(self, given: BaseMessage, message: BaseMessage) -> None:
        """Send a message, made fit, for one that was given."""
        fit = self._fit_of(message)
        self._send(given, message if fit is None else self._note(fit), fit)
        if fit is not None and fit.behind is not None:
            self._send_behind(fit.behind)

    def _send(self, given: BaseMessage, sent: BaseMessage | None, fit: Fit | None) -> None:
        """Send a message for one that was given; ``fit`` is what became of that one by itself."""
        if sent is not None:
            self._done.messages.append(sent)
        if sent is given:
            return
        if fit is not None and sent is fit.message:
            self._done.growth += fit.growth
        else:
            self._done.growth += (0 if sent is None else message_bytes(sent)[0]) - message_bytes(given)[0]

    def _send_behind(self, sent: BaseMessage) -> None:
        self._done.messages.append(sent)
        self._done.growth += message_bytes(sent)[0]
        self._done.added += 1

    def _note(self, fit: Fit) -> BaseMessage | None:
        self._done.reasons += fit.reasons
        self._done.why_not = self._done.why_not or fit.why_not
        return fit.message

    # -- answers and their results -------------------------------------------------------------------------------------

    def _add_answer(self, place: int, given: BaseMessage, message: AIMessage) -> None:
        fit = self._fit_of(message)
        answer = message if fit is None else self._note(fit)
        calls = [*message.tool_calls, *message.invalid_tool_calls] if self._strict else []
        found = self._found(place, calls) if calls else []
        if calls and isinstance(answer, AIMessage):
            answer = self._answered(answer, calls, found)
        elif self._target.wire == "anthropic" and answer is not None and says_nothing(answer):
            self._done.reasons.append(why.EMPTY)
            answer = None
        if self._target.wire == "google" and isinstance(answer, AIMessage) and answer.tool_calls:
            self._part()
        self._send(given, answer, fit)
        if calls and isinstance(answer, AIMessage):
            self._put_results(place, answer, found)

    def _part(self) -> None:
        """Put a word between two answers of which the second one calls tools: Google takes that from no answer."""
        if self._done.messages and author(self._done.messages[-1]) == "ai":
            self._send_behind(HumanMessage(_OPENING))
            self._done.reasons.append(why.BETWEEN)

    def _found(self, place: int, calls: Sequence[Any]) -> list[int | None]:
        """Where the result of each call stands; None where there is none."""
        found: list[int | None] = []
        for call in calls:
            places = self._results.get(call["id"] or "", ())
            hit = next((other for other in places if other > place and other not in self._taken), None)
            if hit is None:
                self._open_calls = True
            else:
                self._taken.add(hit)
                self._farthest = max(self._farthest, hit)
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
        if not known or known in self._done.ids or (most is not None and len(known) > most):
            known = "call_" + hashlib.sha256(f"{known}:{len(self._done.ids)}".encode()).hexdigest()[:24]
        self._done.ids[known] = None
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
            self._send(result, sent, fit)
            if fit is not None and fit.behind is not None:
                behind.append(fit.behind)
        for message in behind:
            self._send_behind(message)

    def _add_result(self, place: int, message: ToolMessage) -> None:
        if place in self._taken:
            return
        if self._strict and not self._is_native_result(message):
            self._done.reasons.append(why.LONE_RESULT)
            self._send(message, None, None)
            return
        self._put(message, message)

    def _is_native_result(self, message: ToolMessage) -> bool:
        """Whether a result answers a call among the blocks of an answer, such as OpenAI's computer calls."""
        return self._target.wire == "openai_responses" and any(
            isinstance(block, dict) and block.get("call_id") == message.tool_call_id
            for sent in self._done.messages
            if isinstance(sent, AIMessage) and isinstance(sent.content, list)
            for block in sent.content
        )

    # -- the rest ------------------------------------------------------------------------------------------------------

    def _may_stand(self, place: int) -> bool:
        """Whether a system message may stand at this place."""
        wire, messages = self._target.wire, self._messages
        if wire not in {"anthropic", "google"} or all(author(message) == "system" for message in messages[:place]):
            return True
        follows = author(messages[place - 1]) in {"human", "tool", "system"}
        answered = all(author(message) == "ai" for message in messages[place + 1 : place + 2])
        return self._target.system_inside and follows and answered


def opened(done: Arranged, target: Target) -> Arranged:
    """See to it that a person opens the conversation: Anthropic and Google demand it."""
    if target.wire not in {"anthropic", "google"}:
        return done
    messages = done.messages
    first = next((place for place, sent in enumerate(messages) if author(sent) != "system"), None)
    if first is None or author(messages[first]) != "human":
        opening = HumanMessage(_OPENING)
        messages.insert(len(messages) if first is None else first, opening)
        done.growth += message_bytes(opening)[0]
        done.added += 1
        done.reasons.append(why.OPENING)
    return done


def _results(messages: Sequence[BaseMessage], start: int) -> dict[str, list[int]]:
    """Where the results of each call id stand, from a place on."""
    places: dict[str, list[int]] = {}
    for place in range(start, len(messages)):
        message = messages[place]
        if isinstance(message, ToolMessage):
            places.setdefault(message.tool_call_id or "", []).append(place)
    return places


def is_cold(messages: Sequence[BaseMessage]) -> bool:
    """Whether the answer under way, tool calls and all, began without a thought.

    To Anthropic, all that follows a person's words up to the next is one answer; words that follow a tool's result are
    part of that result's message.
    """
    first = None
    for place in range(len(messages) - 1, -1, -1):
        who = author(messages[place])
        if who == "human" and not (place and author(messages[place - 1]) == "tool"):
            break
        first = messages[place] if who == "ai" else first
    return first is not None and not _thinks_first(first)


def _thinks_first(answer: BaseMessage) -> bool:
    content = answer.content
    first = content[0] if isinstance(content, list) and content else None
    return isinstance(first, dict) and first.get("type") in {"thinking", "redacted_thinking", "reasoning"}
