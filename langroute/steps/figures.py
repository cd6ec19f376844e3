"""What each piece of evidence for a kind counts, in log-odds for control, execution, verification and presentation.

The figures of ``FITTED`` and ``SCALES`` (but for fields and source) were fitted by ``tests/bench/kinds.py --fit`` on
labelled nodes of public applications: a ridge pulls each towards a value set by hand, as a hundred nodes cannot carry
more than that. Of the rest the nodes say nothing, and it is set by hand. No word has a fitted weight of its own.
"""

from langroute.steps.lexicon import Weights

FITTED: dict[str, Weights] = {
    "prior": (0.36, 0.86, -0.16, 0.34),
    "tools": (3.23, -0.14, -0.01, -0.08),
    "commands": (1.59, -0.08, 0.0, 0.0),
    "structure": (0.33, 0.19, 0.53, -1.25),
}
"""Log-odds of plain facts about a node."""

SCALES: dict[str, float] = {
    "name": 1.14,
    "function": 0.44,
    "class": 0.2,
    "docstring": 0.4,
    "schema": 0.61,
    "fields": 1.2,
    "prompt": 1.07,
    "source": 0.4,
}
"""What the words found in a place are multiplied by."""

BY_HAND: dict[str, Weights] = {
    "inner agent": (0.0, 3.0, 0.0, 0.0),
    "conditional": (0.8, 0.0, 0.6, 0.0),
    "end": (0.0, 0.0, 0.0, 1.2),
    "start": (0.4, 0.0, 0.0, 0.0),
    "loop": (0.2, 0.3, 0.3, -0.3),
}
"""Log-odds of facts that the labelled nodes do not tell."""

UNSURE = 0.7
"""Below this confidence a person should look at a kind. One in five of such nodes was wrong, one in seventeen of the
others (``tests/bench/kinds.py``, repositories left out).
"""
