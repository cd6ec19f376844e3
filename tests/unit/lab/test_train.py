"""Training: packing is only packing, data repeats itself, and a stopped run goes on where it was."""

from pathlib import Path

import numpy as np
import pytest

from langroute.lab.catalog import MODEL_NAMES, NEIGHBOURS, SHAPES
from langroute.lab.engine import LabModel
from langroute.lab.lessons import ALONE, draw_drill, draw_row
from langroute.lab.rows import open_rows
from langroute.lab.vocabulary import PAD

torch = pytest.importorskip("torch", reason="torch comes with the extra lab-train")

from langroute.lab import train  # noqa: E402 - needs torch
from langroute.lab.network import Decoder  # noqa: E402 - needs torch


def test_rows_on_disk_are_the_rows_drawn(tmp_path: Path) -> None:
    """Rows read back are those of their seeds, full rows first and drills after them, and are drawn only once."""
    rows = open_rows(tmp_path, 5, drills=3)
    assert len(rows) == 8
    for index in range(8):
        drawn = draw_row(index) if index < 5 else draw_drill(index)
        assert np.array_equal(rows[index].tokens, drawn.tokens)
        assert np.array_equal(rows[index].weights, drawn.weights)
    assert len(list(tmp_path.iterdir())) == 1
    assert open_rows(tmp_path, 5, drills=3).key == rows.key
    assert len(list(tmp_path.iterdir())) == 1


def test_packed_segments_are_the_prompts_themselves(tmp_path: Path) -> None:
    """Each step packed behind a problem gets the logits it would get as a prompt of its own."""
    torch.manual_seed(1)
    network = Decoder(SHAPES["lab-small"])
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    rows = open_rows(tmp_path, 6)
    batch = train.collate(rows, range(6))
    everywhere = torch.ones_like(batch.tokens, dtype=torch.bool)
    with torch.no_grad():
        packed = network(batch.tokens, batch.previous, batch.positions, batch.mask, everywhere)
    packed = packed.view(*batch.tokens.shape, -1)
    for place in range(6):
        row = rows[place]
        problem = row.tokens[row.segments == 0]
        for segment in sorted(set(row.segments.tolist()) - {0}):
            own = row.segments == segment
            prompt = [*(problem if segment < ALONE else ()), *row.tokens[own]]
            alone = _logits(network, [int(token) for token in prompt])[-int(own.sum()) :]
            assert torch.allclose(packed[place, : len(row)][torch.from_numpy(own)], alone, atol=1e-4)


def _logits(network: Decoder, tokens: list[int]):
    padded = [PAD] * NEIGHBOURS + tokens
    previous = [[padded[i + NEIGHBOURS - back] for back in range(1, NEIGHBOURS + 1)] for i in range(len(tokens))]
    mask = torch.full((len(tokens), len(tokens)), float("-inf")).triu(1)[None, None]
    wanted = torch.ones(1, len(tokens), dtype=torch.bool)
    with torch.no_grad():
        return network(torch.tensor([tokens]), torch.tensor([previous]), torch.arange(len(tokens))[None], mask, wanted)


def test_a_stopped_run_ends_like_one_that_went_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopping after a checkpoint and starting again gives the very weights of an undisturbed run."""
    recipe = train.Recipe(steps=6, batch=1, learning_rate=1e-3, seed=3)
    monkeypatch.setitem(train.RECIPES, "lab-small", (recipe,))
    monkeypatch.setattr(train, "CHECKPOINT_STEPS", 2)
    rows = open_rows(tmp_path, train.SORTED_TOGETHER * 2)
    through, stopped = (tmp_path / name for name in ("through", "stopped"))
    for folder in (through, stopped):
        folder.mkdir()
    whole = train.Trainer("lab-small", 0, rows, through)
    whole.train()
    first = train.Trainer("lab-small", 0, rows, stopped)
    steps = iter(range(3))

    def stop_in_time(batch: train.Batch) -> None:
        if next(steps, None) is None:
            raise KeyboardInterrupt
        train.Trainer._take_step(first, batch)

    monkeypatch.setattr(first, "_take_step", stop_in_time)
    with pytest.raises(KeyboardInterrupt):
        first.train()
    second = train.Trainer("lab-small", 0, rows, stopped)
    second.resume()
    assert second.step == 2
    second.train()
    for ours, theirs in zip(whole.network.parameters(), second.network.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_training_takes_under_an_hour() -> None:
    """The cards fit the recipes, and their measured minutes add up to less than an hour on one core, let alone two."""
    cards = {name: LabModel.load(name).card for name in MODEL_NAMES}
    assert {name: card["steps"] for name, card in cards.items()} == {
        name: sum(stage.steps for stage in stages) for name, stages in train.RECIPES.items()
    }
    assert sum(card["training_cpu_minutes"] for card in cards.values()) < 60
