"""State files, and what Airflow keeps of a run: any bytes or JSON are a run to go on with, or are refused in a line."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fuzzing import JSON, altered, assert_clear, fuzzed, no_file, torn
from hypothesis import example, given
from hypothesis import strategies as st
from simulated_job import CONNECTOR, SimulatedJob

from orchestrator.airflow.handover import handed_over, plain, settings_from, taken_up
from orchestrator.airflow.note import KEY as NOTE
from orchestrator.airflow.note import Note
from orchestrator.debugger.journal_reader import read_journal
from orchestrator.debugger.replay import Replay
from orchestrator.job import state_file
from orchestrator.job.masking import Mask
from orchestrator.job.state_file import StateFileError, read_durations, read_finished, read_snapshot
from orchestrator.job.trace import Trace
from orchestrator.machine.loader import load
from orchestrator.machine.run import Ports, Run
from orchestrator.machine.standing import Standing, resumed
from orchestrator.simulator.app import KEY, SECRET
from orchestrator.simulator.clock import VirtualClock
from orchestrator.simulator.scenario import Scenario, SyncPlan
from orchestrator.values.exchange import Cut
from orchestrator.values.facts import Facts
from orchestrator.values.settings import Settings

Document = dict[str, Any]
CHART = load("START")
JOURNALS = Path(__file__).parents[1] / "journals"
WALL = 1_800_000_000.0
REFUSED = (KeyError, TypeError, ValueError)  # what a task says of another version


def settings_for(file: str, **more: Any) -> Settings:
    """The settings of a job that goes on from that file."""
    policies = tuple((name, CHART.values(name)[0]) for name in ("on_running", "on_reschedule", "on_broken"))
    return Settings("START", CONNECTOR, KEY, SECRET, state_file=file, pipeline="7", policies=policies, **more)


@cache
def runs() -> list[tuple[Run, Trace]]:
    """A run where it stands after each of its steps, and its steps so far."""
    found = list[tuple[Run, Trace]]()
    for name in ("start-rescheduled-twice", "start-lost-answer", "start-fails"):
        played, trace = Replay(read_journal(JOURNALS / f"{name}.jsonl")), Trace()
        settings = settings_for("", timeout=played.journal.header.settings.timeout)
        for _, step in played:
            trace.add(step)
            clock = VirtualClock(step.after.started_at + step.at)
            ports = Ports(clock, lambda *_: Cut.LIMIT, lambda _: None, lambda: 0.0)
            run = Run(CHART, settings, ports, standing=step.after, elapsed=step.at)
            found.append((run, Trace([*trace.entries()], dropped=trace.dropped)))
    return found


@cache
def texts() -> list[bytes]:
    """The state file of each."""
    return [state_file.compose_state_file(run, trace, Mask(KEY, SECRET)).encode() for run, trace in runs()]


def signed(document: Any) -> bytes:
    """The document with this job's signature, if it can have one."""
    if isinstance(document, dict):
        document.pop("signature", None)
        document = {**document, "signature": state_file._signature(settings_for(""), document)}
    return json.dumps(document).encode()


@st.composite
def state_files(draw: st.DrawFn) -> bytes:
    """A state file that is altered, as JSON and signed again or not, or as bytes."""
    content = draw(st.sampled_from(texts()))
    match draw(st.sampled_from(["signed", "signed", "unsigned", "torn", "end", "other"])):
        case "signed":
            return signed(draw(altered(json.loads(content))))
        case "unsigned":
            return json.dumps(draw(altered(json.loads(content)))).encode()
        case "torn":
            return draw(torn(content))
        case "end":
            return content[: draw(st.integers(0, len(content)))]
        case _:
            return draw(st.binary(max_size=60) | JSON.map(json.dumps).map(str.encode))


def in_run(**members: Any) -> bytes:
    """A signed state file with other members of its run."""
    document = json.loads(texts()[3])
    document["run"].update(members)
    return signed(document)


def ended(run: Any) -> bytes:
    """A signed state file of a run that has ended."""
    return signed({**json.loads(texts()[-1]), "ended": True, "run": run})


@fuzzed(80)
@given(content=state_files(), pipeline=st.sampled_from(["7", ""]))
@example(content=b"", pipeline="7")
@example(content=ended([]), pipeline="7")
@example(content=ended({"facts": []}), pipeline="7")
@example(content=ended({"facts": {"verdict": "succeeded"}}), pipeline="7")
@example(content=ended({"facts": {"sync": {"start": []}, "durations": [1, "x"]}}), pipeline="7")
@example(content=in_run(facts={"doubt": {"since": "x"}}), pipeline="7")
def test_any_bytes_are_a_run_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, pipeline: str
) -> None:
    """Whatever a state file holds, it is a run that can go on, none, or refused in one line that names file and fix."""
    file = tmp_path_factory.getbasetemp() / "state.json"
    file.write_bytes(content)
    settings, warned = settings_for(str(file)), list[str]()

    for read in (
        lambda: read_snapshot(settings, CHART, WALL, warned.append, however_old=not pipeline),
        lambda: read_finished(settings, CHART),
        lambda: read_durations(settings),
    ):
        try:
            found: Any = read()
        except StateFileError as error:
            [line] = error.errors
            assert_clear(line, "FIVETRAN_STATE_FILE", str(file))
            continue
        if isinstance(found, dict):
            standing, elapsed = resumed(CHART, settings, found, WALL)

            assert Trace(found["trail"], dropped=found["trail_dropped"]).entries() == found["trail"]
            assert standing.wake <= standing.deadline
            assert elapsed >= 0
    for line in warned:
        assert_clear(line, "FIVETRAN_STATE_FILE", str(file))


@fuzzed(12)
@given(content=state_files())
def test_no_state_file_is_a_bug(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever FIVETRAN_STATE_FILE holds, the job ends with a code of its chart, or with 2 and without a request."""
    folder = tmp_path_factory.mktemp("job")
    file = folder / "state.json"
    file.write_bytes(content)
    job = SimulatedJob(Scenario(syncs=(SyncPlan(lasts=25),)), "http://127.0.0.1:9", folder)

    played = job.play(FIVETRAN_STATE_FILE=str(file), CI_PIPELINE_ID="7", FIVETRAN_TIMEOUT="120")

    assert played.code in {2, *CHART.exits()}, played.stderr
    assert "Traceback" not in played.stderr
    assert played.code != 2 or (played.requests == [] and "FIVETRAN_STATE_FILE" in played.stderr)
    assert played.code == 2 or "could not be" not in played.stderr


@pytest.mark.parametrize("kind", ["directory", "fifo", "device", "link to itself", "socket"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    """A directory, a FIFO or a device in place of a state file is refused, and never waited for."""
    file = no_file(tmp_path / "state.json", kind)

    with pytest.raises(StateFileError) as refused:
        read_snapshot(settings_for(str(file)), CHART, WALL, pytest.fail)

    assert_clear(str(refused.value), "FIVETRAN_STATE_FILE", str(file))


@pytest.mark.parametrize("number", range(0, 24, 3))
def test_state_file_is_read_as_it_was_written(tmp_path: Path, number: int) -> None:
    """What a state file says of a run is what the run was, to the last digit and with any text in it."""
    run, trace = runs()[number]
    file = tmp_path / "state.json"
    file.write_bytes(texts()[number])
    wall = run.ports.clock.wall()

    found = read_snapshot(settings_for(str(file), timeout=run.settings.timeout), CHART, wall, pytest.fail)

    if found is not None:
        assert Facts.from_json(found["facts"]).but(connection=None) == run.facts.but(connection=None)
        assert (found["state"], found["number"], found["trail"]) == (
            run.state.name,
            run.standing.number,
            trace.entries(),
        )


# --- Airflow's database -----------------------------------------------------------------------------


class Shelf:
    """A task state store that holds one value."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def get(self, _: str) -> Any:
        """What was stored."""
        return self.value

    def set(self, key: str, value: Any) -> None:
        """Store it."""
        assert key == NOTE
        self.value = value

    def delete(self, _: str) -> None:
        """Remove it."""


@cache
def _handed_over() -> list[Document]:
    return [json.loads(json.dumps(handed_over(run, run.standing, trace, Mask()))) for run, trace in runs()]


@cache
def _notes() -> list[Document]:
    shelf, found = Shelf(None), list[Document]()
    for number, document in enumerate(_handed_over()):
        Note(shelf, settings_for(""), CHART).keep(
            document, asking=number % 2 == 0, later=WALL + 5 if number % 3 else None
        )
        found.append(json.loads(json.dumps(shelf.value)))
    return found


@cache
def _facts() -> list[Document]:
    return [json.loads(json.dumps(run.facts.as_json())) for run, _ in runs()]


def _goes_on(chart: Any, settings: Settings, standing: Standing, elapsed: float) -> None:
    ports = Ports(VirtualClock(WALL), lambda *_: Cut.LIMIT, lambda _: None, lambda: 0.0)
    run = Run(chart, settings, ports, standing=standing, elapsed=elapsed)

    assert json.loads(json.dumps(handed_over(run, run.standing, Trace(), Mask())))


@fuzzed(60)
@given(document=st.deferred(lambda: st.sampled_from(_handed_over()).flatmap(altered)))
@example(document=[])
@example(document={"facts": [], "state": "waiting"})
@example(document={"facts": {}, "state": []})
def test_any_hand_over_is_taken_up_or_refused(document: Any) -> None:
    """Whatever Airflow's database hands over is a run that goes on, or is refused as one of another version."""
    settings = settings_for("")
    try:
        standing, elapsed, trace = taken_up(CHART, settings, document, WALL)
    except REFUSED as error:
        assert_clear(repr(error))
        return

    assert trace.entries() == document["trail"]
    _goes_on(CHART, settings, standing, elapsed)


@fuzzed(60)
@given(value=st.deferred(lambda: st.sampled_from(_notes()).flatmap(altered)))
@example(value=[])
def test_any_note_is_taken_up_or_refused(value: Any) -> None:
    """Whatever the note of an earlier try is, its run goes on, is too old, or is refused as one of another version."""
    settings, warned = settings_for(""), list[str]()
    note = Note(Shelf(value), settings, CHART)
    for read in (lambda: note.found(WALL, warned.append), lambda: note.found_later_than({"number": 1})):
        try:
            found: Any = read()
        except REFUSED as error:
            assert_clear(repr(error))
            continue
        if found is not None and not isinstance(found, dict):
            _goes_on(CHART, settings, found.standing, found.elapsed)
    for line in warned:
        assert_clear(line)


@fuzzed(60)
@given(document=altered(json.loads(json.dumps(plain(settings_for(""))))))
def test_any_settings_of_a_trigger_are_settings_or_refused(document: Any) -> None:
    """Whatever settings a trigger was stored with, they have the types of settings, or are refused."""
    try:
        settings = settings_from(document, KEY, SECRET)
    except REFUSED as error:
        assert_clear(repr(error))
        return

    assert settings_from(json.loads(json.dumps(plain(settings))), KEY, SECRET) == settings
    assert isinstance(settings.connector_id, str)
    assert settings.timeout >= 0


@fuzzed(40)
@given(document=st.deferred(lambda: st.sampled_from(_facts()).flatmap(altered)))
def test_any_facts_are_facts_or_refused(document: Any) -> None:
    """Whatever JSON stands for facts, it becomes facts that are written as they were read, or a ValueError."""
    try:
        facts = Facts.from_json(document)
    except ValueError as error:
        assert_clear(str(error))
        return

    written = json.dumps(facts.as_json())

    assert json.dumps(Facts.from_json(json.loads(written)).as_json()) == written
