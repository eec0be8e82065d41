"""Effects after the verdict: the schedule, and details about the sync for the report."""

from typing import Literal

from orchestrator.fivetran import documents
from orchestrator.fivetran.effects.registry import Tag, call
from orchestrator.fivetran.effects.situation import (
    asking,
    attached,
    by_schedule,
    get_sync_history,
    items,
    listing,
    observed,
    patch,
    patch_schedule,
)
from orchestrator.fivetran.progress import items_since, since
from orchestrator.values.events import Event
from orchestrator.values.exchange import Answer, Request
from orchestrator.values.facts import Facts, Outcome
from orchestrator.values.formatting import plain
from orchestrator.values.settings import Settings


def _patch_schedule_back(settings: Settings, facts: Facts) -> Request:
    if facts.schedule_object is not None and settings.restore_schedule != "auto":
        return patch(settings, facts, "restore the schedule", {"schedule": facts.schedule_object})
    before = "auto" if settings.restore_schedule == "auto" else facts.schedule_before or "auto"
    return patch(settings, facts, "restore the schedule", {"schedule_type": before})


@call("PATCH", _patch_schedule_back, Tag.READS, Tag.RESTORES_SCHEDULE, needs=("restore_schedule", "yes"))
def restore_schedule(settings: Settings, facts: Facts, answer: Answer) -> Outcome[Literal[Event.RESTORED]]:
    """Restore the connection's schedule."""
    facts = observed(settings, facts, answer)
    if facts.schedule_object is not None and settings.restore_schedule != "auto":
        now = answer.data.get("schedule")
        if not documents.same_schedule(facts.schedule_object, now):
            warning = f"the schedule was {plain(facts.schedule_object)}; after restoring it Fivetran shows {plain(now)}"
            facts = facts.but(warnings=facts.warned(warning))
    return Outcome(Event.RESTORED, facts, by_schedule(answer.data))


@call("PATCH", patch_schedule, Tag.READS, Tag.SWITCHES_LATE, needs=("late_switch", "yes"))
def switch_schedule_late(settings: Settings, facts: Facts, answer: Answer) -> Outcome[Literal[Event.DISABLED]]:
    """Switch the connection to a manual schedule, now that the sync has ended."""
    return Outcome(Event.DISABLED, observed(settings, facts, answer), by_schedule(answer.data))


def _get_connections(_: Settings, __: Facts) -> Request:
    # One page: an account with more than 1,000 connections has close ones on the first, or `list` finds them.
    return listing("look for a connection like the one given", optional=True)


@call("GET", _get_connections, needs=("errors_to_list", "connections"))
def list_connections(settings: Settings, facts: Facts, answer: Answer) -> Outcome[Literal[Event.LOOKED_UP]]:
    """Keep the connections whose id or name is like the id given."""
    from orchestrator.fivetran.near_matches import near_connections  # noqa: PLC0415  # only for an unknown connection

    near = near_connections(items(answer), settings.connector_id)
    whole = not answer.data.get("next_cursor")  # else that there is none like it is not known
    return Outcome(Event.LOOKED_UP, facts.but(near_connections=near if near or whole else None))


@call("GET", asking("GET", "/schemas", "look for names like the one given"), needs=("names_to_compare", "yes"))
def find_near_matches(settings: Settings, facts: Facts, answer: Answer) -> Outcome[Literal[Event.COMPARED]]:
    """Find names at the source that are similar to the ones given."""
    from orchestrator.fivetran.near_matches import near_matches  # noqa: PLC0415  # likewise

    return Outcome(Event.COMPARED, facts.but(near_matches=near_matches(answer.data, settings.scope)))


@call("GET", get_sync_history, needs=("sync_to_find", "yes"))
def find_sync(settings: Settings, facts: Facts, answer: Answer) -> Outcome[Literal[Event.LOOKED_UP]]:
    """Find this run's sync in the sync history."""
    found = items_since(since(facts), items(answer), attached=attached(settings, facts))
    return Outcome(Event.LOOKED_UP, facts.but(sync=found[-1] if found else None))


# https://fivetran.com/docs/rest-api/api-reference/connections/connection-errors (private preview)
_get_errors = asking("GET", "/errors", "list the connection's active errors", optional=True)


@call("GET", _get_errors, needs=("errors_to_list", "yes"))
def list_errors(_: Settings, facts: Facts, answer: Answer) -> Outcome[Literal[Event.LOOKED_UP]]:
    """List the connection's active errors, with Fivetran's advice."""
    return Outcome(Event.LOOKED_UP, facts.but(errors=items(answer)))


# https://fivetran.com/docs/rest-api/api-reference/connections/connection-warnings
_get_warnings = asking("GET", "/warnings", "list the connection's warnings", optional=True)


@call("GET", _get_warnings, needs=("warnings_to_list", "yes"))
def list_warnings(_: Settings, facts: Facts, answer: Answer) -> Outcome[Literal[Event.LOOKED_UP]]:
    """List Fivetran's warnings by destination table."""
    return Outcome(Event.LOOKED_UP, facts.but(table_warnings=items(answer)))
