"""A live step and a row of a table are read alike."""

import numpy as np
import pytest

from langroute.errors import ArtifactInvalid
from langroute.estimators.feature_schema import FeatureSchema
from langroute.estimators.rows import StepRows
from langroute.quick import changed
from langroute.testing.situations import situations

STEPS = [situation.step for situation in situations(rounds=120)]


def test_a_step_and_its_row_are_read_alike() -> None:
    """What was fitted on a table can be asked about a live step."""
    rows = StepRows.of(*STEPS)
    schema = FeatureSchema.fit(rows)
    live = np.array([schema.row(step) for step in STEPS])
    assert live.shape == (120, len(schema.names))
    np.testing.assert_allclose(live, schema.matrix(rows), rtol=1e-12)


def test_a_name_never_seen_is_other() -> None:
    """A node that training did not know sets the column's last feature, and nothing else of it."""
    schema = FeatureSchema(numbers=[], vocabulary={"node": ("plan", "work")})
    step = changed(STEPS[0], node="brand-new")
    assert schema.row(step).tolist() == [0.0, 0.0, 1.0]
    assert schema.row(changed(step, node="work")).tolist() == [0.0, 1.0, 0.0]


def test_a_text_vector_of_another_length_is_nothing() -> None:
    """Without the encoder of training the text says nothing, instead of something wrong."""
    schema = FeatureSchema(numbers=[], text=3)
    features = changed(STEPS[0].features, text=(1.0, 2.0))
    assert schema.row(changed(STEPS[0], features=features)).tolist() == [0.0, 0.0, 0.0]
    fitting = changed(features, text=(1.0, 2.0, 3.0))
    assert schema.row(changed(STEPS[0], features=fitting)).tolist() == [1.0, 2.0, 3.0]


def test_it_survives_its_settings_and_refuses_unknown_columns() -> None:
    """Plain data make the same schema again; a column nobody knows is named."""
    schema = FeatureSchema.fit(StepRows.of(*STEPS))
    assert FeatureSchema.from_settings(schema.as_settings()).names == schema.names
    with pytest.raises(ArtifactInvalid, match="moon"):
        FeatureSchema.from_settings({"numbers": ["moon"], "vocabulary": {}, "text": 0})
