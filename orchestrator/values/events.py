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
    BUSY = "busy", "a sync is running already"
    TRIGGERED = "triggered", "Fivetran accepted what it was asked to start"
    STARTED = "started", "after a lost answer, a sign of the sync was found"
    UNCLEAR = "unclear", "after a lost answer, no sign of the sync yet"
    NOT_STARTED = "not_started", "after a lost answer, several looks found no sign of the sync"
    RUNNING = "running", "the sync is not over"
    SUCCEEDED = "succeeded", "the sync succeeded"
    SYNC_FAILED = "sync_failed", "the sync failed"
    CANCELLED = "cancelled", "the sync is gone, with neither a success nor a failure"
    RESCHEDULED = "rescheduled", "Fivetran rescheduled the sync"
    DOUBTFUL = "doubtful", "the sync seems to be over, and not well; a date may show late"
    INCONCLUSIVE = "inconclusive", "the history does not tell what became of the sync"
    UNCONFIRMED = "unconfirmed", "whether the re-sync was accepted is not known"
    SHOWN = "shown", "what the document says was noted"
    STALE = "stale", "the data is not as fresh as FIVETRAN_MAX_AGE requires"
    PASSED = "passed", "no setup test failed"
    TESTS_FAILED = "tests_failed", "a setup test failed"
    RESTORED = "restored", "the schedule is as it was found"
    COMPARED = "compared", "the names at the source were compared with the ones given"
    LOOKED_UP = "looked_up", "what Fivetran keeps about it was read, for the report alone"
    REPORTED = "reported", "the results are written"
    UNWRITABLE = "unwritable", "the results could not be written"

    # How a request failed (raised by the client; `exchange.FAILURES`).
    RATE_LIMITED = "rate_limited", "429: the limit of calls is used up"
    UNAVAILABLE = "unavailable", "no usable answer, and no harm in asking again"
    ANSWER_LOST = "answer_lost", "a POST that may have been carried out had no answer"
    CONFLICT = "conflict", "409 to a POST: something is running that it cannot be reconciled with"
    REFUSED = "refused", "401 or 403 in Fivetran's own words: the key, or its permissions"
    NOT_FOUND = "not_found", "404 in Fivetran's own words: no such connection, schema or table"
    REJECTED = "rejected", "any other 3xx or 4xx: asking again would not help"

    # What time and the world did (raised by the driver).
    WAITED = "waited", "the pause is over"
    TIMED_OUT = "timed_out", "the deadline struck; after the verdict, the grace ended"
    TOO_LATE = "too_late", "what is waited for lies after the deadline"
    GAVE_UP = "gave_up", "the last attempt failed, or the deadline struck after a failed one"
    INTERRUPTED = "interrupted", "SIGINT: somebody pressed Ctrl-C"
    TERMINATED = "terminated", "SIGTERM: the runner ends the job"


SIGNALS = frozenset({Event.INTERRUPTED, Event.TERMINATED})
