"""What can be trained: one interface, and every learner by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Any, Protocol, Self, runtime_checkable

from langroute.errors import ConfigError
from langroute.estimators.feature_schema import FeatureSchema
from langroute.learning.examples import Examples
from langroute.parts import Fitted


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What a learner made of examples.

    Attributes:
        estimator: an `Estimator` that is `Fitted` and a `Predictor`.
        encoder: how it wants text read, a `TextEncoder` that is `Fitted`; None where it has no use for text. It was
            fitted on the same examples and no others.
        numbers: the columns of numbers that are read.
        words: the columns of names that are read.
        text: the length of the text vector that is read.
    """

    estimator: Fitted
    encoder: Fitted | None = None
    numbers: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    text: int = 0

    @classmethod
    def over(cls, schema: FeatureSchema, estimator: Fitted, *, encoder: Fitted | None = None) -> Self:
        """The lesson of an estimator that reads steps by a schema; the encoder only where the schema reads text."""
        return cls(
            estimator=estimator,
            encoder=encoder if schema.text else None,
            numbers=schema.numbers,
            words=tuple(schema.vocabulary),
            text=schema.text,
        )


@runtime_checkable
class Learner(Protocol):
    """Makes an estimator of examples. All that it chooses it chooses on these, so it may be run inside folds."""

    name: str

    def fit(self, examples: Examples, *, seed: int) -> Lesson:
        """What it learns of examples; the same for the same seed.

        Raises:
            OutcomesInvalid: the examples are too few or too much alike to learn from; says what is missing.
        """
        ...


LEARNERS: Mapping[str, str] = MappingProxyType(
    {
        "agentrouter": "langroute.learning.boosting:AgentRouterLearner",
        "boosted": "langroute.learning.boosting:BoostedLearner",
        "gain": "langroute.learning.gain_fitting:GainLearner",
        "group_mean": "langroute.learning.group_mean_fitting:GroupMeanLearner",
        "mean": "langroute.learning.mean_fitting:MeanLearner",
        "neighbours": "langroute.learning.neighbour_fitting:NeighboursLearner",
        "ridge": "langroute.learning.ridge_fitting:RidgeLearner",
        "soft_gap": "langroute.learning.gain_fitting:SoftGapLearner",
        "steady": "langroute.learning.steady_fitting:SteadyLearner",
    }
)
"""Name -> ``module:class`` of a learner whose options have defaults. A new learner gets its line here."""


ENCODERS: Mapping[str, str] = MappingProxyType(
    {
        "latent": "langroute.learning.latent_fitting:fit_latent_text",
        "hashed_text": "langroute.learning.text_fitting:fit_hashed_text",
    }
)
"""Name -> ``module:function`` that fits an encoder: ``fit(texts, *, seed) -> Fitted``. The first is the default."""


def fitted_encoder(examples: Examples, *, seed: int) -> Fitted | None:
    """The default encoder, fitted to the texts of these examples and no others; None where there is none to read."""
    if not examples.knows_text or not ENCODERS:
        return None
    module, _, name = next(iter(ENCODERS.values())).partition(":")
    fit: Any = getattr(import_module(module), name)
    fitted: Fitted = fit(list(dict.fromkeys(examples.asked)), seed=seed)
    return fitted


def learner(name: str, **options: Any) -> Learner:
    """The learner of a name.

    Raises:
        ConfigError: none has this name, or it does not take these options.
    """
    if name not in LEARNERS:
        raise ConfigError(f"no estimator is called {name!r}; use one of {', '.join(LEARNERS)}", field="estimator")
    module, _, made = LEARNERS[name].partition(":")
    found: type[Learner] = getattr(import_module(module), made)
    try:
        return found(**options)
    except TypeError as exc:
        raise ConfigError(f"{name} does not take {', '.join(options)} ({exc})", field="estimator") from exc
