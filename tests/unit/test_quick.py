import copy
import gc
import inspect
import pickle
import weakref
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, get_type_hints

import pytest
from pydantic import TypeAdapter, ValidationError

from langroute.books import Balance, Limits
from langroute.quick import changed, maker, quick, quick_opaque
from langroute.records import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    name: str
    tags: list[str] = field(default_factory=list)
    size: int = 3

    @property
    def double(self) -> int:
        return 2 * self.size


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Quick:
    name: str
    tags: list[str] = field(default_factory=list)
    size: int = 3

    @property
    def double(self) -> int:
        return 2 * self.size


@quick_opaque
@dataclass(frozen=True, slots=True, kw_only=True)
class Opaque:
    name: str = "a"
    anything: object = None


def test_a_quick_record_is_the_record_it_was() -> None:
    """Fields, defaults, text, comparison, hash, copies and pickles are those of the dataclass without the decorator."""
    plain, made = Plain(name="a", size=4), Quick(name="a", size=4)
    assert type(made) is Quick
    assert repr(made) == repr(plain).replace("Plain", "Quick")
    assert asdict(made) == asdict(plain)
    assert (made.double, Quick(name="b").size) == (8, 3)
    assert made == Quick(name="a", size=4) != replace(made, size=5)
    assert [item.name for item in fields(Quick)] == [item.name for item in fields(Plain)]
    for again in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made)), replace(made)):
        assert type(again) is Quick
        assert again == made


def test_pydantic_reads_and_writes_a_quick_record_as_the_dataclass() -> None:
    """In a field, as JSON, with what is missing or wrong; a web framework answers with records this way."""
    plain, made = TypeAdapter(list[Plain]), TypeAdapter(list[Quick])
    text = b'[{"name":"a","tags":["x"],"size":4},{"name":"b","tags":[],"size":3}]'
    records = made.validate_json(text)
    assert records == [Quick(name="a", tags=["x"], size=4), Quick(name="b")]
    assert made.dump_json(records) == plain.dump_json(plain.validate_json(text)) == text
    assert made.validate_python(records)[0] is records[0]
    for wrong in ([{"size": 3}], [{"name": "a", "size": "many"}], [{"name": "a", "tags": [{}]}], [3]):
        for adapter in (plain, made):
            with pytest.raises(ValidationError):
                adapter.validate_python(wrong)
    assert made.validate_python([{"name": "a", "more": 1}]) == [Quick(name="a")]
    nested = TypeAdapter(Balance)
    balance = Balance(scope="x", limits=Limits(reserves=(("verification", 1),)), used_nano=(("general", 2),))
    assert nested.validate_json(nested.dump_json(balance)) == balance
    required = ["id", "at", "step", "estimates", "ruling", "decision"]
    assert TypeAdapter(Record).json_schema()["required"] == required


def test_a_quick_record_stays_frozen() -> None:
    """Once made, a record cannot be changed, and has no room for anything else."""
    made = Quick(name="a")
    for change in (lambda: setattr(made, "name", "b"), lambda: delattr(made, "name"), lambda: setattr(made, "more", 1)):
        with pytest.raises(AttributeError):
            change()
    assert (made.name, hasattr(made, "__dict__")) == ("a", False)


def test_only_what_may_hold_a_cycle_is_looked_at_by_the_garbage_collector() -> None:
    """Plain data are left alone by the collector; a cycle through an opaque record is collected."""
    assert not gc.is_tracked(Quick(name="a"))
    held: list[object] = []
    made = Opaque(anything=held)
    held.append(made)
    assert gc.is_tracked(made)
    mark = _Mark()
    told = weakref.ref(mark)
    held.append(mark)
    del made, mark
    held = []
    gc.collect()
    assert told() is None


class _Mark:
    """Something whose end can be seen."""


def test_every_instance_gets_a_default_of_its_own() -> None:
    """A default that is made by a function is made for each instance."""
    first, second = Quick(name="a"), Quick(name="b")
    assert first.tags == second.tags == []
    assert first.tags is not second.tags


@pytest.mark.parametrize(("given", "named"), [({}, "name"), ({"name": "a", "more": 1}, "more")])
def test_wrong_arguments_are_refused(given: dict[str, Any], named: str) -> None:
    """Missing and unknown arguments raise a TypeError that names them."""
    with pytest.raises(TypeError, match=named):
        Quick(**given)


def test_a_changed_copy_is_that_of_dataclasses() -> None:
    """`changed` does what `replace` does: the record stays as it was, and a field it lacks is refused."""
    made = Quick(name="a", tags=["x"])
    assert changed(made, size=4) == replace(made, size=4) != made
    assert changed(made).tags is made.tags
    assert changed(Opaque(), name="b") == Opaque(name="b")
    with pytest.raises(TypeError, match="more"):
        changed(made, more=1)


def test_a_made_record_is_the_one_that_its_constructor_makes() -> None:
    """All fields in their order: the same record, as frozen."""
    made, usual = maker(Quick)("a", ["x"], 4), Quick(name="a", tags=["x"], size=4)
    assert (made, type(made), made.double, repr(made)) == (usual, Quick, 8, repr(usual))
    with pytest.raises(AttributeError):
        made.size = 5  # type: ignore[misc]
    with pytest.raises(TypeError):
        maker(Quick)("a", [])


def test_the_signature_is_kept() -> None:
    """Editors and documentation see the parameters of the dataclass, with their types."""
    assert str(inspect.signature(Quick)) == str(inspect.signature(Plain)).removesuffix(" -> None")
    assert get_type_hints(Quick) == get_type_hints(Plain)


def test_what_the_constructor_could_not_make_is_refused() -> None:
    """A class that is open, has no slots, positional fields, a base or __post_init__ is refused when it is defined."""

    @dataclass(slots=True, kw_only=True)
    class Open:
        name: str

    @dataclass(frozen=True, slots=True)
    class Positional:
        name: str

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Checked:
        name: str

        def __post_init__(self) -> None:
            raise ValueError(self.name)

    @dataclass(frozen=True, kw_only=True)
    class Roomy:
        name: str

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Base:
        name: str

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Child(Base):
        size: int

    for odd in (Open, Positional, Checked, Roomy, Child):
        with pytest.raises(TypeError, match="must be a frozen"):
            quick(odd)


def test_a_subclass_is_a_record_of_its_own_class() -> None:
    """A class that somebody derives from a record is made as any other."""

    class Wide(Quick):
        pass

    made = Wide(name="a", size=4)
    assert type(made) is Wide
    assert (made.name, made.tags, made.size, made.double) == ("a", [], 4, 8)
    assert Wide(name="a", tags=["x"]).tags == ["x"]
    assert type(changed(made, size=5)) is Wide
