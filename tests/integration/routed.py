"""What the integration tests share: a two-arm pool of scripted models and a router over it."""

from collections.abc import Sequence
from typing import Any

from langroute import Budget, ModelPool, Price, RoutedChatModel, StepRouter
from langroute.testing import ScriptedModel

SMALL = Price(input_per_million=0.05, output_per_million=0.40)
LARGE = Price(input_per_million=1.25, output_per_million=10.0)


class House:
    """A routed chat model with everything around it within reach."""

    def __init__(self, *, small: Any = None, large: Any = None, **options: Any) -> None:
        self.small = ScriptedModel(small or (lambda messages, kwargs: "small"), model_name="s-1")
        self.large = ScriptedModel(large or (lambda messages, kwargs: "large"), model_name="l-1")
        self.pool = ModelPool({"small": self.small, "large": self.large}, prices={"small": SMALL, "large": LARGE})
        self.router = StepRouter(self.pool, **{"budget": Budget(total_dollars=1.0), **options})
        self.llm = RoutedChatModel(self.router)

    def arms(self, episode: str) -> list[str | None]:
        """The arms that made the calls of an episode, in order."""
        return [record.decision.arm for record in self.records(episode)]

    def records(self, episode: str) -> Sequence[Any]:
        """The stored records of an episode."""
        self.router.flush()
        return self.router.journal.records(episode)

    def only_episode(self) -> str:
        """The id of the one episode there is."""
        self.router.flush()
        (episode,) = self.router.journal.episodes()
        return episode
