"""What a dollar must buy for what is wanted: a table that a learned policy found on its calibration data."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from langroute.errors import ArtifactInvalid, ConfigError
from langroute.parts import Parts
from langroute.target import Target

Basis = Literal["replayed", "model-based", "live"]
BASES: tuple[Basis, ...] = ("replayed", "model-based", "live")


@dataclass(frozen=True, slots=True, kw_only=True)
class PricePoint:
    """What routing at one price of a dollar came to on the calibration data.

    Attributes:
        price_of_dollar: lambda, success given up per dollar saved.
        dollars: mean dollars of an episode.
        quality: mean success, as a share of the reference's.
        low: lower end of the 95% interval of ``quality``.
        certified: the loss against the reference was certified at this price (see ``PriceTable.certificate``).
    """

    price_of_dollar: float
    dollars: float
    quality: float
    low: float
    certified: bool = False


class PriceTable:
    """Prices of a dollar with what they came to, from which the price for a target is read.

    The price for a target is one that was tried, never one between: for a quality the cheapest point that reached it,
    for dollars the best point that kept within them.

    Args:
        points: in any order; at least one.
        reference: what quality is a share of, for example ``always-large``.
        basis: whether the figures were ``replayed`` (every arm was tried on every task), are ``model-based`` (what the
            estimator expects) or come from ``live`` runs at each price.
        certificate: what was certified of the points that say so, one sentence; else why nothing was.
    """

    name = "prices"

    def __init__(self, points: Sequence[PricePoint], *, reference: str, basis: Basis, certificate: str = "") -> None:
        if not points:
            raise ConfigError("has no point; a table needs at least one price of a dollar", field="targets.points")
        if basis not in BASES:
            raise ConfigError(f"is {basis!r}; use one of {', '.join(BASES)}", field="targets.basis")
        self.points = tuple(sorted(points, key=lambda point: point.price_of_dollar))
        self.reference = reference
        self.basis = basis
        self.certificate = certificate

    def price(self, target: Target) -> tuple[float, str]:
        """The price of a dollar for what is wanted, and why in a few words.

        Raises:
            ConfigError: no point reached it; says the best that one did.
        """
        if target.price_of_a_dollar is not None:
            return target.price_of_a_dollar, "as set"
        if target.quality is not None:
            return self._for_quality(target.quality)
        if target.dollars_per_episode is not None:
            return self._for_dollars(target.dollars_per_episode)
        raise ConfigError("says nothing; give quality, dollars_per_episode or price_of_a_dollar", field="target")

    def _for_quality(self, wanted: float) -> tuple[float, str]:
        enough = [point for point in self.points if point.quality >= wanted]
        if not enough:
            best = max(self.points, key=lambda point: point.quality)
            raise ConfigError(
                f"{wanted:g} of {self.reference} was not reached on the calibration data; the best was "
                f"{best.quality:.3f} for ${best.dollars:.4g} an episode",
                field="target.quality",
            )
        found = min(enough, key=lambda point: (point.dollars, -point.quality))
        return found.price_of_dollar, self._told(f"quality {wanted:g}", found)

    def _for_dollars(self, wanted: float) -> tuple[float, str]:
        within = [point for point in self.points if point.dollars <= wanted]
        if not within:
            least = min(self.points, key=lambda point: point.dollars)
            raise ConfigError(
                f"${wanted:g} an episode was not kept on the calibration data; the least was ${least.dollars:.4g}, "
                f"at {least.quality:.3f} of {self.reference}",
                field="target.dollars_per_episode",
            )
        found = max(within, key=lambda point: (point.quality, -point.dollars))
        return found.price_of_dollar, self._told(f"${wanted:g} an episode", found)

    def _told(self, wanted: str, point: PricePoint) -> str:
        sure = "certified" if point.certified else "not certified"
        share = f"{point.quality:.1%} of {self.reference} for ${point.dollars:.4g}"
        return f"for {wanted}: {share} on calibration data, {self.basis}, {sure}"

    def parts(self) -> Parts:
        """The table as plain data."""
        return Parts(
            settings={
                "points": [asdict(point) for point in self.points],
                "reference": self.reference,
                "basis": self.basis,
                "certificate": self.certificate,
            }
        )

    @classmethod
    def from_parts(cls, parts: Parts) -> Self:
        """The table again.

        Raises:
            ArtifactInvalid: a setting is missing or is not what it has to be.
        """
        settings: Any = parts.settings
        try:
            points = [PricePoint(**point) for point in settings["points"]]
            return cls(
                points,
                reference=str(settings["reference"]),
                basis=settings["basis"],
                certificate=str(settings["certificate"]),
            )
        except (KeyError, TypeError, ConfigError) as exc:
            raise ArtifactInvalid(f"cannot be read: {exc}", field="sections.targets") from exc
