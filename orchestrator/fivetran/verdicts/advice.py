"""What to do now."""

from collections.abc import Callable, Iterator
from http import HTTPStatus

from orchestrator.fivetran import documents
from orchestrator.fivetran.effects.situation import (
    has_sync,
    resync_failed,
    triggered,
)
from orchestrator.fivetran.verdicts.end import End
from orchestrator.values.events import Event
from orchestrator.values.formatting import duration, few
from orchestrator.values.settings import FIVETRAN

__all__ = ["advice"]

_APART = "to keep two GitLab jobs apart, give both the same `resource_group`, with the connection's id in it"


def advice(end: End, reasons: tuple[str, ...]) -> tuple[str, ...]:
    """What to do now, the most urgent first; of a green end nothing but what Fivetran advises."""
    about = None if end.green else _ADVICE.get(end.verdict)
    return (*few(remedies(end, reasons)), *(about(end) if about else ()))


def remedies(end: End, reasons: tuple[str, ...]) -> Iterator[str]:
    """What Fivetran itself advises on the connection's active errors, less what the reasons say already."""
    for error in end.facts.errors or ():
        what, how = error.get("title") or error.get("type"), error.get("message") or error.get("reason")
        advised = str(how or "")
        for reason in reasons:
            advised = advised.replace(reason, "").replace(reason.rpartition(" (")[0] or reason, "")
        if advised := advised.strip(" .:;"):
            yield f"Fivetran's advice{f' ({what})' if what else ''}: {advised}"


def _about_key(end: End) -> Iterator[str]:
    if end.failure.get("status") == HTTPStatus.FORBIDDEN:
        purpose = end.failure["purpose"]
        yield f"give the API key's user or role the permission to {purpose}, in this connection's destination"
        return
    yield (
        "check FIVETRAN_API_KEY and FIVETRAN_API_SECRET: are they a pair, of this account, not expired? "
        "or are key and secret swapped?"
    )
    yield "in GitLab, a protected variable is empty on an unprotected branch"


def _about_names(end: End) -> Iterator[str]:
    settings = end.settings
    if resync_failed(end.facts):
        given = end.several(f"SCHEMA={settings.schema} TABLE={settings.table}", end.tables())
        names = end.several("SCHEMA and TABLE", "TABLES")
        yield f"check {names}: the names at the source, case-sensitive (given: {given})"
        return
    if end.document:
        yield "it was there when the run began: see whether it was deleted, or whether the key lost access to it"
        return
    yield (
        "check CONNECTOR_ID: the connection's Setup tab shows it, two words such as speak_inexpensive; "
        "it is not the connection's name"
    )
    yield "`fivetran-orchestrator list` shows the ids that the API key can see"
    yield "check that the API key belongs to the same account"


def _about_time(end: End) -> Iterator[str]:
    timeout = f"FIVETRAN_TIMEOUT (now {duration(end.settings.timeout)}) and the job's own timeout"
    if end.resyncs and end.running is not False:
        wait = "wait for it with FIVETRAN_ACTION=START and FIVETRAN_ON_RUNNING=attach"
        yield f"{wait}; another FORCE_RESYNC would re-sync a second time" if has_sync(end.settings, end.facts) else wait
        yield f"next time, raise {timeout}"
    elif end.may_attach and end.running is not False:
        yield f"start the job again {_attaching(end)} to wait for the running sync; or raise {timeout}"
    elif end.failure:
        yield "start the job again later; https://status.fivetran.com says whether Fivetran has an outage"
    else:
        yield f"raise {timeout}, and start the job again"


def _attaching(end: End) -> str:
    """How to start a job so that it waits for a sync that runs already."""
    set_already = end.policies.get("on_running") == "attach"
    return "as it is (FIVETRAN_ON_RUNNING is attach)" if set_already else "with FIVETRAN_ON_RUNNING=attach"


def _about_outage(end: End) -> Iterator[str]:
    event = end.failure.get("event")
    if event == Event.CONFLICT:
        yield "see on the connection's page what is running there, and start the job again when it has ended"
        yield _APART
    elif event == Event.RATE_LIMITED:  # the text of a 429 differs by limit: it is shown, and never parsed
        wait = end.failure.get("retry_after")
        when = "later" if wait is None else f"in {duration(wait)} (Retry-After)"
        yield f"start the job again {when}: the limit is the account's, shared by all of its API keys"
        yield "a longer FIVETRAN_POLL_INTERVAL makes fewer calls"
    elif end.failure and not end.failure.get("status"):
        if end.settings.api_url != FIVETRAN:
            yield f"check FIVETRAN_API_URL ({end.settings.api_url}); leave it unset to use Fivetran's own address"
            return
        yield "check the runner's network and proxy (HTTPS_PROXY), then start the job again"
        yield "if they are fine, https://status.fivetran.com says whether Fivetran has an outage"
    else:
        yield "start the job again later; `retry: {max: 2, exit_codes: [6]}` makes GitLab do so"
        yield (
            "https://status.fivetran.com says whether Fivetran has an outage; "
            "if it has none, check the runner's network and proxy (HTTPS_PROXY)"
        )


def _about_pause(end: End) -> Iterator[str]:
    page = end.settings.page
    if triggered(end.facts) or end.settings.unpause:
        yield f"find out who paused it; un-pause it on its page ({page}) and start the job again"
    else:
        yield f"un-pause it on its page ({page}), or set FIVETRAN_UNPAUSE=1, and start the job again"


def _about_setup(end: End) -> Iterator[str]:
    yield f"fix the setup on the connection's page ({end.settings.page}/setup), and start the job again"
    if end.verdict != Event.TESTS_FAILED:
        yield "FIVETRAN_ACTION=TEST runs its setup tests"
    if end.verdict == Event.BROKEN and end.policies.get("on_broken") == "fail":
        yield "if only its last sync failed, a sync may clear it: start the job again with FIVETRAN_ON_BROKEN=sync"


def _about_age(end: End) -> Iterator[str]:
    if documents.setup_state(end.document) in {"incomplete", "broken"}:
        yield from _about_setup(end)
    elif end.running:
        how = "FIVETRAN_ACTION=START and FIVETRAN_ON_RUNNING=attach"
        yield f"to wait for the running sync, start a job with {how}"
    else:
        paused = documents.sync_state(end.document) == "paused"
        yield f"start a sync with FIVETRAN_ACTION=START{' and FIVETRAN_UNPAUSE=1' if paused else ''}"
    yield "see its latest syncs on the connection's page"


def _about_doubt(end: End) -> Iterator[str]:
    resync = f"a re-sync of the {end.several('table', 'tables')}"
    what = resync if end.resyncs else "the sync that the job asked for"
    yield f"see on the connection's page whether {what} is under way; if not, start the job again"


def _about_other_sync(end: End) -> Iterator[str]:
    also = " or attach" if end.may_attach else ""
    yield f"set FIVETRAN_ON_RUNNING to wait{also}, or start the job again when the other sync has ended"
    yield _APART


def _about_request(end: End) -> Iterator[str]:
    if end.failure.get("code") == "NotFound":
        yield f"check FIVETRAN_API_URL ({end.settings.api_url}): the path does not exist there"
    elif resync_failed(end.facts):
        yield "this kind of connection may not support re-syncing single tables: re-sync it on its page"
    elif end.failure.get("status") == HTTPStatus.PAYMENT_REQUIRED:
        yield "renew the plan in Fivetran's account settings (Billing); until then no job can sync"
    elif end.failure and not end.failure.get("status"):
        yield "fix that, and start the job again: the request did not reach Fivetran"
    else:
        yield "fix what Fivetran's message names; the same request will be rejected again"


def _about_later(end: End) -> Iterator[str]:
    may_wait = end.policies.get("on_reschedule") != "wait"  # a user's own chart may end so all the same
    yield f"{'set FIVETRAN_ON_RESCHEDULE to wait, or ' if may_wait else ''}start the job again after that time"


def _about_late_reschedule(end: End) -> Iterator[str]:
    facts, due = end.facts, documents.parse_time(end.facts.waited_for)
    if due is None or facts.connection_date is None:
        yield "raise FIVETRAN_TIMEOUT, and start the job again"
        return
    left = max(0.0, due - facts.connection_date)
    yield (
        f"start the job again after {documents.moment(facts.waited_for)}, or with a longer FIVETRAN_TIMEOUT: "
        f"that time was {duration(left)} ahead, and FIVETRAN_TIMEOUT is {duration(end.settings.timeout)}"
    )


def _about_signal(end: End) -> Iterator[str]:
    if has_sync(end.settings, end.facts) and end.may_attach and end.running is not False:
        yield f"start the job again {_attaching(end)} to wait for that sync"
    elif end.resyncs and has_sync(end.settings, end.facts) and end.running is not False:
        yield "wait for it with FIVETRAN_ACTION=START and FIVETRAN_ON_RUNNING=attach"
    else:
        yield "start the job again"


def _about_log(end: End) -> Iterator[str]:
    yield f"read the sync's log on the connection's page ({end.settings.page}), then start the job again"


_ADVICE: dict[str, Callable[[End], Iterator[str]]] = {
    Event.SYNC_FAILED: _about_log,
    Event.CANCELLED: _about_log,
    Event.TESTS_FAILED: _about_setup,
    Event.STALE: _about_age,
    Event.REFUSED: _about_key,
    Event.NOT_FOUND: _about_names,
    Event.REJECTED: _about_request,
    Event.TIMED_OUT: _about_time,
    Event.GAVE_UP: _about_outage,
    Event.PAUSED: _about_pause,
    Event.INCOMPLETE: _about_setup,
    Event.BROKEN: _about_setup,
    Event.BUSY: _about_other_sync,
    Event.RESCHEDULED: _about_later,
    Event.TOO_LATE: _about_late_reschedule,
    Event.UNCONFIRMED: _about_doubt,
    Event.INTERRUPTED: _about_signal,
    Event.TERMINATED: _about_signal,
}
