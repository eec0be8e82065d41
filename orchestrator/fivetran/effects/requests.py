"""What is asked of Fivetran: each effect's request, as data."""

from collections.abc import Mapping
from typing import Any

from orchestrator.fivetran import documents
from orchestrator.fivetran.progress import since
from orchestrator.values.exchange import Request
from orchestrator.values.facts import Facts
from orchestrator.values.formatting import iso
from orchestrator.values.settings import Settings


def on_connection(settings: Settings, facts: Facts, method: str, path: str, purpose: str, **how: Any) -> Request:  # noqa: ANN401  # any member of a request
    """A request about the connection."""
    whole = f"/v1/connections/{settings.connector_id}{path}"
    return Request(method, whole, purpose, known=facts.connection is not None, **how)


def get_connection(settings: Settings, facts: Facts) -> Request:
    """The connection's document."""
    return on_connection(settings, facts, "GET", "", "read the connection")


def patch(settings: Settings, facts: Facts, purpose: str, change: Mapping[str, Any]) -> Request:
    """A change of the connection."""
    # `run_setup_tests` is true by default and would run them for minutes.
    return on_connection(settings, facts, "PATCH", "", purpose, body={**change, "run_setup_tests": False})


def patch_schedule(settings: Settings, facts: Facts) -> Request:
    """The manual schedule."""
    return patch(settings, facts, "switch the connection to a manual schedule", {"schedule_type": documents.MANUAL})


def patch_paused(settings: Settings, facts: Facts) -> Request:
    """Un-pause, and switch the schedule in one."""
    # Both in one: between two requests the overdue sync would start on the old schedule.
    schedule = {} if settings.keep_schedule else {"schedule_type": documents.MANUAL}
    return patch(settings, facts, "un-pause the connection", {"paused": False, **schedule})


def patch_schedule_back(settings: Settings, facts: Facts) -> Request:
    """The schedule as it was, or auto."""
    if facts.schedule_object is not None and settings.restore_schedule != "auto":
        return patch(settings, facts, "restore the schedule", {"schedule": facts.schedule_object})
    before = "auto" if settings.restore_schedule == "auto" else facts.schedule_before or "auto"
    return patch(settings, facts, "restore the schedule", {"schedule_type": before})


def post_sync(settings: Settings, facts: Facts) -> Request:
    """A sync."""
    return on_connection(settings, facts, "POST", "/sync", "start a sync", body={"force": False}, wants_data=False)


def post_forced_sync(settings: Settings, facts: Facts) -> Request:
    """A sync in place of the one that is running."""
    return on_connection(
        settings,
        facts,
        "POST",
        "/sync",
        "stop the running sync and start one",
        body={"force": True},
        wants_data=False,
    )


def post_resync(settings: Settings, facts: Facts) -> Request:
    """A historical re-sync."""
    return on_connection(
        settings,
        facts,
        "POST",
        "/schemas/tables/resync",
        f"start a historical re-sync of the {'tables' if settings.tables else 'table'}",
        body=settings.scope,
        wants_data=False,
    )


def post_test(settings: Settings, facts: Facts) -> Request:
    """The setup tests."""
    return on_connection(settings, facts, "POST", "/test", "run the setup tests", body={}, patient=True)


def get_schemas(settings: Settings, facts: Facts) -> Request:
    """The names at the source."""
    return on_connection(settings, facts, "GET", "/schemas", "look for names like the one given")


# An hour earlier than what is looked for, since it is not documented whether a sync's start or
# its end must lie in the window; a window of more than seven days is refused.
HISTORY_MARGIN, HISTORY_MOST = 3600.0, 7 * 86_400.0


def get_sync_history(settings: Settings, facts: Facts) -> Request:
    """The history, up to the last document."""
    until = facts.connection_date or 0.0
    return get_history_until(settings, facts, until + 1)


def get_restart(settings: Settings, facts: Facts) -> Request:
    """The history, from the last document on."""
    # The last document is from before the restart: what is looked for began later than that.
    return get_history_until(settings, facts, None)


def get_history_until(settings: Settings, facts: Facts, end: float | None) -> Request:
    """The history of at most seven days."""
    # https://fivetran.com/docs/rest-api/api-reference/connections/retrieve-connection-sync-history
    until = facts.connection_date or 0.0
    bound = since(facts)
    start = max((until if bound is None else bound) - HISTORY_MARGIN, until - HISTORY_MOST + 1)
    window = f"start_time={iso(start)}&end_time={iso(start + HISTORY_MOST - 1 if end is None else end)}"
    return on_connection(
        settings, facts, "GET", f"/sync-history?{window}", "find the sync in the history", optional=True
    )


def get_errors(settings: Settings, facts: Facts) -> Request:
    """The active errors."""
    # https://fivetran.com/docs/rest-api/api-reference/connections/connection-errors (private preview)
    return on_connection(settings, facts, "GET", "/errors", "list the connection's active errors", optional=True)


def get_warnings(settings: Settings, facts: Facts) -> Request:
    """The warnings."""
    # https://fivetran.com/docs/rest-api/api-reference/connections/connection-warnings
    return on_connection(settings, facts, "GET", "/warnings", "list the connection's warnings", optional=True)
