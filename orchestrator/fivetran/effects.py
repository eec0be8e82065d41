"""Effects: what to ask, and what the answer means.

An effect is a request as data (or none) and a pure function from settings, facts and answer
to one event and new facts. It knows no state and no successor, and copes with any fact
missing. The driver sends; nothing here waits, repeats or reads a clock.

A function's return annotation declares its events: mypy proves that the body returns nothing
else, and the loader compares the declaration with the chart's edges in both directions.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal, NamedTuple, get_args, get_type_hints

from orchestrator.fivetran import documents
from orchestrator.fivetran.progress import (
    Judgment,
    Opinion,
    decide,
    decide_by_history,
    is_quiet,
    items_since,
    quiet_left,
    since,
)
from orchestrator.fivetran.tags import Tag
from orchestrator.fivetran.verdicts import (
    has_sync,
    resync_failed,
    schedule_may_change,
    schedule_to_restore,
    schedule_to_switch_late,
    trigger_unanswered,
)
from orchestrator.job.result import Document, Story, result
from orchestrator.values.events import SIGNALS, Event
from orchestrator.values.exchange import Answer, Request
from orchestrator.values.facts import Facts
from orchestrator.values.formatting import iso, plain
from orchestrator.values.settings import Settings

__all__ = ["CHOICES", "EFFECTS", "PAUSES", "RULES", "Call", "Choice", "Pure", "Writing", "judge"]

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
        tags: What promises about charts speak of.
        needs: The choice that it must come straight after, and the value that tells it to; or None.
    """

    name: str
    outcomes: tuple[Event, ...]
    method: str
    ask: Ask
    mean: Meaning
    tags: frozenset[Tag] = frozenset()
    needs: tuple[str, str] | None = None


class Pure(NamedTuple):
    """An effect that follows from the facts alone, in no time.

    Attributes:
        name: As the charts have it.
        outcomes: Events that it may have.
        conclude: Says which, and the new facts.
        tags: What promises about charts speak of.
        needs: As for a call.
    """

    name: str
    outcomes: tuple[Event, ...]
    conclude: Conclusion
    tags: frozenset[Tag] = frozenset()
    needs: tuple[str, str] | None = None


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
# Name -> how long it lasts, in seconds: from settings, facts and the seconds since the run began.
PAUSES: dict[str, Callable[[Settings, Facts, float], float]] = {}


def _outcomes(function: Callable[..., Any]) -> tuple[Event, ...]:
    """The events of a return annotation `tuple[Literal[...], Facts]`."""
    literal, _ = get_args(get_type_hints(function)["return"])
    return get_args(literal)


def _call(method: str, ask: Ask, *tags: Tag, needs: tuple[str, str] | None = None) -> Callable[[Meaning], Meaning]:
    def register(mean: Meaning) -> Meaning:
        name = mean.__name__
        EFFECTS[name] = Call(name, _outcomes(mean), method, ask, mean, frozenset(tags), needs)
        return mean

    return register


def _pure(*tags: Tag, needs: tuple[str, str] | None = None) -> Callable[[Conclusion], Conclusion]:
    def register(conclude: Conclusion) -> Conclusion:
        name = conclude.__name__
        EFFECTS[name] = Pure(name, _outcomes(conclude), conclude, frozenset(tags), needs)
        return conclude

    return register


def _choice(of: Callable[[Settings, Facts], str]) -> Callable[[Settings, Facts], str]:
    name = of.__name__
    CHOICES[name] = Choice(name, get_args(get_type_hints(of)["return"]), of)
    return of


def _pause(lasts: Callable[[Settings, Facts, float], float]) -> Callable[[Settings, Facts, float], float]:
    PAUSES[lasts.__name__] = lasts
    return lasts


# --- What is asked --------------------------------------------------------------------------


def _on_connection(settings: Settings, facts: Facts, method: str, path: str, purpose: str, **how: Any) -> Request:  # noqa: ANN401  # any member of a request
    """A request about the connection."""
    whole = f"/v1/connections/{settings.connector_id}{path}"
    return Request(method, whole, purpose, known=facts.connection is not None, **how)


def _get_connection(settings: Settings, facts: Facts) -> Request:
    return _on_connection(settings, facts, "GET", "", "read the connection")


def _patch(settings: Settings, facts: Facts, purpose: str, change: Mapping[str, Any]) -> Request:
    # `run_setup_tests` is true by default and would run them for minutes.
    return _on_connection(settings, facts, "PATCH", "", purpose, body={**change, "run_setup_tests": False})


def _patch_schedule(settings: Settings, facts: Facts) -> Request:
    return _patch(settings, facts, "switch the connection to a manual schedule", {"schedule_type": documents.MANUAL})


def _patch_paused(settings: Settings, facts: Facts) -> Request:
    # Both in one: between two requests the overdue sync would start on the old schedule.
    schedule = {} if settings.keep_schedule else {"schedule_type": documents.MANUAL}
    return _patch(settings, facts, "un-pause the connection", {"paused": False, **schedule})


def _patch_schedule_back(settings: Settings, facts: Facts) -> Request:
    if facts.schedule_object is not None and settings.restore_schedule != "auto":
        return _patch(settings, facts, "restore the schedule", {"schedule": facts.schedule_object})
    before = "auto" if settings.restore_schedule == "auto" else facts.schedule_before or "auto"
    return _patch(settings, facts, "restore the schedule", {"schedule_type": before})


def _post_sync(settings: Settings, facts: Facts) -> Request:
    return _on_connection(settings, facts, "POST", "/sync", "start a sync", body={"force": False}, wants_data=False)


def _post_forced_sync(settings: Settings, facts: Facts) -> Request:
    return _on_connection(
        settings,
        facts,
        "POST",
        "/sync",
        "stop the running sync and start one",
        body={"force": True},
        wants_data=False,
    )


def _post_resync(settings: Settings, facts: Facts) -> Request:
    return _on_connection(
        settings,
        facts,
        "POST",
        "/schemas/tables/resync",
        "start a historical re-sync of the table",
        body={settings.schema: [settings.table]},
        wants_data=False,
    )


def _post_test(settings: Settings, facts: Facts) -> Request:
    return _on_connection(settings, facts, "POST", "/test", "run the setup tests", body={}, patient=True)


def _get_schemas(settings: Settings, facts: Facts) -> Request:
    return _on_connection(settings, facts, "GET", "/schemas", "look for names like the one given")


# An hour earlier than what is looked for, since it is not documented whether a sync's start or
# its end must lie in the window; a window of more than seven days is refused.
HISTORY_MARGIN, HISTORY_MOST = 3600.0, 7 * 86_400.0


def _get_sync_history(settings: Settings, facts: Facts) -> Request:
    until = facts.connection_date or 0.0
    return _get_history_until(settings, facts, until + 1)


def _get_restart(settings: Settings, facts: Facts) -> Request:
    # The last document is from before the restart: what is looked for began later than that.
    return _get_history_until(settings, facts, None)


def _get_history_until(settings: Settings, facts: Facts, end: float | None) -> Request:
    # https://fivetran.com/docs/rest-api/api-reference/connections/retrieve-connection-sync-history
    until = facts.connection_date or 0.0
    bound = since(facts)
    start = max((until if bound is None else bound) - HISTORY_MARGIN, until - HISTORY_MOST + 1)
    window = f"start_time={iso(start)}&end_time={iso(start + HISTORY_MOST - 1 if end is None else end)}"
    return _on_connection(
        settings, facts, "GET", f"/sync-history?{window}", "find the sync in the history", optional=True
    )


def _get_errors(settings: Settings, facts: Facts) -> Request:
    # https://fivetran.com/docs/rest-api/api-reference/connections/connection-errors (private preview)
    return _on_connection(settings, facts, "GET", "/errors", "list the connection's active errors", optional=True)


def _get_warnings(settings: Settings, facts: Facts) -> Request:
    # https://fivetran.com/docs/rest-api/api-reference/connections/connection-warnings
    return _on_connection(settings, facts, "GET", "/warnings", "list the connection's warnings", optional=True)


# --- What the answer means: before the trigger ------------------------------------------------


@_call("GET", _get_connection, Tag.READS)
def read_connection(settings: Settings, facts: Facts, answer: Answer) -> tuple[Literal[Event.READY], Facts]:
    """Read the connection, whatever its condition."""
    return Event.READY, _observed(settings, facts, answer)


@_call("GET", _get_connection, Tag.READS)
def validate_connection(
    settings: Settings, facts: Facts, answer: Answer
) -> tuple[Literal[Event.READY, Event.BUSY, Event.PAUSED, Event.INCOMPLETE, Event.BROKEN], Facts]:
    """Read the connection and see whether it can sync at all."""
    facts = _observed(settings, facts, answer)
    if facts.unpaused_looks is not None:
        facts = facts.but(unpaused_looks=facts.unpaused_looks + 1)
    setup, state = documents.setup_state(answer.data), documents.sync_state(answer.data)
    if setup == "incomplete":
        return Event.INCOMPLETE, facts
    if state == "syncing":
        return Event.BUSY, facts
    if state == "paused":
        return Event.PAUSED, facts
    if setup == "broken":
        return Event.BROKEN, facts
    return Event.READY, facts


@_call("PATCH", _patch_schedule, Tag.READS, Tag.CHANGES_SCHEDULE, needs=("schedule_to_switch", "yes"))
def disable_schedule(settings: Settings, facts: Facts, answer: Answer) -> tuple[Literal[Event.DISABLED], Facts]:
    """The connection's schedule is manual."""
    return Event.DISABLED, _observed(settings, facts, answer)


@_call("PATCH", _patch_paused, Tag.READS, Tag.CHANGES_SCHEDULE, Tag.UNPAUSES, needs=("unpause", "yes"))
def unpause_connection(settings: Settings, facts: Facts, answer: Answer) -> tuple[Literal[Event.UNPAUSED], Facts]:
    """The connection is no longer paused."""
    return Event.UNPAUSED, _observed(settings, facts, answer).but(unpaused_looks=0)


@_pure(Tag.TAKES_BASELINE)
def take_baseline(_: Settings, facts: Facts) -> tuple[Literal[Event.IDLE, Event.BUSY], Facts]:
    """Remember the dates of the freshest document: a sync of ours will move one of them."""
    document = facts.connection or {}
    busy = documents.sync_state(document) == "syncing"
    date = facts.connection_date if facts.dated else None
    if date is not None and facts.ever_syncing and not busy:
        # Another sync has ended: its date may still be on its way, and may lie in the second that
        # Fivetran's `Date` rounds away. It must not pass for the end of ours.
        date += 1
    facts = facts.but(
        baseline={
            "succeeded_at": document.get("succeeded_at"),
            "failed_at": document.get("failed_at"),
            "rescheduled_for": documents.rescheduled_for(document),
            "busy": busy,
            "broken": documents.setup_state(document) == "broken",
            "date": date,
        },
        unpaused_looks=facts.unpaused_looks if busy else None,
        triggered=False,
        triggered_at=None,
        asked_at=None,
        started=False,
        restarted=False,
        syncing_seen=busy,
        doubt=None,
        not_started_for=None,
        waited_for=None,
        looks=0,
        looking_since=None,
    )
    return (Event.BUSY if busy else Event.IDLE), facts


# --- The trigger --------------------------------------------------------------------------------


@_call("POST", _post_sync, Tag.STARTS_SYNC)
def trigger_sync(_: Settings, facts: Facts, answer: Answer) -> tuple[Literal[Event.TRIGGERED], Facts]:
    """Fivetran accepted the sync."""
    return Event.TRIGGERED, _accepted(facts, answer)


@_call("POST", _post_forced_sync, Tag.RESTARTS_SYNC, needs=("on_running", "restart"))
def restart_sync(_: Settings, facts: Facts, answer: Answer) -> tuple[Literal[Event.TRIGGERED], Facts]:
    """Fivetran stops the running sync and starts ours."""
    return Event.TRIGGERED, _accepted(facts, answer).but(restarted=True)


@_call("POST", _post_resync, Tag.STARTS_RESYNC)
def resync_table(_: Settings, facts: Facts, answer: Answer) -> tuple[Literal[Event.TRIGGERED], Facts]:
    """Fivetran accepted the re-sync of the table."""
    return Event.TRIGGERED, _accepted(facts, answer)


@_call("GET", _get_restart, Tag.LOOKS, needs=("restart_to_find", "yes"))
def find_restart(_: Settings, facts: Facts, answer: Answer) -> tuple[Literal[Event.STARTED, Event.NOT_STARTED], Facts]:
    """The restart's answer was lost: does the history have a sync that began after it was asked for?"""
    asked = _asked_for(facts, answer)
    # Fivetran's `Date` has whole seconds: in the very second the sync may have begun that was to be stopped.
    starts = [documents.parse_time(item.get("start")) for item in _items(answer)]
    later = [start for start in starts if asked is not None and start is not None and start >= asked + 1]
    if not later:
        return Event.NOT_STARTED, facts
    # When our sync began: what the stopped one leaves behind has an earlier date.
    return Event.STARTED, _known_started(facts, min(later))


@_pure()
def leave_unconfirmed(_: Settings, facts: Facts) -> tuple[Literal[Event.UNCONFIRMED], Facts]:
    """Whether the re-sync was accepted is not known, and waiting longer would not settle it."""
    return Event.UNCONFIRMED, facts


# A queued sync shows nothing: only the third look without a sign says that none was started,
# and only some seconds after the first.
LOOKS = 3
LOOK_SECONDS = 15.0


@_call("GET", _get_connection, Tag.READS, Tag.LOOKS)
def confirm_start(
    settings: Settings, facts: Facts, answer: Answer
) -> tuple[Literal[Event.STARTED, Event.UNCLEAR, Event.NOT_STARTED], Facts]:
    """The trigger's answer was lost: look for a sign of the sync."""
    facts = _observed(settings, facts, answer)
    bound = _asked_for(facts, answer)
    # Only a restart is sent while another sync runs: what the stopped one leaves behind is not ours.
    stopping = bool((facts.baseline or {}).get("busy")) and dict(settings.policies).get("on_running") == "restart"
    judged = _sign(facts.but(restarted=stopping), answer)
    if judged.event is not Event.RUNNING or judged.facts.syncing_seen:
        # Only a sign is taken from here: what it means is for the next poll to say, afresh.
        warning = "the trigger's answer was lost; a sync was seen since, and is taken for the one that was asked for"
        return Event.STARTED, _known_started(facts, bound).but(
            restarted=stopping, syncing_seen=judged.facts.syncing_seen, warnings=facts.warned(warning)
        )
    began = answer.at if facts.looking_since is None else facts.looking_since
    if facts.looks + 1 < LOOKS or answer.at - began < LOOK_SECONDS:
        return Event.UNCLEAR, facts.but(looks=facts.looks + 1, looking_since=began)
    return Event.NOT_STARTED, facts.but(looks=0, looking_since=None)


def _sign(facts: Facts, answer: Answer) -> Judgment:
    """What became of the sync, if the trigger whose answer was lost was carried out."""
    return decide(facts.but(triggered_at=_asked_for(facts, answer), doubt=None), answer.data, answer.at)


# --- Its end ------------------------------------------------------------------------------------


@_call("GET", _get_connection, Tag.READS, Tag.JUDGES)
def poll_sync(
    settings: Settings, facts: Facts, answer: Answer
) -> tuple[
    Literal[Event.RUNNING, Event.SUCCEEDED, Event.PAUSED, Event.BROKEN, Event.RESCHEDULED, Event.DOUBTFUL], Facts
]:
    """Read the connection and judge what became of the sync."""
    judged = _polled(settings, facts, answer)
    return judged.event, judged.facts


def _polled(settings: Settings, facts: Facts, answer: Answer) -> Judgment:
    # A doubt begins here: what was in doubt before has been dispelled since.
    return judge(_observed(settings, facts, answer).but(doubt=None), answer)


@_call("GET", _get_sync_history, Tag.JUDGES, needs=("history_to_ask", "yes"))
def judge_by_history(
    settings: Settings, facts: Facts, answer: Answer
) -> tuple[
    Literal[Event.SUCCEEDED, Event.SYNC_FAILED, Event.CANCELLED, Event.RESCHEDULED, Event.RUNNING, Event.INCONCLUSIVE],
    Facts,
]:
    """Ask the sync history what became of the sync, before a doubt is believed."""
    if facts.doubt is not None:
        facts = facts.but(doubt={**facts.doubt, "asked": facts.doubt.get("asked", 0) + 1})
    opinion = _by_history(settings, facts, answer)
    return opinion.event, opinion.facts


def _by_history(settings: Settings, facts: Facts, answer: Answer) -> Opinion:
    return decide_by_history(facts, _items(answer), attached=_attached(settings, facts))


@_call("GET", _get_connection, Tag.READS, Tag.JUDGES)
def recheck_sync(
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
        Event.DOUBTFUL,
    ],
    Facts,
]:
    """Read the connection again: after enough quiet, what was in doubt is believed."""
    judged = judge(_observed(settings, facts, answer), answer)
    if judged.event is Event.DOUBTFUL and is_quiet(judged.facts) and not _history_helps(settings, judged.facts):
        return Event(str((judged.facts.doubt or {})["verdict"])), judged.facts  # type: ignore[return-value]  # one of these
    return judged.event, judged.facts


@_pure(Tag.JUDGES, needs=("failure_shown", "yes"))
def accept_failure(_: Settings, facts: Facts) -> tuple[Literal[Event.SYNC_FAILED], Facts]:
    """The deadline ends the doubt: the failure that Fivetran shows is believed."""
    return Event.SYNC_FAILED, facts


# Effect -> the rule by which it decided, for people.
RULES: dict[str, Callable[[Settings, Facts, Answer], str]] = {
    "confirm_start": lambda settings, facts, answer: _sign(_observed(settings, facts, answer), answer).rule,
    "poll_sync": lambda settings, facts, answer: _polled(settings, facts, answer).rule,
    "judge_by_history": lambda settings, facts, answer: _by_history(settings, facts, answer).rule,
    "recheck_sync": lambda settings, facts, answer: judge(_observed(settings, facts, answer), answer).rule,
}


def judge(facts: Facts, answer: Answer) -> Judgment:
    """What a connection document says of our sync, and by which rule.

    Args:
        facts: What the run knows.
        answer: The answer with the document.
    """
    return decide(facts, answer.data, answer.at, resync=resync_table.__name__ in facts.attempted)


@_pure()
def show_connection(settings: Settings, facts: Facts) -> tuple[Literal[Event.SHOWN], Facts]:
    """Point out what stands in the way of a sync."""
    document = facts.connection or {}
    notes = list(_left_alone(settings, facts))
    if documents.sync_state(document) == "paused":
        notes.append("the connection is paused: it will not sync until it is un-paused")
    if (setup := documents.setup_state(document)) in {"incomplete", "broken"}:
        notes.append(f"the connection's setup is {setup}: it cannot sync")
    return Event.SHOWN, facts.but(warnings=facts.warned(*notes, *documents.problems(document)))


@_call("POST", _post_test, Tag.READS, Tag.RUNS_TESTS)
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
    facts = facts.but(setup_tests=tests, warnings=facts.warned(*warnings, *_left_alone(settings, facts)))
    return (Event.TESTS_FAILED if results & documents.SETUP_TEST_FAILURES else Event.PASSED), facts


# --- After the verdict --------------------------------------------------------------------------


@_call("PATCH", _patch_schedule_back, Tag.READS, Tag.RESTORES_SCHEDULE, needs=("restore_schedule", "yes"))
def restore_schedule(settings: Settings, facts: Facts, answer: Answer) -> tuple[Literal[Event.RESTORED], Facts]:
    """The schedule is as it was found."""
    facts = _observed(settings, facts, answer)
    if facts.schedule_object is not None and settings.restore_schedule != "auto":
        now = answer.data.get("schedule")
        if not documents.same_schedule(facts.schedule_object, now):
            warning = f"the schedule was {plain(facts.schedule_object)}; after restoring it Fivetran shows {plain(now)}"
            facts = facts.but(warnings=facts.warned(warning))
    return Event.RESTORED, facts


@_call("PATCH", _patch_schedule, Tag.READS, Tag.SWITCHES_LATE, needs=("late_switch", "yes"))
def switch_schedule_late(settings: Settings, facts: Facts, answer: Answer) -> tuple[Literal[Event.DISABLED], Facts]:
    """The connection's schedule is manual, now that the sync has ended."""
    return Event.DISABLED, _observed(settings, facts, answer)


@_call("GET", _get_schemas, needs=("names_to_compare", "yes"))
def find_near_matches(settings: Settings, facts: Facts, answer: Answer) -> tuple[Literal[Event.COMPARED], Facts]:
    """Keep the names at the source that are close to the ones given."""
    from orchestrator.fivetran.near_matches import near_matches  # noqa: PLC0415  # difflib: only after a typo

    return Event.COMPARED, facts.but(near_matches=near_matches(answer.data, settings.schema, settings.table))


@_call("GET", _get_sync_history, needs=("sync_to_find", "yes"))
def find_sync(settings: Settings, facts: Facts, answer: Answer) -> tuple[Literal[Event.LOOKED_UP], Facts]:
    """Keep the history's record of the sync that this run was about."""
    found = items_since(since(facts), _items(answer), attached=_attached(settings, facts))
    return Event.LOOKED_UP, facts.but(sync=found[-1] if found else None)


@_call("GET", _get_errors, needs=("errors_to_list", "yes"))
def list_errors(_: Settings, facts: Facts, answer: Answer) -> tuple[Literal[Event.LOOKED_UP], Facts]:
    """Keep the active errors, with Fivetran's remedies."""
    return Event.LOOKED_UP, facts.but(errors=_items(answer))


@_call("GET", _get_warnings, needs=("warnings_to_list", "yes"))
def list_warnings(_: Settings, facts: Facts, answer: Answer) -> tuple[Literal[Event.LOOKED_UP], Facts]:
    """Keep Fivetran's warnings by destination table."""
    return Event.LOOKED_UP, facts.but(table_warnings=_items(answer))


EFFECTS["write_report"] = Writing("write_report", result)


# --- Choices --------------------------------------------------------------------------------------


@_choice
def unpause(settings: Settings, _: Facts) -> Literal["no", "yes"]:
    """FIVETRAN_UNPAUSE."""
    return "yes" if settings.unpause else "no"


@_choice
def on_broken(settings: Settings, _: Facts) -> str:
    """FIVETRAN_ON_BROKEN."""
    return settings.policy("on_broken")


@_choice
def schedule_to_switch(settings: Settings, facts: Facts) -> Literal["yes", "no"]:
    """Is the schedule to be switched to manual: not kept, not manual, not tried before, and no sync is running?"""
    document = facts.connection or {}
    settled = settings.keep_schedule or documents.schedule_type(document) == documents.MANUAL
    tried = _SWITCHES & {*facts.answered, *facts.given_up}
    return "no" if settled or tried or documents.sync_state(document) == "syncing" else "yes"


@_choice
def own_trigger_unanswered(_: Settings, facts: Facts) -> Literal["no", "yes"]:
    """May a trigger of this run have been carried out though its answer was lost?"""
    return "yes" if trigger_unanswered(facts) else "no"


@_choice
def own_sync_in_the_way(_: Settings, facts: Facts) -> Literal["no", "yes"]:
    """May the running sync be our own: its answer was lost, or Fivetran has resumed it?"""
    return "yes" if trigger_unanswered(facts) or facts.waited_for is not None else "no"


# More than that in a row are no accident: the next one would be lost, too.
LOST_MOST = 3


@_choice
def trigger_to_repeat(_: Settings, facts: Facts) -> Literal["yes", "no"]:
    """May the trigger be sent (again): fewer than three answers were lost?"""
    return "yes" if facts.lost < LOST_MOST else "no"


@_choice
def on_running(settings: Settings, facts: Facts) -> str:
    """FIVETRAN_ON_RUNNING; a sync that this run may have started itself is not failed for, but waited for."""
    policy = settings.policy("on_running")
    ours = facts.unpaused_looks is not None or trigger_unanswered(facts)
    return "wait" if policy == "fail" and ours else policy


@_choice
def on_reschedule(settings: Settings, _: Facts) -> str:
    """FIVETRAN_ON_RESCHEDULE."""
    return settings.policy("on_reschedule")


@_choice
def schedule_type(_: Settings, facts: Facts) -> str:
    """The freshest document's schedule type."""
    return documents.schedule_type(facts.connection or {}) or ""


@_choice
def history_to_ask(settings: Settings, facts: Facts) -> Literal["yes", "no"]:
    """FIVETRAN_EVIDENCE: is the history to be asked about the doubt, at first and once more after the quiet?"""
    return "yes" if _history_helps(settings, facts) else "no"


@_choice
def restart_to_find(settings: Settings, facts: Facts) -> Literal["yes", "no"]:
    """FIVETRAN_EVIDENCE: is the history to be asked for a restart whose answer was lost?"""
    return "yes" if settings.evidence != "0" and find_restart.__name__ not in facts.given_up else "no"


@_choice
def failure_shown(_: Settings, facts: Facts) -> Literal["no", "yes"]:
    """In doubt at the deadline: did `failed_at` move, and nothing was restarted?"""
    doubted = (facts.doubt or {}).get("verdict")
    return "yes" if doubted == Event.SYNC_FAILED and not facts.restarted else "no"


def _restore_schedule(settings: Settings, facts: Facts) -> Literal["no", "yes"]:
    """FIVETRAN_RESTORE_SCHEDULE, where there is something to restore and no sync may be running."""
    return "yes" if schedule_to_restore(settings, facts) and schedule_may_change(settings, facts) else "no"


CHOICES["restore_schedule"] = Choice("restore_schedule", ("no", "yes"), _restore_schedule)


@_choice
def late_switch(settings: Settings, facts: Facts) -> Literal["no", "yes"]:
    """Is the schedule to be switched now, after a sync that was attached to or restarted?"""
    return "yes" if schedule_to_switch_late(settings, facts) and schedule_may_change(settings, facts) else "no"


@_choice
def names_to_compare(settings: Settings, facts: Facts) -> Literal["no", "yes"]:
    """FIVETRAN_EVIDENCE, where Fivetran does not know the schema or the table."""
    unknown_table = facts.verdict == Event.NOT_FOUND and resync_failed(facts)
    return "yes" if settings.evidence != "0" and unknown_table else "no"


@_choice
def sync_to_find(settings: Settings, facts: Facts) -> Literal["yes", "no"]:
    """FIVETRAN_EVIDENCE, where a sync of this run was seen or accepted, and the history was not asked before."""
    known = facts.sync is not None or judge_by_history.__name__ in facts.given_up
    findable = has_sync(settings, facts) and not known and since(facts) is not None
    return "yes" if findable and _may_ask_more(settings, facts) else "no"


@_choice
def errors_to_list(settings: Settings, facts: Facts) -> Literal["no", "yes"]:
    """FIVETRAN_EVIDENCE, where something is wrong with the sync or the connection."""
    document = facts.connection or {}
    ill = documents.setup_state(document) in {"incomplete", "broken"} or documents.problems(document)
    wrong = (
        facts.verdict in _ILLS
        or (facts.verdict == Event.TIMED_OUT and has_sync(settings, facts))
        or (facts.verdict == Event.SHOWN and ill)
    )
    return "yes" if wrong and _may_ask_more(settings, facts) else "no"


@_choice
def warnings_to_list(settings: Settings, facts: Facts) -> Literal["no", "yes"]:
    """FIVETRAN_EVIDENCE, where the connection's document has warnings."""
    warned = documents.status(facts.connection or {}).get("warnings")
    return "yes" if warned and _may_ask_more(settings, facts) else "no"


@_choice
def verdict(_: Settings, facts: Facts) -> str:
    """How it ended."""
    return facts.verdict or ""


# --- Pauses ---------------------------------------------------------------------------------------

# After un-pausing an overdue sync starts within seconds or not at all: a coarse poll interval would only cost time.
FIRST_LOOK = 10.0


@_pause
def next_poll(settings: Settings, facts: Facts, _: float) -> float:
    """Until FIVETRAN_POLL_INTERVAL has passed; at most 10 s before the first look after un-pausing."""
    return min(settings.poll_interval, FIRST_LOOK) if facts.unpaused_looks == 0 else settings.poll_interval


@_pause
def quiet(settings: Settings, facts: Facts, now: float) -> float:
    """Until FIVETRAN_POLL_INTERVAL has passed, or the quiet is over after which a doubt is believed."""
    return settings.poll_interval if facts.doubt is None else min(settings.poll_interval, quiet_left(facts, now))


@_pause
def rescheduled_for(settings: Settings, facts: Facts, _: float) -> float:
    """Until the time for which Fivetran rescheduled the sync, by Fivetran's clock."""
    until = documents.parse_time(facts.waited_for)
    if until is None or facts.connection_date is None:
        return settings.poll_interval
    return max(0.0, until - facts.connection_date)


# --- Shared ---------------------------------------------------------------------------------------

_SWITCHES = {disable_schedule.__name__, unpause_connection.__name__}  # what may have made the schedule manual


def _observed(settings: Settings, facts: Facts, answer: Answer) -> Facts:
    """The facts with the freshest document."""
    document = answer.data
    known = documents.schedule_type(document)
    warnings = documents.unknown_values(document)
    if not answer.dated:
        warnings.append(
            "Fivetran's answer had no Date header: nothing tells when its dates are, so a sync that ended just before "
            "this run's may pass for this run's"
        )
    tried = not _SWITCHES.isdisjoint(facts.attempted)
    special = documents.special_schedule(document)
    if special and not tried and facts.schedule_object is None and not settings.keep_schedule:
        warnings.append(
            f"the connection has a {special} schedule; note it, or set FIVETRAN_DONT_DISABLE_SYNC: "
            "FIVETRAN_RESTORE_SCHEDULE restores it as far as Fivetran's API allows"
        )
    if known is None and not tried and settings.restore_schedule == "before" and not settings.keep_schedule:
        warnings.append("Fivetran does not say what the schedule is: FIVETRAN_RESTORE_SCHEDULE cannot restore it")
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


def _left_alone(settings: Settings, facts: Facts) -> Iterator[str]:
    """That the schedule was not switched, since that might have stopped a sync."""
    document = facts.connection or {}
    automatic = documents.schedule_type(document) != documents.MANUAL and not settings.keep_schedule
    if automatic and documents.sync_state(document) == "syncing":
        yield "a sync is running: the schedule was left as it is, since a change might stop the sync"


# Verdicts that Fivetran's active errors may explain.
_ILLS = {Event.SYNC_FAILED, Event.CANCELLED, Event.INCOMPLETE, Event.BROKEN, Event.TESTS_FAILED}
# Verdicts that an optional request may be made for with FIVETRAN_EVIDENCE=red.
_GREEN = {Event.SUCCEEDED, Event.SHOWN, Event.PASSED}


def _may_ask_more(settings: Settings, facts: Facts) -> bool:
    """Whether optional requests are wanted, and Fivetran answers this key at all."""
    hopeless = {Event.REFUSED, Event.GAVE_UP, *SIGNALS}
    wanted = settings.evidence == "1" or (settings.evidence == "red" and facts.verdict not in _GREEN)
    return wanted and facts.failure is None and facts.verdict not in hopeless


def _history_helps(settings: Settings, facts: Facts) -> bool:
    """Whether the history may dispel the present doubt: asked at first, and once more when the quiet is over."""
    doubt = facts.doubt or {}
    asked = doubt.get("asked", 0)
    due = asked == 0 or (asked == 1 and bool(doubt.get("over")))
    wanted = settings.evidence == "1" or (settings.evidence == "red" and doubt.get("verdict") != Event.SUCCEEDED)
    return wanted and due and since(facts) is not None and judge_by_history.__name__ not in facts.given_up


def _attached(settings: Settings, facts: Facts) -> bool:
    """Whether the sync that is followed ran before this run came to it."""
    busy = bool((facts.baseline or {}).get("busy"))
    return busy and not facts.triggered and not facts.started and dict(settings.policies).get("on_running") == "attach"


def _items(answer: Answer) -> tuple[Mapping[str, Any], ...]:
    """The objects of an answer that is a list."""
    items = answer.data.get("items")
    return tuple(item for item in (items if isinstance(items, list) else []) if isinstance(item, Mapping))


def _accepted(facts: Facts, answer: Answer) -> Facts:
    return facts.but(
        triggered=True,
        restarted=False,
        triggered_at=answer.asked_at,
        asked_at=answer.at - answer.took,
        lost=0,
        syncing_seen=False,
        doubt=None,
        not_started_for=None,
        looks=0,
        looking_since=None,
        unanswered=None,
    )


def _known_started(facts: Facts, bound: float | None) -> Facts:
    """The facts once a trigger whose answer was lost is known to have been carried out."""
    return facts.but(started=True, triggered_at=bound, lost=0, doubt=None, looks=0, looking_since=None, unanswered=None)


def _asked_for(facts: Facts, answer: Answer) -> float | None:
    """Fivetran's now when the first trigger whose answer was lost was sent; None where that is not known."""
    if facts.asked_at is None or not answer.dated:
        return None
    return answer.date - (answer.at - facts.asked_at)
