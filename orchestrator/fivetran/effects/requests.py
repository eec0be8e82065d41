"""Requests that several effects make; any other stands beside its effect."""

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


# An hour earlier than what is looked for, since it is not documented whether a sync's start or
# its end must lie in the window; a window of more than seven days is refused.
HISTORY_MARGIN, HISTORY_MOST = 3600.0, 7 * 86_400.0


def get_sync_history(settings: Settings, facts: Facts) -> Request:
    """The history, up to the last document."""
    until = facts.connection_date or 0.0
    return get_history(settings, facts, until + 1)


def get_history(settings: Settings, facts: Facts, end: float | None) -> Request:
    """The history of at most seven days."""
    # https://fivetran.com/docs/rest-api/api-reference/connections/retrieve-connection-sync-history
    until = facts.connection_date or 0.0
    bound = since(facts)
    start = max((until if bound is None else bound) - HISTORY_MARGIN, until - HISTORY_MOST + 1)
    window = f"start_time={iso(start)}&end_time={iso(start + HISTORY_MOST - 1 if end is None else end)}"
    return on_connection(
        settings, facts, "GET", f"/sync-history?{window}", "find the sync in the history", optional=True
    )
