"""Where a call stands: its node, its kind and its episode, read from the config that LangChain passes along."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph._internal._config import DEFAULT_RECURSION_LIMIT

from langroute.books import RESERVED_PURPOSES, Purpose
from langroute.config import checked_kind
from langroute.episodes import RunPlace
from langroute.errors import ConfigError
from langroute.quick import quick
from langroute.records import Kind
from langroute.scopes import checked_said

EPISODE = "langroute_episode"
KIND = "langroute_kind"
KIND_REASON = "langroute_kind_reason"
PURPOSE = "langroute_purpose"
ARM = "langroute_arm"
LOOP = "langroute_loop"
OPTIONAL = "langroute_optional"
HINT = "langroute_hint"
CHANNEL = "langroute_channel"
DOMAIN = "langroute_domain"
SCOPES = "langroute_scopes"

SET_FOR_NODE = "set for this node"
SET_IN_METADATA = "set in metadata"

_SAID = frozenset({KIND, KIND_REASON, PURPOSE, ARM, LOOP, HINT, CHANNEL, DOMAIN})
_NOTHING: Mapping[str, Any] = {}
_LONGEST_WORD = 100  # characters: these words stand in the log, where no prompt may

# Keys of LangGraph's own that no public function gives (INTEGRATION: the identity of a run, and whether it resumes).
_RUNTIME = "__pregel_runtime"
_AGENTS = ("langchain_create_agent", "deepagents")
_RESUMING = "__pregel_resuming"
_SCRATCHPAD = "__pregel_scratchpad"
_CHECKPOINTER = "__pregel_checkpointer"
_BETWEEN = "|"  # between a node's name and those of the graph it runs (langgraph.constants.NS_SEP)


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlace:
    """What the config says about the node a call is made in.

    Attributes:
        node: its name; empty outside a graph.
        path: where it stands, as LangGraph writes it: the nodes around it, outermost first, and itself.
        kind: the kind set for it; None when none was.
        kind_reason: how it was found.
        purpose: which reserve the call may open; None when none was set.
        arm: the arm the user demands of this call or node; None when free.
        run_arm: the arm the user demands of the whole run; None when free.
        attempt: graph attempts of this node before this one (retry policies).
        loops: the node is one round of an agent's loop.
        hint: what the caller says the task is; empty when nothing was said.
        channel: where the request comes from; empty when nothing was said.
        domain: its subject; empty when nothing was said.
    """

    node: str = ""
    path: str = ""
    kind: Kind | None = None
    kind_reason: str = ""
    purpose: Purpose | None = None
    arm: str | None = None
    run_arm: str | None = None
    attempt: int = 0
    loops: bool = False
    hint: str = ""
    channel: str = ""
    domain: str = ""

    def pinned(self, pins: Mapping[str, str]) -> str | None:
        """The arm that has to make the call: demanded of the call or its node, else by ``pins``, else of the run.

        A pin of a node holds for the agents and graphs that it runs; that of the nearest node counts.
        """
        return self.arm or (self._named(pins) if pins else None) or self.run_arm

    def _named(self, pins: Mapping[str, str]) -> str | None:
        around = [part.partition(":")[0] for part in reversed(self.path.split(_BETWEEN))]
        return next((pins[node] for node in (self.node, *around) if node in pins), None)


def node_place(config: RunnableConfig) -> NodePlace:
    """The node's part of a config.

    Raises:
        ConfigError: a langroute key of the metadata holds something impossible; names the key.
    """
    metadata, configurable = config.get("metadata") or _NOTHING, config.get("configurable") or _NOTHING
    attempt = _graph_attempt(configurable)
    if tags := config.get("tags"):
        attempt += _tagged_attempt(tags)
    node = str(metadata.get("langgraph_node", ""))
    path = str(metadata.get("langgraph_checkpoint_ns") or "")
    if _SAID.isdisjoint(metadata) and _SAID.isdisjoint(configurable):  # nobody said anything of it, which is usual
        return NodePlace(node=node, path=path, kind_reason=SET_IN_METADATA, attempt=attempt, loops=_loops(metadata))
    kind = metadata.get(KIND)
    return NodePlace(
        node=node,
        path=path,
        kind=None if kind is None else checked_kind(kind, field=f"metadata.{KIND}"),
        kind_reason=str(metadata.get(KIND_REASON, SET_IN_METADATA)),
        purpose=checked_purpose(metadata.get(PURPOSE), field=f"metadata.{PURPOSE}"),
        arm=_text(metadata, ARM),
        run_arm=_text(configurable, ARM, section="configurable"),
        attempt=attempt,
        loops=_loops(metadata),
        hint=_word(config, HINT),
        channel=_word(config, CHANNEL),
        domain=_word(config, DOMAIN),
    )


def _loops(metadata: Mapping[str, Any]) -> bool:
    """Whether the node calls a model again and again until it calls no tool: it says so, or LangChain built it."""
    if LOOP in metadata:
        return bool(metadata[LOOP])
    return metadata.get("langgraph_node") == "model" and metadata.get("ls_integration") in _AGENTS


def run_place(config: RunnableConfig) -> RunPlace:
    """The episode's part of a config.

    Raises:
        ConfigError: ``langroute_episode`` is set to something that is no non-empty string.
    """
    metadata, configurable = config.get("metadata") or _NOTHING, config.get("configurable") or _NOTHING
    explicit = ""
    if EPISODE in metadata or EPISODE in configurable:
        explicit = _text(metadata, EPISODE) or _text(configurable, EPISODE, section="configurable") or ""
    # A nested agent with a thread of its own keeps the outer thread in its metadata: the episode is the outer one's.
    own = str(configurable.get("thread_id") or "")
    thread = str(metadata.get("thread_id") or own)
    nested = bool(own) and own != thread
    resumed = bool(thread) and (nested or bool(configurable.get(_RESUMING)))
    control = getattr(configurable.get(_RUNTIME), "control", None)
    return RunPlace(
        explicit=explicit,
        thread=thread,
        run=control,
        resumed=resumed,
        resumes=partial(_resumes, metadata, configurable, config) if thread and not resumed else None,
        task=str(metadata.get("langgraph_checkpoint_ns") or ""),
        execution=configurable.get(_SCRATCHPAD),
        scopes=_scopes(metadata, configurable),
    )


def _scopes(metadata: Mapping[str, Any], configurable: Mapping[str, Any]) -> dict[str, str] | None:
    """Whose shared budgets the call takes from: said for the run, or, before that, for the call."""
    said = None
    if SCOPES in configurable:
        said = checked_said(configurable[SCOPES], field=f"configurable.{SCOPES}")
    if SCOPES in metadata:
        said = {**(said or {}), **checked_said(metadata[SCOPES], field=f"metadata.{SCOPES}")}
    return said


def can_resume(config: RunnableConfig | None) -> bool:
    """Whether the run that a call stands in is kept, so that it can be interrupted and taken up again."""
    return bool(config) and ((config or {}).get("configurable") or {}).get(_CHECKPOINTER) is not None


def _resumes(
    metadata: Mapping[str, Any], configurable: Mapping[str, Any], config: RunnableConfig, opened_at: float
) -> bool:
    """Whether the run goes on with its thread's latest turn, which was opened then.

    LangGraph tells so in the first superstep only. Later, its counts tell: a fresh run writes its input as superstep
    ``base`` and runs its first nodes in ``base + 2``; a resumed one runs them in ``base``. From ``base + 2`` on, the
    thread's newest input checkpoint tells; so it does in ``base + 1`` of an ``@entrypoint``, which a fresh run starts
    one superstep sooner. Where the checkpointer cannot be asked here (async only), a first superstep of nodes is taken
    to be fresh and a later one to resume, so that a budget is rather kept too long than granted twice.

    A graph that a node runs counts supersteps of its own, and begins anew in a run that goes on. There the time of the
    thread's newest input tells: a turn opened since then is that input's own.
    """
    if _is_inner(metadata):
        came = _input_time(configurable.get(_CHECKPOINTER), str(metadata.get("thread_id") or ""))
        if came is not None:
            return came <= opened_at
    step = metadata.get("langgraph_step")
    base = _base(configurable, config, step)
    if base is None or not isinstance(step, int):
        return False
    first = base + 1 if _in_entrypoint(metadata) else base + 2
    if step < first:
        return True
    saver = configurable.get(_CHECKPOINTER)
    if saver is None:
        return False
    input_at = _last_input(saver, str(metadata.get("thread_id") or ""))
    last = input_at.metadata.get("step") if input_at is not None else None
    return step > base + 2 or first == base + 1 if not isinstance(last, int) else last != base


def _is_inner(metadata: Mapping[str, Any]) -> bool:
    """Whether a call stands in a graph that a node of another one runs."""
    return _BETWEEN in str(metadata.get("langgraph_checkpoint_ns") or "")


def _in_entrypoint(metadata: Mapping[str, Any]) -> bool:
    """Whether a call may stand in an ``@entrypoint``: the input started it, or a function called it as a task."""
    path: Sequence[object] = metadata.get("langgraph_path") or ()
    called = len(path) > 1 and isinstance(path[1], tuple)
    return called or tuple(metadata.get("langgraph_triggers") or ()) == ("__start__",)


def _base(configurable: Mapping[str, Any], config: RunnableConfig, step: object) -> int | None:
    """The superstep that the run began with: where it stops less how many it may run."""
    stop = getattr(configurable.get(_SCRATCHPAD), "stop", None)
    if not isinstance(stop, int) or not isinstance(step, int):
        return None
    # LangGraph leaves its default limit out of the config, where LangChain then puts its own.
    for limit in (config.get("recursion_limit"), DEFAULT_RECURSION_LIMIT):
        base = stop - limit - 1 if limit is not None else None
        if base is not None and -1 <= base <= step:
            return base
    return None


def _last_input(saver: Any, thread: str) -> Any:
    """The checkpoint of the thread's newest input."""
    place = {"configurable": {"thread_id": thread, "checkpoint_ns": ""}}
    try:
        return next(iter(saver.list(place, filter={"source": "input"}, limit=1)), None)
    except Exception:  # none, an async-only or an unreachable checkpointer cannot tell
        return None


def _input_time(saver: Any, thread: str) -> float | None:
    """When the thread's newest input came, as epoch seconds."""
    found = _last_input(saver, thread)
    return None if found is None else datetime.fromisoformat(found.checkpoint["ts"]).timestamp()


def _graph_attempt(configurable: Mapping[str, Any]) -> int:
    runtime = configurable.get(_RUNTIME)
    attempt = getattr(getattr(runtime, "execution_info", None), "node_attempt", 1)
    return max(0, attempt - 1) if isinstance(attempt, int) else 0


def _tagged_attempt(tags: Sequence[object]) -> int:
    """Attempts before this one that ``.with_retry()`` made; it tags them ``retry:attempt:N``."""
    for tag in tags:
        head, _, number = str(tag).rpartition(":")
        if head == "retry:attempt" and number.isdigit():
            return max(0, int(number) - 1)
    return 0


def checked_purpose(value: object, *, field: str) -> Purpose | None:
    """The purpose a text names; None stays None.

    Raises:
        ConfigError: it names none; the message lists them.
    """
    for purpose in ("general", *RESERVED_PURPOSES):
        if value == purpose:
            return purpose
    if value is None:
        return None
    known = ", ".join(("general", *RESERVED_PURPOSES))
    raise ConfigError(f"{value!r} is no purpose; use one of {known}", field=field)


def _text(data: Mapping[str, Any], key: str, *, section: str = "metadata") -> str | None:
    value = data.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"must be a non-empty string, not {value!r}", field=f"{section}.{key}")
    return value


def _word(config: RunnableConfig, key: str) -> str:
    """What was said of a call in its metadata, or of its whole run in ``configurable``."""
    parts = (("metadata", config.get("metadata")), ("configurable", config.get("configurable")))
    for part, data in parts:
        value = (data or {}).get(key)
        if value is None:
            continue
        if not isinstance(value, str) or not value.strip() or len(value) > _LONGEST_WORD:
            raise ConfigError(
                f"must be a word or a few (1 to {_LONGEST_WORD} characters), not {value!r:.120}", field=f"{part}.{key}"
            )
        return value.strip()
    return ""
