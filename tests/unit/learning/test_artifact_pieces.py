"""Every fitted thing that an artifact can hold comes back from one, and says the same as before."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from judged_answers import a_step, outcome_table
from outcome_tables import step_columns

from langroute.acceptance.entropy import OptionSets, SingleAnswerAcceptance
from langroute.acceptance.worth import WorthAcceptance
from langroute.artifacts import CLASSES, open_policy
from langroute.errors import ArtifactInvalid
from langroute.estimators.artifact import read_artifact
from langroute.estimators.word_counts import WordCounts
from langroute.learning.acceptance_fitting import fit_acceptance
from langroute.learning.artifact_files import save_artifact
from langroute.learning.examples import Examples
from langroute.learning.gain_fitting import GainLearner, SoftGapLearner
from langroute.learning.latent_fitting import fit_latent_text
from langroute.learning.learners import learner
from langroute.learning.text_fitting import fit_hashed_text
from langroute.learning.view_fitting import ViewOptions
from langroute.policies.cascade import CascadePolicy
from langroute.policies.chain import ChainPolicy
from langroute.policies.difference import DifferencePolicy
from langroute.prices_of_targets import PricePoint, PriceTable
from langroute.records import Outcome, Usage
from langroute.target import Target
from langroute.testing.situations import situations

pytest.importorskip("xgboost", reason="the pieces are trained with XGBoost")
pytest.importorskip("sklearn", reason="the pieces are trained with scikit-learn")

TEXTS = [f"give the {'proof of lemma' if at % 3 == 0 else 'name of city'} number {at}" for at in range(60)]
QUICK = ViewOptions(folds=2, trees=10, landmarks=40)


def examples() -> Examples:
    columns = step_columns(240)
    return Examples.read({**columns, "text": [TEXTS[at % len(TEXTS)] for at in range(240)]})


def questions() -> Examples:
    rows = [(text, arm) for text in TEXTS for arm in ("nano", "large")]
    success = [float(arm == "large" or "proof" not in text) for text, arm in rows]
    tasks, arms = [text for text, _ in rows], [arm for _, arm in rows]
    return Examples.read({"task": tasks, "text": tasks, "arm": arms, "success": success})


def lesson(name: str, section: str, read: Callable[[], Examples] = examples) -> Any:
    made = {"gain": GainLearner, "soft_gap": SoftGapLearner}.get(name)
    return getattr((made(options=QUICK) if made else learner(name)).fit(read(), seed=0), section)


def calibrated() -> Any:
    return fit_acceptance(outcome_table(300, seed=1), guarantee="marginal_risk", alpha=0.1).rule


MAKERS: dict[tuple[str, str], Callable[[], Any]] = {
    **{
        ("estimator", name): lambda name=name: lesson(name, "estimator")
        for name in ("boosted", "group_mean", "mean", "neighbours", "ridge")
    },
    ("estimator", "gain"): lambda: lesson("gain", "estimator", questions),
    ("estimator", "soft_gap"): lambda: lesson("soft_gap", "estimator", questions),
    ("encoder", "hashed_text"): lambda: fit_hashed_text(TEXTS),
    ("encoder", "latent"): lambda: fit_latent_text(TEXTS, seed=0),
    ("encoder", "words"): lambda: WordCounts.of(TEXTS),
    ("acceptance", "calibrated"): calibrated,
    ("acceptance", "single_answer"): lambda: SingleAnswerAcceptance(
        sets=[OptionSets(kind="control", arm="small", alpha=0.1, quantile=0.6, n=200)]
    ),
    ("acceptance", "worth"): lambda: WorthAcceptance(score=calibrated().score, kinds=["control"], margin=0.01),
    ("policy", "cascade"): lambda: CascadePolicy({"arm-0": {"arm-0": 0.05}}, confidences=[0.2, 0.8], qualities=[0, 1]),
    ("policy", "chain"): lambda: ChainPolicy({"": ((0.0, ("arm-0", "arm-1")),)}),
    ("policy", "difference"): lambda: DifferencePolicy(weak="arm-0", strong="arm-1", difference=0.05),
    ("targets", "prices"): lambda: PriceTable(
        [PricePoint(price_of_dollar=3.0, dollars=0.01, quality=0.98, low=0.9)], reference="large", basis="replayed"
    ),
}


@cache
def piece(section: str, type_: str) -> Any:
    return MAKERS[section, type_]()


def said(section: str, made: Any) -> list[Any]:
    """What a piece says in many situations."""
    if section == "encoder":
        return [made.encode(text) for text in [*TEXTS[:5], "", "äöü " * 50]]
    if section == "targets":
        return [made.price(Target(quality=0.9)), made.certificate, made.points]
    if section == "acceptance":
        answers = [
            Outcome(
                arm=arm,
                confidence=sure,
                uncertainty=1 - sure,
                options=(sure, 1 - sure),
                usage=Usage(input_tokens=9, output_tokens=20),
            )
            for arm in ("small", "large", "stranger")
            for sure in (0.2, 0.5, 0.7, 0.9, 0.99)
        ]
        return [made.name, made.gates(a_step()), *[made.defects(a_step(), answer) for answer in answers]]
    drawn = list(situations(rounds=60, seed=7))
    if section == "policy":
        return [made.choose(one.step, one.estimates, one.ruling) for one in drawn]
    return [made.estimate(one.step, one.arms) for one in drawn]


def test_every_class_has_a_piece_here() -> None:
    """A fitted thing that gets its line in the table gets one here too."""
    assert set(MAKERS) == {(section, type_) for section, types in CLASSES.items() for type_ in types}


@pytest.mark.parametrize(("section", "type_"), MAKERS, ids=[f"{one}-{two}" for one, two in MAKERS])
def test_it_comes_back_and_says_the_same(section: str, type_: str, tmp_path: Path) -> None:
    """Stored, checked, loaded and asked: the type is the key of the table, and every word is the same."""
    made = piece(section, type_)
    pieces = {"estimator": piece("estimator", "group_mean"), section: [made] if section == "acceptance" else made}
    folder = save_artifact(tmp_path / "p", pieces, data={"rows": 1}, metrics={}, card="# card\n")
    stored = read_artifact(folder).piece(section)
    assert stored is not None
    assert stored.type == type_
    opened = open_policy(folder)
    again: Any = {
        "estimator": opened.estimator,
        "encoder": opened.estimator,
        "acceptance": next(iter(opened.acceptance), None),
        "policy": opened.policy,
        "targets": opened.targets,
    }[section]
    assert said(section, again) == said(section, made)


def test_a_policy_that_judges_answers_is_a_rule_too(tmp_path: Path) -> None:
    """Cascade routing chooses before the call and judges after it: both, by the same object."""
    pieces = {"estimator": piece("estimator", "group_mean"), "policy": piece("policy", "cascade")}
    opened = open_policy(save_artifact(tmp_path / "p", pieces, data={}, metrics={}, card=""))
    assert opened.acceptance == (opened.policy,)


def test_the_version_tells_which_data_it_learned_from(tmp_path: Path) -> None:
    """Two trainings of one estimator differ in the log."""
    folders = [
        save_artifact(
            tmp_path / name,
            {"estimator": piece("estimator", "group_mean")},
            data={"fingerprint": name * 32},
            metrics={},
            card="",
        )
        for name in ("ab", "cd")
    ]
    assert [open_policy(folder).estimator.version for folder in folders] == ["1+abababab", "1+cdcdcdcd"]


@pytest.mark.parametrize("name", ["policy.json", "arrays.npz"])
def test_a_flipped_bit_is_never_read_as_something_else(name: str, tmp_path: Path) -> None:
    """Wherever a file is damaged, it is refused, or what is read is exactly what was written."""
    folder = save_artifact(
        tmp_path / "p", {"estimator": piece("estimator", "boosted")}, data={"rows": 1}, metrics={}, card="# card\n"
    )
    sound, before = (folder / name).read_bytes(), read_artifact(folder)
    refused = 0
    for place in np.random.default_rng(0).integers(len(sound), size=60).tolist():
        (folder / name).write_bytes(sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :])
        try:
            read = read_artifact(folder)
        except ArtifactInvalid:
            refused += 1
            continue
        assert read.metrics == before.metrics
        assert read.data == before.data
        for section, pieces in before.sections.items():
            assert [one.parts.settings for one in read.sections[section]] == [one.parts.settings for one in pieces]
    assert refused > 50


def test_a_card_may_be_written_on(tmp_path: Path) -> None:
    """The model card is for people; what they add to it changes nothing that is served."""
    pieces = {"estimator": piece("estimator", "group_mean")}
    folder = save_artifact(tmp_path / "p", pieces, data={}, metrics={}, card="# card\n")
    (folder / "MODEL_CARD.md").write_text("# card\n\nApproved for support tickets.\n")
    assert open_policy(folder).estimator.name == "group_mean"
