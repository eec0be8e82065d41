"""Verdicts in words: whatever is known of a run, and whatever is not."""

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.fivetran.effects.situation import schedule_to_restore, schedule_to_switch_late
from orchestrator.fivetran.verdicts import HEADLINES, Explanation, explain
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

    unknown = f"the chart ends the run on {verdict}" if verdict else ""
    assert explanation.headline == HEADLINES.get(verdict or "", unknown) or verdict == Event.SUCCEEDED
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

    assert "attach" not in advice or "attach" in load(action).values("on_running")
    assert "FIVETRAN_ACTION=TEST" not in advice or action != "TEST"


# --- Headlines ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "action", "facts", "expected"),
    [
        ("succeeded", "START", {"triggered": True}, "the sync succeeded"),
        ("succeeded", "START", {"started": True}, "the sync succeeded"),
        ("succeeded", "START", {}, "the sync that was running already succeeded"),
        ("succeeded", "FORCE_RESYNC", {}, "the re-sync was accepted, and a sync has succeeded since"),
        ("paused", "START", {}, "the connection is paused"),
        ("paused", "START", {"triggered": True}, "the connection was paused before the sync ended"),
        ("not_found", "FORCE_RESYNC", {}, "Fivetran does not know the connection"),
        (
            "not_found",
            "FORCE_RESYNC",
            {"failure": Failure(Event.NOT_FOUND, "?", status=404).as_fact(RESYNC, 1), "given_up": ("resync_table",)},
            "Fivetran does not know the schema or the table",
        ),
    ],
)
def test_headline(verdict: str, action: str, facts: dict[str, Any], expected: str) -> None:
    """The headline says what really happened."""
    assert told(verdict, action, **facts).headline == expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, "time ran out"),
        ({"failure": Failure(Event.UNAVAILABLE, "?").as_fact(READ, 1)}, "time ran out while Fivetran did not answer"),
        (
            {"failure": Failure(Event.CONFLICT, "?").as_fact(RESYNC, 1)},
            "time ran out: something else on the connection stood in the way",
        ),
        (
            {"failure": Failure(Event.RATE_LIMITED, "?").as_fact(READ, 1)},
            "time ran out: Fivetran's limit of calls is used up",
        ),
        (
            {"doubt": {"since": 1.0}},
            "time ran out: the sync is gone, and Fivetran shows neither a success nor a failure yet",
        ),
    ],
)
def test_what_time_ran_out_of(facts: dict[str, Any], expected: str) -> None:
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
        [f"{SYNC} had no answer: it may have been carried out"],
    ),
    "running": (
        "timed_out",
        {"connection": document("syncing"), "triggered": True, **SWITCHED},
        ["the sync is still running"],
    ),
    "somebody else's is running": (
        "timed_out",
        {"connection": document("syncing")},
        ["another sync is running; this job did not start it"],
    ),
    "was running, and then Fivetran did not answer": (
        "timed_out",
        {
            "connection": document("syncing"),
            "triggered": True,
            "failure": FAILURE,
            **SWITCHED,
        },
        ["a sync was running when Fivetran last answered; it may have ended since"],
    ),
    "triggered": (
        "timed_out",
        {"triggered": True, **SWITCHED},
        ["the sync was triggered and may still be running; it was left alone"],
    ),
    "put off on a manual schedule": (
        "too_late",
        {"connection": document("rescheduled", "manual")},
        ["the sync is waiting; on a manual schedule Fivetran will not resume it by itself"],
    ),
    "put off on Fivetran's schedule": (
        "rescheduled",
        {"connection": document("rescheduled", "auto")},
        ["the sync is waiting; Fivetran will resume it by itself"],
    ),
    "none": ("refused", {}, ["no sync of this run is running"]),
    "success": ("succeeded", {"triggered": True, **SWITCHED}, []),
    "success, and another one runs": (
        "succeeded",
        {"connection": document("syncing"), "triggered": True, **SWITCHED},
        ["another sync is running; this job did not start it"],
    ),
    "restarted, and still running on its own schedule": (
        "timed_out",
        {"connection": document("syncing"), "triggered": True},
        [
            "the sync is still running",
            "the schedule was left as it is (auto), since a sync may be running, which a change might stop",
        ],
    ),
    "restarted, on a schedule that is not known": (
        "timed_out",
        {"connection": document("syncing", None), "triggered": True},
        [
            "the sync is still running",
            "the schedule was left as it is (not known), since a sync may be running, which a change might stop",
        ],
    ),
    "its history": (
        "sync_failed",
        {
            "connection": document(),
            "sync": {"sync_id": "s1", "start": "A", "end": "B", "status": "FAILURE", "reason": "R"},
        },
        ["no sync of this run is running", "its history has this sync as s1, from A to B: FAILURE (R)"],
    ),
    "its history, of one that has not ended": (
        "sync_failed",
        {"connection": document(), "sync": {"sync_id": "s1", "start": "A"}},
        ["no sync of this run is running", "its history has this sync as s1, from A and not ended"],
    ),
    "shown": ("shown", {}, []),
    "schedule taken off": (
        "succeeded",
        {"schedule_before": "auto", "connection": document(schedule="manual")},
        [
            (
                "the schedule is now manual (it was auto): syncs happen only when a job starts one; "
                "FIVETRAN_RESTORE_SCHEDULE=1 restores it at a job's end"
            )
        ],
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
        [f"{READ} (read the connection): 502: bad gateway (8 attempts) (request id r1)"],
    ),
    "failure without an answer": (
        "gave_up",
        {"failure": Failure(Event.UNAVAILABLE, "connection reset").as_fact(READ, 1)},
        [f"{READ} (read the connection): connection reset"],
    ),
    "failure in Fivetran's words": (
        "refused",
        {"failure": Failure(Event.REFUSED, "No such key", status=401, code="Unauthorized").as_fact(READ, 1)},
        [f"{READ} (read the connection): 401 Unauthorized: No such key"],
    ),
    "sync failed, with a task": ("sync_failed", {"connection": ILL}, ["task reconnect: Reconnect it"]),
    "sync failed, without one": (
        "sync_failed",
        {"connection": document()},
        ["Fivetran's API gives no reason; the connection's page has the sync's log"],
    ),
    "success in spite of a task": ("succeeded", {"connection": ILL}, []),
    "put off": ("too_late", {"waited_for": LATER}, [f"rescheduled for {LATER}"]),
    "put off, but until when": (
        "rescheduled",
        {"waited_for": ""},
        ["rescheduled for a time that Fivetran does not say"],
    ),
    "out of time": ("timed_out", {}, ["the run had 300 s (FIVETRAN_TIMEOUT)"]),
    "out of time, never started": (
        "timed_out",
        {"not_started_for": 240.4},
        [
            "the run had 300 s (FIVETRAN_TIMEOUT)",
            (
                "Fivetran accepted the sync, but nothing of it was seen in 240 s: it is queued "
                "(with integrated or smart transformations a sync waits for them), or was dropped"
            ),
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
        ["names like public.order at the source: public.orders"],
    ),
    "no near name": ("not_found", {"near_matches": ()}, ["no name at the source is like public.order"]),
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
    "unknown connector": ("not_found", "START", {}, "CONNECTOR_ID (speak_inexpensive)"),
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
        "no re-sync of single tables",
    ),
    "rejected": ("rejected", "START", {}, "Fivetran's message above"),
    "out of time": ("timed_out", "START", {}, "raise FIVETRAN_TIMEOUT (now 300 s), and the job's own timeout"),
    "out of time in the middle": ("timed_out", "START", {"triggered": True}, "FIVETRAN_ON_RUNNING=attach"),
    "out of time for the status": ("timed_out", "STATUS", {}, "raise FIVETRAN_TIMEOUT (now 300 s)"),
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
        "look on the connection's page what is running there",
    ),
    "tests failed": ("tests_failed", "TEST", {}, "/dashboard/connections/speak_inexpensive/setup"),
    "busy": ("busy", "START", {}, "FIVETRAN_ON_RUNNING to wait or attach"),
    "busy for a re-sync": ("busy", "FORCE_RESYNC", {}, "FIVETRAN_ON_RUNNING to wait, or"),
    "rescheduled": ("rescheduled", "START", {}, "FIVETRAN_ON_RESCHEDULE to wait"),
    "rescheduled too late": (
        "too_late",
        "START",
        {"waited_for": LATER, "connection_date": 1_700_000_000.0},
        "or give it time to wait: that was 1 h ahead, FIVETRAN_TIMEOUT is 300 s",
    ),
    "put off, but until when": ("too_late", "START", {"waited_for": ""}, "raise FIVETRAN_TIMEOUT"),
    "put off, but from when": ("too_late", "START", {"waited_for": LATER}, "raise FIVETRAN_TIMEOUT"),
    "interrupted": ("interrupted", "START", {}, "start the job again"),
    "interrupted in the middle": ("interrupted", "START", {"triggered": True}, "FIVETRAN_ON_RUNNING=attach"),
    "interrupted in a re-sync": ("interrupted", "FORCE_RESYNC", {"triggered": True}, "start the job again"),
    "terminated": ("terminated", "START", {}, "its `timeout` is shorter than FIVETRAN_TIMEOUT"),
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
        "start the job again as it is: FIVETRAN_ON_RUNNING is attach",
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
        "FIVETRAN_RESTORE_SCHEDULE is set, and did not restore it",
        "restores it at",
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
    "the schedule was not restored, since a sync may be running, which a change might stop: it is manual; "
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
            "the schedule was not restored to lunar, since a sync may be running, which a change might stop",
        ),
    ],
)
def test_a_schedule_that_was_not_restored_is_told(wanted: str, before: str, words: str) -> None:
    """While a sync may be running nothing is restored, and that is said, with the way to do it later."""
    facts = replace(
        Facts(verdict="timed_out", triggered=True, connection=document("syncing", "manual")),
        attempted=("disable_schedule",),
        schedule_before=before,
    )

    assert explain(settings(restore_schedule=wanted), facts, load("START")).at_fivetran[-1] == words


def test_historical_sync_of_a_resync() -> None:
    """That a historical sync is under way is said of a re-sync, and of nothing else."""
    lines = {
        action: told("timed_out", action, connection=document(is_historical_sync=True)).at_fivetran
        for action in ("START", "FORCE_RESYNC")
    }

    expected = "a historical sync is under way (status.is_historical_sync)"
    assert [action for action, said in lines.items() if expected in said] == ["FORCE_RESYNC"]
