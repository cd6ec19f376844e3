import io

import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType

from langroute.observe.layout import Column, Facts, Paragraph, Row, Rows


def printed(what: RenderableType, width: int) -> str:
    written = io.StringIO()
    Console(file=written, width=width, highlight=False).print(what)
    return written.getvalue()


def test_decimal_points_stand_below_each_other() -> None:
    """Amounts of different precision can be compared at a glance."""
    rows = Rows(
        columns=(Column(title="cost", align="point"), Column(title="arm")),
        rows=(Row(cells=("$0.00262", "a")), Row(cells=("$10.5*", "b")), Row(cells=("-", "c"))),
    )
    lines = printed(rows, 40).splitlines()
    assert lines == ["     cost  arm", " $0.00262  a", "$10.5*     b", "        -  c"]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_nothing_is_wider_than_the_console(width: int) -> None:
    """Long names are cut, long notes wrapped, wide letters counted at their true width."""
    rows = Rows(
        columns=(Column(title="node"), Column(title="arm"), Column(title="n", align="right")),
        rows=(Row(cells=("研究者" * 20, "x" * 60, "12"), notes=("word " * 60,)),),
    )
    facts = Facts(pairs=(("name", "long " * 50), ("empty", "")))
    for what in (rows, facts, Paragraph(text="text " * 60)):
        assert max(cell_len(line) for line in printed(what, width).splitlines()) <= width
    assert ".." in printed(rows, width)
    assert "12" in printed(rows, width)


def test_a_column_is_left_out_where_it_is_too_narrow() -> None:
    """A column appears only from its own least width on."""
    rows = Rows(columns=(Column(title="a"), Column(title="extra", least_width=100)), rows=(Row(cells=("1", "2")),))
    assert "extra" not in printed(rows, 80)
    assert "extra" in printed(rows, 120)


def test_names_cannot_command_the_terminal() -> None:
    """Escape sequences, line breaks and markup in names are printed as text or blanks."""
    rows = Rows(columns=(Column(title="node"),), rows=(Row(cells=("\x1b[2J[red]a\nb[/red]",), notes=("\x07[bold]n",)),))
    text = printed(rows, 80)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "[red]a b[/red]" in text
    assert "[bold]n" in text


def test_facts_stand_in_one_column() -> None:
    """Texts begin in the same column, also on the lines they run over to, and empty ones are left out."""
    lines = printed(Facts(pairs=(("a", "one two three four five six"), ("long", "x"), ("none", ""))), 26).splitlines()
    assert lines == ["a     one two three four", "      five six", "long  x"]
