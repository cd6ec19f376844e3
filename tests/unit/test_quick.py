import copy
import inspect
import pickle
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, replace
from typing import Any

import pytest

from langroute.quick import changed, maker, quick


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


@quick
@dataclass(frozen=True, kw_only=True)
class Roomy:
    name: str = "a"


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


def test_a_quick_record_stays_frozen() -> None:
    """Once made, a record cannot be changed, and has no room for anything else."""
    made = Quick(name="a")
    for change in (lambda: setattr(made, "name", "b"), lambda: delattr(made, "name"), lambda: setattr(made, "more", 1)):
        with pytest.raises((FrozenInstanceError, TypeError)):
            change()
    assert (made.name, hasattr(made, "__dict__")) == ("a", False)
    with pytest.raises(FrozenInstanceError):
        Roomy().name = "b"  # type: ignore[misc]


def test_every_instance_gets_a_default_of_its_own() -> None:
    """A default that is made by a function is made for each instance."""
    first, second = Quick(name="a"), Quick(name="b")
    assert first.tags == second.tags == []
    assert first.tags is not second.tags


@pytest.mark.parametrize("given", [{}, {"name": "a", "more": 1}], ids=["missing", "unknown"])
def test_wrong_arguments_are_refused_in_the_same_words(given: dict[str, Any]) -> None:
    """Missing and unknown arguments raise the errors that the plain dataclass raises."""
    with pytest.raises(TypeError) as plain:
        Plain(**given)
    with pytest.raises(TypeError) as made:
        Quick(**given)
    assert str(made.value) == str(plain.value).replace("Plain", "Quick")


def test_a_changed_copy_is_that_of_dataclasses() -> None:
    """`changed` does what `replace` does: the record stays as it was, and a field it lacks is refused."""
    made = Quick(name="a", tags=["x"])
    assert changed(made, size=4) == replace(made, size=4) != made
    assert changed(made).tags is made.tags
    assert changed(Roomy(), name="b") == Roomy(name="b")
    with pytest.raises(TypeError, match="more"):
        changed(made, more=1)


def test_a_made_record_is_the_one_that_its_constructor_makes() -> None:
    """All fields in their order, with and without slots: the same record, as frozen."""
    made, usual = maker(Quick)("a", ["x"], 4), Quick(name="a", tags=["x"], size=4)
    assert (made, type(made), made.double, repr(made)) == (usual, Quick, 8, repr(usual))
    with pytest.raises(FrozenInstanceError):
        made.size = 5  # type: ignore[misc]
    assert maker(Roomy)("b") == Roomy(name="b")
    with pytest.raises(TypeError):
        maker(Quick)("a", [])


def test_the_signature_is_kept() -> None:
    """Editors and documentation see the parameters of the dataclass, with their types."""
    assert str(inspect.signature(Quick)) == str(inspect.signature(Plain))
    assert Quick.__init__.__annotations__ == Plain.__init__.__annotations__


def test_what_the_constructor_could_not_make_is_refused() -> None:
    """A class with a base, with __post_init__, not frozen or with positional fields is refused when it is defined."""

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
    class Child(Roomy):
        size: int

    for odd in (Open, Positional, Checked, Child):
        with pytest.raises(TypeError, match="must be a frozen"):
            quick(odd)


def test_a_subclass_is_a_record_of_its_own_class() -> None:
    """A class that somebody derives from a record is made as from any dataclass, with room of its own or without."""

    class Wide(Quick):
        pass

    class Narrow(Quick):
        __slots__ = ()

    for kind in (Wide, Narrow):
        made = kind(name="a", size=4)
        assert type(made) is kind
        assert (made.name, made.tags, made.size, made.double) == ("a", [], 4, 8)
        assert kind(name="a", tags=["x"]).tags == ["x"]
        assert type(changed(made, size=5)) is kind
