"""The files for GitLab: `junit.xml`, `fivetran.env` and `annotations.json`."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from causes import armed_in, case
from forms import assert_result, dotenv_variables, junit_cases
from members import ended, fleet
from simulated_job import CONNECTOR, Simulate

from orchestrator.fleet.report.files import dotenv as of_a_fleet
from orchestrator.job.configuration import configure
from orchestrator.job.report.gitlab import annotations, dotenv, junit
from orchestrator.job.variables import RESULTS, VARIABLES
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.loader import load
from orchestrator.simulator.scenario import Scenario

HOSTILE = "<b>\x00\x1b[31m]]>&\ud800\ufffe\u202e\"' $HOME `id`\nFIVETRAN_VERDICT=done"

TESTS: tuple[dict[str, Any], ...] = (
    {"title": "Host", "status": "PASSED", "message": "", "details": None},
    {"title": "Port", "status": "PASSED", "message": "Open"},
    {"title": "Port", "status": "SKIPPED", "message": None, "details": ""},
    {"title": "Lag", "status": "WARNING", "message": "High", "details": ["12 s"]},
    {"title": "Login", "status": "FAILED", "message": "Refused", "details": "Is the password right?"},
    {"title": "Job", "status": "JOB_FAILED", "message": "", "details": {"exit": 1}},
    {"title": None, "status": "NEW"},
)


def document(**members: Any) -> dict[str, Any]:
    """A result, as far as these files read it."""
    told = {
        "headline": "it ended",
        "reasons": ["because"],
        "at_fivetran": [],
        "advice": ["go on"],
        "page": "https://page",
    }
    times = {"started_at": "2027-01-15T08:00:00.000Z", "ended_at": "2027-01-15T08:00:01.500Z", "elapsed_seconds": 1.5}
    unknown = dict.fromkeys(
        ("sync", "sync_state", "still_running", "succeeded_at", "failed_at", "rescheduled_for", "setup_tests")
    )
    known = {"action": "START", "connector_id": CONNECTOR, "verdict": "succeeded", "exit_code": 0}
    return {**known, **told, **times, **unknown, **members}


# --- junit.xml ----------------------------------------------------------------------------------


def test_case_a_setup_test() -> None:
    """Each setup test is a case of its own name; what GitLab shows of one that failed says why."""
    drawn = junit(document(action="TEST", setup_tests=TESTS, exit_code=1))

    assert junit_cases(drawn) == [
        ("Host", "", ""),
        ("Port", "system-out", "PASSED: Open"),
        ("Port (2)", "skipped", "SKIPPED"),
        ("Lag", "system-out", 'WARNING: High\n["12 s"]'),
        ("Login", "failure", "Refused\nIs the password right?"),
        ("Job", "error", '{"exit": 1}'),
        ("unnamed", "system-out", "NEW"),
    ]
    assert 'tests="7" failures="1" errors="1" skipped="1"' in drawn


@pytest.mark.parametrize(
    ("code", "outcome"), [(0, "system-out"), (1, "failure"), (2, "error"), (143, "error"), (None, "error")]
)
def test_run_is_one_case(code: int | None, outcome: str) -> None:
    """Every other action is one case, which tells the verdict, why, and what to do."""
    drawn = junit(document(exit_code=code, at_fivetran=["nothing"]))

    assert junit_cases(drawn) == [
        (
            "START",
            outcome,
            "it ended\nwhy: because\nat Fivetran: nothing\nwhat to do now: go on\nconnection: https://page",
        )
    ]


def test_nothing_is_known_of_the_job() -> None:
    """A job without an action and a connector is a case, too; so is TEST of a connection without setup tests."""
    nameless = junit(document(action=None, connector_id=None, page=None, verdict="misconfigured", exit_code=2))
    without = junit(document(action="TEST", setup_tests=[]))

    assert [name for name, _, _ in junit_cases(nameless) + junit_cases(without)] == ["job", "TEST"]


def test_xml_cannot_be_forged() -> None:
    """No name breaks out of its element, and what XML cannot carry is left out."""
    tests = [
        {"title": HOSTILE, "status": status, "message": HOSTILE, "details": HOSTILE} for status in ("FAILED", HOSTILE)
    ]

    (first, second) = junit_cases(junit(document(connector_id=HOSTILE, setup_tests=tests)))

    assert first[0].startswith("<b>[31m]]>&")
    assert second[0].endswith("(2)")
    assert first[1:] == ("failure", f"{first[2]}")
    assert "\x1b" not in first[2]


@pytest.mark.parametrize(
    ("action", "verdict"), [(action, name) for action in ACTIONS for name in load(action).verdicts()]
)
def test_files_of_a_verdict(simulate: Simulate, action: str, verdict: str) -> None:
    """The result of every verdict of every action is as its schema says, and GitLab takes the other files."""
    cause = case(action, "ending", verdict)
    job = simulate(cause.scenario)
    given: dict[str, Any] = dict(cause.variables)

    played = job.play(action, cause.observer(job, armed_in(action, "ending", verdict)), **given)

    folder = job.folder / "report"
    assert_result(played.report)
    assert (folder / "index.html").is_file(), played.stderr
    outcomes = {outcome for _, outcome, _ in junit_cases((folder / "junit.xml").read_text("utf-8"))}
    told = dotenv_variables((folder / "fivetran.env").read_text("utf-8"))
    assert bool(outcomes & {"failure", "error"}) == (played.code != 0)
    assert (told["FIVETRAN_VERDICT"], told["FIVETRAN_EXIT_CODE"]) == (verdict, str(played.code))
    assert json.loads((folder / "annotations.json").read_text("utf-8")) == {
        "Fivetran": [
            {
                "external_link": {
                    "label": "The connection at Fivetran",
                    "url": f"https://fivetran.com/dashboard/connections/{CONNECTOR}",
                }
            }
        ]
    }


# --- fivetran.env -------------------------------------------------------------------------------


def test_variables() -> None:
    """What is known is a line, times always in the same form; what is not known is none."""
    drawn = dotenv(
        document(
            sync={"sync_id": "4711"},
            sync_state="rescheduled",
            still_running=False,
            succeeded_at="2027-01-15T09:00:00+02:00",
            failed_at="null",
            rescheduled_for="2027-01-15T10:00:00Z",
        )
    )

    assert dotenv_variables(drawn) == {
        "FIVETRAN_VERDICT": "succeeded",
        "FIVETRAN_EXIT_CODE": "0",
        "FIVETRAN_CONNECTION": CONNECTOR,
        "FIVETRAN_SYNC_ID": "4711",
        "FIVETRAN_SYNC_STATE": "rescheduled",
        "FIVETRAN_STILL_RUNNING": "false",
        "FIVETRAN_SUCCEEDED_AT": "2027-01-15T07:00:00.000Z",
        "FIVETRAN_RESCHEDULED_FOR": "2027-01-15T10:00:00.000Z",
        "FIVETRAN_STARTED_AT": "2027-01-15T08:00:00.000Z",
        "FIVETRAN_ENDED_AT": "2027-01-15T08:00:01.500Z",
        "FIVETRAN_SECONDS": "1.5",
    }


def test_variables_cannot_be_forged() -> None:
    """No value has a line end, a blank or a dollar sign, none is long, and one that has nothing else is left out."""
    hostile = {"connector_id": HOSTILE * 100, "sync_state": "$`\n", "sync": {"sync_id": HOSTILE}, "verdict": None}

    drawn = dotenv_variables(dotenv(document(**hostile)))

    assert len(drawn["FIVETRAN_CONNECTION"]) == 200
    assert drawn["FIVETRAN_SYNC_ID"] == "b31mHOMEidFIVETRAN_VERDICTdone"
    assert drawn.keys().isdisjoint({"FIVETRAN_VERDICT", "FIVETRAN_SYNC_STATE"})


def test_variables_change_no_later_job(simulate: Simulate) -> None:
    """A later job of ours in the same pipeline is not told anything by these variables, and not warned of them."""
    job = simulate(Scenario())
    job.play(FIVETRAN_TIMEOUT="600")
    drawn = dotenv_variables((job.folder / "report" / "fivetran.env").read_text("utf-8"))

    later = configure({**job.variables("STATUS"), **drawn})

    assert drawn.keys().isdisjoint({*VARIABLES, *(variable.alias for variable in VARIABLES.values())})
    assert (later.settings, later.warnings) == (configure(job.variables("STATUS")).settings, ())


def test_documentation_has_every_variable() -> None:
    """docs/reports.md names each variable that can be there, and no other; so does the configuration."""
    text = (Path(__file__).parents[2] / "docs" / "reports.md").read_text("utf-8")
    everything = dotenv(
        document(sync={"sync_id": "1"}, sync_state="x", still_running=True)
        | dict.fromkeys(("succeeded_at", "failed_at", "rescheduled_for"), "2027-01-15T10:00:00Z")
    )

    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `FIVETRAN_")]

    assert {name for row in rows for name in re.findall("[A-Z_]+", row)} == RESULTS
    of_many = dotenv_variables(of_a_fleet(fleet([ended("succeeded")])))
    assert dotenv_variables(everything).keys() | of_many.keys() == RESULTS


# --- annotations.json ---------------------------------------------------------------------------


def test_links() -> None:
    """GitLab's job page gets a link to the connection and one to the page; where neither is known, none."""
    drawn = json.loads(annotations(document(), "https://gitlab.example/report"))

    assert [link["external_link"]["url"] for link in drawn["Fivetran"]] == [
        "https://page",
        "https://gitlab.example/report",
    ]
    assert json.loads(annotations(document(page=None), None)) == {}
