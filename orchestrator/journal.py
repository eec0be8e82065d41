"""The journal of a run: JSON Lines, a header and then a line a step; `docs/journal.md` describes it.

What makes its lines is pure, and what reads them is here, too; the recorder writes them. A journal
holds all that the world did to a run, so that `orchestrator.replay` can do it again.
"""

import json
import os
from codecs import BOM_UTF8, getincrementaldecoder
from collections.abc import Mapping, MutableMapping
from itertools import pairwise
from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from orchestrator import __version__
from orchestrator.chart import Chart, Kind
from orchestrator.driver import Run, Step
from orchestrator.events import Event
from orchestrator.exchange import (
    Answer,
    AnswerLost,
    Conflict,
    Failure,
    NotFound,
    RateLimited,
    Refused,
    Rejected,
    Request,
    Unavailable,
)
from orchestrator.facts import Facts
from orchestrator.files import open_for_reading, parse_json, read_bytes
from orchestrator.loader import ACTIONS, packaged_source
from orchestrator.settings import Settings
from orchestrator.texts import iso
from orchestrator.why import why
from orchestrator.world import Noted

__all__ = [
    "ANSWERED",
    "FORMAT",
    "HASTENED",
    "INJECTED",
    "LARGEST",
    "Header",
    "Journal",
    "JournalError",
    "Record",
    "Resumption",
    "as_line",
    "compose_header",
    "compose_record",
    "compose_request",
    "compose_resumption",
    "is_of",
    "missing_end",
    "read_journal",
    "shortened",
]

FORMAT = 1

# What a debugger may do to a step: take its edge without doing, let its call be answered, not wait for it.
INJECTED, ANSWERED, HASTENED = "injected", "answered", "hastened"
DIGITS = 6  # of a second
LARGEST = 1_000_000_000  # bytes of a journal that is read

# The settings that decide something; none is a secret.
_SETTINGS = (
    *("action", "connector_id", "schema", "table", "keep_schedule"),
    *("timeout", "poll_interval", "http_timeout", "retry_limit", "policies"),
    *("unpause", "restore_schedule", "evidence"),
)
# What `Run.resume` needs of a snapshot.
_SNAPSHOT = {
    **dict.fromkeys(("state", "last_event"), str),
    **dict.fromkeys(("facts", "failures"), dict),
    **dict.fromkeys(("started_at", "deadline_at", "wake_at", "number", "trail_dropped"), int | float),
    "trail": list,
    "hopeless": bool,
}
_FACTS = get_type_hints(Facts)
# Of a connection's document: what a source is reached with, and what its holder can set it up with.
_LEFT_OUT = ("config", "connect_card")
_FAILURES = {kind.event: kind for kind in (RateLimited, Unavailable, AnswerLost, Conflict, Refused, NotFound, Rejected)}


class JournalError(ValueError):
    """A file that cannot be read as a journal; the message names it and says why."""


# --- Writing: pure --------------------------------------------------------------------------------


def compose_header(run: Run, snapshot: Mapping[str, Any] | None) -> dict[str, Any]:
    """The first line.

    Args:
        run: The run.
        snapshot: What it was taken up from, or None.
    """
    chart, settings = run.chart, run.settings
    decisive: dict[str, Any] = {name: getattr(settings, name) for name in _SETTINGS}
    packaged = chart.source == packaged_source(chart.action)
    return {
        "format": FORMAT,
        "version": __version__,
        "action": settings.action,
        "connector_id": settings.connector_id,
        "started_at": iso(run.started_at),
        "settings": {**decisive, "policies": dict(settings.policies)},
        "chart": {"digest": chart.digest, "packaged": packaged, "source": chart.source},
        **({} if snapshot is None else {"resumed": compose_resumption(run, snapshot)}),
    }


def compose_resumption(run: Run, snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """When and from what the run was taken up."""
    facts = {**snapshot["facts"], "connection": _stripped(snapshot["facts"].get("connection"))}
    return {"wall": run.resumed_at, "snapshot": {**snapshot, "facts": facts}}


def compose_record(
    settings: Settings, chart: Chart, before: Facts, step: Step, noted: Noted, *, began: float, at: str
) -> dict[str, Any]:
    """One step, complete; `shortened` is what a line says of it.

    Args:
        settings: The run's settings.
        chart: The run's chart.
        before: The facts before the step.
        step: The step.
        noted: What the world did, beside answering.
        began: When the run began, on the clock of `noted.signalled`.
        at: When the step ended, by the wall clock (ISO 8601).
    """
    state = chart.states[step.source]
    signalled = None if noted.signalled is None else _seconds(noted.signalled - began)
    changed = step.facts.changed_from(before)
    if "connection" in changed:
        changed["connection"] = _stripped(changed["connection"])
    told = {
        "step": step.number,
        "at": at,
        "began": _seconds(step.at - step.took),
        "ended": _seconds(step.at),
        "state": step.source,
        "kind": str(step.kind),
        "operand": state.operand,
        "request": None if step.request is None else compose_request(step.request),
        "limit": None if noted.limit is None else _seconds(noted.limit),
        "took": None if noted.limit is None else _seconds(step.took),
        "answer": None if step.answer is None else _told_answer(step.answer),
        "failure": None if step.failure is None else _told_failure(step.failure),
        "cut_off": noted.cut_off or None,
        "unwritable": noted.unwritable,
        "event": str(step.event),
        "target": step.target,
        "exit": chart.states[step.target].exit,
        "pause": _seconds(step.pause) or None,
        "jitter": noted.jitter,
        "due": _seconds(step.due),
        "signal": None if noted.signal is None else str(noted.signal),
        "signalled": signalled,
        "facts": changed,
        "why": why(settings, chart, before, step),
    }
    return _known(told)


def shortened(record: MutableMapping[str, Any], latest: MutableMapping[str, tuple[int, Any]]) -> Mapping[str, Any]:
    """The record, with a document that was there before named by the step that had it.

    Args:
        record: What `compose_record` made.
        latest: Request -> the step that had its latest `data`, and that `data`; kept up to date.
    """
    answer, changed = record.get("answer"), record["facts"]
    if answer is None:
        return record
    asked, data = f"{record['request']['method']} {record['request']['path']}", answer["data"]
    number, known = latest.get(asked, (0, None))
    if data != known:
        number = record["step"]
        latest[asked] = number, data
    same = {"same_as": number}
    facts = {**changed, "connection": same} if changed.get("connection") == data else changed
    return {**record, "answer": {**answer, "data": data if number == record["step"] else same}, "facts": facts}


def as_line(record: Mapping[str, Any]) -> str:
    """A record as a line."""
    return json.dumps(record, ensure_ascii=False) + "\n"


def _known(told: Mapping[str, Any]) -> dict[str, Any]:
    """What is there to tell: a name that is not in a line stands for nothing, or for the usual."""
    return {name: value for name, value in told.items() if value is not None}


def _seconds(seconds: float) -> float:
    return round(seconds, DIGITS)


def compose_request(request: Request) -> dict[str, Any]:
    """What was asked."""
    return _known({"method": request.method, "path": request.path, "purpose": request.purpose, "body": request.body})


def _told_answer(answer: Answer) -> dict[str, Any]:
    return _known(
        {
            "status": answer.status,
            "code": answer.code,
            "message": answer.message or None,
            "date": answer.date,
            "dated": None if answer.dated else False,
            "request_id": answer.request_id or None,
            "data": _stripped(answer.data),
        }
    )


def _told_failure(failure: Failure) -> dict[str, Any]:
    return _known(
        {
            "event": str(failure.event),
            "message": failure.message,
            "status": failure.status,
            "code": failure.code or None,
            "retry_after": failure.retry_after,
            "request_id": failure.request_id or None,
        }
    )


def _stripped(document: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """A document without what nobody's journal should hold."""
    if document is None:
        return None
    kept = {name: value for name, value in document.items() if name not in _LEFT_OUT}
    if "schemas" in kept:
        kept["schemas"] = _without_columns(kept["schemas"])
    return kept


def _without_columns(value: Any) -> Any:  # noqa: ANN401  # any JSON
    """What GET /schemas has, as far as anything asks for it: a source may have a million columns."""
    if not isinstance(value, Mapping):
        return value
    return {name: _without_columns(content) for name, content in value.items() if name != "columns"}


# --- Reading --------------------------------------------------------------------------------------


class Resumption(NamedTuple):
    """That the run was taken up again.

    Attributes:
        wall: When, in seconds since the epoch, by the clock of that machine.
        snapshot: What it was taken up from, as `Run.resume` takes it.
    """

    wall: float
    snapshot: Mapping[str, Any]


class Header(NamedTuple):
    """What a journal says of its run.

    Attributes:
        version: The version of the program that wrote it.
        started_at: When the run began, as it is written (ISO 8601).
        settings: The run's settings, without key and secret.
        digest: That of the chart.
        packaged: The chart was the one that comes with the program, not a user's own.
        source: The chart's text.
        resumed: What the run was taken up from, where the journal does not hold what was before.
    """

    version: str
    started_at: str
    settings: Settings
    digest: str
    packaged: bool
    source: str
    resumed: Resumption | None = None


class Record(NamedTuple):
    """One step, as it was recorded.

    Attributes:
        step: The step, the facts after it included.
        before: The facts before it.
        noted: What the world did, beside answering; `signalled` in seconds since the run began.
        operand: The effect, pause or choice of the state.
        why: The rule that decided, in words.
        at: When it ended, by the wall clock, as it is written (ISO 8601).
        told: The whole line, `same_as` resolved.
        resumed: The run was taken up again before this step, or None.
    """

    step: Step
    before: Facts
    noted: Noted
    operand: str
    why: str
    at: str
    told: Mapping[str, Any]
    resumed: Resumption | None = None

    @property
    def by_hand(self) -> str:
        """What of the step was done by hand, in the debugger, and not by the world: one of the three, or ""."""
        return str(self.told.get("by_hand", ""))

    @property
    def began(self) -> float:
        """When the step began, in seconds since the run began."""
        return float(self.told["began"])


class Journal(NamedTuple):
    """A run, as it was recorded.

    Attributes:
        name: Name of the file.
        header: What it says of the run.
        records: The steps, one at least. The numbers of some may be there twice: a job that was killed before
            it could write its state file did not know of its last step when it was taken up.
        torn: The last line is broken: the job was killed while it wrote it.
    """

    name: str
    header: Header
    records: tuple[Record, ...]
    torn: bool = False


def is_of(file: Path, run: Run) -> bool:
    """Whether a file is the journal of that run, so that it can go on in it.

    Raises:
        OSError: It is there and cannot be read.
    """
    try:
        with open_for_reading(file) as stream:  # whatever is torn further down
            header = parse_json(stream.readline(LARGEST))
        return {name: header[name] for name in ("format", "action", "connector_id", "started_at")} == {
            "format": FORMAT,
            "action": run.settings.action,
            "connector_id": run.settings.connector_id,
            "started_at": iso(run.started_at),
        } and bool(header["chart"]["digest"] == run.chart.digest)
    except (FileNotFoundError, ValueError, LookupError, TypeError):
        return False


def missing_end(file: Path) -> str:
    """What a journal lacks whose last line was torn off: a line end, or "".

    Raises:
        OSError: It cannot be read.
    """
    with file.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return "" if stream.read() == b"\n" else "\n"


def read_journal(file: str | Path) -> Journal:
    """Read a journal.

    Args:
        file: Path of the file.

    Raises:
        JournalError: It cannot be read, is no journal, is one of another format, or is damaged.
    """
    try:
        text = _decoded(read_bytes(file, LARGEST).removeprefix(BOM_UTF8))
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise JournalError(f"{file}: cannot be read: {problem}") from error
    first, *lines = text.removesuffix("\n").split("\n")
    try:
        header = _header(_parsed(first))
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise JournalError(f"{file}: {_why_no_header(first, error)}") from error
    facts = Facts.from_json(header.resumed.snapshot["facts"]) if header.resumed else Facts()
    records: list[Record] = []
    torn, resumed = False, None
    data: dict[int, Any] = {}
    for number, (line, following) in enumerate(pairwise([*lines, ""]), 2):
        try:
            document = _parsed(line)
            if "resumed" in document:
                resumed = _resumption(document["resumed"])
                facts = Facts.from_json(resumed.snapshot["facts"])
                continue
            record = _record(document, facts, data, resumed)
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            torn = not following
            if torn or following.startswith('{"resumed"'):  # killed while writing it
                continue
            raise JournalError(f"{file}: line {number} is damaged ({type(error).__name__}: {error})") from error
        facts, resumed = record.step.facts, None
        records.append(record)
    if not records:
        raise JournalError(f"{file}: holds no whole step: the job was killed while it wrote the first")
    return Journal(str(file), header, tuple(records), torn)


def _decoded(content: bytes) -> str:
    """The text, without what is left of a character within which a line was torn."""
    behind = '\n{"resumed"'  # a line is torn at the end, or where the run was taken up again
    parts = content.split(behind.encode())
    return behind.join(getincrementaldecoder("utf-8")().decode(part) for part in parts)


def _parsed(line: str) -> dict[str, Any]:
    document = parse_json(line)
    if not isinstance(document, dict):
        raise TypeError("it is no JSON object")
    return document


def _why_no_header(line: str, error: Exception) -> str:
    try:
        document = _parsed(line)
    except (TypeError, ValueError):
        document = {}
    if "format" not in document:
        return "is no journal: its first line is not the header of one"
    if document["format"] != FORMAT:
        return (
            f"is a journal of format {document['format']!r}, written by version {document.get('version')}; "
            f"version {__version__} reads format {FORMAT}"
        )
    return f"its header is damaged ({type(error).__name__}: {error})"


def _header(document: Mapping[str, Any]) -> Header:
    if document["format"] != FORMAT:
        raise ValueError("another format")
    said, chart = dict(document["settings"]), document["chart"]
    policies = tuple(dict(said.pop("policies")).items())
    settings = Settings(**said, policies=policies, api_key="", api_secret="")
    for name, kind in get_type_hints(Settings).items():
        value = getattr(settings, name)
        if kind in {str, bool, int, float} and not isinstance(value, int | float if kind is float else kind):
            raise TypeError(f"{name}: {value!r}")
    if settings.action not in ACTIONS:
        raise ValueError(f"action: {settings.action!r}")
    return Header(
        version=str(document["version"]),
        started_at=str(document["started_at"]),
        settings=settings,
        digest=str(chart["digest"]),
        packaged=bool(chart["packaged"]),
        source=str(chart["source"]),
        resumed=_resumption(document["resumed"]) if "resumed" in document else None,
    )


def _resumption(document: Mapping[str, Any]) -> Resumption:
    snapshot = document["snapshot"]
    for name, kind in _SNAPSHOT.items():
        if not isinstance(snapshot[name], kind):
            raise TypeError(f"{name}: {snapshot[name]!r}")
    _updated(Facts(), snapshot["facts"])
    return Resumption(float(document["wall"]), snapshot)


def _record(document: dict[str, Any], before: Facts, data: dict[int, Any], resumed: Resumption | None) -> Record:
    """A line, read.

    Args:
        document: The line.
        before: The facts before.
        data: Step -> `data` of its answer; kept up to date.
        resumed: The run was taken up again before this step.
    """
    if "limit" in document and {"answer", "failure", "cut_off"}.isdisjoint(document):
        raise ValueError("a request was sent, and nothing came of it")
    answer, changed, number = document.get("answer"), dict(document["facts"]), int(document["step"])
    if answer is not None:
        answer = {**answer, "data": _resolved(answer["data"], data)}
        data[number] = answer["data"]
    if "connection" in changed:
        changed["connection"] = _resolved(changed["connection"], data)
    told = {**document, "facts": changed, **({} if answer is None else {"answer": answer})}
    step = Step(
        number=number,
        source=str(told["state"]),
        event=str(told["event"]),
        target=str(told["target"]),
        kind=Kind(told["kind"]),
        facts=_updated(before, changed),
        at=float(told["ended"]),
        request=Request(**told["request"]) if "request" in told else None,
        answer=None if answer is None else Answer(**answer),
        failure=_failure(told["failure"]) if "failure" in told else None,
        took=float(told.get("took", 0.0)),
        pause=float(told.get("pause", 0.0)),
        due=float(told["due"]),
    )
    noted = Noted(
        limit=told.get("limit"),
        cut_off=told.get("cut_off", ""),
        unwritable=told.get("unwritable"),
        jitter=told.get("jitter"),
        signal=Event(told["signal"]) if "signal" in told else None,
        signalled=told.get("signalled"),
    )
    return Record(step, before, noted, str(told["operand"]), str(told["why"]), str(told["at"]), told, resumed)


def _updated(before: Facts, document: Mapping[str, Any]) -> Facts:
    """The facts with those that a document has.

    Raises:
        TypeError: One is not of its type.
    """
    facts = before.updated(document)
    for name, kind in _FACTS.items():
        if name in document and not _fits(getattr(facts, name), kind):
            raise TypeError(f"{name}: {document[name]!r}")
    return facts


def _fits(value: object, kind: Any) -> bool:  # noqa: ANN401  # a type, as a fact has it
    """Whether a value is of a fact's type: of one of several, or a tuple of many of one."""
    if isinstance(kind, UnionType):
        return any(_fits(value, one) for one in get_args(kind))
    if get_origin(kind) is tuple:
        member, _ = get_args(kind)
        return isinstance(value, tuple) and all(_fits(one, member) for one in value)
    plain = get_origin(kind) or kind
    return isinstance(value, int | float if plain is float else plain)


def _resolved(document: Any, data: Mapping[int, Any]) -> Any:  # noqa: ANN401  # any JSON
    """The document that a `same_as` stands for."""
    if isinstance(document, Mapping) and set(document) == {"same_as"}:
        return data[document["same_as"]]
    return document


def _failure(document: Mapping[str, Any]) -> Failure:
    how = {name: value for name, value in document.items() if name not in {"event", "message"}}
    return _FAILURES[document["event"]](document["message"], **how)
