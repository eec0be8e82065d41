"""The verdict as people read it: the first two lines of the block answer what is asked at night."""

import io
import json
import re
from typing import Any

import pytest
from simulated_job import Simulate

from orchestrator.fivetran.verdicts import outside
from orchestrator.job.job import Job
from orchestrator.job.verdict_block import first_line, other_lines
from orchestrator.machine.run import Run
from orchestrator.machine.step import Step
from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan
from orchestrator.values.events import Event

PLAIN: dict[str, Any] = {"NO_COLOR": "1"}
FORBIDDEN = Fault(on="get", status=403, code="Forbidden", message="Ask your administrator", times=9)
UNREACHABLE = Fault(on="get", status=502, times=0)
FAILS = SyncPlan(ends="fails", reason="The source database refused the connection")
TESTS = (
    {"title": "Connecting", "status": "FAILED", "message": "No route to host"},
    {"title": "Privileges", "status": "JOB_FAILED", "message": ""},
    *({"title": title, "status": "PASSED", "message": ""} for title in "ab"),
)

# Scenario, action, variables; then: the outcome, why, what is running, what to do.
ENDINGS: dict[str, tuple[Scenario, str, dict[str, Any], tuple[str, str, str, str]]] = {
    "succeeded": (Scenario(), "START", {}, ("OK", "the sync succeeded after 1 min", "", "")),
    "failed": (
        Scenario(syncs=(FAILS,)),
        "START",
        {},
        ("FAILED", "The source database refused the connection", "nothing is running", "then test the connection"),
    ),
    "timed out": (
        Scenario(syncs=(SyncPlan(lasts=900.0),)),
        "START",
        {},
        (
            "TIMED OUT",
            "did not end within FIVETRAN_TIMEOUT (5 min)",
            "STILL RUNNING",
            "with FIVETRAN_ON_RUNNING=attach",
        ),
    ),
    "timed out while another sync ran": (
        Scenario(running=SyncPlan(lasts=900.0)),
        "START",
        {},
        (
            "TIMED OUT",
            "another sync did not end within FIVETRAN_TIMEOUT (5 min)",
            "another sync is STILL RUNNING",
            "attach",
        ),
    ),
    "wrong key": (
        Scenario(),
        "START",
        {"FIVETRAN_API_SECRET": "a-secret-of-another-key"},
        ("FAILED", "rejected the API key (401)", "no sync was started", "or are key and secret swapped?"),
    ),
    "no permission": (
        Scenario(faults=(FORBIDDEN,)),
        "START",
        {},
        ("FAILED", "lacks the permission to read the connection (403)", "no sync was started", "give the API key's"),
    ),
    "unknown connection": (
        Scenario(exists=False),
        "START",
        {},
        ("FAILED", "Fivetran has no connection", "no sync was started", "check CONNECTOR_ID"),
    ),
    "paused": (
        Scenario(connection={"paused": True}),
        "START",
        {},
        ("FAILED", "the connection is paused", "no sync was started", "FIVETRAN_UNPAUSE=1"),
    ),
    "busy": (
        Scenario(running=SyncPlan(lasts=900.0)),
        "START",
        {"FIVETRAN_ON_RUNNING": "fail"},
        ("FAILED", "another sync is running", "STILL RUNNING, and none was started", "wait or attach"),
    ),
    "unavailable": (
        Scenario(faults=(UNREACHABLE,)),
        "START",
        {},
        ("FAILED", "unavailable: 502", "no sync was started", "start the job again later"),
    ),
    "rescheduled": (
        Scenario(syncs=(SyncPlan(lasts=20.0, ends="reschedules", again_in=3600.0),)),
        "START",
        {},
        (
            "RESCHEDULED",
            "after the job's deadline",
            "nothing is running; Fivetran will not resume",
            "longer FIVETRAN_T",
        ),
    ),
    "unconfirmed re-sync": (
        Scenario(faults=(Fault(on="resync", status=502, times=0),)),
        "FORCE_RESYNC",
        {},
        ("FAILED", "did not confirm that it accepted the re-sync", "MAY BE RUNNING", "whether a re-sync of the table"),
    ),
    "tests failed": (
        Scenario(setup_tests=TESTS),
        "TEST",
        {},
        ("FAILED", "1 of 4 setup tests failed, 1 could not run", "", "fix the setup"),
    ),
    "misconfigured": (
        Scenario(),
        "START",
        {"FIVETRAN_TIMEOUT": "soon"},
        (
            "FAILED",
            "1 problem to fix",
            "no request was sent to Fivetran",
            "FIVETRAN_TIMEOUT: 'soon' is not a duration: give",
        ),
    ),
}


def block(log: str) -> list[str]:
    """The last block of a log, its time aside."""
    lines = re.sub(r"\x1b\[0Ksection_\w+:\d+:[^\r]*\r\x1b\[0K", "", log).splitlines()
    start = max(place for place, line in enumerate(lines) if re.match(r"\d\d:\d\d:\d\dZ ", line))
    return [lines[start][10:], *(line[10:] for line in lines[start + 1 :])]


def check(found: list[str], expected: tuple[str, str, str, str]) -> None:
    """See that a block's first two lines say what they are to say."""
    outcome, why, running, now = expected
    assert found[0].startswith(f"{outcome}: ")
    assert why in found[0]
    assert running in found[0]
    assert re.search(r"\(exit \d+\)$", found[0])
    assert now in (found[1] if now else "")
    assert found[1].startswith("now       ") == bool(now)


@pytest.mark.parametrize(("scenario", "action", "more", "expected"), ENDINGS.values(), ids=ENDINGS)
@pytest.mark.parametrize("where", [{}, {"GITLAB_CI": "true", "CI": "true"}])
def test_two_lines_answer_all_four_questions(
    simulate: Simulate,
    scenario: Scenario,
    action: str,
    more: dict[str, Any],
    where: dict[str, Any],
    expected: tuple[str, str, str, str],
) -> None:
    """Did it sync, if not why, is something still running, what now: the last block's first two lines say it."""
    check(block(simulate(scenario).play(action, **more, **where, **PLAIN).stderr), expected)


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """It is one."""
        return True


@pytest.mark.parametrize(("scenario", "action", "more", "expected"), ENDINGS.values(), ids=ENDINGS)
def test_two_lines_on_a_terminal(
    simulate: Simulate, scenario: Scenario, action: str, more: dict[str, Any], expected: tuple[str, str, str, str]
) -> None:
    """On a terminal, in colour and with its live line gone, they say the same."""
    job, log = simulate(scenario), Terminal()

    Job(job.variables(action, **more), clock=job.clock, jitter=lambda: 0.0, stdout=Terminal(), stderr=log).run()

    drawn = re.sub(r"\r\x1b\[2K[^\r\n]*(?=\r\x1b\[2K)", "", log.getvalue())  # what was drawn over is gone
    check(block(re.sub(r"\r|\x1b\[[0-9;]*[mK]", "", drawn)), expected)


@pytest.mark.parametrize(("signal", "code"), [(Event.INTERRUPTED, 130), (Event.TERMINATED, 143)])
def test_two_lines_of_a_job_that_is_stopped(simulate: Simulate, signal: Event, code: int) -> None:
    """A job that is stopped says that the sync is running on, and how to wait for it."""
    job = simulate(Scenario(syncs=(SyncPlan(lasts=900.0),)))

    def stop(run: Run, step: Step | None) -> None:
        if step is not None and step.event == Event.RUNNING:
            run.ports = run.ports._replace(signal=lambda: signal)

    played = job.play(observe=stop, **PLAIN)

    assert played.code == code
    check(block(played.stderr), ("STOPPED", f"{code})", "the sync is STILL RUNNING", "FIVETRAN_ON_RUNNING=attach"))


def test_terminal_gets_a_summary(simulate: Simulate) -> None:
    """On a terminal the result is two lines for people, and the document with `--json`; STATUS prints its document."""
    job = simulate()

    def printed(action: str, **more: Any) -> str:
        out = Terminal()
        Job(job.variables(action), clock=job.clock, stdout=out, stderr=Terminal(), **more).run()
        return out.getvalue()

    summary, document, status = printed("START"), printed("START", json=True), printed("STATUS")

    assert re.fullmatch(
        r"START speak_inexpensive: succeeded \(exit 0\)\ndata as of 2027-\S+ \S+ UTC, just now\n"
        r"--json prints all of it\n",
        summary,
    )
    assert json.loads(document)["verdict"] == "succeeded"
    assert json.loads(status)["id"] == "speak_inexpensive"


def screen(drawn: str) -> list[str]:
    """What a terminal shows in the end: a line that is drawn over is gone."""
    return [line.rpartition("\r\x1b[2K")[2] for line in drawn.replace("\r\n", "\n").split("\n")]


@pytest.mark.parametrize("action", ["START", "STATUS", "TEST"])
def test_live_line_leaves_nothing_behind(simulate: Simulate, action: str) -> None:
    """Where result and log share a terminal, neither runs into the live line, and it says nothing after the verdict."""
    job, both = simulate(Scenario(syncs=(SyncPlan(lasts=150.0),))), Terminal()

    Job(job.variables(action, NO_COLOR=""), clock=job.clock, jitter=lambda: 0.0, stdout=both, stderr=both).run()

    drawn = both.getvalue()
    assert [line for line in screen(drawn) if " left" in line] == []
    assert (" left" in drawn) == (action == "START")


def test_summary_without_a_success(simulate: Simulate) -> None:
    """Where nothing has ever succeeded, the summary says how the run ended and no date."""
    job, out = simulate(Scenario(connection={"succeeded_at": None}, syncs=(FAILS,))), Terminal()

    Job(job.variables(), clock=job.clock, stdout=out, stderr=io.StringIO()).run()

    assert out.getvalue() == ("START speak_inexpensive: sync_failed (exit 1)\n--json prints all of it\n")


def test_verdict_event_of_the_json_log(simulate: Simulate) -> None:
    """In a JSON log the verdict is one event with its members, numbers as numbers; each line names the connection."""
    played = simulate(Scenario(syncs=(FAILS,))).play(FIVETRAN_LOG_FORMAT="json")

    lines = [json.loads(line) for line in played.stderr.splitlines()]
    assert {line["connection_id"] for line in lines} == {"speak_inexpensive"}
    (verdict,) = (line for line in lines if line["event"] == "verdict")
    assert verdict is lines[-1] or verdict == lines[-1]
    assert (verdict["level"], verdict["outcome"], verdict["verdict"]) == ("error", "FAILED", "sync_failed")
    assert (verdict["exit_code"], verdict["elapsed_seconds"]) == (1, 60.0)
    assert verdict["still_running"] is False
    assert verdict["reasons"][0].startswith("The source database refused the connection")
    warnings = [line["event"] for line in lines if line["level"] == "warning"]
    assert warnings == [f"schedule: {verdict['schedule']}"]


LEFT = {
    "green sync": (Scenario(), "START", {}, False),
    "failed sync": (Scenario(syncs=(FAILS,)), "START", {}, True),
    "failed sync, manual before": (
        Scenario(connection={"schedule_type": "manual"}, syncs=(FAILS,)),
        "START",
        {},
        False,
    ),
    "failed sync, set back": (Scenario(syncs=(FAILS,)), "START", {"FIVETRAN_RESTORE_SCHEDULE": "1"}, False),
    "failed sync, left alone": (Scenario(syncs=(FAILS,)), "START", {"FIVETRAN_DONT_DISABLE_SYNC": "1"}, False),
    "status": (Scenario(), "STATUS", {}, True),
    "tests": (Scenario(), "TEST", {}, True),
}


@pytest.mark.parametrize(("scenario", "action", "more", "warns"), LEFT.values(), ids=LEFT)
def test_schedule_that_was_left_manual_is_a_warning(
    simulate: Simulate, scenario: Scenario, action: str, more: dict[str, Any], *, warns: bool
) -> None:
    """A schedule that this run switched and left so without a green sync is a warning: nothing syncs by itself now."""
    lines = block(simulate(scenario).play(action, **more, **PLAIN).stderr)

    words = "schedule  WARNING: manual, was auto; no sync will run until a job starts one"
    assert warns == any(line.startswith(words) for line in lines)


def test_long_reason_is_said_in_full_below() -> None:
    """A reason that is too long for the first line is cut there, and whole among the others."""
    told = outside("it broke", ("word " * 60, "and more"), "")._asdict()
    document = {**told, "exit_code": 1, "page": None}

    assert first_line(document).endswith("more characters) (exit 1)")
    assert other_lines(document, "") == [f"why       {'word ' * 60}", "          and more"]
