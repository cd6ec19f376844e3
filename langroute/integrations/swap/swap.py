"""Swap: makes the copy of a call that is sent fit for the arm that makes it.

One conversation is answered by several models in turn, of several providers, and each of them refuses something that
another one writes. State is never touched: what has to change is changed on a copy, and where nothing has to, the very
objects given are sent on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import is_
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from langchain_core.messages import AIMessage, BaseMessage

from langroute.integrations.options import json_bytes
from langroute.integrations.swap import reasons as why
from langroute.integrations.swap.answers import fit_answer
from langroute.integrations.swap.authors import Authors
from langroute.integrations.swap.fits import Fit, Fitted, FittedMessages
from langroute.integrations.swap.inputs import fit_input
from langroute.integrations.swap.memory import FitMemory
from langroute.integrations.swap.options import fit_options, fit_structure_options, why_no_options
from langroute.integrations.swap.plain import PlainConversations
from langroute.integrations.swap.progress import ProgressBook
from langroute.integrations.swap.targets import Target, target_of
from langroute.integrations.swap.tools import (
    called,
    closing_tools,
    declared,
    fit_tool_options,
    fit_tools,
    tool_owners,
    why_no_tools,
)
from langroute.integrations.swap.turns import Arranger, is_cold, opened
from langroute.pool import ModelPool
from langroute.records import Rejection
from langroute.steps.facts import message_bytes
from langroute.steps.input_tokens import MESSAGE_TOKENS, TOOLS_TOKENS

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What is known of a call before an arm is chosen for it.

    Attributes:
        unfit: arms that cannot be sent the call, with the reason.
        growth: input tokens at most by which the call grows when it is made fit, by arm; those that do not are absent.
    """

    unfit: tuple[Rejection, ...] = ()
    growth: Mapping[str, int] = field(default_factory=dict)

    @property
    def most_growth(self) -> int:
        """The most by which the call grows, whichever arm makes it."""
        return max(self.growth.values(), default=0)


_NOTHING = Survey()


class Asked(Protocol):
    """What has to be known of a call: a `ModelCall`."""

    @property
    def messages(self) -> Sequence[BaseMessage]:
        """The conversation."""
        ...

    @property
    def tools(self) -> Sequence[Any]:
        """Tools bound to the call."""
        ...

    @property
    def tool_options(self) -> Mapping[str, Any]:
        """Options of the binding."""
        ...

    @property
    def options(self) -> Mapping[str, Any]:
        """All other keyword arguments."""
        ...

    @property
    def may_declare_tools(self) -> bool:
        """Whether tools may be declared for a history that needs some."""
        ...

    @property
    def fitted(self) -> dict[str, FittedMessages]:
        """The messages as they are sent, by arm, as far as that has been worked out."""
        ...


class Swap:
    """Makes calls fit for the arms of one pool. Safe from any thread.

    Args:
        pool: the arms.
    """

    def __init__(self, pool: ModelPool) -> None:
        self._pool = pool
        self._targets = _targets(pool)
        self._declares = any(target.declares_tools for target in self._targets.values())
        self._authors = Authors()
        self._memory = FitMemory()
        strict = any(target.wire in {"anthropic", "google"} for target in self._targets.values())
        self._plain = PlainConversations(opened=strict)
        self._progress = ProgressBook()
        self._models: dict[tuple[str, tuple[str, ...]], BaseChatModel] = {}

    def learn_answer(self, message: AIMessage, arm: str) -> None:
        """Remember which arm gave an answer: its metadata need not tell two endpoints apart."""
        if message.id:
            self._authors.remember(message.id, self._targets[arm])

    def survey(self, call: Asked) -> Survey:
        """Which arms cannot be sent a call, and by how much it grows for the others."""
        plain = self._plain.has(call.messages)
        if plain:
            call.fitted.update(dict.fromkeys(self._targets, FittedMessages(messages=call.messages)))
        owners = tool_owners(call.tools)
        declares = self._declares and call.may_declare_tools
        if plain and not owners and not call.options and not declares:
            return _NOTHING
        asked = {**call.options, **call.tool_options}
        unfit: list[Rejection] = []
        growth: dict[str, int] = {}
        for name, target in self._targets.items():
            reason = why_no_tools(owners, target) or why_no_options(asked, target)
            if not reason and not plain:
                fitted = self._known(call.messages, name, call.fitted)
                reason, growth[name] = fitted.why_not, fitted.growth
            if declares and target.declares_tools and not reason:
                growth[name] = growth.get(name, 0) + _declared_tokens(called(call.messages))
            if reason:
                unfit.append(Rejection(arm=name, reason=reason, why="unfit"))
        return Survey(unfit=tuple(unfit), growth=growth)

    def fit(
        self,
        arm: str,
        *,
        messages: Sequence[BaseMessage],
        tools: Sequence[Any] = (),
        tool_options: Mapping[str, Any] = MappingProxyType({}),
        options: Mapping[str, Any] = MappingProxyType({}),
        structure: Mapping[str, Any] | None = None,
        closing: bool = False,
        declares: bool = False,
        known: dict[str, FittedMessages] | None = None,
    ) -> Fitted:
        """A whole call as it is sent to an arm. Nothing that is given is changed.

        Args:
            arm: name of the arm.
            messages: the conversation.
            tools: tools that are bound to the call.
            tool_options: options of that binding, such as ``tool_choice``.
            options: all other keyword arguments of the call.
            structure: options of ``with_structured_output``; None where no schema is demanded that way.
            closing: it is to be the last call of its loop, and loses its tools or the right to call them.
            declares: tools may be declared for a history that needs some.
            known: the messages as they are sent, by arm, where the survey has worked them out already.
        """
        target, notes = self._targets[arm], list[str]()
        sent = self._known(messages, arm, known)
        notes += sent.reasons
        if closing:
            tools, tool_options = closing_tools(tools, target, notes)
        elif tools:
            tools, tool_options = fit_tools(tools, target, notes), fit_tool_options(tool_options, target, notes)
        if target.declares_tools and not tools and (names := called(sent.messages)):
            structure, tools, tool_options = _with_tools(names, structure, declares, notes)
        return Fitted(
            messages=sent.messages,
            tools=tools,
            tool_options=tool_options,
            options=fit_options(options, target, notes),
            structure_options=fit_structure_options(structure or {}, target, notes),
            settings=_settings(sent.messages, target, notes),
            reasons=tuple(dict.fromkeys(notes)),
        )

    def model(self, arm: str, settings: Mapping[str, Any] = MappingProxyType({})) -> "BaseChatModel":
        """The chat model of an arm, with some of its fields changed for a call; a changed one is made once."""
        if not settings:
            return self._pool.model(arm)
        key = (arm, tuple(f"{name}={value!r}" for name, value in settings.items()))
        if key not in self._models:
            self._models[key] = self._pool.model(arm).model_copy(update=dict(settings))
        return self._models[key]

    def owns(self, model: object) -> bool:
        """Whether a chat model is one that is handed out here."""
        own = any(model is self._pool.model(name) for name in self._pool.names)
        return own or any(model is made for made in self._models.values())

    def _known(
        self, messages: Sequence[BaseMessage], arm: str, known: dict[str, FittedMessages] | None
    ) -> FittedMessages:
        if known is None:
            return FittedMessages(messages=messages) if self._plain.has(messages) else self.messages(messages, arm)
        if arm not in known:
            known[arm] = self.messages(messages, arm)
        return known[arm]

    def messages(self, messages: Sequence[BaseMessage], arm: str) -> FittedMessages:
        """A conversation as it is sent to an arm, with how much it grows and why it might not be sent at all."""
        target = self._targets[arm]
        known, mark = self._progress.of(messages, arm)
        arranger = Arranger(
            messages,
            target,
            lambda message: self._memory.of(message, target, self._fit),
            known.done.up_to(mark),
            mark.given,
        )
        done = arranger.arrange()
        if arranger.mark is not None:
            before = tuple(place for place in known.marks if place.given <= mark.given)  # not those of another fork
            self._progress.keep(messages, arm, done, arranger.mark, before)
        done = opened(done, target)
        same = len(done.messages) == len(messages) and all(map(is_, done.messages, messages))
        return FittedMessages(
            messages=messages if same else done.messages,
            reasons=tuple(dict.fromkeys(done.reasons)),
            growth=max(0, done.growth) + done.added * MESSAGE_TOKENS,
            why_not=done.why_not,
        )

    def _fit(self, message: BaseMessage, target: Target) -> Fit:
        if isinstance(message, AIMessage):
            fit = fit_answer(message, target, self._authors)
        else:
            fit = fit_input(message, target)
        if fit.message is message:
            return fit
        sent = 0 if fit.message is None else message_bytes(fit.message)[0]
        return replace(fit, growth=sent - message_bytes(message)[0])


def _targets(pool: ModelPool) -> dict[str, Target]:
    """The arms by name; those that answer under one name from several places are told of it."""
    found = {
        arm.name: target_of(
            arm.name, pool.model(arm.name), provider=arm.provider, refused=pool.refused_options(arm.name)
        )
        for arm in pool.arms
    }
    places: dict[tuple[str, str], set[str]] = {}
    for target in found.values():
        places.setdefault((target.maker, target.model), set()).add(target.endpoint)
    return {name: replace(target, twin=len(places[target.maker, target.model]) > 1) for name, target in found.items()}


def _with_tools(
    names: Sequence[str], structure: Mapping[str, Any] | None, declares: bool, notes: list[str]
) -> tuple[Mapping[str, Any] | None, Sequence[Any], Mapping[str, Any]]:
    """What gives a call tools, so that a history of tool calls may be sent: Bedrock refuses it without any."""
    if structure is not None and structure.get("method", "function_calling") != "function_calling":
        notes.append(why.STRUCTURE)
        return {**structure, "method": "function_calling"}, (), {}
    if structure is not None or not declares:
        return structure, (), {}
    notes.append(why.TOOLS_DECLARED)
    return None, declared(names), {"tool_choice": {"type": "none"}}


def _declared_tokens(names: Sequence[str]) -> int:
    """Input tokens at most of the tools that are declared for a history."""
    return json_bytes(declared(names)) + TOOLS_TOKENS if names else 0


def _settings(messages: Sequence[BaseMessage], target: Target, notes: list[str]) -> Mapping[str, Any]:
    """Fields of the chat model that have to be others for this call."""
    if not target.manual_thinking or not is_cold(messages):
        return {}
    notes.append(why.THINKING_OFF)
    return {"thinking": None}
