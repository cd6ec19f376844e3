"""Moments as people write them on a command line: so long ago, or a date."""

import re
from datetime import UTC, datetime

from langroute.errors import ConfigError

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


def moment(text: str, *, now: float, field: str) -> float:
    """Epoch seconds of ``30d`` (seconds, minutes, hours, days, weeks ago) or of a date; one without a zone is UTC.

    Raises:
        ConfigError: it is neither; names the field.
    """
    if ago := _AGO.fullmatch(text.strip()):
        return now - float(ago[1]) * _SECONDS[ago[2]]
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError as exc:
        raise ConfigError(f"must be a time such as 30d, 12h or 2026-11-01, not {text!r}", field=field) from exc
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
