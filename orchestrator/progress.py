"""When is a sync over? What a polled document says about the sync that we asked for.

A pure function of facts and document. Fivetran's times are compared with Fivetran's times
only. The rules, in the order in which they decide:

1.  While `syncing`, nothing is over, even if `failed_at` moved: Fivetran retries.
2.  `succeeded_at` moved, and is not older than a moved `failed_at`: succeeded.
3.  `failed_at` moved: failed.
4.  Paused; broken or incomplete.
5.  `rescheduled`, and not the reschedule that was known before.
6.  The sync was seen and is gone without a trace (`scheduled` again, and neither date moved)
    in polls in a row that are five seconds apart: cancelled.
7.  Otherwise it is running or has not started.
"""

from collections.abc import Mapping
from typing import Any, Literal

from orchestrator import documents
from orchestrator.events import Event
from orchestrator.facts import Facts

__all__ = ["decide", "judge"]

Progress = Literal[
    Event.RUNNING,
    Event.SUCCEEDED,
    Event.SYNC_FAILED,
    Event.CANCELLED,
    Event.PAUSED,
    Event.BROKEN,
    Event.RESCHEDULED,
]

# A date may show later than the state: seconds between the two polls that call a sync cancelled.
QUIET_SECONDS = 5.0
# What was seen after a forced restart may have been the stopped sync, and ours is still queued.
QUIET_SECONDS_AFTER_RESTART = 60.0


def judge(facts: Facts, document: Mapping[str, Any], date: float) -> tuple[Progress, Facts]:
    """Say what became of our sync.

    Args:
        facts: What the run knows, the baseline among it.
        document: The connection document just read.
        date: Fivetran's now when it was read, in seconds since the epoch.
    """
    progress, facts, _ = decide(facts, document, date)
    return progress, facts


def decide(facts: Facts, document: Mapping[str, Any], date: float) -> tuple[Progress, Facts, str]:
    """`judge`, and the rule that decided, in words."""
    state = documents.sync_state(document)
    if state == "syncing":
        rule = "sync_state is syncing: nothing is over, even if a date moved"
        return Event.RUNNING, facts.but(syncing_seen=True, quiet_since=None, not_started_for=None), rule

    succeeded = _moved(facts, document, "succeeded_at")
    failed = _moved(facts, document, "failed_at")
    if facts.triggered_at is not None:
        # What ended before our trigger was accepted is somebody else's. A stopped sync may move
        # `failed_at` within the second that `Date` rounds away.
        succeeded = _not_before(facts.triggered_at, succeeded)
        failed = _not_before(facts.triggered_at + (1 if facts.restarted else 0), failed)
    seen = facts.but(not_started_for=None)
    if succeeded is not None and (failed is None or succeeded >= failed):
        return (
            Event.SUCCEEDED,
            seen,
            "succeeded_at moved since the baseline, and is no older than a failed_at that moved",
        )
    if failed is not None:
        return Event.SYNC_FAILED, seen, "failed_at moved since the baseline"

    if state == "paused":
        return Event.PAUSED, seen, "neither date moved, and the connection is paused"
    if documents.setup_state(document) in {"incomplete", "broken"}:
        return Event.BROKEN, seen, "neither date moved, and the connection's setup is incomplete or broken"
    put_off = documents.rescheduled_for(document)
    if put_off is not None and (facts.syncing_seen or _moment(put_off) not in _known_reschedules(facts)):
        put_off_facts = seen.but(
            syncing_seen=False,
            quiet_since=None,
            waited_for=put_off,
            reschedules=facts.reschedules + 1,
        )
        return (
            Event.RESCHEDULED,
            put_off_facts,
            "sync_state is rescheduled, and not by a reschedule that was known before",
        )

    if facts.syncing_seen:
        return _gone(facts, seen, state, date)
    since = max(
        (at for at in (facts.triggered_at, documents.parse_time(facts.waited_for)) if at is not None), default=date
    )
    waiting = facts.but(not_started_for=max(0.0, date - since))
    return Event.RUNNING, waiting, "neither date moved, and no sync was seen yet: it is not started, or queued"


def _gone(facts: Facts, seen: Facts, state: str, date: float) -> tuple[Progress, Facts, str]:
    """The sync was seen, and now it is not."""
    if state != "scheduled":
        return (
            Event.RUNNING,
            seen.but(quiet_since=None),
            "this version does not know the sync_state: it decides nothing",
        )
    if facts.quiet_since is None:
        rule = "the sync is gone and neither date moved, for the first time: a date may show later than the state"
        return Event.RUNNING, seen.but(quiet_since=date), rule
    quiet = QUIET_SECONDS_AFTER_RESTART if facts.restarted else QUIET_SECONDS
    if date - facts.quiet_since >= quiet:
        return Event.CANCELLED, seen, f"the sync is gone and neither date moved in {quiet:g} s: it was cancelled"
    return Event.RUNNING, seen, f"the sync is gone and neither date moved, but for less than {quiet:g} s"


def _moved(facts: Facts, document: Mapping[str, Any], name: str) -> float | None:
    """The date, if it is not the baseline's and not from before the baseline was read."""
    now = documents.time_of(document, name)
    if now is None or facts.baseline is None:
        return None
    before = documents.parse_time(facts.baseline.get(name))
    read_at = facts.baseline.get("date")
    if now == before or (read_at is not None and now < read_at):
        return None
    return now


def _not_before(bound: float, date: float | None) -> float | None:
    return date if date is not None and date >= bound else None


def _known_reschedules(facts: Facts) -> set[float | str | None]:
    at_trigger = facts.baseline.get("rescheduled_for") if facts.baseline else None
    return {_moment(at_trigger), _moment(facts.waited_for)}


def _moment(text: str | None) -> float | str | None:
    """A time to compare: Fivetran does not always write the same one in the same way."""
    moment = documents.parse_time(text)
    return text if moment is None else moment
