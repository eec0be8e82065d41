"""The words that charts are made of: what each event, pause, effect and choice means.

Documentation, the debugger and the reports say it in these words.
"""

from inspect import getdoc

from orchestrator.fivetran.effects import CHOICES, EFFECTS, PAUSES, Call, Pure
from orchestrator.values.events import Event
from orchestrator.values.exchange import FAILURES

__all__ = ["MEANINGS", "meaning_of", "raised_by"]

MEANINGS: dict[Event, str] = {
    Event.READY: "the connection can sync, and no sync is running",
    Event.PAUSED: "the connection is paused",
    Event.INCOMPLETE: "the connection's setup is incomplete",
    Event.BROKEN: "the connection's setup is broken",
    Event.UNPAUSED: "the connection is no longer paused",
    Event.DISABLED: "the connection's schedule is manual",
    Event.IDLE: "no sync is running",
    Event.BUSY: "a sync is running already",
    Event.TRIGGERED: "Fivetran accepted what it was asked to start",
    Event.STARTED: "after a lost answer, a sign of the sync was found",
    Event.UNCLEAR: "after a lost answer, no sign of the sync yet",
    Event.NOT_STARTED: "after a lost answer, several looks found no sign of the sync",
    Event.RUNNING: "the sync is not over",
    Event.SUCCEEDED: "the sync succeeded",
    Event.SYNC_FAILED: "the sync failed",
    Event.CANCELLED: "the sync is gone, with neither a success nor a failure",
    Event.RESCHEDULED: "Fivetran rescheduled the sync",
    Event.DOUBTFUL: "the sync seems to be over, and not well; a date may show late",
    Event.INCONCLUSIVE: "the history does not tell what became of the sync",
    Event.UNCONFIRMED: "whether the re-sync was accepted is not known",
    Event.SHOWN: "what the document says was noted",
    Event.PASSED: "no setup test failed",
    Event.TESTS_FAILED: "a setup test failed",
    Event.RESTORED: "the schedule is as it was found",
    Event.COMPARED: "the names at the source were compared with the ones given",
    Event.LOOKED_UP: "what Fivetran keeps about it was read, for the report alone",
    Event.REPORTED: "the results are written",
    Event.UNWRITABLE: "the results could not be written",
    Event.RATE_LIMITED: "429: the limit of calls is used up",
    Event.UNAVAILABLE: "no usable answer, and no harm in asking again",
    Event.ANSWER_LOST: "a POST that may have been carried out had no answer",
    Event.CONFLICT: "409 to a POST: something is running that it cannot be reconciled with",
    Event.REFUSED: "401 or 403 in Fivetran's own words: the key, or its permissions",
    Event.NOT_FOUND: "404 in Fivetran's own words: no such connection, schema or table",
    Event.REJECTED: "any other 3xx or 4xx: asking again would not help",
    Event.WAITED: "the pause is over",
    Event.TIMED_OUT: "the deadline struck; after the verdict, the grace ended",
    Event.TOO_LATE: "what is waited for lies after the deadline",
    Event.GAVE_UP: "the last attempt failed, or the deadline struck after a failed one",
    Event.INTERRUPTED: "SIGINT: somebody pressed Ctrl-C",
    Event.TERMINATED: "SIGTERM: the runner ends the job",
}

_DRIVER = (Event.WAITED, Event.TIMED_OUT, Event.TOO_LATE, Event.GAVE_UP, Event.INTERRUPTED, Event.TERMINATED)


def meaning_of(name: str, kind: str | None = None) -> str:
    """What an effect, a pause, a choice or an event means, in a line; "" for a value of a choice.

    Args:
        name: Its name.
        kind: That of the state that names it: a choice may have the name of an effect.
    """
    if name in EFFECTS and kind != "chooses":
        effect = EFFECTS[name]
        function = effect.mean if isinstance(effect, Call) else effect.conclude if isinstance(effect, Pure) else None
        return _summary(function) if function else "Write the results."
    if name in CHOICES:
        return _summary(CHOICES[name].of)
    if name in PAUSES:
        return _summary(PAUSES[name])
    return MEANINGS[Event(name)] if name in set(Event) else ""


def raised_by(event: str) -> str:
    """Who raises an event: "effect", "client" or "driver"; "choice" for a value that one branches on."""
    if event in _DRIVER:
        return "driver"
    if event in FAILURES:
        return "client"
    return "effect" if event in set(Event) else "choice"


def _summary(function: object) -> str:
    return (getdoc(function) or "").partition("\n")[0]
