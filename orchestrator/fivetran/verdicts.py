"""A verdict in words: what happened, why, what goes on at Fivetran, what to do now.

It is what somebody reads whose pipeline has just turned red at night.
"""

from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import NamedTuple, Protocol

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
_PUT_OFF = {Event.RESCHEDULED, Event.TOO_LATE}
_APART = "`resource_group` with the connector's id keeps two jobs of GitLab apart"


def explain(settings: Settings, facts: Facts, chart: Action) -> Explanation:
    """Put a verdict into words.

    Args:
        settings: The job's settings.
        facts: The facts at the end; every one may be missing.
        chart: The job's chart.
    """
    end = _End(settings, facts, chart)
    advice = _ADVICE.get(end.verdict) if end.verdict != chart.green else None
    return Explanation(
        headline=end.headline(),
        reasons=few((*end.failure_reasons(), *end.sync_reasons(), *end.other_reasons(), *end.near_connections())),
        at_fivetran=(*end.at_fivetran(), *end.schedule(), *few(end.evidence())),
        still_running=end.running,
        advice=(*few(end.remedies()), *(advice(end) if advice else ())),
    )


class _End:
    """The end of a run, in words: each method says one thing about it, where there is something to say."""

    def __init__(self, settings: Settings, facts: Facts, chart: Action) -> None:
        self.settings, self.facts, self.chart = settings, facts, chart
        self.verdict = facts.verdict or ""
        self.failure = facts.failure or {}
        self.document = facts.connection or {}
        self.policies = dict(settings.policies)
        self.running = still_running(settings, facts)
        self.resyncs = resyncs(chart.triggers)
        self.may_attach = "attach" in chart.values("on_running")

    def several(self, one: str, several: str) -> str:
        """One of two words, as the job is about one table or several."""
        return several if self.settings.tables else one

    def tables(self) -> str:
        """The tables that the job is about."""
        scope = self.settings.scope.items()
        return listed([f"{schema}.{table}" for schema, tables in scope for table in tables], MOST_NAMES)

    def headline(self) -> str:
        facts, verdict = self.facts, self.verdict
        headline = HEADLINES.get(verdict, f"the chart ends the run on {verdict}" if verdict else "")
        cause = _GAVE_UP.get(self.failure.get("event", ""))
        if verdict == Event.TIMED_OUT and self.failure:
            headline = f"time ran out: {cause}" if cause else "time ran out while Fivetran did not answer"
        elif verdict == Event.TIMED_OUT and facts.doubt:
            headline = "time ran out: the sync is gone, and Fivetran shows neither a success nor a failure yet"
        elif verdict == Event.GAVE_UP:
            headline = cause or headline
        elif verdict == Event.NOT_FOUND and resync_failed(facts):
            headline = f"Fivetran does not know {self.several('the schema or the table', 'one of the tables')}"
        elif verdict == Event.SUCCEEDED and self.resyncs:
            headline = "the re-sync was accepted, and a sync has succeeded since"
        elif verdict == Event.SUCCEEDED and not triggered(facts):
            headline = "the sync that was running already succeeded"
        elif verdict == Event.PAUSED and triggered(facts):
            headline = "the connection was paused before the sync ended"
        return headline

    # --- Why --------------------------------------------------------------------------------------

    def failure_reasons(self) -> Iterator[str]:
        if failure := self.failure:
            words = " ".join(str(failure[key]) for key in ("status", "code") if failure.get(key))
            line = f"{failure['request']} ({failure['purpose']}): {words + ': ' if words else ''}{failure['message']}"
            if failure["attempts"] > 1:
                line += f" ({failure['attempts']} attempts)"
            if failure["request_id"]:
                line += f" (request id {failure['request_id']})"
            yield line

    def sync_reasons(self) -> Iterator[str]:
        facts, verdict, problems = self.facts, self.verdict, documents.problems(self.document)
        if verdict == self.chart.green:
            return
        if verdict in OVER:
            yield from problems
        if verdict in {Event.INCOMPLETE, Event.BROKEN} and not problems:
            yield f"its setup_state is {documents.setup_state(self.document)}; Fivetran's API gives no task for it"
        if verdict == Event.SYNC_FAILED and not problems:
            yield "Fivetran's API gives no reason; the connection's page has the sync's log"
        if verdict in _PUT_OFF:
            yield f"rescheduled for {facts.waited_for or 'a time that Fivetran does not say'}"
        if verdict == Event.UNCONFIRMED:
            yield f"{facts.lost} trigger{'' if facts.lost == 1 else 's'} had no answer"
        if verdict == Event.TIMED_OUT:
            yield f"the run had {self.settings.timeout:g} s (FIVETRAN_TIMEOUT)"
            if facts.not_started_for is not None:
                yield (
                    f"Fivetran accepted the sync, but nothing of it was seen in {facts.not_started_for:.0f} s: "
                    "it is queued (with integrated or smart transformations a sync waits for them), or was dropped"
                )

    def other_reasons(self) -> Iterator[str]:
        for test in self.facts.setup_tests or ():
            if str(test.get("status")) in documents.SETUP_TEST_FAILURES:
                yield f"{test.get('title')}: {test.get('status')}: {test.get('message')}"
        if near := self.facts.near_matches:
            yield f"names like {self.tables()} at the source: {', '.join(near)}"
        elif near is not None:
            yield f"no name at the source is like {self.tables()}"

    def near_connections(self) -> Iterator[str]:
        """Connections like one that Fivetran does not know."""
        near, given = self.facts.near_connections, self.settings.connector_id
        if near == ():
            yield f"no connection that this API key can see has an id or a name like {given}"
        for each in near or ():
            identity, name, service = (str(each.get(key) or "") for key in ("id", "name", "service"))
            if name.casefold() == given.casefold():
                yield f"{given} is the name of a connection, not its id: set CONNECTOR_ID to {identity} ({service})"
            else:
                yield f"did you mean {identity} ({', '.join(filter(None, (name, service)))})?"

    # --- What goes on at Fivetran -----------------------------------------------------------------

    def at_fivetran(self) -> Iterator[str]:
        facts, running = self.facts, self.running
        if facts.unanswered:
            yield f"{facts.unanswered} had no answer: it may have been carried out"
        if running is True:
            ours = has_sync(self.settings, facts) and self.verdict != Event.SUCCEEDED
            yield "the sync is still running" if ours else "another sync is running; this job did not start it"
        elif running is None and documents.sync_state(self.document) == "syncing":
            yield "a sync was running when Fivetran last answered; it may have ended since"
        elif running is None and triggered(facts):
            yield "the sync was triggered and may still be running; it was left alone"
        elif self.verdict in _PUT_OFF:
            manual = documents.schedule_type(self.document) == documents.MANUAL
            yield (
                "the sync is waiting; on a manual schedule Fivetran will not resume it by itself"
                if manual
                else "the sync is waiting; Fivetran will resume it by itself"
            )
        elif running is False and self.verdict not in {self.chart.green, Event.TESTS_FAILED}:
            yield "no sync of this run is running"

    def schedule(self) -> Iterator[str]:
        """What became of the connection's schedule."""
        settings, facts = self.settings, self.facts
        was, now = facts.schedule_before, documents.schedule_type(self.document)
        wanted = "auto" if settings.restore_schedule == "auto" else was
        settled = schedule_may_change(settings, facts)
        if not settled and schedule_to_restore(settings, facts):
            cause = "since a sync may be running, which a change might stop"
            yield (
                f"the schedule was not restored, {cause}: it is {now}; "
                "FIVETRAN_RESTORE_SCHEDULE=auto in a later job sets it to auto"
                if wanted == "auto"
                else f"the schedule was not restored to {wanted}, {cause}"
            )
        elif not settled and schedule_to_switch_late(settings, facts):
            is_now = now or "not known"
            yield f"the schedule was left as it is ({is_now}), since a sync may be running, which a change might stop"
        elif now == documents.MANUAL and was not in {None, documents.MANUAL}:
            restore = (
                " is set, and did not restore it" if settings.restore_schedule else "=1 restores it at a job's end"
            )
            yield (
                f"the schedule is now manual (it was {was}): syncs happen only when a job starts one; "
                f"FIVETRAN_RESTORE_SCHEDULE{restore}"
            )

    def evidence(self) -> Iterator[str]:
        """What Fivetran says of the sync beside the connection's state: its history; that it is a historical one."""
        if sync := self.facts.sync:
            ended = f"to {sync['end']}" if sync.get("end") else "and not ended"
            status = f": {sync['status']}" if sync.get("status") else ""
            reason = f" ({sync['reason']})" if sync.get("reason") else ""
            began = f"{sync.get('sync_id')}, from {sync.get('start')}"
            yield f"its history has this sync as {began} {ended}{status}{reason}"
        if self.resyncs and documents.status(self.document).get("is_historical_sync") is True:
            yield "a historical sync is under way (status.is_historical_sync)"

    # --- What to do now ---------------------------------------------------------------------------

    def remedies(self) -> Iterator[str]:
        """What Fivetran itself advises on the connection's active errors."""
        for error in self.facts.errors or ():
            what, how = error.get("title") or error.get("type"), error.get("message") or error.get("reason")
            yield f"Fivetran on {what}: {how}"

    def about_key(self) -> Iterator[str]:
        if self.failure.get("status") == HTTPStatus.FORBIDDEN:
            who = "the API key's user or role"
            yield f"give {who} the permission that Fivetran names, for this connection's destination"
            return
        yield (
            "check FIVETRAN_API_KEY and FIVETRAN_API_SECRET: both belong to one key, "
            "made under Account Settings > API Config or the user's own API key page"
        )
        yield "a masked GitLab variable that is also protected is empty on unprotected branches"

    def about_names(self) -> Iterator[str]:
        settings = self.settings
        if resync_failed(self.facts):
            given = self.several(f"SCHEMA={settings.schema} TABLE={settings.table}", self.tables())
            names = self.several("SCHEMA and TABLE", "TABLES")
            yield f"check {names}: the names at the source, case-sensitive (given: {given})"
            return
        yield (
            f"check CONNECTOR_ID ({settings.connector_id}): the connection's Setup tab shows it, "
            "two words such as speak_inexpensive; it is not the connection's name"
        )
        yield "`fivetran-orchestrator list` shows the ids that the API key can see"
        yield "check that the API key belongs to the same account"

    def about_time(self) -> Iterator[str]:
        if self.may_attach and self.running is not False:
            yield f"to wait for the sync that is running, start the job again {self.attaching()}"
        timeout = self.settings.timeout
        yield f"raise FIVETRAN_TIMEOUT (now {timeout:g} s), and the job's own timeout with it"

    def attaching(self) -> str:
        """How to start a job so that it waits for a sync that runs already."""
        set_already = self.policies.get("on_running") == "attach"
        return "as it is: FIVETRAN_ON_RUNNING is attach" if set_already else "with FIVETRAN_ON_RUNNING=attach"

    def about_outage(self) -> Iterator[str]:
        event = self.failure.get("event")
        if event == Event.CONFLICT:
            yield "look on the connection's page what is running there, and start the job again when it is over"
            yield _APART
        elif event == Event.RATE_LIMITED:  # the text of a 429 differs by limit: it is shown, and never parsed
            wait = self.failure.get("retry_after")
            when = "later" if wait is None else f"in {duration(wait)} (Retry-After)"
            yield f"start the job again {when}: the limit is the account's, for all of its API keys together"
            yield "a longer FIVETRAN_POLL_INTERVAL asks less often"
        else:
            yield "start the job again later; `retry: {max: 2, exit_codes: [6]}` has GitLab do so"
            yield (
                "https://status.fivetran.com says whether Fivetran has an outage; "
                "if it has none, check the runner's network and proxy (HTTPS_PROXY)"
            )

    def about_pause(self) -> Iterator[str]:
        if triggered(self.facts) or self.settings.unpause:
            yield "find out who paused it; un-pause it on its page and start the job again"
        else:
            yield f"un-pause it on its page ({self.settings.page}), or set FIVETRAN_UNPAUSE to have the job do it"

    def about_setup(self) -> Iterator[str]:
        yield f"fix the setup on the connection's page: {self.settings.page}/setup"
        if self.verdict != Event.TESTS_FAILED:
            yield "FIVETRAN_ACTION=TEST runs its setup tests"
        if self.verdict == Event.BROKEN and self.policies.get("on_broken") == "fail":
            yield "if only its last sync failed, a sync may clear it: start the job again with FIVETRAN_ON_BROKEN=sync"

    def about_doubt(self) -> Iterator[str]:
        resync = f"a re-sync of the {self.several('table', 'tables')}"
        what = resync if self.resyncs else "the sync that the job asked for"
        yield f"look on the connection's page whether {what} is under way: {self.settings.page}"
        yield "if not, start the job again"

    def about_other_sync(self) -> Iterator[str]:
        also = " or attach" if self.may_attach else ""
        yield f"set FIVETRAN_ON_RUNNING to wait{also}, or start the job when the other sync is over"
        yield _APART

    def about_request(self) -> Iterator[str]:
        if self.failure.get("code") == "NotFound":
            yield f"check FIVETRAN_API_URL ({self.settings.api_url}): the path does not exist there"
        elif resync_failed(self.facts):
            yield "this kind of connector may have no re-sync of single tables: re-sync it on its page"
        else:
            yield "Fivetran's message above says what it did not like; the same request will be rejected again"

    def about_reschedule(self) -> Iterator[str]:
        may_wait = self.policies.get("on_reschedule") != "wait"  # a user's own chart may end so all the same
        yield f"{'set FIVETRAN_ON_RESCHEDULE to wait, or ' if may_wait else ''}start the job again after that time"

    def about_late_reschedule(self) -> Iterator[str]:
        facts, due = self.facts, documents.parse_time(self.facts.waited_for)
        if due is None or facts.connection_date is None:
            yield "raise FIVETRAN_TIMEOUT"
            return
        left = max(0.0, due - facts.connection_date)
        yield (
            f"start the job again after {facts.waited_for}, or give it time to wait: "
            f"that was {duration(left)} ahead, FIVETRAN_TIMEOUT is {self.settings.timeout:g} s"
        )

    def about_signal(self) -> Iterator[str]:
        if self.verdict == Event.TERMINATED:
            yield "the runner stopped the job: it was cancelled, or its `timeout` is shorter than FIVETRAN_TIMEOUT"
        if triggered(self.facts) and self.may_attach:
            yield f"to wait for that sync after all, start the job again {self.attaching()}"
        else:
            yield "start the job again"

    def about_log(self) -> Iterator[str]:
        yield f"read the sync's log on the connection's page: {self.settings.page}"
        yield "then start the job again"


_ADVICE: dict[str, Callable[[_End], Iterator[str]]] = {
    Event.SYNC_FAILED: _End.about_log,
    Event.CANCELLED: _End.about_log,
    Event.TESTS_FAILED: _End.about_setup,
    Event.REFUSED: _End.about_key,
    Event.NOT_FOUND: _End.about_names,
    Event.REJECTED: _End.about_request,
    Event.TIMED_OUT: _End.about_time,
    Event.GAVE_UP: _End.about_outage,
    Event.PAUSED: _End.about_pause,
    Event.INCOMPLETE: _End.about_setup,
    Event.BROKEN: _End.about_setup,
    Event.BUSY: _End.about_other_sync,
    Event.RESCHEDULED: _End.about_reschedule,
    Event.TOO_LATE: _End.about_late_reschedule,
    Event.UNCONFIRMED: _End.about_doubt,
    Event.INTERRUPTED: _End.about_signal,
    Event.TERMINATED: _End.about_signal,
}
