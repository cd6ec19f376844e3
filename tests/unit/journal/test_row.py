"""Records as JSON and back, without loss."""

import json
from dataclasses import fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from langroute.caching import CacheRule
from langroute.errors import JournalUnavailable
from langroute.journal.row import (
    ROW_VERSION,
    action_from_json,
    action_to_json,
    end_from_json,
    end_to_json,
    from_json,
    pool_from_json,
    pool_to_json,
    to_json,
)
from langroute.money import Price, Rates
from langroute.records import ActionTaken, BudgetView, EpisodeEnd, PoolSnapshot, Record, RoutingDecision, Ruling, Step

_SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=8) | st.text(alphabet='\ud800\udfff\x00"\\é', max_size=3),
    int: st.integers(-(2**80), 2**80),
    float: st.floats(allow_nan=False) | st.integers(-5, 5),
    bool: st.booleans(),
}


_rates = st.builds(Rates, **{field.name: st.integers(0, 2**40) for field in fields(Rates)})
_SCALARS[CacheRule] = st.builds(
    CacheRule,
    mode=st.sampled_from(("automatic", "marked", "shown", "none")),
    min_tokens=st.integers(1, 2**30),
    block_tokens=st.integers(1, 2**30),
    lifetime_s=st.floats(0, allow_nan=False),
)
_SCALARS[Price] = st.recursive(
    st.builds(Price.from_rates, _rates),
    lambda inner: st.builds(Price.from_rates, _rates, st.lists(st.tuples(st.integers(0, 2**30), inner), max_size=2)),
    max_leaves=3,
)


def _values(hint: Any) -> st.SearchStrategy[Any]:
    if hint in _SCALARS:
        return _SCALARS[hint]
    parts = get_args(hint)
    if get_origin(hint) is Literal:
        return st.sampled_from(parts)
    if get_origin(hint) is tuple:
        if parts[-1] is Ellipsis:
            return st.lists(_values(parts[0]), max_size=2).map(tuple)
        return st.tuples(*map(_values, parts))
    if type(None) in parts:
        return st.none() | st.one_of(*[_values(part) for part in parts if part is not type(None)])
    return _instances(hint)


def _instances(kind: Any) -> st.SearchStrategy[Any]:
    hints = get_type_hints(kind)
    return st.builds(kind, **{field.name: _values(hints[field.name]) for field in fields(kind)})


records: st.SearchStrategy[Record] = _instances(Record)
actions: st.SearchStrategy[ActionTaken] = _instances(ActionTaken)
ends: st.SearchStrategy[EpisodeEnd] = _instances(EpisodeEnd)
pools: st.SearchStrategy[PoolSnapshot] = _instances(PoolSnapshot)

RECORD = Record(
    id="r1",
    at=1_790_000_000.25,
    step=Step(episode="a", call_index=2, kind="execution", budget=BudgetView(scope="episode:a")),
    estimates=(),
    ruling=Ruling(price_of_dollar=0.1, permits=()),
    decision=RoutingDecision(arm=None),
    action="stop",
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(records)
def test_a_record_comes_back_equal_and_its_bytes_too(record: Record) -> None:
    """Any record, infinities, large integers, broken text and all, survives the way through its row."""
    text = to_json(record)
    back = from_json(text)
    assert back == record
    assert to_json(back) == text
    assert text.isascii()
    assert "\n" not in text


@settings(max_examples=30, deadline=None)
@given(actions)
def test_an_action_comes_back_equal(action: ActionTaken) -> None:
    """An action survives the way through its row."""
    assert action_from_json(action_to_json(action)) == action
    assert action_to_json(action_from_json(action_to_json(action))) == action_to_json(action)


@settings(max_examples=30, deadline=None)
@given(ends)
def test_an_end_comes_back_equal(end: EpisodeEnd) -> None:
    """The end of an episode survives the way through its row."""
    assert end_from_json(end_to_json(end)) == end
    assert end_to_json(end_from_json(end_to_json(end))) == end_to_json(end)


@settings(max_examples=30, deadline=None)
@given(pools)
def test_a_pool_comes_back_equal(pool: PoolSnapshot) -> None:
    """Arms and their prices survive to the pico-dollar, tiers above a number of tokens included."""
    assert pool_from_json(pool_to_json(pool)) == pool
    assert pool_to_json(pool_from_json(pool_to_json(pool))) == pool_to_json(pool)


def test_a_row_is_strict_json_in_declared_order_with_its_version() -> None:
    """Other programs can read a row: the version first, then fields as the record declares them."""
    row = json.loads(to_json(RECORD), parse_constant=pytest.fail)
    assert list(row) == ["version", "record"]
    assert row["version"] == ROW_VERSION
    assert list(row["record"]) == [field.name for field in fields(Record)]


def test_fields_added_since_take_their_defaults() -> None:
    """A row written before a field existed is still read."""
    row = json.loads(to_json(RECORD))
    del row["record"]["outcome"], row["record"]["step"]["pressure"], row["record"]["decision"]["propensity"]
    assert from_json(json.dumps(row)) == RECORD


def test_a_row_of_a_newer_version_is_refused_with_the_way_out() -> None:
    """It is not guessed at: upgrading is the way out."""
    row = json.loads(to_json(RECORD)) | {"version": ROW_VERSION + 1}
    with pytest.raises(
        JournalUnavailable, match=rf"version {ROW_VERSION + 1}, this langroute knows.*upgrade langroute"
    ):
        from_json(json.dumps(row))


def test_a_row_with_fields_unknown_here_is_refused_by_name() -> None:
    """What a newer langroute knew of a decision is not dropped in silence."""
    row = json.loads(to_json(RECORD))
    row["record"]["step"]["mood"] = "good"
    with pytest.raises(JournalUnavailable, match=r"unknown fields in Step: mood.*upgrade langroute"):
        from_json(json.dumps(row))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: text[:-9], id="cut short"),
        pytest.param(lambda text: "", id="empty"),
        pytest.param(lambda text: "[1]", id="no object"),
        pytest.param(lambda text: text.replace('"record"', '"recold"'), id="no record"),
        pytest.param(lambda text: text.replace('"version":1', '"version":"x"'), id="no version"),
        pytest.param(lambda text: text.replace('"estimates":[]', '"estimates":3'), id="number for a list"),
        pytest.param(lambda text: text.replace('"episode":"a"', '"episode":["a"]'), id="list for a text"),
        pytest.param(lambda text: text.replace('"episode":"a",', ""), id="required field missing"),
        pytest.param(lambda text: text.replace('"price_of_dollar":0.1', '"price_of_dollar":"much"'), id="no number"),
        pytest.param(lambda text: text.replace('"permits":[]', '"permits":[null]'), id="null for a record"),
    ],
)
def test_a_damaged_row_is_told_as_one(change: Any) -> None:
    """Damage is one clear error of the journal, never a record that is wrong."""
    damaged = change(to_json(RECORD))
    assert damaged != to_json(RECORD)
    with pytest.raises(JournalUnavailable, match=r"(?s)a row is damaged.*backup"):
        from_json(damaged)


def test_what_is_no_plain_data_is_refused() -> None:
    """A record holds plain data only; anything else could not come back equal."""
    with pytest.raises(TypeError, match="cannot be kept in a journal"):
        to_json(Record(**{field.name: getattr(RECORD, field.name) for field in fields(Record)} | {"estimates": {1}}))
