"""Verdicts in words: whatever is known of a run, and whatever is not."""

from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest

from orchestrator.fivetran import documents
from orchestrator.fivetran.effects.situation import schedule_to_restore, schedule_to_switch_late
from orchestrator.fivetran.verdicts import HEADLINES, Explanation, exit_meanings, explain
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.loader import load
from orchestrator.values.events import Event
from orchestrator.values.exchange import Failure, Request
from orchestrator.values.facts import Facts
from orchestrator.values.settings import Settings

SYNC = "POST /v1/connections/speak_inexpensive/sync"
TEST = "POST /v1/connections/speak_inexpensive/test"
RESYNC = Request("POST", "/v1/connections/speak_inexpensive/schemas/tables/resync", "start a re-sync")
READ = Request("GET", "/v1/connections/speak_inexpensive", "read the connection")

LATER = "2023-11-14T23:13:20Z"
GREEN = {Event.SUCCEEDED, Event.SHOWN, Event.PASSED}


def settings(action: str = "START", **more: Any) -> Settings:
    """Settings of a job."""
    policies = {"policies": (("on_broken", "fail"),), **more}
    return Settings(action, "speak_inexpensive", "key", "secret", schema="public", table="order", **policies)


def document(state: str = "scheduled", schedule: str | None = "auto", **status: Any) -> dict[str, Any]:
    """A connection document."""
    return {"schedule_type": schedule, "status": {"sync_state": state, "setup_state": "connected", **status}}


def told(verdict: str | None, action: str = "START", **facts: Any) -> Explanation:
    """The explanation of a verdict."""
    return explain(settings(action), Facts(verdict=verdict, **facts), load(action))


def text(explanation: Explanation) -> str:
    """All of an explanation, a line a sentence."""
    return "\n".join(
        (explanation.headline, *explanation.reasons, *explanation.at_fivetran, *explanation.advice),
    )


# --- Whatever is missing ----------------------------------------------------------------------------


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("verdict", [*HEADLINES, "of another planet", "", None])
def test_every_fact_may_be_missing(action: str, verdict: str | None) -> None:
    """Each verdict is explained when nothing else is known."""
    explanation = told(verdict, action)

    unknown = f"the chart ended the run with {verdict}" if verdict else ""
    assert explanation.headline == unknown or (verdict in HEADLINES and explanation.headline)
    assert "None" not in text(explanation)


@pytest.mark.parametrize("verdict", HEADLINES)
def test_green_needs_no_advice(verdict: str) -> None:
    """Every verdict but a good one says what to do."""
    assert bool(told(verdict).advice) is (verdict not in GREEN)


@pytest.mark.parametrize(
    ("action", "verdict"), [(action, verdict) for action in ACTIONS for verdict in load(action).verdicts()]
)
def test_advice_fits_the_action(action: str, verdict: str) -> None:
    """No advice names a policy that the action's chart has no choice for."""
    advice = "\n".join(told(verdict, action, triggered=True).advice)

    assert "attach" not in advice or "attach" in load(action).values("on_running") or "FIVETRAN_ACTION=START" in advice
    assert "FIVETRAN_ACTION=TEST" not in advice or action != "TEST"


# --- Headlines ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "action", "facts", "expected"),
    [
        ("succeeded", "START", {"triggered": True}, "the sync succeeded"),
        ("succeeded", "START", {"started": True}, "the sync succeeded after a lost answer to its trigger"),
        ("succeeded", "START", {}, "the sync that was already running succeeded"),
        (
            "succeeded",
            "START",
            {"triggered": True, "concluded_at": 95.0, "asked_at": 5.0},
            "the sync succeeded after 1 min 30 s",
        ),
        (
            "succeeded",
            "START",
            {
                "triggered": True,
                "triggered_at": 1_700_000_000.0,
                "concluded_at": 4_000.0,
                "connection": {"succeeded_at": LATER},
                "answered": ("unpause_connection",),
                "restarted": True,
                "reschedules": 3,
            },
            (
                "the sync succeeded after the connection was un-paused, stopping the sync that was running "
                "and being rescheduled 3 times (1 h 6 min in all)"
            ),
        ),
        (
            "succeeded",
            "START",
            {"triggered": True, "triggered_at": 1_700_000_000.0, "connection": {"succeeded_at": LATER}},
            "the sync succeeded after 1 h",
        ),
        (
            "sync_failed",
            "START",
            {"triggered": True, "reschedules": 1, "asked_at": 0.0, "concluded_at": 60.0},
            "the sync failed after 1 min, after being rescheduled once",
        ),
        ("sync_failed", "START", {"triggered": True}, "the sync failed"),
        (
            "refused",
            "START",
            {"failure": Failure(Event.REFUSED, "?", status=401).as_fact(READ, 1)},
            "Fivetran rejected the API key (401)",
        ),
        (
            "refused",
            "START",
            {"failure": Failure(Event.REFUSED, "?", status=403).as_fact(READ, 1)},
            "the API key lacks the permission to read the connection (403)",
        ),
        (
            "rejected",
            "START",
            {"failure": Failure(Event.REJECTED, "?", status=400).as_fact(READ, 1)},
            "Fivetran rejected the request to read the connection (400)",
        ),
        ("rejected", "START", {}, "Fivetran rejected the request"),
        ("gave_up", "START", {}, "Fivetran's API was unavailable"),
        (
            "gave_up",
            "START",
            {"failure": Failure(Event.UNAVAILABLE, "?", status=502).as_fact(READ, 1)},
            "Fivetran's API was unavailable",
        ),
        (
            "gave_up",
            "START",
            {"failure": Failure(Event.UNAVAILABLE, "?").as_fact(READ, 1)},
            "Fivetran's API was unavailable",
        ),
        (
            "too_late",
            "START",
            {"waited_for": LATER},
            "Fivetran rescheduled the sync to 2023-11-14 23:13:20 UTC, after the job's deadline",
        ),
        ("too_late", "START", {}, "Fivetran rescheduled the sync to a time after the deadline"),
        ("rescheduled", "START", {}, "Fivetran rescheduled the sync to a time that it does not say"),
        ("unconfirmed", "FORCE_RESYNC", {}, "Fivetran did not confirm that it accepted the re-sync"),
        ("shown", "STATUS", {}, "the connection was read"),
        ("tests_failed", "TEST", {}, "setup tests failed"),
        ("passed", "TEST", {"setup_tests": ()}, "the connection has no setup tests"),
        ("succeeded", "FORCE_RESYNC", {}, "the re-sync was accepted, and a sync succeeded"),
        ("paused", "START", {}, "the connection is paused"),
        ("paused", "START", {"triggered": True}, "the connection was paused before the sync ended"),
        ("not_found", "FORCE_RESYNC", {}, "Fivetran has no connection speak_inexpensive"),
        (
            "not_found",
            "FORCE_RESYNC",
            {"failure": Failure(Event.NOT_FOUND, "?", status=404).as_fact(RESYNC, 1), "given_up": ("resync_table",)},
            "Fivetran does not know the table public.order (404)",
        ),
    ],
)
def test_headline(verdict: str, action: str, facts: dict[str, Any], expected: str) -> None:
    """The headline says what really happened."""
    assert told(verdict, action, **facts).headline == expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, "timed out after 5 min"),
        (
            {"failure": Failure(Event.UNAVAILABLE, "?").as_fact(READ, 1)},
            "timed out after 5 min while Fivetran did not answer",
        ),
        (
            {"failure": Failure(Event.CONFLICT, "?").as_fact(RESYNC, 1), "reschedules": 2},
            (
                "timed out after 5 min, after being rescheduled twice: "
                "something else on the connection stood in the way (409)"
            ),
        ),
        (
            {"failure": Failure(Event.RATE_LIMITED, "?").as_fact(READ, 1)},
            "timed out after 5 min: the account's limit of API calls is used up (429)",
        ),
        (
            {"doubt": {"since": 1.0}},
            "the sync is gone, and Fivetran showed neither a success nor a failure within FIVETRAN_TIMEOUT (5 min)",
        ),
        ({"triggered": True}, "the sync did not end within FIVETRAN_TIMEOUT (5 min)"),
        (
            {"connection": document("syncing")},
            "another sync did not end within FIVETRAN_TIMEOUT (5 min), so none was started",
        ),
    ],
)
def test_what_the_run_was_at_when_it_timed_out(facts: dict[str, Any], expected: str) -> None:
    """A time-out says what the run was at."""
    assert told("timed_out", **facts).headline == expected


# --- What goes on at Fivetran -------------------------------------------------------------------------

FAILURE = {"request": "GET /x", "purpose": "look", "attempts": 1, "message": "", "request_id": ""}
SWITCHED = dict.fromkeys(("attempted", "answered"), ("disable_schedule",))

RUNNING = {
    "over: succeeded": ("succeeded", {"triggered": True, "connection": document()}, False),
    "over: failed": ("sync_failed", {"triggered": True}, False),
    "over, and another one runs": ("succeeded", {"triggered": True, "connection": document("syncing")}, True),
    "over: cancelled": ("cancelled", {"triggered": True, "connection": document()}, False),
    "seen running, and then Fivetran did not answer": (
        "timed_out",
        {"triggered": True, "connection": document("syncing"), "failure": FAILURE},
        None,
    ),
    "seen running two polls ago": (
        "timed_out",
        {"triggered": True, "connection": document("syncing"), "read_at": 79.0, "concluded_at": 100.0},
        True,
    ),
    "seen running earlier than that": (
        "timed_out",
        {"triggered": True, "connection": document("syncing"), "read_at": 78.9, "concluded_at": 100.0},
        None,
    ),
    "never triggered, and not looked at lately": (
        "terminated",
        {"connection": document(), "read_at": 10.0, "concluded_at": 100.0},
        None,
    ),
    "over, though not looked at lately": (
        "succeeded",
        {"triggered": True, "connection": document(), "read_at": 10.0, "concluded_at": 100.0},
        False,
    ),
    "unconfirmed": ("unconfirmed", {"unanswered": str(RESYNC), "lost": 3, "connection": document()}, None),
    "seen running": ("timed_out", {"triggered": True, "connection": document("syncing")}, True),
    "somebody else's": ("busy", {"connection": document("syncing")}, True),
    "somebody else's on a broken connection": ("broken", {"connection": document("syncing")}, True),
    "somebody else's on an incomplete connection": ("incomplete", {"connection": document("syncing")}, True),
    "broken": ("broken", {"triggered": True, "connection": document(setup_state="broken")}, False),
    "triggered and not seen": ("timed_out", {"triggered": True, "connection": document()}, None),
    "triggered by a restart and not seen": ("terminated", {"triggered": True}, None),
    "never triggered": ("timed_out", {"connection": document()}, False),
    "rescheduled": ("rescheduled", {"triggered": True, "connection": document("rescheduled")}, False),
    "rescheduled too late": ("too_late", {"triggered": True, "connection": document("rescheduled")}, False),
    "trigger without an answer": ("interrupted", {"lost": 1, "unanswered": SYNC, "connection": document()}, None),
    "trigger without an answer, though it looks running": (
        "timed_out",
        {"lost": 1, "unanswered": SYNC, "connection": document("syncing")},
        None,
    ),
    "PATCH without an answer": ("interrupted", {"unanswered": "PATCH /v1/connections/x"}, False),
    "tests without an answer start no sync": ("interrupted", {"unanswered": TEST, "connection": document()}, False),
}


@pytest.mark.parametrize(("verdict", "facts", "expected"), RUNNING.values(), ids=RUNNING)
def test_still_running(verdict: str, facts: dict[str, Any], expected: bool | None) -> None:  # noqa: FBT001
    """Whether a sync runs on is said where it is known, and not where it is not."""
    assert told(verdict, **facts).still_running is expected


AT_FIVETRAN = {
    "trigger without an answer": (
        "interrupted",
        {"lost": 1, "unanswered": SYNC},
        ["a sync MAY BE RUNNING: the answer to its trigger was lost"],
    ),
    "running": (
        "timed_out",
        {"connection": document("syncing"), "triggered": True, **SWITCHED},
        ["the sync is STILL RUNNING at Fivetran"],
    ),
    "somebody else's is running": (
        "timed_out",
        {"connection": document("syncing")},
        ["another sync is STILL RUNNING, which this job did not start"],
    ),
    "was running, and then Fivetran did not answer": (
        "timed_out",
        {
            "connection": document("syncing"),
            "triggered": True,
            "failure": FAILURE,
            **SWITCHED,
        },
        ["a sync MAY STILL BE RUNNING: it was when Fivetran last answered"],
    ),
    "triggered": (
        "timed_out",
        {"triggered": True, **SWITCHED},
        ["the sync was triggered and MAY STILL BE RUNNING"],
    ),
    "put off on a manual schedule": (
        "too_late",
        {"connection": document("rescheduled", "manual")},
        ["nothing is running; Fivetran will not resume it by itself on a manual schedule"],
    ),
    "put off on Fivetran's schedule": (
        "rescheduled",
        {"connection": document("rescheduled", "auto")},
        ["nothing is running; Fivetran will resume it by itself"],
    ),
    "none": ("refused", {}, ["no sync was started"]),
    "success": ("succeeded", {"triggered": True, **SWITCHED}, []),
    "success, and another one runs": (
        "succeeded",
        {"connection": document("syncing"), "triggered": True, **SWITCHED},
        ["another sync is running now; this job did not start it"],
    ),
    "restarted, and still running on its own schedule": (
        "timed_out",
        {"connection": document("syncing"), "triggered": True},
        [
            "the sync is STILL RUNNING at Fivetran",
            "schedule: auto, not switched to manual: a sync may be running, which a change might stop",
        ],
    ),
    "restarted, on a schedule that is not known": (
        "timed_out",
        {"connection": document("syncing", None), "triggered": True},
        [
            "the sync is STILL RUNNING at Fivetran",
            "schedule: not known, not switched to manual: a sync may be running, which a change might stop",
        ],
    ),
    "its history": (
        "sync_failed",
        {
            "connection": document(),
            "sync": {"sync_id": "s1", "start": "A", "end": "B", "status": "FAILURE", "reason": "R"},
        },
        ["no sync was started", "in the sync history: s1 from A to B: FAILURE"],
    ),
    "its history, of one that has not ended": (
        "sync_failed",
        {"connection": document(), "sync": {"sync_id": "s1", "start": "A"}},
        ["no sync was started", "in the sync history: s1 from A and not ended"],
    ),
    "shown": ("shown", {}, []),
    "schedule taken off": (
        "succeeded",
        {"schedule_before": "auto", "connection": document(schedule="manual")},
        ["schedule: manual, was auto; FIVETRAN_RESTORE_SCHEDULE=auto in the next job sets it back"],
    ),
    "schedule manual before": (
        "succeeded",
        {"schedule_before": "manual", "connection": document(schedule="manual")},
        [],
    ),
    "schedule put back": ("succeeded", {"schedule_before": "auto", "connection": document(schedule="auto")}, []),
    "schedule never known": ("succeeded", {"connection": document(schedule="manual")}, []),
}


@pytest.mark.parametrize(("verdict", "facts", "expected"), AT_FIVETRAN.values(), ids=AT_FIVETRAN)
def test_at_fivetran(verdict: str, facts: dict[str, Any], expected: list[str]) -> None:
    """What goes on at Fivetran is said in full, and nothing that is not known."""
    action = "STATUS" if verdict == "shown" else "START"

    assert list(told(verdict, action, **facts).at_fivetran) == expected


# --- Reasons --------------------------------------------------------------------------------------

ILL = document(tasks=[{"code": "reconnect", "message": "Reconnect it"}])

REASONS = {
    "failure": (
        "gave_up",
        {"failure": Failure(Event.UNAVAILABLE, "bad gateway", status=502, request_id="r1").as_fact(READ, 8)},
        ["502: bad gateway", f"the request: {READ} (to read the connection, 8 attempts, request id r1)"],
    ),
    "failure without an answer": (
        "gave_up",
        {"failure": Failure(Event.UNAVAILABLE, "connection reset").as_fact(READ, 1)},
        ["connection reset", f"the request: {READ} (to read the connection)"],
    ),
    "failure in Fivetran's words": (
        "refused",
        {"failure": Failure(Event.REFUSED, "No such key", status=401, code="Unauthorized").as_fact(READ, 1)},
        ["Unauthorized: No such key", f"the request: {READ} (to read the connection)"],
    ),
    "sync failed, with a task": ("sync_failed", {"connection": ILL}, ["Reconnect it (task reconnect)"]),
    "sync failed, without one": (
        "sync_failed",
        {"connection": document()},
        ["Fivetran's API gives no reason; the connection's page has the sync's log"],
    ),
    "success in spite of a task": ("succeeded", {"connection": ILL}, []),
    "a request without an answer": (
        "interrupted",
        {"lost": 1, "unanswered": SYNC},
        [f"{SYNC} had no answer: it may have been carried out"],
    ),
    "sync failed, and the history says why": ("sync_failed", {"sync": {"reason": "R"}}, ["R"]),
    "put off": ("too_late", {"waited_for": LATER}, []),
    "out of time": ("timed_out", {}, []),
    "out of time, never started": (
        "timed_out",
        {"not_started_for": 240.4},
        [
            (
                "Fivetran accepted the sync and had not started it after 4 min: "
                "it is queued (with integrated or smart transformations a sync waits for them), or was dropped"
            )
        ],
    ),
    "ill, and Fivetran gives no task": (
        "broken",
        {"connection": document(setup_state="broken")},
        ["its setup_state is broken; Fivetran's API gives no task for it"],
    ),
    "unconfirmed": ("unconfirmed", {"lost": 3}, ["3 triggers had no answer"]),
    "failed tests": (
        "tests_failed",
        {
            "setup_tests": (
                {"title": "Connecting", "status": "PASSED", "message": ""},
                {"title": "Reading", "status": "FAILED", "message": "no right"},
                {"title": "Writing", "status": "JOB_FAILED", "message": "no job"},
            )
        },
        ["Reading: FAILED: no right", "Writing: JOB_FAILED: no job"],
    ),
    "near names": (
        "not_found",
        {"near_matches": ("public.orders",)},
        ["did you mean public.orders?"],
    ),
    "no near name": (
        "not_found",
        {"near_matches": ()},
        ["Fivetran knows no name at the source that is like public.order"],
    ),
}


@pytest.mark.parametrize(("verdict", "facts", "expected"), REASONS.values(), ids=REASONS)
def test_reasons(verdict: str, facts: dict[str, Any], expected: list[str]) -> None:
    """The reasons are Fivetran's own where it gives any, else what is known."""
    assert list(told(verdict, **facts).reasons) == expected


# --- Advice ---------------------------------------------------------------------------------------

ADVICE = {
    "wrong key": (
        "refused",
        "START",
        {"failure": Failure(Event.REFUSED, "?", status=401).as_fact(READ, 1)},
        "FIVETRAN_API_SECRET",
    ),
    "no permission": (
        "refused",
        "START",
        {"failure": Failure(Event.REFUSED, "?", status=403).as_fact(READ, 1)},
        "permission",
    ),
    "unknown connector": ("not_found", "START", {}, "check CONNECTOR_ID"),
    "unknown table": (
        "not_found",
        "FORCE_RESYNC",
        {"failure": Failure(Event.NOT_FOUND, "?", status=404).as_fact(RESYNC, 1), "given_up": ("resync_table",)},
        "SCHEMA=public TABLE=order",
    ),
    "wrong path": (
        "rejected",
        "START",
        {"failure": Failure(Event.REJECTED, "?", status=404, code="NotFound").as_fact(READ, 1)},
        "FIVETRAN_API_URL (https://api.fivetran.com)",
    ),
    "no re-sync of tables": (
        "rejected",
        "FORCE_RESYNC",
        {"failure": Failure(Event.REJECTED, "?", status=400).as_fact(RESYNC, 1), "given_up": ("resync_table",)},
        "may not support re-syncing single tables",
    ),
    "rejected": ("rejected", "START", {}, "fix what Fivetran's message names"),
    "out of time": ("timed_out", "START", {}, "raise FIVETRAN_TIMEOUT (now 5 min) and the job's own timeout"),
    "out of time in the middle": ("timed_out", "START", {"triggered": True}, "FIVETRAN_ON_RUNNING=attach"),
    "out of time for the status": ("timed_out", "STATUS", {}, "raise FIVETRAN_TIMEOUT (now 5 min)"),
    "unavailable": ("gave_up", "START", {}, "https://status.fivetran.com"),
    "unavailable, retried": ("gave_up", "START", {}, "exit_codes: [6]"),
    "paused": ("paused", "START", {}, "FIVETRAN_UNPAUSE"),
    "paused in the middle": ("paused", "START", {"triggered": True}, "find out who paused it"),
    "incomplete": ("incomplete", "START", {}, "/dashboard/connections/speak_inexpensive/setup"),
    "broken": ("broken", "START", {}, "FIVETRAN_ACTION=TEST"),
    "broken, and a sync may clear it": ("broken", "START", {}, "FIVETRAN_ON_BROKEN=sync"),
    "unconfirmed": ("unconfirmed", "FORCE_RESYNC", {}, "whether a re-sync of the table is under way"),
    "rate limited": (
        "gave_up",
        "START",
        {"failure": Failure(Event.RATE_LIMITED, "?", status=429, retry_after=90.0).as_fact(READ, 1)},
        "in 1 min 30 s (Retry-After)",
    ),
    "rate limited, until when is not said": (
        "gave_up",
        "START",
        {"failure": Failure(Event.RATE_LIMITED, "?", status=429).as_fact(READ, 1)},
        "start the job again later: the limit is the account's",
    ),
    "in the way": (
        "gave_up",
        "START",
        {"failure": Failure(Event.CONFLICT, "?", status=409).as_fact(READ, 1)},
        "see on the connection's page what is running there",
    ),
    "tests failed": ("tests_failed", "TEST", {}, "/dashboard/connections/speak_inexpensive/setup"),
    "busy": ("busy", "START", {}, "FIVETRAN_ON_RUNNING to wait or attach"),
    "busy for a re-sync": ("busy", "FORCE_RESYNC", {}, "FIVETRAN_ON_RUNNING to wait, or"),
    "rescheduled": ("rescheduled", "START", {}, "FIVETRAN_ON_RESCHEDULE to wait"),
    "rescheduled too late": (
        "too_late",
        "START",
        {"waited_for": LATER, "connection_date": 1_700_000_000.0},
        "or with a longer FIVETRAN_TIMEOUT: that time was 1 h ahead, and FIVETRAN_TIMEOUT is 5 min",
    ),
    "put off, but until when": ("too_late", "START", {"waited_for": ""}, "raise FIVETRAN_TIMEOUT"),
    "put off, but from when": ("too_late", "START", {"waited_for": LATER}, "raise FIVETRAN_TIMEOUT"),
    "interrupted": ("interrupted", "START", {}, "start the job again"),
    "interrupted in the middle": ("interrupted", "START", {"triggered": True}, "FIVETRAN_ON_RUNNING=attach"),
    "interrupted in a re-sync": (
        "interrupted",
        "FORCE_RESYNC",
        {"triggered": True},
        "wait for it with FIVETRAN_ACTION=START",
    ),
    "terminated": ("terminated", "START", {}, "start the job again"),
    "sync failed": ("sync_failed", "START", {}, "https://fivetran.com/dashboard/connections/speak_inexpensive"),
    "cancelled": ("cancelled", "START", {}, "https://fivetran.com/dashboard/connections/speak_inexpensive"),
}


@pytest.mark.parametrize(("verdict", "action", "facts", "expected"), ADVICE.values(), ids=ADVICE)
def test_advice(verdict: str, action: str, facts: dict[str, Any], expected: str) -> None:
    """The advice names the variable or the page that helps."""
    advice = "\n".join(told(verdict, action, **facts).advice)

    assert expected in advice


SET_ALREADY = {
    "timed out after attaching": (
        {"policies": (("on_running", "attach"),)},
        {"verdict": "timed_out", "triggered": True},
        "start the job again as it is (FIVETRAN_ON_RUNNING is attach)",
        "FIVETRAN_ON_RUNNING=attach",
    ),
    "interrupted after attaching": (
        {"policies": (("on_running", "attach"),)},
        {"verdict": "interrupted", "triggered": True},
        "start the job again as it is",
        "FIVETRAN_ON_RUNNING=attach",
    ),
    "terminated after attaching": (
        {"policies": (("on_running", "attach"),)},
        {"verdict": "terminated", "triggered": True},
        "start the job again as it is",
        "FIVETRAN_ON_RUNNING=attach",
    ),
    "paused again": ({"unpause": True}, {"verdict": "paused"}, "find out who paused it", "set FIVETRAN_UNPAUSE"),
    "rescheduled though the policy is wait": (
        {"policies": (("on_reschedule", "wait"),)},
        {"verdict": "rescheduled"},
        "start the job again after that time",
        "FIVETRAN_ON_RESCHEDULE",
    ),
    "schedule not put back": (
        {"restore_schedule": "before"},
        {"verdict": "sync_failed", "schedule_before": "auto", "connection": {"schedule_type": "manual"}},
        "FIVETRAN_RESTORE_SCHEDULE is set, but the schedule could not be set back",
        "puts it back",
    ),
}


@pytest.mark.parametrize(("given", "facts", "expected", "absent"), SET_ALREADY.values(), ids=SET_ALREADY)
def test_what_is_set_already_is_not_advised(
    given: dict[str, Any], facts: dict[str, Any], expected: str, absent: str
) -> None:
    """No advice is to set what is set: it says what helps then."""
    settings = Settings("START", "speak_inexpensive", "", "", **given)

    found = explain(settings, Facts(**facts), load("START"))

    text = "\n".join((*found.at_fivetran, *found.advice))
    assert expected in text
    assert absent not in text


# --- The schedule ---------------------------------------------------------------------------------

CHANGED = {"attempted": ("disable_schedule",), "schedule_before": "auto", "schedule_after": "manual"}

TO_RESTORE = {
    "changed": ({"restore_schedule": "before"}, {**CHANGED, "connection": document()}, True),
    "not told to": ({}, {**CHANGED, "connection": document()}, False),
    "kept": ({"restore_schedule": "before", "keep_schedule": True}, {**CHANGED, "connection": document()}, False),
    "nothing read": ({"restore_schedule": "auto"}, {}, False),
    "not changed": ({"restore_schedule": "before"}, {"schedule_before": "auto", "connection": document()}, False),
    "changed by un-pausing": (
        {"restore_schedule": "before"},
        {**CHANGED, "attempted": ("unpause_connection",), "connection": document()},
        True,
    ),
    "as it was": (
        {"restore_schedule": "before"},
        {**CHANGED, "schedule_after": "auto", "connection": document()},
        False,
    ),
    "manual before": (
        {"restore_schedule": "before"},
        {**CHANGED, "schedule_before": "manual", "connection": document()},
        False,
    ),
    "not known before": (
        {"restore_schedule": "before"},
        {**CHANGED, "schedule_before": None, "connection": document()},
        False,
    ),
    "auto, found manual": (
        {"restore_schedule": "auto"},
        {"schedule_before": "manual", "connection": document(schedule="manual")},
        True,
    ),
    "auto, and so it is": ({"restore_schedule": "auto"}, {"connection": document(schedule="auto")}, False),
}


@pytest.mark.parametrize(("given", "facts", "expected"), TO_RESTORE.values(), ids=TO_RESTORE)
def test_schedule_to_restore(given: dict[str, Any], facts: dict[str, Any], expected: bool) -> None:  # noqa: FBT001
    """The schedule is restored where the run changed it; to auto, whatever it was found as."""
    assert schedule_to_restore(settings(**given), Facts(**facts)) is expected


TO_SWITCH = {
    "after a restart": ({}, {"triggered": True, "connection": document()}, True),
    "after attaching": (
        {"policies": (("on_running", "attach"),)},
        {"baseline": {"busy": True}, "connection": document()},
        True,
    ),
    "after no sync": ({}, {"connection": document()}, False),
    "after waiting for another sync only": (
        {"policies": (("on_running", "wait"),)},
        {"baseline": {"busy": True}, "connection": document()},
        False,
    ),
    "switched before": ({}, {"triggered": True, "connection": document(), **SWITCHED}, False),
    "un-paused before": (
        {},
        {"triggered": True, "connection": document(), "answered": ("unpause_connection",)},
        False,
    ),
    "tried late already": (
        {},
        {"triggered": True, "connection": document(), "attempted": ("switch_schedule_late",)},
        False,
    ),
    "manual": ({}, {"triggered": True, "connection": document(schedule="manual")}, False),
    "kept": ({"keep_schedule": True}, {"triggered": True, "connection": document()}, False),
    "to be restored at once": ({"restore_schedule": "before"}, {"triggered": True, "connection": document()}, False),
}


@pytest.mark.parametrize(("given", "facts", "expected"), TO_SWITCH.values(), ids=TO_SWITCH)
def test_schedule_to_switch_late(given: dict[str, Any], facts: dict[str, Any], expected: bool) -> None:  # noqa: FBT001
    """After a sync that was attached to or restarted the schedule is still to be switched, once."""
    assert schedule_to_switch_late(settings(**given), Facts(**facts)) is expected


TO_AUTO = (
    "manual, not set back to auto: a sync may be running, which a change might stop; "
    "FIVETRAN_RESTORE_SCHEDULE=auto in a later job sets it to auto"
)


@pytest.mark.parametrize(
    ("wanted", "before", "words"),
    [
        ("before", "auto", TO_AUTO),
        ("auto", "manual", TO_AUTO),
        (
            "before",
            "lunar",
            "manual, not set back to lunar: a sync may be running, which a change might stop",
        ),
    ],
)
def test_a_schedule_that_was_not_restored_is_told(wanted: str, before: str, words: str) -> None:
    """While a sync may be running nothing is restored, and that is said, with the way to do it later."""
    facts = Facts(
        verdict="timed_out",
        triggered=True,
        connection=document("syncing", "manual"),
        attempted=("disable_schedule",),
        schedule_before=before,
    )

    assert explain(settings(restore_schedule=wanted), facts, load("START")).schedule == words


def test_historical_sync_of_a_resync() -> None:
    """That a historical sync is under way is said of a re-sync, and of nothing else."""
    lines = {
        action: told("timed_out", action, connection=document(is_historical_sync=True)).at_fivetran
        for action in ("START", "FORCE_RESYNC")
    }

    expected = "a historical sync is under way (status.is_historical_sync)"
    assert [action for action, said in lines.items() if expected in said] == ["FORCE_RESYNC"]


@pytest.mark.parametrize("action", ACTIONS)
def test_exit_codes_mean_what_the_chart_leads_to(action: str) -> None:
    """Each exit code of an action is explained by the verdicts that lead to it there, and by no other."""
    chart = load(action)

    meanings = exit_meanings(chart)

    assert meanings.keys() == chart.exits().keys()
    assert ("sync succeeded" in meanings[0]) == bool(chart.triggers)
    assert ("the schema or the table" in meanings[4]) == (action == "FORCE_RESYNC")
    assert meanings[5].endswith("the sync may still be running") == bool(chart.triggers)


def test_remedies_do_not_repeat_the_reason() -> None:
    """Of Fivetran's advice on an error, what the reasons say already is left out."""
    errors = (
        {"title": "Sync failure", "message": "Too many clients. Close some."},
        {"type": "sync_failure", "reason": "Too many clients."},
    )
    ill = document(tasks=[{"code": "sync_failure", "message": "Too many clients"}])

    advice = told("sync_failed", connection=ill, errors=errors).advice

    assert advice[0] == "Fivetran's advice (Sync failure): Close some"
    assert advice[1].startswith("read the sync's log")


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["PASSED"], "the setup test passed"),
        (["PASSED", "PASSED"], "all 2 setup tests passed"),
        (["PASSED", "SKIPPED", "WARNING"], "1 of 3 setup tests passed, 1 warned, 1 skipped"),
        (["PASSED", "FAILED", "JOB_FAILED", "SKIPPED"], "1 of 4 setup tests failed, 1 could not run, 1 skipped"),
        (["JOB_FAILED"], "1 of 1 setup test could not run"),
        (["PASSED", "INVENTED"], "1 of 2 setup tests passed, 1 ended otherwise"),
    ],
)
def test_setup_tests_in_a_line(statuses: list[str], expected: str) -> None:
    """What came of the setup tests is counted, what went wrong first."""
    assert expected == documents.tests_summary([{"status": status} for status in statuses])


@pytest.mark.parametrize(
    ("given", "now", "expected"),
    [
        ({}, 0.0, ""),
        (
            {
                "service": "postgres",
                "succeeded_at": LATER,
                "failed_at": None,
                "schedule_type": "manual",
                "status": {"sync_state": "scheduled", "setup_state": "connected"},
            },
            1_700_000_000.0 + 7 * 3_600,
            " (postgres): connected, idle, last success 6 h ago, no failure yet, schedule manual",
        ),
        (
            {"succeeded_at": LATER, "status": {"sync_state": "rescheduled"}},
            None,
            ": rescheduled by Fivetran, last success 2023-11-14 23:13:20 UTC, schedule not known",
        ),
        ({"paused": True}, 0.0, ": paused, schedule not known"),
    ],
)
def test_connection_in_a_line(given: dict[str, Any], now: float | None, expected: str) -> None:
    """A connection is told in a line, whatever of it is missing."""
    assert expected == documents.summary(given, now)


# --- Whatever the facts ---------------------------------------------------------------------------

DOCUMENTS = st.one_of(
    st.none(),
    st.builds(
        document,
        st.sampled_from(["scheduled", "syncing", "paused", "rescheduled", ""]),
        st.sampled_from([None, "auto", "manual"]),
    ),
)


@st.composite
def ends(draw: st.DrawFn) -> tuple[str, Settings, Facts]:
    """An action, its settings and facts at the end of a run of it, however unlikely together."""
    action = draw(st.sampled_from(ACTIONS))
    chart, some = load(action), st.booleans()
    times = st.one_of(st.none(), st.floats(0, 1e4))
    failure = Failure(
        draw(st.sampled_from([Event.UNAVAILABLE, Event.REJECTED])), "?", status=draw(st.sampled_from([None, 402, 502]))
    )
    facts = Facts(
        verdict=draw(st.sampled_from(list(chart.verdicts()))),
        connection=draw(DOCUMENTS),
        triggered=draw(some),
        triggered_at=draw(times),
        asked_at=draw(times),
        concluded_at=draw(times),
        lost=draw(st.sampled_from([0, 0, 1])),
        unpaused_looks=draw(st.sampled_from([None, None, 0, 1])),
        waited_for=draw(st.sampled_from([None, "", LATER])),
        reschedules=draw(st.sampled_from([0, 1, 3])),
        schedule_before=draw(st.sampled_from([None, "auto", "lunar"])),
        attempted=draw(st.sampled_from([(), ("disable_schedule",)])),
        baseline=draw(st.sampled_from([None, {"busy": True}])),
        failure=failure.as_fact(READ, 1) if draw(some) else None,
        errors=draw(st.sampled_from([None, ({"title": None, "message": None}, {"type": "t", "reason": "R"})])),
        doubt=draw(st.sampled_from([None, {"since": 1.0}])),
    )
    running = draw(st.sampled_from(chart.values("on_running") or ("",)))
    given = settings(
        action,
        policies=(("on_running", running),) if running else (),
        restore_schedule=draw(st.sampled_from(["", "before", "auto"])),
        unpause=draw(some),
    )
    return action, given, facts


@hypothesis.settings(deadline=None, max_examples=300)
@hypothesis.given(ends())
def test_no_end_claims_what_is_not_known(end: tuple[str, Settings, Facts]) -> None:
    """Whatever the facts: no None, no sync called none while one may run, no other sync where there is none of ours."""
    action, given, facts = end
    chart = load(action)

    told = explain(given, facts, chart)

    said = "\n".join((text(told), told.running, told.schedule))
    assert "None" not in said
    if chart.triggers and facts.lost and facts.verdict != chart.green:
        assert "MAY BE RUNNING" in told.running
        assert "none was started" not in said
    if facts.unpaused_looks == 0 and told.still_running is None:
        assert "no sync was started" not in said
    if not chart.triggers:
        assert "another sync" not in said
    if "the sync succeeded after 0 s" in said:
        assert facts.asked_at is not None or facts.triggered_at is not None
