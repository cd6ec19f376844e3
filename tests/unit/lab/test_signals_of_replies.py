"""What the lab's models know of their own mistakes."""

import pytest

from langroute.lab.engine import LabModel
from langroute.lab.signals import SIGNALS, main, measure_signals


def test_a_models_own_logprobs_tell_its_wrong_plans() -> None:
    """The small model's plans: the whole reply's log-probability parts right from wrong, the first token's does not."""
    found = measure_signals(LabModel.load("lab-small"), tasks=150)
    assert set(found) == {"plan", "work", "check", "report"}
    plan = found["plan"]
    assert 0.4 < (plan["right"] or 0) < 0.8
    assert (plan["whole reply"] or 0) > 0.8
    assert (plan["first token"] or 1) < 0.7
    assert found["check"]["1 - u"] == pytest.approx(found["check"]["geometric mean"])  # one token: they rank alike


def test_every_model_and_step_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints twelve lines with all signals; without right and wrong replies a signal is a dash."""
    main(4)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    assert all(all(name in line for name in SIGNALS) for line in lines)
