"""The events: everything that can happen to a run, each a past outcome.

A chart names them on its edges; an effect, the client or the driver raises them. What a
`chooses` state branches on (a policy, a schedule type) is a value, not an event.
"""

from enum import StrEnum, unique
from typing import Self

__all__ = ["SIGNALS", "Event"]


@unique
class Event(StrEnum):
    """An event, by the name it has in the charts.

    Attributes:
        meaning: What it means, in a line.
    """

    meaning: str

    def __new__(cls, name: str, meaning: str = "") -> Self:
        """An event of a name and a meaning."""
        event = str.__new__(cls, name)
        event._value_ = name
        event.meaning = meaning
        return event

    # What an answer of Fivetran meant (raised by effects).
    READY = "ready", "the connection can sync, and no sync is running"
    PAUSED = "paused", "the connection is paused"
    INCOMPLETE = "incomplete", "the connection's setup is incomplete"
    BROKEN = "broken", "the connection's setup is broken"
    UNPAUSED = "unpaused", "the connection is no longer paused"
    DISABLED = "disabled", "the connection's schedule is manual"
    IDLE = "idle", "no sync is running"
    BUSY = "busy", "a sync is already running"
    TRIGGERED = "triggered", "Fivetran accepted the request to start a sync or re-sync"
    STARTED = "started", "after a lost answer, there is a sign of the sync"
    UNCLEAR = "unclear", "after a lost answer, there is no sign of the sync yet"
    NOT_STARTED = "not_started", "after a lost answer, repeated looks found no sign of the sync"
    RUNNING = "running", "the sync has not ended"
    SUCCEEDED = "succeeded", "the sync succeeded"
    SYNC_FAILED = "sync_failed", "the sync failed"
    CANCELLED = "cancelled", "the sync ended with neither a success nor a failure"
    RESCHEDULED = "rescheduled", "Fivetran rescheduled the sync"
    DOUBTFUL = "doubtful", "the sync seems to have ended without success"
    INCONCLUSIVE = "inconclusive", "the history does not show how the sync ended"
    UNCONFIRMED = "unconfirmed", "it is not known whether the trigger was accepted"
    SHOWN = "shown", "the connection was shown"
    STALE = "stale", "the data is not as fresh as FIVETRAN_MAX_AGE requires"
    PASSED = "passed", "no setup test failed"
    TESTS_FAILED = "tests_failed", "a setup test failed"
    RESTORED = "restored", "the schedule was restored"
    COMPARED = "compared", "the names at the source were compared with the ones given"
    LOOKED_UP = "looked_up", "details were read"
    REPORTED = "reported", "the results are written"
    UNWRITABLE = "unwritable", "the results could not be written"

    # How a request failed (raised by the client; `exchange.FAILURES`).
    RATE_LIMITED = "rate_limited", "429: the API rate limit was reached"
    UNAVAILABLE = "unavailable", "no usable answer; safe to retry"
    ANSWER_LOST = "answer_lost", "a POST got no answer and may have been carried out"
    CONFLICT = "conflict", "409 to a POST: it conflicts with something that is running"
    REFUSED = "refused", "401 or 403 from Fivetran itself: a wrong API key, or a missing permission"
    NOT_FOUND = "not_found", "404 from Fivetran itself: no such connection, schema or table"
    REJECTED = "rejected", "any other 3xx or 4xx: retrying would not help"

    # What time and the world did (raised by the driver).
    WAITED = "waited", "the pause is over"
    TIMED_OUT = "timed_out", "the deadline passed (after the verdict: the grace period)"
    TOO_LATE = "too_late", "the wait would end after the deadline"
    GAVE_UP = "gave_up", "the last attempt failed, or the deadline passed after a failed one"
    INTERRUPTED = "interrupted", "SIGINT: somebody pressed Ctrl-C"
    TERMINATED = "terminated", "SIGTERM: the runner is stopping the job"


SIGNALS = frozenset({Event.INTERRUPTED, Event.TERMINATED})
