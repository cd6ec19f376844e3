"""The closed vocabulary of the lab: words, numbers and chat markers as tokens.

Numbers below 100 are one token; larger ones are their first two digits and then one token per further digit, so any
integer can be written. Every other token is a whole word. A word that is not in the vocabulary becomes `UNK`, one token
per word, so foreign text costs what it says and never fails.
"""

import hashlib
import re
from collections.abc import Sequence

ITEMS = ("books", "cups", "hats", "keys", "mugs", "pens")
UNITS = {"pairs": 2, "packs": 6, "dozen": 12}
"""Pack words and how many pieces each holds."""

_MARKERS = ("<pad>", "<unk>", "<end>", "<user>", "<assistant>", "<tool>", "<system>", "<tools>", "<call>")
# The text of a token is fixed, so streamed pieces join to the content. Words that begin a reply or follow one of
# these joins carry no space of their own.
_BARE = (
    "cost", "count", "sum", "off", "coupon", "shipping", "ok", "wrong", "you", "check", "report", "plan", "repeat",
    "calculator", "expression", "error",
)  # fmt: skip
_SPACED = (
    *ITEMS, *UNITS, "all", "and", "apiece", "arguments", "at", "but", "call", "cannot", "dollars", "for",
    "guest", "json", "member", "members", "missing", "no", "not", "of", "per", "pieces", "read", "result", "too",
    "tool", "large",
)  # fmt: skip
_JOINS = {
    "pay": " pay ", "get": " get ", ";": "; ", "*": " * ", "+": " + ", "-": " - ", "%": " %", ",": ",", ".": ".",
    ":": ":", "?": "?", '{"expression":"': '{"expression":"', '"}': '"}', "{": "{", "}": "}", '"': '"',
}  # fmt: skip

_TEXTS: dict[str, str] = {
    **dict.fromkeys(_MARKERS, ""),
    **{word: word for word in sorted(_BARE)},
    **{word: f" {word}" for word in sorted(_SPACED)},
    **dict(sorted(_JOINS.items())),
}
WORDS: tuple[str, ...] = (*_TEXTS, *(str(n) for n in range(100)), *(f"#{d}" for d in range(10)))
"""Every token's name; the index is the token. `#7` is a further digit of a number."""

_INDEX = {word: index for index, word in enumerate(WORDS)}
_PIECES = (*_TEXTS.values(), *(str(n) for n in range(100)), *(str(d) for d in range(10)))

PAD, UNK, END, USER, ASSISTANT, TOOL, SYSTEM, TOOLS, CALL = range(len(_MARKERS))
OPEN = _INDEX['{"expression":"']
CLOSE = _INDEX['"}']
_DIGIT = _INDEX["#0"]
_SCAN = re.compile(r'\{\s*"expression"\s*:\s*"|"\s*\}|[A-Za-z_]+|\d+|\S')
_ARGUMENTS_OPEN = re.compile(r'\{\s*"expression"\s*:\s*"')


def vocabulary_hash() -> str:
    """Return a short hash of the token list, so weights and vocabulary cannot drift apart unnoticed."""
    return hashlib.sha256("\n".join(f"{w}\t{p}" for w, p in zip(WORDS, _PIECES, strict=True)).encode()).hexdigest()[:16]


def encode_text(text: str) -> list[int]:
    """Return the tokens of any text; spaces separate words and are otherwise ignored, unknown words become `UNK`."""
    tokens: list[int] = []
    for match in _SCAN.finditer(text):
        word = match.group()
        if word.isascii() and word.isdigit():
            tokens.extend(_encode_number(word))
        else:
            tokens.append(_encode_word(word))
    return tokens


def _encode_number(digits: str) -> list[int]:
    digits = digits.lstrip("0") or "0"
    return [_INDEX[digits[:2]], *(_DIGIT + int(digit) for digit in digits[2:])]


def _encode_word(word: str) -> int:
    if word.startswith("{") and len(word) > 1:
        return OPEN
    if word.startswith('"') and len(word) > 1:
        return CLOSE
    return _INDEX.get(word.lower(), UNK)


def token_text(token: int) -> str:
    """Return the text a token stands for; the texts of a reply's tokens join to the reply."""
    return " <unk>" if token == UNK else _PIECES[token]


def decode_text(tokens: Sequence[int]) -> str:
    """Return the text of tokens; chat markers have none."""
    return "".join(token_text(token) for token in tokens)
