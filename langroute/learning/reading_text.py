"""How a learner reads what was asked: by an encoder that it is given, or by one fitted on the very same examples."""

from typing import cast

from langroute.learning.examples import Examples
from langroute.learning.learners import fitted_encoder
from langroute.parts import Fitted
from langroute.protocols import TextEncoder


def read_text(examples: Examples, encoder: Fitted | None, *, seed: int) -> tuple[Fitted | None, Examples]:
    """The encoder that was used, and the examples with its vectors.

    Args:
        examples: what is learned from.
        encoder: one that is fitted already, on these examples at most; None to fit the default one to their texts.
        seed: of the fitting.
    """
    if not examples.knows_text:
        return encoder, examples
    used = encoder or fitted_encoder(examples, seed=seed)
    return used, examples.reading(cast("TextEncoder | None", used))
