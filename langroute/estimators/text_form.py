"""What can be counted on a text: lengths, digits, marks, and the form of the question."""

import math
import re
from collections.abc import Callable

_LONGEST = 20_000
"""Characters that are looked at; of a longer text its beginning and its end."""

_OPTION = re.compile(r"\([A-Ja-j]\)|^\s*[A-J][).:]|\bOption \d", re.MULTILINE)
_NEGATION = re.compile(r"\b(?:not|never|except|least|false|incorrect|cannot|n't)\b", re.IGNORECASE)
_COMPUTED = re.compile(r"\b(?:how many|how much|total|each|per|percent|average|sum|times|more than|less than)\b", re.I)
_REASONED = re.compile(r"\b(?:if|then|therefore|because|why|explain|prove|which|implies|assume|suppose)\b", re.I)
_MADE = re.compile(r"\b(?:write|create|generate|list|sort|translate|summari[sz]e|rewrite|complete|implement)\b", re.I)
_CODE = re.compile(r"\b(?:def|class|function|return|import|python|sql|javascript|code|regex)\b|[{};]|```", re.I)
_FORMULA = re.compile(r"[=^\\<>]|\\[a-z]+|\$[^$]+\$")
_TRUTH = re.compile(r"\b(?:true|truth|lies?|plausible|correct|valid|myth|really|actually)\b", re.IGNORECASE)


def form_of(text: str) -> tuple[float, ...]:
    """(FORM_WIDTH,) logarithms of counts, and shares in [0, 1]. Pure, never raises for text.

    Costs little, knows no word's meaning and needs no training. What a task is made of (a sum, a choice among options,
    code, a riddle about who lies) shows in its form, and says much of which model is worth its price. Words
    are English.
    """
    if len(text) > _LONGEST:
        text = text[: _LONGEST // 2] + text[-_LONGEST // 2 :]
    words = text.split()
    return tuple([round(measure(text, words), 6) for measure in _MEASURES])


def _count(pattern: re.Pattern[str]) -> Callable[[str, list[str]], float]:
    return lambda text, words: math.log1p(len(pattern.findall(text)))  # noqa: ARG005 - one form for all measures


def _share(test: Callable[[str], bool]) -> Callable[[str, list[str]], float]:
    return lambda text, words: sum(map(test, text)) / max(1, len(text))  # noqa: ARG005 - one form for all measures


_MEASURES: tuple[Callable[[str, list[str]], float], ...] = (
    lambda text, words: math.log1p(len(text)),  # noqa: ARG005 - one form for all measures
    lambda text, words: math.log1p(len(words)),  # noqa: ARG005
    lambda text, words: math.log1p(text.count("\n")),  # noqa: ARG005
    lambda text, words: math.log1p(text.count("?")),  # noqa: ARG005
    lambda text, words: math.log1p(text.count('"')),  # noqa: ARG005
    lambda text, words: float(text.rstrip().endswith("?")),  # noqa: ARG005
    lambda text, words: sum(map(len, words)) / max(1, len(words)) / 10,  # noqa: ARG005
    lambda text, words: len(set(words)) / max(1, len(words)),  # noqa: ARG005
    _share(str.isdigit),
    _share(str.isupper),
    _count(_OPTION),
    _count(_NEGATION),
    _count(_COMPUTED),
    _count(_REASONED),
    _count(_MADE),
    _count(_CODE),
    _count(_FORMULA),
    _count(_TRUTH),
)

FORM_WIDTH = len(_MEASURES)
"""How many numbers `form_of` gives."""
