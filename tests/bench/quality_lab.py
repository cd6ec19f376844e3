"""The row ``lab``: a policy learned from the lab's own episodes, run live beside always-large on 2,000 paired tasks.

Nothing is read from the data folder: tasks are drawn. Training, the choice of the price of a dollar, and the tasks that
are scored have seeds of their own. Calls go through ``ChatOpenAI`` over loopback to the lab's server, one for each
policy, as in ``langroute demo``; dollars are what its meter bills, prompt cache included.

``LANGROUTE_LAB_TASKS`` and ``LANGROUTE_LAB_SEED`` score other tasks: how many, and from which seed on.
"""

import os
import tempfile
from pathlib import Path

from quality_row import Reached, Row

from langroute.errors import LangrouteError
from langroute.estimators.artifact import read_artifact
from langroute.lab.collect import collect, fresh_tasks
from langroute.lab.demo import FIRST_SEED, lab_pool
from langroute.lab.demo_result import PolicyResult
from langroute.lab.learned import CALIBRATE_SEED, LAB_BUDGET, learn, live, try_prices, versus
from langroute.lab.remembering import RememberingEngine
from langroute.lab.service import LabService
from langroute.lab.serving import metered_nano, served
from langroute.lab.world import Task
from langroute.pool import ModelPool
from langroute.prices_of_targets import PriceTable

COLLECT, CALIBRATE = 3000, 1500
TASKS = int(os.environ.get("LANGROUTE_LAB_TASKS", "2000"))
SEED = int(os.environ.get("LANGROUTE_LAB_SEED", str(FIRST_SEED)))
LEAST_QUALITY = 0.973


def fit(_: Path, folder: Path) -> None:
    """Collect under exploration, learn, choose the price of a dollar on other tasks, and store the policy."""
    engine = RememberingEngine()

    def pool() -> ModelPool:
        return lab_pool(service=LabService(engine=engine))

    learned = learn(collect(fresh_tasks(COLLECT), pool=pool()).columns)
    learned.save(folder)
    priced = try_prices(folder, fresh_tasks(CALIBRATE, first_seed=CALIBRATE_SEED), pool)
    learned.save(folder, targets=priced.table)


def score(folder: Path, _: Path) -> Reached:
    """The stored policy live, beside the prior and the arms alone."""
    tasks = fresh_tasks(TASKS, first_seed=SEED)
    table = _prices(folder)
    price = max((point.price_of_dollar for point in table.points if point.certified), default=None)
    runs = {name: _served(name, tasks, policy=name) for name in ("always-large", "always-small", "prior")}
    runs["learned"] = _served(
        "learned", tasks, policy=str(folder), price=table.points[0].price_of_dollar if price is None else price
    )
    strong = runs["always-large"]
    against = {name: versus(run, strong) for name, run in runs.items() if run is not strong}
    ours = against["learned"]
    enough = ours.quality >= LEAST_QUALITY
    return Reached(
        reached=ours.saving if enough else 0.0,
        low=ours.saving_low if enough else 0.0,
        high=ours.saving_high,
        baselines={name: found.saving for name, found in against.items() if name != "learned"},
        extra={
            "tasks": TASKS,
            "first_seed": SEED,
            "price_of_dollar": price,
            "certificate": table.certificate,
            "quality": {
                name: (found.quality, found.quality_low, found.quality_high) for name, found in against.items()
            },
            "success": {name: run.success for name, run in runs.items()},
            "dollars_per_task": {name: run.dollars_per_task for name, run in runs.items()},
            "overspent": sum(run.overspent for run in runs["learned"].runs),
        },
    )


def measure(data: Path) -> Reached:
    """Fit and score; their tasks differ by their seeds."""
    with tempfile.TemporaryDirectory() as folder:
        fit(data, Path(folder))
        return score(Path(folder), data)


def _served(name: str, tasks: list[Task], *, policy: str, price: float | None = None) -> PolicyResult:
    """Live over loopback, by a server of its own, whose meter must agree with the books."""
    budget = None if name.startswith("always-") else LAB_BUDGET
    with served() as base_url:
        found = live(name, tasks, lab_pool(base_url), policy=policy, price_of_dollar=price, budget=budget, workers=2)
        metered = metered_nano(base_url)
    if metered != found.nano_usd:
        raise LangrouteError(f"{name} was billed {metered} nano-dollars, and its books say {found.nano_usd}")
    return found


def _prices(folder: Path) -> PriceTable:
    (piece,) = read_artifact(folder).sections["targets"]
    return PriceTable.from_parts(piece.parts)


ROWS = (Row(name="lab", reach=0.72, higher=True, measure=measure, fit=fit, score=score),)
