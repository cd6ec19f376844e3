"""NodeAttempts: what middleware outside routing has tried before in the same run of a node."""

from collections import OrderedDict

from langroute.errors import ConfigError

_MOST_REMEMBERED = 1_000


class NodeAttempts:
    """Counts failed attempts of one run of a model node, and sees when another model is demanded after a failure.

    A retrying middleware outside routing calls it again after a failure; so does a falling back one, with a model of
    its own, which routing would replace by its choice once more.
    """

    def __init__(self) -> None:
        self._failed: OrderedDict[str, tuple[object, int]] = OrderedDict()

    def before(self, run: str, model: object) -> int:
        """Failed attempts so far in this run of a node.

        Args:
            run: what names the run of the node; empty where there is none.
            model: the model of the request.

        Raises:
            ConfigError: another model than that of the failed attempt is demanded.
        """
        first, failures = self._failed.get(run, (model, 0))
        if first is not model:
            raise ConfigError(
                "a middleware before RoutingMiddleware falls back to a model of its own, which the router would "
                "replace by its choice; leave ModelFallbackMiddleware out and put its models into the pool: the router "
                "goes to the next arm by itself, with a hold for each call",
                field="middleware",
            )
        return failures

    def failed(self, run: str, model: object) -> None:
        """Note a failed attempt."""
        if run:
            self._failed[run] = (model, self._failed.get(run, (model, 0))[1] + 1)
            while len(self._failed) > _MOST_REMEMBERED:
                self._failed.popitem(last=False)

    def ended(self, run: str) -> None:
        """Forget a run of a node: it has its answer, or will begin anew."""
        if self._failed:
            self._failed.pop(run, None)
