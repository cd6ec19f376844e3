"""What the standard suites of all wire formats share.

Each suite is run over the provider's own class and over RoutedChatModel, asked the same by the same server. What
neither runs: images, audio, PDF and Anthropic-style inputs (their tests download files), overriding the model of a call
(the router chooses it) and recorded cassettes.
"""

from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import ANY

import pytest
from langchain_core.language_models import BaseChatModel
from pytest_benchmark.fixture import BenchmarkFixture

from langroute import Budget, ModelPool, RoutedChatModel, StepRouter
from langroute.testing.wire_server import WireServer

MARKS = [
    # LangChain dumps the SDK's parsed object under a type that says there is none.
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning"),
    # The suite hands a schema of Pydantic's first version to a strategy that says it will use another one.
    pytest.mark.filterwarnings("ignore:Received a Pydantic BaseModel V1 schema:UserWarning"),
    # The suite asks every provider for JSON mode; Anthropic's class falls back, and says so.
    pytest.mark.filterwarnings("ignore:Unrecognized structured output method 'json_mode':UserWarning"),
]


def routed(model: type[BaseChatModel], server: WireServer) -> type[RoutedChatModel]:
    """RoutedChatModel as an application would build it from settings: they belong to the models of its pool."""

    class Routed(RoutedChatModel):
        """A pool of two models of one provider."""

        def __init__(self, **settings: Any) -> None:
            large = {**settings, "model": "scripted-large"}
            pool = ModelPool({"small": model(**settings), "large": model(**large)}, prices=server.prices)
            super().__init__(StepRouter(pool, budget=Budget(total_dollars=1.0)))

    return Routed


def serving(server: WireServer) -> Callable[..., Any]:
    """A fixture that serves all tests of a module."""

    @pytest.fixture(scope="module", autouse=True)
    def served() -> Iterator[None]:
        with server:
            yield

    return served


@pytest.fixture
def benchmark(benchmark: BenchmarkFixture) -> BenchmarkFixture:
    """Runs what is to be measured once, unmeasured: the promise is that it runs."""
    benchmark.disabled = True
    return benchmark


@pytest.fixture
def snapshot() -> Callable[..., Any]:
    """Any form: how a model writes itself is LangChain's affair; that it reads itself again is still checked."""
    return lambda name: ANY
