"""Artifacts: what is stored comes back, and every damage is an error that names it and the way out."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

from langroute.artifacts import CLASSES, made, open_policy
from langroute.errors import ArtifactInvalid, ConfigError
from langroute.estimators import artifact as form
from langroute.estimators.artifact import read_artifact
from langroute.learning.artifact_files import save_artifact
from langroute.parts import Parts


class Weights:
    """Something fitted."""

    name = "weights"

    def __init__(self, array: np.ndarray[Any, Any] | None = None, **settings: Any) -> None:
        self.array = np.arange(6.0).reshape(2, 3) if array is None else array
        self.settings = settings

    def parts(self) -> Parts:
        return Parts(settings=self.settings, arrays={"array": self.array})

    @classmethod
    def from_parts(cls, parts: Parts) -> Self:
        return cls(parts.arrays["array"], **parts.settings)


def save(folder: Path, estimator: Any = None, **options: Any) -> Path:
    sections = {"estimator": estimator or Weights(a=1), "acceptance": [Weights(b=2), Weights(b=3)]}
    return save_artifact(
        folder, sections, data={"rows": 3}, metrics={"brier": {"value": 0.1}}, card="# card\n", **options
    )


def test_what_is_stored_comes_back(tmp_path: Path) -> None:
    """Settings, arrays, sections with several pieces, data, metrics and features are as they were."""
    read = read_artifact(save(tmp_path / "a", text=4, numbers=["retries"], words=["kind"]))
    assert read.data == {"rows": 3}
    assert read.metrics == {"brier": {"value": 0.1}}
    assert read.features == {"version": form.FEATURES_VERSION, "numbers": ["retries"], "words": ["kind"], "text": 4}
    assert [piece.parts.settings for piece in read.sections["acceptance"]] == [{"b": 2}, {"b": 3}]
    piece = read.piece("estimator")
    assert piece is not None
    assert (piece.type, piece.parts.settings) == ("weights", {"a": 1})
    assert np.array_equal(piece.parts.arrays["array"], Weights().array)
    assert read.piece("policy") is None


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    """Two runs of one training can be compared file by file."""
    one, two = save(tmp_path / "one"), save(tmp_path / "two")
    assert {path.name for path in one.iterdir()} == {"policy.json", "arrays.npz", "MODEL_CARD.md"}
    assert all((one / path.name).read_bytes() == path.read_bytes() for path in two.iterdir())


def test_an_artifact_is_replaced_whole(tmp_path: Path) -> None:
    """Saving again leaves the new one alone in its place, and nothing beside it."""
    save(tmp_path / "a")
    save(tmp_path / "a", Weights(a=2))
    piece = read_artifact(tmp_path / "a").piece("estimator")
    assert piece is not None
    assert piece.parts.settings == {"a": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_something_else_is_not_overwritten(tmp_path: Path) -> None:
    """A folder with other files, or a file, is left as it is."""
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "diary.txt").write_text("dear diary")
    for place in (tmp_path / "notes", tmp_path / "notes" / "diary.txt"):
        with pytest.raises(ConfigError, match=r"another folder|name a folder"):
            save(place)
    assert (tmp_path / "notes" / "diary.txt").read_text() == "dear diary"


@pytest.mark.parametrize(
    ("fitted", "complaint"),
    [
        (Weights(np.array([1.0, np.nan])), "not finite"),
        (Weights(np.array([object()])), "plain numbers"),
        (Weights(a=float("inf")), "finite data"),
        (Weights(a={1, 2}), "plain"),
    ],
)
def test_what_cannot_be_stored_is_refused_before_anything_is_written(
    fitted: Weights, complaint: str, tmp_path: Path
) -> None:
    """No half of a folder is left, and what stood there stays."""
    save(tmp_path / "a")
    with pytest.raises(ArtifactInvalid, match=complaint):
        save(tmp_path / "a", fitted)
    assert read_artifact(tmp_path / "a").data == {"rows": 3}
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """A manifest with a change and a checksum that fits it, as another version would have written it."""
    manifest = json.loads((folder / "policy.json").read_text())
    change(manifest)
    manifest["checksum"] = form.checksum(manifest)
    (folder / "policy.json").write_text(json.dumps(manifest))


DAMAGES: list[tuple[str, Callable[[Path], object]]] = [
    ("policy.json: cannot be read", lambda at: (at / "policy.json").unlink()),
    ("policy.json: is not JSON", lambda at: (at / "policy.json").write_text('{"format": 1')),
    ("is no manifest", lambda at: (at / "policy.json").write_text("[]")),
    ("format: is 99", lambda at: rewrite(at, lambda told: told.update(format=99))),
    (
        "checksum: is not that of the rest",
        lambda at: (at / "policy.json").write_text((at / "policy.json").read_text().replace("0.1", "0.2", 1)),
    ),
    ("policy.json: metrics", lambda at: rewrite(at, lambda told: told.pop("metrics"))),
    ("arrays.npz: cannot be read", lambda at: (at / "arrays.npz").unlink()),
    ("arrays.npz: was changed or cut", lambda at: (at / "arrays.npz").write_bytes(b"PK")),
    ("features.version: is 99", lambda at: rewrite(at, lambda told: told["features"].update(version=99))),
    ("'moon'.*does not know", lambda at: rewrite(at, lambda told: told["features"].update(numbers=["moon"]))),
    ("features.text", lambda at: rewrite(at, lambda told: told["features"].update(text=-1))),
    ("sections.estimator: needs a type", lambda at: rewrite(at, lambda told: told["sections"].update(estimator=3))),
    ("sections.garden", lambda at: rewrite(at, lambda told: told["sections"].update(garden={}))),
    ("lacks or has too many", lambda at: rewrite(at, lambda told: told["arrays"].pop("estimator/array"))),
    (
        "estimator/array: is",
        lambda at: rewrite(at, lambda told: told["arrays"]["estimator/array"].update(shape=[3, 2])),
    ),
]


@pytest.mark.parametrize(("complaint", "damage"), DAMAGES, ids=[complaint for complaint, _ in DAMAGES])
def test_each_damage_is_named_with_the_way_out(
    complaint: str, damage: Callable[[Path], object], tmp_path: Path
) -> None:
    """Whoever meets a damaged artifact learns which file or field it is, and how to get a sound one."""
    folder = save(tmp_path / "a")
    damage(folder)
    with pytest.raises(ArtifactInvalid, match=complaint) as raised:
        read_artifact(folder)
    assert "langroute train" in str(raised.value)


def test_a_pickle_in_the_arrays_is_never_loaded(tmp_path: Path) -> None:
    """Arrays of objects, which numpy would unpickle, are refused even where every checksum fits."""
    folder = save(tmp_path / "a")
    np.savez(folder / "arrays.npz", **{"estimator/array": np.array([{"a": 1}], dtype=object)})
    content = (folder / "arrays.npz").read_bytes()
    rewrite(folder, lambda told: told["files"].update({"arrays.npz": form.digest(content)}))
    with pytest.raises(ArtifactInvalid, match="no plain arrays"):
        read_artifact(folder)


def test_an_unknown_type_is_named(tmp_path: Path) -> None:
    """A piece that this version cannot make says so, and which version wrote it."""
    with pytest.raises(ArtifactInvalid, match=r"type: 'weights' is not known.*0\.1\.0"):
        open_policy(save(tmp_path / "a"))


def test_a_name_behind_a_colon_is_no_type(tmp_path: Path) -> None:
    """A rule that tells its guarantee in its name is found again by what stands before it."""
    rule = Weights(b=1)
    rule.name = "weights:marginal risk"
    piece = read_artifact(save(tmp_path / "a", rule)).piece("estimator")
    assert piece is not None
    assert piece.type == "weights"


def test_every_class_in_the_table_can_be_made() -> None:
    """Each name leads to a class that takes itself apart and is called as its type says."""
    from importlib import import_module  # noqa: PLC0415

    for types in CLASSES.values():
        for name, place in types.items():
            module, _, attribute = place.partition(":")
            found = getattr(import_module(module), attribute)
            assert getattr(found, "name", name) == name
            assert callable(found.parts)
            assert callable(found.from_parts)


def test_parts_that_do_not_fit_are_an_error(tmp_path: Path) -> None:
    """A piece whose parts its class cannot use is named, never a bare KeyError."""
    artifact = read_artifact(save(tmp_path / "a", Weights(a=1)))
    piece = artifact.piece("estimator")
    assert piece is not None
    odd = form.Piece(type="boosted", parts=piece.parts)
    with pytest.raises(ArtifactInvalid, match="langroute train"):
        made("estimator", odd, artifact)


_SERVE = """
import sys
from langroute.artifacts import open_policy
from langroute.testing.situations import situations
estimator = open_policy(sys.argv[1]).estimator
for situation in situations(rounds=5):
    estimator.estimate(situation.step, situation.arms)
loaded = {name.partition(".")[0] for name in sys.modules}
print(sorted(loaded & {"xgboost", "sklearn", "scipy", "pandas", "pyarrow", "plotly"}))
"""


def test_serving_needs_no_training_library(tmp_path: Path) -> None:
    """An artifact is loaded and asked without xgboost, scikit-learn, scipy, pandas or pyarrow being imported."""
    pytest.importorskip("xgboost", reason="the artifact is trained with XGBoost")
    from outcome_tables import step_columns  # noqa: PLC0415

    from langroute.learning.examples import Examples  # noqa: PLC0415
    from langroute.learning.learners import learner  # noqa: PLC0415

    lesson = learner("boosted").fit(Examples.read(step_columns(400)), seed=0)
    save(tmp_path / "a", lesson.estimator)
    rewrite(tmp_path / "a", lambda told: told["sections"].pop("acceptance"))
    done = subprocess.run(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-c", _SERVE, str(tmp_path / "a")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
