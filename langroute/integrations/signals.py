"""Signals: what of pressure and features the messages do not tell: the place, the tools, the answers before."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock
from typing import Any

from langchain_core.runnables import RunnableConfig

from langroute.entry import EntryRule
from langroute.integrations.place import NodePlace
from langroute.integrations.visit import visit_of
from langroute.pool import ModelPool
from langroute.records import Features, Pressure
from langroute.steps import Reading
from langroute.steps.features import ToolCategories
from langroute.steps.visits import VisitCounter

_MOST_EPISODES = 10_000


class Signals:
    """Fills in pressure and features. Its memory is bounded and starts anew with the process; safe from any thread.

    Args:
        pool: the largest window that is known in it is what a prompt is measured by.
    """

    def __init__(self, pool: ModelPool) -> None:
        self._window = max((arm.context_window or 0 for arm in pool.arms), default=0)
        self._visits = VisitCounter()
        self._categories = ToolCategories()
        self._confidences: OrderedDict[str, float | None] = OrderedDict()
        self._lock = Lock()

    def learn_outcome(self, episode: str, confidence: float | None) -> None:
        """Remember how sure the latest answer of an episode was; None when it did not tell."""
        with self._lock:
            self._confidences[episode] = confidence
            self._confidences.move_to_end(episode)
            while len(self._confidences) > _MOST_EPISODES:
                self._confidences.popitem(last=False)

    def pressure(
        self, reading: Reading, config: RunnableConfig, *, episode: str, place: NodePlace, expected: int
    ) -> Pressure:
        """What the messages tell, the attempts of the node, the visits to it, and how full the window will be."""
        visit, told = visit_of(config), reading.pressure
        return Pressure(  # half the time of dataclasses.replace
            retries=place.attempt,
            invalid_tool_calls=told.invalid_tool_calls,
            tool_errors=told.tool_errors,
            repeated_calls=told.repeated_calls,
            cycles=self._visits.cycles(episode, visit) if visit is not None else 0,
            self_corrections=told.self_corrections,
            schema_failures=told.schema_failures,
            empty_ends=told.empty_ends,
            context_share=round(min(1.0, expected / self._window), 4) if self._window else 0.0,
        )

    def tool_category(
        self, tools: Sequence[Any], options: Mapping[str, Any], schemas: Callable[[], Iterable[Mapping[str, Any]]]
    ) -> str:
        """What the tools bound to a call are for; ``schemas`` gives them as they are sent, if the set is new."""
        return self._categories.of(tools, tool_choice=options.get("tool_choice"), schemas=schemas)

    def features(
        self,
        reading: Reading,
        *,
        episode: str,
        place: NodePlace,
        entry: EntryRule | None,
        schema_bytes: int,
        tool_category: str,
        text: tuple[float, ...] = (),
    ) -> Features:
        """What else is known before the decision."""
        return Features(
            prompt_bytes=reading.total_bytes + schema_bytes,
            retrievals=reading.retrievals,
            tool_category=tool_category,
            prior_confidence=self._confidences.get(episode),
            hint=place.hint,
            channel=place.channel,
            domain=place.domain,
            entry="" if entry is None else entry.name,
            text=text,
        )
