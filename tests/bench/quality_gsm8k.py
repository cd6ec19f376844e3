"""RouteLLM's GSM8K outcomes: which word problems are worth the strong arm."""

from pathlib import Path

import quality_text
from quality_row import Row

PUBLISHED = {"best": 0.622}


def _folder(data: Path) -> Path:
    return data / "routellm_gsm8k"


ROWS = (
    Row(
        name="gsm8k",
        reach=0.66,
        higher=True,
        measure=lambda data: quality_text.measure(_folder(data), by_group=False, published=PUBLISHED),
        fit=lambda data, folder: quality_text.fit(_folder(data), folder, by_group=False),
        score=lambda folder, data: quality_text.score(folder, _folder(data)),
    ),
)
