"""The journal of a run: JSON Lines, a header and then a line a step; `docs/journal.md` describes it.

What makes its lines is pure, and what reads them is here, too; the recorder writes them. A journal
holds all that the world did to a run, so that `orchestrator.debugger.replay` can do it again.
"""

import json
import os
from codecs import BOM_UTF8, getincrementaldecoder
from collections.abc import Mapping, MutableMapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

from orchestrator import __version__
from orchestrator.fivetran.documents import parse_time
from orchestrator.job.configuration import LEAST_SECONDS, MOST_SECONDS
from orchestrator.job.files import open_for_reading, read_bytes
from orchestrator.job.state_file import check_run
from orchestrator.job.why import why
from orchestrator.machine.chart import Chart, Kind
from orchestrator.machine.loader import ACTIONS, packaged_source
from orchestrator.machine.run import Run, Step
from orchestrator.machine.world import Noted
from orchestrator.values.events import Event
from orchestrator.values.exchange import (
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
from orchestrator.values.facts import Facts
from orchestrator.values.formatting import iso
from orchestrator.values.parsing import parse_json
from orchestrator.values.settings import Settings
from orchestrator.values.type_checks import built, check, check_members

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

FORMAT = 2

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
# What a setting may be, as for a job: beyond it a run that is forked would not come to an end.
_BOUNDS = {
    **dict.fromkeys(("timeout", "poll_interval", "http_timeout"), (LEAST_SECONDS, MOST_SECONDS)),
    "retry_limit": (1, 999_999_999),
}
# A line, beside what it says of request, answer and facts; what a step need not have may be left out.
_LINE: Mapping[str, Any] = {
    **dict.fromkeys(("at", "state", "kind", "operand", "event", "target", "why"), str),
    "step": int,
    "facts": Mapping[str, Any],
    **dict.fromkeys(("began", "ended", "due"), float),
}
_OPTIONAL: Mapping[str, Any] = {
    **dict.fromkeys(("limit", "took", "pause", "jitter", "signalled"), float),
    "exit": int,
    "unwritable": str,
    "cut_off": Literal["limit", "signal"],
    "signal": Literal["interrupted", "terminated"],
    "by_hand": Literal["injected", "answered", "hastened"],
    "clock": list,
}
_FAILURE: Mapping[str, Any] = {"status": int, "code": str, "retry_after": float, "request_id": str}
# Of a connection's document: what a source is reached with, and what its holder can set it up with.
_LEFT_OUT = ("config", "auth", "connect_card")
_FAILURES = {kind.event: kind for kind in (RateLimited, Unavailable, AnswerLost, Conflict, Refused, NotFound, Rejected)}


# An older format -> what it has otherwise.
_CHANGED = {
    1: (
        ", in which times such as asked_at are seconds since the run began, evidence and restore_schedule are texts, "
        "and doubt takes the place of quiet_since"
    )
}


class JournalError(ValueError):
    """A file that cannot be read as a journal; the message names it and says why."""


# --- Writing: pure --------------------------------------------------------------------------------


def compose_header(run: Run, snapshot: Mapping[str, Any] | None, *, exact: bool = False) -> dict[str, Any]:
    """The first line.

    Args:
        run: The run.
        snapshot: What it was taken up from, or None.
        exact: The lines that follow have the clock's own times.
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
        **({"clock": run.opened} if exact and snapshot is None and run.opened else {}),
        **({} if snapshot is None else {"resumed": compose_resumption(run, snapshot, exact=exact)}),
    }


def compose_resumption(run: Run, snapshot: Mapping[str, Any], *, exact: bool = False) -> dict[str, Any]:
    """When and from what the run was taken up; `exact` as for `compose_header`."""
    facts = {**snapshot["facts"], "connection": _stripped(snapshot["facts"].get("connection"))}
    clock = {"clock": run.opened} if exact and run.began else {}
    return {"wall": run.resumed_at, **clock, "snapshot": {**snapshot, "facts": facts}}


def compose_record(
    settings: Settings,
    chart: Chart,
    before: Facts,
    step: Step,
    noted: Noted,
    *,
    began: float,
    at: str,
    exact: bool = False,
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
        exact: Add the clock's own times, where they say more than the others: what is decided by comparing times
            is decided by the last digit, and a difference to the beginning has another one.
    """
    state = chart.states[step.source]
    signalled = None if noted.signalled is None else _seconds(noted.signalled - began)
    changed = step.facts.changed_from(before)
    if "connection" in changed:
        changed["connection"] = _stripped(changed["connection"])
        if changed["connection"] == _stripped(before.connection):  # a state file's document has no `config` to compare
            del changed["connection"]
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
        "clock": _clock(step, noted, signalled) if exact else None,
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


def _clock(step: Step, noted: Noted, signalled: float | None) -> list[float] | None:
    """When the step began and ended and the signal was seen, on the run's clock; None where the record says it."""
    times = [*step.clock, *([] if noted.signalled is None else [noted.signalled])]
    told = [_seconds(step.at - step.took), _seconds(step.at), *([] if signalled is None else [signalled])]
    return None if times == told else times


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
        clock: When, on the clock that the times of the records are on; None where they are since the beginning.
    """

    wall: float
    snapshot: Mapping[str, Any]
    clock: float | None = None


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
        clock: When the run began, on the clock that the times of the records are on.
    """

    version: str
    started_at: str
    settings: Settings
    digest: str
    packaged: bool
    source: str
    resumed: Resumption | None = None
    clock: float = 0.0


class Record(NamedTuple):
    """One step, as it was recorded.

    Attributes:
        step: The step, the facts after it included.
        before: The facts before it.
        noted: What the world did, beside answering.
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
        began: float = self.told["began"]
        return began


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
            header = parse_json(stream.readline(LARGEST).decode("utf-8-sig"))
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
            f"version {__version__} reads format {FORMAT}{_CHANGED.get(document['format'], '')}"
        )
    return f"its header is damaged ({type(error).__name__}: {error})"


def _header(document: Mapping[str, Any]) -> Header:
    if document["format"] != FORMAT:
        raise ValueError("another format")
    said, chart = document["settings"], document["chart"]
    check("settings", said, Mapping[str, Any])
    check("settings.policies", said["policies"], Mapping[str, str])
    rest = {name: value for name, value in said.items() if name != "policies"}
    settings = built(Settings, "settings", rest, policies=tuple(said["policies"].items()), api_key="", api_secret="")
    for name, (least, most) in _BOUNDS.items():
        if not least <= getattr(settings, name) <= most:
            raise ValueError(f"settings.{name}: {getattr(settings, name):g} is not from {least:g} to {most:.0f}")
    if settings.action not in ACTIONS:
        raise ValueError(f"settings.action: {settings.action!r} is none of {', '.join(ACTIONS)}")
    check_members("chart", chart, {"digest": str, "packaged": bool, "source": str})
    check_members("", document, {"version": str, "started_at": str})
    if parse_time(document["started_at"]) is None:
        raise ValueError(f"started_at: {document['started_at']!r} is not a time")
    return Header(
        version=document["version"],
        started_at=document["started_at"],
        settings=settings,
        digest=chart["digest"],
        packaged=chart["packaged"],
        source=chart["source"],
        resumed=_resumption(document["resumed"]) if "resumed" in document else None,
        clock=float(document.get("clock", 0.0)),
    )


def _resumption(document: Mapping[str, Any]) -> Resumption:
    check_members("resumed", document, {"wall": float})
    check_members("resumed", document, {"clock": float} if "clock" in document else {})
    check_run(document.get("snapshot"))
    return Resumption(document["wall"], document["snapshot"], document.get("clock"))


def _record(document: dict[str, Any], before: Facts, data: dict[int, Any], resumed: Resumption | None) -> Record:
    """A line, read.

    Args:
        document: The line.
        before: The facts before.
        data: Step -> `data` of its answer; kept up to date.
        resumed: The run was taken up again before this step.

    Raises:
        LookupError, TypeError, ValueError: It is none.
    """
    check_members("", document, _LINE)
    check_members("", document, {name: kind for name, kind in _OPTIONAL.items() if name in document})
    if "limit" in document and {"answer", "failure", "cut_off"}.isdisjoint(document):
        raise ValueError("a request was sent, and nothing came of it")
    changed, number = dict(document["facts"]), document["step"]
    told = {**document, "facts": changed}
    if "answer" in document:
        check_members("answer", document["answer"], {"data": Mapping[str, Any]})
        told["answer"] = {**document["answer"], "data": _resolved(document["answer"]["data"], data)}
        data[number] = told["answer"]["data"]
    if "connection" in changed:
        changed["connection"] = _resolved(changed["connection"], data)
    rounded = [told[name] for name in ("began", "ended", "signalled") if name in told]
    clock = tuple(told.get("clock", rounded))  # as many of either
    check("clock", clock, tuple[float, ...])
    began, ended, *signalled = clock
    step = Step(
        number=number,
        source=told["state"],
        event=told["event"],
        target=told["target"],
        kind=Kind(told["kind"]),
        facts=before.updated(changed),
        at=told["ended"],
        request=built(Request, "request", told["request"]) if "request" in told else None,
        answer=built(Answer, "answer", told["answer"], at=ended, took=ended - began) if "answer" in told else None,
        failure=_failure(told["failure"]) if "failure" in told else None,
        took=told.get("took", 0.0),
        pause=told.get("pause", 0.0),
        due=told["due"],
        clock=(began, ended),
    )
    noted = Noted(
        limit=told.get("limit"),
        cut_off=told.get("cut_off", ""),
        unwritable=told.get("unwritable"),
        jitter=told.get("jitter"),
        signal=Event(told["signal"]) if "signal" in told else None,
        signalled=signalled[0] if signalled else None,
    )
    return Record(step, before, noted, told["operand"], told["why"], told["at"], told, resumed)


def _resolved(document: Any, data: Mapping[int, Any]) -> Any:  # noqa: ANN401  # any JSON
    """The document that a `same_as` stands for."""
    if isinstance(document, Mapping) and set(document) == {"same_as"}:
        return data[document["same_as"]]
    return document


def _failure(document: Mapping[str, Any]) -> Failure:
    check_members("failure", document, {"event": str, "message": str})
    how = {name: value for name, value in document.items() if name not in {"event", "message"}}
    if unknown := set(how).difference(_FAILURE):
        raise ValueError(f"failure.{min(unknown)} is unknown")
    check_members("failure", how, {name: _FAILURE[name] for name in how})
    return _FAILURES[document["event"]](document["message"], **how)
