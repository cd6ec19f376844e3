"""The same data through ``mapie.risk_control``, an independent implementation; skipped where it is not installed."""

import warnings

import numpy as np
import pytest
from calibration_worlds import SIZES, answers

from langroute.acceptance.conformal import control_marginal_risk, control_selective_risk
from langroute.acceptance.learn_then_test import fixed_sequence
from langroute.acceptance.p_values import binomial_p_value, hoeffding_bentkus_p_value

pytest.importorskip("mapie.risk_control", reason="mapie is not installed: pip install mapie to compare with it")
from mapie.risk_control import BinaryClassificationController, FWERFixedSequenceTesting, control_fwer
from mapie.risk_control.methods import compute_hoeffding_bentkus_p_value, find_best_predict_param, get_r_hat_plus

GRID = np.linspace(0.0, 0.95, 20)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("alpha", [0.033, 0.05, 0.1111])
def test_marginal_risk_accepts_what_mapies_conformal_risk_control_accepts(n: int, alpha: float) -> None:
    """Where alpha (n + 1) is no whole number, both accept the same calibration answers."""
    if abs(alpha * (n + 1) - round(alpha * (n + 1))) < 1e-9:
        pytest.skip("mapie asks for strictly less than alpha")
    seen = answers(count=n, seed=21)
    cuts = np.unique(seen.scores)
    losses = (seen.scores[:, None] > cuts) & seen.wrong[:, None]
    _, corrected = get_r_hat_plus(losses.astype(float), cuts, "crc", None, None, None)
    theirs = float(find_best_predict_param(cuts, corrected, np.array([alpha]))[0])
    ours = control_marginal_risk(seen.scores, seen.wrong, alpha=alpha)
    assert ours.accepts(seen.scores).tolist() == (seen.scores > theirs).tolist()


@pytest.mark.parametrize("n", SIZES)
def test_hoeffding_bentkus_is_mapies(n: int) -> None:
    """The p-values agree to nine digits over the whole range of mean losses."""
    means = np.linspace(0, 1, 41)
    for level in (0.05, 0.2, 0.525):
        theirs = compute_hoeffding_bentkus_p_value(means, n, level)[:, 0]
        ours = [hoeffding_bentkus_p_value(float(mean) * n, n, level) for mean in means]
        # mapie rounds n * mean up without regard to rounding errors, so compare where that is the same count.
        same = np.ceil(means * n) == np.ceil(means * n - 1e-9)
        assert np.array(ours)[same] == pytest.approx(np.minimum(theirs, 1.0)[same], rel=1e-9)


@pytest.mark.parametrize("starts", [1, 2, 4])
def test_fixed_sequences_reject_what_mapies_do(starts: int) -> None:
    """Random p-values, small ones first: the same hypotheses are rejected, from one start or from several."""
    draws = np.random.default_rng(22)
    for _ in range(200):
        p_values = np.sort(draws.random(16)) ** 4
        p_values[draws.integers(16)] = draws.random()
        theirs = control_fwer(p_values, 0.1, FWERFixedSequenceTesting(n_starts=starts))
        assert np.flatnonzero(fixed_sequence(p_values, delta=0.1, starts=starts)).tolist() == sorted(theirs)


@pytest.mark.parametrize("n", SIZES)
def test_selective_risk_tests_what_mapies_precision_does(n: int) -> None:
    """The risk is one less precision: the p-values are mapie's, or smaller where mapie's rounding adds a failure.

    mapie rounds the product of a count and a share up, so that 3 failures of 56 may count as 4; ours never is above.
    """
    seen = answers(count=n, seed=23)
    controller = BinaryClassificationController(
        predict_function=lambda scores: np.stack((1 - scores, scores), axis=1),
        risk="precision",
        target_level=0.8,
        confidence_level=0.9,
        list_predict_params=GRID[::-1],
        fwer_method=FWERFixedSequenceTesting(n_starts=4),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where nothing can be certified
        controller.calibrate(seen.scores, (~seen.wrong).astype(int))
    ours = control_selective_risk(seen.scores, seen.wrong, thresholds=GRID, alpha=0.2, delta=0.1, starts=4)
    same = 0
    for cut, mine, theirs in zip(ours.thresholds, ours.p_values, controller.p_values[:, 0], strict=True):
        accepted = seen.scores > cut
        failures, count = int(seen.wrong[accepted].sum()), int(accepted.sum())
        assert mine * (1 - 1e-9) <= theirs <= binomial_p_value(failures + 1, count, 0.2) * (1 + 1e-9)
        same += theirs == pytest.approx(mine, rel=1e-9, abs=0)
    assert same >= len(GRID) / 2
    assert ours.threshold == np.asarray(controller.valid_predict_params).min()
