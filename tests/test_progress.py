"""When is a sync over: each rule, and each mistake that users of comparable tools reported."""

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.events import Event
from orchestrator.facts import Facts
from orchestrator.progress import QUIET_SECONDS, judge

READ_AT = 1_700_000_000.0  # when the baseline was read: 2023-11-14T22:13:20Z
TRIGGERED_AT = READ_AT + 1
NOW = READ_AT + 100

OLD = "2023-11-14T20:00:00.123456Z"
OLDER = "2023-11-13T20:00:00Z"
JUST_BEFORE = "2023-11-14T22:13:19.999Z"  # before the baseline was read
NEW = "2023-11-14T22:14:00.5Z"  # after the trigger
NEWER = "2023-11-14T22:14:30Z"
LATER = "2023-11-14T23:00:00Z"
LATEST = "2023-11-15T01:00:00Z"


def document(
    state: Any = "scheduled", *, paused: bool = False, setup: Any = "connected", **members: Any
) -> dict[str, Any]:
    """A connection document; `rescheduled_for` goes where Fivetran has it."""
    status = {"setup_state": setup, "sync_state": state}
    if "rescheduled_for" in members:
        status["rescheduled_for"] = members.pop("rescheduled_for")
    return {"succeeded_at": OLD, "failed_at": OLDER, "paused": paused, "status": status, **members}


def known(**baseline: Any) -> Facts:
    """The facts after our trigger."""
    return Facts(
        baseline={"succeeded_at": OLD, "failed_at": OLDER, "rescheduled_for": None, "date": READ_AT, **baseline},
        triggered_at=TRIGGERED_AT,
    )


TRIGGERED = known()
SEEN = replace(TRIGGERED, syncing_seen=True)
QUIET = replace(SEEN, quiet_since=NOW - QUIET_SECONDS)
FIRST_EVER = known(succeeded_at=None, failed_at=None)
RESTARTED = replace(TRIGGERED, restarted=True)
RESCHEDULED = known(rescheduled_for=LATER)

RULES = {
    # 1. While syncing nothing is over.
    "syncing": (TRIGGERED, document("syncing"), Event.RUNNING),
    "syncing, and a failure that Fivetran retries": (SEEN, document("syncing", failed_at=NEW), Event.RUNNING),
    "syncing, and a success of before": (SEEN, document("syncing", succeeded_at=NEW), Event.RUNNING),
    "syncing on a connection that was just paused": (SEEN, document("syncing", paused=True), Event.RUNNING),
    "syncing on a broken connection": (SEEN, document("syncing", setup="broken"), Event.RUNNING),
    # 2. and 3. A moved date.
    "success": (SEEN, document(succeeded_at=NEW), Event.SUCCEEDED),
    "success of a sync too short to be seen": (TRIGGERED, document(succeeded_at=NEW), Event.SUCCEEDED),
    "failure": (SEEN, document(failed_at=NEW), Event.SYNC_FAILED),
    "failure of a sync too short to be seen": (TRIGGERED, document(failed_at=NEW), Event.SYNC_FAILED),
    "success after a failure inside": (SEEN, document(succeeded_at=NEWER, failed_at=NEW), Event.SUCCEEDED),
    "failure after a success": (SEEN, document(succeeded_at=NEW, failed_at=NEWER), Event.SYNC_FAILED),
    "both in one moment": (SEEN, document(succeeded_at=NEW, failed_at=NEW), Event.SUCCEEDED),
    "failure that is older than the last success, but new": (
        known(succeeded_at=LATER),
        document(succeeded_at=LATER, failed_at=NEW),
        Event.SYNC_FAILED,
    ),
    "success that is older than the last failure, but new": (
        known(failed_at=LATER),
        document(succeeded_at=NEW, failed_at=LATER),
        Event.SUCCEEDED,
    ),
    "stale failure": (TRIGGERED, document(failed_at=OLDER), Event.RUNNING),
    "stale failure beside our success": (SEEN, document(succeeded_at=NEW, failed_at=OLDER), Event.SUCCEEDED),
    "success of somebody else's sync from before the baseline": (
        TRIGGERED,
        document(succeeded_at=JUST_BEFORE),
        Event.RUNNING,
    ),
    "failure of somebody else's sync from before the baseline": (
        TRIGGERED,
        document(failed_at=JUST_BEFORE),
        Event.RUNNING,
    ),
    "the same success, written otherwise": (
        known(succeeded_at=LATER),
        document(succeeded_at=LATER.replace("Z", ".000+00:00")),
        Event.RUNNING,
    ),
    "baseline without a date of its own": (
        replace(known(date=None), triggered_at=None),
        document(succeeded_at=JUST_BEFORE),
        Event.SUCCEEDED,
    ),
    "success, and paused since": (SEEN, document("paused", paused=True, succeeded_at=NEW), Event.SUCCEEDED),
    "failure, and broken since": (SEEN, document(setup="broken", failed_at=NEW), Event.SYNC_FAILED),
    "success, and the next one is rescheduled": (
        SEEN,
        document("rescheduled", rescheduled_for=LATER, succeeded_at=NEW),
        Event.SUCCEEDED,
    ),
    "success in an unknown state": (SEEN, document("resting", succeeded_at=NEW), Event.SUCCEEDED),
    # The first sync ever, and dates that are none.
    "first ever, not started": (FIRST_EVER, document(succeeded_at=None, failed_at=None), Event.RUNNING),
    "first ever, success": (FIRST_EVER, document(succeeded_at=NEW, failed_at=None), Event.SUCCEEDED),
    "first ever, failure": (FIRST_EVER, document(succeeded_at=None, failed_at=NEW), Event.SYNC_FAILED),
    "dates as the text null": (FIRST_EVER, document(succeeded_at="null", failed_at="null"), Event.RUNNING),
    "baseline as the text null": (
        known(succeeded_at="null", failed_at="null"),
        document(succeeded_at=None, failed_at=NEW),
        Event.SYNC_FAILED,
    ),
    "date vanishes": (SEEN, document(succeeded_at=None), Event.RUNNING),
    "no baseline taken is not both dates null": (
        Facts(triggered_at=TRIGGERED_AT),
        document(succeeded_at=NEW, failed_at=NEW),
        Event.RUNNING,
    ),
    # After a forced restart.
    "restart's stopped sync, in the trigger's second": (
        RESTARTED,
        document(failed_at="2023-11-14T22:13:21.999Z"),
        Event.RUNNING,
    ),
    "failure after a restart": (RESTARTED, document(failed_at="2023-11-14T22:13:22.000Z"), Event.SYNC_FAILED),
    "stopped sync's failure does not hide our success": (
        RESTARTED,
        document(succeeded_at="2023-11-14T22:13:21.5Z", failed_at="2023-11-14T22:13:21.999Z"),
        Event.SUCCEEDED,
    ),
    "old sync that succeeded before the restart": (
        RESTARTED,
        document(succeeded_at="2023-11-14T22:13:20.900Z"),
        Event.RUNNING,
    ),
    "restart without a date": (replace(RESTARTED, triggered_at=None), document(failed_at=NEW), Event.SYNC_FAILED),
    "same failure without a restart": (TRIGGERED, document(failed_at="2023-11-14T22:13:21.999Z"), Event.SYNC_FAILED),
    # 4. Paused, broken or incomplete.
    "paused by its flag": (SEEN, document(paused=True), Event.PAUSED),
    "paused by its state": (SEEN, document("paused"), Event.PAUSED),
    "paused before it started": (TRIGGERED, document("paused", paused=True), Event.PAUSED),
    "paused while rescheduled": (SEEN, document("rescheduled", paused=True, rescheduled_for=LATER), Event.PAUSED),
    "broken": (SEEN, document(setup="broken"), Event.BROKEN),
    "incomplete": (SEEN, document(setup="incomplete"), Event.BROKEN),
    "broken and rescheduled": (SEEN, document("rescheduled", setup="broken", rescheduled_for=LATER), Event.BROKEN),
    # 5. Rescheduled.
    "rescheduled": (SEEN, document("rescheduled", rescheduled_for=LATER), Event.RESCHEDULED),
    "rescheduled before it was seen": (TRIGGERED, document("rescheduled", rescheduled_for=LATER), Event.RESCHEDULED),
    "rescheduled without a time": (TRIGGERED, document("rescheduled"), Event.RESCHEDULED),
    "rescheduled as known at the trigger": (
        RESCHEDULED,
        document("rescheduled", rescheduled_for=LATER),
        Event.RUNNING,
    ),
    "rescheduled as known, written otherwise": (
        RESCHEDULED,
        document("rescheduled", rescheduled_for=LATER.replace("Z", ".000000+00:00")),
        Event.RUNNING,
    ),
    "rescheduled otherwise than known": (
        RESCHEDULED,
        document("rescheduled", rescheduled_for=LATEST),
        Event.RESCHEDULED,
    ),
    "rescheduled as known, but seen since": (
        replace(RESCHEDULED, syncing_seen=True),
        document("rescheduled", rescheduled_for=LATER),
        Event.RESCHEDULED,
    ),
    "rescheduled as waited for": (
        replace(TRIGGERED, waited_for=LATER),
        document("rescheduled", rescheduled_for=LATER),
        Event.RUNNING,
    ),
    "rescheduled without a time, as waited for": (
        replace(TRIGGERED, waited_for=""),
        document("rescheduled"),
        Event.RUNNING,
    ),
    "rescheduled again after the wait": (
        replace(TRIGGERED, waited_for=LATER),
        document("rescheduled", rescheduled_for=LATEST),
        Event.RESCHEDULED,
    ),
    "rescheduled, and no baseline taken": (Facts(), document("rescheduled", rescheduled_for=LATER), Event.RESCHEDULED),
    # 6. Gone without a trace.
    "gone, first poll": (SEEN, document(), Event.RUNNING),
    "gone, second poll": (QUIET, document(), Event.CANCELLED),
    "gone, second poll too soon": (replace(QUIET, quiet_since=NOW - QUIET_SECONDS + 1), document(), Event.RUNNING),
    "gone, and the date shows late": (QUIET, document(succeeded_at=NEW), Event.SUCCEEDED),
    "gone, and syncing again": (QUIET, document("syncing"), Event.RUNNING),
    # 7. Not started, and what this version does not know.
    "queued": (TRIGGERED, document(), Event.RUNNING),
    "unknown state": (TRIGGERED, document("resting"), Event.RUNNING),
    "unknown state after syncing": (QUIET, document("resting"), Event.RUNNING),
    "no state after syncing": (QUIET, document(None), Event.RUNNING),
    "unknown setup": (TRIGGERED, document(setup="pending"), Event.RUNNING),
    "nothing at all": (TRIGGERED, {}, Event.RUNNING),
    "nothing known": (Facts(), {}, Event.RUNNING),
}


@pytest.mark.parametrize(("facts", "read", "expected"), RULES.values(), ids=RULES)
def test_rule(facts: Facts, read: dict[str, Any], expected: Event) -> None:
    """Facts and document decide what became of our sync."""
    progress, _ = judge(facts, read, NOW)

    assert progress is expected


@pytest.mark.parametrize("fraction", [".123456", ".123", ".1", ""])
@pytest.mark.parametrize("zone", ["Z", "+00:00"])
def test_any_precision(fraction: str, zone: str) -> None:
    """A date counts in each of the forms in which Fivetran writes them, in the baseline as in the poll."""
    facts = known(succeeded_at=f"2023-11-14T20:00:00{fraction}{zone}")

    still, _ = judge(facts, document(succeeded_at=f"2023-11-14T20:00:00{fraction}{zone}"), NOW)
    moved, _ = judge(facts, document(succeeded_at=f"2023-11-14T22:14:00{fraction}{zone}"), NOW)

    assert (still, moved) == (Event.RUNNING, Event.SUCCEEDED)


def test_our_clock_is_not_asked() -> None:
    """A run judges alike at any "now" but for the seconds between polls: Fivetran's times are compared with its own."""
    progress = {judge(SEEN, document(succeeded_at=NEW), now)[0] for now in (0.0, NOW, NOW + 1e9)}

    assert progress == {Event.SUCCEEDED}


def test_syncing_is_remembered() -> None:
    """Once `syncing` was seen it is known, and what was quiet or late before is forgotten."""
    facts = replace(TRIGGERED, quiet_since=NOW - 9, not_started_for=50.0)

    _, after = judge(facts, document("syncing"), NOW)

    assert (after.syncing_seen, after.quiet_since, after.not_started_for) == (True, None, None)


def test_two_polls_in_a_row_are_needed() -> None:
    """A sync is called cancelled only at the second quiet poll in a row, five seconds after the first."""
    facts, told = SEEN, []
    for state, now in (
        ("scheduled", 0.0),
        ("resting", 9.0),
        ("scheduled", 18.0),
        ("scheduled", 22.0),
        ("scheduled", 23.0),
    ):
        progress, facts = judge(facts, document(state), NOW + now)
        told.append(progress)

    assert told == [Event.RUNNING] * 4 + [Event.CANCELLED]


def test_late_date_saves_a_quiet_sync() -> None:
    """A date that shows a poll later than the state still decides."""
    first, facts = judge(SEEN, document(), NOW)
    second, _ = judge(facts, document(succeeded_at=NEW), NOW + 60)

    assert (first, second) == (Event.RUNNING, Event.SUCCEEDED)


def test_reschedule_starts_anew() -> None:
    """A reschedule is counted and remembered, and `syncing` has to be seen again after it."""
    facts = replace(SEEN, quiet_since=NOW - 9, not_started_for=3.0)

    _, after = judge(facts, document("rescheduled", rescheduled_for=LATER), NOW)

    assert (after.waited_for, after.reschedules) == (LATER, 1)
    assert (after.syncing_seen, after.quiet_since, after.not_started_for) == (False, None, None)


def test_reschedule_is_told_once() -> None:
    """The same reschedule, polled again after the wait, is "not started yet"; the next one counts."""
    facts, told = TRIGGERED, []
    for read in (
        document("rescheduled", rescheduled_for=LATER),
        document("rescheduled", rescheduled_for=LATER),
        document("syncing"),
        document("rescheduled", rescheduled_for=LATER),
    ):
        progress, facts = judge(facts, read, NOW)
        told.append(progress)

    assert told == [Event.RESCHEDULED, Event.RUNNING, Event.RUNNING, Event.RESCHEDULED]
    assert facts.reschedules == 2


NOT_STARTED = {
    "since the trigger": (TRIGGERED, 99.0),
    "since the time waited for": (replace(TRIGGERED, waited_for="2023-11-14T22:14:50Z"), 10.0),
    "since an earlier time waited for": (replace(TRIGGERED, waited_for=OLD), 99.0),
    "before the time waited for": (replace(TRIGGERED, waited_for=LATER), 0.0),
    "since nobody knows when": (Facts(), 0.0),
}


@pytest.mark.parametrize(("facts", "expected"), NOT_STARTED.values(), ids=NOT_STARTED)
def test_not_started_is_timed(facts: Facts, expected: float) -> None:
    """While nothing of the sync is seen, the seconds since it was due are told."""
    progress, after = judge(facts, document(), NOW)

    assert (progress, after.not_started_for) == (Event.RUNNING, expected)


@pytest.mark.parametrize(
    "read",
    [document(succeeded_at=NEW), document(failed_at=NEW), document("paused"), document(setup="broken")],
    ids=["succeeded", "failed", "paused", "broken"],
)
def test_ended_sync_has_started(read: dict[str, Any]) -> None:
    """At the end of a sync nothing is left of "not started yet"."""
    _, after = judge(replace(TRIGGERED, not_started_for=70.0), read, NOW)

    assert after.not_started_for is None
