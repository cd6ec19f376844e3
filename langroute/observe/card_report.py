"""The trace card as a person reads it."""

from rich.console import Group, RenderableType
from rich.text import Text

from langroute.money import format_dollars
from langroute.observe.card import TraceCard, TroubledStep
from langroute.observe.layout import Column, Facts, Row, Rows, plain

_SPANS = (
    Column(title="dearest in", most=30),
    Column(title="arm", most=20),
    Column(title="calls", align="right"),
    Column(title="cost", align="point"),
    Column(title="share", align="right"),
)


def explain_card(card: TraceCard) -> RenderableType:
    """A card fitted to the width it is printed at: where the money went, then what the episode came to."""
    rows = tuple(
        Row(
            cells=(
                span.node or "-",
                span.arm,
                str(span.calls),
                format_dollars(span.nano),
                f"{span.nano / card.total_nano:.0%}" if card.total_nano else "-",
            )
        )
        for span in card.top_cost_spans
    )
    spans = (Rows(columns=_SPANS, rows=rows), "") if rows else ()
    return Group(Text(f"Card of episode {plain(card.task_id)}", style="bold"), "", *spans, Facts(pairs=_facts(card)))


def _facts(card: TraceCard) -> tuple[tuple[str, str], ...]:
    tokens = card.total_tokens
    cached = f" ({tokens.cache_read} from caches, {tokens.cache_write} written to them)"
    charged = "" if card.tool_call_count is None else f"{card.tool_call_count} charged"
    return (
        ("arms", ", ".join(card.models)),
        ("cost", format_dollars(card.total_nano)),
        (
            "tokens",
            f"{tokens.input} in{cached if tokens.cache_read or tokens.cache_write else ''}, {tokens.output} out",
        ),
        ("calls", str(card.llm_call_count)),
        ("tools", charged),
        ("redundant", f"{card.redundant_tool_calls} tool calls made again" if card.redundant_tool_calls else ""),
        ("agents", ", ".join(card.sub_agents)),
        ("trouble", "; ".join(_trouble(each) for each in card.failed_or_repaired_steps)),
        ("success", "unknown" if card.success is None else f"{card.success:g}"),
    )


def _trouble(each: TroubledStep) -> str:
    where = f" ({each.node})" if each.node else ""
    tried = f" by {' > '.join(each.arms)}" if any(arm != "-" for arm in each.arms) else ""
    return f"step {each.step}{where} {each.ending}{tried}: {', '.join(each.trouble)}"
