"""How many input tokens a call can be billed, and how many it probably will be.

The bound rests on byte-level tokenizers (BPE over bytes, or SentencePiece with byte fallback, as every large provider
uses): a token stands for at least one UTF-8 byte of what is sent. What a provider adds itself is covered by generous
constants, so the bound holds as long as

- a chat template adds at most ``MESSAGE_TOKENS`` per message and ``BASE_TOKENS`` per request,
- wrapping a tool call adds at most ``CALL_TOKENS``, and offering tools or a schema at most ``TOOLS_TOKENS`` beside
  their own text (``tools_bytes`` of JSON),
- an image is billed at most ``media_tokens``, and audio, video and files with inline data at most that plus one token
  per byte of the base64 text. A file named by URL or id may hold anything: no bound is promised for it,
- reasoning that a provider bills again without it being in the messages is at most what it reported,
- the tokenizer's Unicode normalisation does not lengthen the text, and nothing is retrieved or stored at the provider
  that the messages do not show.
"""

from langroute.steps.pressure import Reading

BASE_TOKENS = 64
MESSAGE_TOKENS = 16
CALL_TOKENS = 64
TOOLS_TOKENS = 1024
MEDIA_TOKENS = 50_000
"""The most that a known provider bills for one image: gpt-4o-mini, eight high-detail tiles, 48,169 tokens."""
_TYPICAL_MEDIA_TOKENS = 1_000
_BYTES_PER_TOKEN = 4


def bound_input_tokens(
    reading: Reading,
    *,
    tools_bytes: int = 0,
    messages_count: int = 0,
    media_tokens: int = MEDIA_TOKENS,
    reported_model: str | None = None,
) -> int:
    """Most input tokens a call on this conversation can be billed, under the assumptions of this module.

    Args:
        reading: the conversation.
        tools_bytes: UTF-8 bytes of the JSON of all bound tools and schemas.
        messages_count: messages that are really sent, where a door adds some; at least ``reading.messages`` are taken.
        media_tokens: most tokens a media block is billed by the models in question.
        reported_model: a model whose own last reported input may stand for the messages it has seen. Give it only when
            the call goes to that very model and the answer came from a call on exactly the messages before it; then
            only what came after is bounded by bytes, and the smaller of both bounds is returned. Without it the bound
            holds for every tokenizer alike.
    """
    added = max(0, messages_count - reading.messages)
    own = BASE_TOKENS + added * MESSAGE_TOKENS + (tools_bytes + TOOLS_TOKENS if tools_bytes else 0)
    by_bytes = (
        reading.total_bytes
        + reading.messages * MESSAGE_TOKENS
        + reading.tool_calls * CALL_TOKENS
        + reading.media * media_tokens
        + reading.reasoning_tokens
        + own
    )
    last = reading.last_usage
    if last is None or not last.anchored or not reported_model or last.model != reported_model:
        return by_bytes
    by_report = (
        last.input_tokens
        + last.output_tokens  # covers reasoning that is billed again; the answer itself is bounded by its bytes
        + last.answer_bytes
        + last.bytes_after
        + (1 + last.messages_after) * MESSAGE_TOKENS
        + last.calls_after * CALL_TOKENS
        + last.media_after * media_tokens
        + own
    )
    return min(by_bytes, by_report)


def expected_input_tokens(reading: Reading, *, tools_bytes: int = 0) -> int:
    """Input tokens a call on this conversation probably has: as last reported plus a quarter of the new bytes.

    Where no report can be trusted to have counted all earlier messages, a quarter of all bytes. An estimate for costs
    to be compared by; never a bound.
    """
    last = reading.last_usage
    if last is not None and last.anchored:
        known = last.input_tokens + last.output_tokens
        return known + last.bytes_after // _BYTES_PER_TOKEN + last.media_after * _TYPICAL_MEDIA_TOKENS
    texts = (reading.total_bytes + tools_bytes) // _BYTES_PER_TOKEN
    return texts + reading.messages * 4 + reading.media * _TYPICAL_MEDIA_TOKENS + 3
