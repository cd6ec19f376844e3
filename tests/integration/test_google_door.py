"""The real ChatGoogleGenerativeAI behind the door: what Google refuses costs nothing and goes to another arm."""

from collections.abc import Iterator
from typing import Any

import pytest

from langroute import Budget, ModelPool, Price, RoutedChatModel, StepRouter
from langroute.testing import GoogleServer, Reply, ScriptedModel, refusal

PRICE = Price(input_per_million=0.137, output_per_million=1.011)
MODEL = "gemini-3-pro-preview"


class Bench:
    """A router over Gemini on a scripted server, and another arm."""

    def __init__(self) -> None:
        self.script: Any = None
        self.server = GoogleServer(self._say, prices={MODEL: PRICE})
        self.other = ScriptedModel(lambda *_: "Other.", model_name="other")

    def _say(self, request: Any) -> Any:
        return self.script(request)

    def open(self, *arms: str) -> None:
        """Begin anew with these arms."""
        models: dict[str, Any] = {"gemini": self.server.chat_model(MODEL), "other": self.other}
        pool = ModelPool({name: models[name] for name in arms}, prices=dict.fromkeys(arms, PRICE))
        self.router = StepRouter(pool, budget=Budget(total_dollars=1.0), policy="always:gemini")
        self.llm = RoutedChatModel(self.router)

    def outcomes(self) -> list[tuple[str, str, int, bool]]:
        """Arm, error, cost and whether that is a worst case, of every attempt."""
        self.router.flush()
        outcomes = [record.outcome for record in self.router.journal.records("e")]
        return [(seen.arm, seen.error, seen.cost_nano, seen.worst_case) for seen in outcomes if seen is not None]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A server of Google's format; retries come at once."""
    monkeypatch.setattr(StepRouter, "pause_before", lambda self, attempt: 0.0)
    made = Bench()
    with made.server:
        yield made
        made.router.pool.model("gemini").client.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("way", ["invoke", "stream"])
@pytest.mark.parametrize("status", [429, 404, 401])
def test_what_google_refuses_is_free_and_another_arm_answers(bench: Bench, status: int, way: str) -> None:
    """A rate limit, an unknown model and a wrong key are the arm's trouble: nothing is booked, the agent goes on."""
    bench.script = lambda request: refusal(status)
    bench.open("gemini", "other")
    with bench.router.episode("e"):
        said = bench.llm.invoke("Hi").text if way == "invoke" else "".join(x.text for x in bench.llm.stream("Hi"))
    assert said == "Other."
    first, second = bench.outcomes()
    assert (first[0], first[2:], second[0]) == ("gemini", (0, False), "other")
    assert len(bench.server.requests) == 1


def test_a_request_that_google_refuses_costs_nothing(bench: Bench) -> None:
    """The error comes out, and the budget is whole."""
    bench.script = lambda request: refusal(400)
    bench.open("gemini", "other")
    with bench.router.episode("e"), pytest.raises(Exception, match="400"):
        bench.llm.invoke("Hi")
    assert bench.router.balance("e").spent.nano_usd == 0


def test_an_outage_of_google_is_tried_again(bench: Bench) -> None:
    """A 503 may have been billed, so it is booked at its worst; the next attempt brings the answer."""
    answers = iter([refusal(503), Reply(text="Here.")])
    bench.script = lambda request: next(answers)
    bench.open("gemini")
    with bench.router.episode("e"):
        assert bench.llm.invoke("Hi").text == "Here."
    bench.server.wait_idle()
    first, second = bench.outcomes()
    assert (first[3], second[3]) == (True, False)
    assert second[2] == bench.server.meter.total().nano_dollars > 0
