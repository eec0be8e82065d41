"""Effects: what to ask, and what the answer means.

An effect is a request as data (or none) and a pure function from settings, facts and answer
to one event and new facts. It knows no state and no successor, and copes with any fact
missing. The driver sends; nothing here waits, repeats or reads a clock.

A function's return annotation declares its events: mypy proves that the body returns nothing
else, and the loader compares the declaration with the chart's edges in both directions.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal, NamedTuple, get_args, get_type_hints

from orchestrator import documents
from orchestrator.deeds import Deed
from orchestrator.events import SIGNALS, Event
from orchestrator.exchange import Answer, Request
from orchestrator.facts import Facts
from orchestrator.progress import judge
from orchestrator.report import Document, Story, result
from orchestrator.settings import Settings
from orchestrator.texts import iso
from orchestrator.verdicts import resync_failed, trigger_unanswered

__all__ = ["CHOICES", "EFFECTS", "Call", "Choice", "Pure", "Writing"]

Ask = Callable[[Settings, Facts], Request]
Meaning = Callable[[Settings, Facts, Answer], tuple[Event, Facts]]
Conclusion = Callable[[Settings, Facts], tuple[Event, Facts]]
Composition = Callable[[Settings, Facts, Story], Document]


class Call(NamedTuple):
    """An effect that asks Fivetran.

    Attributes:
        name: As the charts have it.
        outcomes: Events that an answer may mean.
        method: HTTP method of the request.
        ask: Makes the request.
        mean: Says what the answer means.
        deeds: What promises about charts speak of.
        needs: The choice that it must come straight after, and the value that tells it to; or None.
    """

    name: str
    outcomes: tuple[Event, ...]
    method: str
    ask: Ask
    mean: Meaning
    deeds: frozenset[Deed] = frozenset()
    needs: tuple[str, str] | None = None


class Pure(NamedTuple):
    """An effect that follows from the facts alone, in no time.

    Attributes:
        name: As the charts have it.
        outcomes: Events that it may have.
        conclude: Says which, and the new facts.
        deeds: What promises about charts speak of.
    """

    name: str
    outcomes: tuple[Event, ...]
    conclude: Conclusion
    deeds: frozenset[Deed] = frozenset()


class Writing(NamedTuple):
    """An effect that has the result written: `reported`, or `unwritable`.

    Attributes:
        name: As the charts have it.
        compose: The result.
        outcomes: Events that it may have.
    """

    name: str
    compose: Composition
    outcomes: tuple[Event, ...] = (Event.REPORTED, Event.UNWRITABLE)


class Choice(NamedTuple):
    """What a `chooses` state branches on.

    Attributes:
        name: As the charts have it.
        values: The values that it can have; () if there may be others.
        of: The value, from settings and facts.
    """

    name: str
    values: tuple[str, ...]
    of: Callable[[Settings, Facts], str]


EFFECTS: dict[str, Call | Pure | Writing] = {}
CHOICES: dict[str, Choice] = {}


def _outcomes(function: Callable[..., Any]) -> tuple[Event, ...]:
    """The events of a return annotation `tuple[Literal[...], Facts]`."""
    literal, _ = get_args(get_type_hints(function)["return"])
    return get_args(literal)


def _call(method: str, ask: Ask, *deeds: Deed, needs: tuple[str, str] | None = None) -> Callable[[Meaning], Meaning]:
    def register(mean: Meaning) -> Meaning:
        name = mean.__name__
        EFFECTS[name] = Call(name, _outcomes(mean), method, ask, mean, frozenset(deeds), needs)
        return mean

    return register


def _pure(*deeds: Deed) -> Callable[[Conclusion], Conclusion]:
    def register(conclude: Conclusion) -> Conclusion:
        name = conclude.__name__
        EFFECTS[name] = Pure(name, _outcomes(conclude), conclude, frozenset(deeds))
        return conclude

    return register


def _choice(of: Callable[[Settings, Facts], str]) -> Callable[[Settings, Facts], str]:
    name = of.__name__
    CHOICES[name] = Choice(name, get_args(get_type_hints(of)["return"]), of)
    return of


# --- What is asked --------------------------------------------------------------------------


def _connection(settings: Settings) -> str:
    return f"/v1/connections/{settings.connector_id}"


def _get_connection(settings: Settings, _: Facts) -> Request:
    return Request("GET", _connection(settings), "read the connection")


def _patch_schedule(settings: Settings, _: Facts) -> Request:
    # `run_setup_tests` is true by default and would run them for minutes.
    return Request(
        "PATCH",
        _connection(settings),
        "take the connection off its own schedule",
        {"schedule_type": documents.MANUAL, "run_setup_tests": False},
    )


def _patch_paused(settings: Settings, _: Facts) -> Request:
    # Both in one: between two requests the overdue sync would start on the old schedule.
    schedule = {} if settings.keep_schedule else {"schedule_type": documents.MANUAL}
    return Request(
        "PATCH",
        _connection(settings),
        "un-pause the connection",
        {"paused": False, **schedule, "run_setup_tests": False},
    )


def _patch_schedule_back(settings: Settings, facts: Facts) -> Request:
    return Request(
        "PATCH",
        _connection(settings),
        "put the schedule back",
        {"schedule_type": facts.schedule_before or "auto", "run_setup_tests": False},
    )


def _post_sync(settings: Settings, _: Facts) -> Request:
    return Request("POST", f"{_connection(settings)}/sync", "start a sync", {"force": False}, wants_data=False)


def _post_forced_sync(settings: Settings, _: Facts) -> Request:
    return Request(
        "POST",
        f"{_connection(settings)}/sync",
        "stop the running sync and start one",
        {"force": True},
        wants_data=False,
    )


def _post_resync(settings: Settings, _: Facts) -> Request:
    return Request(
        "POST",
        f"{_connection(settings)}/schemas/tables/resync",
        "start a historical re-sync of the table",
        {settings.schema: [settings.table]},
        wants_data=False,
    )


def _post_test(settings: Settings, _: Facts) -> Request:
    return Request("POST", f"{_connection(settings)}/test", "run the setup tests", {}, patient=True)


def _get_schemas(settings: Settings, _: Facts) -> Request:
    return Request("GET", f"{_connection(settings)}/schemas", "look for names like the one given")


# An hour earlier than what is looked for, since it is not documented whether a sync's start or
# its end must lie in the window; a window of more than seven days is refused.
HISTORY_MARGIN, HISTORY_MOST = 3600.0, 7 * 86_400.0


def _get_sync_history(settings: Settings, facts: Facts) -> Request:
    # https://fivetran.com/docs/rest-api/api-reference/connections/retrieve-connection-sync-history
    until = facts.connection_date or 0.0
    since = max(_since(facts) - HISTORY_MARGIN, until - HISTORY_MOST + 1)
    window = f"start_time={iso(since)}&end_time={iso(until + 1)}"
    return Request(
        "GET", f"{_connection(settings)}/sync-history?{window}", "find the sync in the history", optional=True
    )


def _get_errors(settings: Settings, _: Facts) -> Request:
    # https://fivetran.com/docs/rest-api/api-reference/connections/connection-errors (private preview)
    return Request("GET", f"{_connection(settings)}/errors", "list the connection's active errors", optional=True)


# --- What the answer means: before the trigger ------------------------------------------------


@_call("GET", _get_connection, Deed.READS)
def read_connection(
    settings: Settings, facts: Facts, answer: Answer
) -> tuple[Literal[Event.READY, Event.SCHEDULE_KEPT], Facts]:
    """Read the connection, whatever its condition."""
    facts = _observed(settings, facts, answer)
    return (Event.SCHEDULE_KEPT if _schedule_is_settled(settings, facts) else Event.READY), facts


@_call("GET", _get_connection, Deed.READS)
def validate_connection(
    settings: Settings, facts: Facts, answer: Answer
) -> tuple[Literal[Event.READY, Event.SCHEDULE_KEPT, Event.PAUSED, Event.INCOMPLETE, Event.BROKEN], Facts]:
    """Read the connection and see whether it can sync at all."""
    facts = _observed(settings, facts, answer)
    setup = documents.setup_state(answer.data)
    if setup == "incomplete":
        return Event.INCOMPLETE, facts
    if setup == "broken":
        return Event.BROKEN, facts
    if documents.sync_state(answer.data) == "paused":
        return Event.PAUSED, facts
    return (Event.SCHEDULE_KEPT if _schedule_is_settled(settings, facts) else Event.READY), facts


@_call("PATCH", _patch_schedule, Deed.READS, Deed.CHANGES_SCHEDULE)
def disable_schedule(settings: Settings, facts: Facts, answer: Answer) -> tuple[Literal[Event.DISABLED], Facts]:
    """The connection is off its own schedule."""
    return Event.DISABLED, _observed(settings, facts, answer)


@_call("PATCH", _patch_paused, Deed.READS, Deed.CHANGES_SCHEDULE, Deed.UNPAUSES, needs=("unpause", "yes"))
def unpause_connection(settings: Settings, facts: Facts, answer: Answer) -> tuple[Literal[Event.UNPAUSED], Facts]:
    """The connection is no longer paused."""
    return Event.UNPAUSED, _observed(settings, facts, answer)


@_pure(Deed.TAKES_BASELINE)
def take_baseline(_: Settings, facts: Facts) -> tuple[Literal[Event.IDLE, Event.BUSY], Facts]:
    """Remember the dates of the freshest document: a sync of ours will move one of them."""
    document = facts.connection or {}
    busy = documents.sync_state(document) == "syncing"
    date = facts.connection_date
    if date is not None and facts.syncing_seen and not busy:
        # Somebody else's sync has just ended: its date may still be on its way, and may lie in
        # the second that Fivetran's `Date` rounds away. It must not pass for the end of ours.
        date += 1
    facts = facts.but(
        baseline={
            "succeeded_at": document.get("succeeded_at"),
            "failed_at": document.get("failed_at"),
            "rescheduled_for": documents.rescheduled_for(document),
            "date": date,
        },
        triggered_at=None,
        started=False,
        restarted=False,
        syncing_seen=busy,
        quiet_since=None,
        not_started_for=None,
        looks=0,
    )
    return (Event.BUSY if busy else Event.IDLE), facts


# --- The trigger --------------------------------------------------------------------------------


@_call("POST", _post_sync, Deed.STARTS_SYNC)
def trigger_sync(_: Settings, facts: Facts, answer: Answer) -> tuple[Literal[Event.TRIGGERED], Facts]:
    """Fivetran accepted the sync."""
    return Event.TRIGGERED, _accepted(facts, answer)


@_call("POST", _post_forced_sync, Deed.RESTARTS_SYNC, needs=("on_running", "restart"))
def restart_sync(_: Settings, facts: Facts, answer: Answer) -> tuple[Literal[Event.TRIGGERED], Facts]:
    """Fivetran stops the running sync and starts ours."""
    return Event.TRIGGERED, _accepted(facts, answer).but(restarted=True)


@_call("POST", _post_resync, Deed.STARTS_RESYNC)
def resync_table(_: Settings, facts: Facts, answer: Answer) -> tuple[Literal[Event.TRIGGERED], Facts]:
    """Fivetran accepted the re-sync of the table."""
    return Event.TRIGGERED, _accepted(facts, answer)


# A queued sync shows nothing: only the third look without a sign says that none was started,
# and only some seconds after the first.
LOOKS = 3
LOOK_SECONDS = 15.0


@_call("GET", _get_connection, Deed.READS, Deed.LOOKS)
def confirm_start(
    settings: Settings, facts: Facts, answer: Answer
) -> tuple[Literal[Event.STARTED, Event.UNCLEAR, Event.NOT_STARTED], Facts]:
    """The trigger's answer was lost: look for a sign of the sync."""
    facts = _observed(settings, facts, answer)
    progress, judged = judge(facts, answer.data, answer.date)
    if progress is not Event.RUNNING or judged.syncing_seen:
        # Only a sign is taken from here: what it means is for the next poll to say, afresh.
        warning = "the trigger's answer was lost; a sync was seen since, and is taken for the one that was asked for"
        return Event.STARTED, facts.but(
            looks=0,
            looking_since=None,
            unanswered=None,
            started=True,
            syncing_seen=judged.syncing_seen,
            warnings=facts.warned(warning),
        )
    since = answer.date if facts.looking_since is None else facts.looking_since
    if facts.looks + 1 < LOOKS or answer.date - since < LOOK_SECONDS:
        return Event.UNCLEAR, facts.but(looks=facts.looks + 1, looking_since=since)
    return Event.NOT_STARTED, facts.but(looks=0, looking_since=None)


# --- Its end ------------------------------------------------------------------------------------


@_call("GET", _get_connection, Deed.READS, Deed.JUDGES)
def poll_sync(
    settings: Settings, facts: Facts, answer: Answer
) -> tuple[
    Literal[
        Event.RUNNING,
        Event.SUCCEEDED,
        Event.SYNC_FAILED,
        Event.CANCELLED,
        Event.PAUSED,
        Event.BROKEN,
        Event.RESCHEDULED,
    ],
    Facts,
]:
    """Read the connection and judge what became of the sync."""
    return judge(_observed(settings, facts, answer), answer.data, answer.date)


@_pure()
def show_connection(_: Settings, facts: Facts) -> tuple[Literal[Event.SHOWN], Facts]:
    """Point out what stands in the way of a sync."""
    document = facts.connection or {}
    notes = []
    if documents.sync_state(document) == "paused":
        notes.append("the connection is paused: it will not sync until it is un-paused")
    if (setup := documents.setup_state(document)) in {"incomplete", "broken"}:
        notes.append(f"the connection's setup is {setup}: it cannot sync")
    return Event.SHOWN, facts.but(warnings=facts.warned(*notes, *documents.problems(document)))


@_call("POST", _post_test, Deed.READS, Deed.RUNS_TESTS)
def run_setup_tests(
    settings: Settings, facts: Facts, answer: Answer
) -> tuple[Literal[Event.PASSED, Event.TESTS_FAILED], Facts]:
    """The setup tests ran to their end; FAILED and JOB_FAILED are failures."""
    listed = answer.data.get("setup_tests")
    tests = tuple(test for test in (listed if isinstance(listed, list) else []) if isinstance(test, Mapping))
    results = {str(test.get("status")) for test in tests}
    warnings = [
        f"Fivetran reports a setup test as {result!r}, which this version does not know: it counts as neither"
        for result in sorted(results.difference(documents.SETUP_TEST_RESULTS))
    ]
    if not tests:
        warnings.append("Fivetran ran no setup tests: this kind of connection has none")
    rest = {name: value for name, value in answer.data.items() if name != "setup_tests"}
    facts = _observed(settings, facts, replace(answer, data=rest))
    facts = facts.but(setup_tests=tests, warnings=facts.warned(*warnings))
    return (Event.TESTS_FAILED if results & documents.SETUP_TEST_FAILURES else Event.PASSED), facts


# --- Behind the conclusion ----------------------------------------------------------------------


@_call("PATCH", _patch_schedule_back, Deed.READS, Deed.RESTORES_SCHEDULE, needs=("restore_schedule", "yes"))
def restore_schedule(settings: Settings, facts: Facts, answer: Answer) -> tuple[Literal[Event.RESTORED], Facts]:
    """The schedule is as it was found."""
    return Event.RESTORED, _observed(settings, facts, answer)


@_call("GET", _get_schemas, needs=("names_to_compare", "yes"))
def find_near_matches(settings: Settings, facts: Facts, answer: Answer) -> tuple[Literal[Event.COMPARED], Facts]:
    """Keep the names at the source that are close to the ones given."""
    from orchestrator.names import near_matches  # noqa: PLC0415  # difflib: only after a typo

    return Event.COMPARED, facts.but(near_matches=near_matches(answer.data, settings.schema, settings.table))


@_call("GET", _get_sync_history, needs=("sync_to_find", "yes"))
def find_sync(_: Settings, facts: Facts, answer: Answer) -> tuple[Literal[Event.LOOKED_UP], Facts]:
    """Keep the history's record of the sync that this run was about."""
    since = int(_since(facts))  # Fivetran's `Date` has whole seconds
    found: dict[tuple[float, float], Mapping[str, Any]] = {}  # by start and end
    for item in _items(answer):
        start, end = (documents.parse_time(item.get(name)) for name in ("start", "end"))
        # One that was attached to had started before: then it must not have ended before.
        ours = start is not None and start >= since if facts.triggered_at is not None else end is None or end >= since
        if ours and start is not None:
            found[start, math.inf if end is None else end] = item
    return Event.LOOKED_UP, facts.but(sync=found[max(found)] if found else None)


@_call("GET", _get_errors, needs=("errors_to_list", "yes"))
def list_errors(_: Settings, facts: Facts, answer: Answer) -> tuple[Literal[Event.LOOKED_UP], Facts]:
    """Keep the active errors, with Fivetran's remedies."""
    return Event.LOOKED_UP, facts.but(errors=_items(answer))


EFFECTS["write_report"] = Writing("write_report", result)


# --- Choices --------------------------------------------------------------------------------------


@_choice
def unpause(settings: Settings, _: Facts) -> Literal["no", "yes"]:
    """FIVETRAN_UNPAUSE."""
    return "yes" if settings.unpause else "no"


@_choice
def own_trigger_unanswered(_: Settings, facts: Facts) -> Literal["no", "yes"]:
    """Is what stands in the way perhaps our own, whose answer was lost?"""
    return "yes" if trigger_unanswered(facts) else "no"


@_choice
def on_running(settings: Settings, _: Facts) -> str:
    """FIVETRAN_ON_RUNNING."""
    return settings.policy("on_running")


@_choice
def on_reschedule(settings: Settings, _: Facts) -> str:
    """FIVETRAN_ON_RESCHEDULE."""
    return settings.policy("on_reschedule")


@_choice
def schedule_type(_: Settings, facts: Facts) -> str:
    """The freshest document's schedule type."""
    return documents.schedule_type(facts.connection or {}) or ""


def _restore_schedule(settings: Settings, facts: Facts) -> Literal["no", "yes"]:
    """FIVETRAN_RESTORE_SCHEDULE, where there is something to put back."""
    changed = (
        not settings.keep_schedule
        and _schedule_was_tried(facts)
        and facts.schedule_before not in {None, documents.MANUAL}
    )
    back_already = facts.schedule_after == facts.schedule_before
    return "yes" if settings.restore_schedule and changed and not back_already else "no"


CHOICES["restore_schedule"] = Choice("restore_schedule", ("no", "yes"), _restore_schedule)


@_choice
def names_to_compare(settings: Settings, facts: Facts) -> Literal["no", "yes"]:
    """FIVETRAN_EVIDENCE, where Fivetran does not know the schema or the table."""
    unknown_table = facts.verdict == Event.NOT_FOUND and resync_failed(facts)
    return "yes" if settings.evidence and unknown_table else "no"


@_choice
def sync_to_find(settings: Settings, facts: Facts) -> Literal["no", "yes"]:
    """FIVETRAN_EVIDENCE, where a sync of this run was seen or accepted."""
    return "yes" if _has_sync(settings, facts) and _may_ask_more(settings, facts) else "no"


@_choice
def errors_to_list(settings: Settings, facts: Facts) -> Literal["no", "yes"]:
    """FIVETRAN_EVIDENCE, where something is wrong with the sync or the connection."""
    document = facts.connection or {}
    ill = documents.setup_state(document) in {"incomplete", "broken"} or documents.problems(document)
    wrong = (
        facts.verdict in _ILLS
        or (facts.verdict == Event.TIMED_OUT and _has_sync(settings, facts))
        or (facts.verdict == Event.SHOWN and ill)
    )
    return "yes" if wrong and _may_ask_more(settings, facts) else "no"


@_choice
def verdict(_: Settings, facts: Facts) -> str:
    """How it ended."""
    return facts.verdict or ""


# --- Shared ---------------------------------------------------------------------------------------


def _observed(settings: Settings, facts: Facts, answer: Answer) -> Facts:
    """The facts with the freshest document."""
    document = answer.data
    known = documents.schedule_type(document)
    warnings = documents.unknown_values(document)
    if not answer.dated:
        warnings.append("Fivetran's answer had no Date header: this machine's clock stands in for Fivetran's")
    special = documents.special_schedule(document)
    if special and facts.schedule_before is None and not settings.keep_schedule:
        warnings.append(
            f"the connection has a {special} schedule; the API may not bring it back by itself: "
            "note it, or set FIVETRAN_DONT_DISABLE_SYNC"
        )
    tried = _schedule_was_tried(facts)
    if known is None and not tried and settings.restore_schedule and not settings.keep_schedule:
        warnings.append("Fivetran does not say what the schedule is: FIVETRAN_RESTORE_SCHEDULE cannot put it back")
    return facts.but(
        connection=document,
        connection_date=answer.date,
        schedule_before=facts.schedule_before if tried else facts.schedule_before or known,
        schedule_after=known if tried else None,
        warnings=facts.warned(*warnings),
    )


# Verdicts that Fivetran's active errors may explain.
_ILLS = {Event.SYNC_FAILED, Event.CANCELLED, Event.INCOMPLETE, Event.BROKEN, Event.TESTS_FAILED}


def _may_ask_more(settings: Settings, facts: Facts) -> bool:
    """Whether optional requests are wanted, and Fivetran answers this key at all."""
    hopeless = {Event.REFUSED, Event.GAVE_UP, *SIGNALS}
    return settings.evidence and facts.failure is None and facts.verdict not in hopeless


def _has_sync(settings: Settings, facts: Facts) -> bool:
    """Whether a sync of this run was accepted, seen, or attached to."""
    attached = facts.syncing_seen and dict(settings.policies).get("on_running") == "attach"
    return facts.triggered_at is not None or facts.started or attached


def _since(facts: Facts) -> float:
    """Fivetran's time from which on the sync of this run happened."""
    at_baseline = facts.baseline.get("date") if facts.baseline else None
    since = at_baseline if facts.triggered_at is None else facts.triggered_at
    return (facts.connection_date or 0.0) if since is None else float(since)


def _items(answer: Answer) -> tuple[Mapping[str, Any], ...]:
    """The objects of an answer that is a list."""
    items = answer.data.get("items")
    return tuple(item for item in (items if isinstance(items, list) else []) if isinstance(item, Mapping))


def _accepted(facts: Facts, answer: Answer) -> Facts:
    return facts.but(
        triggered_at=answer.date,
        syncing_seen=False,
        quiet_since=None,
        not_started_for=None,
        looks=0,
        unanswered=None,
    )


def _schedule_was_tried(facts: Facts) -> bool:
    return not {disable_schedule.__name__, unpause_connection.__name__}.isdisjoint(facts.attempted)


def _schedule_is_settled(settings: Settings, facts: Facts) -> bool:
    """Nothing to do about the schedule: told so, manual already, or tried before."""
    manual = documents.schedule_type(facts.connection or {}) == documents.MANUAL
    return settings.keep_schedule or manual or _schedule_was_tried(facts)
