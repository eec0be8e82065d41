"""A request to Fivetran, and the two ways it can end: an Answer or a Failure.

A failure is one of these events, and each of them an edge of a chart:

    rate_limited    429; Fivetran says when to try again
    unavailable     certainly not carried out, or a GET or PATCH that may be repeated
    answer_lost     a POST that may have been carried out
    conflict        409 to a POST: it conflicts with something that is running
    refused         401 or 403 from Fivetran itself: the key is wrong or lacks a permission
    not_found       404 from Fivetran itself: no such connection, schema or table
    rejected        any other 3xx or 4xx: retrying would not help
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Any, NamedTuple

from orchestrator.values.events import Event

__all__ = ["FAILURES", "OF_POSTS", "TRANSIENT", "Answer", "Cut", "Failure", "Request", "unanswered"]

Json = Any  # whatever json.loads returns


class Request(NamedTuple):
    """A request as data.

    Attributes:
        method: GET, PATCH or POST. A GET changes nothing, a PATCH may be repeated, a POST
            may not: that decides what a failure means.
        path: Path below FIVETRAN_API_URL.
        body: JSON body, or None for none.
        purpose: What it is for, as the log and the report say it.
        patient: It may take all the time that is left (setup tests), not FIVETRAN_HTTP_TIMEOUT.
        wants_data: The documented answer has an object under `data`.
        optional: Nothing depends on it, and not every account can ask for it.
        known: The connection has been read before: its path exists, and a 404 that denies it is an outage.
    """

    method: str
    path: str
    purpose: str
    body: Mapping[str, Json] | None = None
    patient: bool = False
    wants_data: bool = True
    optional: bool = False
    known: bool = False

    @property
    def changes(self) -> bool:
        """Whether carrying it out may change something at Fivetran."""
        return self.method != "GET"

    @property
    def repeatable(self) -> bool:
        """Whether it can be sent again without asking what became of the first."""
        return self.method != "POST"

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Answer(NamedTuple):
    """Fivetran's answer to one request.

    Attributes:
        status: HTTP status, 2xx.
        code: The body's `code`, "Success".
        message: The body's `message`, or "".
        data: The body's `data`, or {}.
        date: Fivetran's now, in seconds since the epoch: the `Date` header (whole seconds).
        dated: False when the header was missing and `date` is this machine's clock.
        request_id: Fivetran's id of the request, for its support; or "".
        at: When it came, in seconds since the run began, by the run's own clock.
        took: Seconds between the request and it.
        cut: `data` is not complete: overlong texts and lists were cut.
    """

    status: int = 200
    code: str = "Success"
    message: str = ""
    data: Mapping[str, Json] = {}
    date: float = 0.0
    dated: bool = True
    request_id: str = ""
    at: float = 0.0
    took: float = 0.0
    cut: bool = False

    def __str__(self) -> str:
        return f"{self.status} {self.code}"

    def timed(self, at: float, took: float) -> "Answer":
        """The answer, and when it came."""
        return self._replace(at=at, took=took)

    def about(self, document: Mapping[str, Json]) -> "Answer":
        """The answer with one of its documents alone, as if that had been asked for."""
        kept = (self.date, self.dated, self.request_id)
        return Answer(self.status, self.code, self.message, document, *kept, cut=self.cut)

    @property
    def asked_at(self) -> float | None:
        """Fivetran's now when the request was sent, at most a second early; None where the answer had no `Date`.

        Its `Date` is that of the answer, in whole seconds.
        """
        return self.date - self.took if self.dated else None


@dataclass(eq=False)
class Failure(Exception):  # noqa: N818  # the field calls these outcomes, not errors
    """A request that got no usable answer.

    Attributes:
        event: How it failed; one of `FAILURES`.
        message: What happened, for people: Fivetran's words where there are any.
        status: HTTP status, or None when there was none.
        code: Fivetran's code, or "".
        retry_after: Seconds that Fivetran asks to wait, or None.
        request_id: Fivetran's id of the request, or "".
    """

    event: Event
    message: str
    status: int | None = field(default=None, kw_only=True)
    code: str = field(default="", kw_only=True)
    retry_after: float | None = field(default=None, kw_only=True)
    request_id: str = field(default="", kw_only=True)

    def __str__(self) -> str:
        prefix = " ".join(str(part) for part in (self.status, self.code) if part)
        return f"{prefix}: {self.message}" if prefix else self.message

    def as_fact(self, request: Request, attempts: int) -> dict[str, Json]:
        """The failure as JSON, for facts, log and report."""
        return {
            "event": str(self.event),
            "request": str(request),
            "purpose": request.purpose,
            "attempts": attempts,
            "status": self.status,
            "code": self.code,
            "message": self.message,
            "retry_after": self.retry_after,
            "request_id": self.request_id,
        }


@unique
class Cut(StrEnum):
    """What ended a request before an answer or a failure did."""

    LIMIT = "limit"
    SIGNAL = "signal"


# Failures that another attempt may get past; they are counted.
TRANSIENT = frozenset({Event.RATE_LIMITED, Event.UNAVAILABLE, Event.ANSWER_LOST, Event.CONFLICT})
FAILURES = {str(event): event for event in (*sorted(TRANSIENT), Event.REFUSED, Event.NOT_FOUND, Event.REJECTED)}
OF_POSTS = frozenset({Event.ANSWER_LOST, Event.CONFLICT})  # no other request can fail so


def unanswered(request: Request, message: str, *, status: int | None = None) -> Failure:
    """The failure of a request that may have been carried out all the same."""
    return Failure(Event.UNAVAILABLE if request.repeatable else Event.ANSWER_LOST, message, status=status)
