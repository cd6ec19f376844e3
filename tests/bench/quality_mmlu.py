"""RouteLLM's MMLU outcomes: which questions are worth the strong arm, with subjects known and with subjects unseen."""

from pathlib import Path

import quality_text
from quality_row import Row

PUBLISHED = {"best": 0.603, "cpt50": 0.354, "cpt80": 0.716}


def _folder(data: Path) -> Path:
    return data / "routellm_mmlu"


def _row(name: str, reach: float, *, by_group: bool) -> Row:
    return Row(
        name=name,
        reach=reach,
        higher=True,
        measure=lambda data: quality_text.measure(_folder(data), by_group=by_group, published=PUBLISHED),
        fit=lambda data, folder: quality_text.fit(_folder(data), folder, by_group=by_group),
        score=lambda folder, data: quality_text.score(folder, _folder(data)),
    )


ROWS = (_row("mmlu_known", 0.66, by_group=False), _row("mmlu_unseen", 0.60, by_group=True))
