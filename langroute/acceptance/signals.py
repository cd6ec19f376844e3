"""What may tell a right answer from a wrong one once it is there, as named columns: the same in tables and live.

No signal is trusted by itself. A provider that sends no log-probabilities leaves most of them unknown; an unknown
signal is NaN, never a guess.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from langroute.acceptance.validity import MALFORMED
from langroute.protocols import Parts
from langroute.records import Outcome, Step

Floats = NDArray[np.float64]
