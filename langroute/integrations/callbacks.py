"""RoutingCallbackHandler: meters an app that nobody changed, and logs what would have been chosen."""

import logging
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.outputs import LLMResult

from langroute.acts import Close
from langroute.books import Amount
from langroute.deliberation import pinned_step, record_of
from langroute.episodes import current_episode
from langroute.errors import ConfigError
from langroute.faults import classify_fault
from langroute.integrations.logged_call import logged_call
from langroute.integrations.meter import CallMeter
from langroute.integrations.metering import MeteredEpisodes, MeterTotals, ModelPrices
from langroute.integrations.place import run_place
from langroute.integrations.request import ModelCall, StepReader, form_defects
from langroute.pool import ModelPool
from langroute.prices import OwnPrices, PriceTable
from langroute.records import PRICE_UNKNOWN, USAGE_UNKNOWN, Outcome, Record, Usage
from langroute.replay import would_cost
from langroute.router import StepRouter

_log = logging.getLogger("langroute.callbacks")

_RECORD = "langroute_record"
_MOST_OPEN = 10_000  # runs and calls that never end are forgotten beyond this many


class RoutingCallbackHandler(BaseCallbackHandler):
    """Meters the chat-model calls of an app as it is, and logs which arm the router would have chosen for each.

    It is a shadow: it holds nothing, calls nothing and changes nothing. Its decisions see logged state only: messages,
    parameters and metadata as callbacks get them, and a budget that is spent as if its own decisions were followed.
    They are records with the action ``shadow`` in the router's journal and log, so ``langroute explain`` shows what was
    paid and what would have been chosen. No ledger scope is opened, so metered calls take nothing from the budget of
    routed ones. Calls that langroute makes itself are counted as ``routed`` and not metered again.

    Cost is priced by the arm of the pool with the model that answered, else by ``prices`` and the pool's price book.
    Where no price or no usage is known, the call counts as ``unknown``, and the missing price is logged once. What goes
    wrong in here is logged once and never reaches the app.

    Use it in ``graph.invoke(x, {"callbacks": [handler]})``, sync or async; one handler may serve many runs at once.

    Args:
        router: decides, and keeps journal and log.
        prices: model name -> price, for models of the app that neither the pool nor its price book knows.

    Raises:
        ConfigError: the router is none, its pool is no ``ModelPool``, or a price is wrong.
    """

    run_inline = True
    raise_error = False

    def __init__(self, router: StepRouter, *, prices: PriceTable | None = None) -> None:
        super().__init__()
        if not isinstance(router, StepRouter):
            raise ConfigError(f"must be a StepRouter, not {type(router).__name__}", field="router")
        if not isinstance(router.pool, ModelPool):
            raise ConfigError(f"must be a ModelPool, not {type(router.pool).__name__}", field="pool")
        self._router = router
        self._reader = StepReader(router.config, router.pool, clock=router.clock, encoder=router.encoder)
        self._prices = ModelPrices(router.pool.arms, OwnPrices(prices or {}, beside=router.pool.price_book))
        self._episodes = MeteredEpisodes(router.config.budget)
        self._open: OrderedDict[UUID, _OpenCall] = OrderedDict()
        self._roots: OrderedDict[UUID, UUID] = OrderedDict()
        self._totals = MeterTotals()
        self._lock = Lock()
        self._told: set[str] = set()

    @property
    def totals(self) -> MeterTotals:
        """What was metered so far."""
        return self._totals

    # -- runs of chains, tools and retrievers: only to know which outermost run a call belongs to --------------------

    def on_chain_start(self, *_: Any, run_id: UUID, parent_run_id: UUID | None = None, **__: Any) -> None:
        """Note where a run belongs."""
        if parent_run_id is not None:
            self._roots[run_id] = self._roots.get(parent_run_id, parent_run_id)
            _bound(self._roots)

    def on_chain_end(self, *_: Any, run_id: UUID, **__: Any) -> None:
        """Forget a run."""
        self._roots.pop(run_id, None)

    def on_chain_error(self, *_: Any, run_id: UUID, **__: Any) -> None:
        """Forget a run."""
        self._roots.pop(run_id, None)

    on_tool_start = on_chain_start
    on_tool_end = on_chain_end
    on_tool_error = on_chain_error
    on_retriever_start = on_chain_start
    on_retriever_end = on_chain_end
    on_retriever_error = on_chain_error

    # -- calls ---------------------------------------------------------------------------------------------------

    def on_chat_model_start(
        self,
        serialized: Any,  # noqa: ARG002 - LangChain's signature
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **told: Any,
    ) -> None:
        """Decide in the shadow what would have been chosen."""
        with self._quietly():
            self._begin(messages[0], run_id, parent_run_id or run_id, told)

    def on_llm_start(
        self,
        serialized: Any,  # noqa: ARG002 - LangChain's signature
        prompts: list[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **told: Any,
    ) -> None:
        """The same for a model of plain text, whose usage LangChain does not tell."""
        with self._quietly():
            self._begin([HumanMessage(prompts[0])], run_id, parent_run_id or run_id, told)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **_: Any) -> None:
        """Meter what the call cost."""
        with self._quietly():
            opened = self._open.pop(run_id, None)
            if opened is not None:
                opened.meter.on_llm_end(response)
                self._close(opened)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Meter what is known of a call that failed or was cut off."""
        with self._quietly():
            opened = self._open.pop(run_id, None)
            if opened is not None:
                opened.meter.on_llm_error(error, **kwargs)
                self._close(opened, error)

    # -- inside --------------------------------------------------------------------------------------------------

    def _begin(self, messages: Sequence[BaseMessage], run_id: UUID, parent: UUID, told: Mapping[str, Any]) -> None:
        metadata: Mapping[str, Any] = told.get("metadata") or {}
        params: Mapping[str, Any] = told.get("invocation_params") or {}
        if _RECORD in metadata or params.get("_type") == "langroute":
            self._count(routed=1)
            return
        call = logged_call(
            messages,
            metadata=metadata,
            tags=told.get("tags") or (),
            params=params,
            options=told.get("options") or {},
        )
        record = self._decided(call, str(self._roots.get(parent, parent)))
        asked = str(metadata.get("ls_model_name") or params.get("model") or params.get("model_name") or "")
        self._open[run_id] = _OpenCall(
            call=call,
            record=record,
            model=asked,
            provider=str(metadata.get("ls_provider") or ""),
            began=self._router.clock.elapsed(),
        )
        _bound(self._open)

    def _decided(self, call: ModelCall, run: str) -> Record:
        """What the router would have decided, from what is logged."""
        around, now, unique = current_episode(), self._router.clock.now(), self._router.new_id()
        name = (
            self._episodes.name(run_place(call.config), run=run, unique=unique, at=now) if around is None else around.id
        )
        step = self._reader.read(call, episode=name, call_index=self._episodes.begin(name, at=now))
        step = pinned_step(step, None if around is None else around.arm)
        thought = self._router.deliberate(self._episodes.with_budget(step, at=now))
        return record_of(thought, record_id=unique, at=now, action="shadow")

    def _close(self, opened: "_OpenCall", error: BaseException | None = None) -> None:
        """Price the call, and keep the record."""
        outcome = self._outcome(opened, error)
        record = replace(opened.record, outcome=outcome)
        self._learn(opened, outcome)
        would = self._would(record, outcome)
        self._episodes.spend(record.step.episode, would)
        self._add_up(record, outcome, would)
        self._router.perform(Close(hold_id=None, amount=Amount(), worst_case=False, record=record))

    def _outcome(self, opened: "_OpenCall", error: BaseException | None) -> Outcome:
        reply = opened.meter.reply(None, ())
        names = (reply.served_by, opened.model)
        arm = self._prices.arm(names, opened.provider)
        cost, unknown = self._cost(names, opened.provider, reply.usage, error)
        defects = form_defects(opened.call, opened.meter.message)
        return Outcome(
            arm="" if arm is None else arm.name,
            usage=reply.usage,
            cost_nano=cost,
            latency_ms=round((self._router.clock.elapsed() - opened.began) * 1000, 3),
            confidence=reply.confidence,
            uncertainty=reply.uncertainty,
            options=reply.options,
            defects=(*defects, unknown) if unknown else defects,
            accepted=error is None,
            error="" if error is None else type(error).__name__,
            served_by=reply.served_by or opened.model,
        )

    def _cost(
        self, names: tuple[str, ...], provider: str, usage: Usage | None, error: BaseException | None
    ) -> tuple[int, str]:
        """Nano-dollars of a call, and what is missing to know them."""
        if usage is None:
            free = error is not None and not classify_fault(error).billed
            return 0, "" if free else USAGE_UNKNOWN
        if usage == _CACHED:
            return 0, ""
        price = self._prices.price(names, provider)
        return (0, PRICE_UNKNOWN) if price is None else (usage.cost_nano(price), "")

    def _would(self, record: Record, outcome: Outcome) -> Amount:
        """What the call would have used, had the decision been followed: the same tokens at the chosen arm's price."""
        usage, decision = outcome.usage, record.decision
        if decision.arm is None:
            return Amount()
        if not outcome.cost_known:
            return Amount(nano_usd=decision.cost_nano)
        cost = would_cost(record, self._router.arm(decision.arm))
        came_in, went_out = (usage.input_tokens, usage.output_tokens) if usage is not None else (0, 0)
        return Amount(nano_usd=cost, input_tokens=came_in, output_tokens=went_out)

    def _learn(self, opened: "_OpenCall", outcome: Outcome) -> None:
        message = opened.meter.message
        if message is not None and outcome.arm:
            arm, record = self._router.arm(outcome.arm), opened.record
            self._reader.learn_answer(message, model=arm.model, asked_with=len(opened.call.messages))
            self._reader.learn_cache(opened.call, record.step, arm, outcome.usage, at=record.at)

    def _add_up(self, record: Record, outcome: Outcome, would: Amount) -> None:
        usage = outcome.usage
        known = outcome.cost_known
        self._count(
            calls=1,
            failed=int(bool(outcome.error)),
            cached=int(usage == _CACHED),
            unknown=int(not known),
            input_tokens=usage.input_tokens if usage is not None else 0,
            output_tokens=usage.output_tokens if usage is not None else 0,
            paid_nano=outcome.cost_nano,
            expected_nano=record.decision.cost_nano if known else 0,
            would_nano=would.nano_usd if known else 0,
        )

    def _count(self, **counts: int) -> None:
        with self._lock:
            self._totals = self._totals.plus(**counts)

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Whatever goes wrong in metering is no business of the app's."""
        try:
            yield
        except Exception as problem:
            self._count(unread=1)
            name = type(problem).__name__
            if name not in self._told:
                self._told.add(name)
                _log.exception("a call could not be metered; further problems of type %s are not logged", name)


_CACHED = Usage(input_tokens=0, output_tokens=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _OpenCall:
    """A call under way."""

    call: ModelCall
    record: Record
    model: str
    provider: str
    began: float
    meter: CallMeter = field(default_factory=CallMeter)


def _bound(kept: OrderedDict[UUID, Any]) -> None:
    while len(kept) > _MOST_OPEN:
        kept.popitem(last=False)
