"""What several effects share: requests, the document that was read, and what the facts say about the run's own sync."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from orchestrator.fivetran import documents
from orchestrator.fivetran.effects.registry import Ask, resyncs
from orchestrator.fivetran.progress import since
from orchestrator.values.events import Event
from orchestrator.values.exchange import Answer, Request
from orchestrator.values.facts import Facts
from orchestrator.values.formatting import clipped, duration, iso
from orchestrator.values.settings import Settings

SWITCHES = {"disable_schedule", "unpause_connection"}  # what may have made the schedule manual
FRESH = 15.0  # seconds: the oldest document on which the schedule is changed at the end

# Verdicts of a run that saw the end of its own sync.
OVER = {Event.SUCCEEDED, Event.SYNC_FAILED, Event.CANCELLED, Event.PAUSED, Event.BROKEN, Event.INCOMPLETE}

# What is known about this run's sync, until the next one.
OF_OUR_SYNC = (
    *("triggered", "triggered_at", "asked_at", "restarted", "syncing_seen", "not_started_for", "idle_until"),
    *("doubt", "looks", "looking_since"),
)


# --- Requests; any other stands beside its effect ------------------------------------------------


def on_connection(settings: Settings, facts: Facts, method: str, path: str, purpose: str, **how: Any) -> Request:  # noqa: ANN401  # any member of a request
    """A request about the connection."""
    whole = f"/v1/connections/{settings.connector_id}{path}"
    return Request(method, whole, purpose, known=facts.connection is not None, **how)


def asking(method: str, path: str, purpose: str, **how: Any) -> Ask:  # noqa: ANN401  # any member of a request
    """A request about the connection that is always the same."""
    return lambda settings, facts: on_connection(settings, facts, method, path, purpose, **how)


get_connection = asking("GET", "", "read the connection")


def patch(settings: Settings, facts: Facts, purpose: str, change: Mapping[str, Any]) -> Request:
    """A change of the connection."""
    # `run_setup_tests` is true by default and would run them for minutes.
    return on_connection(settings, facts, "PATCH", "", purpose, body={**change, "run_setup_tests": False})


def patch_schedule(settings: Settings, facts: Facts) -> Request:
    """The manual schedule."""
    return patch(settings, facts, "switch the connection to a manual schedule", {"schedule_type": documents.MANUAL})


LARGEST_PAGE = 1_000  # connections on one page of the listing


def _quoted(text: str) -> str:
    """The text in a query; half a surrogate pair, which JSON and variables may hold, matches nothing there."""
    return quote(text, safe="", errors="surrogatepass")


def named(name: str, group: str = "") -> Request:
    """The connections of a name, which is their schema in the destination; of the account, or of a group."""
    # https://fivetran.com/docs/rest-api/api-reference/connections/list-connections: an exact match.
    within = f"&group_id={_quoted(group)}" if group else ""
    return Request(
        "GET",
        f"/v1/connections?limit={LARGEST_PAGE}&schema={_quoted(name)}{within}",
        "find the connection by its name",
    )


def listing(purpose: str, *, group: str = "", limit: int = LARGEST_PAGE, cursor: str = "", **how: Any) -> Request:  # noqa: ANN401  # any member of a request
    """A page of the connections of the account, or of a group."""
    # https://fivetran.com/docs/rest-api/api-reference/connections/list-connections
    place = f"/v1/groups/{group}/connections" if group else "/v1/connections"
    after = f"&cursor={_quoted(cursor)}" if cursor else ""
    return Request("GET", f"{place}?limit={limit}{after}", purpose, **how)


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
    end = start + HISTORY_MOST - 1 if end is None else end
    return _get_history_between(settings, facts, start, end, "find the sync in the history")


LARGEST_HISTORY = 100  # syncs on one page, which is Fivetran's default


def get_past_syncs(settings: Settings, facts: Facts) -> Request:
    """The history of the last seven days, before this run's sync."""
    until = facts.connection_date or 0.0
    start = max(0.0, until - HISTORY_MOST + 1)
    return _get_history_between(settings, facts, start, until, "see how long syncs take", f"&limit={LARGEST_HISTORY}")


def _get_history_between(
    settings: Settings, facts: Facts, start: float, end: float, purpose: str, more: str = ""
) -> Request:
    path = f"/sync-history?start_time={iso(start)}&end_time={iso(end)}{more}"
    return on_connection(settings, facts, "GET", path, purpose, optional=True)


def succeeded_lately(facts: Facts) -> bool:
    """Whether the connection has succeeded in the days that the history has at most."""
    succeeded = documents.parse_time((facts.connection or {}).get("succeeded_at"))
    now = facts.connection_date
    return succeeded is not None and now is not None and now - succeeded < HISTORY_MOST


# --- Documents ------------------------------------------------------------------------------------


def observed(settings: Settings, facts: Facts, answer: Answer) -> Facts:
    """The facts with the freshest document."""
    document = answer.data
    known = documents.schedule_type(document)
    warnings = documents.unknown_values(document)
    if not answer.dated:
        warnings.append(
            "Fivetran's answer had no Date header: a sync that ended just before this run's may be mistaken for it"
        )
    tried = not SWITCHES.isdisjoint(facts.attempted)
    special = documents.special_schedule(document)
    if special and not tried and facts.schedule_object is None and not settings.keep_schedule:
        warnings.append(
            f"the connection has a {special} schedule: write it down, or set FIVETRAN_DONT_DISABLE_SYNC to keep it; "
            "FIVETRAN_RESTORE_SCHEDULE restores it only as far as Fivetran's API allows"
        )
    if known is None and not tried and settings.restore_schedule == "before" and not settings.keep_schedule:
        warnings.append("Fivetran did not return the schedule: FIVETRAN_RESTORE_SCHEDULE cannot restore it")
    return facts.but(
        connection=document,
        connection_date=answer.date,
        dated=answer.dated,
        read_at=answer.at,
        ever_syncing=facts.ever_syncing or documents.sync_state(document) == "syncing",
        schedule_before=facts.schedule_before if tried else facts.schedule_before or known,
        schedule_object=document.get("schedule") if special and not tried else facts.schedule_object,
        schedule_after=known if tried else None,
        warnings=facts.warned(*warnings),
    )


def left_alone(settings: Settings, facts: Facts) -> Iterator[str]:
    """A warning if the schedule was not switched because that could have stopped a sync."""
    document = facts.connection or {}
    automatic = documents.schedule_type(document) != documents.MANUAL and not settings.keep_schedule
    if automatic and documents.sync_state(document) == "syncing":
        yield "the schedule was not switched to manual, because a sync is running and the change could stop it"


def why_stale(settings: Settings, facts: Facts) -> str:
    """Why the data is not as fresh as FIVETRAN_MAX_AGE requires; "" where it is, or where that is not set."""
    document, now = facts.connection or {}, facts.connection_date
    said = document.get("succeeded_at", "")
    if settings.max_age is None:
        return ""
    if said in (None, "null"):
        return "it has never succeeded"
    succeeded = documents.parse_time(said)
    if succeeded is None:
        what = clipped(repr(said), documents.LONGEST_VALUE, whole_words=True) if said else "missing"
        return f"its last success is unknown: succeeded_at is {what}"
    if now is None or not facts.dated:
        return f"the age of its last success ({said}) is unknown: Fivetran's answer had no Date header"
    age = now - succeeded
    if age <= settings.max_age:
        return ""
    limit = f"FIVETRAN_MAX_AGE ({duration(settings.max_age)})"
    return f"its last success was {duration(age)} ago ({iso(succeeded)}), older than {limit}"


def history_helps(settings: Settings, facts: Facts) -> bool:
    """Whether the history may settle the doubt: asked at first, and once more after the quiet period."""
    doubt = facts.doubt or {}
    asked = doubt.get("asked", 0)
    due = asked == 0 or (asked == 1 and bool(doubt.get("over")))
    wanted = settings.evidence == "1" or (settings.evidence == "red" and doubt.get("verdict") != Event.SUCCEEDED)
    return wanted and due and since(facts) is not None and "judge_by_history" not in facts.given_up


def attached(settings: Settings, facts: Facts) -> bool:
    """Whether the sync that is followed ran before this run came to it."""
    busy = bool((facts.baseline or {}).get("busy"))
    return busy and not triggered(facts) and dict(settings.policies).get("on_running") == "attach"


def items(answer: Answer) -> tuple[Mapping[str, Any], ...]:
    """The objects of an answer that is a list."""
    listed = answer.data.get("items")
    return tuple(item for item in (listed if isinstance(listed, list) else []) if isinstance(item, Mapping))


def by_schedule(document: Mapping[str, Any]) -> str:
    """The rule of what the schedule decides; "" where the document does not show it."""
    schedule = documents.schedule_type(document)
    return f"schedule_type is {schedule}" if schedule else ""


def by_condition(document: Mapping[str, Any], *, schedule: bool = False) -> str:
    """The rule of what the connection's condition decides, and its schedule if so."""
    state, setup = documents.sync_state(document), documents.setup_state(document)
    condition = f"sync_state is {state}, setup_state is {setup}" if state or setup else ""
    return ", ".join(filter(None, (condition, by_schedule(document) if schedule else "")))


# --- The run's own sync, and the schedule ---------------------------------------------------------


def triggered(facts: Facts) -> bool:
    """Whether a sync of this run was accepted, or seen after a lost answer."""
    return facts.triggered or facts.started


def trigger_unanswered(facts: Facts) -> bool:
    """Whether a request that starts a sync may have been carried out although its answer was lost."""
    return facts.lost > 0


def resync_asked(facts: Facts) -> bool:
    """Whether this run has asked for a re-sync of tables."""
    return resyncs(facts.attempted)


def resync_failed(facts: Facts) -> bool:
    """Whether asking for a re-sync of tables failed, and is not tried again."""
    return resyncs(facts.given_up)


def has_sync(settings: Settings, facts: Facts) -> bool:
    """Whether a sync of this run was accepted, seen after a lost answer, or attached to."""
    return triggered(facts) or attached(settings, facts)


def schedule_to_restore(settings: Settings, facts: Facts) -> bool:
    """Whether FIVETRAN_RESTORE_SCHEDULE asks for another schedule than the connection has now."""
    if settings.keep_schedule or not settings.restore_schedule or facts.connection is None:
        return False
    now = documents.schedule_type(facts.connection)
    if settings.restore_schedule == "auto":
        return now != "auto"
    before, changed = facts.schedule_before, not SWITCHES.isdisjoint(facts.attempted)
    return changed and before not in {None, documents.MANUAL} and facts.schedule_after != before


def schedule_to_switch_late(settings: Settings, facts: Facts) -> bool:
    """Whether the schedule is still to be switched, since a running sync was attached to or restarted."""
    done = SWITCHES & {*facts.answered, *facts.given_up}
    untouched = not done and "switch_schedule_late" not in facts.attempted
    automatic = documents.schedule_type(facts.connection or {}) != documents.MANUAL
    wanted = not settings.keep_schedule and not settings.restore_schedule
    return wanted and automatic and untouched and has_sync(settings, facts)


def still_running(settings: Settings, facts: Facts) -> bool | None:
    """Whether a sync runs on the connection now; None where that is not known."""
    if trigger_unanswered(facts) or facts.unpaused_looks == 0:  # un-pausing may have started one since
        return None
    # What decided may be another sync's beginning, or an ill connection on which one still runs.
    syncing = documents.sync_state(facts.connection or {}) == "syncing"
    if facts.verdict in OVER and not syncing:
        return False
    if (_age(facts) or 0.0) > 2 * settings.longest_poll + 1:  # older than two polls
        return None
    if syncing:
        return None if facts.failure else True  # the last document is not from now
    if facts.verdict in {Event.RESCHEDULED, Event.TOO_LATE} or not triggered(facts):
        return False
    return None


def schedule_may_change(settings: Settings, facts: Facts) -> bool:
    """Whether the schedule may be changed at the end: a fresh document shows that no sync is running."""
    age = _age(facts)
    if age is None or facts.unpaused_looks == 0:
        return False  # un-pausing may have started a sync since
    return still_running(settings, facts) is False and age <= FRESH


def _age(facts: Facts) -> float | None:
    """Seconds from the last document to the conclusion; None where there is no such time."""
    if facts.read_at is None or facts.concluded_at is None:
        return None
    return facts.concluded_at - facts.read_at
