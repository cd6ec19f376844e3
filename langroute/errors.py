"""Every error langroute raises, in one hierarchy.

Messages say what was wrong, where (the field) and what to do about it. Numbers a program may want are typed fields.
Errors of a provider are never wrapped: they reach the caller with their own type, with the hold settled.
"""

from decimal import Decimal


class LangrouteError(Exception):
    """Base of everything langroute raises."""


class ConfigError(LangrouteError, ValueError):
    """A setting is missing, unknown or contradicts another one.

    Attributes:
        field: dotted path of the setting, for example ``budget.total_dollars``; empty when no single field is to blame.
    """

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field


class PriceUnknown(ConfigError):
    """A model has no price, so no budget could be promised for it."""


class CalibrationError(LangrouteError, ValueError):
    """Data or a level from which no guarantee can be computed: empty, of the wrong shape, not a number, out of range.

    That the data are sound but too few is no error: the certificate then says that nothing is certified, and why.

    Attributes:
        field: the argument to blame, for example ``scores``.
    """

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self._message = message

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by fields: the field is a keyword."""
        return (_rebuild_calibration_error, (self._message, self.field))


def _rebuild_calibration_error(message: str, field: str) -> CalibrationError:
    return CalibrationError(message, field=field)


class OutcomesInvalid(LangrouteError, ValueError):
    """Recorded outcomes cannot be used, or a measure is not defined on them.

    Attributes:
        field: the column or argument to blame, for example ``success``; empty when no single one is.
    """

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field


class BudgetExceeded(LangrouteError):
    """A call was refused before it was made, because its worst case did not fit.

    Nothing was spent on the refused call.

    Attributes:
        scope: the ledger scope that was too tight, for example ``episode:42``.
        resource: what ran out: ``dollars``, ``input_tokens``, ``output_tokens``, ``retries`` or ``seconds``.
        limit: the limit of that scope, in the resource's unit (dollars are Decimal dollars).
        spent: what was spent or held when the call was refused.
        requested: what the call would have set aside.
    """

    def __init__(
        self,
        *,
        scope: str,
        limit: Decimal | int,
        spent: Decimal | int,
        requested: Decimal | int,
        resource: str = "dollars",
        hint: str = "",
    ) -> None:
        self.scope = scope
        self.resource = resource
        self.limit = limit
        self.spent = spent
        self.requested = requested
        self.hint = hint
        limited, used, needed = (_shown(value, resource) for value in (limit, spent, requested))
        told = f"{scope} has no room left: {resource} limit {limited}, spent or held {used}, this call needs {needed}."
        if resource == "seconds":
            told = f"{scope} is out of time: limit {limited} seconds, {used} have passed."
        super().__init__(f"{told} {hint}" if hint else told)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by fields: the constructor takes keywords only."""
        return (
            _rebuild_budget_exceeded,
            (self.scope, self.limit, self.spent, self.requested, self.resource, self.hint),
        )


def _shown(value: Decimal | int, resource: str) -> str:
    """An amount without an exponent, dollars with their sign."""
    text = f"{value:f}" if isinstance(value, Decimal) else str(value)
    return f"${text}" if resource == "dollars" else text


def _rebuild_budget_exceeded(
    scope: str, limit: Decimal | int, spent: Decimal | int, requested: Decimal | int, resource: str, hint: str
) -> BudgetExceeded:
    return BudgetExceeded(scope=scope, limit=limit, spent=spent, requested=requested, resource=resource, hint=hint)


class NoArmAvailable(LangrouteError):
    """No arm of the pool can make this call, for reasons other than money.

    Attributes:
        reasons: arm name to why it was ruled out.
    """

    def __init__(self, reasons: dict[str, str]) -> None:
        self.reasons = dict(reasons)
        told = "; ".join(f"{arm}: {why}" for arm, why in self.reasons.items())
        super().__init__(f"no arm can make this call ({told}). Add a capable model to the pool or relax the call.")

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by the reasons, not by the message."""
        return (NoArmAvailable, (self.reasons,))


class StepNotWorthwhile(LangrouteError):
    """The step was not taken, because no arm's expected success justifies its price (``actions.value_of_success``).

    Attributes:
        reasons: arm name to what speaks against it.
    """

    def __init__(self, reasons: dict[str, str]) -> None:
        self.reasons = dict(reasons)
        told = "; ".join(f"{arm}: {why}" for arm, why in self.reasons.items())
        super().__init__(f"no arm is worth its price in this step ({told}). Raise actions.value_of_success or finish.")

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by the reasons, not by the message."""
        return (StepNotWorthwhile, (self.reasons,))


class LedgerError(LangrouteError):
    """The ledger was asked for something it cannot do (unknown scope, used after a fork, closed)."""


class LedgerUnavailable(LedgerError):
    """The store behind the ledger does not answer, is full or is corrupt. Calls are refused: fail closed."""


class JournalUnavailable(LangrouteError):
    """The store behind the journal does not answer, is full or is corrupt."""


class ArtifactInvalid(LangrouteError):
    """Something that was learned and stored cannot be used: damaged, of another version, or not what it says.

    Attributes:
        field: the file, setting or array at fault; empty when no single one is.
    """

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field


class EpisodeNotFound(LangrouteError):
    """No record of this episode is stored."""


class ReplayError(LangrouteError):
    """A stored decision cannot be replayed: its policy or version is not the one that made it."""
