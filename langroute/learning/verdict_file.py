"""How things went, from a file beside the traces: JSON Lines that name an episode, or a step of it, and its success."""

from dataclasses import dataclass, field
from pathlib import Path

from langroute.errors import OutcomesInvalid
from langroute.journal.verdicts import Verdict
from langroute.learning.json_lines import read_lines


@dataclass(slots=True, kw_only=True)
class Verdicts:
    """What is known of the success of episodes and steps, from a file beside the traces.

    Attributes:
        episodes: by id.
        steps: by id and call index.
    """

    episodes: dict[str, Verdict] = field(default_factory=dict)
    steps: dict[tuple[str, int], Verdict] = field(default_factory=dict)

    @classmethod
    def read(cls, path: str | Path) -> "Verdicts":
        """The verdicts of a JSON Lines file: ``episode``, ``success`` and perhaps ``step`` and ``source`` a line.

        Raises:
            ConfigError: the file cannot be read, or a success or source is none; a later line on the same wins.
            OutcomesInvalid: a line is no JSON object, or says of nothing how it went.
        """
        found = cls()
        for number, line in enumerate(read_lines(Path(path)), start=1):
            if not isinstance(line.get("episode"), str) or not isinstance(line.get("success"), int | float):
                raise OutcomesInvalid(f"{path}, object {number}: needs an episode and its success as a number")
            verdict = Verdict(success=float(line["success"]), source=line.get("source", "human"))
            if line.get("step") is None:
                found.episodes[line["episode"]] = verdict
            else:
                found.steps[line["episode"], int(line["step"])] = verdict
        return found
