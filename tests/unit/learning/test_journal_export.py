"""Own episodes as a table of outcomes: what each row's success rests on, and what became of the rest."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from episode_samples import END, episode

from langroute.errors import ConfigError, EpisodeNotFound
from langroute.estimators.columns import NUMBERS, WORDS, row_of
from langroute.journal import MemoryJournal, SqliteJournal
from langroute.journal.verdicts import Verdict, flaws, judge, on_steps
from langroute.learning.credit import credit_of
from langroute.learning.export import export_journal
from langroute.learning.journal_rows import FAILED, NO_CALL, UNKNOWN_EPISODES, UNKNOWN_SUCCESS
from langroute.learning.outcomes import OutcomeTable
from langroute.learning.reading import read_table
from langroute.learning.schema import Columns
from langroute.protocols import Journal
from langroute.records import EpisodeEnd, Outcome, Record

HUMAN = Verdict(success=0.0, source="human")
RECORDS = episode()
CALLS = [record for record in RECORDS if record.outcome is not None]
ANSWERED = [record for record in CALLS if record.outcome is not None and not record.outcome.error]


@pytest.fixture
def journal() -> Iterator[MemoryJournal]:
    """A journal of the sample episode, whose end is known."""
    journal = MemoryJournal()
    fill(journal)
    yield journal
    journal.close()


def fill(journal: Journal, *, named: str = "order-42", end: EpisodeEnd | None = END, at: float = 0.0) -> None:
    for number, record in enumerate(RECORDS):
        step = replace(record.step, episode=named)
        journal.write(replace(record, id=f"{named}-{number}", step=step, at=record.at + at))
    if end is not None:
        journal.finish(replace(end, episode=named))


def exported(journal: Journal, tmp_path: Path, **how: Any) -> tuple[Columns, Any]:
    tally = export_journal(journal, tmp_path / "out.jsonl", **how)
    return read_table(tmp_path / "out.jsonl"), tally


def test_every_call_is_a_row_or_is_counted(journal: MemoryJournal, tmp_path: Path) -> None:
    """Rows and what was left out add up to the records: nothing is lost in silence."""
    table, tally = exported(journal, tmp_path)
    assert len(table["task"]) == len(ANSWERED) == sum(tally.rows.values())
    failed = {FAILED: len(CALLS) - len(ANSWERED), NO_CALL: len(RECORDS) - len(CALLS)}
    assert dict(tally.left_out) == {reason: count for reason, count in failed.items() if count}


def test_a_row_knows_what_the_live_step_knew(journal: MemoryJournal, tmp_path: Path) -> None:
    """The columns of an exported step are those an estimator reads from the same step when it is live."""
    table, _ = exported(journal, tmp_path)
    for row, record in enumerate(ANSWERED):
        told = row_of(replace(record.step, episode="order-42"))
        for name in NUMBERS:
            np.testing.assert_equal(float(table[name][row]) if name in table else math.nan, told[name], err_msg=name)
        for name in WORDS:
            assert (table[name][row] if name in table else "") == told[name]


def test_rejected_answers_failed_and_the_rest_has_its_episodes_success(journal: MemoryJournal, tmp_path: Path) -> None:
    """An answer that was rejected is a failure of its own; the others are handed the episode's success, and say so."""
    table, _ = exported(journal, tmp_path)
    for row, record in enumerate(ANSWERED):
        assert record.outcome is not None
        told = (table["success"][row], table["level"][row], table["success_source"][row], table["credit"][row])
        expected = (
            (1.0, "episode", "success", "episode") if record.outcome.accepted else (0.0, "step", "validity", "own")
        )
        assert told == expected


def test_what_a_person_says_afterwards_counts(journal: MemoryJournal, tmp_path: Path) -> None:
    """A verdict on a step is that step's own; one on the episode replaces its success, and both name the person."""
    judge(journal, "order-42", Verdict(success=1.0, source="human"), at=END.at + 1, new_id="j1", step=0)
    judge(journal, "order-42", replace(HUMAN, success=0.25), at=END.at + 2, new_id="j2", note="wrong unit")
    table, _ = exported(journal, tmp_path)
    assert (table["success"][0], table["success_source"][0], table["credit"][0]) == (1.0, "human", "own")
    handed = table["credit"] == "episode"
    assert set(table["success"][handed]) == {0.25}
    assert set(table["success_source"][handed]) == {"human"}
    end = journal.end("order-42")
    assert end is not None
    assert (end.success, end.source, end.note) == (0.25, "human", "wrong unit")


def test_the_newest_word_on_a_step_counts(journal: MemoryJournal) -> None:
    """Two verdicts on a step are both kept; the later one is believed."""
    judge(journal, "order-42", Verdict(success=1.0, source="verifier"), at=5.0, new_id="j1", step=0)
    judge(journal, "order-42", HUMAN, at=6.0, new_id="j2", step=0)
    assert on_steps(journal.actions("order-42")) == {0: HUMAN}


def test_a_verdict_needs_what_it_speaks_of(journal: MemoryJournal) -> None:
    """A verdict on an episode or a step that is not stored, or on no scale, is refused."""
    with pytest.raises(EpisodeNotFound):
        judge(journal, "nowhere", HUMAN, at=1.0, new_id="j1")
    with pytest.raises(ConfigError, match="step: the episode has no step 99; its steps are 0 to"):
        judge(journal, "order-42", HUMAN, at=1.0, new_id="j1", step=99)
    with pytest.raises(ConfigError, match="success: must be between 0 and 1"):
        Verdict(success=1.5, source="human")
    with pytest.raises(ConfigError, match="source: must be one of success, human, verifier"):
        Verdict(success=1, source="validity")  # type: ignore[arg-type]


def test_unknown_success_is_left_out_unless_validity_is_asked_for(tmp_path: Path) -> None:
    """Without an end only rejected answers are known; with ``validity`` well-formed ones pass for right, marked so."""
    journal = MemoryJournal()
    fill(journal, end=None)
    rejected = [record for record in ANSWERED if record.outcome is not None and not record.outcome.accepted]
    table, tally = exported(journal, tmp_path)
    assert len(table["task"]) == len(rejected)
    assert tally.left_out[UNKNOWN_SUCCESS] == len(ANSWERED) - len(rejected)
    table, _ = exported(journal, tmp_path, quality="validity")
    assert len(table["task"]) == len(ANSWERED)
    assert set(table["success_source"]) == {"validity"}
    with pytest.raises(ConfigError, match="says nothing of a whole episode"):
        exported(journal, tmp_path, quality="validity", level="episode")


def test_an_episode_is_one_row_when_asked(journal: MemoryJournal, tmp_path: Path) -> None:
    """At the level of episodes a row sums all calls, and episodes of unknown success are counted."""
    fill(journal, named="order-43", end=None)
    table, tally = exported(journal, tmp_path, level="episode")
    assert table["task"].tolist() == ["order-42"]
    assert table["arm"].tolist() == ["large+small"]
    assert table["steps"].tolist() == [len(CALLS)]
    assert (table["level"][0], table["credit"][0]) == ("episode", "own")
    assert tally.left_out == {UNKNOWN_EPISODES: 1}


def test_a_worst_case_is_no_cost(tmp_path: Path) -> None:
    """What was booked at the worst case, or cannot be priced, leaves the cost empty and is counted by model."""
    journal = MemoryJournal()
    record = ANSWERED[0]
    assert record.outcome is not None
    journal.write(replace(record, outcome=replace(record.outcome, worst_case=True)))
    journal.finish(END)
    table, tally = exported(journal, tmp_path, level="step")
    assert "cost_usd" not in table
    assert sum(tally.unpriced.values()) == 1


def test_metered_calls_have_no_propensity(tmp_path: Path) -> None:
    """A shadow record is a call of the arm that made it, which no policy chose; without such an arm it is left out."""
    journal = MemoryJournal()
    record = ANSWERED[0]
    assert record.outcome is not None
    shadow = replace(record, action="shadow", outcome=replace(record.outcome, arm="large"))
    journal.write(shadow)
    unknown = replace(shadow.outcome, arm="") if shadow.outcome else None
    journal.write(replace(shadow, id="other", outcome=unknown))
    journal.finish(END)
    table, tally = exported(journal, tmp_path)
    assert table["arm"].tolist() == ["large"]
    assert "propensity" not in table
    assert "policy" not in table
    assert sum(tally.left_out.values()) == 1


def test_since_takes_whole_episodes(tmp_path: Path) -> None:
    """Only episodes with something at that time or later are exported, each of them whole."""
    journal = MemoryJournal()
    fill(journal, named="old")
    fill(journal, named="new", at=1000.0)
    table, tally = exported(journal, tmp_path, since=RECORDS[-1].at + 1)
    assert set(table["task"]) == {"new"}
    assert (len(table["task"]), tally.episodes) == (len(ANSWERED), 1)


def test_an_export_is_an_outcome_table(tmp_path: Path) -> None:
    """Steps of many episodes, from a file of a store to Parquet, read as a table: each attempt is numbered."""
    pytest.importorskip("pyarrow", reason="Parquet files need pyarrow")
    journal = SqliteJournal(tmp_path / "runs.db")
    for number in range(30):
        fill(journal, named=f"e{number}")
    tally = export_journal(journal, tmp_path / "out.parquet")
    journal.close()
    table = OutcomeTable.read(read_table(tmp_path / "out.parquet"))
    assert len(table) == 30 * len(ANSWERED)
    assert tally.episodes == 30


def test_texts_of_another_encoder_are_left_empty_and_counted(tmp_path: Path) -> None:
    """After the encoder was changed, vectors of another length than the first are not mixed with it."""

    def with_text(record: Record, name: str, text: tuple[float, ...]) -> Record:
        features = replace(record.step.features, text=text)
        return replace(record, id=name, step=replace(record.step, features=features))

    journal = MemoryJournal()
    journal.write(with_text(ANSWERED[0], "r1", (0.5, 1.0)))
    journal.write(with_text(ANSWERED[0], "r2", (0.5, 1.0, 2.0)))
    journal.finish(END)
    table, tally = exported(journal, tmp_path)
    assert table["encoded"].shape == (2, 2)
    assert np.isnan(table["encoded"][1]).all()
    assert sum(tally.left_out.values()) == 1


def test_a_journal_that_cannot_list_is_refused(journal: MemoryJournal, tmp_path: Path) -> None:
    """A journal without `JournalIndex` says what it lacks."""

    class Blind:
        pass

    with pytest.raises(ConfigError, match="Blind has no every_episode"):
        export_journal(Blind(), tmp_path / "out.jsonl")  # type: ignore[arg-type]


def test_a_doubt_is_no_verdict() -> None:
    """An answer that a rule did not trust is not known to be wrong: it is left out if rejected, and no fault if not."""
    doubted = Outcome(arm="small", defects=("low_confidence:marginal_risk", "doubtful"))
    assert flaws(doubted) == ()
    assert flaws(Outcome(arm="small", defects=("low_quality:0.3", "invalid_tool_call"))) == ("invalid_tool_call",)
    episode = Verdict(success=1.0, source="success")
    assert credit_of(own=None, episode=episode, accepted=False, flawed=False) is None
    passed = credit_of(own=None, episode=episode, accepted=True, flawed=False)
    assert passed is not None
    assert (passed.success, passed.credit) == (1.0, "episode")
    failed = credit_of(own=None, episode=episode, accepted=False, flawed=True)
    assert failed is not None
    assert (failed.success, failed.credit) == (0.0, "own")
