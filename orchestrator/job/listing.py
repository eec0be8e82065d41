"""The account's connections: asked for page by page, and told as a table or as JSON."""

import fnmatch
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from orchestrator.fivetran import documents
from orchestrator.fivetran.client import TOO_LARGE
from orchestrator.fivetran.effects.situation import LARGEST_PAGE, items, listing
from orchestrator.job.address import api_url
from orchestrator.job.configuration import refused
from orchestrator.job.credentials import key_pair
from orchestrator.job.inputs import Inputs
from orchestrator.job.job import bounded, connected
from orchestrator.job.limits import Limits
from orchestrator.job.masking import Mask, proxy_secrets
from orchestrator.machine.loader import load
from orchestrator.machine.run import Send
from orchestrator.values.clock import SystemClock
from orchestrator.values.events import Event
from orchestrator.values.exchange import Answer, Cut, Failure, Request, unanswered
from orchestrator.values.formatting import ago, duration
from orchestrator.values.settings import page_of

__all__ = [
    "Account",
    "Listed",
    "account",
    "as_json",
    "as_table",
    "asking",
    "asking_until",
    "exit_code",
    "list_connections",
    "matches",
    "pages",
]

Ask = Callable[[Request], Answer]  # raises Failure
Row = dict[str, Any]

COLUMNS = ("ID", "NAME", "SERVICE", "STATE", "SCHEDULE", "LAST SUCCESS")
MOST = 100_000  # connections of an account, and pages without any; more is a listing without an end
_VARIABLES = ("FIVETRAN_HTTP_TIMEOUT", "FIVETRAN_TIMEOUT")


@dataclass(frozen=True, slots=True)
class Account:
    """What is needed to ask about an account.

    Attributes:
        api_url: Base of the API.
        api_key: Never shown.
        api_secret: Never shown.
        http_timeout: Seconds for one request.
        timeout: Seconds for all of them.
        mask: Knows the secrets.
        warnings: What the user should know.
    """

    api_url: str
    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    http_timeout: float
    timeout: float
    mask: Mask
    warnings: tuple[str, ...]


class Listed(NamedTuple):
    """The connections.

    Attributes:
        documents: The document of each.
        now: Fivetran's now, in seconds since the epoch.
    """

    documents: Sequence[Mapping[str, Any]]
    now: float


def account(environ: Mapping[str, str]) -> Account:
    """Read and check the variables that an account needs.

    Args:
        environ: Variables by name.

    Raises:
        configuration.ConfigurationError: Something is missing or malformed.
    """
    inputs = Inputs(environ)
    key, secret = key_pair(inputs)
    url = api_url(inputs)
    http_timeout, timeout = (inputs.seconds(name) for name in _VARIABLES)
    if inputs.errors:
        raise refused(inputs, key, secret)
    mask = Mask(key, secret)
    mask.add(*inputs.secrets, *proxy_secrets(environ))
    return Account(url, key, secret, http_timeout, timeout, mask, tuple(inputs.warnings))


# --- Asking ---------------------------------------------------------------------------------------


def list_connections(
    account: Account, group: str, clock: SystemClock, tell: Callable[[int], object], warn: Callable[[str], object]
) -> Listed:
    """Ask for all connections of an account, or of a group.

    Args:
        account: The account.
        group: Its group's id, or "" for all.
        clock: The time.
        tell: Told how many there are so far, where more pages follow.
        warn: Told that no thread can be started.

    Raises:
        Failure: They cannot be listed.
    """
    client = connected(account, clock, account.mask)
    found: list[Mapping[str, Any]] = []
    now = clock.wall()
    with Limits(clock, warn=warn) as limits:
        send = bounded(client, clock, limits)
        ask = asking_until(send, account.http_timeout, account.timeout, clock, lambda: limits.noted)
        for answer in pages(ask, group):
            found += map(documents.trimmed, items(answer))
            now = answer.date
            if answer.data.get("next_cursor"):
                tell(len(found))
    client.close()
    return Listed(found, now)


def asking(send: Send, seconds: float, signal: Callable[[], Event | None]) -> Ask:
    """What sends a request once and gives its answer, or raises the Failure.

    Args:
        send: A run's `send`.
        seconds: The limit of each request.
        signal: The signal that has arrived, as its event, or None.
    """

    def ask(request: Request) -> Answer:
        outcome = send(request, seconds, True)  # noqa: FBT003  # a port's form
        if isinstance(outcome, Answer):
            return outcome
        if outcome is Cut.SIGNAL:
            raise Failure(signal() or Event.INTERRUPTED, "stopped by a signal")
        raise outcome if isinstance(outcome, Failure) else unanswered(request, f"no answer within {seconds:g} s")

    return ask


def asking_until(
    send: Send, seconds: float, timeout: float, clock: SystemClock, signal: Callable[[], Event | None]
) -> Ask:
    """The same, for several requests with a limit for all of them.

    Args:
        send: A run's `send`.
        seconds: The limit of each request.
        timeout: That of all of them, from now on.
        clock: The time.
        signal: The signal that has arrived, as its event, or None.
    """
    until = clock.monotonic() + timeout

    def ask(request: Request) -> Answer:
        left = until - clock.monotonic()
        if left <= 0:
            raise Failure(Event.TIMED_OUT, f"timed out after {duration(timeout)} (FIVETRAN_TIMEOUT)")
        return asking(send, min(seconds, left), signal)(request)

    return ask


def pages(ask: Ask, group: str = "") -> Iterator[Answer]:
    """Each page of the listing, to the end.

    Args:
        ask: Sends a request.
        group: A group's id, or "" for all connections.

    Raises:
        Failure: A page has no usable answer.
    """
    limit, cursor, seen, listed = LARGEST_PAGE, "", set[str](), 0
    while True:
        try:
            answer = ask(listing("list the connections", group=group, limit=limit, cursor=cursor))
        except Failure as failure:
            if limit == 1 or not failure.message.startswith(TOO_LARGE):
                raise
            limit //= 10  # documents of some kilobytes each: fewer of them on a page
            continue
        yield answer
        following = answer.data.get("next_cursor")
        if not isinstance(following, str) or not following:
            return
        if following in seen:
            raise Failure(Event.UNAVAILABLE, "Fivetran's listing has no end: it leads to a page that was there before")
        listed += max(1, len(items(answer)))
        if listed >= MOST:
            raise Failure(Event.UNAVAILABLE, f"Fivetran's listing has no end: more than {MOST:,} connections or pages")
        seen.add(following)
        cursor = following


def exit_code(failure: Failure) -> int:
    """The exit code of a command that fails so: that of a job."""
    verdict = Event.GAVE_UP if failure.event in {Event.RATE_LIMITED, Event.UNAVAILABLE} else failure.event
    return load("STATUS").exit_of(verdict)[1]


# --- Telling --------------------------------------------------------------------------------------


def matches(document: Mapping[str, Any], pattern: str) -> bool:
    """Whether id, name or service has the pattern: with `*`, `?` or `[` all of it, else anywhere; in any case."""
    folded = pattern.casefold()
    texts = [str(document.get(name) or "").casefold() for name in ("id", "schema", "service")]
    if any(sign in pattern for sign in "*?["):
        return any(fnmatch.fnmatchcase(text, folded) for text in texts)
    return any(folded in text for text in texts)


def as_json(listed: Listed) -> str:
    """The connections as JSON: a list of objects, sorted by name."""
    return json.dumps([_row(document) for document in _sorted(listed)], indent=2, ensure_ascii=False)


def as_table(listed: Listed, mask: Mask) -> str:
    """The connections as a table, sorted by name."""
    rows = [COLUMNS, *(tuple(mask.line(text) for text in _cells(each, listed.now)) for each in _sorted(listed))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _sorted(listed: Listed) -> list[Mapping[str, Any]]:
    return sorted(listed.documents, key=lambda each: (str(each.get("schema")).casefold(), str(each.get("id"))))


def _row(document: Mapping[str, Any]) -> Row:
    identity = document.get("id")
    return {
        "id": identity,
        "name": document.get("schema"),
        "service": document.get("service"),
        "group_id": document.get("group_id"),
        "setup_state": documents.setup_state(document) or None,
        "sync_state": documents.sync_state(document) or None,
        "schedule_type": documents.schedule_type(document),
        "sync_frequency": document.get("sync_frequency"),
        "succeeded_at": document.get("succeeded_at"),
        "failed_at": document.get("failed_at"),
        "page": page_of(identity) if isinstance(identity, str) else None,
    }


def _cells(document: Mapping[str, Any], now: float) -> Iterator[str]:
    for name in ("id", "schema", "service"):
        yield str(document.get(name) or "-")
    state = documents.sync_state(document)
    yield ", ".join((documents.setup_state(document) or "-", "idle" if state == "scheduled" else state or "-"))
    yield _schedule(document)
    succeeded = documents.parse_time(document.get("succeeded_at"))
    if succeeded is None:
        yield "never"
        return
    yield f"{datetime.fromtimestamp(succeeded, UTC):%Y-%m-%d %H:%M}Z ({ago(now - succeeded)})"


def _schedule(document: Mapping[str, Any]) -> str:
    if special := documents.special_schedule(document):
        return special.lower().replace("_", " ")
    schedule, every = documents.schedule_type(document) or "-", document.get("sync_frequency")
    # Minutes; a manual schedule has the last one that there was.
    return f"{schedule}, every {duration(every * 60)}" if schedule == "auto" and isinstance(every, int) else schedule
