"""LangChain's standard suites over ChatGoogleGenerativeAI and over RoutedChatModel with a pool of it."""

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from langroute.testing import GoogleServer

from .standing import MARKS, benchmark, routed, serving, snapshot

SERVER = GoogleServer()
ROUTED = routed(ChatGoogleGenerativeAI, SERVER)

pytestmark = MARKS
served = serving(SERVER)
__all__ = ["benchmark", "snapshot"]


class Settings:
    """What both models are made with."""

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {**self._address, "api_key": SERVER.key}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return {"GOOGLE_API_KEY": SERVER.key}, self._address, {}

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def _address(self) -> dict[str, Any]:
        return {"model": "scripted-small", "base_url": SERVER.origin, "vertexai": False}


class Plain(Settings):
    """The yardstick."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatGoogleGenerativeAI


class Routed(Settings):
    """What must pass as much."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ROUTED


class TestPlainUnit(Plain, ChatModelUnitTests):
    """What the provider's class passes of the unit suite."""


class TestRoutedUnit(Routed, ChatModelUnitTests):
    """RoutedChatModel passes as much."""


class TestPlainIntegration(Plain, ChatModelIntegrationTests):
    """What the provider's class passes of the integration suite."""


class TestRoutedIntegration(Routed, ChatModelIntegrationTests):
    """RoutedChatModel passes as much."""
