"""Who wrote an answer: its provider and model, as far as the answer tells.

What a model thought is signed for that model; another one refuses it. So it is kept only for the model that made it.
"""

from collections import OrderedDict
from threading import Lock
from typing import Any

from langchain_core.messages import AIMessage

from langroute.integrations.swap.targets import Target, base_name

_MOST_KNOWN = 10_000


class Authors:
    """Knows which arm gave an answer where metadata leave it open: remembers those that were routed here.

    Safe from any thread; keeps the ids of the latest answers only.
    """

    def __init__(self) -> None:
        self._arms: OrderedDict[str, Target] = OrderedDict()
        self._lock = Lock()

    def remember(self, message_id: str, target: Target) -> None:
        """Remember that an arm gave the answer of this id."""
        with self._lock:
            self._arms[message_id] = target
            while len(self._arms) > _MOST_KNOWN:
                self._arms.popitem(last=False)

    def kin(self, message: AIMessage, target: Target) -> bool:
        """Whether an answer is in the target's own format: the same provider at the same place."""
        known = self._arms.get(message.id or "")
        if known is not None:
            return (known.maker, known.endpoint) == (target.maker, target.endpoint)
        maker = maker_of(message)
        return maker == target.maker or not maker

    def same(self, message: AIMessage, target: Target) -> bool:
        """Whether the target's very model gave an answer; also where the answer says nothing of who gave it."""
        known = self._arms.get(message.id or "")
        if known is not None:
            there = (known.maker, known.endpoint, known.model)
            return there == (target.maker, target.endpoint, target.model)
        maker, model = maker_of(message), model_of(message)
        if maker != target.maker:
            return not maker
        return not target.twin and (not model or model == target.model)


def maker_of(message: AIMessage) -> str:
    """The provider that an answer names; empty when it names none."""
    return str(message.response_metadata.get("model_provider") or "")


def model_of(message: AIMessage) -> str:
    """The model that an answer names, without snapshot date; empty when it names none."""
    about: dict[str, Any] = message.response_metadata
    return base_name(str(about.get("model_name") or about.get("model") or ""))
