"""One server for all tests of this directory; each test finds it as new."""

from collections.abc import Iterator

import pytest
from langchain_openai import ChatOpenAI
from pydantic import SecretStr
from scripted_engine import ScriptedEngine

from langroute.lab.server import LabServer


@pytest.fixture(scope="session")
def running() -> Iterator[LabServer]:
    with LabServer(engine=ScriptedEngine(lambda prompt: ["ok"])) as server:
        yield server


@pytest.fixture
def engine(running: LabServer) -> ScriptedEngine:
    engine = running.service.engine
    assert isinstance(engine, ScriptedEngine)
    engine.script = lambda prompt: ["Hello", " big", " world"]
    return engine


@pytest.fixture
def server(running: LabServer, engine: ScriptedEngine) -> Iterator[LabServer]:
    running.meter.reset()
    running.service.cache.clear()
    yield running
    running.faults.release()


@pytest.fixture
def model(server: LabServer) -> ChatOpenAI:
    return ChatOpenAI(
        model="lab-small",
        base_url=server.base_url,
        api_key=SecretStr("lab"),
        logprobs=True,
        temperature=0,
        max_retries=0,
        stream_usage=True,
    )
