"""How often a run came back to a node, from the supersteps its calls were made in; bounded memory."""

from bisect import bisect_left
from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock

_MOST_EPISODES = 1_000
_MOST_NODES = 64  # of an episode
_MOST_MOMENTS = 256  # of a node


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One superstep's work at one node.

    Attributes:
        node: the node, by its path through the graphs; branches that run side by side have paths of their own.
        moment: the superstep; sorts in the order of time. A fan-out, a resume and a retry share the moment.
    """

    node: str
    moment: tuple[str, int]


@dataclass(slots=True)
class _Moments:
    """The moments at which a node was seen, in order, and how many older ones were forgotten."""

    known: list[tuple[str, int]] = field(default_factory=list)
    forgotten: int = 0


class VisitCounter:
    """Counts the earlier visits of each node of an episode. Safe from any thread.

    Counted are moments before the one asked about, not calls: whatever else a node calls, and however often a task is
    run again, the answer is the same. It starts anew with the process.
    """

    def __init__(self) -> None:
        self._episodes: OrderedDict[str, OrderedDict[str, _Moments]] = OrderedDict()
        self._lock = Lock()

    def cycles(self, episode: str, visit: Visit) -> int:
        """How many times the run came back to the node, up to this visit; 0 for the first. The visit is remembered."""
        with self._lock:
            nodes = self._episodes.setdefault(episode, OrderedDict())
            self._episodes.move_to_end(episode)
            moments = nodes.setdefault(visit.node, _Moments())
            nodes.move_to_end(visit.node)
            place = bisect_left(moments.known, visit.moment)
            cycles = moments.forgotten + place
            if moments.forgotten and not place:
                return cycles  # older than all that is known: whether it was counted before cannot be told
            if place == len(moments.known) or moments.known[place] != visit.moment:
                moments.known.insert(place, visit.moment)
            self._forget(nodes, moments)
            return cycles

    def _forget(self, nodes: OrderedDict[str, _Moments], moments: _Moments) -> None:
        """Drop what is oldest: moments of the node, nodes of the episode, episodes."""
        if len(moments.known) > _MOST_MOMENTS:
            del moments.known[0]
            moments.forgotten += 1
        if len(nodes) > _MOST_NODES:
            nodes.popitem(last=False)
        if len(self._episodes) > _MOST_EPISODES:
            self._episodes.popitem(last=False)
