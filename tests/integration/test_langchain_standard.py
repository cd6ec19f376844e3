"""LangChain's own standard suites, over RoutedChatModel and over plain ChatOpenAI as the yardstick.

Both are asked the same by the same scripted server. What neither runs, and why: overriding the model of a call (the
router chooses it, so `model=` is refused), images, audio, PDF and Anthropic-style inputs (their tests download files)
and recorded cassettes.
"""

from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import ANY

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests
from langchain_tests.unit_tests.chat_models import ChatModelTests
from pytest_benchmark.fixture import BenchmarkFixture

from langroute import Budget, ModelPool, RoutedChatModel, StepRouter
from langroute.testing import ScriptedServer

SERVER = ScriptedServer()

pytestmark = [
    # LangChain dumps the SDK's parsed object under a type that says there is none.
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning"),
    # The suite hands a schema of Pydantic's first version to a strategy that says it will use another one.
    pytest.mark.filterwarnings("ignore:Received a Pydantic BaseModel V1 schema:UserWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def serving() -> Iterator[None]:
    """One server for all tests of this module."""
    with SERVER:
        yield


@pytest.fixture
def benchmark(benchmark: BenchmarkFixture) -> BenchmarkFixture:
    """Runs what is to be measured once, unmeasured: the promise is that it runs."""
    benchmark.disabled = True
    return benchmark


@pytest.fixture
def snapshot() -> Callable[..., Any]:
    """Any form: how ChatOpenAI writes itself is LangChain's affair; that it reads itself again is still checked."""
    return lambda name: ANY


class RoutedOpenAI(RoutedChatModel):
    """RoutedChatModel as an application would build it from settings: they belong to the models of its pool."""

    def __init__(self, **settings: Any) -> None:
        chats = {"small": ChatOpenAI(**settings), "large": ChatOpenAI(**{**settings, "model": "scripted-large"})}
        super().__init__(StepRouter(ModelPool(chats, prices=SERVER.prices), budget=Budget(total_dollars=1.0)))


class OpenAISettings:
    """What both models are made with."""

    @property
    def chat_model_params(self) -> dict[str, Any]:
        url = SERVER.base_url
        return {"model": "scripted-small", "base_url": url, "api_key": "scripted", "stream_usage": True}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        settings = {"model": "scripted-small", "base_url": SERVER.base_url}
        return {"OPENAI_API_KEY": "scripted"}, settings, {}

    @property
    def supports_json_mode(self) -> bool:
        return True


class TestPlainUnit(OpenAISettings, ChatModelUnitTests):
    """The yardstick: what ChatOpenAI passes of the unit suite."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOpenAI


class TestRoutedUnit(OpenAISettings, ChatModelUnitTests):
    """RoutedChatModel passes as much."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return RoutedOpenAI


class TestPlainIntegration(OpenAISettings, ChatModelIntegrationTests):
    """The yardstick: what ChatOpenAI passes of the integration suite."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOpenAI


class TestRoutedIntegration(OpenAISettings, ChatModelIntegrationTests):
    """RoutedChatModel passes as much."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return RoutedOpenAI


def test_both_are_asked_the_same() -> None:
    """What decides which tests run is equal for both, so RoutedChatModel skips no test that ChatOpenAI passes."""
    for routed, plain in ((TestRoutedUnit(), TestPlainUnit()), (TestRoutedIntegration(), TestPlainIntegration())):
        switches = [name for name in dir(ChatModelTests) if isinstance(getattr(ChatModelTests, name), property)]
        switches.remove("chat_model_class")
        assert len(switches) > 15
        assert {name: getattr(routed, name) for name in switches} == {name: getattr(plain, name) for name in switches}
