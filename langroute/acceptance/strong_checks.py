"""StrongChecks: a share of a weak arm's accepted answers is answered again by a strong arm, and compared."""

import hashlib
from collections.abc import Callable, Iterable, Sequence

from langroute.acceptance.spot_checks import SpotCheck
from langroute.acceptance.verification import JUDGED, checked_kinds
from langroute.candidates import VerifierCall
from langroute.errors import ConfigError
from langroute.records import Kind, Outcome, Record, Step, Verdict

DEFECT = "spot_check_differs"


class StrongChecks:
    """Has a share of the accepted answers given again by a strong arm, to learn how often both differ.

    Which answers are drawn depends on nothing but the id of their record and the seed, so it can be worked out again.
    A check costs the strong arm's price and is held like any call, for the purpose ``verification``; where there is no
    money for it, the answer stands. Where both answers differ, the strong one is passed on, since it is paid for.
    Answers are compared in their normalised form, tool calls by name and arguments.

    Args:
        arm: the strong arm.
        share: share of the answers that are checked, in [0, 1].
        seed: draws other answers.
        kinds: kinds of steps whose answers are checked; these are buffered, not streamed.
        read: the part of an answer that has to be equal; what the router's selector reads when left out.

    Raises:
        ConfigError: an argument is out of range; names it.
    """

    name = "strong-checks"

    def __init__(
        self,
        arm: str,
        *,
        share: float = 0.02,
        seed: int = 0,
        kinds: Sequence[Kind] = JUDGED,
        read: Callable[[str], str] | None = None,
    ) -> None:
        if not 0 <= share <= 1:
            raise ConfigError(f"must be a share in [0, 1], not {share!r}", field="share")
        self.arm = arm
        self._share = share
        self._seed = seed
        self._kinds = frozenset(checked_kinds(kinds))
        if read is not None:
            self.read = read

    def gates(self, step: Step) -> bool:
        """Whether answers of this kind of step may be checked."""
        return step.kind in self._kinds and self._share > 0

    def defects(self, step: Step, outcome: Outcome) -> tuple[str, ...]:  # noqa: ARG002 - the contract's signature
        """None: only another answer speaks against one."""
        return ()

    def worth(self, record: Record, outcome: Outcome) -> VerifierCall | None:  # noqa: ARG002 - the contract's signature
        """The strong arm's own answer, at any price, where this answer is drawn; None where it is not."""
        drawn = hashlib.sha256(f"{self._seed}:{record.id}".encode()).digest()[:8]
        if int.from_bytes(drawn) >= self._share * 2**64:
            return None
        return VerifierCall(arm=self.arm, asks="answer", reason=f"{self._share:.0%} of the answers are checked")

    def found(self, record: Record, outcome: Outcome, verdict: Verdict) -> tuple[str, ...]:  # noqa: ARG002
        """The defect of an answer that the strong arm does not give as well."""
        return (DEFECT,) if verdict == "different" else ()


def checks_of(records: Iterable[Record]) -> tuple[SpotCheck, ...]:
    """The checks that were made of answers, for `disagreement` and `drift_p_value`; unclear ones are left out."""
    return tuple(
        SpotCheck(kind=record.step.kind, arm=record.outcome.arm, agreed=record.outcome.verdict == "same", at=record.at)
        for record in records
        if record.outcome is not None and record.outcome.verdict in ("same", "different")
    )
