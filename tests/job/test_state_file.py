"""The state file is not trusted: what this job's key pair did not sign decides nothing, and what it did is checked."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from simulated_job import CONNECTOR, Played, Simulate, SimulatedJob

from orchestrator.job import state_file
from orchestrator.machine.loader import load
from orchestrator.machine.run import Run
from orchestrator.machine.step import Step
from orchestrator.simulator.app import KEY, SECRET
from orchestrator.simulator.scenario import Scenario
from orchestrator.values.settings import Settings

pytestmark = pytest.mark.usefixtures("_undrawn")

Document = dict[str, Any]

OURS = Settings("START", CONNECTOR, KEY, SECRET)
# A token that happens to be a word of ours, and a document with what has no business in the file.
TELLTALE = {
    "config": {"password": "deep-in-the-config"},
    "auth": {"client_access": {"client_secret": "deep-in-the-auth"}},
    "connect_card": {"token": "succeeded", "uri": "https://fivetran.com/connect-card/succeeded"},
}


class Killed(BaseException):
    """SIGKILL: nothing gets to clean up."""


def _dies_in(state: str) -> Callable[[Run, Step | None], None]:
    def observe(run: Run, _: Step | None) -> None:
        if run.state.name == state:
            raise Killed

    return observe


def _left(job: SimulatedJob, state: str = "waiting", **more: Any) -> Path:
    """The state file of a job that was killed when it had entered that state."""
    file = job.folder / "state.json"
    with pytest.raises(Killed):
        job.play(observe=_dies_in(state), FIVETRAN_STATE_FILE=str(file), **more)
    return file


def _again(job: SimulatedJob, file: Path, **more: Any) -> Played:
    return job.play(FIVETRAN_STATE_FILE=str(file), **more)


def _rewrite(file: Path, change: Callable[[Document], None], *, signed: bool = False) -> None:
    document = json.loads(file.read_text("utf-8"))
    change(document)
    if signed:
        del document["signature"]
        document["signature"] = state_file._signature(OURS, document)
    file.write_text(json.dumps(document), "utf-8")


def _set(*path: str | int, to: object) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        inner: Any = document
        for name in path[:-1]:
            inner = inner[name]
        inner[path[-1]] = to

    return change


# --- What nobody signed -----------------------------------------------------------------------------


def _forged(document: Document) -> None:
    """As somebody would forge it who wants a green job without a sync."""
    document["run"]["state"] = "reporting"
    document["run"]["last_event"] = document["run"]["facts"]["verdict"] = "succeeded"


def test_forged_verdict_is_not_believed(simulate: Simulate) -> None:
    """A state file that says "succeeded", and is not signed, ends the job with 2, without a request, and stays."""
    job = simulate("succeeds")
    file = _left(job)
    _rewrite(file, _forged)
    before = file.read_bytes()

    played = _again(job, file)

    assert (played.code, played.requests, file.read_bytes()) == (2, [], before)
    assert "the API key or secret has changed since it was written, or the file was modified" in played.stderr
    assert "start a job with FIVETRAN_ON_RUNNING=attach and without FIVETRAN_STATE_FILE" in played.stderr
    assert "remove the file" in played.stderr


def _paths(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every member of a document, however deep."""
    if path:
        yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, content in members:
        yield from _paths(content, (*path, name))


def _other(value: object) -> object:
    """Another value of the same type."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return f"{value}0"
        case dict():
            return {**value, "more": 1}
        case list():
            return [*value, 1]
        case _:
            return 1


def test_every_member_counts(simulate: Simulate) -> None:
    """Whatever member is altered, the job ends with 2 or begins a run of its own: none is green without a sync."""
    job = simulate("succeeds")
    file = _left(job, CI_PIPELINE_ID="100")
    text = file.read_text("utf-8")
    settings = Settings("START", CONNECTOR, KEY, SECRET, pipeline="100", state_file=str(file))
    chart = load("START")

    def outcome(path: tuple[str | int, ...]) -> str:
        document = json.loads(text)
        inner: Any = document
        for name in path[:-1]:
            inner = inner[name]
        inner[path[-1]] = _other(inner[path[-1]])
        file.write_text(json.dumps(document), "utf-8")
        warnings: list[str] = []
        try:
            found = state_file.read_snapshot(settings, chart, job.clock.wall(), warnings.append)
        except state_file.StateFileError:
            return "refused"
        return "a new run" if found is None and warnings else "taken up"

    outcomes = {path: outcome(path) for path in _paths(json.loads(text))}
    file.write_text(text, "utf-8")

    assert len(outcomes) > 100
    assert {path for path, what in outcomes.items() if what != "refused"} == {("pipeline",)}
    assert outcomes["pipeline",] == "a new run"
    assert state_file.read_snapshot(settings, chart, job.clock.wall(), pytest.fail) is not None


@pytest.mark.parametrize(
    ("change", "signed"),
    [
        (lambda document: document.pop("signature"), False),
        (_set("signature", to=None), False),
        (_set("signature", to="\ud800é"), False),
        (_set("signature", to=["0" * 64]), False),
        (_set("ended", to=True), False),
        (_set("pipeline", to="100"), False),  # of this job, which has none
    ],
)
def test_what_is_not_signed_is_refused(simulate: Simulate, change: Callable[[Document], None], *, signed: bool) -> None:
    """No signature, a strange one, or one of something else: the job ends with 2, and begins nothing anew."""
    job = simulate("succeeds")
    file = _left(job)
    _rewrite(file, change, signed=signed)

    played = _again(job, file)

    assert (played.code, played.requests, len(job.syncs)) == (2, [], 1)
    assert "does not have this job's signature" in played.stderr


@pytest.mark.parametrize("more", [{"FIVETRAN_API_SECRET": "another-secret"}, {"FIVETRAN_API_KEY": "another-key"}])
def test_changed_key_pair(simulate: Simulate, more: dict[str, str]) -> None:
    """With another key or another secret the file is not believed, whoever of the two wrote it."""
    job = simulate("succeeds")
    file = _left(job)

    played = _again(job, file, **more)

    assert (played.code, played.requests) == (2, [])
    assert "the API key or secret has changed since it was written" in played.stderr


@pytest.mark.parametrize(("pipeline", "said"), [("99", "of pipeline 99"), ("", "of no pipeline"), (7, "of pipeline 7")])
@pytest.mark.parametrize("forged", [True, False])
def test_another_pipelines_file(simulate: Simulate, pipeline: object, said: str, *, forged: bool) -> None:
    """A file of another pipeline, or of none, is passed over with a warning, whatever else it says; a sync is made."""
    job = simulate("succeeds")
    file = _left(job, CI_PIPELINE_ID="100")
    _rewrite(file, _set("pipeline", to=pipeline), signed=not forged)
    if forged:
        _rewrite(file, _forged)

    played = _again(job, file, CI_PIPELINE_ID="100")

    assert (played.code, played.requests.count("sync")) == (0, 1)
    assert f"has an unfinished run {said}: starting a new run" in played.stderr


def test_another_pipelines_file_by_hand(simulate: Simulate) -> None:
    """`run --resume` takes up another pipeline's run, if it is signed, and refuses it if it is not."""
    job = simulate("succeeds")
    file = _left(job, CI_PIPELINE_ID="100")
    text = file.read_text("utf-8")
    _rewrite(file, _forged)

    forged = _again(job, file, CI_PIPELINE_ID="101", must_resume=True)
    file.write_text(text, "utf-8")
    played = _again(job, file, CI_PIPELINE_ID="101", must_resume=True)

    assert (forged.code, forged.requests) == (2, [])
    assert (played.code, len(job.syncs)) == (0, 1)


def test_ended_run_of_another_pipeline_is_no_news(simulate: Simulate) -> None:
    """A run that ended yesterday, in another pipeline, costs no warning."""
    job = simulate("succeeds")
    file = job.folder / "state.json"
    _again(job, file, CI_PIPELINE_ID="100")

    played = _again(job, file, CI_PIPELINE_ID="101")

    assert played.code == 0
    assert "FIVETRAN_STATE_FILE:" not in played.stderr


@pytest.mark.parametrize(
    ("format_", "said"), [(1, "format 1, written by version 0.2.0"), (3, "format 3"), ([1] * 99, "format [1, 1")]
)
def test_file_of_another_format(simulate: Simulate, format_: object, said: str) -> None:
    """A file of an older or newer format is refused in words that say what changed."""
    job = simulate("succeeds")
    file = _left(job)
    _rewrite(file, _set("format", to=format_), signed=True)

    played = _again(job, file)

    assert (played.code, played.requests) == (2, [])
    assert f"is a state file of {said}" in played.stderr
    assert "reads format 2: since format 2 it is signed with the key pair, and has no `config`" in played.stderr


def test_way_on_without_attach(simulate: Simulate) -> None:
    """An action that has no FIVETRAN_ON_RUNNING=attach is not told to use it."""
    job = simulate("succeeds")
    file = _left(job, action="FORCE_RESYNC")
    _rewrite(file, _forged)

    played = _again(job, file, action="FORCE_RESYNC")

    assert (played.code, played.requests) == (2, [])
    assert "ON_RUNNING=attach" not in played.stderr
    assert "check on the connection's page what is running; to start afresh, remove the file" in played.stderr


@pytest.mark.parametrize("content", ["[]", "{}", '{"format": 2}', '{"name": "a-package", "version": "1.0"}', '"text"'])
def test_foreign_file_is_refused(simulate: Simulate, content: str) -> None:
    """A file of the user's that was named by mistake is not overwritten, in another pipeline either."""
    job = simulate("succeeds")
    file = job.folder / "package.json"
    file.write_text(content, "utf-8")

    played = _again(job, file, CI_PIPELINE_ID="100")

    assert (played.code, played.requests, file.read_text("utf-8")) == (2, [], content)
    assert f"{file} is not a state file: use another file" in played.stderr


# --- What is signed, and absurd -------------------------------------------------------------------------

FACTS = ("run", "facts")
FAILURE = {"event": "unavailable", "request": "GET /", "purpose": "", "code": "", "message": "", "request_id": ""}
WHOLE = {**FAILURE, "attempts": 1, "status": None, "retry_after": None}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (_set("run", to=None), "run: None is not an object"),
        (_set("run", to={}), "run.state is missing"),
        (_set("run", "state", to="dancing"), "dancing is not a state in which a run of START can continue"),
        (_set("run", "state", to="done"), "done is not a state in which a run of START can continue"),
        (_set("run", "state", to=["waiting"]), "run.state: a list is not a string"),
        (_set("run", "state", to="reporting"), "it is in reporting without a verdict"),
        (_set(*FACTS, "verdict", to="succeeded"), "it is in waiting with a verdict"),
        (_set("run", "last_event", to=None), "run.last_event: None is not a string"),
        (_set("run", "failures", to={"waiting": -1}), "run.failures: an object is not an object of the expected type"),
        (_set("run", "failures", to={"waiting": True}), "run.failures: an object is not"),
        (_set("run", "deadline_at", to=-1.0), "run.deadline_at: -1.0 is not a non-negative number"),
        (_set("run", "deadline_at", to=True), "run.deadline_at: True is not a non-negative number"),
        (_set("run", "wake_at", to=10**400), "run.wake_at: 1000"),
        (_set("run", "started_at", to="noon"), "run.started_at: 'noon' is not a non-negative number"),
        (_set("run", "number", to=1.5), "run.number: 1.5 is not a non-negative whole number"),
        (_set("run", "number", to=2**70), "run.number: 1180591620717411303424 is not a non-negative whole number"),
        (_set("run", "hopeless", to=0), "run.hopeless: 0 is not true or false"),
        (_set("run", "trail", to={}), "run.trail: an object is not a list of the expected type"),
        (_set("run", "trail", to=[1]), "run.trail: 1 is not an object"),
        (_set("run", "trail", 0, "times", to=-1), "run.trail.times: -1 is not a non-negative whole number"),
        (_set(*FACTS, to=[]), "run.facts: a list is not an object"),
        (_set(*FACTS, "triggered_at", to=-1), "facts.triggered_at: -1 is not a non-negative number or null"),
        (_set(*FACTS, "reschedules", to=False), "facts.reschedules: False is not a non-negative whole number"),
        (_set(*FACTS, "started", to=1), "facts.started: 1 is not true or false"),
        (_set(*FACTS, "warnings", to=[1]), "facts.warnings: a list is not a list of the expected type"),
        (_set(*FACTS, "connection", to="x"), "facts.connection: 'x' is not an object of the expected type or null"),
        (_set(*FACTS, "baseline", to={"date": "noon"}), "facts.baseline.date: 'noon' is not"),
        (_set(*FACTS, "baseline", to={"date": 1.0}), "facts.baseline.rescheduled_for is missing"),
        (_set(*FACTS, "failure", to={}), "facts.failure.event is missing"),
        (_set(*FACTS, "failure", to={**WHOLE, "attempts": None}), "facts.failure.attempts: None is not"),
    ],
)
def test_absurd_run_is_refused(simulate: Simulate, change: Callable[[Document], None], problem: str) -> None:
    """A signed run with what no run can have ends the job with 2, before any request, and is named in words."""
    job = simulate("succeeds")
    file = _left(job)
    _rewrite(file, change, signed=True)

    played = _again(job, file)

    assert (played.code, played.requests) == (2, []), played.stderr
    assert f"{file} has an invalid run: {problem}" in played.stderr


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_number_that_is_none(simulate: Simulate, number: str) -> None:
    """A number that JSON does not have, or that is infinite, makes a file that cannot be read."""
    job = simulate("succeeds")
    file = _left(job)
    text = file.read_text("utf-8")
    file.write_text(text.replace('"hopeless": false', f'"hopeless": {number}'), "utf-8")

    played = _again(job, file)

    assert (played.code, played.requests) == (2, [])
    assert f"cannot be read as a state file ({number} is not a finite number)" in played.stderr


def test_verdict_that_the_chart_does_not_have(simulate: Simulate) -> None:
    """A run after the conclusion whose verdict leads to no end is refused: it would not come to one."""
    job = simulate("succeeds")
    file = _left(job, "reporting")
    _rewrite(file, _set(*FACTS, "verdict", to="marvellous"), signed=True)

    played = _again(job, file)

    assert (played.code, played.requests) == (2, [])
    assert "marvellous is not a verdict of START" in played.stderr


@pytest.mark.parametrize("year", [1, 9999])
@pytest.mark.parametrize("state", ["waiting", "awaiting_reschedule"])
def test_dates_at_the_ends_of_time_are_bounded(simulate: Simulate, state: str, year: int) -> None:
    """A signed run whose dates are of the year 1 or 9999 ends in its FIVETRAN_TIMEOUT, with a code of the chart's."""
    job = simulate("rescheduled_twice")
    file = _left(job, state)
    text, seconds = f"{year:04}-01-01T00:00:00Z", 253_370_764_800.0 if year == 9999 else 0.0

    def change(document: Document) -> None:
        run, facts = document["run"], document["run"]["facts"]
        run["started_at"] = run["wake_at"] = seconds
        run["deadline_at"] = seconds or job.clock.wall() + 1
        facts["waited_for"] = facts["connection"]["succeeded_at"] = facts["connection"]["failed_at"] = text
        facts["baseline"].update(succeeded_at=text, failed_at=text, rescheduled_for=text, date=seconds)
        facts["connection_date"] = facts["triggered_at"] = seconds

    _rewrite(file, change, signed=True)
    began = job.clock.wall()

    played = _again(job, file, FIVETRAN_TIMEOUT="300")

    assert played.code in {0, 1, 5, 8}, played.stderr
    assert job.clock.wall() - began <= 300 + 20


@pytest.mark.parametrize("member", ["deadline_at", "wake_at"])
def test_endless_wait_is_bounded(simulate: Simulate, member: str) -> None:
    """A deadline is at most FIVETRAN_TIMEOUT from now, and a wake at most the deadline, whatever the file says."""
    job = simulate("slow")
    file = _left(job)
    _rewrite(file, _set("run", member, to=9e18), signed=True)
    began = job.clock.wall()

    played = _again(job, file, FIVETRAN_TIMEOUT="40")

    assert played.code in {0, 5}
    assert job.clock.wall() - began <= 40 + 20


# --- What is not in it ----------------------------------------------------------------------------------


def test_no_config_in_it(simulate: Simulate) -> None:
    """The file has what decides and what is shown, and nothing that a source is reached with."""
    job = simulate(Scenario(connection=TELLTALE))
    file = _left(job)

    text = file.read_text("utf-8")
    connection = json.loads(text)["run"]["facts"]["connection"]

    assert [word for word in ("deep-in-the", '"config"', '"auth"', "connect_card", KEY, SECRET) if word in text] == []
    assert {"id", "service", "schema", "status", "succeeded_at", "failed_at", "paused"} <= set(connection)


def test_own_word_that_is_also_a_token(simulate: Simulate) -> None:
    """A token that is one of our own words does not take the verdict's place: the run is taken up all the same."""
    job = simulate(Scenario(connection=TELLTALE))
    file = _left(job, "reporting")

    played = _again(job, file)

    assert (played.code, len(job.syncs)) == (0, 1), played.stderr


def test_half_a_surrogate_pair(simulate: Simulate) -> None:
    """A text that UTF-8 cannot say is signed as it is read back."""
    job = simulate(Scenario(connection={"status": {"tasks": [{"code": "\ud800", "message": "half a pair"}]}}))
    file = _left(job)

    played = _again(job, file)

    assert (played.code, len(job.syncs)) == (0, 1), played.stderr


def test_what_this_version_wants_more_of_a_run(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that lacks something which nobody thought of checking is damaged, not a bug of the program."""
    job = simulate("succeeds")
    file = _left(job)

    def resumed(*_: object) -> Run:
        raise KeyError("jitter")

    monkeypatch.setattr("orchestrator.job.job.resumed", resumed)

    played = _again(job, file)

    assert (played.code, played.requests) == (2, [])
    assert f"{file} is damaged (KeyError: 'jitter'): remove it to start afresh" in played.stderr
