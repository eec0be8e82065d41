"""Pauses: how long a `waits` state waits."""

from orchestrator.fivetran import documents
from orchestrator.fivetran.effects.registry import pause
from orchestrator.fivetran.progress import quiet_left
from orchestrator.values.facts import Facts
from orchestrator.values.settings import Settings

# After un-pausing an overdue sync starts within seconds or not at all: a coarse poll interval would only cost time.
FIRST_LOOK = 10.0


@pause
def next_poll(settings: Settings, facts: Facts, _: float) -> float:
    """Until FIVETRAN_POLL_INTERVAL has passed; at most 10 s before the first look after un-pausing."""
    return min(settings.poll_interval, FIRST_LOOK) if facts.unpaused_looks == 0 else settings.poll_interval


@pause
def quiet(settings: Settings, facts: Facts, now: float) -> float:
    """Until FIVETRAN_POLL_INTERVAL has passed, or the quiet is over after which a doubt is believed."""
    return settings.poll_interval if facts.doubt is None else min(settings.poll_interval, quiet_left(facts, now))


@pause
def rescheduled_for(settings: Settings, facts: Facts, _: float) -> float:
    """Until the time for which Fivetran rescheduled the sync, by Fivetran's clock."""
    until = documents.parse_time(facts.waited_for)
    if until is None or facts.connection_date is None:
        return settings.poll_interval
    return max(0.0, until - facts.connection_date)
