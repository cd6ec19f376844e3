"""AgentKinds: what kind of step an agent's model call is."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from langchain.agents.middleware.types import ModelRequest
from langchain_core.runnables import RunnableConfig

from langroute.config import checked_kind
from langroute.integrations.agent_call import AnswerForm
from langroute.integrations.place import KIND, KIND_REASON
from langroute.records import Kind
from langroute.steps.classify import classify_node

_MOST_REMEMBERED = 256
_SAID_BY_HAND = (None, "set in metadata", "set for this node")

KindOf = Callable[[ModelRequest[Any]], Kind | None]


class AgentKinds:
    """Finds the kind of an agent's step; every call of `create_agent` stands in a node of one name, "model".

    In this order: ``langroute_kind`` as somebody set it in the config; what the middleware was told; what the graph
    around the agent was classified as; the agent's name, system prompt, tools and schema.

    Args:
        told: the kind of every step, or a function of the request that tells it.

    Raises:
        ConfigError: ``told`` is no kind.
    """

    def __init__(self, told: Kind | KindOf | None) -> None:
        if told is not None and not callable(told):
            checked_kind(told, field="kind")
        self._told = told
        self._found: OrderedDict[object, tuple[Kind, str]] = OrderedDict()

    def of(
        self, request: ModelRequest[Any], form: AnswerForm | None, config: RunnableConfig
    ) -> tuple[Kind, str] | None:
        """The kind and its reason; None where the config says it.

        Raises:
            ConfigError: the function given returned no kind.
        """
        metadata = config.get("metadata") or {}
        known = KIND in metadata
        if known and metadata.get(KIND_REASON) in _SAID_BY_HAND:
            return None
        told = self._told(request) if callable(self._told) else self._told
        if told is not None:
            return checked_kind(told, field="kind"), "set for this agent"
        return None if known else self._classified(request, form, metadata)

    def _classified(
        self, request: ModelRequest[Any], form: AnswerForm | None, metadata: dict[str, Any]
    ) -> tuple[Kind, str]:
        name = str(metadata.get("lc_agent_name") or metadata.get("langgraph_node") or "")
        prompt = request.system_prompt or ""
        key = (name, prompt, bool(request.tools), id(form))
        found = self._found.get(key)
        if found is None:
            schema = None if form is None else form.schema
            verdict = classify_node(name=name, prompt=prompt, tools=bool(request.tools), schema=schema)
            found = self._found[key] = (verdict.kind, verdict.reason)
            while len(self._found) > _MOST_REMEMBERED:
                self._found.popitem(last=False)
        return found
