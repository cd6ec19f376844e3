"""Arms that call the model of another arm several times for one answer."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from langroute.errors import ConfigError
from langroute.records import Arm

_MOST = 64


def sampled(arms: Mapping[str, Arm], samples: object) -> dict[str, Arm]:
    """The arms by name with those that call them several times after them.

    They have the price of one call, the capabilities and the rank of the arm whose model they call.

    Args:
        arms: the arms that call their model once.
        samples: arm name -> numbers of calls for one answer.

    Raises:
        ConfigError: an arm or a number is none, or a name is taken.
    """
    if not isinstance(samples, Mapping):
        raise ConfigError(f"must map arm names to numbers of calls, not be {samples!r}", field="samples")
    for name, numbers in samples.items():
        _check(name, numbers, arms)
    made: dict[str, Arm] = {}
    for name, arm in arms.items():
        for number in sorted({1, *samples.get(name, ())}):
            one = arm if number == 1 else replace(arm, name=f"{name} x{number}", samples=number, base=name)
            if one.name in made or (number > 1 and one.name in arms):
                raise ConfigError(f"there is an arm {one.name!r} already", field=f"samples.{name}")
            made[one.name] = one
    return made


def _check(name: object, numbers: object, arms: Mapping[str, Arm]) -> None:
    field = f"samples.{name}"
    if name not in arms:
        raise ConfigError(f"there is no such arm; the pool has {', '.join(arms)}", field=field)
    if not isinstance(numbers, Sequence) or isinstance(numbers, str | bytes) or not all(map(_is_number, numbers)):
        raise ConfigError(f"must be a list of whole numbers from 1 to {_MOST}, not {numbers!r}", field=field)


def _is_number(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= _MOST
