"""A verdict in words: what happened, why, what goes on at Fivetran, what to do now.

It is what somebody reads whose pipeline has just turned red at night.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from orchestrator.fivetran import documents
from orchestrator.fivetran.effects.registry import resyncs
from orchestrator.fivetran.effects.situation import (
    OVER,
    has_sync,
    resync_failed,
    schedule_may_change,
    schedule_to_restore,
    schedule_to_switch_late,
    still_running,
    triggered,
)
from orchestrator.values.events import Event
from orchestrator.values.facts import Facts
from orchestrator.values.formatting import duration, few, listed
from orchestrator.values.settings import Settings

__all__ = ["HEADLINES", "Action", "Explanation", "explain"]


class Action(Protocol):
    """What a chart says of its action, as far as a verdict's words depend on it."""

    @property
    def green(self) -> str:
        """The one verdict that ends with exit code 0."""

    @property
    def triggers(self) -> tuple[str, ...]:
        """The effects that have Fivetran start what it is about."""

    def values(self, choice: str) -> tuple[str, ...]:
        """The values of a choice that it has an edge for."""


class Explanation(NamedTuple):
    """A verdict for people.

    Attributes:
        headline: What happened, in one line.
        reasons: Why, in Fivetran's words where it has any.
        at_fivetran: What goes on there now.
        still_running: Whether a sync runs there now; None if that is not known.
        advice: What to do now.
    """

    headline: str
    reasons: tuple[str, ...]
    at_fivetran: tuple[str, ...]
    still_running: bool | None
    advice: tuple[str, ...]


HEADLINES: dict[str, str] = {
    Event.SUCCEEDED: "the sync succeeded",
    Event.SYNC_FAILED: "the sync failed",
    Event.CANCELLED: "the sync was cancelled: it ended with neither a success nor a failure",
    Event.SHOWN: "the connection was read",
    Event.PASSED: "the setup tests passed",
    Event.TESTS_FAILED: "setup tests failed",
    Event.REFUSED: "Fivetran refused the request: the API key",
    Event.NOT_FOUND: "Fivetran does not know the connection",
    Event.REJECTED: "Fivetran rejected the request",
    Event.TIMED_OUT: "time ran out",
    Event.GAVE_UP: "Fivetran's API was unavailable",
    Event.PAUSED: "the connection is paused",
    Event.INCOMPLETE: "the connection's setup is incomplete",
    Event.BROKEN: "the connection is broken",
    Event.BUSY: "another sync is running",
    Event.RESCHEDULED: "Fivetran rescheduled the sync",
    Event.TOO_LATE: "Fivetran rescheduled the sync to a time after the deadline",
    Event.UNCONFIRMED: "whether Fivetran accepted the trigger is not known: its answers were lost",
    Event.INTERRUPTED: "the job was interrupted",
    Event.TERMINATED: "the job was terminated",
}

MOST_NAMES = 5  # of tables in one sentence

# What the last attempt failed of decides what giving up is called.
_GAVE_UP: dict[str, str] = {
    Event.CONFLICT: "something else on the connection stood in the way",
    Event.RATE_LIMITED: "Fivetran's limit of calls is used up",
}


def explain(settings: Settings, facts: Facts, chart: Action) -> Explanation:
    """Put a verdict into words.

    Args:
        settings: The job's settings.
        facts: The facts at the end; every one may be missing.
        chart: The job's chart.
    """
    verdict = facts.verdict or ""
    document = facts.connection or {}
    running = still_running(settings, facts)
    headline = HEADLINES.get(verdict, f"the chart ends the run on {verdict}" if verdict else "")
    if verdict == Event.TIMED_OUT and facts.failure:
        cause = _GAVE_UP.get(facts.failure.get("event", ""))
        headline = f"time ran out: {cause}" if cause else "time ran out while Fivetran did not answer"
    elif verdict == Event.TIMED_OUT and facts.doubt:
        headline = "time ran out: the sync is gone, and Fivetran shows neither a success nor a failure yet"
    elif verdict == Event.GAVE_UP:
        headline = _GAVE_UP.get((facts.failure or {}).get("event", ""), headline)
    elif verdict == Event.NOT_FOUND and resync_failed(facts):
        headline = f"Fivetran does not know {_several(settings, 'the schema or the table', 'one of the tables')}"
    elif verdict == Event.SUCCEEDED and resyncs(chart.triggers):
        headline = "the re-sync was accepted, and a sync has succeeded since"
    elif verdict == Event.SUCCEEDED and not triggered(facts):
        headline = "the sync that was running already succeeded"
    elif verdict == Event.PAUSED and triggered(facts):
        headline = "the connection was paused before the sync ended"
    return Explanation(
        headline=headline,
        reasons=few(_reasons(settings, facts, chart, document)),
        at_fivetran=(*_at_fivetran(settings, facts, chart, document, running), *few(_evidence(facts, chart))),
        still_running=running,
        advice=(*few(_remedies(facts)), *_advice(settings, facts, chart)),
    )


def _several(settings: Settings, one: str, several: str) -> str:
    return several if settings.tables else one


def _given(settings: Settings) -> str:
    """The tables that the job is about."""
    return listed([f"{schema}.{table}" for schema, tables in settings.scope.items() for table in tables], MOST_NAMES)


def _reasons(settings: Settings, facts: Facts, chart: Action, document: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        *_failure_reasons(facts),
        *(_sync_reasons(settings, facts, document) if facts.verdict != chart.green else ()),
        *(
            f"{test.get('title')}: {test.get('status')}: {test.get('message')}"
            for test in facts.setup_tests or ()
            if str(test.get("status")) in documents.SETUP_TEST_FAILURES
        ),
        *_name_reasons(settings, facts),
    )


def _failure_reasons(facts: Facts) -> Iterator[str]:
    if failure := facts.failure:
        words = " ".join(str(failure[key]) for key in ("status", "code") if failure.get(key))
        line = f"{failure['request']} ({failure['purpose']}): {words + ': ' if words else ''}{failure['message']}"
        if failure["attempts"] > 1:
            line += f" ({failure['attempts']} attempts)"
        if failure["request_id"]:
            line += f" (request id {failure['request_id']})"
        yield line


def _sync_reasons(settings: Settings, facts: Facts, document: Mapping[str, Any]) -> Iterator[str]:
    verdict, problems = facts.verdict, documents.problems(document)
    if verdict in OVER:
        yield from problems
    if verdict in {Event.INCOMPLETE, Event.BROKEN} and not problems:
        yield f"its setup_state is {documents.setup_state(document)}; Fivetran's API gives no task for it"
    if verdict == Event.SYNC_FAILED and not problems:
        yield "Fivetran's API gives no reason; the connection's page has the sync's log"
    if verdict in {Event.RESCHEDULED, Event.TOO_LATE}:
        yield f"rescheduled for {facts.waited_for or 'a time that Fivetran does not say'}"
    if verdict == Event.UNCONFIRMED:
        yield f"{facts.lost} trigger{'' if facts.lost == 1 else 's'} had no answer"
    if verdict == Event.TIMED_OUT:
        yield f"the run had {settings.timeout:g} s (FIVETRAN_TIMEOUT)"
        if facts.not_started_for is not None:
            yield (
                f"Fivetran accepted the sync, but nothing of it was seen in {facts.not_started_for:.0f} s: "
                "it is queued (with integrated or smart transformations a sync waits for them), or was dropped"
            )


def _name_reasons(settings: Settings, facts: Facts) -> Iterator[str]:
    if facts.near_matches:
        yield f"names like {_given(settings)} at the source: {', '.join(facts.near_matches)}"
    elif facts.near_matches is not None:
        yield f"no name at the source is like {_given(settings)}"


def _at_fivetran(
    settings: Settings,
    facts: Facts,
    chart: Action,
    document: Mapping[str, Any],
    running: bool | None,  # noqa: FBT001
) -> tuple[str, ...]:
    found = []
    if facts.unanswered:
        found.append(f"{facts.unanswered} had no answer: it may have been carried out")
    syncing = documents.sync_state(document) == "syncing"
    if running is True:
        ours = has_sync(settings, facts) and facts.verdict != Event.SUCCEEDED
        found.append("the sync is still running" if ours else "another sync is running; this job did not start it")
    elif running is None and syncing:
        found.append("a sync was running when Fivetran last answered; it may have ended since")
    elif running is None and triggered(facts):
        found.append("the sync was triggered and may still be running; it was left alone")
    elif facts.verdict in {Event.RESCHEDULED, Event.TOO_LATE}:
        manual = documents.schedule_type(document) == documents.MANUAL
        found.append(
            "the sync is waiting; on a manual schedule Fivetran will not resume it by itself"
            if manual
            else "the sync is waiting; Fivetran will resume it by itself"
        )
    elif running is False and facts.verdict not in {chart.green, Event.TESTS_FAILED}:
        found.append("no sync of this run is running")
    return (*found, *_schedule(settings, facts, document))


def _schedule(settings: Settings, facts: Facts, document: Mapping[str, Any]) -> Iterator[str]:
    """What became of the connection's schedule."""
    was, now = facts.schedule_before, documents.schedule_type(document)
    wanted = "auto" if settings.restore_schedule == "auto" else was
    settled = schedule_may_change(settings, facts)
    if not settled and schedule_to_restore(settings, facts):
        yield (
            f"the schedule was not restored, since a sync may be running, which a change might stop: it is {now}; "
            f"FIVETRAN_RESTORE_SCHEDULE=auto in a later job sets it to auto"
            if wanted == "auto"
            else f"the schedule was not restored to {wanted}, since a sync may be running, which a change might stop"
        )
    elif not settled and schedule_to_switch_late(settings, facts):
        is_now = now or "not known"
        yield f"the schedule was left as it is ({is_now}), since a sync may be running, which a change might stop"
    elif now == documents.MANUAL and was not in {None, documents.MANUAL}:
        restore = " is set, and did not restore it" if settings.restore_schedule else "=1 restores it at a job's end"
        yield (
            f"the schedule is now manual (it was {was}): syncs happen only when a job starts one; "
            f"FIVETRAN_RESTORE_SCHEDULE{restore}"
        )


def _evidence(facts: Facts, chart: Action) -> Iterator[str]:
    """What Fivetran says of the sync beside the connection's state: its history, and that it is a historical one."""
    if sync := facts.sync:
        ended = f"to {sync['end']}" if sync.get("end") else "and not ended"
        status = f": {sync['status']}" if sync.get("status") else ""
        reason = f" ({sync['reason']})" if sync.get("reason") else ""
        yield f"its history has this sync as {sync.get('sync_id')}, from {sync.get('start')} {ended}{status}{reason}"
    historical = documents.status(facts.connection or {}).get("is_historical_sync") is True
    if historical and resyncs(chart.triggers):
        yield "a historical sync is under way (status.is_historical_sync)"


def _remedies(facts: Facts) -> Iterator[str]:
    """What Fivetran itself advises on the connection's active errors."""
    for error in facts.errors or ():
        yield f"Fivetran on {error.get('title') or error.get('type')}: {error.get('message') or error.get('reason')}"


def _advice(settings: Settings, facts: Facts, chart: Action) -> list[str]:
    verdict = facts.verdict or ""
    return _ADVICE[verdict](settings, facts, chart) if verdict in _ADVICE and verdict != chart.green else []


def _key_advice(_: Settings, facts: Facts, __: Action) -> list[str]:
    if (facts.failure or {}).get("status") == 403:  # noqa: PLR2004
        return ["give the API key's user or role the permission that Fivetran names, for this connection's destination"]
    return [
        (
            "check FIVETRAN_API_KEY and FIVETRAN_API_SECRET: both belong to one key, "
            "made under Account Settings > API Config or the user's own API key page"
        ),
        "a masked GitLab variable that is also protected is empty on unprotected branches",
    ]


def _name_advice(settings: Settings, facts: Facts, _: Action) -> list[str]:
    if resync_failed(facts):
        return [
            (
                f"check {_several(settings, 'SCHEMA and TABLE', 'TABLES')}: the names at the source, case-sensitive "
                f"(given: {_several(settings, f'SCHEMA={settings.schema} TABLE={settings.table}', _given(settings))})"
            )
        ]
    return [
        (
            f"check CONNECTOR_ID ({settings.connector_id}): the connection's Setup tab shows it, "
            "two words such as speak_inexpensive; it is not the connection's name"
        ),
        "check that the API key belongs to the same account",
    ]


def _time_advice(settings: Settings, facts: Facts, chart: Action) -> list[str]:
    advice = [f"raise FIVETRAN_TIMEOUT (now {settings.timeout:g} s), and the job's own timeout with it"]
    if _may_attach(chart) and still_running(settings, facts) is not False:
        advice.insert(0, f"to wait for the sync that is running, start the job again {_attaching(settings)}")
    return advice


def _may_attach(chart: Action) -> bool:
    return "attach" in chart.values("on_running")


def _attaching(settings: Settings) -> str:
    """How to start a job so that it waits for a sync that runs already."""
    set_already = _policy(settings, "on_running") == "attach"
    return "as it is: FIVETRAN_ON_RUNNING is attach" if set_already else "with FIVETRAN_ON_RUNNING=attach"


def _policy(settings: Settings, name: str) -> str:
    """The value of a policy, or "" where the action has no such choice."""
    return dict(settings.policies).get(name, "")


def _unavailable_advice(_: Settings, facts: Facts, __: Action) -> list[str]:
    failure = facts.failure or {}
    event = failure.get("event")
    if event == Event.CONFLICT:
        return [
            "look on the connection's page what is running there, and start the job again when it is over",
            "`resource_group` with the connector's id keeps two jobs of GitLab apart",
        ]
    if event == Event.RATE_LIMITED:  # the text of a 429 differs by limit: it is shown, and never parsed
        wait = failure.get("retry_after")
        when = "later" if wait is None else f"in {duration(wait)} (Retry-After)"
        return [
            f"start the job again {when}: the limit is the account's, for all of its API keys together",
            "a longer FIVETRAN_POLL_INTERVAL asks less often",
        ]
    outage = (
        "https://status.fivetran.com says whether Fivetran has an outage; "
        "if it has none, check the runner's network and proxy (HTTPS_PROXY)"
    )
    return ["start the job again later; `retry: {max: 2, exit_codes: [6]}` has GitLab do so", outage]


def _paused_advice(settings: Settings, facts: Facts, _: Action) -> list[str]:
    if triggered(facts) or settings.unpause:
        return ["find out who paused it; un-pause it on its page and start the job again"]
    return [f"un-pause it on its page ({settings.page}), or set FIVETRAN_UNPAUSE to have the job do it"]


def _setup_advice(settings: Settings, facts: Facts, _: Action) -> list[str]:
    fix = f"fix the setup on the connection's page: {settings.page}/setup"
    if facts.verdict == Event.TESTS_FAILED:
        return [fix]
    advice = [fix, "FIVETRAN_ACTION=TEST runs its setup tests"]
    if facts.verdict == Event.BROKEN and dict(settings.policies).get("on_broken") == "fail":
        advice.append(
            "if only its last sync failed, a sync may clear it: start the job again with FIVETRAN_ON_BROKEN=sync"
        )
    return advice


def _unconfirmed_advice(settings: Settings, _: Facts, chart: Action) -> list[str]:
    resync = f"a re-sync of the {_several(settings, 'table', 'tables')}"
    what = resync if resyncs(chart.triggers) else "the sync that the job asked for"
    return [
        f"look on the connection's page whether {what} is under way: {settings.page}",
        "if not, start the job again",
    ]


def _busy_advice(_: Settings, __: Facts, chart: Action) -> list[str]:
    also = " or attach" if _may_attach(chart) else ""
    return [
        f"set FIVETRAN_ON_RUNNING to wait{also}, or start the job when the other sync is over",
        "`resource_group` with the connector's id keeps two jobs of GitLab apart",
    ]


def _rejected_advice(settings: Settings, facts: Facts, _: Action) -> list[str]:
    failure = facts.failure or {}
    if failure.get("code") == "NotFound":
        return [f"check FIVETRAN_API_URL ({settings.api_url}): the path does not exist there"]
    if resync_failed(facts):
        return ["this kind of connector may have no re-sync of single tables: re-sync it on its page"]
    return ["Fivetran's message above says what it did not like; the same request will be rejected again"]


def _reschedule_advice(settings: Settings, facts: Facts, _: Action) -> list[str]:
    if facts.verdict == Event.RESCHEDULED:
        if _policy(settings, "on_reschedule") == "wait":  # a user's own chart may end so all the same
            return ["start the job again after that time"]
        return ["set FIVETRAN_ON_RESCHEDULE to wait, or start the job again after that time"]
    due = documents.parse_time(facts.waited_for)
    if due is None or facts.connection_date is None:
        return ["raise FIVETRAN_TIMEOUT"]
    left = max(0.0, due - facts.connection_date)
    return [
        (
            f"start the job again after {facts.waited_for}, or give it time to wait: "
            f"that was {duration(left)} ahead, FIVETRAN_TIMEOUT is {settings.timeout:g} s"
        )
    ]


def _again_advice(settings: Settings, facts: Facts, chart: Action) -> list[str]:
    if triggered(facts) and _may_attach(chart):
        return [f"to wait for that sync after all, start the job again {_attaching(settings)}"]
    return ["start the job again"]


def _terminated_advice(settings: Settings, facts: Facts, chart: Action) -> list[str]:
    return [
        "the runner stopped the job: it was cancelled, or its `timeout` is shorter than FIVETRAN_TIMEOUT",
        *_again_advice(settings, facts, chart),
    ]


def _log_advice(settings: Settings, _: Facts, __: Action) -> list[str]:
    return [f"read the sync's log on the connection's page: {settings.page}", "then start the job again"]


_ADVICE: dict[str, Callable[[Settings, Facts, Action], list[str]]] = {
    Event.SYNC_FAILED: _log_advice,
    Event.CANCELLED: _log_advice,
    Event.TESTS_FAILED: _setup_advice,
    Event.REFUSED: _key_advice,
    Event.NOT_FOUND: _name_advice,
    Event.REJECTED: _rejected_advice,
    Event.TIMED_OUT: _time_advice,
    Event.GAVE_UP: _unavailable_advice,
    Event.PAUSED: _paused_advice,
    Event.INCOMPLETE: _setup_advice,
    Event.BROKEN: _setup_advice,
    Event.BUSY: _busy_advice,
    Event.RESCHEDULED: _reschedule_advice,
    Event.TOO_LATE: _reschedule_advice,
    Event.UNCONFIRMED: _unconfirmed_advice,
    Event.INTERRUPTED: _again_advice,
    Event.TERMINATED: _terminated_advice,
}
