"""The scores that can be stored, by name."""

from collections.abc import Mapping
from types import MappingProxyType

from langroute.acceptance.agreement import Agreement
from langroute.acceptance.combined import CombinedScore
from langroute.acceptance.confidence import TokenCertainty
from langroute.acceptance.entropy import AnswerEntropy
from langroute.acceptance.signals import Score

SCORES: Mapping[str, type[Score]] = MappingProxyType(
    {one.name: one for one in (TokenCertainty, AnswerEntropy, Agreement, CombinedScore)}
)
"""Each score's class by its name in an artifact."""
