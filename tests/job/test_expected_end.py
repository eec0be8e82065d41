"""Polls by the expected end: what a job learns, keeps, says and never does."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from simulated_job import Played, Simulate, SimulatedJob

from orchestrator.debugger.journal_reader import JournalError, read_journal
from orchestrator.debugger.replay import replay
from orchestrator.job.configuration import configure
from orchestrator.job.state_file import read_durations
from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan

ADAPTIVE: dict[str, Any] = {"FIVETRAN_POLL_INTERVAL": ""}
USUAL = Scenario(syncs=tuple(SyncPlan(lasts=seconds) for seconds in (150, 158, 171, 149, 165, 161)))


def _looks(played: Played) -> list[float]:
    """When the sync was looked at, in seconds since the run began."""
    return [step.began for step in played.steps if step.operand == "poll_sync"]


def _after(job: SimulatedJob, jobs: int, **variables: Any) -> Played:
    """A job, so many others after the first request."""
    for _ in range(jobs):
        job.play(**variables)
        job.clock.sleep(3600)
    return job.play(**variables)


def test_history_says_when_to_look(simulate: Simulate) -> None:
    """Where the account has a history, a job asks it once after the trigger, and looks where its syncs usually end."""
    played = _after(simulate(USUAL), 5, **ADAPTIVE)

    looks = _looks(played)
    assert played.code == 0
    assert played.requests[:4] == ["get", "sync", "history", "get"]
    assert played.requests.count("history") == 2  # at the end, for the report
    assert looks[:2] == [10, 70]
    assert max(later - look for look, later in pairwise(look for look in looks if look > 140)) < 5
    assert looks[-1] - 161 < 3


def test_state_file_says_when_to_look(simulate: Simulate, tmp_path: Path) -> None:
    """A job with a state file knows how long its last syncs took, and spares the request."""
    file = str(tmp_path / "state.json")

    played = _after(simulate(USUAL), 5, **ADAPTIVE, FIVETRAN_STATE_FILE=file)

    assert played.steps[0].before.facts.durations == pytest.approx((165, 149, 171, 158, 150), abs=1)
    assert played.requests.count("history") == 1
    assert len(_looks(played)) < 161 / 10
    assert _looks(played)[-1] - 161 < 5


def test_state_file_of_a_fixed_interval_is_kept_as_well(simulate: Simulate, tmp_path: Path) -> None:
    """What a job with a fixed interval took is known to one without, although the account has no history."""
    file, job = str(tmp_path / "state.json"), simulate(replace(USUAL, history=False))
    job.play(FIVETRAN_STATE_FILE=file)

    played = job.play(**ADAPTIVE, FIVETRAN_STATE_FILE=file)

    assert played.steps[0].before.facts.durations == (150,)
    assert "asking_durations" not in played.way


def test_resync_goes_by_its_own_durations_alone(simulate: Simulate, tmp_path: Path) -> None:
    """FORCE_RESYNC asks no history for durations, and knows from its state file how long its re-syncs took."""
    job, file = simulate(USUAL), str(tmp_path / "state.json")
    job.play("FORCE_RESYNC", **ADAPTIVE, FIVETRAN_STATE_FILE=file)

    played = job.play("FORCE_RESYNC", **ADAPTIVE, FIVETRAN_STATE_FILE=file)

    assert played.steps[0].before.facts.durations == (150,)
    assert played.requests.count("history") == 1


@pytest.mark.parametrize(
    "change",
    [
        {"TABLE": "customers"},
        {"SCHEMA": "other"},
        {"SCHEMA": "", "TABLE": "", "TABLES": "public.orders\npublic.customers"},
    ],
)
def test_state_file_of_another_job_says_nothing(simulate: Simulate, tmp_path: Path, change: dict[str, Any]) -> None:
    """The durations of other tables' re-syncs do not count."""
    job, file = simulate(USUAL), str(tmp_path / "state.json")
    job.play("FORCE_RESYNC", FIVETRAN_STATE_FILE=file)

    played = job.play("FORCE_RESYNC", **ADAPTIVE, FIVETRAN_STATE_FILE=file, **change)

    assert played.steps[0].before.facts.durations is None


def test_forged_state_file_says_nothing(simulate: Simulate, tmp_path: Path) -> None:
    """Durations in a state file without this job's signature are not believed."""
    job, file = simulate(USUAL), tmp_path / "state.json"
    job.play(FIVETRAN_STATE_FILE=str(file))
    settings = configure(job.variables(FIVETRAN_STATE_FILE=str(file))).settings
    known = read_durations(settings)
    document = json.loads(file.read_text("utf-8"))
    document["run"]["facts"]["durations"] = [1.0]
    file.write_text(json.dumps(document), "utf-8")

    assert (known, read_durations(settings)) == ((150.0,), None)


def test_first_job_knows_nothing(simulate: Simulate, tmp_path: Path) -> None:
    """Without a state file there is nothing to know."""
    settings = configure(simulate(USUAL).variables(FIVETRAN_STATE_FILE=str(tmp_path / "none.json"))).settings

    assert read_durations(settings) is None


def test_account_without_a_history(simulate: Simulate) -> None:
    """Where the history cannot be asked, the job looks every 10 s, says nothing of it, and asks it no more."""
    played = simulate(replace(USUAL, history=False)).play(**ADAPTIVE)

    assert played.code == 0
    assert played.requests.count("history") == 1
    assert _looks(played) == [10.0 * number for number in range(1, 16)]
    assert "sync history" not in played.stderr
    assert "could not" not in played.stderr


def test_hanging_history_delays_no_look(simulate: Simulate) -> None:
    """A history that does not answer costs its request's time, and the first look follows at once."""
    hangs = replace(USUAL, faults=(Fault(on="history", does="hang"),))

    played = simulate(hangs).play(**ADAPTIVE)

    assert _looks(played)[0] == 32


def test_rescheduled_sync_is_not_asked_for_again(simulate: Simulate) -> None:
    """After a reschedule and a second trigger the history is not asked for durations again."""
    again = Scenario(syncs=(SyncPlan(lasts=25, ends="reschedules", again_in=60), SyncPlan(lasts=25)))

    played = simulate(again).play(**ADAPTIVE)

    assert (played.code, played.way.count("asking_durations")) == (0, 1)


def test_deadline_comes_before_the_next_look(simulate: Simulate) -> None:
    """A long pause is cut at the deadline, where the last look is taken."""
    played = _after(simulate(USUAL), 5, **ADAPTIVE, FIVETRAN_TIMEOUT="300")
    job = simulate(USUAL)
    for _ in range(3):
        job.play(**ADAPTIVE)

    cut = job.play(**ADAPTIVE, FIVETRAN_TIMEOUT="50")

    assert played.code == 0
    assert (cut.code, _looks(cut)) == (5, [10, 50])


@pytest.mark.parametrize(
    ("interval", "said"),
    [("", "polling every 2 to 60 s"), ("10", "polling every 10 s"), ("90", "polling every 1 min 30 s")],
)
def test_first_line_says_how_it_polls(simulate: Simulate, interval: str, said: str) -> None:
    """The log's first line says how often the job polls."""
    played = simulate(USUAL).play(FIVETRAN_POLL_INTERVAL=interval)

    assert said in played.stderr.splitlines()[0]


def _written(job: SimulatedJob) -> Path:
    return job.folder / "report" / "journal.jsonl"


def test_journal_knows_what_the_run_knew(simulate: Simulate, tmp_path: Path) -> None:
    """A journal has what the state file said at first, so that the run repeats; others have neither member."""
    job, file = simulate(USUAL), str(tmp_path / "state.json")
    job.play(FIVETRAN_STATE_FILE=file)
    before = json.loads(_written(job).read_text("utf-8").partition("\n")[0])
    job.play(**ADAPTIVE, FIVETRAN_STATE_FILE=file)

    journal = read_journal(_written(job))

    assert ("facts" in before, "adaptive" in before["settings"]) == (False, False)
    assert (journal.header.facts.durations, journal.header.settings.adaptive) == ((150,), True)
    assert replay(journal).facts.verdict == "succeeded"


@pytest.mark.parametrize("value", [5, [1], {"durations": ["long"]}, {"durations": [-1]}])
def test_odd_facts_in_a_header_are_refused(simulate: Simulate, value: Any) -> None:
    """A journal whose first facts are not facts is damaged."""
    job = simulate(USUAL)
    job.play()
    header, _, rest = _written(job).read_text("utf-8").partition("\n")
    _written(job).write_text(json.dumps({**json.loads(header), "facts": value}) + "\n" + rest, "utf-8")

    with pytest.raises(JournalError, match="its header is damaged"):
        read_journal(_written(job))
