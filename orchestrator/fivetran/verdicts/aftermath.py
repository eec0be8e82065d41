"""What a run leaves behind at Fivetran: what is running there, the schedule, and what the history has."""

from collections.abc import Iterator

from orchestrator.fivetran import documents
from orchestrator.fivetran.effects.situation import (
    has_sync,
    schedule_may_change,
    schedule_to_restore,
    schedule_to_switch_late,
    trigger_unanswered,
    triggered,
)
from orchestrator.fivetran.verdicts.end import End
from orchestrator.values.events import Event

__all__ = ["evidence", "schedule", "schedule_left", "what_runs"]

_PUT_OFF = {Event.RESCHEDULED, Event.TOO_LATE}


def what_runs(end: End) -> str:
    """What is running at Fivetran now; "" where nothing needs to be said."""
    what, ours = "re-sync" if end.resyncs else "sync", has_sync(end.settings, end.facts)
    if not end.chart.triggers:
        return "a sync is running" if end.running and not end.green else ""
    if end.green:
        return "another sync is running now; this job did not start it" if end.running else ""
    if end.running is None:
        return _what_may_run(end, what)
    if end.running:
        if end.verdict == Event.BUSY:
            return "it is STILL RUNNING, and none was started"
        another = "another sync is STILL RUNNING, which this job did not start"
        return "the sync is STILL RUNNING at Fivetran" if ours else another
    if end.verdict in _PUT_OFF:
        manual = documents.schedule_type(end.document) == documents.MANUAL
        resumes = "will not resume it by itself on a manual schedule" if manual else "will resume it by itself"
        return f"nothing is running; Fivetran {resumes}"
    return "nothing is running" if ours else f"no {what} was started"


def _what_may_run(end: End, what: str) -> str:
    """The same where that is not known."""
    if trigger_unanswered(end.facts):
        return f"a {what} MAY BE RUNNING: the answer to its trigger was lost"
    if documents.sync_state(end.document) == "syncing":
        return "a sync MAY STILL BE RUNNING: it was when Fivetran last answered"
    if triggered(end.facts):
        return f"the {what} was triggered and MAY STILL BE RUNNING"
    if end.facts.unpaused_looks == 0:
        return "un-pausing the connection MAY HAVE STARTED a sync"
    return f"no {what} was started"


def schedule(end: End) -> str:
    """What became of the connection's schedule."""
    settings, facts = end.settings, end.facts
    was, now = facts.schedule_before, documents.schedule_type(end.document)
    wanted = "auto" if settings.restore_schedule == "auto" else was
    settled = schedule_may_change(settings, facts)
    if not settled and schedule_to_restore(settings, facts):
        cause = "a sync may be running, which a change might stop"
        later = "; FIVETRAN_RESTORE_SCHEDULE=auto in a later job sets it to auto" if wanted == "auto" else ""
        return f"{now or 'not known'}, not set back to {wanted}: {cause}{later}"
    if not settled and schedule_to_switch_late(settings, facts):
        return f"{now or 'not known'}, not switched to manual: a sync may be running, which a change might stop"
    if now != documents.MANUAL or was in {None, documents.MANUAL}:
        return ""
    if end.settings.restore_schedule:
        back = "FIVETRAN_RESTORE_SCHEDULE is set, but the schedule could not be set back"
    elif was == "auto":  # the next job will find it manual: to restore what that one found would change nothing
        back = "FIVETRAN_RESTORE_SCHEDULE=auto in the next job sets it back"
    else:
        back = "set it back on the connection's page"
    nothing = "; no sync will run until a job starts one" if schedule_left(end) else ""
    return f"manual, was {was}{nothing}; {back}"


def schedule_left(end: End) -> bool:
    """Whether this run left the schedule manual, and there is no sync that makes up for it."""
    was, now = end.facts.schedule_before, documents.schedule_type(end.document)
    switched = now == documents.MANUAL and was not in {None, documents.MANUAL}
    return switched and not (end.green and bool(end.chart.triggers))


def evidence(end: End, reasons: tuple[str, ...]) -> Iterator[str]:
    """What Fivetran says of the sync beside the connection's state: its history; that it is a historical one."""
    if sync := end.facts.sync:
        ended = f"to {sync['end']}" if sync.get("end") else "and not ended"
        status = f": {sync['status']}" if sync.get("status") else ""
        known = any(str(sync.get("reason")) in reason for reason in reasons)
        reason = f" ({sync['reason']})" if sync.get("reason") and not known else ""
        yield f"in the sync history: {sync.get('sync_id')} from {sync.get('start')} {ended}{status}{reason}"
    if end.resyncs and documents.status(end.document).get("is_historical_sync") is True:
        yield "a historical sync is under way (status.is_historical_sync)"
