"""An episode, and one decision of it, as a person reads them: in a terminal, in a pipe, or as JSON."""

from collections.abc import Sequence

from pydantic_core import to_json
from rich.console import Group, RenderableType
from rich.text import Text

from langroute.errors import EpisodeNotFound
from langroute.money import format_dollars
from langroute.observe.layout import Column, Facts, Paragraph, Row, Rows, plain
from langroute.observe.plain import SCHEMA_VERSION, step_event
from langroute.observe.timeline import action_json, measures_of, rows_of
from langroute.observe.totals import Dearest, EpisodeTotals, Metered, totals
from langroute.records import ActionTaken, Arm, BudgetView, EpisodeEnd, Outcome, Pressure, Record, as_dollars

_WIDE = 100

_COLUMNS = (
    Column(title="#", align="right"),
    Column(title="node", most=16),
    Column(title="kind", most=12),
    Column(title="arm", most=16),
    Column(title="cost", align="point"),
    Column(title="expected", align="point", least_width=_WIDE),
    Column(title="tokens", align="right", least_width=_WIDE),
    Column(title="left", align="point"),
    Column(title="pressure", align="right", least_width=_WIDE),
    Column(title="outcome", most=10),
)

_ALTERNATIVES = (
    Column(title="arm", most=16),
    Column(title="success", align="right"),
    Column(title="cost", align="point"),
    Column(title="worst case", align="point"),
    Column(title="utility", align="point"),
    Column(title=""),
)


def explain(
    records: Sequence[Record],
    end: EpisodeEnd | None = None,
    arms: Sequence[Arm] = (),
    actions: Sequence[ActionTaken] = (),
) -> RenderableType:
    """An episode as a table a person understands, fitted to the width it is printed at.

    Each step is one line, with why it was decided so beneath it, and what else happened stands between the steps in the
    order of time; then what the episode came to. The column ``left`` is the budget after the step, reserves and the
    holds of calls under way at its decision taken into account.

    Args:
        records: the records of one episode, in order.
        end: how it ended, when somebody said.
        arms: its pool; with it the cost of the dearest arm alone is worked out from the tokens that were used.
        actions: what happened beside its calls.

    Raises:
        EpisodeNotFound: there are neither records nor actions.
    """
    _need(records, actions)
    sums = totals(records, arms, actions)
    title = Text(f"Episode {plain(sums.episode)}", style="bold")
    said = () if records else (Paragraph(text="No model call was decided in this episode; this happened to it:"), "")
    rows = Rows(columns=_COLUMNS, rows=rows_of(records, actions, row=_row))
    return Group(title, "", *said, rows, "", Facts(pairs=_summary(sums, end)))


def explain_step(record: Record) -> RenderableType:
    """One decision whole: what was known, every alternative with why not, what was left, and what came of it."""
    step, decision = record.step, record.decision
    where = f", node {plain(step.node)}" if step.node else ""
    title = f"Step {step.call_index}, attempt {step.attempt}, of episode {plain(step.episode)}{where}"
    chosen = tuple(
        Row(
            cells=(
                seen.arm,
                f"{seen.success:.3f}",
                format_dollars(seen.cost_nano),
                format_dollars(seen.worst_nano) if seen.worst_nano else "-",
                f"{seen.utility:.4f}",
                "chosen" if seen.arm == decision.arm else "",
            ),
            notes=(f"not chosen: {seen.why_not}",) if seen.why_not else (),
        )
        for seen in decision.alternatives
    )
    table = Rows(columns=_ALTERNATIVES, rows=chosen)
    return Group(
        Text(title, style="bold"), "", Paragraph(text=decision.rationale), "", table, "", Facts(pairs=_facts(record))
    )


def as_json(
    records: Sequence[Record],
    end: EpisodeEnd | None = None,
    arms: Sequence[Arm] = (),
    actions: Sequence[ActionTaken] = (),
) -> str:
    """An episode as one JSON object: ``schema_version``, ``episode``, ``end``, ``totals``, ``attempts``, ``actions``.

    Each attempt has its ``action`` (``call``, ``shadow``, ``stop`` or ``refused``) and all fields of its event in the
    log (see ``events.py``); its ``outcome`` is null when no call was made. Actions are in the order of time. All
    amounts are dollars.

    Raises:
        EpisodeNotFound: there are neither records nor actions.
    """
    _need(records, actions)
    sums = totals(records, arms, actions)
    whole = {
        "schema_version": SCHEMA_VERSION,
        "episode": sums.episode,
        "end": None if end is None else {"at": end.at, "success": end.success, "note": end.note, "source": end.source},
        "totals": _totals_json(sums),
        "attempts": [{"action": record.action, **step_event(record)} for record in records],
        "actions": [action_json(action) for action in sorted(actions, key=lambda action: action.at)],
    }
    return to_json(whole, indent=2, inf_nan_mode="strings").decode()


def _need(records: Sequence[Record], actions: Sequence[ActionTaken]) -> None:
    if not records and not actions:
        raise EpisodeNotFound(
            "the episode has no records: it ended before any call was decided, so there is nothing to explain"
        )


def _row(record: Record) -> Row:
    step, outcome = record.step, record.outcome
    label = _label(record)
    return Row(
        cells=(
            f"{step.call_index}" + (f".{step.attempt}" if step.attempt else ""),
            step.node or "-",
            step.kind,
            record.decision.arm or "-",
            "-" if outcome is None else _cost(outcome),
            format_dollars(record.decision.cost_nano),
            "-" if outcome is None or outcome.usage is None else _tokens(outcome),
            "-" if record.action == "shadow" else _left(step.budget, outcome),
            str(step.pressure.total),
            label,
        ),
        notes=tuple(note for note in (record.decision.rationale, _trouble(record)) if note),
        alarm=label not in ("ok", "shadow"),
    )


def _cost(outcome: Outcome) -> str:
    """What a call cost; a star marks the worst case, a question mark what is not known."""
    known = format_dollars(outcome.cost_nano) if outcome.cost_known else "?"
    return known + ("*" if outcome.worst_case else "")


def _tokens(outcome: Outcome) -> str:
    usage = outcome.usage
    return "-" if usage is None else f"{usage.input_tokens}+{usage.output_tokens}"


def _label(record: Record) -> str:
    outcome = record.outcome
    if outcome is None:
        return {"stop": "stopped", "refused": "refused"}.get(record.action, "unknown")
    if outcome.error:
        return "error"
    if record.action == "shadow":
        return "shadow"
    return "ok" if outcome.accepted else "rejected"


def _trouble(record: Record) -> str:
    """What went wrong and how the episode was doing, in one note; empty when nothing did."""
    told = []
    outcome = record.outcome
    if record.action == "refused":
        told.append("No hold could be taken, so no call was made and nothing was spent.")
    if record.action == "shadow":
        told.append(_shadow(outcome))
    if outcome is not None and outcome.error:
        told.append(f"The call ended in {outcome.error}.")
    if outcome is not None and outcome.defects:
        told.append(f"{'Passed on with' if outcome.accepted else 'Rejected for'} {', '.join(outcome.defects)}.")
    if outcome is not None and outcome.samples > 1:
        told.append(_samples(outcome))
    if record.checks:
        told.append(f"A check of the answer in record {record.checks}.")
    if outcome is not None and outcome.worst_case:
        told.append("*Booked at the worst case: the true usage is not known.")
    if record.step.pressure.total:
        told.append(f"Pressure: {_parts(record.step.pressure)}.")
    return " ".join(told)


def _samples(outcome: Outcome) -> str:
    failed = f", {outcome.failed_samples} of which failed" if outcome.failed_samples else ""
    agreed = "" if outcome.agreement is None else f"; {outcome.agreement:.0%} of the answers agree with the one chosen"
    return f"The best of {outcome.samples} samples{failed}{agreed}."


def _shadow(outcome: Outcome | None) -> str:
    model = "another model" if outcome is None else outcome.arm or outcome.served_by or "an unknown model"
    paid = "an unknown price" if outcome is None or not outcome.cost_known else format_dollars(outcome.cost_nano)
    return f"Shadow: {model} made the call for {paid}; nobody followed this decision, which saw logged state only."


def _parts(pressure: Pressure) -> str:
    parts = {
        "retries": pressure.retries,
        "invalid tool calls": pressure.invalid_tool_calls,
        "tool errors": pressure.tool_errors,
        "repeated calls": pressure.repeated_calls,
        "self-corrections": pressure.self_corrections,
        "schema failures": pressure.schema_failures,
        "empty ends": pressure.empty_ends,
    }
    return ", ".join(f"{name} {count}" for name, count in parts.items() if count) or "none"


def _left(view: BudgetView, outcome: Outcome | None) -> str:
    if view.limit_nano is None:
        return "-"
    cost = 0 if outcome is None else outcome.cost_nano
    return format_dollars(view.limit_nano - view.spent_nano - view.held_nano - cost)


def _summary(sums: EpisodeTotals, end: EpisodeEnd | None) -> tuple[tuple[str, str], ...]:
    counts = {
        "rejected": sums.rejected,
        "failed": sums.failed,
        "refused": sums.refused,
        "stopped": sums.stopped,
        "at worst case (*)": sums.worst_case,
    }
    trouble = "".join(f", {count} {name}" for name, count in counts.items() if count)
    limit = "" if sums.limit_nano is None else f" of {format_dollars(sums.limit_nano)}"
    return (
        ("calls", f"{sums.calls} in {sums.steps} steps{trouble}" if sums.steps else ""),
        ("tokens", f"{sums.input_tokens} in, {sums.output_tokens} out" if sums.steps else ""),
        ("spent", f"{format_dollars(sums.spent_nano)}{limit}{_made_of(sums)}" if sums.steps or sums.spent_nano else ""),
        ("tightest", sums.tightest),
        ("metered", "" if sums.metered is None else _metered(sums.metered)),
        ("dearest", "" if sums.dearest is None else _dearest(sums.dearest)),
        ("ended", _ended(end)),
    )


def _made_of(sums: EpisodeTotals) -> str:
    expected = f"expected {format_dollars(sums.estimated_nano)}"
    if not sums.charged_nano:
        return f" ({expected})" if sums.calls else ""
    calls = f"{format_dollars(sums.cost_nano)} for calls, {expected}, and " if sums.calls else ""
    return f" ({calls}{format_dollars(sums.charged_nano)} charged)"


def _dearest(dearest: Dearest) -> str:
    named = f" ({dearest.arm})" if dearest.arm else ""
    saved = f", so {1 - dearest.against_nano / dearest.nano:.0%} saved" if dearest.nano > dearest.against_nano else ""
    return f"{format_dollars(dearest.nano)} with the dearest arm alone{named}{saved}; {dearest.basis}"


def _metered(metered: Metered) -> str:
    unknown = f", {metered.unknown} of them at an unknown price" if metered.unknown else ""
    told = (
        f"{metered.calls} not routed{unknown}: {format_dollars(metered.paid_nano)} paid; the arms that would have been "
    )
    if metered.would_nano is not None:
        return f"{told}chosen would have cost {format_dollars(metered.would_nano)} with the same tokens"
    return f"{told}chosen were expected to cost {format_dollars(metered.expected_nano)}"


def _ended(end: EpisodeEnd | None) -> str:
    if end is None or end.success is None:
        said = "nobody said how"
    else:
        said = {1.0: "success", 0.0: "failure"}.get(float(end.success), f"success {end.success:.2f}")
    return f"{said}: {end.note}" if end is not None and end.note else said


def _facts(record: Record) -> tuple[tuple[str, str], ...]:
    step, decision = record.step, record.decision
    return (
        ("kind", step.kind + (f" ({step.kind_reason})" if step.kind_reason else "")),
        ("purpose", step.purpose),
        ("policy", f"{decision.policy} {decision.policy_version}, propensity {decision.propensity:g}"),
        ("estimates", plain(record.estimator)),
        (
            "lambda",
            f"{decision.price_of_dollar:.6g} success per dollar: {record.ruling.reason or 'no reason recorded'}",
        ),
        ("pressure", f"{step.pressure.total} ({_parts(step.pressure)})"),
        ("rejected", "; ".join(f"{tried.arm}: {tried.reason}" for tried in step.rejected)),
        ("measures", " ".join(measures_of(record))),
        ("call", f"about {step.input_tokens} tokens in" + _at_most(decision.output_limit)),
        ("budget", _budget(step.budget)),
        ("outcome", _outcome(record)),
        ("swapped", "; ".join(record.outcome.swapped) if record.outcome is not None else ""),
    )


def _at_most(output_limit: int) -> str:
    return f", at most {output_limit} out" if output_limit else ""


def _budget(view: BudgetView) -> str:
    if view.limit_nano is None:
        return f"{view.scope}, dollars unlimited, {format_dollars(view.spent_nano)} spent"
    kept = "".join(f", {format_dollars(nano)} kept for {purpose}" for purpose, nano in view.reserves)
    return (
        f"{view.scope}, {format_dollars(view.available_nano or 0)} for this step of {format_dollars(view.limit_nano)}: "
        f"{format_dollars(view.spent_nano)} spent, {format_dollars(view.held_nano)} held{kept}"
    )


def _outcome(record: Record) -> str:
    outcome = record.outcome
    if outcome is None:
        return _label(record)
    sure = "" if outcome.confidence is None else f", confidence {outcome.confidence:.3f}"
    word = "paid" if record.action == "shadow" else "booked"
    booked = f"{_cost(outcome)} {word}, {format_dollars(record.decision.cost_nano)} expected"
    told = _trouble(record)
    return f"{_label(record)}, {booked}, {_tokens(outcome)} tokens, {outcome.latency_ms:.0f} ms{sure}" + (
        f". {told}" if told else ""
    )


def _totals_json(sums: EpisodeTotals) -> dict[str, object]:
    dearest = sums.dearest
    return {
        "steps": sums.steps,
        "calls": sums.calls,
        "rejected": sums.rejected,
        "failed": sums.failed,
        "stopped": sums.stopped,
        "refused": sums.refused,
        "worst_case": sums.worst_case,
        "cost_usd": as_dollars(sums.cost_nano),
        "charged_usd": as_dollars(sums.charged_nano),
        "spent_usd": as_dollars(sums.spent_nano),
        "estimated_cost_usd": as_dollars(sums.estimated_nano),
        "input_tokens": sums.input_tokens,
        "output_tokens": sums.output_tokens,
        "limit_usd": as_dollars(sums.limit_nano),
        "tightest": sums.tightest,
        "dearest": None
        if dearest is None
        else {
            "arm": dearest.arm,
            "cost_usd": as_dollars(dearest.nano),
            "against_usd": as_dollars(dearest.against_nano),
            "basis": dearest.basis,
        },
        "metered": None if sums.metered is None else _metered_json(sums.metered),
    }


def _metered_json(metered: Metered) -> dict[str, object]:
    return {
        "calls": metered.calls,
        "paid_usd": as_dollars(metered.paid_nano),
        "expected_usd": as_dollars(metered.expected_nano),
        "would_usd": as_dollars(metered.would_nano),
        "unknown": metered.unknown,
    }
