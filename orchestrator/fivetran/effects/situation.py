"""What the facts say about the run's own sync and about the schedule, as choices and verdicts ask for it."""

from orchestrator.fivetran import documents
from orchestrator.fivetran.effects.observing import SWITCHES
from orchestrator.fivetran.effects.registry import resyncs
from orchestrator.values.events import Event
from orchestrator.values.facts import Facts
from orchestrator.values.settings import Settings

FRESH = 15.0  # seconds: the oldest document on which the schedule is changed at the end

# How a run ends that learned the end of its own sync.
OVER = {Event.SUCCEEDED, Event.SYNC_FAILED, Event.CANCELLED, Event.PAUSED, Event.BROKEN, Event.INCOMPLETE}


def triggered(facts: Facts) -> bool:
    """Whether a sync of this run was accepted, or seen after a lost answer."""
    return facts.triggered or facts.started


def trigger_unanswered(facts: Facts) -> bool:
    """Whether a request that starts a sync may have been carried out without our learning of it."""
    return facts.lost > 0


def resync_asked(facts: Facts) -> bool:
    """Whether this run has asked for a re-sync of tables."""
    return resyncs(facts.attempted)


def resync_failed(facts: Facts) -> bool:
    """Whether asking for a re-sync of tables failed, and is not tried again."""
    return resyncs(facts.given_up)


def has_sync(settings: Settings, facts: Facts) -> bool:
    """Whether a sync of this run was accepted, seen after a lost answer, or attached to."""
    attached = (facts.baseline or {}).get("busy") and dict(settings.policies).get("on_running") == "attach"
    return triggered(facts) or bool(attached)


def schedule_to_restore(settings: Settings, facts: Facts) -> bool:
    """Whether FIVETRAN_RESTORE_SCHEDULE asks for another schedule than the connection has now."""
    if settings.keep_schedule or not settings.restore_schedule or facts.connection is None:
        return False
    now = documents.schedule_type(facts.connection)
    if settings.restore_schedule == "auto":
        return now != "auto"
    changed = not SWITCHES.isdisjoint(facts.attempted)
    return (
        changed
        and facts.schedule_before not in {None, documents.MANUAL}
        and facts.schedule_after != facts.schedule_before
    )


def schedule_to_switch_late(settings: Settings, facts: Facts) -> bool:
    """Whether the schedule is still to be switched, since a running sync was attached to or restarted."""
    done = SWITCHES & {*facts.answered, *facts.given_up}
    untouched = not done and "switch_schedule_late" not in facts.attempted
    automatic = documents.schedule_type(facts.connection or {}) != documents.MANUAL
    wanted = not settings.keep_schedule and not settings.restore_schedule
    return wanted and automatic and untouched and has_sync(settings, facts)


def still_running(settings: Settings, facts: Facts) -> bool | None:
    """Whether a sync runs on the connection now; None where that is not known."""
    if trigger_unanswered(facts):
        return None
    # What decided may be another sync's beginning, or an ill connection on which one still runs.
    syncing = documents.sync_state(facts.connection or {}) == "syncing"
    if facts.verdict in OVER and not syncing:
        return False
    if _is_old(settings, facts):
        return None
    if syncing:
        return None if facts.failure else True  # the last document is not from now
    if facts.verdict in {Event.RESCHEDULED, Event.TOO_LATE} or not triggered(facts):
        return False
    return None


def schedule_may_change(settings: Settings, facts: Facts) -> bool:
    """Whether the schedule may be changed at the end: a fresh document shows that no sync is running."""
    if facts.read_at is None or facts.concluded_at is None or facts.unpaused_looks == 0:
        return False  # un-pausing may have started a sync since
    return still_running(settings, facts) is False and facts.concluded_at - facts.read_at <= FRESH


def _is_old(settings: Settings, facts: Facts) -> bool:
    """Whether the last document is older than two polls."""
    if facts.read_at is None or facts.concluded_at is None:
        return False
    return facts.concluded_at - facts.read_at > 2 * settings.poll_interval + 1
