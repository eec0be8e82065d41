"""`from orchestrator import run`: a job for Python programs."""

import ast
import inspect
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from process import environment
from simulated_job import CONNECTOR, Simulate, SimulatedJob

import orchestrator
from orchestrator import ConfigurationError, Result, RunError, run
from orchestrator.job import python_call
from orchestrator.job.arguments import ARGUMENTS
from orchestrator.job.report_folder import Reporter
from orchestrator.job.variables import GROUPS, VARIABLES
from orchestrator.simulator.app import KEY, SECRET, Arrival
from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan

PAGE = (Path(__file__).parents[2] / "docs" / "python.md").read_text("utf-8")
BRIEF = Scenario(syncs=(SyncPlan(lasts=25),))
FAILING = Scenario(syncs=(SyncPlan(lasts=25, ends="fails"),))

Call = Callable[..., Result]
Start = Callable[[Scenario | str], tuple[SimulatedJob, Call]]


@pytest.fixture
def start(simulate: Simulate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Start:
    """A simulated Fivetran, and `run` that asks it, on its clock and in an empty folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def make(scenario: Scenario | str) -> tuple[SimulatedJob, Call]:
        job = simulate(scenario, over_http=True)
        monkeypatch.setattr("orchestrator.job.job.SystemClock", lambda: job.clock)
        return job, partial(run, api_key=KEY, api_secret=SECRET, api_url=job.url)

    return make


# --- The result -----------------------------------------------------------------------------------


def test_sync_that_succeeds(start: Start) -> None:
    """A green run is `ok`, and says in members of their types how it ended."""
    _, call = start(BRIEF)

    result = call("START", CONNECTOR)

    assert (result.ok, result.verdict, result.exit_code) == (True, "succeeded", 0)
    assert (result.action, result.connector_id) == ("START", CONNECTOR)
    assert result.succeeded_at == datetime(2027, 1, 15, 8, 0, 25, tzinfo=UTC)
    assert result.failed_at == datetime(2027, 1, 14, 2, tzinfo=UTC)
    assert result.still_running is False
    assert result.connection is not None
    assert result.connection["id"] == CONNECTOR
    assert result.document["verdict"] == "succeeded"
    assert result.raise_for_verdict() is result
    assert str(result).splitlines() == [
        f"START {CONNECTOR}: {result.headline} (succeeded, exit code 0)",
        "  schedule: manual, was auto; FIVETRAN_RESTORE_SCHEDULE=auto in the next job sets it back",
    ]


def test_sync_that_fails_is_no_exception(start: Start) -> None:
    """A sync that failed is a result, and an exception only where that is asked for; both say why, and what now."""
    _, call = start(FAILING)

    result = call("START", CONNECTOR)

    with pytest.raises(RunError, match=re.escape(result.headline)) as caught:
        result.raise_for_verdict()
    assert caught.value.result is result
    assert (result.ok, result.verdict, result.exit_code) == (False, "sync_failed", 1)
    lines = str(result).splitlines()
    assert lines[0] == f"START {CONNECTOR}: {result.headline}; nothing is running (sync_failed, exit code 1)"
    assert f"  why: {result.reasons[0]}" in lines
    assert f"  now: {result.advice[0]}" in lines
    assert str(caught.value) == str(result)


def test_connection_that_was_never_read(start: Start) -> None:
    """Where nothing was learned of the connection, what would be known of it is None."""
    _, call = start(BRIEF)

    result = call("STATUS", CONNECTOR, api_key="another-key")

    assert (result.verdict, result.exit_code) == ("refused", 3)
    assert (result.connection, result.succeeded_at, result.failed_at) == (None, None, None)


def test_warnings_are_notes(start: Start) -> None:
    """What the job's log would warn of is in the result, and in its text."""
    _, call = start("paused")

    result = call("STATUS", CONNECTOR)

    note = "the connection is paused: it will not sync until it is un-paused"
    assert (result.ok, note in result.notes, f"  note: {note}" in str(result).splitlines()) == (True, True, True)


def test_setup_tests_are_in_the_document(start: Start) -> None:
    """What TEST found is in the document, as result.json has it."""
    _, call = start(Scenario(setup_tests=({"title": "Login", "status": "FAILED", "message": "no"},)))

    result = call("TEST", CONNECTOR)

    assert (result.ok, result.verdict) == (False, "tests_failed")
    assert [test["title"] for test in result.document["setup_tests"]] == ["Login"]


def test_freshness(start: Start) -> None:
    """`max_age` is FIVETRAN_MAX_AGE: a number, or what the variable may hold."""
    job, call = start(Scenario())

    assert [call("STATUS", CONNECTOR, max_age=age).verdict for age in (3600, "3600", 86_400.0)] == [
        "stale",
        "stale",
        "shown",
    ]
    assert "patch" not in job.requests


@pytest.mark.parametrize("tables", [{"public": ("orders", "customers")}, "public.orders\npublic.customers"])
def test_tables_of_a_resync(start: Start, tables: Any) -> None:
    """The tables of a re-sync are given by schema, or as the variable has them."""
    job, call = start(BRIEF)

    result = call("FORCE_RESYNC", CONNECTOR, tables=tables)

    assert result.ok
    assert result.document["tables"] == {"public": ["orders", "customers"]}
    assert "resync" in job.requests


def test_nothing_secret_is_returned(start: Start) -> None:
    """Key and secret are masked in all of a result, whatever Fivetran says of them."""
    words = f"the key {KEY} with the secret {SECRET}"
    _, call = start(Scenario(connection={"service": words}, syncs=(SyncPlan(lasts=25, ends="fails", reason=words),)))

    result = call("START", CONNECTOR)

    everything = f"{result!r}{result}{json.dumps(result.document)}{json.dumps(result.connection)}"
    assert "with the secret ***" in everything
    assert KEY not in everything
    assert SECRET not in everything


# --- What it leaves alone -------------------------------------------------------------------------


def test_nothing_is_left_behind(
    start: Start, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call prints nothing, writes no file, sets no signal handler and changes no variable of the environment."""
    monkeypatch.setattr(signal, "signal", None)
    monkeypatch.setattr(signal, "pthread_sigmask", None)
    before = dict(os.environ)
    _, call = start(FAILING)

    result = call("START", CONNECTOR)

    assert result.verdict == "sync_failed"
    assert capfd.readouterr() == ("", "")
    assert dict(os.environ) == before
    assert list(Path().iterdir()) == []


def test_key_and_secret_alone_come_from_the_environment(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without arguments, key and secret are those of the environment; no other variable of a job is heeded."""
    job, _ = start(BRIEF)
    for name in VARIABLES:
        monkeypatch.setenv(name, "garbage")
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("CI_JOB_TIMEOUT", "61")
    monkeypatch.setenv("FIVETRAN_API_KEY", KEY)
    monkeypatch.setenv("FIVETRAN_API_SECRET", SECRET)

    assert run("START", CONNECTOR, api_url=job.url).ok
    assert list(Path().iterdir()) == []


def test_argument_wins_over_the_environment(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Key and secret that are given are the ones that are sent."""
    monkeypatch.setenv("FIVETRAN_API_KEY", "another-key")
    monkeypatch.setenv("FIVETRAN_API_SECRET", "another-secret")
    _, call = start(BRIEF)

    assert call("STATUS", CONNECTOR).ok


def test_files_are_written_where_they_are_named(start: Start) -> None:
    """`report_dir` and `state_file` have what a job writes there, and nothing else is written."""
    _, call = start(BRIEF)

    result = call("START", CONNECTOR, report_dir=Path("report"), state_file="run.json")

    assert sorted(path.name for path in Path().iterdir()) == ["report", "run.json"]
    assert json.loads(Path("report/result.json").read_text("utf-8"))["verdict"] == result.document["verdict"]
    assert {"index.html", "journal.jsonl", "junit.xml"} < {path.name for path in Path("report").iterdir()}


def test_no_journal_where_none_is_wanted(start: Start) -> None:
    """`journal=False` leaves it out of `report_dir`."""
    _, call = start(BRIEF)

    call("STATUS", CONNECTOR, report_dir="report", journal=False)

    assert not Path("report/journal.jsonl").exists()


# --- Threads and Ctrl-C ---------------------------------------------------------------------------


def test_several_at_a_time(start: Start) -> None:
    """Calls in several threads run beside each other, each about its own connection."""
    job, call = start(BRIEF)
    ids = [f"connection_{number}" for number in range(12)]
    year = 31_622_400  # each thread's pauses pass on the clock that all of them share

    with ThreadPoolExecutor(len(ids)) as pool:
        calls = [pool.submit(call, "START", connector, timeout=year, http_timeout=year) for connector in ids]
        results = [made.result() for made in calls]

    assert [(result.connector_id, result.verdict) for result in results] == [(name, "succeeded") for name in ids]
    assert [len([sync for sync in job.simulator.connection(name).history if sync.cause == "sync"]) for name in ids] == [
        1
    ] * len(ids)


def test_ctrl_c_in_a_request(start: Start) -> None:
    """KeyboardInterrupt passes through a request at once, which is cut off; nothing is sent after it."""
    job, call = start(Scenario(faults=(Fault(on="sync", does="hang"),)))
    job.clock.speed = 1.0
    over = threading.Event()

    def interrupt(seen: Arrival) -> None:
        if seen.operation == "sync":
            os.kill(os.getpid(), signal.SIGINT)
            over.wait(30)

    job.on_request = interrupt

    with pytest.raises(KeyboardInterrupt):
        call("START", CONNECTOR)

    over.set()
    assert job.requests == ["get", "patch", "sync"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_in_a_pause(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """KeyboardInterrupt passes through a pause; the sync goes on, and a later call with `attach` follows it."""
    job, call = start(Scenario(syncs=(SyncPlan(lasts=300),)))
    sleep = job.clock.sleep

    def interrupted(seconds: float) -> None:
        if "sync" in job.requests:
            raise KeyboardInterrupt
        sleep(seconds)

    with monkeypatch.context() as patched:
        patched.setattr(job.clock, "sleep", interrupted)
        with pytest.raises(KeyboardInterrupt):
            call("START", CONNECTOR)
    sleep(30)
    result = call("START", CONNECTOR, on_running="attach", timeout=1000)

    assert (result.ok, len(job.syncs)) == (True, 1)


def test_state_file_takes_an_interrupted_run_up_again(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call with the state file of one that was interrupted goes on with its sync, and starts no other."""
    job, call = start(Scenario(syncs=(SyncPlan(lasts=100),)))
    sleep = job.clock.sleep

    def interrupted(seconds: float) -> None:
        if job.requests.count("get") > 2:
            raise KeyboardInterrupt
        sleep(seconds)

    with monkeypatch.context() as patched:
        patched.setattr(job.clock, "sleep", interrupted)
        with pytest.raises(KeyboardInterrupt):
            call("START", CONNECTOR, state_file="run.json")
    result = call("START", CONNECTOR, state_file="run.json")

    assert (result.ok, result.document["resumed"], len(job.syncs)) == (True, True, 1)


# --- Progress and faults --------------------------------------------------------------------------


def test_progress(start: Start, capfd: pytest.CaptureFixture[str]) -> None:
    """`progress` gets the lines of the job's log, one at a time, masked."""
    _, call = start(BRIEF)
    lines: list[str] = []

    call("START", CONNECTOR, progress=lines.append)

    assert len(lines) > 3
    assert [line for line in lines if "\n" in line or KEY in line or SECRET in line or "\x1b" in line] == []
    assert any("the sync succeeded" in line for line in lines)
    assert capfd.readouterr() == ("", "")


def test_fault_in_progress_is_the_callers(start: Start) -> None:
    """What `progress` raises ends the call, as it is."""
    _, call = start(BRIEF)

    def broken(line: str) -> None:
        raise ValueError(line)

    with pytest.raises(ValueError, match="START"):
        call("START", CONNECTOR, progress=broken)


def test_bug_is_raised_as_it_is(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug of ours is the exception that it is, with its traceback."""
    _, call = start(BRIEF)
    monkeypatch.setattr(Reporter, "clear", lambda _: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        call("START", CONNECTOR)


# --- Arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"action": "RUN"}, "action: 'RUN' is not an action"),
        ({"connector_id": ""}, "connector_id: not set"),
        ({"timeout": "soon"}, "timeout: 'soon' is not a duration"),
        ({"timeout": -1}, "timeout: '-1' is not between 1 s and"),
        ({"retry_limit": 0}, "retry_limit: '0' is not a whole number from 1"),
        ({"on_running": "panic"}, "on_running: 'panic' is not a choice that"),
        ({"evidence": "some"}, "evidence: 'some' is not one of its values"),
        ({"action": "STATUS", "max_age": "old"}, "max_age: 'old' is not a duration"),
        ({"action": "FORCE_RESYNC"}, "schema: not set: FORCE_RESYNC requires schema and table, "),
        ({"action": "FORCE_RESYNC", "tables": {}}, "tables: contains no table"),
        ({"api_secret": KEY}, "api_secret: is the same as api_key"),
        ({"api_url": "nowhere"}, "api_url: "),
        ({"chart": "none.toml"}, "chart: none.toml: cannot be read"),
        ({"keys_from_vault": True, "api_key": "", "api_secret": ""}, "keys_from_vault: requires the vault"),
        ({"state_file": "/dev/null/run.json"}, "state_file: /dev/null/run.json "),
    ],
)
def test_wrong_argument_is_named(start: Start, given: dict[str, Any], problem: str) -> None:
    """What is wrong with an argument is said of it by its name, as a ValueError, and nothing is asked of Fivetran."""
    job, call = start(BRIEF)
    positional = {"action": "START", "connector_id": CONNECTOR}

    with pytest.raises(ConfigurationError) as caught:
        call(**{**positional, **given})

    assert isinstance(caught.value, ValueError)
    assert any(line.startswith(problem) for line in caught.value.errors), caught.value.errors
    assert job.requests == []
    assert not re.search("FIVETRAN_[A-Z]", str(caught.value))


def test_missing_key_says_where_it_may_come_from() -> None:
    """Where neither argument nor variable gives the key, the message names both."""
    with pytest.raises(ConfigurationError, match=r"^api_key \(or FIVETRAN_API_KEY in the environment\): not set: "):
        run("START", CONNECTOR)


def test_each_variable_has_an_argument() -> None:
    """Each variable but those of the log and of many connections is an argument, with its default, and documented."""
    arguments = inspect.signature(run).parameters
    known = {ARGUMENTS[name]: variable for name, variable in VARIABLES.items()}
    section = (inspect.getdoc(run) or "").partition("Args:")[2].partition("Returns:")[0]

    many = {ARGUMENTS[name] for name in (*GROUPS["several connections"], "FIVETRAN_CONNECTION_NAME")}
    assert known.keys() - arguments.keys() == {"log_format", "dataops_debug", "no_color", *many}
    assert arguments.keys() - known.keys() == {"progress"}
    assert re.findall(r"^    (\w+): ", section, re.MULTILINE) == list(arguments)
    for name, argument in arguments.items():
        default = argument.default
        if default is not inspect.Parameter.empty and default is not None and not isinstance(default, bool):
            assert str(default) == known[name].default, name


def test_importing_the_package_costs_nothing() -> None:
    """`import orchestrator` imports nothing else, though type checkers know `run`; other names are missed as usual."""
    code = "import sys; before = set(sys.modules); import orchestrator; print(*set(sys.modules) - before)"

    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["orchestrator"]
    assert set(orchestrator.__all__) == {*python_call.__all__, "__version__"}
    assert (Path(orchestrator.__file__).parent / "py.typed").is_file()
    with pytest.raises(AttributeError, match="module 'orchestrator' has no attribute 'walk'"):
        orchestrator.walk  # noqa: B018  # what is asked for


# --- The page -------------------------------------------------------------------------------------

EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("code", EXAMPLES, ids=range(len(EXAMPLES)))
def test_example_runs(
    start: Start, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], code: str
) -> None:
    """Each example of docs/python.md runs as it stands, and prints something."""
    _, call = start(BRIEF)
    monkeypatch.setattr(orchestrator, "run", call)

    exec(compile(code, "docs/python.md", "exec"), {"__name__": "__main__"})  # noqa: S102  # our own page

    assert capfd.readouterr().out


def test_page_names_every_argument_of_its_own() -> None:
    """docs/python.md uses arguments that there are, and names each member of a result."""
    used = {
        keyword.arg
        for code in EXAMPLES
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "run"
        for keyword in node.keywords
    }

    assert used <= inspect.signature(run).parameters.keys()
    assert [name for name in inspect.get_annotations(Result) if f"`{name}`" not in PAGE] == []
