"""Entrance: how a call is met that no graph vouches for: its entry rule, its kind, and the episode it opens."""

from collections.abc import Sequence
from dataclasses import replace

from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig

from langroute.config import RouterConfig
from langroute.entry import MOST_READ, EntryRule, first_match, reserved
from langroute.episodes import RunPlace, current_episode
from langroute.integrations.place import NodePlace, node_place, run_place
from langroute.records import Kind
from langroute.steps.calls import classify_call

_MOST_CLASSIFIED = 400  # characters of each part of a prompt: enough to tell, and keeps it far under a millisecond


class Entrance:
    """Reads what a call outside any graph is, from its hint, channel, domain and prompt.

    Args:
        config: the router's settings.
    """

    def __init__(self, config: RouterConfig) -> None:
        self._per = config.budget.per
        self._rules = config.entries
        self._reads_prompts = any(rule.when.words for rule in config.entries)
        self._budgets = {
            rule.name: reserved(config.budget, rule.reserve_dollars)
            for rule in config.entries
            if rule.reserve_dollars is not None
        }

    def rule(self, place: NodePlace, messages: Sequence[BaseMessage]) -> EntryRule | None:
        """The entry rule a call matches; None where none does, and for calls of a graph's nodes."""
        if place.node or not self._rules:
            return None
        said = _newest(messages, "human", most=MOST_READ) if self._reads_prompts else ""
        return first_match(self._rules, hint=place.hint, channel=place.channel, domain=place.domain, said=said)

    def kind(
        self,
        place: NodePlace,
        rule: EntryRule | None,
        messages: Sequence[BaseMessage],
        *,
        tools: bool,
        schema: object | None,
    ) -> tuple[Kind, str]:
        """The kind of a call outside any graph, and how it was found: by its rule, else its hint, else its prompt.

        What is bound to the call counts beside hint and prompt. The reason never quotes the prompt.
        """
        if rule is not None and rule.kind is not None:
            return rule.kind, f"the entry rule {rule.name}"
        if place.hint:
            found = classify_call(node=place.hint, tools=tools, schema=schema)
            return found.kind, f"hint {place.hint!r}: {found.reason}"
        prompt = "\n".join(_newest(messages, role, most=_MOST_CLASSIFIED) for role in ("system", "human"))
        found = classify_call(node="", prompt=prompt, tools=tools, schema=schema)
        return found.kind, "the words of its prompt" if found.reason.startswith("prompt") else found.reason

    def place(self, config: RunnableConfig, messages: Sequence[BaseMessage]) -> RunPlace:
        """Where a call stands; one that opens an episode of its own comes with what is set aside for that.

        Raises:
            ConfigError: a langroute key of the config holds something impossible; names the key.
        """
        place, around = run_place(config), current_episode()
        if around is not None:
            # A stream may be read after the block that it was opened in has ended.
            return replace(place, explicit=around.id)
        if place.run is not None or place.explicit or place.resumed or (place.thread and self._per == "thread"):
            return place
        rule = self.rule(node_place(config), messages)
        return replace(place, alone=True, budget=None if rule is None else self._budgets.get(rule.name))


def _newest(messages: Sequence[BaseMessage], role: str, *, most: int) -> str:
    """The beginning of the newest message of a role; empty when there is none."""
    for message in reversed(messages):
        if message.type == role:
            return str(message.text)[:most]
    return ""
