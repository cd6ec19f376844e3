"""What may tell a right answer from a wrong one once it is there, as named columns: the same in tables and live.

No signal is trusted by itself. A provider that sends no log-probabilities leaves most of them unknown; an unknown
signal is NaN, never a guess.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
