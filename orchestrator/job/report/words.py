"""What the page and the summary say alike: the outcome, the connection's facts, times and links."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from orchestrator.fivetran.documents import parse_time
from orchestrator.values.formatting import iso
from orchestrator.values.settings import page_of

__all__ = [
    "Link",
    "Piece",
    "at_fivetran",
    "began",
    "connection_facts",
    "ended",
    "links",
    "outcome",
    "pieces",
    "still_running",
    "utc",
]

FIVETRANS_STATUS = "https://status.fivetran.com"

_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)"
# One pattern for all connections: each that is made takes a millisecond.
_LINK = rf"(?P<link>(?P<base>{page_of('[A-Za-z0-9_-]+')}|{FIVETRANS_STATUS})(?:/[a-z]+)?)"
_PIECES = re.compile(rf"(?<!\S)\(?{_LINK}(?=[),.;:]*(?:\s|$))|(?<!\w)(?P<time>{_TIME})(?!\w)")

Document = Mapping[str, Any]
Link = tuple[str, str]  # what it says, and its address


class Piece(NamedTuple):
    """A part of a line.

    Attributes:
        text: It as it is written.
        seconds: The time that it is, in seconds since the epoch; None where it is none.
        link: It is an address that may be followed.
    """

    text: str
    seconds: float | None = None
    link: bool = False


def outcome(document: Document) -> str:
    """How the run ended, in the word that the log's last lines begin with."""
    return str(document["outcome"])


def still_running(document: Document) -> str:
    """What goes on at Fivetran though the job has ended; "" where nothing does, as far as is known."""
    return str(document["running"]) if document["still_running"] else ""


def at_fivetran(document: Document) -> list[str]:
    """What else there is to say of what goes on at Fivetran now."""
    return [text for text in document["at_fivetran"] if text != still_running(document)]


def connection_facts(document: Document) -> Iterator[tuple[str, object]]:
    """What is known of the connection, each with its name; what is not known is None or ""."""
    schedule, was, paused = document["schedule_type"], document["schedule_before"], document["paused"]
    yield "Service", document["service"]
    yield "Setup state", document["setup_state"]
    yield "Sync state", document["sync_state"]
    yield "Last success", document["succeeded_at"]
    yield "Last failure", document["failed_at"]
    yield "Schedule", f"{schedule} (it was {was})" if schedule and was not in {None, schedule} else schedule
    yield "Paused", None if paused is None else "yes" if paused else "no"
    yield "Rescheduled for", document["rescheduled_for"]


def links(document: Document, report: str, back: Iterable[Link]) -> list[Link]:
    """Where there is more to read.

    Args:
        document: `result.json`.
        report: The page's address, or "".
        back: What the run belongs to.
    """
    found = [("The connection at Fivetran", document["page"]), ("The report", report), *back]
    return [(label, address) for label, address in found if address]


def began(document: Document) -> float:
    """When the run began, in seconds since the epoch."""
    return parse_time(document["started_at"]) or 0.0


def ended(document: Document) -> float:
    """When the run ended, in seconds since the epoch: what "6 h ago" counts from."""
    return parse_time(document["ended_at"]) or 0.0


def utc(seconds: float) -> str:
    """A time for people, in seconds since the epoch."""
    return f"{iso(seconds)[:19].replace('T', ' ')} UTC"


def pieces(line: str, page: str | None) -> Iterator[Piece]:
    """The parts of a line, in order.

    Args:
        line: The line.
        page: The connection's page at Fivetran: that and what lies below it may be followed. None if there is none.
    """
    at = 0
    for found in _PIECES.finditer(line):
        kind = "link" if found["link"] else "time"
        if kind == "link" and found["base"] not in {page, FIVETRANS_STATUS}:
            continue  # another connection's
        seconds = parse_time(found["time"])
        begin, end = found.span(kind)
        yield Piece(line[at:begin])
        yield Piece(found[kind], seconds, link=kind == "link")
        at = end
    yield Piece(line[at:])
