"""A verdict in words: what happened, why, what goes on at Fivetran, what to do now.

It is what somebody reads whose pipeline has just turned red at night.
"""

from collections.abc import Callable, Iterable, Iterator
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
    trigger_unanswered,
    triggered,
    why_stale,
)
from orchestrator.values.events import Event
from orchestrator.values.facts import Facts
from orchestrator.values.formatting import duration, few, listed
from orchestrator.values.settings import Settings

__all__ = ["HEADLINES", "Action", "Explanation", "exit_meanings", "explain", "outside"]


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

    def verdicts(self) -> Iterable[str]:
        """The verdicts that it has an end for."""

    def exit_of(self, verdict: str) -> tuple[str, int]:
        """The final state, and its exit code, that a verdict leads to."""


class Explanation(NamedTuple):
    """A verdict for people.

    Attributes:
        outcome: It in a word or two: OK, FAILED, TIMED OUT, RESCHEDULED or STOPPED.
        headline: What happened, in one line.
        reasons: Why, in Fivetran's words where it has any; the first one goes with the headline.
        running: What is running at Fivetran now, in one line; "" where nothing needs to be said.
        schedule: What became of the connection's schedule; "" where nothing did.
        schedule_left: This run switched the schedule to manual and left it so, and the job is not green or was
            not about a sync: worth a warning.
        at_fivetran: All that goes on there now, what is running and the schedule among it.
        still_running: Whether a sync runs there now; None if that is not known.
        advice: What to do now; the first one is the most urgent.
    """

    outcome: str
    headline: str
    reasons: tuple[str, ...]
    running: str
    schedule: str
    schedule_left: bool
    at_fivetran: tuple[str, ...]
    still_running: bool | None
    advice: tuple[str, ...]


HEADLINES: dict[str, str] = {
    Event.SUCCEEDED: "the sync succeeded",
    Event.SYNC_FAILED: "the sync failed",
    Event.CANCELLED: "the sync was cancelled: it ended with neither a success nor a failure",
    Event.SHOWN: "the connection was read",
    Event.STALE: "the connection's data is stale",
    Event.PASSED: "the setup tests passed",
    Event.TESTS_FAILED: "setup tests failed",
    Event.REFUSED: "Fivetran rejected the API key",
    Event.NOT_FOUND: "Fivetran has no such connection",
    Event.REJECTED: "Fivetran rejected the request",
    Event.TIMED_OUT: "timed out",
    Event.GAVE_UP: "Fivetran's API was unavailable",
    Event.PAUSED: "the connection is paused",
    Event.INCOMPLETE: "the connection's setup is incomplete",
    Event.BROKEN: "the connection is broken",
    Event.BUSY: "another sync is running, and FIVETRAN_ON_RUNNING is fail",
    Event.RESCHEDULED: "Fivetran rescheduled the sync",
    Event.TOO_LATE: "Fivetran rescheduled the sync to a time after the deadline",
    Event.UNCONFIRMED: "Fivetran did not confirm that it accepted the trigger",
    Event.INTERRUPTED: "the job was interrupted (Ctrl-C)",
    Event.TERMINATED: "the job was terminated by the runner",
}

# The first word of a verdict; every other one that is not green is FAILED.
_OUTCOMES: dict[str, str] = {
    Event.TIMED_OUT: "TIMED OUT",
    Event.RESCHEDULED: "RESCHEDULED",
    Event.TOO_LATE: "RESCHEDULED",
    Event.INTERRUPTED: "STOPPED",
    Event.TERMINATED: "STOPPED",
}

MOST_NAMES = 5  # of tables in one sentence

# What the last attempt failed with decides what giving up is called.
_GAVE_UP: dict[str, str] = {
    Event.CONFLICT: "something else on the connection stood in the way (409)",
    Event.RATE_LIMITED: "the account's limit of API calls is used up (429)",
}
_PUT_OFF = {Event.RESCHEDULED, Event.TOO_LATE}
_APART = "to keep two GitLab jobs apart, give both the same `resource_group`, with the connection's id in it"
_TIMES = {1: "once", 2: "twice"}


def explain(settings: Settings, facts: Facts, chart: Action) -> Explanation:
    """Put a verdict into words.

    Args:
        settings: The job's settings.
        facts: The facts at the end; every one may be missing.
        chart: The job's chart.
    """
    end = _End(settings, facts, chart)
    advice = _ADVICE.get(end.verdict) if not end.green else None
    running, schedule = end.what_runs(), end.schedule()
    reasons = few((*end.near_connections(), *end.other_reasons(), *end.sync_reasons(), *end.failure_reasons()))
    at_fivetran = (running, schedule and f"schedule: {schedule}", *few(end.evidence(reasons)))
    return Explanation(
        outcome="OK" if end.green else _OUTCOMES.get(end.verdict, "FAILED"),
        headline=end.headline(),
        reasons=reasons,
        running=running,
        at_fivetran=tuple(filter(None, at_fivetran)),
        schedule=schedule,
        schedule_left=end.schedule_left(),
        still_running=end.running,
        advice=(*few(end.remedies(reasons)), *(advice(end) if advice else ())),
    )


# What an exit code of one action means: the verdicts that lead to it, in a few words each.
_ENDS: dict[str, str] = {
    Event.SUCCEEDED: "the sync succeeded",
    Event.SYNC_FAILED: "the sync failed",
    Event.CANCELLED: "it was cancelled",
    Event.SHOWN: "the connection was read",
    Event.STALE: "the last success is too old, or there was none",
    Event.PASSED: "no setup test failed",
    Event.TESTS_FAILED: "a setup test failed",
    Event.REFUSED: "the API key was rejected (401), or lacks a permission (403)",
    Event.NOT_FOUND: "Fivetran does not know the connection",
    Event.REJECTED: "Fivetran rejected the request",
    Event.TIMED_OUT: "timed out",
    Event.GAVE_UP: "Fivetran was unavailable; a retry may help",
    Event.PAUSED: "the connection is paused",
    Event.INCOMPLETE: "its setup is incomplete",
    Event.BROKEN: "it is broken",
    Event.BUSY: "another sync is running",
    Event.RESCHEDULED: "rescheduled, with FIVETRAN_ON_RESCHEDULE=fail",
    Event.TOO_LATE: "rescheduled past the deadline",
    Event.UNCONFIRMED: "not known whether Fivetran accepted the trigger",
    Event.INTERRUPTED: "interrupted (SIGINT)",
    Event.TERMINATED: "terminated (SIGTERM)",
}


def exit_meanings(chart: Action) -> dict[int, str]:
    """What each exit code of a chart means for its action; those that arise outside any chart are not among them."""
    found: dict[int, list[str]] = {}
    for verdict in chart.verdicts():
        words = _ENDS.get(verdict, verdict)
        if verdict == Event.NOT_FOUND and resyncs(chart.triggers):
            words += ", the schema or the table"
        found.setdefault(chart.exit_of(verdict)[1], []).append(words)
    listed_up = {code: ", or ".join(words) for code, words in sorted(found.items())}
    late = chart.exit_of(Event.TIMED_OUT)[1] if Event.TIMED_OUT in chart.verdicts() and chart.triggers else None
    return {
        code: words + ("; the sync may still be running" if code == late else "") for code, words in listed_up.items()
    }


def outside(headline: str, reasons: tuple[str, ...], running: str, *advice: str) -> Explanation:
    """The words of an end outside any chart: no verdict of a run.

    Args:
        headline: What happened.
        reasons: Why.
        running: What may be running at Fivetran.
        advice: What to do now.
    """
    return Explanation(
        outcome="FAILED",
        headline=headline,
        reasons=reasons,
        running=running,
        at_fivetran=(running,),
        schedule="",
        schedule_left=False,
        still_running=None,
        advice=advice,
    )


class _End:
    """The end of a run, in words: each method says one thing about it, where there is something to say."""

    def __init__(self, settings: Settings, facts: Facts, chart: Action) -> None:
        self.settings, self.facts, self.chart = settings, facts, chart
        self.verdict = facts.verdict or ""
        self.green = self.verdict == chart.green
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

    # --- What happened ----------------------------------------------------------------------------

    def headline(self) -> str:
        about = _HEADLINES.get(self.verdict)
        usual = HEADLINES.get(self.verdict, f"the chart ended the run with {self.verdict}" if self.verdict else "")
        return (about(self) if about else "") or usual

    def about_success(self) -> str:
        what = "the re-sync was accepted, and a sync succeeded" if self.resyncs else "the sync succeeded"
        if not self.resyncs and not triggered(self.facts):
            what = "the sync that was already running succeeded"
        took, detours, whole = self.lasted("succeeded_at"), self.detours(), self.facts.concluded_at
        if detours:
            return f"{what} after {detours}{'' if whole is None else f' ({duration(whole)} in all)'}"
        return f"{what} after {took}" if took else what

    def about_failure(self) -> str:
        took, detours = self.lasted("failed_at"), self.detours()
        after = f" after {took}" if took else ""
        return f"the sync failed{after}{f', after {detours}' if detours else ''}"

    def about_summary(self) -> str:
        """STATUS's answer."""
        summary = documents.summary(self.document, self.facts.connection_date)
        return f"{self.settings.connector_id}{summary}" if summary else ""

    def about_tests(self) -> str:
        return documents.tests_summary(self.facts.setup_tests) if self.facts.setup_tests is not None else ""

    def about_refusal(self) -> str:
        if self.failure.get("status") == HTTPStatus.FORBIDDEN:
            return f"the API key lacks the permission to {self.failure['purpose']} (403)"
        return f"Fivetran rejected the API key{self.status()}"

    def about_rejection(self) -> str:
        return f"Fivetran rejected the request to {self.failure['purpose']}{self.status()}" if self.failure else ""

    def about_unknown(self) -> str:
        if resync_failed(self.facts):
            what = self.several("the schema or the table", "one of the tables")
            return f"Fivetran does not know {what}{self.status()}"
        return f"Fivetran has no connection {self.settings.connector_id}{self.status()}"

    def about_deadline(self) -> str:
        within = f"within {duration(self.settings.timeout)}"
        cause, detours = _GAVE_UP.get(self.failure.get("event", "")), self.detours()
        after = f", after {detours}" if detours else ""
        if self.failure:
            why = f": {cause}" if cause else " while Fivetran did not answer"
            return f"timed out after {duration(self.settings.timeout)}{after}{why}"
        if self.facts.doubt:
            return f"the sync is gone, and Fivetran showed neither a success nor a failure {within}{after}"
        if has_sync(self.settings, self.facts):
            return f"the sync did not end {within}{after}"
        if self.chart.triggers and documents.sync_state(self.document) == "syncing":
            return f"another sync did not end {within}, so none was started"
        return f"timed out after {duration(self.settings.timeout)}"

    def about_giving_up(self) -> str:
        if cause := _GAVE_UP.get(self.failure.get("event", "")):
            return cause
        return "Fivetran could not be reached" if self.failure and not self.failure.get("status") else ""

    def about_paused(self) -> str:
        return "the connection was paused before the sync ended" if triggered(self.facts) else ""

    def about_reschedule(self) -> str:
        due = documents.moment(self.facts.waited_for)
        to = f"to {due}" if due else "to a time that it does not say"
        if self.verdict == Event.RESCHEDULED:
            refused = self.policies.get("on_reschedule") == "fail"
            return f"Fivetran rescheduled the sync {to}{', and FIVETRAN_ON_RESCHEDULE is fail' if refused else ''}"
        return f"Fivetran rescheduled the sync {to}, after the job's deadline" if due else ""

    def about_confirmation(self) -> str:
        return f"Fivetran did not confirm that it accepted the {'re-sync' if self.resyncs else 'sync'}"

    def status(self) -> str:
        """The HTTP status of the failure, in brackets."""
        return f" ({self.failure['status']})" if self.failure.get("status") else ""

    def lasted(self, date: str) -> str:
        """How long the sync took: by Fivetran's dates, else as the run saw it; "" where that is not known."""
        facts, ended = self.facts, documents.parse_time(self.document.get(date))
        if facts.triggered_at is not None and ended is not None and ended > facts.triggered_at:
            return duration(ended - facts.triggered_at)
        if facts.concluded_at is None:
            return ""
        return duration(facts.concluded_at - (facts.asked_at or 0.0))

    def detours(self) -> str:
        """What came between trigger and end that a plain sync has not."""
        facts, number = self.facts, self.facts.reschedules
        found = ["being un-paused"] if "unpause_connection" in facts.answered else []
        found += ["stopping the sync that was running"] if facts.restarted else []
        found += ["a lost answer to its trigger"] if facts.started else []
        found += [f"being rescheduled {_TIMES.get(number, f'{number} times')}"] if number else []
        return " and ".join(filter(None, (", ".join(found[:-1]), *found[-1:])))

    # --- Why --------------------------------------------------------------------------------------

    def failure_reasons(self) -> Iterator[str]:
        if failure := self.failure:
            shown = self.status() and self.status() in self.headline()
            words = " ".join(str(failure[key]) for key in ("status", "code")[bool(shown) :] if failure.get(key))
            if words or failure["message"]:
                yield ": ".join(filter(None, (words, failure["message"])))
            attempts = f", {failure['attempts']} attempts" if failure["attempts"] > 1 else ""
            request_id = f", request id {failure['request_id']}" if failure["request_id"] else ""
            yield f"the request: {failure['request']} (to {failure['purpose']}{attempts}{request_id})"

    def sync_reasons(self) -> Iterator[str]:
        facts, verdict, problems = self.facts, self.verdict, documents.problems(self.document)
        if self.green:
            return
        if verdict in OVER:
            yield from problems
        if verdict in {Event.INCOMPLETE, Event.BROKEN} and not problems:
            yield f"its setup_state is {documents.setup_state(self.document)}; Fivetran's API gives no task for it"
        if verdict == Event.SYNC_FAILED and not problems:
            of_history = (facts.sync or {}).get("reason")
            yield str(of_history or "Fivetran's API gives no reason; the connection's page has the sync's log")
        if verdict == Event.STALE:
            yield why_stale(self.settings, facts)
            yield from self.why_no_success()
        if verdict == Event.UNCONFIRMED:
            yield f"{facts.lost} trigger{'' if facts.lost == 1 else 's'} had no answer"
        if verdict == Event.TIMED_OUT and facts.not_started_for is not None:
            yield (
                f"Fivetran accepted the sync and had not started it after {duration(facts.not_started_for)}: "
                "it is queued (with integrated or smart transformations a sync waits for them), or was dropped"
            )

    def why_no_success(self) -> Iterator[str]:
        """What keeps a connection from a fresh success, as far as its document shows it."""
        if documents.sync_state(self.document) == "paused":
            yield "it is paused: it does not sync until it is un-paused"
        elif documents.schedule_type(self.document) == documents.MANUAL:
            yield "its schedule is manual: only a job starts syncs"
        failed, succeeded = (documents.parse_time(self.document.get(f"{how}_at")) for how in ("failed", "succeeded"))
        if failed is not None and failed > (succeeded or 0.0):
            yield f"its last sync failed ({documents.moment(self.document.get('failed_at'))})"

    def other_reasons(self) -> Iterator[str]:
        if self.facts.unanswered and not self.green:
            yield f"{self.facts.unanswered} had no answer: it may have been carried out"
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

    def what_runs(self) -> str:
        """What is running at Fivetran now."""
        settings, facts, running = self.settings, self.facts, self.running
        if running is True:
            if self.green:
                return "another sync is running now; this job did not start it"
            if self.verdict == Event.BUSY:
                return "it is STILL RUNNING, and none was started"
            if has_sync(settings, facts):
                return "the sync is STILL RUNNING at Fivetran"
            return "another sync is STILL RUNNING, which this job did not start"
        if self.green:
            return ""
        what = "re-sync" if self.resyncs else "sync"
        if running is None:
            if trigger_unanswered(facts):
                return f"a {what} MAY BE RUNNING: the answer to its trigger was lost"
            if documents.sync_state(self.document) == "syncing":
                return "a sync MAY STILL BE RUNNING: it was when Fivetran last answered"
            if triggered(facts):
                return f"the {what} was triggered and MAY STILL BE RUNNING"
            return f"no {what} was started" if self.chart.triggers else ""
        if self.verdict in _PUT_OFF:
            manual = documents.schedule_type(self.document) == documents.MANUAL
            resumes = "will not resume it by itself on a manual schedule" if manual else "will resume it by itself"
            return f"nothing is running; Fivetran {resumes}"
        if has_sync(settings, facts) or self.verdict == Event.STALE:
            return "nothing is running"
        return f"no {what} was started" if self.chart.triggers else ""

    def schedule(self) -> str:
        """What became of the connection's schedule."""
        settings, facts = self.settings, self.facts
        was, now = facts.schedule_before, documents.schedule_type(self.document)
        wanted = "auto" if settings.restore_schedule == "auto" else was
        settled = schedule_may_change(settings, facts)
        if not settled and schedule_to_restore(settings, facts):
            cause = "a sync may be running, which a change might stop"
            later = "; FIVETRAN_RESTORE_SCHEDULE=auto in a later job sets it to auto" if wanted == "auto" else ""
            return f"{now}, not set back to {wanted}: {cause}{later}"
        if not settled and schedule_to_switch_late(settings, facts):
            return f"{now or 'not known'}, not switched to manual: a sync may be running, which a change might stop"
        if now != documents.MANUAL or was in {None, documents.MANUAL}:
            return ""
        back = (
            "FIVETRAN_RESTORE_SCHEDULE is set, but the schedule could not be set back"
            if settings.restore_schedule
            else "FIVETRAN_RESTORE_SCHEDULE=1 puts it back at the end of a job"
        )
        nothing = "; nothing syncs until a job starts one" if self.schedule_left() else ""
        return f"manual, was {was}{nothing}; {back}"

    def schedule_left(self) -> bool:
        """Whether this run left the schedule manual, and there is no sync that makes up for it."""
        was, now = self.facts.schedule_before, documents.schedule_type(self.document)
        switched = now == documents.MANUAL and was not in {None, documents.MANUAL}
        return switched and not (self.green and bool(self.chart.triggers))

    def evidence(self, reasons: tuple[str, ...]) -> Iterator[str]:
        """What Fivetran says of the sync beside the connection's state: its history; that it is a historical one."""
        if sync := self.facts.sync:
            ended = f"to {sync['end']}" if sync.get("end") else "and not ended"
            status = f": {sync['status']}" if sync.get("status") else ""
            known = any(str(sync.get("reason")) in reason for reason in reasons)
            reason = f" ({sync['reason']})" if sync.get("reason") and not known else ""
            yield f"in the sync history: {sync.get('sync_id')}, from {sync.get('start')} {ended}{status}{reason}"
        if self.resyncs and documents.status(self.document).get("is_historical_sync") is True:
            yield "a historical sync is under way (status.is_historical_sync)"

    # --- What to do now ---------------------------------------------------------------------------

    def remedies(self, reasons: tuple[str, ...]) -> Iterator[str]:
        """What Fivetran itself advises on the connection's active errors, less what the reasons say already."""
        for error in self.facts.errors or ():
            what, how = error.get("title") or error.get("type"), error.get("message") or error.get("reason")
            advised = str(how)
            for reason in reasons:
                advised = advised.replace(reason, "").replace(reason.rpartition(" (")[0] or reason, "")
            if advised := advised.strip(" .:;"):
                yield f"Fivetran advises on {what}: {advised}"

    def about_key(self) -> Iterator[str]:
        if self.failure.get("status") == HTTPStatus.FORBIDDEN:
            purpose = self.failure["purpose"]
            yield f"give the API key's user or role the permission to {purpose}, in this connection's destination"
            return
        yield (
            "check FIVETRAN_API_KEY and FIVETRAN_API_SECRET: are they a pair, of this account, not expired? "
            "or are key and secret swapped?"
        )
        yield "in GitLab, a protected variable is empty on an unprotected branch"

    def about_names(self) -> Iterator[str]:
        settings = self.settings
        if resync_failed(self.facts):
            given = self.several(f"SCHEMA={settings.schema} TABLE={settings.table}", self.tables())
            names = self.several("SCHEMA and TABLE", "TABLES")
            yield f"check {names}: the names at the source, case-sensitive (given: {given})"
            return
        yield (
            "check CONNECTOR_ID: the connection's Setup tab shows it, two words such as speak_inexpensive; "
            "it is not the connection's name"
        )
        yield "`fivetran-orchestrator list` shows the ids that the API key can see"
        yield "check that the API key belongs to the same account"

    def about_time(self) -> Iterator[str]:
        timeout = f"FIVETRAN_TIMEOUT (now {duration(self.settings.timeout)}) and the job's own timeout"
        if self.may_attach and self.running is not False:
            yield f"start the job again {self.attaching()} to wait for the running sync; or raise {timeout}"
        elif self.failure:
            yield "start the job again later; https://status.fivetran.com says whether Fivetran has an outage"
        else:
            yield f"raise {timeout}, and start the job again"

    def attaching(self) -> str:
        """How to start a job so that it waits for a sync that runs already."""
        set_already = self.policies.get("on_running") == "attach"
        return "as it is (FIVETRAN_ON_RUNNING is attach)" if set_already else "with FIVETRAN_ON_RUNNING=attach"

    def about_outage(self) -> Iterator[str]:
        event = self.failure.get("event")
        if event == Event.CONFLICT:
            yield "see on the connection's page what is running there, and start the job again when it has ended"
            yield _APART
        elif event == Event.RATE_LIMITED:  # the text of a 429 differs by limit: it is shown, and never parsed
            wait = self.failure.get("retry_after")
            when = "later" if wait is None else f"in {duration(wait)} (Retry-After)"
            yield f"start the job again {when}: the limit is the account's, shared by all of its API keys"
            yield "a longer FIVETRAN_POLL_INTERVAL makes fewer calls"
        elif self.failure and not self.failure.get("status"):
            yield "check the runner's network and proxy (HTTPS_PROXY), then start the job again"
            yield "if they are fine, https://status.fivetran.com says whether Fivetran has an outage"
        else:
            yield "start the job again later; `retry: {max: 2, exit_codes: [6]}` makes GitLab do so"
            yield (
                "https://status.fivetran.com says whether Fivetran has an outage; "
                "if it has none, check the runner's network and proxy (HTTPS_PROXY)"
            )

    def about_pause(self) -> Iterator[str]:
        page = self.settings.page
        if triggered(self.facts) or self.settings.unpause:
            yield f"find out who paused it; un-pause it on its page ({page}) and start the job again"
        else:
            yield f"un-pause it on its page ({page}), or set FIVETRAN_UNPAUSE=1, and start the job again"

    def about_setup(self) -> Iterator[str]:
        yield f"fix the setup on the connection's page ({self.settings.page}/setup), and start the job again"
        if self.verdict != Event.TESTS_FAILED:
            yield "FIVETRAN_ACTION=TEST runs its setup tests"
        if self.verdict == Event.BROKEN and self.policies.get("on_broken") == "fail":
            yield "if only its last sync failed, a sync may clear it: start the job again with FIVETRAN_ON_BROKEN=sync"

    def about_age(self) -> Iterator[str]:
        if documents.setup_state(self.document) in {"incomplete", "broken"}:
            yield from self.about_setup()
        elif self.running:
            how = "FIVETRAN_ACTION=START and FIVETRAN_ON_RUNNING=attach"
            yield f"to wait for the running sync, start a job with {how}"
        else:
            paused = documents.sync_state(self.document) == "paused"
            yield f"start a sync with FIVETRAN_ACTION=START{' and FIVETRAN_UNPAUSE=1' if paused else ''}"
        yield "see its latest syncs on the connection's page"

    def about_doubt(self) -> Iterator[str]:
        resync = f"a re-sync of the {self.several('table', 'tables')}"
        what = resync if self.resyncs else "the sync that the job asked for"
        yield f"see on the connection's page whether {what} is under way; if not, start the job again"

    def about_other_sync(self) -> Iterator[str]:
        also = " or attach" if self.may_attach else ""
        yield f"set FIVETRAN_ON_RUNNING to wait{also}, or start the job again when the other sync has ended"
        yield _APART

    def about_request(self) -> Iterator[str]:
        if self.failure.get("code") == "NotFound":
            yield f"check FIVETRAN_API_URL ({self.settings.api_url}): the path does not exist there"
        elif resync_failed(self.facts):
            yield "this kind of connection may not support re-syncing single tables: re-sync it on its page"
        else:
            yield "fix what Fivetran's message names; the same request will be rejected again"

    def about_later(self) -> Iterator[str]:
        may_wait = self.policies.get("on_reschedule") != "wait"  # a user's own chart may end so all the same
        yield f"{'set FIVETRAN_ON_RESCHEDULE to wait, or ' if may_wait else ''}start the job again after that time"

    def about_late_reschedule(self) -> Iterator[str]:
        facts, due = self.facts, documents.parse_time(self.facts.waited_for)
        if due is None or facts.connection_date is None:
            yield "raise FIVETRAN_TIMEOUT, and start the job again"
            return
        left = max(0.0, due - facts.connection_date)
        yield (
            f"start the job again after {documents.moment(facts.waited_for)}, or with a longer FIVETRAN_TIMEOUT: "
            f"that time was {duration(left)} ahead, and FIVETRAN_TIMEOUT is {duration(self.settings.timeout)}"
        )

    def about_signal(self) -> Iterator[str]:
        if has_sync(self.settings, self.facts) and self.may_attach and self.running is not False:
            yield f"start the job again {self.attaching()} to wait for that sync"
        else:
            yield "start the job again"
        if self.verdict == Event.TERMINATED:
            yield "why it was terminated: somebody cancelled it, or its `timeout` is shorter than FIVETRAN_TIMEOUT"

    def about_log(self) -> Iterator[str]:
        yield f"read the sync's log on the connection's page ({self.settings.page}), then start the job again"


_HEADLINES: dict[str, Callable[[_End], str]] = {
    Event.SUCCEEDED: _End.about_success,
    Event.SYNC_FAILED: _End.about_failure,
    Event.SHOWN: _End.about_summary,
    Event.PASSED: _End.about_tests,
    Event.TESTS_FAILED: _End.about_tests,
    Event.REFUSED: _End.about_refusal,
    Event.NOT_FOUND: _End.about_unknown,
    Event.REJECTED: _End.about_rejection,
    Event.TIMED_OUT: _End.about_deadline,
    Event.GAVE_UP: _End.about_giving_up,
    Event.PAUSED: _End.about_paused,
    Event.RESCHEDULED: _End.about_reschedule,
    Event.TOO_LATE: _End.about_reschedule,
    Event.UNCONFIRMED: _End.about_confirmation,
}

_ADVICE: dict[str, Callable[[_End], Iterator[str]]] = {
    Event.SYNC_FAILED: _End.about_log,
    Event.CANCELLED: _End.about_log,
    Event.TESTS_FAILED: _End.about_setup,
    Event.STALE: _End.about_age,
    Event.REFUSED: _End.about_key,
    Event.NOT_FOUND: _End.about_names,
    Event.REJECTED: _End.about_request,
    Event.TIMED_OUT: _End.about_time,
    Event.GAVE_UP: _End.about_outage,
    Event.PAUSED: _End.about_pause,
    Event.INCOMPLETE: _End.about_setup,
    Event.BROKEN: _End.about_setup,
    Event.BUSY: _End.about_other_sync,
    Event.RESCHEDULED: _End.about_later,
    Event.TOO_LATE: _End.about_late_reschedule,
    Event.UNCONFIRMED: _End.about_doubt,
    Event.INTERRUPTED: _End.about_signal,
    Event.TERMINATED: _End.about_signal,
}
