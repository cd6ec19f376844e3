"""Visits of nodes: counted by moments, whatever the order and number of calls, in bounded memory."""

from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from langroute.steps.visits import Visit, VisitCounter


def _visit(step: int, *, node: str = "agent", parent: str = "") -> Visit:
    return Visit(node=node, moment=(parent, step))


@given(st.lists(st.integers(0, 30), max_size=40))
def test_cycles_are_the_earlier_moments(steps: list[int]) -> None:
    """For each call: as many as there were different earlier moments of its node so far, calls of one moment alike."""
    counter = VisitCounter()
    seen: set[int] = set()
    for step in steps:
        assert counter.cycles("e", _visit(step)) == sum(known < step for known in seen)
        seen.add(step)


def test_nodes_and_episodes_do_not_mix() -> None:
    """Another node or another episode starts at none."""
    counter = VisitCounter()
    assert [counter.cycles("e", _visit(step)) for step in (1, 3, 5)] == [0, 1, 2]
    assert counter.cycles("e", _visit(7, node="other")) == 0
    assert counter.cycles("f", _visit(7)) == 0


def test_a_parents_moment_goes_before_the_own_superstep() -> None:
    """A subgraph that is entered again begins with superstep 1 again, and is a visit more."""
    counter = VisitCounter()
    assert [counter.cycles("e", _visit(step, parent="a")) for step in (1, 3)] == [0, 1]
    assert [counter.cycles("e", _visit(step, parent="b")) for step in (1, 3)] == [2, 3]
    assert counter.cycles("e", _visit(3, parent="a")) == 1


def test_memory_is_bounded_and_the_count_goes_on() -> None:
    """Old moments, nodes and episodes are forgotten; a node that goes on for long is still counted right."""
    counter = VisitCounter()
    assert [counter.cycles("long", _visit(step)) for step in range(1_000)] == list(range(1_000))
    for number in range(200):
        counter.cycles("wide", _visit(1, node=f"n{number}"))
    for number in range(3_000):
        counter.cycles(f"e{number}", _visit(1))
    assert len(counter._episodes) <= 1_000
    assert counter.cycles("long", _visit(1_000)) == 0


def test_many_threads_count_every_visit_once() -> None:
    """Calls of one node from many threads lose no moment."""
    counter = VisitCounter()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda step: counter.cycles("e", _visit(step % 200)), range(2_000)))
    assert counter.cycles("e", _visit(200)) == 200
