"""The events: everything that can happen to a run, each a past outcome.

A chart names them on its edges; an effect, the client or the driver raises them. What a
`chooses` state branches on (a policy, a schedule type) is a value, not an event.
"""

from enum import StrEnum, unique

__all__ = ["SIGNALS", "Event"]


@unique
class Event(StrEnum):
    """An event, by the name it has in the charts."""

    # What an answer of Fivetran meant (raised by effects).
    READY = "ready"
    PAUSED = "paused"
    INCOMPLETE = "incomplete"
    BROKEN = "broken"
    UNPAUSED = "unpaused"
    DISABLED = "disabled"
    IDLE = "idle"
    BUSY = "busy"
    TRIGGERED = "triggered"
    STARTED = "started"
    UNCLEAR = "unclear"
    NOT_STARTED = "not_started"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    SYNC_FAILED = "sync_failed"
    CANCELLED = "cancelled"
    RESCHEDULED = "rescheduled"
    DOUBTFUL = "doubtful"
    INCONCLUSIVE = "inconclusive"
    UNCONFIRMED = "unconfirmed"
    SHOWN = "shown"
    PASSED = "passed"
    TESTS_FAILED = "tests_failed"
    RESTORED = "restored"
    COMPARED = "compared"
    LOOKED_UP = "looked_up"
    REPORTED = "reported"
    UNWRITABLE = "unwritable"

    # How a request failed (raised by the client, one a class of its error tree).
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    ANSWER_LOST = "answer_lost"
    CONFLICT = "conflict"
    REFUSED = "refused"
    NOT_FOUND = "not_found"
    REJECTED = "rejected"

    # What time and the world did (raised by the driver).
    WAITED = "waited"
    TIMED_OUT = "timed_out"
    TOO_LATE = "too_late"
    GAVE_UP = "gave_up"
    INTERRUPTED = "interrupted"
    TERMINATED = "terminated"


SIGNALS = frozenset({Event.INTERRUPTED, Event.TERMINATED})
