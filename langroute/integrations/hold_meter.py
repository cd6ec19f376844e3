"""HoldMeter: measures the one provider call that a hold was taken for, and lets no other one be made under it."""

from collections.abc import Mapping, Sequence
from operator import is_
from typing import Any
from uuid import UUID

from langchain_core.messages import BaseMessage
from langchain_core.outputs import LLMResult

from langroute.integrations.meter import CallMeter
from langroute.integrations.options import json_bytes
from langroute.steps.facts import message_bytes

RECORD = "langroute_record"


class SecondCall(BaseException):
    """Another provider call was about to be made under a hold that was taken for one.

    No `Exception`: what stands between, such as a retrying middleware, must not take it for a fault of the provider.
    """


class Outgrown(BaseException):
    """What was about to be sent is larger than what the hold was computed from; nothing was sent.

    Attributes:
        sent: the messages that were about to be sent.
        more_bytes: UTF-8 bytes by which it is larger.
    """

    def __init__(self, *, sent: Sequence[BaseMessage], more_bytes: int) -> None:
        super().__init__(f"{more_bytes} bytes more than the hold was computed from")
        self.sent = sent
        self.more_bytes = more_bytes


class HoldMeter(CallMeter):
    """Collects what one call brought, and stops what its hold does not cover before it is sent.

    It reaches the call through the config in force, so it sees whichever model is called, and also calls that
    middleware inside routing makes. Calls that were routed on their own have a hold of their own and are left alone.

    Args:
        record: id of the record whose hold this is.
        expected: the messages the hold was computed from.
        tools: how many tools it was computed from.
        allowance: UTF-8 bytes by which the call may be larger, because the hold counted them too.

    Attributes:
        error: what the provider call ended with; None if it has not failed.
        routed_inside: calls seen that were routed on their own.
        asked: whether the provider was asked.
    """

    raise_error = True

    def __init__(self, *, record: str, expected: Sequence[BaseMessage], tools: int, allowance: int = 0) -> None:
        super().__init__()
        self.error: BaseException | None = None
        self.routed_inside = 0
        self._record = record
        self._expected = expected
        self._tools = tools
        self._allowance = allowance
        self._run: UUID | None = None

    @property
    def asked(self) -> bool:
        """Whether the provider was asked."""
        return self._run is not None

    def on_chat_model_start(self, serialized: dict[str, Any], messages: list[list[BaseMessage]], **kwargs: Any) -> None:  # noqa: ARG002
        """Let the first call pass, if it is no larger than what was held.

        Raises:
            SecondCall: the hold is used up.
            Outgrown: the call is larger than what was held.
        """
        if (kwargs.get("metadata") or {}).get(RECORD, self._record) != self._record:
            self.routed_inside += 1
            return
        if self._run is not None:
            raise SecondCall
        sent = messages[0]
        more = _grown(self._expected, sent) + _added_tools(kwargs.get("invocation_params"), self._tools)
        if more > self._allowance:
            raise Outgrown(sent=sent, more_bytes=more)
        self._run = kwargs.get("run_id")

    def on_llm_new_token(self, token: Any, *, run_id: UUID | None = None, **kwargs: Any) -> None:
        """Keep what is written of tool calls."""
        if run_id == self._run:
            super().on_llm_new_token(token, **kwargs)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID | None = None, **kwargs: Any) -> None:
        """Keep the answer of the call that ended."""
        if run_id == self._run:
            super().on_llm_end(response, **kwargs)

    def on_llm_error(self, error: BaseException, *, run_id: UUID | None = None, **kwargs: Any) -> None:
        """Keep what is known of an answer that broke off."""
        if run_id == self._run:
            self.error = error
            super().on_llm_error(error, **kwargs)


def _grown(expected: Sequence[BaseMessage], sent: Sequence[BaseMessage]) -> int:
    """UTF-8 bytes by which messages are larger than others; free of cost where they are the very same."""
    if len(expected) == len(sent) and all(map(is_, expected, sent)):
        return 0
    known, now = {id(message) for message in expected}, {id(message) for message in sent}
    more = sum(message_bytes(message)[0] for message in sent if id(message) not in known)
    return more - sum(message_bytes(message)[0] for message in expected if id(message) not in now)


def _added_tools(params: Any, counted: int) -> int:
    """UTF-8 bytes of tools that nobody counted, from the parameters of the provider's request."""
    tools = params.get("tools") if isinstance(params, Mapping) else None
    if not isinstance(tools, Sequence) or len(tools) <= counted:
        return 0
    return sum(json_bytes(tool) for tool in tools[counted:])
