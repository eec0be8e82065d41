"""One job for many connections, from its variables to its exit code, against a simulated account."""

import io
import json
import os
import re
import signal
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from fleets import GROUP, FleetRun, names, wire_to
from in_process import sender
from simulated_job import Simulate

from orchestrator.fleet.fleet_job import FleetJob
from orchestrator.fleet.scheduler import Scheduler
from orchestrator.job.files import write_atomically
from orchestrator.job.job import Job
from orchestrator.simulator.app import KEY, SECRET, Arrival
from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan
from orchestrator.values.events import Event
from orchestrator.values.exchange import Failure

FAILING = Scenario(syncs=(SyncPlan(ends="fails"),))
PAUSED = Scenario(connection={"paused": True})
LONG = Scenario(syncs=(SyncPlan(lasts=3600.0),))
Fleets = Callable[..., FleetRun]


@pytest.fixture
def fleets(tmp_path: Path) -> Fleets:
    """Make a job for many connections; what is not named is a sync of a minute that succeeds."""

    def make(count: int = 6, faults: tuple[Fault, ...] = (), page: int = 1_000, **others: Scenario) -> FleetRun:
        return FleetRun({**dict.fromkeys(names(count), Scenario()), **others}, tmp_path, faults, page)

    return make


# --- The end --------------------------------------------------------------------------------------


def test_thirty_of_which_four_need_attention(fleets: Fleets) -> None:
    """Of thirty, one is paused, one fails, one is rescheduled too far, one is unknown: these are on top, with why."""
    late = Scenario(syncs=(SyncPlan(ends="reschedules", again_in=3600.0),))
    played = fleets(26, paused=PAUSED, fails=FAILING, late=late, unknown=Scenario(exists=False)).play(
        FIVETRAN_TIMEOUT="20m"
    )

    first = [*played.members][:4]
    assert played.code == played.result["exit_code"] == 4
    assert first == ["unknown", "fails", "paused", "late"]
    assert [played.members[name]["exit_code"] for name in first] == [4, 1, 7, 8]
    assert played.result["counts"] == {"FAILED": 3, "RESCHEDULED": 1, "OK": 26}
    block = played.stderr.split("FAILED: 4 of 30 connections did not sync (3 FAILED, 1 RESCHEDULED) (exit 4)\n")[1]
    rows = {line.split()[0]: line for line in block.splitlines() if line.split()[:1] and line.split()[0] in first}
    assert [*rows] == first
    for name, reason, advice in (
        ("unknown", "Fivetran has no connection unknown (404)", "check CONNECTOR_ID"),
        ("fails", "too many clients", "Fivetran's advice"),
        ("paused", "the connection is paused", "un-pause it"),
        ("late", "after the job's deadline", "start the job again after"),
    ):
        assert reason in rows[name]
        assert advice in block.split(rows[name])[1].splitlines()[1]
    assert "OK        26 connections" in block


def test_all_green(fleets: Fleets) -> None:
    """Where all succeed the job ends with 0, each connection had one trigger, and the log's last line says so."""
    fleet = fleets(12)
    played = fleet.play()

    assert played.code == 0
    assert set(played.verdicts().values()) == {"succeeded"}
    assert [len(fleet.account.asked("sync", name)) for name in names(12)] == [1] * 12
    assert played.stderr.splitlines()[-1].endswith("OK: all 12 connections synced (exit 0)")
    assert fleet.account.asked("history") == []


@pytest.mark.parametrize(
    ("others", "code"),
    [
        ({"a": FAILING}, 1),
        ({"a": PAUSED, "b": FAILING}, 1),
        ({"a": PAUSED, "b": LONG}, 7),
        ({"a": LONG}, 5),
        ({"a": LONG, "b": Scenario(exists=False)}, 4),
    ],
)
def test_exit_code_is_the_most_urgent(fleets: Fleets, others: dict[str, Scenario], code: int) -> None:
    """The exit code is the first of the documented order that a connection has."""
    assert fleets(4, **others).play().code == code


def test_wrong_key(fleets: Fleets) -> None:
    """A rejected key is 3 for all of them, said once, after two requests at most a connection."""
    fleet = fleets(6)
    fleet.account.meddle = lambda _: fleet.account._failed(401, "Unauthorized", "Invalid authorization credentials")
    played = fleet.play()

    assert (played.code, {each["exit_code"] for each in played.members.values()}) == (3, {3})
    assert len(fleet.account.seen) == 1
    assert fleet.account.asked("sync") == []


def test_outage(fleets: Fleets) -> None:
    """Where Fivetran cannot be reached at all, the job ends with 6, which a runner retries."""
    played = fleets(5, (Fault(times=0),)).play(FIVETRAN_RETRY_LIMIT="2")

    assert (played.code, set(played.verdicts().values())) == (6, {"gave_up"})


@pytest.mark.parametrize(("fail", "code"), [("any", 1), ("fast", 1), ("never", 0), ("NEVER", 0)])
def test_what_a_failure_means(tmp_path: Path, fail: str, code: int) -> None:
    """FIVETRAN_FAIL=any runs all and fails, fast starts no more after the first failure, never ends with 0."""
    quick = Scenario(syncs=(SyncPlan(lasts=1.0, ends="fails"),))
    fleet = FleetRun({"a": quick, **dict.fromkeys(names(6), Scenario())}, tmp_path)
    played = fleet.play(FIVETRAN_FAIL=fail, FIVETRAN_MAX_PARALLEL="3", FIVETRAN_TIMEOUT="1h")

    left_out = [name for name, each in played.members.items() if each["outcome"] == "NOT STARTED"]
    assert played.code == code
    assert played.verdicts()["a"] == "sync_failed"
    if fail == "fast":
        assert len(left_out) == 4
        assert played.members[left_out[0]]["headline"] == (
            "another connection failed before its turn (FIVETRAN_FAIL=fast)"
        )
        assert len(fleet.account.asked("sync")) == 3
    else:
        assert left_out == []


def test_deadline_before_the_turn_of_some(fleets: Fleets) -> None:
    """Connections whose turn does not come in time are not started, and each says so."""
    fleet = fleets(0, **dict.fromkeys(names(5), LONG))
    played = fleet.play(FIVETRAN_MAX_PARALLEL="2", FIVETRAN_TIMEOUT="2m")

    assert (played.code, played.result["counts"]) == (5, {"TIMED OUT": 2, "NOT STARTED": 3})
    assert {each["headline"] for each in played.members.values() if each["exit_code"] is None} == {
        "FIVETRAN_TIMEOUT ran out before its turn"
    }
    assert len(fleet.account.asked("sync")) == 2
    assert fleet.clock.monotonic() < 130.0


# --- One connection -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "variables",
    [
        {"CONNECTOR_ID": "c000,"},
        {"CONNECTOR_ID": " c000 \n c000"},
        {"FIVETRAN_CONNECTION_NAME": "sales", "CONNECTOR_ID": ""},
    ],
)
def test_one_connection_is_a_plain_job(fleets: Fleets, variables: dict[str, str]) -> None:
    """A list of one, and one by its name, is the job of that connection, to the byte of its stdout."""
    scenarios: dict[str, Any] = {"c000": Scenario(connection={"schema": "sales"}), "other": Scenario()}
    plain = fleets(0, **scenarios).play(CONNECTOR_ID="c000")
    fleet = fleets(0, **scenarios)
    found = fleet.play(**variables)

    assert (found.code, plain.code) == (0, 0)
    if "FIVETRAN_CONNECTION_NAME" in variables:
        assert "the connection named sales is c000" in found.stderr
    assert found.stdout == plain.stdout
    assert len(fleet.account.asked("sync")) == 1


@pytest.mark.parametrize("action", ["STATUS", "TEST", "FORCE_RESYNC"])
def test_one_connection_of_other_actions(fleets: Fleets, action: str) -> None:
    """The same holds for the other actions."""
    plain = fleets(2).play(action, CONNECTOR_ID="c000")

    assert fleets(2).play(action, CONNECTOR_ID="c000,").stdout == plain.stdout


def test_name_that_nobody_has(fleets: Fleets) -> None:
    """A name that no connection has ends with 4 and lists those like it; one that several have ends with 2."""
    sales = {f"c{at}": Scenario(connection={"schema": "sales"}) for at in range(3)}
    none = fleets(0, **sales).play("START", FIVETRAN_CONNECTION_NAME="salse")
    several = fleets(0, **sales).play("START", FIVETRAN_CONNECTION_NAME="sales")

    assert none.code == 4
    assert "no connection is named salse" in none.stderr
    assert "sales (c0, postgres)" in none.stderr
    assert several.code == 2
    assert "3 connections are named sales" in several.stderr
    assert "c0 (sales, postgres), c1 (sales, postgres), c2 (sales, postgres)" in several.stderr
    assert "set CONNECTOR_ID to the id of one" in several.stderr


# --- Which, and the other actions -----------------------------------------------------------------


def test_group_with_patterns(fleets: Fleets) -> None:
    """A group is listed by its own address, and patterns choose among its connections."""
    other = Scenario(connection={"group_id": "another"})
    fleet = fleets(8, mysql=Scenario(connection={"service": "mysql"}), other=other)
    played = fleet.play(
        FIVETRAN_GROUP_ID=GROUP, FIVETRAN_INCLUDE="C*, MySQL", FIVETRAN_EXCLUDE="c001 c002", CONNECTOR_ID=""
    )

    assert (played.code, played.result["group_id"]) == (0, GROUP)
    assert [*played.verdicts()] == ["c000", "c003", "c004", "c005", "c006", "c007", "mysql"]
    assert played.lines(f"group {GROUP} has 9 connections, 7 of them chosen")
    assert {each.path for each in fleet.account.asked("listing")} == {f"/v1/groups/{GROUP}/connections"}


def test_unknown_group(fleets: Fleets) -> None:
    """A group that Fivetran does not know ends with 4 and says where its id is found."""
    played = fleets(2).play(FIVETRAN_GROUP_ID="no_such", CONNECTOR_ID="")

    assert played.code == 4
    assert "Fivetran knows no group no_such" in played.stderr
    assert "`fivetran-orchestrator list --json` shows it" in played.stderr


@pytest.mark.parametrize(
    ("variables", "names_it"),
    [
        ({"FIVETRAN_MAX_PARALLEL": "0"}, "FIVETRAN_MAX_PARALLEL"),
        ({"FIVETRAN_FAIL": "sometimes"}, "FIVETRAN_FAIL"),
        ({"FIVETRAN_BUDGET": "many"}, "FIVETRAN_BUDGET"),
        ({"FIVETRAN_INCLUDE": "a*"}, "FIVETRAN_INCLUDE"),
        ({"CONNECTOR_ID": ", ,"}, "CONNECTOR_ID"),
        ({"CONNECTOR_ID": "a, b.c"}, "CONNECTOR_ID"),
    ],
)
def test_wrong_variables(fleets: Fleets, variables: dict[str, str], names_it: str) -> None:
    """A variable that is wrong ends the job with 2 before any request, and the line names it."""
    fleet = fleets(3)
    played = fleet.play(**variables)

    assert (played.code, fleet.account.seen) == (2, [])
    assert "no request was sent to Fivetran" in played.stderr
    assert played.lines(f"{names_it}:")


def test_status_of_many(fleets: Fleets) -> None:
    """STATUS prints a list with the document of each connection that could be read, in the order of the ids."""
    fleet = fleets(4, unknown=Scenario(exists=False))
    played = fleet.play("STATUS", FIVETRAN_DONT_DISABLE_SYNC="1")

    assert played.code == 4
    assert [each["id"] for each in json.loads(played.stdout)] == names(4)
    assert [each.operation for each in fleet.account.seen][:2] == ["listing", "get"]
    assert fleet.account.asked("patch") == []


def test_tests_of_many(fleets: Fleets) -> None:
    """TEST prints a table of its setup tests for each connection, and why one has none."""
    played = fleets(4, unknown=Scenario(exists=False)).play("TEST")

    assert played.code == 4
    assert [line for line in played.stdout.splitlines() if line in {*names(4), "unknown"}] == ["unknown", *names(4)]
    assert played.stdout.count("Validate Login") == 4


def test_resync_of_many(fleets: Fleets) -> None:
    """FORCE_RESYNC re-syncs the table of each, with one trigger each."""
    fleet = fleets(5)
    played = fleet.play("FORCE_RESYNC", FIVETRAN_TIMEOUT="20m")

    assert played.code == 0, played.stderr
    assert [len(fleet.account.asked("resync", name)) for name in names(5)] == [1] * 5


def test_budget_is_learned_from_the_answers(fleets: Fleets) -> None:
    """An account that has little left is asked rarely, and the syncs are noticed all the same."""
    fleet = fleets(5, slow=LONG)
    fleet.account.remaining = 100
    played = fleet.play(FIVETRAN_TIMEOUT="2h")

    assert played.code == 0
    assert len(fleet.account.seen) <= 60 + 60 * fleet.clock.monotonic() / 3600 + 16


def test_account_at_its_limit_when_the_job_begins(fleets: Fleets) -> None:
    """A 429 that is the first answer holds the job up as long as it says, and not for its whole time."""
    fleet = fleets(6)
    account, refusals = fleet.account, list[Arrival]()

    def meddle(arrival: Arrival) -> Any:
        if account.virtual.monotonic() >= 20.0:
            return None
        account.remaining = 0
        refusals.append(arrival)
        return account._failed(429, "RateLimit", "Max 20000", {"Retry-After": "20"})

    def more() -> None:
        account.remaining = 10_000

    account.meddle = meddle
    account.later.append((20.0, more))
    played = fleet.play()

    assert (played.code, len(refusals)) == (0, 1)
    assert fleet.clock.monotonic() < 150.0


def test_budget_that_is_given(fleets: Fleets) -> None:
    """FIVETRAN_BUDGET bounds the requests of an hour."""
    fleet = fleets(0, **dict.fromkeys(names(5), LONG))
    played = fleet.play(FIVETRAN_TIMEOUT="110m", FIVETRAN_BUDGET="30")

    assert played.code == 0
    assert len(fleet.account.seen) <= 30 + 30 * 110 / 60


# --- The log --------------------------------------------------------------------------------------


def test_heartbeat_is_a_line_a_minute(fleets: Fleets) -> None:
    """One line a minute says how many are done, failed and syncing, however often something fails in between."""
    failing = {f"f{at}": Scenario(syncs=(SyncPlan(lasts=40.0 * at, ends="fails"),)) for at in range(1, 12)}
    played = fleets(0, **failing, last=Scenario(syncs=(SyncPlan(lasts=600.0),))).play(FIVETRAN_TIMEOUT="20m")

    lines = played.lines(" of 12 done")
    times = [line.split("Z ")[0] for line in lines]
    minutes = [int(time[3:5]) * 60 + int(time[6:8]) for time in times]
    assert 9 <= len(lines) <= 11
    assert all(60 <= b - a <= 70 for a, b in pairwise(minutes))
    assert re.search(r"\d+ of 12 done, \d+ failed, \d+ syncing; \d+ min left", lines[1])


def test_failure_has_its_line_at_once(fleets: Fleets) -> None:
    """A failure is said when it happens, and not only at the end."""
    played = fleets(3, paused=PAUSED, fails=FAILING).play()

    paused, fails = (played.lines(f"FAILED: {name}: ") for name in ("paused", "fails"))
    assert [line.split("Z ")[0] for line in paused] == ["08:00:00"]
    assert len(fails) == 1
    assert played.stderr.index(fails[0]) < played.stderr.index("2 of 5 connections did not sync")


def test_warning_that_many_share(fleets: Fleets) -> None:
    """A warning that all connections have is logged for three of them, and is in the result of each."""
    refused = Fault(on="patch", times=0, status=403, code="Forbidden", message="No permission")
    played = fleets(8, (refused,)).play()

    lines = [line for line in played.lines("WARNING") if "could not" in line]
    assert len(lines) == 3
    assert "others that have the same are in the result alone" in lines[2]
    assert all(each["notes"] for each in played.members.values())


def test_json_log(fleets: Fleets) -> None:
    """With FIVETRAN_LOG_FORMAT=json each line is JSON, failures name their connection, and the last has the verdict."""
    played = fleets(3, paused=PAUSED).play(FIVETRAN_LOG_FORMAT="json")

    lines = [json.loads(line) for line in played.stderr.splitlines()]
    (failure,) = [line for line in lines if line.get("connection_id") == "paused" and line["level"] == "error"]
    assert failure["outcome"] == "FAILED"
    assert lines[-1]["exit_code"] == 7
    assert lines[-1]["total"] == 4
    assert lines[-1]["verdict"] == "paused"


def test_sections_in_gitlab(fleets: Fleets) -> None:
    """In GitLab the result on stdout and the variables are in sections of the log, and the verdict is in none."""
    played = fleets(3).play(GITLAB_CI="true")

    assert re.findall(r"section_start:\d+:(\w+)", played.stderr) == re.findall(r"section_end:\d+:(\w+)", played.stderr)
    assert "fivetran_result" in played.stderr
    assert ": all 3 connections synced (exit 0)" in played.stderr.splitlines()[-1]


def test_debug_names_each_step(fleets: Fleets) -> None:
    """DATAOPS_DEBUG logs each step with its connection."""
    played = fleets(2).play(DATAOPS_DEBUG="1")

    assert played.lines("c000: triggering -> ")
    assert played.lines("c001: triggering -> ")


def test_secrets_are_nowhere(fleets: Fleets, tmp_path: Path) -> None:
    """Neither the pair nor a token that Fivetran sends is in stdout, the log, journals or state files."""
    token = "tok-5f0d9a7c3e21"
    card = {"connect_card": {"token": token, "uri": f"https://x/{token}"}}
    leaks = Scenario(syncs=(SyncPlan(ends="fails", reason=f"{SECRET} and {KEY} and {token}"),), connection=card)
    played = fleets(3, leaks=leaks).play(
        FIVETRAN_REPORT_DIR=str(tmp_path / "report"), FIVETRAN_STATE_FILE=str(tmp_path / "state"), DATAOPS_DEBUG="1"
    )

    written = [path.read_text("utf-8") for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) >= 8
    for text in (played.stdout, played.stderr, *written):
        assert SECRET not in text
        assert KEY not in text
        assert token not in text


def test_journal_of_each(fleets: Fleets, tmp_path: Path) -> None:
    """Each connection has a journal of its own, and its member says where; FIVETRAN_JOURNAL=0 writes none."""
    with_them = fleets(3).play(FIVETRAN_REPORT_DIR=str(tmp_path / "a"))
    without = fleets(3).play(FIVETRAN_REPORT_DIR=str(tmp_path / "b"), FIVETRAN_JOURNAL="0")

    assert {each["journal"] for each in with_them.members.values()} == {f"journals/{name}.jsonl" for name in names(3)}
    for name in names(3):
        assert (tmp_path / "a" / "journals" / f"{name}.jsonl").read_text("utf-8").count("\n") > 5
    assert {each["journal"] for each in without.members.values()} == {None}


# --- The state folder -------------------------------------------------------------------------------


def killed(fleet: FleetRun, at: float, **variables: str) -> None:
    """A job that is killed at that second: nothing of it is done any more."""

    class Killed(BaseException):
        pass

    def kill() -> None:
        raise Killed

    fleet.account.later.append((at, kill))
    with pytest.raises(Killed):
        fleet.play(**variables)
    fleet.account.later.clear()


def test_killed_and_started_again(fleets: Fleets, tmp_path: Path) -> None:
    """Started again in the same pipeline, the green are kept, and the running are taken up: one trigger each."""
    fleet = fleets(4, **dict.fromkeys(("s0", "s1", "s2"), Scenario(syncs=(SyncPlan(lasts=200.0),))))
    variables = {"FIVETRAN_STATE_FILE": str(tmp_path / "state"), "CI_PIPELINE_ID": "7"}
    killed(fleet, 100.0, **variables)
    again = fleet.play(**variables)

    assert again.code == 0
    assert set(again.verdicts().values()) == {"succeeded"}
    assert [len(fleet.account.asked("sync", name)) for name in fleet.scenarios] == [1] * 7
    assert again.lines("; 4 are green already in this pipeline")
    assert again.lines("; 3 were under way and are resumed")
    note = "it was green already in this pipeline, and was not run again"
    assert [note in again.members[name]["notes"] for name in ("c000", "s0")] == [True, False]


def test_killed_at_any_moment(tmp_path: Path) -> None:
    """However early or late a job is killed and started again, no connection gets a second trigger."""
    for at in range(0, 60, 4):
        fleet = FleetRun(dict.fromkeys(names(5), Scenario()), tmp_path)
        variables = {"FIVETRAN_STATE_FILE": str(tmp_path / f"state{at}"), "CI_PIPELINE_ID": "7"}
        fleet.account.scenario = Scenario(latency=0.4)
        killed(fleet, at + 0.37, **variables)
        again = fleet.play(**variables)

        assert set(again.verdicts().values()) == {"succeeded"}, (at, again.stderr)
        assert [len(fleet.account.syncs(name)) for name in names(5)] == [1] * 5, at


def test_green_status_is_printed_again(fleets: Fleets, tmp_path: Path) -> None:
    """STATUS started again in the same pipeline prints all of the connections, those that were read before as well."""
    fleet = fleets(3, paused=PAUSED)
    variables = {"FIVETRAN_STATE_FILE": str(tmp_path / "state"), "CI_PIPELINE_ID": "7"}
    first = fleet.play("STATUS", **variables)
    second = fleet.play("STATUS", **variables)

    ids = [[each["id"] for each in json.loads(played.stdout)] for played in (first, second)]
    assert ids[0] == ids[1]


def test_another_pipeline_begins_anew(fleets: Fleets, tmp_path: Path) -> None:
    """In another pipeline, or without one, everything is run again."""
    fleet = fleets(3)
    variables = {"FIVETRAN_STATE_FILE": str(tmp_path / "state")}
    fleet.play(**variables, CI_PIPELINE_ID="7")
    fleet.play(**variables, CI_PIPELINE_ID="8")
    fleet.play(**variables)

    assert [len(fleet.account.asked("sync", name)) for name in names(3)] == [3] * 3


def test_resume(fleets: Fleets, tmp_path: Path) -> None:
    """--resume takes up what is there whatever the pipeline, and is refused where nothing is there to take up."""
    fleet = fleets(4)
    variables = {"FIVETRAN_STATE_FILE": str(tmp_path / "state")}
    refused = fleet.play(**variables, must_resume=True)
    killed(fleet, 30.0, **variables, CI_PIPELINE_ID="7")
    resumed = fleet.play(**variables, CI_PIPELINE_ID="8", must_resume=True)

    assert (refused.code, resumed.code) == (2, 0)
    assert "holds no unfinished run: start without --resume" in refused.stderr
    assert [len(fleet.account.asked("sync", name)) for name in names(4)] == [1] * 4


def test_file_in_place_of_the_folder(fleets: Fleets, tmp_path: Path) -> None:
    """A file where the folder is to be ends the job with 2 before any request, and says what to do."""
    fleet, path = fleets(3), tmp_path / "state.json"
    path.write_text("{}")
    is_file = fleet.play(FIVETRAN_STATE_FILE=str(path))
    below = fleet.play(FIVETRAN_STATE_FILE=str(path / "deeper"))

    assert (is_file.code, below.code, fleet.account.seen) == (2, 2, [])
    assert f"{path} is a file: name a folder" in is_file.stderr
    assert "cannot be made a folder" in below.stderr


def test_state_files_of_other_jobs(fleets: Fleets, tmp_path: Path) -> None:
    """State files that cannot be used are named, ten of them at most, before any request."""
    fleet, folder = fleets(12, x0=Scenario()), tmp_path / "state"
    variables = {"FIVETRAN_STATE_FILE": str(folder)}
    killed(fleet, 30.0, **variables, CI_PIPELINE_ID="7")
    before = len(fleet.account.seen)
    for name in names(12)[1:]:
        (folder / f"{name}.json").write_text((folder / "c000.json").read_text())
    (folder / "x0.json").write_text("no JSON")
    played = fleet.play(**variables)

    assert (played.code, len(fleet.account.seen)) == (2, before)
    assert "c001.json belongs to another job: its connector_id is c000, not c001" in played.stderr
    assert "2 more files there cannot be used" in played.stderr


def test_state_that_cannot_be_written(fleets: Fleets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state that cannot be written when a run begins ends that run with 2, and is not called a bug."""

    def write(path: Path, *given: Any, **how: Any) -> None:
        if path.name == "c001.json":
            raise OSError(28, "No space left on device")
        write_atomically(path, *given, **how)

    monkeypatch.setattr("orchestrator.job.job.write_atomically", write)
    fleet = fleets(4)
    played = fleet.play(FIVETRAN_STATE_FILE=str(tmp_path / "state"))

    one = played.members["c001"]
    assert (one["verdict"], one["exit_code"]) == ("misconfigured", 2)
    assert "c001.json cannot be written (No space left on device): name a file that can" in one["reasons"][0]
    assert one["running"] == "no request was sent to Fivetran"
    assert fleet.account.asked("sync", "c001") == []
    assert [played.verdicts()[name] for name in ("c000", "c002", "c003")] == ["succeeded"] * 3


# --- Faults of this program -------------------------------------------------------------------------


def test_bug_in_one_run(fleets: Fleets, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of this program ends one run with 70 and says what may be running; the others succeed."""
    took = FleetJob.took

    def odd(job: FleetJob, run: Any, step: Any) -> None:
        took(job, run, step)
        if run.settings.connector_id == "c001" and step.operand == "poll_sync":
            raise ZeroDivisionError("odd")

    monkeypatch.setattr(FleetJob, "took", odd)
    played = fleets(4).play()

    one = played.members["c001"]
    assert (played.code, one["verdict"], one["exit_code"]) == (70, "bug", 70)
    assert one["reasons"] == ["ZeroDivisionError: odd"]
    assert one["running"] == "a sync that was triggered MAY STILL BE RUNNING"
    assert "Traceback" in played.stderr
    assert [played.verdicts()[name] for name in ("c000", "c002", "c003")] == ["succeeded"] * 3


def test_runner_that_lacks_something(fleets: Fleets, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the runner has no more descriptors for one run, that run ends with 6, and nothing is called a bug."""
    took = FleetJob.took

    def odd(job: FleetJob, run: Any, step: Any) -> None:
        took(job, run, step)
        if run.settings.connector_id == "c001":
            raise OSError(24, "Too many open files")

    monkeypatch.setattr(FleetJob, "took", odd)
    played = fleets(4).play()

    assert (played.code, played.verdicts()["c001"], "Traceback" in played.stderr) == (6, "runner_failed", False)


@pytest.mark.parametrize(
    ("error", "code", "action", "running"),
    [
        (ZeroDivisionError("odd"), 70, "START", "MAY STILL BE RUNNING"),
        (OSError(28, "No space left"), 6, "START", "MAY STILL BE RUNNING"),
        (ZeroDivisionError("odd"), 70, "STATUS", ""),
    ],
)
def test_bug_of_the_whole(
    fleets: Fleets, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int, action: str, running: str
) -> None:
    """A fault between the runs ends the job, which does not claim that no request was sent."""
    send, sent = Scheduler._send, list[int]()

    def odd(scheduler: Scheduler) -> float:
        sent.append(1)
        if len(sent) > (1 if action == "STATUS" else 5):
            raise error
        return send(scheduler)

    monkeypatch.setattr(Scheduler, "_send", odd)
    played = fleets(4).play(action)

    assert played.code == code
    assert running in played.stderr
    assert "no request was sent" not in played.stderr


def test_bug_before_any_run(fleets: Fleets, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault before the first run ends with 70, and says that no request was sent."""
    monkeypatch.setattr(FleetJob, "_read_states", mock.Mock(side_effect=ZeroDivisionError("odd")))
    played = fleets(4).play()

    assert (played.code, "no request was sent" in played.stderr) == (70, True)


# --- Signals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("at", [0.0, 0.5, 5.0, 30.0])
def test_signal_ends_all(fleets: Fleets, number: int, code: int, at: float) -> None:
    """A signal ends the job with a result for each: what had begun says what goes on, the rest was not started."""
    fleet = fleets(10)
    fleet.account.scenario = Scenario(latency=0.2)
    fleet.account.later.append((at, lambda: os.kill(os.getpid(), number)))
    played = fleet.play(FIVETRAN_MAX_PARALLEL="4")

    assert played.code == played.result["exit_code"] == code
    assert len(played.members) == 10
    waiting = [name for name, each in played.members.items() if each["outcome"] == "NOT STARTED"]
    assert len(waiting) == 6
    assert played.members[waiting[0]]["headline"] == "the job was stopped before its turn"
    assert fleet.clock.monotonic() <= at + 2.0
    assert played.result["outcome"] == "STOPPED"


def test_signal_after_the_last_end(fleets: Fleets, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal that comes when all connections have ended does not change how the job ended."""
    conclude = FleetJob._conclude

    def late(job: FleetJob, *given: Any) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        return conclude(job, *given)

    monkeypatch.setattr(FleetJob, "_conclude", late)

    assert fleets(3).play().code == 0


def test_signal_in_a_back_off_of_the_listing(fleets: Fleets) -> None:
    """A signal between two attempts to list a group ends the job at once: nothing more is asked."""
    fleet = fleets(3, (Fault(on="listing", times=0),))
    arrivals = list[Arrival]()

    def meddle(arrival: Arrival) -> None:
        arrivals.append(arrival)

    def asleep(seconds: float) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        type(fleet.clock).sleep(fleet.clock, seconds)

    fleet.account.meddle = meddle
    with mock.patch.object(fleet.clock, "sleep", asleep):
        job = fleet.job(fleet.variables(FIVETRAN_GROUP_ID=GROUP))
        asked = Failure(Event.UNAVAILABLE, "away")
        with mock.patch("orchestrator.fleet.fleet_job.bounded", return_value=lambda *_: asked):
            code = job.run()

    assert code == 143, fleet.stderr.getvalue()
    assert "stopped by a signal" in fleet.stderr.getvalue()
    assert fleet.stderr.getvalue().count("trying again") == 1


def test_one_id_is_a_plain_job(simulate: Simulate) -> None:
    """A job with one id is not a job for many."""
    plain = simulate().variables()

    assert type(FleetRun({}, Path()).job(plain)) is Job


# --- What else a job does -----------------------------------------------------------------------------


def test_evidence_that_is_asked_for(fleets: Fleets) -> None:
    """FIVETRAN_EVIDENCE=1 has the history of green connections asked for, too; by default it is not."""
    fleet = fleets(4)
    fleet.play(FIVETRAN_EVIDENCE="1")

    assert {each.identity for each in fleet.account.asked("history")} == set(names(4))


def test_outage_while_a_group_is_listed(fleets: Fleets) -> None:
    """A group whose listing fails for a while is listed again, with a warning, and then synced."""
    fleet = fleets(4, (Fault(on="listing", times=2),))
    played = fleet.play(FIVETRAN_GROUP_ID=GROUP)

    assert (played.code, len(played.members)) == (0, 4)
    assert len(played.lines("could not list the connections: 502")) == 2
    assert fleet.clock.monotonic() >= 3.0


class Terminal(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def test_live_on_a_terminal(fleets: Fleets, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal what goes on is drawn in place, no oftener than the eye needs, and is gone at the end."""
    moments = iter(range(100_000))
    monkeypatch.setattr("orchestrator.fleet.fleet_job.time.monotonic", lambda: next(moments) / 10)
    fleet = fleets(6)
    terminal = Terminal()
    with (
        mock.patch("orchestrator.job.job.bounded", sender(fleet.account, KEY, SECRET)),
        mock.patch("orchestrator.fleet.fleet_job.Senders", wire_to(fleet.account)),
    ):
        job = fleet.job({**fleet.variables(), "TERM": "xterm"}, stderr=terminal)
        code = job.run()

    drawn = terminal.getvalue()
    assert code == 0
    assert drawn.count("0 of 6 done") >= 1
    assert "\x1b[" in drawn
    assert "0 of 6 done" not in drawn.splitlines()[-1]
