"""What the lab's ladder shows: `langroute lab measure`.

Everything here comes from running the agent with the real models on tasks that training never saw.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean

from langroute.lab.agent import StepName
from langroute.lab.engine import MODEL_NAMES, LabModel, Rates
from langroute.lab.intervals import Interval, normal_interval, wilson
from langroute.lab.probes import StepScore, score_steps
from langroute.lab.runner import Call, Chooser, Run, always, by_step, run_tasks
from langroute.lab.world import sample_task

FRESH_SEED = 1_000_000_000
"""Tasks measured start at this seed; training takes its own from 0 upwards."""
SMALL, MEDIUM, LARGE = MODEL_NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyScore:
    """How a way of choosing models did: success, dollars a task, and the same with cached prompt prefixes."""

    success: Interval
    dollars: Interval
    dollars_cached: Interval
    calls: float
    retries: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Everything measured.

    Attributes:
        tasks: how many tasks.
        seed: the first task's seed.
        policies: the models alone, then fixed routings, by name.
        steps: model -> step -> how it does when what came before is right.
        shares: share of tasks that are Easy (the small model succeeds), Hard (only the large one does), Intractable
            (neither does).
        parameters: model -> size.
        rates: model -> dollars per million tokens.
    """

    tasks: int
    seed: int
    policies: dict[str, PolicyScore]
    steps: dict[str, dict[str, StepScore]]
    shares: dict[str, float]
    parameters: dict[str, int]
    rates: dict[str, Rates]


def fixed_routings() -> dict[str, Chooser]:
    """Return the ways of choosing models that are compared."""

    def routed(plan: str, work: str, check: str, report: str, retry: str | None = LARGE) -> Chooser:
        names: dict[StepName, str] = {"plan": plan, "work": work, "check": check, "report": report}
        return by_step(names, on_retry=retry)

    return {
        **{f"always {name}": always(name) for name in MODEL_NAMES},
        "large plans, small does the rest, large retries": routed(LARGE, SMALL, SMALL, SMALL),
        "large plans, small works, medium checks, large retries": routed(LARGE, SMALL, MEDIUM, SMALL),
        "large plans, small works without large retries": routed(LARGE, SMALL, SMALL, SMALL, None),
        "large plans and works, small the rest": routed(LARGE, LARGE, SMALL, SMALL),
        "small plans, large does the rest": routed(SMALL, LARGE, LARGE, LARGE),
    }


def measure(tasks: int = 2000, seed: int = FRESH_SEED) -> Measurement:
    """Run every routing over the same fresh tasks.

    Args:
        tasks: how many; 2,000 take a couple of minutes on one core.
        seed: the first task's seed.

    Raises:
        ValueError: if `tasks` is less than 2.
    """
    if tasks < 2:
        raise ValueError(f"measuring needs at least 2 tasks, not {tasks}")
    models = {name: LabModel.load(name) for name in MODEL_NAMES}
    drawn = [sample_task(seed + index) for index in range(tasks)]
    runs = {name: run_tasks(drawn, models, choose) for name, choose in fixed_routings().items()}
    small, large = ([run.success for run in runs[f"always {name}"]] for name in (SMALL, LARGE))
    pairs = list(zip(small, large, strict=True))
    return Measurement(
        tasks=tasks,
        seed=seed,
        policies={name: score_policy(done, models) for name, done in runs.items()},
        steps={name: score_steps(model, drawn) for name, model in models.items()},
        shares={
            "easy": fmean(s for s, _ in pairs),
            "hard": fmean(large and not s for s, large in pairs),
            "intractable": fmean(not s and not large for s, large in pairs),
        },
        parameters={name: model.parameters for name, model in models.items()},
        rates={name: model.rates for name, model in models.items()},
    )


def call_dollars(call: Call, rates: Rates, *, cached: bool = False) -> float:
    """Return what a call costs; with `cached`, prompt tokens shared with an earlier call of the episode cost less."""
    kept = call.cached_tokens if cached else 0
    return (
        (call.input_tokens - kept) * rates.input_per_million
        + kept * rates.cached_input_per_million
        + call.output_tokens * rates.output_per_million
    ) / 1e6


def score_policy(runs: Sequence[Run], models: Mapping[str, LabModel]) -> PolicyScore:
    """Return the success and the dollars of finished runs."""
    rates = {name: model.rates for name, model in models.items()}

    def dollars(run: Run, *, cached: bool) -> float:
        return sum(call_dollars(call, rates[call.model], cached=cached) for call in run.calls)

    return PolicyScore(
        success=wilson(sum(run.success for run in runs), len(runs)),
        dollars=normal_interval([dollars(run, cached=False) for run in runs]),
        dollars_cached=normal_interval([dollars(run, cached=True) for run in runs]),
        calls=fmean(len(run.calls) for run in runs),
        retries=fmean(run.retries for run in runs),
    )


def run(tasks: int = 2000, seed: int = FRESH_SEED, as_json: bool = False) -> None:
    """Measure and print: tables for people, or one JSON object."""
    measured = measure(tasks, seed)
    if as_json:
        print(json.dumps(asdict(measured), indent=2))
        return
    from langroute.lab.measure_tables import print_tables  # noqa: PLC0415 - rich is only needed to print

    print_tables(measured)
