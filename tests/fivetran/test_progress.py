"""When is a sync over: each rule with its boundary, by a document and by the history."""

from typing import Any

import pytest

from orchestrator.fivetran import progress
from orchestrator.fivetran.progress import decide, decide_by_history, is_quiet, items_since, quiet_left, since
from orchestrator.values.events import Event
from orchestrator.values.facts import Facts

READ_AT = 1_700_000_000.0  # when the baseline was read: 2023-11-14T22:13:20Z
TRIGGERED_AT = READ_AT + 1  # 22:13:21
ASKED = 1.0  # the same, in seconds since the run began
AT = 100.0  # now

OLD = "2023-11-14T20:00:00.123456Z"
OLDER = "2023-11-13T20:00:00Z"
JUST_BEFORE = "2023-11-14T22:13:20.999Z"  # before the trigger was asked for
FIRST = "2023-11-14T22:13:21Z"  # the first moment that may be ours
NEW = "2023-11-14T22:14:00.5Z"
NEWER = "2023-11-14T22:14:10Z"
LAST_DOUBTED = "2023-11-14T22:14:20.999Z"  # less than a minute after the trigger
UNDOUBTED = "2023-11-14T22:14:21Z"  # a minute after it
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
        triggered=True,
        triggered_at=TRIGGERED_AT,
        asked_at=ASKED,
    )


TRIGGERED = known()
SEEN = TRIGGERED.but(syncing_seen=True)
FIRST_EVER = known(succeeded_at=None, failed_at=None)
RESTARTED = TRIGGERED.but(restarted=True)
RESCHEDULED = known(rescheduled_for=LATER)
UNDATED = known(date=None).but(triggered_at=None)
ATTACHED = known(busy=True).but(triggered=False, triggered_at=None, asked_at=None, syncing_seen=True)
WAS_BROKEN = known(broken=True)

DECIDED: dict[str, tuple[Facts, dict[str, Any], Event]] = {
    # 1. A success, even while another sync runs.
    "success": (SEEN, document(succeeded_at=NEW), Event.SUCCEEDED),
    "success of a sync too short to be seen": (TRIGGERED, document(succeeded_at=NEW), Event.SUCCEEDED),
    "success in the moment of the trigger": (TRIGGERED, document(succeeded_at=FIRST), Event.SUCCEEDED),
    "success just before the trigger": (TRIGGERED, document(succeeded_at=JUST_BEFORE), Event.RUNNING),
    "success that did not move": (TRIGGERED, document(), Event.RUNNING),
    "success, written otherwise": (
        known(succeeded_at=LATER),
        document(succeeded_at=LATER.replace("Z", ".000+00:00")),
        Event.RUNNING,
    ),
    "success after a failure inside": (SEEN, document(succeeded_at=NEWER, failed_at=NEW), Event.SUCCEEDED),
    "both in one moment": (SEEN, document(succeeded_at=NEW, failed_at=NEW), Event.SUCCEEDED),
    "success beside an older failure that is still there": (
        known(failed_at=LATER),
        document(succeeded_at=NEW, failed_at=LATER),
        Event.SUCCEEDED,
    ),
    "success beside a failure from before the trigger": (
        SEEN,
        document(succeeded_at=NEW, failed_at=JUST_BEFORE),
        Event.SUCCEEDED,
    ),
    "success while another sync runs": (SEEN, document("syncing", succeeded_at=NEW), Event.SUCCEEDED),
    "success without a bound": (UNDATED, document(succeeded_at=JUST_BEFORE), Event.SUCCEEDED),
    "success while syncing, without a bound": (UNDATED, document("syncing", succeeded_at=NEW), Event.RUNNING),
    "success of the sync attached to": (ATTACHED, document(succeeded_at=NEW), Event.SUCCEEDED),
    "success of before, attached": (ATTACHED, document("syncing", succeeded_at="2023-11-14T22:13:19Z"), Event.RUNNING),
    "success, and paused since": (SEEN, document("paused", paused=True, succeeded_at=NEW), Event.SUCCEEDED),
    "success, and broken since": (SEEN, document(setup="broken", succeeded_at=NEW), Event.SUCCEEDED),
    "success, and the next one rescheduled": (
        SEEN,
        document("rescheduled", rescheduled_for=LATER, succeeded_at=NEW),
        Event.SUCCEEDED,
    ),
    "success in an unknown state": (SEEN, document("resting", succeeded_at=NEW), Event.SUCCEEDED),
    "first ever, success": (FIRST_EVER, document(succeeded_at=NEW, failed_at=None), Event.SUCCEEDED),
    "no baseline taken is not both dates null": (
        Facts(triggered_at=TRIGGERED_AT),
        document(succeeded_at=NEW, failed_at=NEW),
        Event.RUNNING,
    ),
    # After a restart a success of the first minute may be the stopped sync's.
    "restart, success in its first minute": (RESTARTED, document(succeeded_at=LAST_DOUBTED), Event.DOUBTFUL),
    "restart, success a minute later": (RESTARTED, document(succeeded_at=UNDOUBTED), Event.SUCCEEDED),
    "restart, success in its first minute, while syncing": (
        RESTARTED,
        document("syncing", succeeded_at=NEW),
        Event.RUNNING,
    ),
    "restart, success a minute later, while syncing": (
        RESTARTED,
        document("syncing", succeeded_at=UNDOUBTED),
        Event.SUCCEEDED,
    ),
    "restart, a failure in its first minute while no sync has been seen": (
        RESTARTED,
        document(failed_at=LAST_DOUBTED),
        Event.RUNNING,
    ),
    "restart, a failure in its first minute of a sync that was seen": (
        RESTARTED.but(syncing_seen=True),
        document(failed_at=LAST_DOUBTED),
        Event.DOUBTFUL,
    ),
    "restart, a failure a minute later": (RESTARTED, document(failed_at=UNDOUBTED), Event.DOUBTFUL),
    # Without a bound a date may be that of a sync which was seen before this run's began.
    "no bound, success while another sync's end is to come": (
        UNDATED.but(ever_syncing=True),
        document(succeeded_at=NEW),
        Event.DOUBTFUL,
    ),
    "no bound, success of a sync that was seen since": (
        UNDATED.but(ever_syncing=True, syncing_seen=True),
        document(succeeded_at=NEW),
        Event.SUCCEEDED,
    ),
    "success after the trigger, though another sync was seen before": (
        TRIGGERED.but(ever_syncing=True),
        document(succeeded_at=NEW),
        Event.SUCCEEDED,
    ),
    "restart without a date is always in doubt": (
        RESTARTED.but(triggered_at=None),
        document(succeeded_at=LATER),
        Event.DOUBTFUL,
    ),
    # 2. While syncing nothing else is over.
    "syncing": (TRIGGERED, document("syncing"), Event.RUNNING),
    "syncing, and a failure that Fivetran retries": (SEEN, document("syncing", failed_at=NEW), Event.RUNNING),
    "syncing, a failure newer than our success": (
        SEEN,
        document("syncing", succeeded_at=NEW, failed_at=NEWER),
        Event.RUNNING,
    ),
    "syncing on a connection that was just paused": (SEEN, document("syncing", paused=True), Event.RUNNING),
    "syncing on a broken connection": (SEEN, document("syncing", setup="broken"), Event.RUNNING),
    # 3. Rescheduled, before failed and before a success in doubt.
    "rescheduled": (SEEN, document("rescheduled", rescheduled_for=LATER), Event.RESCHEDULED),
    "rescheduled before it was seen": (TRIGGERED, document("rescheduled", rescheduled_for=LATER), Event.RESCHEDULED),
    "rescheduled, until when is not said": (TRIGGERED, document("rescheduled"), Event.RESCHEDULED),
    "rescheduled and failed": (
        SEEN,
        document("rescheduled", rescheduled_for=LATER, failed_at=NEW),
        Event.RESCHEDULED,
    ),
    "rescheduled, and a success in doubt after a restart": (
        RESTARTED,
        document("rescheduled", rescheduled_for=LATER, succeeded_at=NEW),
        Event.RESCHEDULED,
    ),
    "rescheduled on a broken connection": (
        SEEN,
        document("rescheduled", setup="broken", rescheduled_for=LATER),
        Event.RESCHEDULED,
    ),
    "rescheduled as at the trigger": (RESCHEDULED, document("rescheduled", rescheduled_for=LATER), Event.RUNNING),
    "rescheduled as at the trigger, written otherwise": (
        RESCHEDULED,
        document("rescheduled", rescheduled_for=LATER.replace("Z", ".000000+00:00")),
        Event.RUNNING,
    ),
    "rescheduled as at the trigger, but seen since": (
        RESCHEDULED.but(syncing_seen=True),
        document("rescheduled", rescheduled_for=LATER),
        Event.RESCHEDULED,
    ),
    "rescheduled as waited for": (
        TRIGGERED.but(waited_for=LATER),
        document("rescheduled", rescheduled_for=LATER),
        Event.RUNNING,
    ),
    "rescheduled otherwise than known": (
        RESCHEDULED,
        document("rescheduled", rescheduled_for=LATEST),
        Event.RESCHEDULED,
    ),
    "rescheduled in words that are no time": (
        TRIGGERED,
        document("rescheduled", rescheduled_for="soon"),
        Event.RESCHEDULED,
    ),
    "rescheduled as known, and failed": (
        RESCHEDULED,
        document("rescheduled", rescheduled_for=LATER, failed_at=NEW),
        Event.DOUBTFUL,
    ),
    # 4. A failure, in doubt.
    "failure": (SEEN, document(failed_at=NEW), Event.DOUBTFUL),
    "failure of a sync too short to be seen": (TRIGGERED, document(failed_at=FIRST), Event.DOUBTFUL),
    "failure just before the trigger": (TRIGGERED, document(failed_at=JUST_BEFORE), Event.RUNNING),
    "failure after a success": (SEEN, document(succeeded_at=NEW, failed_at=NEWER), Event.DOUBTFUL),
    "failure, and paused since": (SEEN, document("paused", paused=True, failed_at=NEW), Event.DOUBTFUL),
    "failure, and broken since": (SEEN, document(setup="broken", failed_at=NEW), Event.DOUBTFUL),
    "failure in an unknown state": (SEEN, document("resting", failed_at=NEW), Event.DOUBTFUL),
    "first ever, failure": (FIRST_EVER, document(succeeded_at=None, failed_at=NEW), Event.DOUBTFUL),
    "failure without a bound": (UNDATED, document(failed_at=JUST_BEFORE), Event.DOUBTFUL),
    # 5. Paused; broken or incomplete, unless it was before and the sync is still to come.
    "paused by its flag": (SEEN, document(paused=True), Event.PAUSED),
    "paused by its state": (TRIGGERED, document("paused"), Event.PAUSED),
    "paused and broken": (SEEN, document("paused", setup="broken"), Event.PAUSED),
    "broken": (SEEN, document(setup="broken"), Event.BROKEN),
    "broken before it was seen": (TRIGGERED, document(setup="broken"), Event.BROKEN),
    "incomplete": (SEEN, document(setup="incomplete"), Event.BROKEN),
    "broken, without a baseline": (Facts(), document(setup="broken"), Event.BROKEN),
    "broken as before, the sync still to come": (WAS_BROKEN, document(setup="broken"), Event.RUNNING),
    "broken as before, and the sync is gone": (
        WAS_BROKEN.but(syncing_seen=True),
        document(setup="broken"),
        Event.DOUBTFUL,
    ),
    # 6. Seen and gone.
    "gone": (SEEN, document(), Event.DOUBTFUL),
    "gone, and a date vanished": (SEEN, document(succeeded_at=None), Event.DOUBTFUL),
    "gone, attached": (ATTACHED, document(), Event.DOUBTFUL),
    "an unknown state decides nothing": (SEEN, document("resting"), Event.RUNNING),
    "no state decides nothing": (SEEN, document(None), Event.RUNNING),
    # 7. Not started.
    "not started": (TRIGGERED, document(), Event.RUNNING),
    "not started, in an unknown state": (TRIGGERED, document("resting"), Event.RUNNING),
    "first ever, not started": (FIRST_EVER, document(succeeded_at="null", failed_at="null"), Event.RUNNING),
    "nothing known": (Facts(), {}, Event.RUNNING),
}


@pytest.mark.parametrize(("facts", "read", "expected"), DECIDED.values(), ids=DECIDED)
def test_document_decides(facts: Facts, read: dict[str, Any], expected: Event) -> None:
    """Each document means the one thing that the rules say, and the rule is given."""
    judged = decide(facts, read, AT)

    assert judged.event == expected
    assert judged.rule


@pytest.mark.parametrize(
    ("read", "expected"),
    [(document("syncing", succeeded_at=NEW), Event.RUNNING), (document(succeeded_at=NEW), Event.SUCCEEDED)],
)
def test_resync_is_no_success_while_syncing(read: dict[str, Any], expected: Event) -> None:
    """A success that shows while another sync runs is not taken for a re-sync's."""
    assert decide(SEEN, read, AT, resync=True).event == expected


@pytest.mark.parametrize(
    ("facts", "read", "verdict"),
    [
        (SEEN, document(failed_at=NEW), Event.SYNC_FAILED),
        (SEEN, document(), Event.CANCELLED),
        (RESTARTED, document(succeeded_at=NEW), Event.SUCCEEDED),
        (RESTARTED.but(syncing_seen=True), document(succeeded_at=NEW, failed_at=NEWER), Event.SYNC_FAILED),
        (WAS_BROKEN.but(syncing_seen=True), document(setup="broken"), Event.BROKEN),
        (WAS_BROKEN.but(syncing_seen=True), document(setup="incomplete"), Event.BROKEN),
    ],
)
def test_doubt_names_its_verdict(facts: Facts, read: dict[str, Any], verdict: Event) -> None:
    """What is in doubt is remembered with what it would be, since when, and that nobody was asked."""
    judged = decide(facts.but(not_started_for=3.0), read, AT).facts
    doubt = judged.doubt

    expected = {"since": AT, "succeeded_at": read["succeeded_at"], "asked": 0, "verdict": verdict, "over": False}
    assert doubt == expected
    assert judged.not_started_for is None


@pytest.mark.parametrize(("facts", "lasts"), [(SEEN, 20.0), (RESTARTED.but(syncing_seen=True), 60.0)])
def test_quiet_has_to_last(facts: Facts, lasts: float) -> None:
    """A doubt is believed 20 s after it began, 60 s after a restart, and not a moment before."""
    facts = decide(facts, document(failed_at=NEW), AT).facts

    early = decide(facts, document(failed_at=NEW), AT + lasts - 0.01)
    late = decide(early.facts, document(failed_at=NEW), AT + lasts)

    assert (is_quiet(early.facts), is_quiet(late.facts)) == (False, True)
    assert quiet_left(early.facts, AT + lasts - 1) == 1
    assert "0 s for a change" in early.rule
    assert "nothing has changed for long enough" in late.rule


@pytest.mark.parametrize(("left", "expected"), [(0.002, 0.002), (0.0005, 0.0), (-3.0, 0.0)])
def test_a_blink_of_quiet_is_not_waited_for(left: float, expected: float) -> None:
    """What a sum of times rounds away needs no further look."""
    facts = Facts(doubt={"since": 0.0})

    assert quiet_left(facts, 20.0 - left) == pytest.approx(expected)


def test_no_doubt_needs_no_quiet() -> None:
    """Without a doubt nothing is waited for, and nothing is believed."""
    assert (quiet_left(Facts(), AT), is_quiet(Facts())) == (0, False)


def test_moving_success_starts_the_quiet_anew() -> None:
    """Another success that shows while a failure is in doubt is a change: the quiet, and the asking, begin again."""
    first = decide(SEEN, document(failed_at=NEWER), AT).facts
    asked = first.but(doubt={**(first.doubt or {}), "asked": 1})

    doubt = decide(asked, document(succeeded_at=NEW, failed_at=NEWER), AT + 15).facts.doubt or {}

    assert (doubt["since"], doubt["asked"]) == (AT + 15, 0)


def test_verdict_in_doubt_may_change_within_the_quiet() -> None:
    """A failure that shows later than the state counts from the moment at which the sync was gone."""
    gone = decide(SEEN, document(), AT).facts

    judged = decide(gone.but(doubt={**(gone.doubt or {}), "asked": 1}), document(failed_at=NEW), AT + 20)

    assert judged.facts.doubt == {
        "since": AT,
        "succeeded_at": OLD,
        "asked": 1,
        "verdict": Event.SYNC_FAILED,
        "over": True,
    }


@pytest.mark.parametrize(
    "read",
    [document("syncing"), document(succeeded_at=NEW), document("paused"), document("resting"), document("rescheduled")],
)
def test_doubt_is_dispelled(read: dict[str, Any]) -> None:
    """A look at which it is not over, or well over, leaves nothing of a doubt, nor of "not started yet"."""
    doubting = decide(SEEN, document(), AT).facts.but(not_started_for=3.0)

    after = decide(doubting, read, AT + 5).facts

    assert (after.doubt, after.not_started_for) == (None, None)


def test_syncing_is_remembered() -> None:
    """That `syncing` was seen is a fact from then on."""
    assert decide(TRIGGERED, document("syncing"), AT).facts.syncing_seen is True


@pytest.mark.parametrize(
    ("facts", "expected"),
    [(TRIGGERED, AT - ASKED), (TRIGGERED.but(asked_at=AT + 5), 0.0), (TRIGGERED.but(asked_at=None), None)],
)
def test_not_started_is_timed(facts: Facts, expected: float | None) -> None:
    """While nothing of the sync is seen, the seconds since it was asked for are counted, by the run's own clock."""
    assert decide(facts, document(), AT).facts.not_started_for == expected


def test_reschedule_starts_anew() -> None:
    """A reschedule is counted and remembered, and `syncing` has to be seen again after it."""
    facts = decide(SEEN.but(doubt={"since": 1.0}), document("rescheduled", rescheduled_for=LATER), AT).facts

    assert (facts.waited_for, facts.reschedules) == (LATER, 1)
    assert (facts.syncing_seen, facts.doubt, facts.asked_at) == (False, None, None)


def test_reschedule_is_reported_once() -> None:
    """The same reschedule, polled again after the wait, is "not started yet"; the next one counts."""
    facts, told = TRIGGERED, []
    for read in (
        document("rescheduled", rescheduled_for=LATER),
        document("rescheduled", rescheduled_for=LATER),
        document("syncing"),
        document("rescheduled", rescheduled_for=LATER),
    ):
        judged = decide(facts, read, AT)
        facts = judged.facts
        told.append(judged.event)

    assert told == [Event.RESCHEDULED, Event.RUNNING, Event.RUNNING, Event.RESCHEDULED]
    assert facts.reschedules == 2


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (TRIGGERED, TRIGGERED_AT),
        (TRIGGERED.but(triggered_at=READ_AT - 1), READ_AT),
        (known(date=None), TRIGGERED_AT),
        (TRIGGERED.but(triggered_at=None), READ_AT),
        (UNDATED, None),
        (Facts(), None),
    ],
)
def test_bound(facts: Facts, expected: float | None) -> None:
    """Ours is what happened after baseline and trigger, whichever is later; without any Date nothing tells."""
    assert since(facts) == expected


# --- The history ----------------------------------------------------------------------------------


def item(status: str | None, start: str = NEW, end: str | None = NEWER, name: str = "one") -> dict[str, Any]:
    """A sync as the history has it."""
    return {"sync_id": name, "start": start, "end": end, "status": status}


DOUBTING = SEEN.but(doubt={"since": 1.0, "verdict": "cancelled"})

RECORDED: dict[str, tuple[list[dict[str, Any]], Event]] = {
    "completed": ([item("COMPLETED")], Event.SUCCEEDED),
    "failed": ([item("FAILURE")], Event.SYNC_FAILED),
    "cancelled": ([item("CANCELED")], Event.CANCELLED),
    "rescheduled": ([item("RESCHEDULED")], Event.RESCHEDULED),
    "still running": ([item(None, end=None)], Event.RUNNING),
    "paused": ([item("PAUSED")], Event.INCONCLUSIVE),
    "unknown": ([item("HIBERNATED")], Event.INCONCLUSIVE),
    "without a status": ([item(None)], Event.INCONCLUSIVE),
    "nothing": ([], Event.INCONCLUSIVE),
    "of before only": ([item("FAILURE", start=OLD, end=OLD)], Event.INCONCLUSIVE),
    "without a start": ([item("FAILURE", start="never")], Event.INCONCLUSIVE),
    "any success": ([item("FAILURE"), item("COMPLETED", start=LATER, end=LATEST)], Event.SUCCEEDED),
    "success, and another one runs": ([item("COMPLETED"), item(None, start=LATER, end=None)], Event.SUCCEEDED),
    "failure, and a later one is open": ([item("FAILURE"), item(None, start=LATER, end=None)], Event.RUNNING),
    "the first that is not rescheduled": (
        [
            item("CANCELED", start=LATER, end=LATEST),
            item("RESCHEDULED"),
            item("FAILURE", start=LATEST, end=LATEST),
        ],
        Event.CANCELLED,
    ),
    "a later one under a status that is known": ([item("FAILURE"), item("PAUSED", start=LATER)], Event.SYNC_FAILED),
    "a later one that was cut off": ([item("FAILURE"), item("INCOMPLETE", start=LATER)], Event.SYNC_FAILED),
    "a later one that was rescheduled": ([item("FAILURE"), item("RESCHEDULED", start=LATER)], Event.SYNC_FAILED),
    "a later one that was cancelled": ([item("FAILURE"), item("CANCELED", start=LATER)], Event.SYNC_FAILED),
    "a later one that failed": ([item("CANCELED"), item("FAILURE", start=LATER)], Event.CANCELLED),
    "one without a start among others": ([item("FAILURE", start="never"), item("CANCELED")], Event.CANCELLED),
    "an unknown one first": ([item("PAUSED"), item("FAILURE", start=LATER, end=LATEST)], Event.INCONCLUSIVE),
    "rescheduled twice": ([item("RESCHEDULED"), item("RESCHEDULED", start=LATER, end=LATEST)], Event.RESCHEDULED),
}


@pytest.mark.parametrize(("items", "expected"), RECORDED.values(), ids=RECORDED)
def test_history_decides(items: list[dict[str, Any]], expected: Event) -> None:
    """The history's syncs since the trigger decide in their order, and the rule is given."""
    opinion = decide_by_history(DOUBTING, items, attached=False)

    assert opinion.event == expected
    assert opinion.rule


@pytest.mark.parametrize(
    ("items", "culprit"),
    [
        (
            [item("FAILURE"), item("HIBERNATED", start=LATER, name="strange")],
            f"strange (started {LATER}) as HIBERNATED",
        ),
        ([item("PAUSED")], f"one (started {NEW}) as PAUSED"),
        ([item(None)], f"one (started {NEW}) as without a status"),
    ],
)
def test_what_settles_nothing_is_named(items: list[dict[str, Any]], culprit: str) -> None:
    """A status that this version does not know may be a success, wherever it stands: nothing is settled, and why."""
    opinion = decide_by_history(DOUBTING, items, attached=False)

    rule = f"the sync history lists sync {culprit}, which does not settle it"
    assert opinion == (Event.INCONCLUSIVE, DOUBTING, rule)


@pytest.mark.parametrize("status", ["COMPLETED", "FAILURE", "CANCELED"])
def test_the_sync_that_decided_is_kept(status: str) -> None:
    """What the history decided by is kept for the report, and named in the rule."""
    deciding = item(status, name="deciding")

    opinion = decide_by_history(DOUBTING, [deciding], attached=False)

    assert opinion.facts.sync == deciding
    assert opinion.rule == f"the sync history lists sync deciding (started {NEW}) as {status}"


def test_a_running_sync_dispels_the_doubt() -> None:
    """What Fivetran may be retrying is no longer in doubt: the next look judges it afresh."""
    assert decide_by_history(DOUBTING, [item(None, end=None)], attached=False).facts.doubt is None


@pytest.mark.parametrize(
    ("read", "waited_for"),
    [(document("rescheduled", rescheduled_for=LATER), LATER), (document(), ""), (None, "")],
)
def test_reschedule_by_history(read: dict[str, Any] | None, waited_for: str) -> None:
    """A reschedule that only the history knows is counted, and waited for as far as the document says until when."""
    facts = decide_by_history(DOUBTING.but(connection=read), [item("RESCHEDULED")], attached=False).facts

    assert (facts.waited_for, facts.reschedules, facts.doubt) == (waited_for, 1, None)


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        (
            UNDATED.but(syncing_seen=True),
            "Fivetran's answers had no Date header: any sync in the history could be an earlier one",
        ),
        (DOUBTING, "the sync history has no sync that could be this run's"),
    ],
)
def test_history_without_this_runs_sync(facts: Facts, rule: str) -> None:
    """Without a time to search from, and without a sync since then, the history decides nothing."""
    opinion = decide_by_history(facts, [item("FAILURE", start=OLD, end=OLD)], attached=False)

    assert opinion == (Event.INCONCLUSIVE, facts, rule)


@pytest.mark.parametrize(
    ("facts", "start", "event"),
    [
        (RESTARTED, "2023-11-14T22:13:21.900Z", Event.INCONCLUSIVE),
        (RESTARTED, "2023-11-14T22:13:22Z", Event.SYNC_FAILED),
        (TRIGGERED, "2023-11-14T22:13:21.900Z", Event.SYNC_FAILED),
        (UNDATED.but(restarted=True), LATER, Event.INCONCLUSIVE),
    ],
)
def test_stopped_sync_is_not_this_runs(facts: Facts, start: str, event: Event) -> None:
    """After a restart, and then only, a sync that began in the trigger's own second may be the one that was stopped."""
    assert decide_by_history(facts, [item("FAILURE", start=start)], attached=False).event == event


def test_history_knows_the_sync_attached_to() -> None:
    """With `attach` the history is asked for the sync that ran before this run began, and for no later one."""
    earlier, later = item("FAILURE", start=OLD, end=NEW), item("COMPLETED", start=NEW, end=NEWER)

    assert decide_by_history(ATTACHED, [earlier, later], attached=True).event == Event.SYNC_FAILED


ATTACHABLE = {
    "ran then, and has ended since": (item("FAILURE", start=OLD, end=NEW), True),
    "ran then, and runs still": (item(None, start=OLD, end=None), True),
    "ended in that second": (item("FAILURE", start=OLD, end="2023-11-14T22:13:20Z"), True),
    "began at the very moment": (item("FAILURE", start="2023-11-14T22:13:20Z", end=NEW), True),
    "had ended": (item("FAILURE", start=OLD, end="2023-11-14T22:13:19.999Z"), False),
    "began later": (item("FAILURE", start="2023-11-14T22:13:20.001Z", end=NEW), False),
}


@pytest.mark.parametrize(("candidate", "ours"), ATTACHABLE.values(), ids=ATTACHABLE)
def test_attached_sync_in_the_history(candidate: dict[str, Any], ours: bool) -> None:  # noqa: FBT001  # parametrized
    """With `attach` the run's sync is the one that had begun before the baseline and had not ended then."""
    found = items_since(READ_AT, [candidate], attached=True)

    assert found == ([candidate] if ours else [])


def test_items_count_from_the_whole_second_on() -> None:
    """Fivetran's Date has whole seconds, so a sync of the trigger's second counts; each is listed once, in order."""
    first, second = item("FAILURE", start=FIRST, name="first"), item(None, start=FIRST, end=None, name="second")
    before = item("FAILURE", start="2023-11-14T22:13:20.999Z")

    found = items_since(TRIGGERED_AT + 0.9, [second, first, before, second])

    assert found == [first, second]
    assert items_since(None, [first]) == []


def test_the_measured_times() -> None:
    """The quiet and the time that stopping takes are those that were measured and documented."""
    assert (progress.QUIET, progress.STOPPING) == (20, 60)
