"""The bench of what routing adds: how figures are made from times. The times themselves are measured, not tested."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).resolve().parents[1] / "bench"


@pytest.fixture
def overhead(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The bench as a module; it stands beside its parts, as a script does."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(BENCH))
    import overhead as bench  # noqa: PLC0415 - found only now

    yield bench
    for name in set(sys.modules) - before:
        if name.startswith("overhead"):
            del sys.modules[name]


TIMES = {
    "bare_step": [1.0, 2.0, 1.0],
    "agent": [2.0, 4.0, 2.0],
    "agent_async": [3.0, 6.0, 3.0],
    "agent_1000": [5.0, 10.0, 5.0],
    "chat_model": [2.5, 5.0, 2.5],
    "chat_model_async": [3.4, 6.8, 3.4],
    "chat_model_1000": [5.4, 10.8, 5.4],
    "chat_model_sqlite": [2.75, 5.5, 2.75],
    "boosted": [2.3, 4.6, 2.3],
    "own_path_10": [0.2, 0.4, 0.2],
    "own_path_1000": [0.21, 0.42, 0.21],
    "litellm": [10.0, 20.0, 10.0],
}


def test_figures_are_ratios_of_one_round(overhead: Any) -> None:
    """A round in which the whole machine was half as fast changes no figure: a round is compared with itself."""
    result = overhead.report(TIMES, {})
    assert {key: result[key] for key in overhead.TARGETS} == {
        "chat_model_sync": 0.5,
        "chat_model_async": 0.4,
        "middleware_sync": None,
        "chat_model_sync_1000": 0.4,
        "middleware_sync_1000": None,
        "own_path_growth": 1.05,
        "versus_litellm": 0.05,
        "sqlite_added": 0.25,
        "boosted_sync": 0.3,
        "boosted_async": None,
        "boosted_middleware_sync": None,
        "boosted_sync_1000": None,
    }
    assert all(low == high for low, high in result["quartiles"].values())


def test_what_cannot_be_measured_is_null_with_a_reason(overhead: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Without litellm its key is null and the reason is told; the table shows a dash."""
    times = {name: values for name, values in TIMES.items() if name != "litellm"}
    result = overhead.report(times, {"versus_litellm": "left out by --no-peer"})
    assert result["versus_litellm"] is None
    assert result["reasons"] == {"versus_litellm": "left out by --no-peer"}
    overhead.show(result)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("versus_litellm")]
    assert line.split() == ["versus_litellm", "-", "0.10"]


def test_every_case_of_a_figure_exists(overhead: Any, tmp_path: Path) -> None:
    """Each figure is made from cases that the bench builds, and each case can be called."""
    with asyncio.Runner() as runner:
        made, reasons = overhead.cases(runner.get_loop(), tmp_path)
        wanted = {name for pair in {**overhead.ADDED, **overhead.ALSO_ADDED}.values() for name in pair}
        assert reasons == {}
        assert wanted | {"bare_step", "own_path_10", "own_path_1000"} == set(made)
        assert all(case(1) > 0 for case in made.values())
