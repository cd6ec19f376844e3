"""The gain estimator on recorded outcomes: a loose lower bound, on tasks that it was not fitted to.

Reads ``$LANGROUTE_DATA``, or ``../shared/data`` beside the repository.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from langroute.learning import apgr, strong_call_curve
from langroute.learning.examples import Examples
from langroute.learning.gain_fitting import GainLearner
from langroute.learning.reading import read_table

DATA = Path(os.environ.get("LANGROUTE_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")


def test_it_ranks_word_problems_it_has_not_seen() -> None:
    """Fitted to one half of the word problems it ranks the other half better than chance, both ways round."""
    folder = DATA / "routellm_gsm8k"
    if not folder.is_dir():
        pytest.skip("routellm_gsm8k is not here: set LANGROUTE_DATA to a folder that holds it")
    pytest.importorskip("xgboost")
    pytest.importorskip("sklearn")
    examples = Examples.read(read_table(folder / "outcomes.parquet", tasks=folder / "tasks.parquet"))
    first = np.isin(examples.task, np.unique(examples.task)[::2])
    reached = [_apgr(examples.take(seen), examples.take(~seen)) for seen in (first, ~first)]
    assert np.mean(reached) > 0.57


def _apgr(seen: Examples, held: Examples) -> float:
    lesson: Any = GainLearner(weak="mixtral-8x7b", strong="gpt-4-1106").fit(seen, seed=0)
    low, high = (held.take(held.arm == arm) for arm in ("mixtral-8x7b", "gpt-4-1106"))
    assert np.array_equal(low.task, high.task)
    scores = lesson.estimator.gains(low.reading(lesson.encoder).rows)
    return apgr(strong_call_curve(scores, low.success, high.success))
