"""FIVETRAN_MAX_AGE: STATUS as a freshness gate."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from simulated_job import Simulate

from orchestrator.fivetran.effects import EFFECTS, Pure
from orchestrator.fivetran.verdicts import explain
from orchestrator.job.configuration import ConfigurationError, configure
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.loader import load, packaged_source
from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan, load_scenario
from orchestrator.values.facts import Facts
from orchestrator.values.settings import Settings

HOUR = 3600.0
NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z
SETTINGS = Settings("STATUS", "speak_inexpensive", "a-key-of-ours", "a-secret-of-ours", max_age=36 * HOUR)
NEEDED = {
    "CONNECTOR_ID": "speak_inexpensive",
    "FIVETRAN_API_KEY": "a-key-of-ours",
    "FIVETRAN_API_SECRET": "a-secret-of-ours",
}
AGO_52_H = "2027-01-13T04:00:00Z"
OLD = f"its last success was 2 d 4 h ago ({AGO_52_H[:-1]}.000Z), older than FIVETRAN_MAX_AGE (1 d 12 h)"


def facts(**more: Any) -> Facts:
    """What is known once the connection has been read."""
    document = {"succeeded_at": AGO_52_H, "schedule_type": "auto", "status": {"sync_state": "scheduled"}, **more}
    return Facts(connection=document, connection_date=NOW, read_at=1.0, concluded_at=1.0)


def judged(known: Facts, settings: Settings = SETTINGS) -> tuple[str, str]:
    """The event, and the rule that decided."""
    effect = EFFECTS["check_age"]
    assert isinstance(effect, Pure)
    event, _, rule = effect.conclude(settings, known)
    return str(event), rule


@pytest.mark.parametrize(
    ("known", "rule"),
    [
        (facts(), OLD),
        (facts(succeeded_at=None), "it has never succeeded"),
        (facts(succeeded_at="null"), "it has never succeeded"),
        (facts(succeeded_at="yesterday"), "its last success is unknown: succeeded_at is 'yesterday'"),
        (facts(succeeded_at={"at": 1}), "its last success is unknown: succeeded_at is {'at': 1}"),
        (facts(succeeded_at=""), "its last success is unknown: succeeded_at is missing"),
        (Facts(), "its last success is unknown: succeeded_at is missing"),
        (
            facts().but(dated=False),
            f"the age of its last success ({AGO_52_H}) is unknown: Fivetran's answer had no Date header",
        ),
    ],
)
def test_what_is_stale(known: Facts, rule: str) -> None:
    """An old success, none at all, and one whose age cannot be told are stale, and the rule says which it is."""
    assert judged(known) == ("stale", rule)


@pytest.mark.parametrize("succeeded_at", ["2027-01-13T20:00:00Z", "2027-01-15T07:59:59.9Z", "2027-01-15T08:00:01Z"])
def test_what_is_fresh(succeeded_at: str) -> None:
    """A success exactly as old as is allowed is fresh, and so is one that a clock ahead has dated in the future."""
    assert judged(facts(succeeded_at=succeeded_at)) == ("shown", "its last success is at most 1 d 12 h old")


def test_without_the_variable_nothing_is_judged() -> None:
    """Without FIVETRAN_MAX_AGE any age will do, and a connection that never succeeded is shown."""
    settings = replace(SETTINGS, max_age=None)

    assert judged(facts(succeeded_at=None), settings) == ("shown", "FIVETRAN_MAX_AGE is not set")


@pytest.mark.parametrize(
    ("more", "reasons", "advice"),
    [
        ({}, [OLD], "start a sync with FIVETRAN_ACTION=START"),
        (
            {"schedule_type": "manual"},
            [OLD, "its schedule is manual: only a job starts syncs"],
            "start a sync with FIVETRAN_ACTION=START",
        ),
        (
            {"paused": True, "schedule_type": "manual"},
            [OLD, "it is paused: it does not sync until it is un-paused"],
            "start a sync with FIVETRAN_ACTION=START and FIVETRAN_UNPAUSE=1",
        ),
        (
            {"failed_at": "2027-01-14T04:00:00Z"},
            [OLD, "its last sync failed (2027-01-14 04:00:00 UTC)"],
            "start a sync with FIVETRAN_ACTION=START",
        ),
        ({"failed_at": "2027-01-12T04:00:00Z"}, [OLD], "start a sync with FIVETRAN_ACTION=START"),
        (
            {"succeeded_at": None, "failed_at": "2027-01-12T04:00:00Z"},
            ["it has never succeeded", "its last sync failed (2027-01-12 04:00:00 UTC)"],
            "start a sync with FIVETRAN_ACTION=START",
        ),
        (
            {"status": {"sync_state": "syncing"}},
            [OLD],
            "to wait for the running sync, start a job with FIVETRAN_ACTION=START and FIVETRAN_ON_RUNNING=attach",
        ),
        (
            {"status": {"sync_state": "scheduled", "setup_state": "broken"}},
            [OLD],
            (
                "fix the setup on the connection's page "
                "(https://fivetran.com/dashboard/connections/speak_inexpensive/setup), and start the job again"
            ),
        ),
    ],
)
def test_red_says_why_and_what_now(more: Mapping[str, Any], reasons: list[str], advice: str) -> None:
    """A stale connection's verdict has the age, what keeps it from syncing, and the way to a sync."""
    told = explain(SETTINGS, facts(**more).but(verdict="stale"), load("STATUS"))

    page = "see its latest syncs on the connection's page"
    assert (told.headline, [*told.reasons]) == ("the connection's data is stale", reasons)
    assert (told.advice[0], told.advice[-1]) == (advice, page)


# --- The job --------------------------------------------------------------------------------------


def test_stale_connection_fails_the_job(simulate: Simulate) -> None:
    """STATUS against a stale connection ends with exit code 1, prints its document and starts and changes nothing."""
    played = simulate("stale").play("STATUS")

    assert played.report is not None
    assert (played.code, played.report["verdict"], played.report["state"]) == (1, "stale", "failed")
    assert played.report["reasons"] == [
        "its last success was 6 h ago (2027-01-15T02:00:00.000Z), older than FIVETRAN_MAX_AGE (1 h)"
    ]
    assert '"succeeded_at": "2027-01-15T02:00:00.000000Z"' in played.stdout
    assert played.requests == ["get", "errors"]


def test_fresh_connection_is_shown(simulate: Simulate) -> None:
    """Within FIVETRAN_MAX_AGE, STATUS is as green as ever."""
    played = simulate("stale").play("STATUS", FIVETRAN_MAX_AGE="21600.5")

    assert played.report is not None
    assert (played.code, played.report["verdict"], played.requests) == (0, "shown", ["get"])


@pytest.mark.parametrize("ahead", [5000.0, -5000.0])
def test_age_is_told_by_fivetrans_clock(simulate: Simulate, ahead: float) -> None:
    """A runner's clock that is wrong makes nothing stale, and nothing fresh."""
    scenario = replace(load_scenario("stale"), ahead=ahead)

    assert simulate(scenario).play("STATUS", FIVETRAN_MAX_AGE="21601").code == 0
    assert simulate(scenario).play("STATUS", FIVETRAN_MAX_AGE="21000").code == 1


def test_running_sync_is_told(simulate: Simulate) -> None:
    """A stale connection that is syncing just now is red all the same, and the verdict says that a sync runs."""
    played = simulate(Scenario(running=SyncPlan(lasts=600))).play("STATUS", FIVETRAN_MAX_AGE="3600")

    assert played.report is not None
    assert (played.code, played.report["still_running"]) == (1, True)
    assert played.report["running"] == "a sync is running"


@pytest.mark.parametrize("restore", ["", "1", "auto"])
@pytest.mark.parametrize("schedule", ["auto", "manual"])
@pytest.mark.parametrize("age", ["3600", "86400"])
def test_gate_changes_nothing(simulate: Simulate, age: str, schedule: str, restore: str) -> None:
    """With FIVETRAN_MAX_AGE the schedule is neither switched nor restored, whatever else asks for it."""
    job = simulate(Scenario(connection={"schedule_type": schedule}))

    played = job.play("STATUS", FIVETRAN_MAX_AGE=age, FIVETRAN_RESTORE_SCHEDULE=restore)

    assert "patch" not in played.requests
    assert job.connection.document()["schedule_type"] == schedule


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault(on="get", times=0, status=401, code="Unauthorized"), 3),
        (Fault(on="get", times=0, status=404, code="NotFound_Connection"), 4),
        (Fault(on="get", times=0, status=503), 6),
    ],
)
def test_unread_connection_is_not_called_stale(simulate: Simulate, fault: Fault, code: int) -> None:
    """A connection that could not be read ends as without FIVETRAN_MAX_AGE: red, but not stale."""
    assert simulate(Scenario(faults=(fault,))).play("STATUS", FIVETRAN_MAX_AGE="3600").code == code


# --- The variable ---------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ACTIONS)
def test_other_actions_ignore_it(action: str) -> None:
    """FIVETRAN_MAX_AGE is a setting of STATUS alone; the others pass it over, as policies that they do not have."""
    tables = {"TABLES": "public.orders"} if action == "FORCE_RESYNC" else {}
    age = "129600" if action == "STATUS" else "whatever"

    configured = configure({**NEEDED, **tables, "FIVETRAN_ACTION": action, "FIVETRAN_MAX_AGE": age})

    gate = action == "STATUS"
    assert (configured.settings.max_age, configured.settings.keep_schedule) == (129_600.0 if gate else None, gate)
    assert ("FIVETRAN_MAX_AGE" in configured.inputs) is gate


@pytest.mark.parametrize("given", ["", " "])
def test_nothing_is_no_gate(given: str) -> None:
    """Set to nothing, FIVETRAN_MAX_AGE is not set."""
    settings = configure({**NEEDED, "FIVETRAN_ACTION": "STATUS", "FIVETRAN_MAX_AGE": given}).settings

    assert (settings.max_age, settings.keep_schedule) == (None, False)


@pytest.mark.parametrize("given", ["soon", "0", "-1", "nan", "31622401"])
def test_what_is_no_age_is_refused(given: str) -> None:
    """What is no duration, or more than a year, is refused by name, with an example."""
    with pytest.raises(
        ConfigurationError, match=r"^FIVETRAN_MAX_AGE: .*, such as 86400, or a duration, such as 90s, 5m or 1h30m$"
    ):
        configure({**NEEDED, "FIVETRAN_ACTION": "STATUS", "FIVETRAN_MAX_AGE": given})


def test_chart_without_the_gate_is_refused_with_it(tmp_path: Path) -> None:
    """Your own chart for STATUS that cannot end stale runs as ever, but not with FIVETRAN_MAX_AGE."""
    text = packaged_source("STATUS")
    for old, new in (
        ('"checking_age"', '"concluding"'),
        (
            (
                '[checking_age]\ngroup = "Show it"\ndoes  = "check_age"\n'
                'edges.shown = "concluding"\nedges.stale = "concluding"\n'
            ),
            "",
        ),
        ('edges.stale       = "failed"\n', ""),
        ("[failed]\nexit = 1\n", ""),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    own = tmp_path / "own.toml"
    own.write_text(text, "utf-8")
    variables = {**NEEDED, "FIVETRAN_ACTION": "STATUS", "FIVETRAN_CHART": str(own)}

    assert configure(variables).settings.max_age is None
    with pytest.raises(ConfigurationError, match=r"^FIVETRAN_MAX_AGE: FIVETRAN_CHART has no edge for `stale`: draw it"):
        configure({**variables, "FIVETRAN_MAX_AGE": "3600"})
