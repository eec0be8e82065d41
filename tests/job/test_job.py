"""The job around a run: exit codes 2 and 70, files, streams, and no secret anywhere."""

import base64
import io
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from process import rehearsed
from simulated_job import CONNECTOR, Simulate

from orchestrator.fivetran import effects
from orchestrator.fivetran.effects import Call
from orchestrator.job import limits
from orchestrator.job.job import Job
from orchestrator.machine.run import Run
from orchestrator.machine.step import Step
from orchestrator.simulator.app import KEY, SECRET
from orchestrator.simulator.scenario import Fault, Scenario
from orchestrator.values.exchange import Request
from orchestrator.values.facts import Facts
from orchestrator.values.settings import Settings

SECRETS = tuple(
    form
    for text in (KEY, SECRET, f"{KEY}:{SECRET}")
    for form in (text, base64.b64encode(text.encode()).decode().rstrip("="))
)


class KilledError(BaseException):
    """The process is gone."""


def _kill_at(state: str) -> Callable[[Run, Step | None], None]:
    def observe(run: Run, _: Step | None) -> None:
        if run.state.name == state:
            raise KilledError

    return observe


@pytest.fixture
def bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in an effect, whose exception tells the secret."""

    def ask(_: Settings, __: Facts) -> Request:
        raise ZeroDivisionError(" ".join(SECRETS))

    effect = effects.EFFECTS["trigger_sync"]
    assert isinstance(effect, Call)
    monkeypatch.setitem(effects.EFFECTS, "trigger_sync", replace(effect, ask=ask))


# --- A bug of ours ------------------------------------------------------------------------------


@pytest.mark.usefixtures("bug")
def test_bug_ends_with_70(simulate: Simulate) -> None:
    """An exception that nobody expects ends in exit code 70, a traceback and a report, all masked."""
    played = simulate().play()

    assert played.code == 70
    assert "ZeroDivisionError: *** ***" in played.stderr
    assert "this is a bug of fivetran-orchestrator" in played.stderr
    assert played.report is not None
    told = ("action", "connector_id", "verdict", "exit_code", "headline", "reasons")
    assert {name: played.report[name] for name in told} == {
        "action": "START",
        "connector_id": CONNECTOR,
        "verdict": "bug",
        "exit_code": 70,
        "headline": "this is a bug of fivetran-orchestrator, not of your pipeline",
        "reasons": ["ZeroDivisionError: *** *** *** *** *** ***"],
    }
    assert played.stdout == ""


@pytest.mark.usefixtures("bug")
def test_bug_with_an_unwritable_report(simulate: Simulate, tmp_path: Path) -> None:
    """Where the report of a bug cannot be written, the log says so and the exit code stays."""
    (tmp_path / "file").touch()

    played = simulate().play(FIVETRAN_REPORT_DIR=str(tmp_path / "file" / "report"))

    assert played.code == 70
    assert "the report could not be written" in played.stderr


# --- The runner's own failures -------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        OSError(24, "Too many open files"),
        OSError(28, "No space left on device"),
        RuntimeError("can't start new thread"),
        MemoryError(),
    ],
)
@pytest.mark.parametrize("begun", [False, True])
def test_runner_fails(
    simulate: Simulate,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    begun: bool,  # noqa: FBT001
) -> None:
    """What the machine lacks is not called a bug: 2 where no request was sent yet, else 6, which may pass."""

    def fail(*_: object) -> None:
        raise error

    if not begun:
        monkeypatch.setattr(Job, "_begin", fail)
    played = simulate().play(observe=fail)

    assert played.code == (6 if begun else 2)
    assert f"the runner failed: {str(error) or 'out of memory'}" in played.stderr
    assert "bug" not in played.stderr
    assert "Traceback" not in played.stderr


def test_runner_s_failure_has_a_report(simulate: Simulate) -> None:
    """Its report says what is lacking; the traceback is for DATAOPS_DEBUG."""

    def fail(_: Run, step: Step | None) -> None:
        if step is not None:
            raise OSError(24, "Too many open files")

    played = simulate().play(observe=fail, DATAOPS_DEBUG="1")

    assert played.report is not None
    assert {name: played.report[name] for name in ("verdict", "exit_code", "headline", "reasons")} == {
        "verdict": "runner_failed",
        "exit_code": 6,
        "headline": "the runner failed",
        "reasons": ["[Errno 24] Too many open files"],
    }
    assert "Traceback" in played.stderr


# --- Wrong variables ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["CONNECTOR_ID", "FIVETRAN_CONNECTOR_ID"])
def test_wrong_variables_get_a_report(simulate: Simulate, name: str) -> None:
    """Exit code 2 comes with a report that lists what to fix, and with no request."""
    job = simulate()
    both: dict[str, Any] = {"CONNECTOR_ID": "", "FIVETRAN_CONNECTOR_ID": "", name: CONNECTOR}

    played = job.play(FIVETRAN_TIMEOUT="soon", FIVETRAN_RETRY_LIMIT="many", FIVETRAN_UNPAUSE="false", **both)

    assert (played.code, played.requests, played.stdout) == (2, [], "")
    assert "FIVETRAN_UNPAUSE is 'false'" in played.stderr
    assert "2 problems to fix; no request was sent to Fivetran" in played.stderr
    assert played.report is not None
    assert [reason.split(":")[0] for reason in played.report["reasons"]] == ["FIVETRAN_TIMEOUT", "FIVETRAN_RETRY_LIMIT"]
    assert {name: played.report[name] for name in ("verdict", "exit_code", "action", "connector_id")} == {
        "verdict": "misconfigured",
        "exit_code": 2,
        "action": "START",
        "connector_id": CONNECTOR,
    }


def test_wrong_variables_with_an_unwritable_report(simulate: Simulate, tmp_path: Path) -> None:
    """Where the report of wrong variables cannot be written, the log says so and the exit code stays."""
    (tmp_path / "file").touch()

    played = simulate().play("DANCE", FIVETRAN_REPORT_DIR=str(tmp_path / "file" / "report"))

    assert played.code == 2
    assert "the report could not be written" in played.stderr


@pytest.mark.parametrize(("action", "code"), [("DANCE", 2), ("STATUS", 0)])
def test_reports_can_be_unwanted(simulate: Simulate, tmp_path: Path, action: str, code: int) -> None:
    """With an empty FIVETRAN_REPORT_DIR nothing is written, whatever the end."""
    played = simulate().play(action, FIVETRAN_REPORT_DIR="")

    assert (played.code, list(tmp_path.iterdir())) == (code, [])


# --- The state file -----------------------------------------------------------------------------


def test_state_file_cannot_be_written(simulate: Simulate, tmp_path: Path) -> None:
    """A state file that cannot be written is refused before the first request."""
    (tmp_path / "link").symlink_to(tmp_path / "nowhere" / "at all")

    played = simulate().play(FIVETRAN_STATE_FILE=str(tmp_path / "link" / "state.json"))

    assert (played.code, played.requests) == (2, [])
    assert "state.json cannot be written" in played.stderr


def test_state_file_becomes_unwritable(simulate: Simulate, tmp_path: Path) -> None:
    """A disk that fails in the middle costs the state file and one warning, not the sync."""
    file = tmp_path / "state.json"

    def observe(_: Run, step: Step | None) -> None:
        if step is None:
            file.unlink()
            file.mkdir()

    played = simulate().play(observe=observe, FIVETRAN_STATE_FILE=str(file))

    assert played.code == 0
    assert played.stderr.count("state.json could not be written") == 1


def test_state_file_is_private_and_keeps_its_mode(simulate: Simulate, tmp_path: Path) -> None:
    """A new state file is its user's alone; one that is there keeps its mode, and a link to it stays a link."""
    job, file, link = simulate(), tmp_path / "real" / "state.json", tmp_path / "state.json"
    file.parent.mkdir()
    link.symlink_to("real/state.json")

    job.play("STATUS", FIVETRAN_STATE_FILE=str(link))
    new = file.stat().st_mode & 0o777
    file.chmod(0o640)
    job.play("STATUS", FIVETRAN_STATE_FILE=str(link))

    assert (new, file.stat().st_mode & 0o777, link.is_symlink()) == (0o600, 0o640, True)
    assert [path.name for path in file.parent.iterdir()] == ["state.json"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"[" * 100_000, "it is nested deeper than 100 levels"),
        (b'{"run":' * 500 + b"1" + b"}" * 500, "it is nested deeper than 100 levels"),
        ("{}".encode("utf-16"), "UTF-16 text: save it as UTF-8"),
        (None, "it is a FIFO, not a regular file"),
    ],
)
def test_what_is_no_state_file_is_refused_in_words(
    simulate: Simulate, tmp_path: Path, content: bytes | None, why: str
) -> None:
    """Whatever lies in its place, exit code 2 comes at once and names the file."""
    file = tmp_path / "state.json"
    os.mkfifo(file) if content is None else file.write_bytes(content)

    played = simulate().play(FIVETRAN_STATE_FILE=str(file))

    assert (played.code, played.requests) == (2, [])
    assert f"FIVETRAN_STATE_FILE: {file} cannot be read as a state file ({why})" in played.stderr


def test_state_file_after_a_byte_order_mark(simulate: Simulate, tmp_path: Path) -> None:
    """What an editor puts before it is no damage."""
    job, file = simulate(), tmp_path / "state.json"
    with pytest.raises(KilledError):
        job.play(observe=_kill_at("polling"), FIVETRAN_STATE_FILE=str(file))
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())

    played = job.play(must_resume=True, FIVETRAN_STATE_FILE=str(file))

    assert played.code == 0


@pytest.mark.parametrize("path", ["/dev/null", "/dev/zero", "/"])
def test_state_file_is_no_device(simulate: Simulate, path: str) -> None:
    """A device or a directory is neither read nor replaced."""
    before = Path(path).lstat().st_ino

    played = simulate().play(FIVETRAN_STATE_FILE=path)

    assert (played.code, played.requests, Path(path).lstat().st_ino) == (2, [], before)


def test_run_is_taken_up_again(simulate: Simulate, tmp_path: Path) -> None:
    """A job that was killed goes on where it stood, with what it knew."""
    job, file = simulate(), str(tmp_path / "state.json")
    with pytest.raises(KilledError):
        job.play(observe=_kill_at("polling"), FIVETRAN_STATE_FILE=file)

    played = job.play(must_resume=True, FIVETRAN_STATE_FILE=file)

    assert (played.code, len(job.syncs)) == (0, 1)
    assert f"resumed the run of 2027-01-15T08:00:00.000Z from {file}" in played.stderr
    assert played.report is not None
    assert played.report["resumed"] is True


def test_ended_run_is_not_taken_up(simulate: Simulate, tmp_path: Path) -> None:
    """A state file whose run has ended starts a new one, and `--resume` says that there is none."""
    job, file = simulate(), str(tmp_path / "state.json")
    job.play(FIVETRAN_STATE_FILE=file)

    again = job.play(FIVETRAN_STATE_FILE=file)
    resumed = job.play(must_resume=True, FIVETRAN_STATE_FILE=file)

    assert (again.code, len(job.syncs)) == (0, 2)
    assert (resumed.code, resumed.requests) == (2, [])
    assert "holds no unfinished run: start one without --resume" in resumed.stderr


def test_directory_in_place_of_the_state_file(simulate: Simulate, tmp_path: Path) -> None:
    """What cannot be opened as a file is not recommended for removal."""
    played = simulate().play(FIVETRAN_STATE_FILE=str(tmp_path))

    problem = f"{tmp_path} cannot be read as a state file (it is a directory, not a regular file)"
    assert (played.code, played.requests) == (2, [])
    assert f"FIVETRAN_STATE_FILE: {problem}: use another file\n" in played.stderr


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"format": 99}', '"text"', "\udcff"])
def test_damaged_state_file(simulate: Simulate, tmp_path: Path, content: str) -> None:
    """A file that is no state file is refused, by name, and left as it is."""
    file = tmp_path / "state.json"
    file.write_bytes(content.encode("utf-8", "surrogateescape"))
    before = file.read_bytes()

    played = simulate().play(FIVETRAN_STATE_FILE=str(file))

    assert (played.code, played.requests, file.read_bytes()) == (2, [], before)
    assert f"FIVETRAN_STATE_FILE: {file} " in played.stderr
    assert "use another file" in played.stderr


@pytest.mark.parametrize(
    ("action", "more", "name"),
    [
        ("STATUS", {}, "action is FORCE_RESYNC, not STATUS"),
        ("FORCE_RESYNC", {"CONNECTOR_ID": "another_one"}, f"connector_id is {CONNECTOR}, not another_one"),
        ("FORCE_RESYNC", {"TABLE": "customers"}, "table is orders, not customers"),
    ],
)
def test_state_file_of_another_job(
    simulate: Simulate, tmp_path: Path, action: str, more: dict[str, Any], name: str
) -> None:
    """An unfinished run of another job is not taken up, and not overwritten."""
    job, file = simulate(), str(tmp_path / "state.json")
    with pytest.raises(KilledError):
        job.play("FORCE_RESYNC", observe=_kill_at("polling"), FIVETRAN_STATE_FILE=file)

    played = job.play(action, FIVETRAN_STATE_FILE=file, **more)

    assert (played.code, played.requests) == (2, [])
    assert f"belongs to another job: its {name}" in played.stderr


# --- Secrets ------------------------------------------------------------------------------------


def _talkative(fault: Fault | None) -> Scenario:
    """A Fivetran that says the secrets back wherever it can."""
    said = " ".join(SECRETS)
    return Scenario(
        connection={"config": {"password": said}, "status": {"warnings": [{"code": "w", "message": said}]}},
        setup_tests=({"title": said, "status": "FAILED", "message": said, "details": [said]},),
        faults=() if fault is None else (replace(fault, message=said),),
    )


@pytest.mark.parametrize("log_format", ["console", "json"])
@pytest.mark.parametrize(
    ("action", "fault", "code"),
    [
        ("STATUS", None, 0),
        ("TEST", None, 1),
        ("START", None, 0),
        ("START", Fault(on="get", status=401, code="Unauthorized"), 3),
        ("START", Fault(on="sync", status=400, code="InvalidInput"), 7),
        ("START", Fault(on="get", times=0, status=502), 6),
        ("FORCE_RESYNC", Fault(on="resync", status=404, code="NotFound_Table"), 4),
    ],
)
def test_secrets_appear_nowhere(
    simulate: Simulate, tmp_path: Path, log_format: str, action: str, fault: Fault | None, code: int
) -> None:
    """No form of key or secret is in stdout, the log with all its detail, the report or the state file."""
    file = tmp_path / "state.json"
    more: dict[str, Any] = {"DATAOPS_DEBUG": "1", "FIVETRAN_LOG_FORMAT": log_format, "FIVETRAN_STATE_FILE": str(file)}

    played = simulate(_talkative(fault), over_http=True).play(action, **more)

    said = f"{played.stdout}{played.stderr}{json.dumps(played.report)}{file.read_text('utf-8')}"
    assert played.code == code
    assert [form for form in SECRETS if form in said] == []
    assert "***" in played.stderr


def test_vault_reference_is_shown_and_its_secret_is_not(simulate: Simulate, tmp_path: Path) -> None:
    """What a vault reference resolves to is masked; the reference itself is not."""
    vault = tmp_path / "vault.yml"
    vault.write_text(f"TEAM: {{KEY: {KEY}, SECRET: {SECRET}}}\n", "utf-8")
    references: dict[str, Any] = {
        "FIVETRAN_API_KEY": "DATAOPS_VAULT(TEAM.KEY)",
        "FIVETRAN_API_SECRET": "DATAOPS_VAULT(TEAM.SECRET)",
    }

    played = simulate(_talkative(None), over_http=True).play(
        "STATUS", FIVETRAN_VAULT_FILE=str(vault), DATAOPS_DEBUG="1", **references
    )

    said = f"{played.stdout}{played.stderr}{json.dumps(played.report)}"
    assert played.code == 0
    assert [form for form in SECRETS if form in said] == []
    assert "FIVETRAN_API_KEY=DATAOPS_VAULT(TEAM.KEY)" in played.stderr


# --- Streams and limits -------------------------------------------------------------------------


def test_stdout_that_cannot_say_everything(simulate: Simulate) -> None:
    """A terminal that knows only ASCII gets question marks, not a traceback."""
    job = simulate(Scenario(connection={"schema": "größe"}))
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")

    code = Job(job.variables("STATUS"), clock=job.clock, stdout=out, stderr=io.StringIO()).run()

    out.seek(0)
    assert code == 0
    assert json.loads(out.read())["schema"] == "gr??e"


def test_broken_stdout_is_not_written_to_again(simulate: Simulate) -> None:
    """After a reader of stdout went away nothing is left that Python would try to write at its end."""
    job = simulate()
    reading, writing = os.pipe()
    os.close(reading)
    out, err = os.fdopen(writing, "w"), io.StringIO()

    code = Job(job.variables("STATUS"), clock=job.clock, stdout=out, stderr=err).run()
    out.close()  # fails where something is left

    assert code == 0
    assert "the result could not be written to stdout" in err.getvalue()


def test_no_thread_can_be_started(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no thread can be started the job does its work all the same, and the log says once what is not bounded."""

    def refuse(**_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(limits, "Thread", refuse)

    played = simulate(over_http=True).play()

    assert played.code == 0
    assert played.stderr.count("can't start new thread: requests end only at their own timeouts") == 1


def test_a_year_for_one_request() -> None:
    """Setup tests may be given the longest time that there is: more than a socket's timeout can say."""
    out, err = io.StringIO(), io.StringIO()
    with rehearsed(Scenario(test_seconds=0.0)) as fivetran:
        code = Job(fivetran.variables("TEST", FIVETRAN_TIMEOUT="31622400"), stdout=out, stderr=err).run()

    assert code == 0, err.getvalue()
    assert "3 setup tests" in out.getvalue()


def test_job_without_streams(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Python has no stdout and no stderr, since they were closed, the job runs all the same."""
    job = simulate()
    monkeypatch.setattr("sys.stdout", None)
    monkeypatch.setattr("sys.stderr", None)

    code = Job(job.variables(), clock=job.clock).run()

    assert code == 0


def test_end_that_cannot_be_composed_is_said(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where not even a result can be composed, the exit code stands, and the log says what happened all the same."""
    monkeypatch.setattr("orchestrator.job.job.result_outside", lambda *_: 1 / 0)

    played = simulate().play(FIVETRAN_TIMEOUT="soon")

    assert played.code == 2
    assert "the report could not be written: ZeroDivisionError" in played.stderr
    assert "ERROR: 1 problem to fix; FIVETRAN_TIMEOUT: 'soon' is not a duration" in played.stderr
