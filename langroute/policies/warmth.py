"""What a decision says of prompt caches: which warm one it keeps, or leaves, and what that is worth."""

from langroute.money import format_dollars
from langroute.records import Step


def warmth_told(step: Step, chosen: str) -> str:
    """What prompt caches meant for a choice, to stand behind its price; empty when no cache is warm.

    Args:
        step: the step, with what the caches are expected to do.
        chosen: name of the chosen arm.
    """
    warm = {seen.arm: seen for seen in step.caches if seen.read_tokens}
    if chosen in warm:
        kept = warm[chosen]
        return f", {kept.read_tokens} input tokens from its warm cache, which saves {format_dollars(kept.saved_nano)}"
    if not warm:
        return ""
    left = max(warm.values(), key=lambda seen: seen.saved_nano)
    return (
        f", leaving {left.arm}'s warm cache of {left.read_tokens} tokens, worth {format_dollars(left.saved_nano)} there"
    )
