"""A certified threshold and what it holds for; as JSON and back."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from langroute.acceptance.certificates import ThresholdCertificate

# JSON has no infinity: the threshold that accepts everything is written as this word.
_EVERYTHING = "everything"


@dataclass(frozen=True, slots=True, kw_only=True)
class CellThreshold:
    """The threshold of one cell.

    Attributes:
        kind: of the steps.
        arm: who answers; empty for all cheap arms of the kind together, where one alone had too few answers.
        certificate: the threshold, and what is known of it.
    """

    kind: str
    arm: str
    certificate: ThresholdCertificate

    def told(self) -> str:
        """The threshold in one line."""
        return f"{self.kind} by {self.arm or 'any cheap arm'}: {self.certificate.told()}"


def written_threshold(one: CellThreshold) -> dict[str, Any]:
    """A threshold as plain data that JSON holds exactly."""
    certificate = asdict(one.certificate)
    if one.certificate.threshold == -math.inf:
        certificate["threshold"] = _EVERYTHING
    certificate["thresholds"] = list(one.certificate.thresholds)
    certificate["p_values"] = list(one.certificate.p_values)
    return {"kind": one.kind, "arm": one.arm, "certificate": certificate}


def read_threshold(told: Mapping[str, Any]) -> CellThreshold:
    """The same threshold again.

    Raises:
        KeyError: something is missing.
        TypeError: something is superfluous or of another type.
        ValueError: a number is none.
    """
    fields = dict(told["certificate"])
    found = fields.pop("threshold")
    certificate = ThresholdCertificate(
        **{
            **fields,
            "threshold": -math.inf if found == _EVERYTHING else None if found is None else float(found),
            "thresholds": tuple(map(float, fields["thresholds"])),
            "p_values": tuple(map(float, fields["p_values"])),
        }
    )
    return CellThreshold(kind=str(told["kind"]), arm=str(told["arm"]), certificate=certificate)
