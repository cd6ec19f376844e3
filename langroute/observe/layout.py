"""Rows of columns with a note under each row, that fit a width: what the reports are printed with.

A table of a terminal library cannot let a sentence run across its columns, and a sentence squeezed into a column of
ten characters is not read. Here each row is one line, and what explains it stands whole beneath it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

_GAP = 2
_INDENT = 4
_LEAST = 5

Align = Literal["left", "right", "point"]
_NARROWEST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column.

    Attributes:
        title: its heading.
        align: on which side its cells stand; ``point`` puts their decimal points below each other.
        most: cells wider than this are cut and end in two dots.
        least_width: the column is left out where the whole width is less than this.
    """

    title: str
    align: Align = "left"
    most: int = 40
    least_width: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row.

    Attributes:
        cells: one text per column.
        notes: sentences beneath it, each starting on a line of its own.
        alarm: the row tells of trouble.
    """

    cells: tuple[str, ...]
    notes: tuple[str, ...] = ()
    alarm: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows under column headings; a rich renderable without markup, boxes or control characters.

    A column that is empty in every row is left out.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Lines that fit the width of the console."""
        titles = tuple(column.title for column in self.columns)
        lines = self._aligned([titles, *(row.cells for row in self.rows)])
        widths = self._widths(lines, options.max_width)
        yield Text(self._line(lines[0], widths), style="bold", no_wrap=True)
        for row, cells in zip(self.rows, lines[1:], strict=True):
            yield Text(self._line(cells, widths), style="red" if row.alarm else "", no_wrap=True)
            for note in row.notes:
                yield from paragraph(note, width=options.max_width, console=console)

    def _aligned(self, lines: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
        """The texts of all lines, those of ``point`` columns filled up behind their decimal points."""
        columns = []
        for column, texts in zip(self.columns, zip(*lines, strict=True), strict=True):
            clean = [plain(text) for text in texts]
            tails = [len(text.partition(".")[2]) if column.align == "point" and "." in text else 0 for text in clean]
            tails[0] = max(tails)  # the title stands on the right
            columns.append(
                [text + " " * (max(tails) - tail) if tail else text for text, tail in zip(clean, tails, strict=True)]
            )
        return list(zip(*columns, strict=True))

    def _widths(self, lines: list[tuple[str, ...]], room: int) -> dict[int, int]:
        """Cells per shown column; texts give way, the widest first, where the columns together are too wide."""
        widths = {
            at: min(column.most, max(cell_len(line[at]) for line in lines))
            for at, column in enumerate(self.columns)
            if room >= column.least_width and any(line[at].strip() for line in lines[1:])
        }
        texts = [at for at in widths if self.columns[at].align == "left"]
        excess = sum(widths.values()) + _GAP * (len(widths) - 1) - room
        while excess > 0 and texts:
            widest = max(texts, key=lambda at: widths[at])
            if widths[widest] <= _LEAST:
                break
            widths[widest] -= 1
            excess -= 1
        return widths

    def _line(self, cells: Sequence[str], widths: dict[int, int]) -> str:
        placed = [_fit(cells[at], width, self.columns[at].align) for at, width in widths.items()]
        return (" " * _GAP).join(placed).rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Names with what there is to say of them, one below the other; a rich renderable.

    Attributes:
        pairs: name and text; a pair without text is left out.
    """

    pairs: tuple[tuple[str, str], ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Lines that fit the width of the console, the texts in one column."""
        told = [(name, text) for name, text in self.pairs if text]
        indent = max((cell_len(name) for name, _ in told), default=0) + _GAP
        for name, text in told:
            first, *rest = paragraph(text, width=options.max_width, console=console, indent=indent, style="")
            first.plain = name.ljust(indent) + first.plain[indent:]
            yield from (first, *rest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """A text that may run over several lines; a rich renderable without markup."""

    text: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Lines that fit the width of the console."""
        yield from paragraph(self.text, width=options.max_width, console=console, indent=0, style="")


def paragraph(text: str, *, width: int, console: Console, indent: int = _INDENT, style: str = "dim") -> list[Text]:
    """The lines of an indented paragraph no wider than ``width`` cells."""
    wrapped = Text(plain(text), style=style).wrap(console, max(_NARROWEST, width - indent))
    lines = []
    for line in wrapped:
        line.rstrip()
        line.pad_left(indent)
        lines.append(line)
    return lines


def plain(text: str) -> str:
    """The text on one line, with nothing in it that a terminal would obey."""
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()


def _fit(text: str, width: int, align: Align) -> str:
    if cell_len(text) > width:
        text = set_cell_size(text, width - 2) + ".."
    pad = " " * (width - cell_len(text))
    return text + pad if align == "left" else pad + text
