"""What the exit codes of one action mean."""

from orchestrator.fivetran.effects.registry import resyncs
from orchestrator.fivetran.verdicts.end import Action
from orchestrator.fivetran.verdicts.headlines import HEADLINES
from orchestrator.values.events import Event

__all__ = ["exit_meanings"]

# What an exit code of one action means: the verdicts that lead to it, in a few words each; of others the headline.
_ENDS: dict[str, str] = {
    Event.CANCELLED: "it was cancelled",
    Event.STALE: "the last success is too old, or there was none",
    Event.PASSED: "no setup test failed",
    Event.TESTS_FAILED: "a setup test failed",
    Event.REFUSED: "the API key was rejected (401), or lacks a permission (403)",
    Event.NOT_FOUND: "Fivetran does not know the connection",
    Event.GAVE_UP: "Fivetran was unavailable; a retry may help",
    Event.BUSY: "another sync is running",
    Event.RESCHEDULED: "rescheduled, with FIVETRAN_ON_RESCHEDULE=fail",
    Event.TOO_LATE: "rescheduled past the deadline",
    Event.UNCONFIRMED: "not known whether Fivetran accepted the trigger",
    Event.INTERRUPTED: "interrupted (SIGINT)",
    Event.TERMINATED: "terminated (SIGTERM)",
}


def exit_meanings(chart: Action) -> dict[int, str]:
    """What each exit code of a chart means for its action; those that arise outside any chart are not among them."""
    found: dict[int, list[str]] = {}
    for verdict in chart.verdicts():
        words = _ENDS.get(verdict) or HEADLINES.get(verdict, verdict)
        if verdict == Event.NOT_FOUND and resyncs(chart.triggers):
            words += ", the schema or the table"
        found.setdefault(chart.exit_of(verdict)[1], []).append(words)
    listed_up = {code: ", or ".join(words) for code, words in sorted(found.items())}
    late = chart.exit_of(Event.TIMED_OUT)[1] if Event.TIMED_OUT in chart.verdicts() and chart.triggers else None
    return {
        code: words + ("; the sync may still be running" if code == late else "") for code, words in listed_up.items()
    }
