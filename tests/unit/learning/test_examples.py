"""Examples read from tables as users have them."""

from langroute.learning.examples import Examples


def test_an_empty_group_is_all() -> None:
    """Own episodes are exported with an empty group where nothing was said of a domain: they are one group."""
    columns = {"task": ["a", "b"], "arm": ["s", "s"], "success": [1.0, 0.0], "cost_nano": [1, 1], "group": ["", "x"]}
    assert Examples.read(columns).group.tolist() == ["all", "x"]
