"""Choices, what a `chooses` state branches on, and pauses, how long a `waits` state waits: from settings and facts.

A choice's first line begins with a short question, which the drawings show; the rest says what answers it.
"""

from typing import Literal

from orchestrator.fivetran import documents
from orchestrator.fivetran.effects.registry import choice, pause
from orchestrator.fivetran.effects.situation import (
    SWITCHES,
    has_sync,
    history_helps,
    resync_failed,
    schedule_may_change,
    schedule_to_restore,
    schedule_to_switch_late,
    succeeded_lately,
    trigger_unanswered,
    triggered,
)
from orchestrator.fivetran.polling import next_look, running_since, whole
from orchestrator.fivetran.progress import quiet_left, since
from orchestrator.values.events import SIGNALS, Event
from orchestrator.values.facts import Facts
from orchestrator.values.settings import SHORTEST_POLL, Settings


@choice
def unpause(settings: Settings, _: Facts) -> Literal["no", "yes"]:
    """Un-pause it? FIVETRAN_UNPAUSE."""
    return "yes" if settings.unpause else "no"


@choice
def on_broken(settings: Settings, _: Facts) -> str:
    """Sync a broken connection? FIVETRAN_ON_BROKEN."""
    return settings.policy("on_broken")


@choice
def schedule_to_switch(settings: Settings, facts: Facts) -> Literal["yes", "no"]:
    """Switch the schedule to manual? No where it is kept, manual or was tried before, or while a sync is running."""
    document = facts.connection or {}
    settled = settings.keep_schedule or documents.schedule_type(document) == documents.MANUAL
    tried = SWITCHES & {*facts.answered, *facts.given_up}
    return "no" if settled or tried or documents.sync_state(document) == "syncing" else "yes"


@choice
def own_trigger_unanswered(_: Settings, facts: Facts) -> Literal["no", "yes"]:
    """Did a trigger get no answer? It may have been carried out all the same."""
    return "yes" if trigger_unanswered(facts) else "no"


@choice
def own_sync_in_the_way(_: Settings, facts: Facts) -> Literal["no", "yes"]:
    """Could it be this run's own sync? Its trigger got no answer, or Fivetran has resumed it."""
    return "yes" if trigger_unanswered(facts) or facts.waited_for is not None else "no"


# More than that in a row are no accident: the next one would be lost, too.
LOST_MOST = 3


@choice
def trigger_to_repeat(_: Settings, facts: Facts) -> Literal["yes", "no"]:
    """Fewer than 3 answers lost? Then the trigger may be sent (again)."""
    return "yes" if facts.lost < LOST_MOST else "no"


@choice
def on_running(settings: Settings, facts: Facts) -> str:
    """What about the running sync? FIVETRAN_ON_RUNNING; one that this run may have started itself is waited for."""
    policy = settings.policy("on_running")
    ours = facts.unpaused_looks is not None or trigger_unanswered(facts)
    return "wait" if policy == "fail" and ours else policy


@choice
def on_reschedule(settings: Settings, _: Facts) -> str:
    """Wait for the rescheduled sync? FIVETRAN_ON_RESCHEDULE."""
    return settings.policy("on_reschedule")


@choice
def schedule_type(_: Settings, facts: Facts) -> str:
    """Is the schedule manual? By the newest answer of Fivetran."""
    return documents.schedule_type(facts.connection or {}) or ""


@choice
def history_to_ask(settings: Settings, facts: Facts) -> Literal["yes", "no"]:
    """Ask the sync history? FIVETRAN_EVIDENCE; at the first doubt, and once more after the quiet."""
    return "yes" if history_helps(settings, facts) else "no"


@choice
def restart_to_find(settings: Settings, facts: Facts) -> Literal["yes", "no"]:
    """Look for the restart in the history? FIVETRAN_EVIDENCE, where its answer was lost."""
    return "yes" if settings.evidence != "0" and "find_restart" not in facts.given_up else "no"


@choice
def durations_to_ask(settings: Settings, facts: Facts) -> Literal["no", "yes"]:
    """Ask how long syncs take? FIVETRAN_EVIDENCE, once, where FIVETRAN_POLL_INTERVAL is not set and it is not known."""
    wanted = settings.adaptive and settings.evidence == "1" and facts.durations is None
    tried = "read_durations" in facts.attempted or not _HISTORY.isdisjoint(facts.given_up)
    return "yes" if wanted and not tried and succeeded_lately(facts) else "no"


_HISTORY = {"judge_by_history", "find_restart"}  # what else asks the history, which not every account has


@choice
def failure_shown(_: Settings, facts: Facts) -> Literal["no", "yes"]:
    """Does a failure show? In doubt at the deadline: `failed_at` moved, and nothing was restarted."""
    doubted = (facts.doubt or {}).get("verdict")
    return "yes" if doubted == Event.SYNC_FAILED and not facts.restarted else "no"


@choice
def restore_schedule(settings: Settings, facts: Facts) -> Literal["no", "yes"]:
    """Restore the schedule? FIVETRAN_RESTORE_SCHEDULE, where it was changed and no sync may be running."""
    return "yes" if schedule_to_restore(settings, facts) and schedule_may_change(settings, facts) else "no"


@choice
def late_switch(settings: Settings, facts: Facts) -> Literal["no", "yes"]:
    """Switch the schedule now? After a sync that was attached to or restarted."""
    return "yes" if schedule_to_switch_late(settings, facts) and schedule_may_change(settings, facts) else "no"


@choice
def names_to_compare(settings: Settings, facts: Facts) -> Literal["no", "yes"]:
    """Look for similar names? FIVETRAN_EVIDENCE, where Fivetran does not know the schema or the table."""
    unknown_table = facts.verdict == Event.NOT_FOUND and resync_failed(facts)
    return "yes" if settings.evidence != "0" and unknown_table else "no"


@choice
def sync_to_find(settings: Settings, facts: Facts) -> Literal["yes", "no"]:
    """Look up the sync? FIVETRAN_EVIDENCE, where one of this run was seen or accepted, unless the history was asked."""
    known = facts.sync is not None or not {"judge_by_history", "read_durations"}.isdisjoint(facts.given_up)
    findable = has_sync(settings, facts) and not known and since(facts) is not None
    return "yes" if findable and may_ask_more(settings, facts) else "no"


@choice
def errors_to_list(settings: Settings, facts: Facts) -> Literal["no", "yes", "connections"]:
    """List the errors? FIVETRAN_EVIDENCE, where something is wrong; all connections where this one was never known."""
    if settings.evidence != "0" and facts.verdict == Event.NOT_FOUND and facts.connection is None:
        return "connections"
    document = facts.connection or {}
    ill = documents.setup_state(document) in {"incomplete", "broken"} or documents.problems(document)
    wrong = (
        facts.verdict in _ILLS
        or (facts.verdict == Event.TIMED_OUT and has_sync(settings, facts))
        or (facts.verdict == Event.SHOWN and ill)
    )
    return "yes" if wrong and may_ask_more(settings, facts) else "no"


@choice
def warnings_to_list(settings: Settings, facts: Facts) -> Literal["no", "yes"]:
    """List the warnings? FIVETRAN_EVIDENCE, where the connection's document has warnings."""
    warned = documents.status(facts.connection or {}).get("warnings")
    return "yes" if warned and may_ask_more(settings, facts) else "no"


@choice
def verdict(_: Settings, facts: Facts) -> str:
    """How did it end?"""
    return facts.verdict or ""


# Verdicts that Fivetran's active errors may explain.
_ILLS = {Event.SYNC_FAILED, Event.CANCELLED, Event.INCOMPLETE, Event.BROKEN, Event.TESTS_FAILED, Event.STALE}
# Verdicts that an optional request may be made for with FIVETRAN_EVIDENCE=red.
_GREEN = {Event.SUCCEEDED, Event.SHOWN, Event.PASSED}


def may_ask_more(settings: Settings, facts: Facts) -> bool:
    """Whether optional requests are wanted, and Fivetran answers this key at all."""
    hopeless = {Event.REFUSED, Event.GAVE_UP, *SIGNALS}
    wanted = settings.evidence == "1" or (settings.evidence == "red" and facts.verdict not in _GREEN)
    return wanted and facts.failure is None and facts.verdict not in hopeless


# --- Pauses ---------------------------------------------------------------------------------------

# After un-pausing an overdue sync starts within seconds or not at all: a coarse poll interval would only cost time.
FIRST_LOOK = 10.0


@pause
def next_poll(settings: Settings, facts: Facts, now: float) -> float:
    """Until FIVETRAN_POLL_INTERVAL has passed, or the sync is likely to end; at most 10 s after un-pausing."""
    if facts.unpaused_looks == 0:
        return min(settings.poll_interval, FIRST_LOOK)
    asked = running_since(facts)
    if not settings.adaptive or asked is None or not triggered(facts) or trigger_unanswered(facts):
        return settings.poll_interval
    lasted = max(0.0, now - asked)
    pause = next_look(facts.durations or (), lasted, spent="read_durations" in facts.answered)
    if facts.syncing_seen:
        return pause
    # Only of a sync that was seen is it known that it has ended, where no date moves: so it must not be missed.
    learned = facts.durations is not None or "read_durations" in facts.attempted  # which may have taken a while
    if not learned or facts.idle_until is not None:
        return settings.poll_interval
    return max(SHORTEST_POLL, min(pause, whole(settings.poll_interval - lasted)))


@pause
def quiet(settings: Settings, facts: Facts, now: float) -> float:
    """Until FIVETRAN_POLL_INTERVAL has passed, or the quiet period after which a doubtful ending is accepted."""
    left = quiet_left(facts, now)
    # Nothing is left to wait for only where there is a doubt, and nothing is left to ask about it.
    if facts.doubt is None or (not left and history_helps(settings, facts)):
        left = settings.poll_interval
    return min(settings.poll_interval, left)


@pause
def rescheduled_for(settings: Settings, facts: Facts, _: float) -> float:
    """Until the time for which Fivetran rescheduled the sync, by Fivetran's clock."""
    until = documents.parse_time(facts.waited_for)
    if until is None or facts.connection_date is None:
        return settings.poll_interval
    return max(0.0, until - facts.connection_date)
