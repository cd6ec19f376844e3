"""Train the lab's models: `python -m langroute.lab.train`.

Needs torch (extra `lab-train`), no accelerator. Seeded, with fixed step counts; stopped at any time it goes on from its
last checkpoint when started again. Batches depend on nothing but seed and step, so a resumed run sees the same data.
Two models train at a time, one thread each.
"""

import argparse
import json
import math
import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from langroute.lab.catalog import NEIGHBOURS, SHAPES
from langroute.lab.lessons import ALONE
from langroute.lab.network import Decoder
from langroute.lab.rows import Rows, open_rows
from langroute.lab.vocabulary import vocabulary_hash

ROWS = 32_000
SORTED_TOGETHER = 32
"""Batches whose rows are sorted by length before they are cut, so that little is padded."""
CHECKPOINT_STEPS = 250
WARMUP_STEPS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One stage of a model's training."""

    steps: int
    batch: int
    learning_rate: float
    seed: int
    drills: int = 0
    """Plan drills among the data, besides the full rows."""


RECIPES: dict[str, tuple[Recipe, ...]] = {
    "lab-small": (Recipe(steps=5000, batch=8, learning_rate=5e-3, seed=11),),
    "lab-medium": (Recipe(steps=6000, batch=8, learning_rate=4e-3, seed=12),),
    "lab-large": (
        Recipe(steps=6000, batch=8, learning_rate=3e-3, seed=13),
        Recipe(steps=6000, batch=8, learning_rate=2e-3, seed=14, drills=48_000),
    ),
}
"""The stages of each model; a stage starts from the weights of the one before."""
LANES = (("lab-large",), ("lab-small", "lab-medium"))
"""Models trained beside each other, and in each lane one after the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one step learns from; see `Decoder.forward` for the shapes."""

    tokens: Tensor
    previous: Tensor
    positions: Tensor
    mask: Tensor
    wanted: Tensor
    targets: Tensor
    weights: Tensor


def collate(rows: Rows, indices: Sequence[int]) -> Batch:
    """Pad rows to one length and build the mask that keeps segments apart."""
    picked = [rows[int(index)] for index in indices]
    shape = (len(picked), max(len(row) for row in picked))
    tokens, positions = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    previous = np.zeros((*shape, NEIGHBOURS), np.int64)
    segments, weights = np.full(shape, 255, np.int64), np.zeros(shape, np.float32)
    for place, row in enumerate(picked):
        filled = (place, slice(len(row)))
        tokens[filled], previous[filled], positions[filled] = row.tokens, row.previous, row.positions
        segments[filled], weights[filled] = row.segments, row.weights
    segment, weight = torch.from_numpy(segments), torch.from_numpy(weights)
    asking, asked = segment[:, :, None], segment[:, None, :]
    visible = ((asking == asked) | ((asked == 0) & (asking < ALONE))) & torch.ones(shape[1], shape[1]).tril().bool()
    wanted = functional.pad(weight[:, 1:] > 0, (0, 1))
    return Batch(
        tokens=torch.from_numpy(tokens),
        previous=torch.from_numpy(previous),
        positions=torch.from_numpy(positions),
        mask=torch.zeros(visible.shape).masked_fill_(~visible, -math.inf)[:, None],
        wanted=wanted,
        targets=torch.from_numpy(tokens)[:, 1:][wanted[:, :-1]],
        weights=weight[:, 1:][wanted[:, :-1]],
    )


def epoch_batches(rows: Rows, batch: int, seed: int, epoch: int) -> list[Any]:
    """Return an epoch's batches of row indices: shuffled, with rows of like length together."""
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(len(rows))
    chunk = batch * SORTED_TOGETHER
    batches: list[Any] = []
    for start in range(0, len(order) - chunk + 1, chunk):
        part = order[start : start + chunk]
        part = part[np.argsort(rows.lengths[part], kind="stable")].reshape(SORTED_TOGETHER, batch)
        batches.extend(part[rng.permutation(SORTED_TOGETHER)])
    return batches


def rate_at(step: int, recipe: Recipe) -> float:
    """Return the learning rate of a step: a linear warm-up, then half a cosine down to 2 percent."""
    if step < WARMUP_STEPS:
        return recipe.learning_rate * (step + 1) / WARMUP_STEPS
    done = (step - WARMUP_STEPS) / max(1, recipe.steps - WARMUP_STEPS)
    return recipe.learning_rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))


class Trainer:
    """One stage of one model's training, with its checkpoint file."""

    def __init__(self, name: str, stage: int, rows: Rows, work_dir: Path) -> None:
        recipe = RECIPES[name][stage]
        torch.manual_seed(recipe.seed)
        self.name, self.recipe, self.rows = name, recipe, rows
        self.network = Decoder(SHAPES[name])
        parameters = list(self.network.parameters())
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.01},
            {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98), fused=True)
        self.checkpoint = work_dir / f"{name}.{stage}.pt"
        self.step, self.cpu_seconds, self.loss = 0, 0.0, math.nan

    def start_from(self, earlier: "Trainer") -> None:
        """Take over the weights of the stage before, and go on counting its time."""
        self.network.load_state_dict(earlier.network.state_dict())
        self.cpu_seconds = earlier.cpu_seconds

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one of this very recipe."""
        if not self.checkpoint.exists():
            return
        saved = torch.load(self.checkpoint, weights_only=True)
        if saved["recipe"] != self._recipe_key():
            return
        self.network.load_state_dict(saved["network"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.step, self.cpu_seconds, self.loss = saved["step"], saved["cpu_seconds"], saved["loss"]

    def save(self) -> None:
        """Write the checkpoint, in one move, so that a stop in the middle leaves the last one."""
        state = {
            "recipe": self._recipe_key(),
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "cpu_seconds": self.cpu_seconds,
            "loss": self.loss,
        }
        partial = self.checkpoint.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self.checkpoint)

    def _recipe_key(self) -> str:
        return json.dumps([asdict(self.recipe), asdict(SHAPES[self.name]), self.rows.key])

    def train(self) -> None:
        """Take the steps that are left."""
        per_epoch = len(self.rows) // (self.recipe.batch * SORTED_TOGETHER) * SORTED_TOGETHER
        epoch, batches = -1, []
        clock = time.process_time()
        while self.step < self.recipe.steps:
            if self.step // per_epoch != epoch:
                epoch = self.step // per_epoch
                batches = epoch_batches(self.rows, self.recipe.batch, self.recipe.seed, epoch)
            self._take_step(collate(self.rows, batches[self.step % per_epoch]))
            self.step += 1
            if self.step % CHECKPOINT_STEPS == 0 or self.step == self.recipe.steps:
                self.cpu_seconds += time.process_time() - clock
                clock = time.process_time()
                self.save()
                print(
                    f"{self.checkpoint.stem} step {self.step} loss {self.loss:.4f} cpu {self.cpu_seconds:.0f} s",
                    flush=True,
                )

    def _take_step(self, batch: Batch) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate_at(self.step, self.recipe)
        logits = self.network(batch.tokens, batch.previous, batch.positions, batch.mask, batch.wanted)
        losses = functional.cross_entropy(logits, batch.targets, reduction="none")
        loss = (losses * batch.weights).sum() / batch.weights.sum()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.loss = loss.item() if math.isnan(self.loss) else 0.98 * self.loss + 0.02 * loss.item()

    def export(self, folder: Path) -> None:
        """Write the weights in half precision, and a card that says what they are."""
        arrays = {name: value.half().numpy() for name, value in self.network.state_dict().items()}
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / f"{self.name}.npz", **arrays)
        stages = RECIPES[self.name]
        card = {
            "name": self.name,
            "parameters": SHAPES[self.name].parameters,
            "shape": asdict(SHAPES[self.name]),
            "vocabulary": vocabulary_hash(),
            "steps": sum(stage.steps for stage in stages),
            "seed": stages[0].seed,
            "stages": [asdict(stage) for stage in stages],
            "rows": ROWS,
            "training_cpu_minutes": round(self.cpu_seconds / 60, 1),
            "final_loss": round(self.loss, 4),
            "torch": torch.__version__.split("+")[0],
        }
        (folder / f"{self.name}.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


def train_lane(names: Sequence[str], work_dir: Path, out: Path) -> None:
    """Train models one after the other, on one thread."""
    torch.set_num_threads(1)
    for name in names:
        earlier: Trainer | None = None
        for stage, recipe in enumerate(RECIPES[name]):
            trainer = Trainer(name, stage, open_rows(work_dir, ROWS, recipe.drills), work_dir)
            if earlier is not None:
                trainer.start_from(earlier)
            trainer.resume()
            trainer.train()
            earlier = trainer
        trainer.export(out)


def main(argv: Sequence[str] | None = None) -> None:
    """Train the models asked for, two at a time."""
    parser = argparse.ArgumentParser(description="Train the lab's models; started again, it goes on where it stopped.")
    parser.add_argument("--work-dir", type=Path, default=Path(".lab-train"), help="for data and checkpoints")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "weights", help="where weights are written")
    parser.add_argument("--models", nargs="+", choices=sorted(RECIPES), default=sorted(RECIPES))
    options = parser.parse_args(argv)
    options.work_dir.mkdir(parents=True, exist_ok=True)
    open_rows(options.work_dir, ROWS)
    context = multiprocessing.get_context("spawn")
    lanes = [[name for name in lane if name in options.models] for lane in LANES]
    workers = [context.Process(target=train_lane, args=(lane, options.work_dir, options.out)) for lane in lanes if lane]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise SystemExit("training failed; see above")


if __name__ == "__main__":
    main()
