"""What is said of many connections at the end: the log's last block, and stdout."""

import json
from typing import Any

import pytest
from members import AWAY, REFUSED, ended, fleet, left_out, many, syncing

from orchestrator.fleet.table import render
from orchestrator.fleet.verdict_block import LONGEST, first_line, other_lines
from orchestrator.job.masking import Mask
from orchestrator.values.facts import Facts

MANUAL = {"schedule_type": "manual", "status": {"sync_state": "scheduled", "setup_state": "connected"}}
FAILED: dict[str, Any] = {"connection": MANUAL, "schedule_before": "auto", "triggered": True}
THIRTY = [
    *many("succeeded", 13),
    ended("paused", "sturdy_door"),
    ended("sync_failed", "calm_river", **FAILED),
    ended("too_late", "odd_boat", waited_for="2027-01-15T10:00:00Z"),
    ended("not_found", "no_such"),
    *many("succeeded", 13, name="more"),
]


def table(lines: list[str]) -> list[str]:
    """The lines of a block that are about single connections."""
    return [line for line in lines if line.split(" ")[0] not in {"now", "OK", "schedule", "report", ""}]


def test_four_of_thirty_are_on_top() -> None:
    """Of 30 connections the four that need attention are there, each with reason and advice; 26 are a number."""
    document = fleet(THIRTY)

    lines = other_lines(document, "report/index.html")

    assert first_line(document) == "4 of 30 connections did not sync (3 FAILED, 1 RESCHEDULED) (exit 4)"
    assert lines[:2] == [
        "now       fix what is wrong with each connection, as its line says",
        (
            "          to run only what is not green, start the job again with "
            "CONNECTOR_ID=sturdy_door,calm_river,odd_boat,no_such"
        ),
    ]
    assert table(lines) == [
        "no_such      FAILED: Fivetran has no connection no_such",
        (
            "calm_river   FAILED: the sync failed: Fivetran's API gives no reason; the connection's page has "
            "the sync's log"
        ),
        "sturdy_door  FAILED: the connection is paused",
        "odd_boat     RESCHEDULED: Fivetran rescheduled the sync to 2027-01-15 10:00:00 UTC, after the job's deadline",
    ]
    assert [line.strip()[:30] for line in lines if line.strip().startswith("now: ")] == [
        "now: check CONNECTOR_ID: the c",
        "now: read the sync's log on th",
        "now: un-pause it on its page (",
        "now: raise FIVETRAN_TIMEOUT, a",
    ]
    assert lines[-3:] == [
        "OK        26 connections",
        (
            "schedule  WARNING: 1 schedule was left manual, and its connection will not sync until a job starts a sync "
            "(calm_river); FIVETRAN_RESTORE_SCHEDULE=auto in the next job sets it to auto"
        ),
        "report    report/index.html",
    ]


def test_green_block_is_a_line() -> None:
    """Where all is well there is the number, and where the report is."""
    document = fleet(many("succeeded", 500))

    assert first_line(document) == "all 500 connections synced (exit 0)"
    assert other_lines(document, "") == []
    assert other_lines(document, "here") == ["report    here"]


def test_signal_that_ended_hundreds() -> None:
    """What goes on is said in the first line; those to which the same happened have one row."""
    members = [*(syncing(f"run_{number}") for number in range(300)), *(left_out(f"late_{n}") for n in range(200))]

    document = fleet(members, stop="terminated")
    lines = other_lines(document, "")

    assert first_line(document) == (
        "the job was terminated by the runner; 500 of 500 connections did not sync (300 TIMED OUT, 200 NOT STARTED); "
        "300 syncs are STILL RUNNING at Fivetran: run_0, run_1, run_2, run_3, run_4 and 295 more (exit 143)"
    )
    assert [line[:28] for line in table(lines)] == ["300 connections  TIMED OUT: ", "200 connections  NOT STARTED"]
    assert "                 late_0, late_1, late_2, late_3, late_4 and 195 more" in lines


def test_advice_for_all_is_said_once() -> None:
    """What to do that all need stands first, and not again beside each; an id in a common text is ID."""
    rejected, paused = (
        other_lines(fleet(many(verdict, 4, **facts)), "") for verdict, facts in (("refused", REFUSED), ("paused", {}))
    )

    assert sum("check FIVETRAN_API_KEY" in line for line in rejected) == 1
    assert sum("connections/ID), or set FIVETRAN_UNPAUSE=1" in line for line in paused) == 1


def test_alike_but_for_their_times() -> None:
    """Those to which the same happened at different times have one row that does not say when; a common time stays."""
    failed = [
        {**ended("sync_failed", f"f{number}"), "headline": f"the sync failed after {number} min {number + 1} s"}
        for number in range(1, 5)
    ]
    moved = [ended("too_late", f"m{number}", waited_for=f"2027-01-15T10:0{number}:00Z") for number in range(4)]
    late = [syncing(f"l{number}") for number in range(4)]

    lines = table(other_lines(fleet([*failed, *moved, *late]), ""))

    assert [line.split(":", 1)[1] for line in lines] == [
        " the sync failed: Fivetran's API gives no reason; the connection's page has the sync's log",
        " the sync did not end within FIVETRAN_TIMEOUT (5 min); the sync is STILL RUNNING at Fivetran",
        " Fivetran rescheduled the sync to …, after the job's deadline",
    ]


def test_table_is_never_longer_than_a_screen() -> None:
    """Twenty rows, then how many more there are; each line is short enough for a log, whatever the ids and reasons."""
    why: dict[str, Any] = {"failure": {**AWAY["failure"], "message": "word " * 200}}
    members = [ended("gave_up", f"{'x' * 60}_{number}", **why, baseline=None) for number in range(3)]
    members += [
        {**ended("paused", f"p{number}"), "headline": f"it is {number} {'much ' * 100}"} for number in range(30)
    ]

    with_report, without = (other_lines(fleet(members), place) for place in ("report/index.html", ""))

    assert sum(": it is" in line for line in with_report) == 20
    assert "and 13 more: see the report" in with_report
    assert "and 13 more" in without
    assert max(map(len, with_report)) < LONGEST + 90
    assert "x" * 39 + "…" not in "".join(with_report)
    assert "x" * 39 + "…  FAILED" in "".join(other_lines(fleet(members[:3]), ""))


# --- stdout ---------------------------------------------------------------------------------------


def test_stdout_is_the_document() -> None:
    """START prints the whole result as JSON, without secrets; at a terminal a table of what needs attention."""
    document = fleet([*THIRTY, {**ended("succeeded", "leaky"), "notes": ["a-secret"]}])

    text = render("result", {}, document, Mask("a-secret"))

    assert "a-secret" not in text
    assert json.loads(text)["counts"] == {"FAILED": 3, "RESCHEDULED": 1, "OK": 27}
    assert render("result", {}, document, Mask(), as_json=False).splitlines() == [
        "START 31 connections: 3 FAILED, 1 RESCHEDULED, 27 OK (exit 4)",
        "no_such      FAILED       Fivetran has no connection no_such",
        (
            "calm_river   FAILED       the sync failed: Fivetran's API gives no reason; the connection's page has the "
            "sync's log"
        ),
        "sturdy_door  FAILED       the connection is paused",
        "odd_boat     RESCHEDULED  Fivetran rescheduled the sync to 2027-01-15 10:00:00 UTC, after the job's deadline",
        "--json prints all of it",
    ]


def test_summary_ends() -> None:
    """The table at a terminal has twenty rows at most; one connection is one."""
    members = [{**ended("paused", f"p{number}"), "headline": f"it is {number}"} for number in range(30)]

    lines = render("result", {}, fleet(members), Mask(), as_json=False).splitlines()

    assert lines[-2:] == ["and 10 more", "--json prints all of it"]
    assert len(lines) == 23
    assert render("result", {}, fleet(members[:1]), Mask(), as_json=False).startswith("START 1 connection: 1 FAILED (")


def test_status_prints_the_connections() -> None:
    """STATUS prints what Fivetran has of each connection that could be read, in the order in which they were named."""
    facts = {
        "b": Facts(connection={"id": "b", "schema": "a-secret"}),
        "gone": Facts(),
        "a": Facts(connection={"id": "a"}),
    }

    text = render("connection", facts, fleet([], "STATUS"), Mask("a-secret"), as_json=False)

    assert json.loads(text) == [{"id": "b", "schema": "***"}, {"id": "a"}]


def test_test_prints_a_table_each() -> None:
    """TEST prints each connection's setup tests under its id, what failed first; of one without any, why."""
    failed, passed = (
        {"title": title, "status": title.upper(), "message": "", "details": None} for title in ("failed", "passed")
    )
    members = [
        ended("passed", "good", "TEST", setup_tests=(passed,)),
        ended("tests_failed", "bad", "TEST", setup_tests=(passed, failed)),
        ended("not_found", "no_such", "TEST"),
    ]

    text = render("tests", {}, fleet(members, "TEST"), Mask())

    assert text == (
        "no_such\nFAILED: Fivetran has no connection no_such\n\n"
        "bad\nPASSED  passed\nFAILED  failed\n1 of 2 setup tests failed\n\n"
        "good\nPASSED  passed\nthe setup test passed\n"
    )


@pytest.mark.parametrize("prints", ["result", "tests"])
def test_no_connection_is_no_fault(prints: str) -> None:
    """Where there is no connection, what is printed is well formed all the same."""
    assert isinstance(render(prints, {}, fleet([]), Mask(), as_json=False), str)
