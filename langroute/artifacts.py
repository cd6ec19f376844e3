"""What the pieces of an artifact are: which class makes each, and how they are put together to serve.

This module knows the concrete rooms by name only: a class is imported when an artifact needs it, so that loading one
loads nothing else, and never a library for training.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from langroute.errors import ArtifactInvalid
from langroute.estimators.artifact import Artifact, Piece, read_artifact
from langroute.parts import Fitted
from langroute.protocols import Acceptance, Estimator, RoutingPolicy, TextEncoder
from langroute.records import Arm, Estimate, Step

_log = logging.getLogger("langroute.artifacts")

_FINGERPRINT_SHOWN = 8

CLASSES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "estimator": {
            "boosted": "langroute.estimators.boosted:BoostedEstimator",
            "gain": "langroute.estimators.gain:GainEstimator",
            "group_mean": "langroute.estimators.group_mean:GroupMeanEstimator",
            "mean": "langroute.estimators.mean:MeanEstimator",
            "neighbours": "langroute.estimators.neighbours:NeighboursEstimator",
            "ridge": "langroute.estimators.ridge:RidgeEstimator",
            "soft_gap": "langroute.estimators.soft_gap:SoftGapEstimator",
            "steady": "langroute.estimators.steady:SteadyEstimator",
        },
        "encoder": {
            "hashed_text": "langroute.estimators.text:HashedText",
            "latent": "langroute.estimators.latent:LatentText",
            "words": "langroute.estimators.word_counts:WordCounts",
        },
        "acceptance": {
            "calibrated": "langroute.acceptance.calibrated:CalibratedAcceptance",
            "single_answer": "langroute.acceptance.entropy:SingleAnswerAcceptance",
            "worth": "langroute.acceptance.worth:WorthAcceptance",
        },
        "policy": {
            "cascade": "langroute.policies.cascade:CascadePolicy",
            "chain": "langroute.policies.chain:ChainPolicy",
            "difference": "langroute.policies.difference:DifferencePolicy",
        },
        "targets": {
            "prices": "langroute.prices_of_targets:PriceTable",
        },
    }
)
"""Section -> type -> ``module:class``. A new fitted thing gets its line here; its type is the ``name`` of its class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedPolicy:
    """What an artifact is made into.

    Attributes:
        artifact: what it was read from.
        estimator: what to expect of an arm; reads text by the artifact's encoder, where it has one.
        policy: the rule of choice; None where the artifact leaves it to the router.
        acceptance: rules an answer must pass, beside well-formedness; the policy itself where it judges answers, too.
        targets: prices of a dollar for targets of quality or cost; None where the artifact has none.
    """

    artifact: Artifact
    estimator: Estimator
    policy: RoutingPolicy | None = None
    acceptance: tuple[Acceptance, ...] = ()
    targets: Any = None


class LearnedEstimator:
    """An estimator with the data that it learned from in its version, so that the log tells one training from another.

    Args:
        estimator: what to expect of an arm.
        artifact: what it was made of.
    """

    def __init__(self, estimator: Estimator, artifact: Artifact) -> None:
        self.inner = estimator
        self.name = estimator.name
        data = str(artifact.data.get("fingerprint", ""))[:_FINGERPRINT_SHOWN]
        self.version = f"{estimator.version}+{data}" if data else estimator.version

    def estimate(self, step: Step, arms: Sequence[Arm]) -> tuple[Estimate, ...]:
        """One estimate per arm, in the order of ``arms``."""
        return self.inner.estimate(step, arms)


class ReadingEstimator(LearnedEstimator):
    """The same with the encoder that reads what was asked for it.

    Args:
        estimator: what to expect of an arm.
        artifact: what it was made of.
        encoder: makes ``Features.text``.
    """

    def __init__(self, estimator: Estimator, artifact: Artifact, encoder: TextEncoder) -> None:
        super().__init__(estimator, artifact)
        self.encoder = encoder

    def encode(self, text: str) -> tuple[float, ...]:
        """The text as the estimator was trained to read it."""
        return self.encoder.encode(text)


def open_policy(folder: str | Path, arms: Sequence[Arm] = ()) -> LearnedPolicy:
    """What a folder holds, made ready to serve.

    Args:
        folder: an artifact.
        arms: the pool it is to serve. An arm that was never seen in training is warned of in the log
            (``langroute.artifacts``): its estimates come from the prior, and each decision says so.

    Raises:
        ArtifactInvalid: the folder is damaged or of another version, or a piece cannot be made.
    """
    artifact = read_artifact(folder)
    sections = artifact.sections.items()
    found = {section: tuple(made(section, piece, artifact) for piece in pieces) for section, pieces in sections}
    estimator = cast("Estimator | None", _only(found, "estimator"))
    if estimator is None:
        raise ArtifactInvalid(f"is missing; {artifact.way_out}", field="sections.estimator")
    _warn_of_unseen(estimator, arms, artifact)
    encoder = cast("TextEncoder | None", _only(found, "encoder"))
    policy = cast("RoutingPolicy | None", _only(found, "policy"))
    rules = cast("tuple[Acceptance, ...]", found.get("acceptance", ()))
    return LearnedPolicy(
        artifact=artifact,
        estimator=LearnedEstimator(estimator, artifact)
        if encoder is None
        else ReadingEstimator(estimator, artifact, encoder),
        policy=policy,
        acceptance=(*rules, policy) if isinstance(policy, Acceptance) else rules,
        targets=_only(found, "targets"),
    )


def made(section: str, piece: Piece, artifact: Artifact) -> Fitted:
    """A piece as what it was.

    Raises:
        ArtifactInvalid: its type is not known here, or its parts are not what they have to be.
    """
    known = CLASSES.get(section, {})
    if piece.type not in known:
        message = (
            f"{piece.type!r} is not known; this version of langroute knows {', '.join(sorted(known)) or 'none'}. "
            f"Use the version that wrote it ({artifact.langroute}), or {artifact.way_out}"
        )
        raise ArtifactInvalid(message, field=f"sections.{section}.type")
    module, _, name = known[piece.type].partition(":")
    maker: type[Fitted] = getattr(import_module(module), name)
    try:
        return maker.from_parts(piece.parts)
    except ArtifactInvalid:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as exc:
        message = f"cannot be made ({type(exc).__name__}: {exc}); {artifact.way_out}"
        raise ArtifactInvalid(message, field=f"sections.{section}") from exc


def _only(found: Mapping[str, tuple[Fitted, ...]], section: str) -> Fitted | None:
    return next(iter(found.get(section, ())), None)


def _warn_of_unseen(estimator: object, arms: Sequence[Arm], artifact: Artifact) -> None:
    unseen = getattr(estimator, "unseen", None)
    names: Sequence[str] = unseen(arms) if unseen and arms else ()
    if names:
        _log.warning(
            "%s never saw %s in training: these arms are estimated by the prior. To learn them, %s",
            artifact.folder,
            ", ".join(names),
            artifact.way_out,
        )
