"""The lab's own models, served and in process: the same answers, and prices that add up."""

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI

from langroute.lab.agent import plan_messages, report_messages, work_messages
from langroute.lab.catalog import MODEL_NAMES
from langroute.lab.chat_model import LabChatModel
from langroute.lab.graph import calculator
from langroute.lab.pool import lab_models, lab_prices
from langroute.lab.server import LabServer
from langroute.lab.service import LabService
from langroute.lab.world import sample_task
from langroute.money import Price


@pytest.fixture(scope="module")
def lab() -> Iterator[LabServer]:
    with LabServer() as server:
        yield server


def prompts() -> list[tuple[list[dict[str, Any]], bool]]:
    """Prompts of the agent's steps, and whether they come with the calculator."""
    tasks = [sample_task(seed) for seed in range(3)]
    return [
        prompt
        for task in tasks
        for prompt in (
            (plan_messages(task.problem), False),
            (work_messages(task.problem, task.plan[0], ()), True),
            (report_messages(task.problem, (7,)), False),
        )
    ]


def cost(price: Price, answer: AIMessage) -> int:
    """Nano-dollars of an answer by the usage the client was told."""
    usage = answer.usage_metadata
    assert usage is not None
    return price.cost(
        input_tokens=usage["input_tokens"],
        output_tokens=usage["output_tokens"],
        cache_read_tokens=usage["input_token_details"]["cache_read"],
    )


def test_pools_have_the_same_names_over_http_and_in_process(lab: LabServer) -> None:
    """Three models named by their size, remote with an address and local without, that never retry by themselves."""
    remote, local = lab_models(lab.base_url), lab_models()
    assert list(remote) == list(local) == ["small", "medium", "large"]
    assert all(isinstance(model, ChatOpenAI) and model.max_retries == 0 for model in remote.values())
    assert all(isinstance(model, LabChatModel) for model in local.values())
    assert list(lab_prices()) == list(MODEL_NAMES)


@pytest.mark.parametrize("size", ["small", "medium", "large"])
def test_served_and_in_process_answers_are_one(lab: LabServer, size: str) -> None:
    """Whole, streamed, over HTTP or not: same text, calls, usage, log probabilities; the meters match the price."""
    service = LabService()
    lab.meter.reset()
    lab.service.cache.clear()
    remote, local = lab_models(lab.base_url)[size], lab_models(service=service)[size]
    price, told = lab_prices()[f"lab-{size}"], 0
    for messages, with_tool in prompts():
        here, there = (model.bind_tools([calculator]) if with_tool else model for model in (local, remote))
        one, other = here.invoke(messages, max_tokens=12), there.invoke(messages, max_tokens=12)
        assert isinstance(one, AIMessage)
        assert isinstance(other, AIMessage)
        assert one.content == other.content
        assert [call["args"] for call in one.tool_calls] == [call["args"] for call in other.tool_calls]
        assert one.usage_metadata == other.usage_metadata
        assert one.response_metadata["logprobs"] == other.response_metadata["logprobs"]
        assert one.response_metadata["finish_reason"] == other.response_metadata["finish_reason"]
        streamed = "".join(str(chunk.content) for chunk in here.stream(messages, max_tokens=12))
        assert streamed == one.content
        told += cost(price, other)
    assert told == lab.meter.total().nano_dollars > 0
    assert lab.meter.total().requests * 2 == service.meter.total().requests


def test_sampling_follows_the_seed(lab: LabServer) -> None:
    """With a temperature, one seed gives one answer, here and over HTTP."""
    messages = prompts()[0][0]
    remote = ChatOpenAI(
        model="lab-small", base_url=lab.base_url, api_key=lambda: "lab", temperature=1.5, seed=7, max_retries=0
    )
    local = LabChatModel(model="lab-small", temperature=1.5, seed=7, service=LabService())
    answers = {str(model.invoke(messages, max_tokens=6).content) for model in (remote, local, remote)}
    assert len(answers) == 1
    assert len({str(local.invoke(messages, seed=seed, max_tokens=6).content) for seed in range(20)}) > 1
