"""The prompt cache in a running agent: who is warm, what that does to a choice, and what is said of it."""

import logging
from collections.abc import Sequence
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from langroute import (
    Budget,
    CacheRule,
    ModelPool,
    Price,
    RoutedChatModel,
    RouterConfig,
    RoutingCallbackHandler,
    RoutingMiddleware,
    StepRouter,
)
from langroute.records import CacheView, Record
from langroute.replay import replay_decision
from langroute.testing import FakeClock, Reply, ScriptedModel

RULE = CacheRule(mode="automatic", min_tokens=100, lifetime_s=300.0)
TALK: tuple[BaseMessage, ...] = (SystemMessage("You help."), HumanMessage("word " * 2000))


def router_of(**config: Any) -> StepRouter:
    """Two arms whose list prices lie close together; cached tokens cost a tenth."""

    def priced(dollars: float) -> Price:
        return Price(input_per_million=dollars, output_per_million=dollars, cached_input_per_million=dollars / 10)

    return StepRouter(
        ModelPool(
            {
                name: ScriptedModel(lambda messages, options: Reply(text="yes", input_tokens=2000), model_name=name)
                for name in "ab"
            },
            prices={"a": priced(1.0), "b": priced(1.2)},
            cache_rules={"a": RULE, "b": RULE},
        ),
        clock=FakeClock(),
        config=RouterConfig(**config),
    )


def longer(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    return [*messages, AIMessage("yes"), HumanMessage("go on")]


def records(router: StepRouter, episode: str) -> tuple[Record, ...]:
    router.flush()
    return router.journal.records(episode)


def two_calls(router: StepRouter, *, first: str = "b", wait_s: float = 0.0) -> Record:
    """A call by one arm, then a free one of the same conversation, a while later; the record of the second."""
    model = RoutedChatModel(router)
    with router.episode("e"):
        model.invoke(list(TALK), {"metadata": {"langroute_arm": first, "langroute_kind": "execution"}})
        router.clock.advance(wait_s)  # type: ignore[attr-defined]
        model.invoke(longer(TALK), {"metadata": {"langroute_kind": "execution"}})
    return records(router, "e")[1]


def test_a_warm_model_that_became_the_cheaper_one_is_kept() -> None:
    """The blind router goes to the cheaper list price; the aware one stays where the prompt is warm, and says so."""
    aware, blind = two_calls(router_of()), two_calls(router_of(cache_aware=False))
    assert (aware.decision.arm, blind.decision.arm) == ("b", "a")
    (warm,) = aware.step.caches
    assert (warm.arm, warm.read_tokens) == ("b", 2000)
    assert "2000 input tokens from its warm cache, which saves $0.00216" in aware.decision.rationale
    assert blind.step.caches == ()
    assert "cache" not in blind.decision.rationale


def test_a_cache_that_cooled_down_keeps_nobody() -> None:
    """After the lifetime the choice is that of the list prices again."""
    late = two_calls(router_of(), wait_s=301.0)
    assert (late.decision.arm, late.step.caches) == ("a", ())


def test_leaving_a_warm_model_is_told() -> None:
    """Where the other model is demanded all the same, the rationale says what is left and what it was worth."""
    router = router_of(pins={})
    model = RoutedChatModel(router)
    with router.episode("e"):
        model.invoke(list(TALK), {"metadata": {"langroute_arm": "b"}})
        model.invoke(longer(TALK), {"metadata": {"langroute_arm": "a"}})
    told = records(router, "e")[1].decision.rationale
    assert "leaving b's warm cache of 2000 tokens, worth $0.00216 there" in told


def test_the_hold_does_not_count_on_the_cache() -> None:
    """What is held is the same whether a cache is warm or not; only the expected cost differs."""
    aware, blind = two_calls(router_of()), two_calls(router_of(cache_aware=False))
    assert aware.ruling.permits == blind.ruling.permits
    costs = [{seen.arm: seen.cost_nano for seen in one.decision.alternatives} for one in (aware, blind)]
    assert costs[0]["b"] < costs[1]["b"]
    assert costs[0]["a"] == costs[1]["a"]


def test_a_decision_with_caches_replays() -> None:
    """A stored decision comes out of its record again, without the memory it was made with."""
    router = router_of()
    record = two_calls(router)
    assert replay_decision(record, [router.policy]) == record.decision
    assert router_of().decide(record.step) == record.decision


def test_the_log_has_what_was_expected(caplog: pytest.LogCaptureFixture) -> None:
    """The decision's line has the caches, by arm."""
    with caplog.at_level(logging.INFO, logger="langroute"):
        two_calls(router_of())
    lines = [line.message for line in caplog.records if "routing_step" in line.message]
    assert '"caches": []' in lines[0] or '"caches":[]' in lines[0]
    assert '"read_tokens":2000' in lines[1].replace(" ", "")


def test_a_compressed_prompt_is_cold() -> None:
    """A prompt that was made shorter shares only its beginning with what was sent before."""
    router = router_of()
    model = RoutedChatModel(router)
    with router.episode("e"):
        model.invoke([*TALK, *[HumanMessage(f"result {n} " * 50) for n in range(9)]])
        model.invoke([*TALK, *[HumanMessage("[cleared]") for n in range(9)], HumanMessage("go on")])
    first, second = records(router, "e")
    assert all(seen.read_tokens < first.step.input_tokens for seen in second.step.caches)


def test_the_other_doors_know_it_too() -> None:
    """An agent's calls warm the cache through the middleware, and metered ones through the callbacks."""
    router = router_of()
    agent: Any = create_agent(ScriptedModel(["never"]), middleware=[RoutingMiddleware(router)])
    with router.episode("agent"):
        state = agent.invoke({"messages": [HumanMessage("word " * 2000)]})
        agent.invoke({"messages": [*state["messages"], HumanMessage("go on")]})
    seen = records(router, "agent")[1]
    assert [warm.arm for warm in seen.step.caches] == [records(router, "agent")[0].decision.arm]

    shadow = router_of()
    handler = RoutingCallbackHandler(shadow)
    plain = ScriptedModel(lambda messages, options: Reply(text="yes", input_tokens=2000), model_name="b")
    config: Any = {"callbacks": [handler], "metadata": {"langroute_episode": "metered"}}
    plain.invoke(list(TALK), config)
    plain.invoke(longer(TALK), config)
    assert records(shadow, "metered")[1].step.caches == (
        CacheView(arm="b", read_tokens=2000, write_tokens=0, saved_nano=2_160_000),
    )


def test_a_budget_is_kept_with_warm_caches() -> None:
    """Expected discounts never let a call through that does not fit."""
    router = router_of(budget=Budget(total_dollars=0.05))
    record = two_calls(router)
    assert record.decision.worst_nano > record.decision.cost_nano
    assert router.balance("e").used.nano_usd <= 50_000_000
