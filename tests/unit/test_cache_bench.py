"""The bench of the prompt cache: what it makes of calls, and that its figures hold on real ones."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).resolve().parents[1] / "bench"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The bench as a module; it stands beside its parts, as a script does."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(BENCH))
    import cache  # noqa: PLC0415 - found only now

    yield cache
    for name in set(sys.modules) - before:
        if name.startswith("cache"):
            del sys.modules[name]


def rows(*calls: tuple[int, int]) -> list[dict[str, Any]]:
    return [
        {"inst": "repo__1", "step": step, "inp": tokens, "out": 10, "cached": cached}
        for step, (tokens, cached) in enumerate(calls)
    ]


def test_a_call_is_foretold_from_those_before_it(bench: Any) -> None:
    """What a call reports of its own cache never changes what was foretold of it."""
    steps = bench.cache_steps
    told = steps.foretell(rows((5000, 0), (9000, 4040), (9500, 0)), steps.RULE)
    other = steps.foretell(rows((5000, 4999), (9000, 0), (9500, 9000)), steps.RULE)
    assert [call.aware for call in told] == [call.aware for call in other]
    assert told[1].aware == told[1].true == (9000 - 4040) * 1990 + 4040 * 200
    assert [call.hit for call in told] == [False, True, False]


def test_errors_are_over_what_was_paid(bench: Any) -> None:
    """The figures are what their names say."""
    steps = bench.cache_steps
    calls = [
        steps.Foretold(group="a", first=True, hit=False, true=100, aware=100, blind=100),
        steps.Foretold(group="a", first=False, hit=True, true=100, aware=140, blind=300),
    ]
    found = steps.errors(calls, lambda call: call.aware)
    assert found == {"of_true": 0.2, "mean_relative": 0.2, "median_relative": 0.2, "of_full": 0.1, "bias": 1.2}


def test_blocks_are_chosen_elsewhere(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository's block is the best one on the others, whatever would be best on its own calls."""
    steps = bench.cache_steps
    monkeypatch.setattr(steps, "BLOCKS", (1000, 3000))
    small = [{**row, "inst": "small__1"} for row in rows((5000, 0), (5500, 5000))]
    large = [{**row, "inst": "large__1"} for row in rows((5000, 0), (5500, 3000))]
    _, blocks = steps.elsewhere([small, large])
    assert blocks == {"small": 3000, "large": 1000}


def test_figures_on_real_calls(bench: Any) -> None:
    """On the real calls the aware price is off by at most a tenth of the full price, the blind one by far more."""
    steps = bench.cache_steps
    pytest.importorskip("pyarrow", reason="reading the real calls needs pyarrow")
    if not steps.data_file().exists():
        pytest.skip("the real calls are not there; set LANGROUTE_DATA to the folder that holds miniswe_steps")
    found = steps.measure(steps.load(steps.data_file()), choose=False)
    assert found["calls"] == 20_163
    assert found["aware"]["of_full"] <= 0.1
    assert 10 * found["aware"]["of_true"] < found["blind"]["of_true"]


def test_the_aware_router_costs_no_more_in_the_lab(bench: Any) -> None:
    """At equal success the aware router spends less than the blind one; the books agree with the lab's own meter."""
    lab = bench.cache_lab
    tasks = lab.demo_tasks(20)
    ladder, rate = lab.HEADLINE
    aware, blind = (lab.run(tasks, ladder=ladder, read_rate=rate, aware=told) for told in (True, False))
    assert sum(aware.success) == sum(blind.success)
    assert sum(aware.nano) < sum(blind.nano)
    assert lab.run(tasks, ladder="own", read_rate=0.25, aware=True).metered


def test_what_was_not_measured_is_told(bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the real calls the keys are null, with the reason beside them."""
    monkeypatch.setenv("LANGROUTE_DATA", str(tmp_path))
    found = bench.report(tasks=0, steps=True, lab=False)
    assert found["mae_aware"] is found["lab_saving"] is None
    assert "LANGROUTE_DATA" in bench.told(found)
