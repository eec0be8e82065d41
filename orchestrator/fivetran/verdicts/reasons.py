"""Why a run ended so."""

from collections.abc import Iterator

from orchestrator.fivetran import documents
from orchestrator.fivetran.effects.situation import (
    OVER,
    why_stale,
)
from orchestrator.fivetran.verdicts.end import End
from orchestrator.fivetran.verdicts.headlines import headline
from orchestrator.values.events import Event
from orchestrator.values.formatting import duration, either, few

__all__ = ["reasons"]


def reasons(end: End) -> tuple[str, ...]:
    """Why it ended so, in Fivetran's words where it has any; the first one goes with the headline."""
    return few((*_near_connections(end), *_other_reasons(end), *_sync_reasons(end), *_failure_reasons(end)))


def _failure_reasons(end: End) -> Iterator[str]:
    if failure := end.failure:
        shown = end.status() and end.status() in headline(end)
        words = " ".join(str(failure[key]) for key in ("status", "code")[bool(shown) :] if failure.get(key))
        if (words or failure["message"]) and failure["message"] != headline(end):
            yield ": ".join(filter(None, (words, failure["message"])))
        attempts = f", {failure['attempts']} attempts" if failure["attempts"] > 1 else ""
        request_id = f", request id {failure['request_id']}" if failure["request_id"] else ""
        yield f"the request: {failure['request']} (to {failure['purpose']}{attempts}{request_id})"


def _sync_reasons(end: End) -> Iterator[str]:
    facts, verdict, problems = end.facts, end.verdict, documents.problems(end.document)
    if end.green:
        return
    if verdict in OVER:
        yield from problems
    if verdict in {Event.INCOMPLETE, Event.BROKEN} and not problems:
        yield f"its setup_state is {documents.setup_state(end.document)}; Fivetran's API gives no task for it"
    if verdict == Event.SYNC_FAILED and not problems:
        of_history = (facts.sync or {}).get("reason")
        yield str(of_history or "Fivetran's API gives no reason; the connection's page has the sync's log")
    if verdict == Event.STALE:
        yield why_stale(end.settings, facts)
        yield from _why_no_success(end)
    if verdict == Event.UNCONFIRMED:
        yield f"{facts.lost} trigger{'' if facts.lost == 1 else 's'} had no answer"
    if verdict == Event.TIMED_OUT and facts.not_started_for is not None:
        yield (
            f"Fivetran accepted the sync and had not started it after {duration(facts.not_started_for)}: "
            "it is queued (with integrated or smart transformations a sync waits for them), or was dropped"
        )


def _why_no_success(end: End) -> Iterator[str]:
    """What keeps a connection from a fresh success, as far as its document shows it."""
    if documents.sync_state(end.document) == "paused":
        yield "it is paused: it does not sync until it is un-paused"
    elif documents.schedule_type(end.document) == documents.MANUAL:
        yield "its schedule is manual: only a job starts syncs"
    failed, succeeded = (documents.parse_time(end.document.get(f"{how}_at")) for how in ("failed", "succeeded"))
    if failed is not None and failed > (succeeded or 0.0):
        yield f"its last sync failed ({documents.moment(end.document.get('failed_at'))})"


def _other_reasons(end: End) -> Iterator[str]:
    if end.facts.unanswered and not end.green:
        yield f"{end.facts.unanswered} had no answer: it may have been carried out"
    for test in end.facts.setup_tests or ():
        if str(test.get("status")) in documents.SETUP_TEST_FAILURES:
            yield f"{test.get('title')}: {test.get('status')}: {test.get('message')}"
    if near := end.facts.near_matches:
        yield f"did you mean {either(near)}?" if not end.settings.tables else f"similar names: {', '.join(near)}"
    elif near is not None:
        yield f"Fivetran knows no name at the source that is like {end.tables()}"


def _near_connections(end: End) -> Iterator[str]:
    """Connections like one that Fivetran does not know."""
    near, given = end.facts.near_connections, end.settings.connector_id
    if near == ():
        yield f"no connection that this API key can see has an id or a name like {given}"
    for each in near or ():
        identity, name, service = (str(each.get(key) or "") for key in ("id", "name", "service"))
        if name.casefold() == given.casefold():
            yield f"{given} is the name of a connection, not its id: set CONNECTOR_ID to {identity} ({service})"
        else:
            yield f"did you mean {identity} ({', '.join(filter(None, (name, service)))})?"
