"""Surface counts: what can be seen of a question without understanding it.

Lengths, numbers, marks, kinds of words, and the form of its options where it has some. On recorded outcomes these few
numbers say as much of where a strong model gains over a weak one as all words of the text do. The lexicons are
written for English; in another language they count nothing, and the rest still holds.
"""

import math
import re
from collections.abc import Iterator, Sequence

MOST_CHARACTERS = 8_000
"""A longer text is read at its two ends, half of this from each."""

_WORD = re.compile(r"[A-Za-z']+")
_NUMBER = re.compile(r"\d[\d,]*\.?\d*")
_OPTION = re.compile(r"^[ \t]{0,8}\(?([A-H])[.):][ \t]*(.*)$", re.MULTILINE)
_YEAR = re.compile(r"\b(?:1[5-9]\d\d|20\d\d)\b")
_FRACTION = re.compile(r"\d ?/ ?\d")
_SENTENCE = re.compile(r"[.!?](?:\s|$)")
_NEGATED = re.compile(r"\b(?:not|least)\b")
_NEGATING = ("except", "false", "incorrect")
_STATEMENT = re.compile(r"\bI(?:\.|I\b)")
_SYMBOLS = frozenset("=+*^<>∈∀∃⊃→≡~|\N{LOGICAL OR}·•\\{}[]")
_LEXICONS = {
    "negations": "not except never least false incorrect untrue neither nor without cannot isn't doesn't no none",
    "superlatives": "most best likely primarily mainly largest greatest highest main primary major typically usually "
    "generally often",
    "conditions": "if suppose assume given let when consider assuming unless",
    "comparisons": "more less than greater fewer higher lower larger smaller compared longer shorter",
    "quantities": "half twice double triple thrice times each per every total altogether left remaining rest quarter "
    "third fraction percent average split equally",
    "times": "day days week weeks month months hour hours minute minutes year years yesterday today tomorrow daily "
    "weekly",
    "money": "dollar dollars cents cost costs price pay paid spend spends spent buy buys bought sell sells sold money "
    "earn earns",
    "number_words": "one two three four five six seven eight nine ten eleven twelve dozen hundred thousand million",
    "who": "who whom whose",
    "what": "what",
    "which": "which",
    "how": "how",
    "why": "why because therefore",
    "where": "where",
    "when": "when",
    "modals": "should would could must may might can will",
    "absolutes": "all always every only none never must",
    "persons": "he she his her him they their man woman patient client boy girl",
    "law": "court plaintiff defendant statute liable contract jury guilty crime constitutional judgment owner",
    "mathematics": "function group ring field matrix integer prime equation graph probability theorem set vector "
    "polynomial order",
    "changes": "increase decrease increases decreases",
    "claims": "according argues claims believes view author passage",
    "causes": "cause caused causes result results effect due leads",
    "definitions": "called known term defined definition refers means",
}
_KINDS_OF: dict[str, tuple[int, ...]] = {
    word: tuple(at for at, words in enumerate(_LEXICONS.values()) if word in words.split())
    for word in {word for words in _LEXICONS.values() for word in words.split()}
}
_SIZES = ("characters", "words", "stem_characters", "word_length", "stem_word_length", "long_words", "mid_words")
_OF_WORDS = (*_SIZES, "variety", "capitalised", "acronyms", *_LEXICONS)
_OF_NUMBERS = ("numbers", "stem_numbers", "distinct_numbers", "largest_number", "decimals", "digits", "years")
_OF_MARKS = (
    *("fractions", "percents", "dollars", "capitals", "sentences", "questions", "commas", "semicolons", "brackets"),
    *("quotes", "symbols", "hyphens", "not_ascii", "lines"),
)
_OF_STEM = (
    *("ends_with_question", "ends_with_colon", "has_blank", "which_of_the_following", "negated", "shouts_not"),
    *("has_statements", "begins_with_which", "begins_with_condition"),
)
_OF_OPTIONS = (
    *("options", "option_length", "longest_option", "shortest_option", "option_spread", "options_with_digits"),
    *("only_numbers", "overlap", "largest_overlap", "stem_overlap", "stem_overlap_spread", "all_of_these"),
    *("none_of_these", "capital_options", "one_word_options", "short_options", "shared_beginning", "yes_or_no"),
    *("because", "true_or_false", "comma_options"),
)
COUNTS: tuple[str, ...] = (*_OF_WORDS, *_OF_NUMBERS, *_OF_MARKS, *_OF_STEM, *_OF_OPTIONS)
"""Names of the counts, in the order of `counts_of`. Counts are logarithms of one more; lengths, shares and yes-or-no
are as they are."""

_FIRST = frozenset(("if", "suppose", "let", "find", "a", "an", "the"))


def shortened(text: str) -> str:
    """The text, or its two ends where it is longer than `MOST_CHARACTERS`."""
    half = MOST_CHARACTERS // 2
    return text if len(text) <= MOST_CHARACTERS else text[:half] + text[-half:]


def counts_of(text: str) -> list[float]:
    """The counts of a text, finite whatever it is, in the order of `COUNTS`."""
    text = shortened(text)
    marked = list(_OPTION.finditer(text))
    options = [found.group(2).strip() for found in marked] if len(marked) > 1 else []
    stem = text[: marked[0].start()] if options else text
    words, stem_words = _WORD.findall(text), _WORD.findall(stem.lower())
    found = [*_of_words(text, stem, words, stem_words), *_of_numbers(text, stem), *_of_marks(text, stem, len(words))]
    found += _of_stem(stem, stem_words)
    found += _of_options(options, frozenset(stem_words)) if options else [0.0] * len(_OF_OPTIONS)
    return found


def _log(count: float) -> float:
    return math.log1p(count)


def _of_words(text: str, stem: str, words: Sequence[str], stem_words: Sequence[str]) -> Iterator[float]:
    count = max(1, len(words))
    lengths = [len(word) for word in words]
    lower = [word.lower() for word in words]
    yield from (_log(len(text)), _log(len(words)), _log(len(stem)), sum(lengths) / count)
    yield sum(map(len, stem_words)) / max(1, len(stem_words))
    yield sum(length >= 10 for length in lengths) / count
    yield sum(7 <= length < 10 for length in lengths) / count
    yield len(set(lower)) / math.sqrt(count)
    yield sum(word[0].isupper() for word in words) / count
    yield _log(sum(length > 1 and word.isupper() for word, length in zip(words, lengths, strict=True)))
    kinds = [0] * len(_LEXICONS)
    for word in lower:
        for kind in _KINDS_OF.get(word, ()):
            kinds[kind] += 1
    yield from map(_log, kinds)


def _of_numbers(text: str, stem: str) -> Iterator[float]:
    values = [min(float(told.replace(",", "")[:30]), 1e30) for told in _NUMBER.findall(text)]
    yield from (_log(len(values)), _log(len(_NUMBER.findall(stem))), _log(len(set(values))))
    yield _log(max(values, default=0.0))
    yield _log(sum(not value.is_integer() for value in values))
    yield sum(map(str.isdecimal, text)) / max(1, len(text))
    yield _log(len(_YEAR.findall(text)))


def _of_marks(text: str, stem: str, words: int) -> Iterator[float]:
    yield _log(len(_FRACTION.findall(text)))
    yield _log(text.count("%") + text.count("percent"))
    yield _log(text.count("$"))
    yield sum(map(str.isupper, text)) / max(1, len(text))
    yield _log(len(_SENTENCE.findall(stem)))
    yield _log(stem.count("?"))
    yield text.count(",") / max(1, words)
    yield _log(text.count(";"))
    yield _log(text.count("("))
    yield _log(text.count('"') + text.count("“") + text.count("'"))
    yield _log(sum(map(_SYMBOLS.__contains__, text)))
    yield _log(text.count("-"))
    yield _log(0 if text.isascii() else sum(character > "\x7f" for character in text))
    yield _log(text.count("\n"))


def _of_stem(stem: str, words: Sequence[str]) -> Iterator[float]:
    lower, end = stem.lower(), stem.rstrip()[-1:]
    first = words[0] if words else ""
    yield from (float(end == "?"), float(end == ":"), float("__" in stem))
    yield float("which of the following" in lower)
    yield float(any(word in lower for word in _NEGATING) or _NEGATED.search(lower) is not None)
    yield float("NOT" in stem or "EXCEPT" in stem)
    yield float("statement" in stem or "(i)" in stem or _STATEMENT.search(stem) is not None)
    yield from (float(first == "which"), float(first in _FIRST))


def _of_options(options: Sequence[str], stem_words: frozenset[str]) -> Iterator[float]:
    count, lengths, lower = len(options), [len(option) for option in options], [option.lower() for option in options]
    sets = [frozenset(_WORD.findall(option)) for option in lower]
    yield from (float(count), _log(sum(lengths) / count), _log(max(lengths)), _log(min(lengths)))
    yield _log(max(lengths)) - _log(min(lengths))
    yield sum(any(map(str.isdecimal, option)) for option in options) / count
    yield float(not any(sets))
    shared = [_share(one & other, one | other) for at, one in enumerate(sets) for other in sets[:at]]
    yield from (sum(shared) / len(shared), max(shared))
    asked = [_share(one & stem_words, one) for one in sets]
    yield from (sum(asked) / count, max(asked) - min(asked))
    yield float(any("all of" in option or "both" in option for option in lower))
    yield float(any("none of" in option or "neither" in option for option in lower))
    yield sum(option[:1].isupper() for option in options) / count
    split = [option.split() for option in lower]
    yield sum(len(parts) <= 1 for parts in split) / count
    yield sum(len(parts) <= 3 for parts in split) / count
    yield float(len({parts[0] if parts else "" for parts in split}) < count)
    yield float(sum(option.startswith(("yes", "no")) for option in lower) > 1)
    yield float(sum("because" in option or "since" in option for option in lower) > 1)
    yield float(sum("true" in option or "false" in option or "wrong" in option for option in lower) > 1)
    yield sum("," in option for option in options) / count


def _share(part: frozenset[str], whole: frozenset[str]) -> float:
    return len(part) / max(1, len(whole))
