import json
from typing import Any

import pytest
from made import step
from simulated_job import CONNECTOR, Simulate

from orchestrator.job.masking import Mask
from orchestrator.job.result import result
from orchestrator.job.stdout import render, table
from orchestrator.job.trace import Trace
from orchestrator.machine.loader import load
from orchestrator.machine.standing import Standing
from orchestrator.simulator.scenario import Fault, Scenario
from orchestrator.values.facts import Facts
from orchestrator.values.formatting import iso
from orchestrator.values.settings import Settings

TESTS: tuple[dict[str, Any], ...] = (
    {"title": "Host", "status": "PASSED", "message": "", "details": None},
    {"title": "Port", "status": "PASSED", "message": "Open"},
    {"title": "Tunnel", "status": "SKIPPED", "message": None, "details": ""},
    {"title": "Lag", "status": "WARNING", "message": "High", "details": ["12 s", "über 10 s"]},
    {"title": "Login", "status": "FAILED", "message": "Refused", "details": "Is the password right?"},
    {"title": "Job", "status": "JOB_FAILED", "message": "Crashed", "details": {"exit": 1}},
)


def test_table() -> None:
    """The table shows each test with its details, whatever JSON they are, and counts all five results."""
    expected = """\
PASSED      Host
PASSED      Port: Open
SKIPPED     Tunnel
WARNING     Lag: High
              ["12 s", "über 10 s"]
FAILED      Login: Refused
              Is the password right?
JOB_FAILED  Job: Crashed
              {"exit": 1}
1 of 6 setup tests failed, 1 could not run, 1 warned, 1 skipped
"""

    assert expected == table(TESTS)


@pytest.mark.parametrize(
    ("tests", "expected"),
    [
        ([], "the connection has no setup tests\n"),
        ([{}], "  \n0 of 1 setup test passed, 1 ended otherwise\n"),
        ([{"status": 7}], "7  \n0 of 1 setup test passed, 1 ended otherwise\n"),
    ],
)
def test_odd_table(tests: list[dict[str, Any]], expected: str) -> None:
    """No tests, and a test without its members, make a table, too."""
    assert expected == table(tests)


def test_test_prints_the_table(simulate: Simulate) -> None:
    """TEST prints the table alone."""
    job = simulate(Scenario(setup_tests=TESTS))

    played = job.play("TEST")

    assert played.stdout == table(TESTS)
    assert played.code == 1


def test_table_cannot_be_forged(simulate: Simulate) -> None:
    """A setup test's words make no line of their own."""
    job = simulate(Scenario(setup_tests=({"title": "a\nPASSED  b", "status": "FAILED\x1b[8m", "details": ["\r"]},)))

    played = job.play("TEST")

    assert played.stdout.splitlines()[:2] == ["FAILED[8m  a PASSED  b", '             [""]']


def test_status_prints_the_connection(simulate: Simulate) -> None:
    """STATUS prints the connection as one JSON document, the Connect Card's secrets not."""
    card = {"token": "ey.secret", "uri": "https://fivetran.com/?auth=ey.secret"}
    job = simulate(Scenario(connection={"service": "größe", "connect_card": card}))

    played = job.play("STATUS")

    document = json.loads(played.stdout)
    assert (document["id"], document["service"]) == (CONNECTOR, "größe")
    assert document["connect_card"] == {"token": "***", "uri": "***"}
    assert "ey.secret" not in played.stdout + played.stderr


@pytest.mark.parametrize("action", ["START", "FORCE_RESYNC"])
def test_sync_prints_the_result(simulate: Simulate, action: str) -> None:
    """START and FORCE_RESYNC print the result as one JSON document, the same one that is the report."""
    played = simulate().play(action)

    document = json.loads(played.stdout)
    assert document["action"] == action
    assert (document["verdict"], document["exit_code"], document["sync_state"]) == ("succeeded", 0, "scheduled")
    assert document["baseline"]["succeeded_at"] != document["succeeded_at"]
    assert document["page"] == f"https://fivetran.com/dashboard/connections/{CONNECTOR}"
    assert played.report is not None
    states = document.pop("states")
    assert (states[0], states[-1]) == ("considering_switch", "done")
    assert {name for name in document if document[name] != played.report[name]} <= {"ended_at"}


@pytest.mark.parametrize(("action", "empty"), [("STATUS", True), ("TEST", True), ("START", False)])
def test_nothing_to_show(simulate: Simulate, action: str, empty: bool) -> None:  # noqa: FBT001
    """STATUS and TEST print nothing where nothing was learned; START says why all the same."""
    job = simulate(Scenario(faults=(Fault(times=0, status=401, code="Unauthorized", message="Wrong key"),)))

    played = job.play(action)

    assert played.code == 3
    assert empty == (played.stdout == "")
    assert empty or "Wrong key" in json.loads(played.stdout)["reasons"][0]


def test_result_holds_what_was_learned() -> None:
    """Setup tests, near matches and the way with its loops are in the result."""
    settings = Settings("FORCE_RESYNC", CONNECTOR, "key", "secret", schema="public", table="Orders")
    trace = Trace()
    trace.add(step("somewhere", "by_some_event", "elsewhere", 0.5, "Success"))
    facts = Facts(near_matches=("public.orders",), setup_tests=TESTS[:1], verdict="not_found", warnings=("careful",))
    standing = Standing("", facts, 0.0, started_at=1_800_000_000.0, resumed_at=1_800_000_000.5)
    told = result(settings, load("FORCE_RESYNC"), standing, trace, 1_800_000_001.25)

    document = json.loads(render("result", facts, told, Mask()))

    assert document["states"] == ["elsewhere"]
    assert told["steps"][0]["detail"] == "GET /x -> 200 Success"
    assert document["exit_code"] == 4
    assert document["near_matches"] == ["public.orders"]
    assert document["setup_tests"] == [TESTS[0]]
    assert document["notes"] == ["careful"]
    assert document["elapsed_seconds"] == 1.25
    assert document["resumed"] is True
    assert document["ended_at"] == iso(1_800_000_001.25) == "2027-01-15T08:00:01.250Z"
