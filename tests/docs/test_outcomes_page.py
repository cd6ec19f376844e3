"""The page on outcomes describes the table as it is."""

import re
from pathlib import Path

from langroute.learning.schema import COLUMNS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "outcomes.md"


def test_the_page_lists_every_column_with_its_meaning() -> None:
    """The table of the page has the columns of the schema, in their order, each with its meaning, and no others."""
    told = PAGE.read_text("utf-8").partition("| column | holds |")[2]
    rows = re.findall(r"^\| `(\w+)` \| .+? \| (.+) \|$", told, re.MULTILINE)
    assert rows == [(column.name, column.meaning) for column in COLUMNS.values()]
