"""What a pool can do as a whole, in the form in which LangChain's models say what they can do."""

from typing import Any

from langroute.pool import ModelPool


def shared_profile(pool: ModelPool) -> Any:
    """What all models of the pool can do: the least of each limit, and only what each of them supports."""
    profiles = [getattr(pool.model(arm.name), "profile", None) for arm in pool.arms]
    known = [profile for profile in profiles if profile]
    if not known or len(known) < len(profiles):
        return None
    shared: dict[str, Any] = {}
    for key in set.intersection(*(set(profile) for profile in known)):
        values = [profile[key] for profile in known]
        if all(isinstance(value, bool) for value in values):
            shared[key] = all(values)
        elif all(isinstance(value, int) and not isinstance(value, bool) for value in values):
            shared[key] = min(values)
        elif all(value == values[0] for value in values):
            shared[key] = values[0]
    return shared
