"""Effects: they cope with any fact missing, and say what Fivetran's answers mean."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from simulated_job import Simulate

from orchestrator.fivetran.effects import CHOICES, EFFECTS, PAUSES, Call, Pure
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.run import Run
from orchestrator.machine.step import Step
from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan
from orchestrator.values.events import Event
from orchestrator.values.exchange import Answer, Failure, Request
from orchestrator.values.facts import Facts
from orchestrator.values.settings import Settings

pytestmark = pytest.mark.usefixtures("_undrawn")

SETTINGS = Settings(
    action="START",
    connector_id="speak_inexpensive",
    api_key="key",
    api_secret="secret",
    schema="public",
    table="orders",
    policies=(("on_running", "wait"), ("on_reschedule", "wait"), ("on_broken", "fail")),
)
RICH = Facts(
    connection={"schedule_type": "auto", "status": {"sync_state": "rescheduled"}},
    connection_date=1_800_000_000.0,
    schedule_before="auto",
    schedule_after="manual",
    baseline={"succeeded_at": None, "failed_at": None, "rescheduled_for": None, "date": None},
    triggered_at=1_800_000_000.0,
    restarted=True,
    syncing_seen=True,
    doubt={"since": 1.0, "succeeded_at": None, "asked": 1, "verdict": "sync_failed", "over": True},
    not_started_for=3.0,
    waited_for="2027-01-15T08:00:00Z",
    looks=2,
    attempted=("disable_schedule",),
    failure=Failure(Event.NOT_FOUND, "").as_fact(
        Request("POST", "/v1/connections/x/schemas/tables/resync", "re-sync"), 1
    ),
    verdict="not_found",
)
ODD: list[Mapping[str, Any]] = [
    {},
    {"status": None, "succeeded_at": 7, "failed_at": [], "schedule": "odd", "setup_tests": "odd", "schemas": 3},
    {"status": {"sync_state": 4, "setup_state": {}, "tasks": {}, "warnings": [None, {}]}, "setup_tests": [None, {}]},
    {"paused": True, "status": {"sync_state": "hibernating"}, "schemas": {"a": None, "b": {"tables": {"c": None}}}},
]


def _without_each(facts: Facts) -> list[Facts]:
    """The facts, and the facts with each of them missing."""
    empty = Facts()
    return [facts, *(facts.without(name) for name in Facts._fields), empty]


@pytest.mark.parametrize("name", [name for name, effect in EFFECTS.items() if isinstance(effect, Call)])
@pytest.mark.parametrize("data", ODD, ids=range(len(ODD)))
def test_call_copes_with_any_fact_missing(name: str, data: Mapping[str, Any]) -> None:
    """A call can be asked and answered whatever is known, and has one of its declared outcomes."""
    effect = EFFECTS[name]
    assert isinstance(effect, Call)

    for facts in _without_each(RICH):
        request = effect.ask(SETTINGS, facts)
        event, after, _ = effect.mean(SETTINGS, facts, Answer(data=data, date=1_800_000_100.0))

        assert request.method == effect.method
        assert event in effect.outcomes
        assert Facts.from_json(json.loads(json.dumps(after.as_json()))).as_json() == after.as_json()


@pytest.mark.parametrize("name", [name for name, effect in EFFECTS.items() if isinstance(effect, Pure)])
def test_pure_effect_copes_with_any_fact_missing(name: str) -> None:
    """An effect without a request has one of its declared outcomes whatever is known."""
    effect = EFFECTS[name]
    assert isinstance(effect, Pure)

    for facts in _without_each(RICH):
        event, _, _ = effect.conclude(SETTINGS, facts)

        assert event in effect.outcomes


@pytest.mark.parametrize("name", CHOICES)
def test_choice_copes_with_any_fact_missing(name: str) -> None:
    """A choice has a value whatever is known."""
    choice = CHOICES[name]

    for facts in _without_each(RICH):
        value = choice.of(SETTINGS, facts)

        assert value in (choice.values or [value])


# --- What is asked, seen from outside ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "variables", "connection", "expected"),
    [
        ("STATUS", {}, {}, ["get", "patch"]),
        ("STATUS", {}, {"schedule_type": "manual"}, ["get"]),
        ("STATUS", {"FIVETRAN_DONT_DISABLE_SYNC": "1"}, {}, ["get"]),
        ("TEST", {}, {}, ["get", "patch", "test"]),
        ("START", {"FIVETRAN_EVIDENCE": "0"}, {}, ["get", "patch", "sync", "get", "get", "get"]),
        ("START", {}, {"schedule_type": "manual"}, ["get", "sync", "get", "get", "get", "history"]),
        ("FORCE_RESYNC", {}, {}, ["get", "patch", "resync", "get", "get", "get", "history"]),
    ],
)
def test_never_a_request_whose_answer_is_known(
    simulate: Simulate,
    action: str,
    variables: dict[str, Any],
    connection: Mapping[str, Any],
    expected: list[str],
) -> None:
    """STATUS asks twice, or once if the schedule needs nothing; START three times, once a poll and for the history."""
    job = simulate(Scenario(connection=connection, syncs=(SyncPlan(lasts=25),)))

    played = job.play(action, **variables)

    assert played.requests == expected


def test_unpausing_is_one_request(simulate: Simulate) -> None:
    """Pause and schedule change in one PATCH, so that the overdue sync cannot start in between."""
    job = simulate("unpaused")

    job.play()

    patches = [seen.body for seen in job.simulator.seen if seen.operation == "patch"]
    assert patches == [{"paused": False, "schedule_type": "manual", "run_setup_tests": False}]
    assert [sync.cause for sync in job.connection.history] == ["sync"]


def test_unpausing_keeps_the_schedule_if_asked_to(simulate: Simulate) -> None:
    """With FIVETRAN_DONT_DISABLE_SYNC the pause alone is changed."""
    job = simulate(Scenario(connection={"paused": True}))

    job.play(FIVETRAN_UNPAUSE="1", FIVETRAN_DONT_DISABLE_SYNC="1")

    patches = [seen.body for seen in job.simulator.seen if seen.operation == "patch"]
    assert patches == [{"paused": False, "run_setup_tests": False}]


@pytest.mark.parametrize(
    ("scenario", "variables", "patches"),
    [
        (Scenario(), {}, ["manual", "auto"]),
        (Scenario(connection={"schedule_type": "manual"}), {}, []),
        (Scenario(), {"FIVETRAN_DONT_DISABLE_SYNC": "1"}, []),
        # Event.REFUSED, and read again as it was: there is nothing to put back.
        (Scenario(faults=(Fault(on="patch", status=403, code="Forbidden"),)), {}, ["manual"]),
    ],
)
def test_schedule_is_restored_where_it_was_changed(
    simulate: Simulate, scenario: Scenario, variables: dict[str, Any], patches: list[str]
) -> None:
    """FIVETRAN_RESTORE_SCHEDULE puts back what the run changed, and asks for nothing else."""
    job = simulate(scenario)

    job.play(FIVETRAN_RESTORE_SCHEDULE="1", **variables)

    assert [seen.body["schedule_type"] for seen in job.simulator.seen if seen.operation == "patch"] == patches


def test_a_rescheduled_resync_is_sent_again_as_a_resync(simulate: Simulate) -> None:
    """What Fivetran put off is asked for again as what it was."""
    job = simulate(Scenario(syncs=(SyncPlan(lasts=20, ends="reschedules", again_in=30), SyncPlan(lasts=20))))

    played = job.play("FORCE_RESYNC")

    assert played.code == 0
    assert [name for name in played.requests if name != "get"] == ["patch", "resync", "resync", "history"]


@pytest.mark.parametrize(
    ("given", "evidence", "expected"),
    [
        ({"TABLE": "Orders"}, "1", ["public.orders"]),
        ({"SCHEMA": "PUBLIC"}, "1", ["public.orders"]),
        ({"SCHEMA": "pubic", "TABLE": "custommers"}, "1", ["public.customers"]),
        ({"TABLE": "nothing_like_it_at_all"}, "1", []),
        ({"TABLE": "Orders"}, "0", None),
    ],
)
def test_unknown_table_is_answered_with_near_matches(
    simulate: Simulate, given: dict[str, Any], evidence: str, expected: list[str] | None
) -> None:
    """An unknown schema or table ends with exit code 4 and the names at the source that are like it."""
    job = simulate()

    played = job.play("FORCE_RESYNC", FIVETRAN_EVIDENCE=evidence, **given)

    assert played.code == 4
    assert played.report is not None
    matches = played.report["near_matches"]
    assert (None if matches is None else matches[:1]) == (expected[:1] if expected else expected)
    assert ("schemas" in played.requests) == (evidence == "1")


ACCOUNT = (
    {"id": "speaks_inexpensive", "schema": "demo", "service": "postgres"},
    {"id": "tacky_lionhearted", "schema": "speak_inexpensive", "service": "salesforce"},
    {"id": "unwieldy_granite", "schema": "finance", "service": "google_sheets"},
)


@pytest.mark.parametrize("action", ACTIONS)
def test_unknown_connection_is_answered_with_near_ones(simulate: Simulate, action: str) -> None:
    """Where Fivetran does not know the id, connections that have it for a name are named, and then those like it."""
    job = simulate(Scenario(exists=False, neighbours=ACCOUNT))

    played = job.play(action)

    assert (played.code, played.requests) == (4, ["get", "listing"])
    assert played.report is not None
    assert [each["id"] for each in played.report["near_connections"]] == ["tacky_lionhearted", "speaks_inexpensive"]
    assert played.report["reasons"][:2] == [
        "speak_inexpensive is the name of a connection, not its id: set CONNECTOR_ID to tacky_lionhearted (salesforce)",
        "did you mean speaks_inexpensive (demo, postgres)?",
    ]


@pytest.mark.parametrize(
    ("scenario", "evidence", "near", "requests"),
    [
        (Scenario(exists=False, neighbours=ACCOUNT), "0", None, ["get"]),
        (Scenario(exists=False), "1", [], ["get", "listing"]),
        (
            Scenario(exists=False, faults=(Fault(on="listing", status=403, code="Forbidden"),)),
            "1",
            None,
            ["get", "listing"],
        ),
    ],
)
def test_unknown_connection_without_near_ones(
    simulate: Simulate, scenario: Scenario, evidence: str, near: object, requests: list[str]
) -> None:
    """FIVETRAN_EVIDENCE=0 lists nothing; what the listing lacks, and a key that may not list, change no end."""
    played = simulate(scenario).play(FIVETRAN_EVIDENCE=evidence)

    assert (played.code, played.requests) == (4, requests)
    assert played.report is not None
    assert played.report["near_connections"] == near
    assert ("no connection that this API key can see" in " ".join(played.report["reasons"])) == (near == [])


def test_connection_that_is_gone_is_not_looked_for(simulate: Simulate) -> None:
    """A connection that was known, and is deleted while the job polls, is no typo."""
    job = simulate(Scenario(faults=(Fault(on="get", skip=1, status=404, code="NotFound_Connection"),)))

    played = job.play()

    assert (played.code, "listing" in played.requests) == (4, False)


# --- Evidence: what Fivetran keeps about the sync -------------------------------------------------


@pytest.mark.parametrize(
    ("scenario", "variables", "status"),
    [
        (Scenario(syncs=(SyncPlan(lasts=25),)), {}, "COMPLETED"),
        (Scenario(syncs=(SyncPlan(lasts=25, ends="fails"),)), {}, "FAILURE"),
        (Scenario(syncs=(SyncPlan(lasts=25, ends="vanishes"),)), {}, "CANCELED"),
        (Scenario(running=SyncPlan(lasts=25)), {"FIVETRAN_ON_RUNNING": "attach"}, "COMPLETED"),
        (Scenario(running=SyncPlan(lasts=900)), {"FIVETRAN_ON_RUNNING": "restart"}, "COMPLETED"),
        (Scenario(syncs=(SyncPlan(lasts=900),)), {}, None),
        (Scenario(running=SyncPlan(lasts=900)), {"FIVETRAN_ON_RUNNING": "attach"}, None),
        (Scenario(faults=(Fault(on="sync", does="reset", acts=True),)), {}, "COMPLETED"),
        # The last of several: the one that was put off is there, too.
        (Scenario(syncs=(SyncPlan(lasts=25, ends="reschedules", again_in=30), SyncPlan(lasts=25))), {}, "COMPLETED"),
    ],
)
def test_the_sync_is_found_in_the_history(
    simulate: Simulate, scenario: Scenario, variables: dict[str, Any], status: str | None
) -> None:
    """The report has the history's record of the very sync that the run was about."""
    job = simulate(scenario)

    played = job.play(**variables)

    assert played.report is not None
    newest = job.connection.syncs(0.0, job.clock.wall())[0]
    assert (played.report["sync"]["sync_id"], played.report["sync"]["status"]) == (newest["sync_id"], status)
    assert any(f"in the sync history: {newest['sync_id']} from" in line for line in played.report["at_fivetran"])


def test_another_sync_is_not_evidence(simulate: Simulate) -> None:
    """A history that does not list the sync yet says nothing about the one before it."""
    job = simulate(Scenario(running=SyncPlan(lasts=25), syncs=(SyncPlan(queued=900),)))

    played = job.play()

    assert played.report is not None
    assert (played.code, played.report["sync"]) == (5, None)
    assert played.requests[-2:] == ["history", "errors"]


def test_remedies_are_shown(simulate: Simulate) -> None:
    """Fivetran's active errors are in the report, and its remedies among what to do."""
    played = simulate("fails").play()

    assert played.report is not None
    (error,) = played.report["errors"]
    reason = "The source database refused the connection: too many clients"
    assert played.report["reasons"][0] == f"{reason} (task sync_failure)"
    advised = error["message"].removeprefix(f"{reason}. ").removesuffix(".")
    assert played.report["advice"][0] == f"Fivetran's advice ({error['title']}): {advised}"
    assert played.report["advice"][0] in played.stderr


@pytest.mark.parametrize("history", [True, False])
def test_an_account_without_evidence_costs_a_quiet_line(simulate: Simulate, history: bool) -> None:  # noqa: FBT001  # parametrized
    """403 to what only helps to explain changes neither the verdict nor the warnings."""
    rich = Scenario(syncs=(SyncPlan(lasts=25, ends="fails"),))

    with_all, without = (simulate(each).play() for each in (rich, replace(rich, history=history, errors=False)))

    assert with_all.report is not None
    assert without.report is not None
    assert (without.code, without.report["errors"]) == (1, None)
    assert set(without.requests) == set(with_all.requests)
    assert without.requests.count("history") == 1
    assert without.report["notes"] == with_all.report["notes"]
    assert "Z WARNING: " not in without.stderr


@pytest.mark.parametrize(
    ("scenario", "variables"),
    [
        ("fails", {"FIVETRAN_EVIDENCE": "0"}),
        ("wrong_key", {}),
        ("unavailable", {}),
        ("paused", {}),
        ("unknown_connector", {}),
        ("another_sync", {"FIVETRAN_ON_RUNNING": "fail"}),
    ],
)
def test_no_evidence_is_asked_for(simulate: Simulate, scenario: str, variables: dict[str, Any]) -> None:
    """Where it is not wanted, would be refused or explains nothing, no optional request is made."""
    played = simulate(scenario).play(**variables)

    assert {"history", "errors"}.isdisjoint(played.requests)


@pytest.mark.parametrize("does", ["hang", "reset", "truncate"])
def test_evidence_is_asked_for_once(simulate: Simulate, does: str) -> None:
    """An optional request that fails is not repeated, and ends within the grace."""
    job = simulate(Scenario(syncs=(SyncPlan(lasts=25, ends="fails"),), faults=(Fault("history", does=does, times=0),)))

    played = job.play()

    assert (played.code, played.requests.count("history")) == (1, 1)


def test_history_of_a_long_run_is_asked_for_in_a_window_that_fivetran_takes(simulate: Simulate) -> None:
    """The time range of the history is never longer than the seven days that Fivetran allows."""
    week = 7 * 86_400
    job = simulate(Scenario(syncs=(SyncPlan(lasts=week + 40_000),)))

    played = job.play(FIVETRAN_TIMEOUT=str(week + 86_400), FIVETRAN_POLL_INTERVAL="3600")

    assert [seen.outcome for seen in job.simulator.seen if seen.operation == "history"] == ["200"]
    assert played.code == 0


def test_missing_table_resync_is_reported(simulate: Simulate) -> None:
    """A connector that cannot re-sync single tables ends with exit code 7 and is told so."""
    job = simulate(Scenario(table_resync=False))

    played = job.play("FORCE_RESYNC")

    assert played.code == 7
    assert "does not support table-level re-sync" in played.stderr
    assert "re-sync it on its page" in played.stderr


@pytest.mark.parametrize(
    ("results", "code"),
    [
        (["PASSED", "SKIPPED", "WARNING"], 0),
        (["PASSED", "FAILED"], 1),
        (["JOB_FAILED"], 1),
        (["PASSED", "INVENTED"], 0),
        ([], 0),
    ],
)
def test_setup_tests_decide(simulate: Simulate, results: list[str], code: int) -> None:
    """FAILED and JOB_FAILED fail TEST; what this version does not know is warned of."""
    tests = tuple(
        {"title": f"Test {result}", "status": result, "message": "said", "details": ["x"]} for result in results
    )
    job = simulate(Scenario(setup_tests=tests))

    played = job.play("TEST")

    assert played.code == code
    assert re.search(f"(of|all|no) ({len(results)} )?setup tests?( |$)", played.stdout.splitlines()[-1])
    assert ("INVENTED" in played.stderr) == ("INVENTED" in results)
    assert ("ran no setup tests" in played.stderr) == (not results)


def test_setup_tests_may_take_all_that_is_left(simulate: Simulate) -> None:
    """TEST's own request is not bound by FIVETRAN_HTTP_TIMEOUT."""
    job = simulate(Scenario(test_seconds=250))

    played = job.play("TEST", FIVETRAN_HTTP_TIMEOUT="1")

    assert (played.code, played.requests) == (0, ["get", "patch", "test"])


def test_setup_tests_end_at_the_deadline(simulate: Simulate) -> None:
    """Setup tests that outlast the deadline are a time-out, and not started again."""
    job = simulate(Scenario(faults=(Fault(on="test", does="hang"),)))

    played = job.play("TEST")

    assert (played.code, played.requests) == (5, ["get", "patch", "test"])


def test_status_shows_what_prevents_a_sync(simulate: Simulate) -> None:
    """STATUS ends green with the connection as JSON, and points out a pause and a broken setup."""
    job = simulate(
        Scenario(
            connection={
                "paused": True,
                "status": {"setup_state": "broken", "tasks": [{"code": "reconnect", "message": "Reconnect"}]},
            }
        )
    )

    played = job.play("STATUS")

    assert played.code == 0
    assert json.loads(played.stdout)["status"]["setup_state"] == "broken"
    assert "is paused" in played.stderr
    assert "setup is broken" in played.stderr
    assert "Reconnect (task reconnect)" in played.stderr


def test_special_schedule_is_warned_of_once(simulate: Simulate) -> None:
    """A CRON schedule, which may not come back by itself, is named before it is given up."""
    job = simulate(Scenario(connection={"schedule": {"type": "CRON"}}))

    played = job.play()

    assert played.code == 0
    assert played.stderr.count("CRON schedule") == 1


def test_missing_date_is_warned_of_once(simulate: Simulate) -> None:
    """Where Fivetran does not say the time, this machine's clock stands in, with one warning."""
    job = simulate(Scenario(dated=False))

    played = job.play()

    assert played.code == 0
    assert played.stderr.count("no Date header") == 1


# --- What is somebody else's ------------------------------------------------------------------------


@pytest.mark.parametrize("ends", ["succeeds", "fails"])
@pytest.mark.parametrize("action", ["START", "FORCE_RESYNC"])
def test_sync_between_baseline_and_trigger_is_another(simulate: Simulate, action: str, ends: str) -> None:
    """While the trigger is held up by a 429, another sync comes and goes: its end is not mistaken for the run's own."""
    operation = "sync" if action == "START" else "resync"
    limited = Fault(on=operation, status=429, code="TooManyRequests", headers={"Retry-After": "60"})
    job = simulate(Scenario(syncs=(SyncPlan(queued=30, lasts=30),), faults=(limited,)))
    job.on_request = lambda seen: job.begin(SyncPlan(lasts=20, ends=ends)) if seen.outcome == "answer" else None

    played = job.play(action)

    assert played.code == 0
    assert job.syncs[0].outcome == "succeeds"


def test_what_ended_during_a_reschedule_is_not_the_resync(simulate: Simulate) -> None:
    """A plain sync that succeeds while a re-sync is put off does not turn the re-sync green."""
    job = simulate(
        Scenario(
            syncs=(SyncPlan(lasts=20, ends="reschedules", again_in=60), SyncPlan(queued=30, lasts=30, ends="fails"))
        )
    )

    def begin_another(_: Run, step: Step | None) -> None:
        if step is not None and step.event == "wait":
            job.begin(SyncPlan(lasts=20))

    played = job.play("FORCE_RESYNC", begin_another)

    assert played.code == 1, played.stderr


@pytest.mark.parametrize(("interval", "queued"), [("0.5", 20), ("10", 35)])
def test_a_lost_resync_is_asked_for_again_once_it_is_idle(simulate: Simulate, interval: str, queued: int) -> None:
    """No sync that is seen proves that a re-sync was accepted: one too many is better than a green without one."""
    lost = Fault(on="resync", does="reset", acts=True)
    job = simulate(Scenario(syncs=(SyncPlan(queued=queued, lasts=60), SyncPlan(lasts=60)), faults=(lost,)))

    played = job.play("FORCE_RESYNC", FIVETRAN_POLL_INTERVAL=interval)

    assert played.code == 0, played.stderr
    assert len(job.syncs) == 2
    assert "unanswered" not in played.stderr


def test_lost_trigger_that_is_found_counts(simulate: Simulate) -> None:
    """A sync that was found after its answer was lost is reported as the run's own, with how to attach to it."""
    job = simulate("lost_answer")

    played = job.play(FIVETRAN_TIMEOUT="30")

    assert played.code == 5
    assert "FIVETRAN_ON_RUNNING=attach" in played.stderr
    assert "the sync is STILL RUNNING at Fivetran" in played.stderr


def test_conflicts_are_no_outage(simulate: Simulate) -> None:
    """A run that met conflicts to its deadline timed out, and no retry is advised for an outage."""
    job = simulate(Scenario(faults=(Fault(on="resync", times=0, status=409, code="Conflict", message="busy"),)))

    played = job.play("FORCE_RESYNC", FIVETRAN_TIMEOUT="95")

    assert played.code == 5
    assert "TIMED OUT: timed out after 1 min 35 s" in played.stderr
    assert "HTTPS_PROXY" not in played.stderr


def test_a_used_up_limit_says_when_to_come_again(simulate: Simulate) -> None:
    """A Retry-After past the deadline ends the run with the time after which to start it again."""
    played = simulate("rate_limited_too_long").play()

    assert played.code == 6
    assert "in 40 min (Retry-After)" in played.stderr


def test_unknown_schedule_is_not_guessed(simulate: Simulate) -> None:
    """Where Fivetran does not say what the schedule is, it cannot be put back, and that is said before."""
    job = simulate(Scenario(connection={"schedule_type": None}))

    played = job.play(FIVETRAN_RESTORE_SCHEDULE="1")

    assert played.code == 0
    assert "FIVETRAN_RESTORE_SCHEDULE cannot restore it" in played.stderr
    assert played.requests.count("patch") == 1


def test_a_kept_schedule_is_not_restored(simulate: Simulate) -> None:
    """With FIVETRAN_DONT_DISABLE_SYNC the schedule is in no request, not even after the conclusion."""
    rejected = Fault(on="patch", times=0, status=400, code="InvalidInput")
    job = simulate(Scenario(connection={"paused": True}, faults=(rejected,)))

    job.play(FIVETRAN_UNPAUSE="1", FIVETRAN_RESTORE_SCHEDULE="1", FIVETRAN_DONT_DISABLE_SYNC="1")

    assert [seen.body for seen in job.simulator.seen if seen.operation == "patch"] == [
        {"paused": False, "run_setup_tests": False}
    ]


# --- Choices: each value, by what decides it ---------------------------------------------------------


def _document(state: str = "scheduled", schedule: str | None = "auto", **status: Any) -> dict[str, Any]:
    return {"schedule_type": schedule, "status": {"sync_state": state, "setup_state": "connected", **status}}


NOW = {"read_at": 100.0, "concluded_at": 100.0}
ENDED = {"connection": _document(schedule="manual"), "verdict": "succeeded", **NOW}


LOST = "POST /v1/connections/x/sync"
IDLE: dict[str, Any] = {"connection": _document()}
BASELINE: dict[str, Any] = {"baseline": {"date": 1.0, "busy": False}}
ATTACH: dict[str, Any] = {"policies": (("on_running", "attach"),)}
STARTED: dict[str, Any] = {**IDLE, **BASELINE, "triggered": True, "verdict": "sync_failed"}
ADAPTIVE: dict[str, Any] = {"adaptive": True}
LATELY: dict[str, Any] = {"connection": {"succeeded_at": "2027-01-15T08:00:00Z"}, "connection_date": 1_800_000_001.0}
DOUBT = {"since": 1.0, "asked": 0, "verdict": "sync_failed", "over": False}

CHOSEN: dict[str, list[tuple[dict[str, Any], dict[str, Any], str]]] = {
    "unpause": [({}, {}, "no"), ({"unpause": True}, {}, "yes")],
    "on_broken": [({}, {}, "fail"), ({"policies": (("on_broken", "sync"),)}, {}, "sync")],
    "schedule_to_switch": [
        ({}, IDLE, "yes"),
        ({}, {"connection": _document("paused")}, "yes"),
        ({}, {"connection": _document("syncing")}, "no"),
        ({}, {"connection": _document(schedule="manual")}, "no"),
        ({"keep_schedule": True}, IDLE, "no"),
        ({}, {**IDLE, "attempted": ("disable_schedule",)}, "yes"),
        ({}, {**IDLE, "answered": ("disable_schedule",)}, "no"),
        ({}, {**IDLE, "answered": ("unpause_connection",)}, "no"),
        ({}, {**IDLE, "given_up": ("disable_schedule",)}, "no"),
    ],
    "own_trigger_unanswered": [
        ({}, {}, "no"),
        ({}, {"unanswered": LOST, "lost": 1}, "yes"),
        ({}, {"unanswered": "PATCH /x"}, "no"),
    ],
    "own_sync_in_the_way": [
        ({}, {}, "no"),
        ({}, {"unanswered": LOST, "lost": 1}, "yes"),
        ({}, {"waited_for": "2027-01-15T08:00:00Z"}, "yes"),
        ({}, {"waited_for": ""}, "yes"),
    ],
    "durations_to_ask": [
        (ADAPTIVE, LATELY, "yes"),
        ({}, LATELY, "no"),
        ({**ADAPTIVE, "evidence": "red"}, LATELY, "no"),
        ({**ADAPTIVE, "evidence": "0"}, LATELY, "no"),
        (ADAPTIVE, {**LATELY, "durations": (30.0,)}, "no"),
        (ADAPTIVE, {**LATELY, "durations": ()}, "no"),
        (ADAPTIVE, {**LATELY, "attempted": ("read_durations",)}, "no"),
        (ADAPTIVE, {**LATELY, "given_up": ("judge_by_history",)}, "no"),
        (ADAPTIVE, {**LATELY, "given_up": ("find_restart",)}, "no"),
        (ADAPTIVE, {**LATELY, "connection": {"succeeded_at": None}}, "no"),  # the first sync ever
        (ADAPTIVE, {**LATELY, "connection_date": 1_800_000_000.0 + 7 * 86_400}, "no"),
        (ADAPTIVE, {**LATELY, "connection_date": None}, "no"),
        (ADAPTIVE, {}, "no"),
    ],
    "trigger_to_repeat": [({}, {"lost": 2}, "yes"), ({}, {"lost": 3}, "no")],
    "on_running": [
        ({}, {}, "wait"),
        (ATTACH, {"unanswered": LOST, "lost": 1}, "attach"),
        ({"policies": (("on_running", "fail"),)}, {}, "fail"),
        ({"policies": (("on_running", "fail"),)}, {"unanswered": LOST, "lost": 1}, "wait"),
        ({"policies": (("on_running", "fail"),)}, {"unpaused_looks": 1}, "wait"),
    ],
    "on_reschedule": [({}, {}, "wait")],
    "schedule_type": [({}, IDLE, "auto"), ({}, {}, "")],
    "history_to_ask": [
        ({}, {**STARTED, "doubt": DOUBT}, "yes"),
        ({}, {**STARTED, "doubt": {**DOUBT, "asked": 1}}, "no"),
        ({}, {**STARTED, "doubt": {**DOUBT, "asked": 1, "over": True}}, "yes"),
        ({}, {**STARTED, "doubt": {**DOUBT, "asked": 2, "over": True}}, "no"),
        ({}, {**STARTED, "doubt": DOUBT, "given_up": ("judge_by_history",)}, "no"),
        ({}, {"doubt": DOUBT}, "no"),
        ({"evidence": "0"}, {**STARTED, "doubt": DOUBT}, "no"),
        ({"evidence": "red"}, {**STARTED, "doubt": DOUBT}, "yes"),
        ({"evidence": "red"}, {**STARTED, "doubt": {**DOUBT, "verdict": "succeeded"}}, "no"),
    ],
    "restart_to_find": [
        ({}, {}, "yes"),
        ({"evidence": "red"}, {}, "yes"),
        ({"evidence": "0"}, {}, "no"),
        ({}, {"given_up": ("find_restart",)}, "no"),
    ],
    "failure_shown": [
        ({}, {"doubt": DOUBT}, "yes"),
        ({}, {"doubt": DOUBT, "restarted": True}, "no"),
        ({}, {"doubt": {**DOUBT, "verdict": "cancelled"}}, "no"),
        ({}, {}, "no"),
    ],
    "restore_schedule": [
        ({"restore_schedule": "auto"}, ENDED, "yes"),
        ({"restore_schedule": "auto"}, {**ENDED, "concluded_at": 116.0}, "no"),  # the document is not fresh any more
        (
            {"restore_schedule": "auto"},
            {"connection": _document("syncing", "manual"), "verdict": "succeeded"},
            "no",
        ),
        (
            {"restore_schedule": "auto"},
            {"connection": _document(schedule="manual"), "verdict": "timed_out", "triggered": True},
            "no",
        ),
        ({}, {"connection": _document(schedule="manual"), "verdict": "succeeded"}, "no"),
    ],
    "late_switch": [
        ({}, {**STARTED, **NOW}, "yes"),
        ({}, {**STARTED, "read_at": 100.0, "concluded_at": 116.0}, "no"),
        ({}, {**STARTED, "connection": _document("syncing")}, "no"),
        ({}, {**STARTED, "verdict": "timed_out"}, "no"),
        ({}, {**STARTED, "answered": ("disable_schedule",)}, "no"),
    ],
    "names_to_compare": [
        ({}, {"verdict": "not_found", "given_up": ("resync_table",)}, "yes"),
        ({"evidence": "0"}, {"verdict": "not_found", "given_up": ("resync_table",)}, "no"),
        ({}, {"verdict": "not_found", "given_up": ("validate_connection",)}, "no"),
    ],
    "sync_to_find": [
        ({}, STARTED, "yes"),
        (ATTACH, {**IDLE, "baseline": {"date": 1.0, "busy": True}, "verdict": "succeeded"}, "yes"),
        ({}, {**STARTED, "sync": {}}, "no"),
        ({}, {**STARTED, "given_up": ("judge_by_history",)}, "no"),
        ({}, {**IDLE, **BASELINE, "verdict": "paused"}, "no"),
        ({}, {**STARTED, "baseline": {"date": None}}, "no"),
        ({}, {**STARTED, "failure": {"event": "unavailable"}}, "no"),
        ({}, {**STARTED, "verdict": "interrupted"}, "no"),
        ({"evidence": "red"}, STARTED, "yes"),
        ({"evidence": "red"}, {**STARTED, "verdict": "succeeded"}, "no"),
        ({"evidence": "0"}, STARTED, "no"),
    ],
    "errors_to_list": [
        ({}, STARTED, "yes"),
        ({}, {**STARTED, "verdict": "succeeded"}, "no"),
        ({}, {**STARTED, "verdict": "timed_out"}, "yes"),
        ({}, {**IDLE, "verdict": "timed_out"}, "no"),
        ({}, {"verdict": "shown", "connection": _document(setup_state="broken")}, "yes"),
        ({}, {"verdict": "shown", **IDLE}, "no"),
        ({"evidence": "red"}, {"verdict": "shown", "connection": _document(setup_state="broken")}, "no"),
        ({}, {"verdict": "not_found"}, "connections"),
        ({"evidence": "red"}, {"verdict": "not_found"}, "connections"),
        ({"evidence": "0"}, {"verdict": "not_found"}, "no"),
        ({}, {"verdict": "not_found", **IDLE}, "no"),  # it was known, and is gone
    ],
    "warnings_to_list": [
        ({}, {"verdict": "succeeded", "connection": _document(warnings=[{}])}, "yes"),
        ({}, {"verdict": "succeeded", "connection": _document(warnings=[])}, "no"),
        ({"evidence": "red"}, {"verdict": "succeeded", "connection": _document(warnings=[{}])}, "no"),
        ({"evidence": "0"}, {"verdict": "sync_failed", "connection": _document(warnings=[{}])}, "no"),
    ],
    "verdict": [({}, {"verdict": "succeeded"}, "succeeded"), ({}, {}, "")],
}


def test_every_choice_has_its_cases() -> None:
    """No choice is left out of the table."""
    assert set(CHOSEN) == set(CHOICES)


@pytest.mark.parametrize("name", CHOSEN)
def test_choice(name: str) -> None:
    """Each choice takes its value from the settings and facts that are documented to decide it."""
    cases = CHOSEN[name]

    chosen = [CHOICES[name].of(replace(SETTINGS, **given), Facts(**facts)) for given, facts, _ in cases]

    assert chosen == [expected for _, _, expected in cases]


@pytest.mark.parametrize("facts", _without_each(RICH.but(connection=_document("syncing"), verdict=None)))
@pytest.mark.parametrize("evidence", ["1", "0"])
def test_no_change_is_chosen_while_syncing(evidence: str, facts: Facts) -> None:
    """Whatever else is known: while the last document is syncing, no choice tells to change the schedule."""
    syncing = facts.but(connection=_document("syncing"))

    for restore in ("", "before", "auto"):
        settings = replace(SETTINGS, restore_schedule=restore, evidence=evidence, **ATTACH)
        for name in ("schedule_to_switch", "restore_schedule", "late_switch"):
            assert CHOICES[name].of(settings, syncing) == "no"


# --- Pauses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "interval", "facts", "expected"),
    [
        ("next_poll", 10.0, {}, 10),
        ("next_poll", 60.0, {"unpaused_looks": 0}, 10),
        ("next_poll", 60.0, {"unpaused_looks": 1}, 60),
        ("next_poll", 2.0, {"unpaused_looks": 0}, 2),
        ("quiet", 10.0, {"doubt": {"since": 90.0}}, 10),
        ("quiet", 10.0, {"doubt": {"since": 84.0}}, 4),
        ("quiet", 10.0, {"doubt": {"since": 50.0}}, 0),
        ("quiet", 10.0, {**STARTED, "doubt": {**DOUBT, "asked": 2, "over": True}}, 0),
        ("quiet", 10.0, {**STARTED, "doubt": {**DOUBT, "asked": 1, "over": True}}, 10),
        ("quiet", 30.0, {"doubt": {"since": 84.0}, "restarted": True}, 30),
        ("quiet", 10.0, {}, 10),
        ("rescheduled_for", 10.0, {"waited_for": "1970-01-01T00:02:00Z", "connection_date": 50.0}, 70),
        ("rescheduled_for", 10.0, {"waited_for": "1970-01-01T00:00:40Z", "connection_date": 50.0}, 0),
        ("rescheduled_for", 10.0, {"waited_for": "", "connection_date": 50.0}, 10),
        ("rescheduled_for", 10.0, {"waited_for": "1970-01-01T00:02:00Z"}, 10),
    ],
)
def test_pause(name: str, interval: float, facts: dict[str, Any], expected: float) -> None:
    """Each pause lasts as long as it is documented to, a hundred seconds after the run began."""
    assert PAUSES[name](replace(SETTINGS, poll_interval=interval), Facts(**facts), 100.0) == expected


RUNNING: dict[str, Any] = {"triggered": True, "asked_at": 40.0, "syncing_seen": True, "durations": (150.0,) * 5}


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (RUNNING, 60),
        ({**RUNNING, "asked_at": 2.0}, 34.5),  # five were all of 150 s: it may end from 129 s on
        ({**RUNNING, "triggered": False, "started": True}, 60),  # a sign of it was found
        ({**RUNNING, "unpaused_looks": 0}, 10),
        ({**RUNNING, "durations": None}, 10),
        ({**RUNNING, "durations": ()}, 10),
        ({**RUNNING, "asked_at": None}, 10),  # rescheduled
        ({**RUNNING, "triggered": False}, 10),  # another sync is waited for, or followed
        ({**RUNNING, "lost": 1}, 10),  # a sign of it is looked for
        ({**RUNNING, "syncing_seen": False}, 2),  # the history took a minute to answer
        ({**RUNNING, "syncing_seen": False, "asked_at": 95.0}, 5),
        ({**RUNNING, "syncing_seen": False, "asked_at": 100.0, "durations": (4.0,) * 5}, 7.25),
        ({**RUNNING, "syncing_seen": False, "idle_until": 100.0, "durations": (4.0,) * 5}, 10),  # it is queued
        ({**RUNNING, "syncing_seen": False, "asked_at": 95.0, "durations": None}, 10),
        ({**RUNNING, "syncing_seen": False, "asked_at": 95.0, "durations": None, "attempted": ("read_durations",)}, 5),
        ({**RUNNING, "idle_until": 90.0}, 60),
    ],
)
def test_pause_by_expected_end(facts: dict[str, Any], expected: float) -> None:
    """Only a sync of this run that was seen is looked at by its expected end; until then a look comes within 10 s."""
    pause = PAUSES["next_poll"](replace(SETTINGS, adaptive=True), Facts(**facts), 100.0)

    assert pause == pytest.approx(expected, abs=0.3)
    assert PAUSES["next_poll"](replace(SETTINGS, poll_interval=7.0), Facts(**facts), 100.0) == 7


def test_durations_are_read() -> None:
    """The history of the last seven days is asked for durations, and what is odd in it does no harm."""
    facts = Facts(connection={}, connection_date=1_800_000_000.0)
    items = [
        {"start": "2027-01-15T07:00:00Z", "end": "2027-01-15T07:02:30Z", "status": "COMPLETED"},
        "odd",
        {"start": 5},
    ]

    request = EFFECTS["read_durations"].ask(SETTINGS, facts)  # type: ignore[union-attr]
    event, after = _meant("read_durations", facts, data={"items": items})
    _, without = _meant("read_durations", facts, data={"items": None})

    window = "start_time=2027-01-08T08:00:01.000Z&end_time=2027-01-15T08:00:00.000Z&limit=100"
    assert (request.method, request.path.partition("?")[2], request.optional) == ("GET", window, True)
    assert (event, after.durations, without.durations) == ("looked_up", (150.0,), ())


@pytest.mark.parametrize(("given", "expected"), [(ADAPTIVE, 12.0), ({}, None)])
def test_queued_sync_is_known_not_to_run_yet(given: dict[str, Any], expected: float | None) -> None:
    """A poll that sees nothing of the sync yet moves its expected end, where that is looked for."""
    facts = Facts(baseline={"date": 1.0}, triggered=True, asked_at=2.0)
    settings = replace(SETTINGS, **given)

    outcome = EFFECTS["poll_sync"].mean(settings, facts, Answer(data=_document(), at=12.0))  # type: ignore[union-attr]

    assert (outcome.event, outcome.facts.idle_until) == ("running", expected)


# --- After a restart --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "busy", "restarted"),
    [("restart", True, True), ("restart", False, False), ("attach", True, False), ("wait", False, False)],
)
def test_a_lost_restart_that_is_found_is_a_restart(policy: str, busy: bool, restarted: bool) -> None:  # noqa: FBT001
    """The sign of a lost restart leaves the stopped sync's dates in doubt; that of a plain trigger does not."""
    settings = replace(SETTINGS, policies=(("on_running", policy),))
    facts = Facts(baseline={"busy": busy, "date": 1_800_000_000.0}, asked_at=1.0, unanswered=LOST, lost=1)
    effect = EFFECTS["confirm_start"]
    assert isinstance(effect, Call)

    event, after, _ = effect.mean(settings, facts, Answer(data=_document("syncing"), date=1_800_000_010.0, at=10.0))

    assert (event, after.started, after.restarted) == ("started", True, restarted)
    assert (after.triggered_at, after.unanswered, after.lost) == (1_800_000_001.0, None, 0)


def test_a_trigger_after_a_restart_is_none() -> None:
    """A restarted sync that was rescheduled and triggered again has stopped no other one."""
    effect = EFFECTS["trigger_sync"]
    assert isinstance(effect, Call)

    _, after, _ = effect.mean(SETTINGS, Facts(restarted=True), Answer(date=1_800_000_010.5, at=10.0, took=2.5))

    assert (after.restarted, after.triggered, after.triggered_at, after.asked_at) == (False, True, 1_800_000_008.0, 7.5)


def test_a_trigger_without_a_date_bounds_nothing() -> None:
    """Where Fivetran tells no time, this machine's clock does not stand in for it."""
    effect = EFFECTS["trigger_sync"]
    assert isinstance(effect, Call)

    _, after, _ = effect.mean(SETTINGS, Facts(), Answer(date=1_800_000_010.5, dated=False, at=10.0))

    assert (after.triggered, after.triggered_at) == (True, None)


def test_the_history_begins_no_doubt() -> None:
    """Where nothing is in doubt, asking the history leaves it so, and a pause for quiet is an ordinary one."""
    _, after = _meant("judge_by_history", Facts(**STARTED), data={"items": []})

    assert after.doubt is None
    assert PAUSES["quiet"](SETTINGS, after, 0.0) == SETTINGS.poll_interval


def _meant(name: str, facts: Facts, **answer: Any) -> tuple[str, Facts]:
    """What an answer means to a call."""
    effect = EFFECTS[name]
    assert isinstance(effect, Call)
    event, after, _ = effect.mean(replace(SETTINGS, restore_schedule="before"), facts, Answer(**answer))
    return event, after


@pytest.mark.parametrize(
    ("start", "event"),
    [
        ("2027-01-15T08:00:02Z", "started"),
        ("2027-01-15T08:00:01.999Z", "not_started"),
        ("never", "not_started"),
    ],
)
def test_a_restart_is_found_in_the_history(start: str, event: str) -> None:
    """Only a sync that began after the restart was asked for is the one that it asked for."""
    facts = Facts(asked_at=1.0, unanswered=LOST, lost=1)
    history = {"items": [{"sync_id": "one", "start": start}]}

    found, after = _meant("find_restart", facts, data=history, date=1_800_000_010.0, at=10.0)

    assert found == event
    assert (after.started, after.restarted, after.lost) == (
        (True, False, 0) if event == "started" else (False, False, 1)
    )


def test_an_earlier_sync_of_the_same_second_is_not_the_restart() -> None:
    """A sync that began in the second of the restart, but before it, is passed over for the one that began after it."""
    facts = Facts(asked_at=1.5, unanswered=LOST, lost=1)
    history = {"items": [{"start": "2027-01-15T08:00:01.2Z"}, {"start": "2027-01-15T08:00:03Z"}]}

    found, after = _meant("find_restart", facts, data=history, date=1_800_000_010.0, at=10.0)

    assert (found, after.triggered_at) == ("started", 1_800_000_003.0)


CRON = {"type": "CRON", "expression": "0 8 * * *"}


@pytest.mark.parametrize(
    ("now", "warnings"),
    [
        (CRON, 0),
        ({**CRON, "expression": "0 9 * * *"}, 1),
        (None, 1),
    ],
)
def test_a_newer_schedule_is_restored_as_it_was(now: object, warnings: int) -> None:
    """A schedule that `schedule_type` cannot bring back is restored as the object, and compared with the answer."""
    effect = EFFECTS["restore_schedule"]
    assert isinstance(effect, Call)
    facts = Facts(schedule_object=CRON, schedule_before="auto", attempted=("disable_schedule",))
    settings = replace(SETTINGS, restore_schedule="before")

    event, after = _meant("restore_schedule", facts, data={**_document(), "schedule": now}, date=1.0)

    assert effect.ask(settings, facts).body == {"schedule": CRON, "run_setup_tests": False}
    auto = effect.ask(replace(settings, restore_schedule="auto"), facts)
    assert auto.body == {"schedule_type": "auto", "run_setup_tests": False}
    told = [line for line in after.warnings if "after restoring it Fivetran shows" in line]
    assert (event, len(told)) == ("restored", warnings)


@pytest.mark.parametrize(
    ("state", "schedule", "kept", "told"),
    [
        ("syncing", "auto", False, True),
        ("syncing", "manual", False, False),
        ("syncing", "auto", True, False),
        ("scheduled", "auto", False, False),
    ],
)
def test_a_schedule_left_alone_is_warned_of(state: str, schedule: str, kept: bool, told: bool) -> None:  # noqa: FBT001
    """STATUS and TEST leave the schedule alone while a sync runs, and say so."""
    settings = replace(SETTINGS, keep_schedule=kept)
    facts = Facts(connection=_document(state, schedule))
    showing, testing = EFFECTS["show_connection"], EFFECTS["run_setup_tests"]
    assert isinstance(showing, Pure)
    assert isinstance(testing, Call)

    shown = showing.conclude(settings, facts)[1]
    tested = testing.mean(settings, facts, Answer(data=_document(state, schedule), date=1.0))[1]

    line = "the schedule was not switched to manual, because a sync is running and the change could stop it"
    assert (line in shown.warnings, line in tested.warnings) == (told, told)
