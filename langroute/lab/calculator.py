"""The lab's one real tool: a pocket calculator over whole numbers."""

import json
import re
from dataclasses import dataclass
from typing import Any

CALCULATOR = "calculator"
MAX_DIGITS = 9

CALCULATOR_SCHEMA: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": CALCULATOR,
        "description": "Work out an expression of whole numbers with * + - and a percentage as last term.",
        "parameters": {
            "type": "object",
            "properties": {"expression": {"type": "string"}},
            "required": ["expression"],
        },
    },
}
"""The tool as a chat completion request offers it."""

_TOKEN = re.compile(r"\s*(\d+|[*+\-%])")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What a tool call gave: `content` for the model; `value` is None when the call failed."""

    content: str
    value: int | None
    expression: str = ""


def calculate(expression: str) -> int:
    """Return the value of an expression such as `3 * 12 * 4`, `36 + 20` or `972 - 20 %`.

    `*` binds before `+` and `-`. `- 20 %` takes a percentage off what stands before it, rounded down to a whole
    number, as pocket calculators do.

    Raises:
        ValueError: if the expression cannot be read or its value is too large.
    """
    symbols = _scan(expression)
    total, index = 0, 0
    sign = "+"
    while True:
        term, index = _term(symbols, index)
        percent = index < len(symbols) and symbols[index] == "%"
        index += percent
        change = total * term // 100 if percent else term
        if percent and sign == "-":
            change = total - total * (100 - term) // 100
        total = total + change if sign == "+" else total - change
        if index == len(symbols):
            break
        sign = symbols[index]
        if sign not in "+-":
            raise ValueError("cannot read expression")
        index += 1
    if len(str(abs(total))) > MAX_DIGITS:
        raise ValueError("result too large")
    return total


def _scan(expression: str) -> list[str]:
    symbols, position = [], 0
    text = expression.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or len(match.group(1)) > MAX_DIGITS:
            raise ValueError("cannot read expression")
        symbols.append(match.group(1))
        position = match.end()
    return symbols


def _term(symbols: list[str], index: int) -> tuple[int, int]:
    """Read a product that starts at `index`; return it and where it ends."""
    product = 1
    while True:
        if index >= len(symbols) or not symbols[index].isdigit():
            raise ValueError("cannot read expression")
        product *= int(symbols[index])
        index += 1
        if index >= len(symbols) or symbols[index] != "*":
            return product, index
        index += 1


def run_tool(name: str, arguments: str) -> ToolResult:
    """Carry out a tool call as the model wrote it; a bad call gives an error for the model to read, never an exception.

    Args:
        name: the tool the model named.
        arguments: the raw arguments, which ought to be JSON.
    """
    if name != CALCULATOR:
        return ToolResult(content="error: no tool", value=None)
    try:
        parsed = json.loads(arguments)
    except ValueError:
        return ToolResult(content="error: arguments not json", value=None)
    if not isinstance(parsed, dict) or not isinstance(parsed.get("expression"), str):
        return ToolResult(content="error: no expression", value=None)
    expression = parsed["expression"]
    try:
        value = calculate(expression)
    except ValueError as error:
        return ToolResult(content=f"error: {error}", value=None, expression=expression)
    return ToolResult(content=str(value), value=value, expression=expression)
