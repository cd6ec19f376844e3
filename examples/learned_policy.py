"""From an agent's own episodes to a policy that routes them; offline, on the lab's tiny models.

It runs an agent while exploring, exports the journal as a table, learns from it, and lets what was learned route fresh
tasks for a target of quality. Needs the extra ``learn``. Run it: ``python examples/learned_policy.py``
"""

import tempfile
from pathlib import Path

from langroute import Budget, StepRouter
from langroute.errors import ConfigError
from langroute.journal.store import open_journal
from langroute.lab.collect import fresh_tasks
from langroute.lab.demo import CONFIG, lab_pool, run_policy
from langroute.learning.export import export_journal
from langroute.learning.learners import learner
from langroute.learning.tables import train_table
from langroute.policies.exploring import ExploringPolicy

EPISODES = 100
BUDGET = Budget(total_dollars=0.01)


def explore(store: str) -> None:
    """Run an agent whose steps are drawn evenly from the permitted arms; each task says in the end how it went."""
    with StepRouter(lab_pool(), policy=ExploringPolicy(share=1.0), budget=BUDGET, store=store, config=CONFIG) as router:
        runs = run_policy("explored", fresh_tasks(EPISODES), router, run_id="mine", workers=1)
    print(f"explored  {runs.success:4.0%} right, ${runs.dollars_per_task:.5f} a task")


def learn(store: str, folder: Path) -> Path:
    """The journal as a table, and what is learned of it as a folder of plain data."""
    table = folder / "steps.jsonl"
    journal = open_journal(store)
    export_journal(journal, table)
    journal.close()
    trained = train_table(table, learner("boosted"), folds=3)
    loss = trained.metrics["log_loss"]
    print(f"log loss out of fold: {loss['value']:.3f} learned, {loss['arm_mean']:.3f} by each arm's mean")
    return trained.save(folder / "policy")


def route(name: str, router: StepRouter) -> None:
    """Fresh tasks by one policy, and why its first call was made as it was."""
    with router:
        runs = run_policy(name, fresh_tasks(15, first_seed=43_000_000), router, run_id=name, workers=1)
        record = router.journal.records(runs.runs[0].episode)[0]
    print(f"{name:9} {runs.success:4.0%} right, ${runs.dollars_per_task:.5f} a task")
    print(f"          {record.decision.rationale}")


def main(store: str, folder: Path) -> None:
    """Explore, learn, and route; where too little was learned for a target, say so and stay with the default policy."""
    explore(store)
    policy = learn(store, folder)
    try:
        learned = StepRouter(lab_pool(), policy=str(policy), quality_target=0.97, budget=BUDGET, config=CONFIG)
    except ConfigError as error:
        print(error)
        learned = StepRouter(lab_pool(), budget=BUDGET, config=CONFIG)
    route("learned", learned)
    route("large", StepRouter(lab_pool(), policy="always-large", budget=BUDGET, config=CONFIG))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        main(f"sqlite:///{place}/runs.db", Path(place))
