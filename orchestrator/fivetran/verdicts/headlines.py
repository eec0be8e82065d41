"""What happened, in one line."""

from collections.abc import Callable
from http import HTTPStatus

from orchestrator.fivetran import documents
from orchestrator.fivetran.effects.situation import (
    has_sync,
    resync_failed,
    trigger_unanswered,
    triggered,
)
from orchestrator.fivetran.verdicts.end import End
from orchestrator.values.events import Event
from orchestrator.values.formatting import duration

__all__ = ["HEADLINES", "headline", "outcome"]

HEADLINES: dict[str, str] = {
    Event.SUCCEEDED: "the sync succeeded",
    Event.SYNC_FAILED: "the sync failed",
    Event.CANCELLED: "the sync was cancelled: it ended with neither a success nor a failure",
    Event.SHOWN: "the connection was read",
    Event.STALE: "the connection's data is stale",
    Event.PASSED: "the setup tests passed",
    Event.TESTS_FAILED: "setup tests failed",
    Event.REFUSED: "Fivetran rejected the API key",
    Event.NOT_FOUND: "Fivetran has no such connection",
    Event.REJECTED: "Fivetran rejected the request",
    Event.TIMED_OUT: "timed out",
    Event.GAVE_UP: "Fivetran's API was unavailable",
    Event.PAUSED: "the connection is paused",
    Event.INCOMPLETE: "the connection's setup is incomplete",
    Event.BROKEN: "the connection is broken",
    Event.BUSY: "another sync is running, and FIVETRAN_ON_RUNNING is fail",
    Event.RESCHEDULED: "Fivetran rescheduled the sync",
    Event.TOO_LATE: "Fivetran rescheduled the sync to a time after the deadline",
    Event.UNCONFIRMED: "Fivetran did not confirm that it accepted the trigger",
    Event.INTERRUPTED: "the job was interrupted (Ctrl-C)",
    Event.TERMINATED: "the job was terminated by the runner",
}

# The first word of a verdict; every other one that is not green is FAILED.
_OUTCOMES: dict[str, str] = {
    Event.TIMED_OUT: "TIMED OUT",
    Event.RESCHEDULED: "RESCHEDULED",
    Event.TOO_LATE: "RESCHEDULED",
    Event.INTERRUPTED: "STOPPED",
    Event.TERMINATED: "STOPPED",
}

# What the last attempt failed with decides what giving up is called.
_GAVE_UP: dict[str, str] = {
    Event.CONFLICT: "something else on the connection stood in the way (409)",
    Event.RATE_LIMITED: "the account's limit of API calls is used up (429)",
}


def outcome(end: End) -> str:
    """How it ended, in a word or two."""
    return "OK" if end.green else _OUTCOMES.get(end.verdict, "FAILED")


def headline(end: End) -> str:
    """What happened, with how long it took and what came in between."""
    about = _HEADLINES.get(end.verdict)
    usual = HEADLINES.get(end.verdict, f"the chart ended the run with {end.verdict}" if end.verdict else "")
    return (about(end) if about else "") or usual


def _about_success(end: End) -> str:
    what = "the re-sync was accepted, and a sync succeeded" if end.resyncs else "the sync succeeded"
    if not end.resyncs and not triggered(end.facts):
        what = "the sync that was already running succeeded"
    took, detours, whole = end.lasted("succeeded_at"), end.detours(), end.facts.concluded_at
    if detours:
        return f"{what} after {detours}{'' if whole is None else f' ({duration(whole)} in all)'}"
    return f"{what} after {took}" if took else what


def _about_failure(end: End) -> str:
    took, detours = end.lasted("failed_at"), end.detours()
    after = f" after {took}" if took else ""
    return f"the sync failed{after}{f', after {detours}' if detours else ''}"


def _about_summary(end: End) -> str:
    """STATUS's answer."""
    summary = documents.summary(end.document, end.facts.connection_date)
    return f"{end.settings.connector_id}{summary}" if summary else ""


def _about_tests(end: End) -> str:
    return documents.tests_summary(end.facts.setup_tests) if end.facts.setup_tests is not None else ""


def _about_refusal(end: End) -> str:
    if end.failure.get("status") == HTTPStatus.FORBIDDEN:
        return f"the API key lacks the permission to {end.failure['purpose']} (403)"
    return f"Fivetran rejected the API key{end.status()}"


def _about_rejection(end: End) -> str:
    if end.failure.get("status") == HTTPStatus.PAYMENT_REQUIRED:
        return "the Fivetran account's trial or plan has expired (402)"
    if end.failure and not end.failure.get("status"):
        return str(end.failure["message"])  # it never came to Fivetran
    return f"Fivetran rejected the request to {end.failure['purpose']}{end.status()}" if end.failure else ""


def _about_unknown(end: End) -> str:
    if resync_failed(end.facts):
        what = end.several("table", "one of the tables")
        return (
            f"Fivetran does not know the {what} {end.tables()}{end.status()}"
            if not end.settings.tables
            else (f"Fivetran does not know {what}{end.status()}")
        )
    known = "no longer has a" if end.document else "has no"
    return f"Fivetran {known} connection {end.settings.connector_id}{end.status()}"


def _about_deadline(end: End) -> str:
    within = f"within FIVETRAN_TIMEOUT ({duration(end.settings.timeout)})"
    cause, detours = _GAVE_UP.get(end.failure.get("event", "")), end.detours()
    after = f", after {detours}" if detours else ""
    if end.failure:
        why = f": {cause}" if cause else " while Fivetran did not answer"
        return f"timed out after {duration(end.settings.timeout)}{after}{why}"
    if end.facts.doubt:
        return f"the sync is gone, and Fivetran showed neither a success nor a failure {within}{after}"
    if has_sync(end.settings, end.facts):
        return f"the sync did not end {within}{after}"
    if end.chart.triggers and documents.sync_state(end.document) == "syncing" and not trigger_unanswered(end.facts):
        return f"another sync did not end {within}, so none was started"
    return f"timed out after {duration(end.settings.timeout)}"


def _about_giving_up(end: End) -> str:
    if cause := _GAVE_UP.get(end.failure.get("event", "")):
        return cause
    unreached = end.failure and not end.failure.get("status") and end.failure["message"].startswith("cannot reach ")
    return str(end.failure["message"]) if unreached else ""


def _about_paused(end: End) -> str:
    return "the connection was paused before the sync ended" if triggered(end.facts) else ""


def _about_reschedule(end: End) -> str:
    due = documents.moment(end.facts.waited_for)
    to = f"to {due}" if due else "to a time that it does not say"
    if end.verdict == Event.RESCHEDULED:
        refused = end.policies.get("on_reschedule") == "fail"
        return f"Fivetran rescheduled the sync {to}{', and FIVETRAN_ON_RESCHEDULE is fail' if refused else ''}"
    return f"Fivetran rescheduled the sync {to}, after the job's deadline" if due else ""


def _about_confirmation(end: End) -> str:
    return f"Fivetran did not confirm that it accepted the {'re-sync' if end.resyncs else 'sync'}"


_HEADLINES: dict[str, Callable[[End], str]] = {
    Event.SUCCEEDED: _about_success,
    Event.SYNC_FAILED: _about_failure,
    Event.SHOWN: _about_summary,
    Event.PASSED: _about_tests,
    Event.TESTS_FAILED: _about_tests,
    Event.REFUSED: _about_refusal,
    Event.NOT_FOUND: _about_unknown,
    Event.REJECTED: _about_rejection,
    Event.TIMED_OUT: _about_deadline,
    Event.GAVE_UP: _about_giving_up,
    Event.PAUSED: _about_paused,
    Event.RESCHEDULED: _about_reschedule,
    Event.TOO_LATE: _about_reschedule,
    Event.UNCONFIRMED: _about_confirmation,
}
