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
    """What is running at Fivetran now."""
    settings, facts, running = end.settings, end.facts, end.running
    if running is True:
        if end.green:
            return "another sync is running now; this job did not start it"
        if end.verdict == Event.BUSY:
            return "it is STILL RUNNING, and none was started"
        if has_sync(settings, facts):
            return "the sync is STILL RUNNING at Fivetran"
        return "another sync is STILL RUNNING, which this job did not start"
    if end.green:
        return ""
    what = "re-sync" if end.resyncs else "sync"
    if running is None:
        if trigger_unanswered(facts):
            return f"a {what} MAY BE RUNNING: the answer to its trigger was lost"
        if documents.sync_state(end.document) == "syncing":
            return "a sync MAY STILL BE RUNNING: it was when Fivetran last answered"
        if triggered(facts):
            return f"the {what} was triggered and MAY STILL BE RUNNING"
        return f"no {what} was started" if end.chart.triggers else ""
    if end.verdict in _PUT_OFF:
        manual = documents.schedule_type(end.document) == documents.MANUAL
        resumes = "will not resume it by itself on a manual schedule" if manual else "will resume it by itself"
        return f"nothing is running; Fivetran {resumes}"
    if has_sync(settings, facts) or end.verdict == Event.STALE:
        return "nothing is running"
    return f"no {what} was started" if end.chart.triggers else ""


def schedule(end: End) -> str:
    """What became of the connection's schedule."""
    settings, facts = end.settings, end.facts
    was, now = facts.schedule_before, documents.schedule_type(end.document)
    wanted = "auto" if settings.restore_schedule == "auto" else was
    settled = schedule_may_change(settings, facts)
    if not settled and schedule_to_restore(settings, facts):
        cause = "a sync may be running, which a change might stop"
        later = "; FIVETRAN_RESTORE_SCHEDULE=auto in a later job sets it to auto" if wanted == "auto" else ""
        return f"{now}, not set back to {wanted}: {cause}{later}"
    if not settled and schedule_to_switch_late(settings, facts):
        return f"{now or 'not known'}, not switched to manual: a sync may be running, which a change might stop"
    if now != documents.MANUAL or was in {None, documents.MANUAL}:
        return ""
    back = (
        "FIVETRAN_RESTORE_SCHEDULE is set, but the schedule could not be set back"
        if settings.restore_schedule
        else "FIVETRAN_RESTORE_SCHEDULE=1 puts it back at the end of a job"
    )
    nothing = "; nothing syncs until a job starts one" if schedule_left(end) else ""
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
        yield f"in the sync history: {sync.get('sync_id')}, from {sync.get('start')} {ended}{status}{reason}"
    if end.resyncs and documents.status(end.document).get("is_historical_sync") is True:
        yield "a historical sync is under way (status.is_historical_sync)"
