"""Reads journals: checks what a job recorded of its run, and turns it into steps again."""

import math
from codecs import BOM_UTF8, getincrementaldecoder
from collections.abc import Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

from orchestrator import __version__
from orchestrator.fivetran.documents import parse_time
from orchestrator.job.files import read_bytes
from orchestrator.job.inputs import LEAST_SECONDS, MOST_SECONDS
from orchestrator.job.journal import FORMAT, LARGEST
from orchestrator.job.state_file import check_snapshot
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.chart import Kind
from orchestrator.machine.standing import Standing
from orchestrator.machine.step import Signal, Step
from orchestrator.values.events import Event
from orchestrator.values.exchange import FAILURES, Answer, Cut, Failure, Request
from orchestrator.values.facts import Facts
from orchestrator.values.formatting import printable
from orchestrator.values.parsing import parse_json
from orchestrator.values.settings import Settings
from orchestrator.values.type_checks import built, check, check_members

__all__ = ["ANSWERED", "HASTENED", "INJECTED", "Journal", "JournalError", "Record", "Resumption", "read_journal"]

# What a debugger may do to a step: take its edge without doing, let its call be answered, not wait for it.
INJECTED, ANSWERED, HASTENED = "injected", "answered", "hastened"
LONGEST = 500  # characters of what is wrong with a line
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
# An older format -> what it has otherwise.
_CHANGED = {
    "1": (
        ", in which times such as asked_at are seconds since the run began, evidence and restore_schedule are texts, "
        "and doubt takes the place of quiet_since"
    )
}


class JournalError(ValueError):
    """A file that cannot be read as a journal; the message names it and says why."""


class Resumption(NamedTuple):
    """A resumption of the run.

    Attributes:
        wall: When, in seconds since the epoch, by the clock of that machine.
        snapshot: What it was resumed from, as `standing.resumed` takes it.
    """

    wall: float
    snapshot: Mapping[str, Any]


class Header(NamedTuple):
    """What a journal says of its run.

    Attributes:
        started_at: When the run began, as it is written (ISO 8601).
        settings: The run's settings, without key and secret.
        digest: That of the chart.
        packaged: The chart was the packaged one, not a user's own.
        source: The chart's text.
        resumed: What the run was resumed from, where the journal does not have what was before.
        facts: What was known at first.
    """

    started_at: str
    settings: Settings
    digest: str
    packaged: bool
    source: str
    resumed: Resumption | None = None
    facts: Facts = Facts()


class Record(NamedTuple):
    """One step, as it was recorded.

    Attributes:
        step: The step; of where the run stood, what a journal tells.
        line: The whole line, `same_as` resolved.
        resumed: The resumption before this step, or None.
    """

    step: Step
    line: Mapping[str, Any]
    resumed: Resumption | None = None

    @property
    def by_hand(self) -> str:
        """What of the step was done by hand, in the debugger: one of the three, or ""."""
        return str(self.line.get("by_hand", ""))


class Journal(NamedTuple):
    """A run, as it was recorded.

    Attributes:
        name: Name of the file.
        header: What it says of the run.
        records: The steps, one at least. The numbers of some may be there twice: a job that was killed before
            it could write its state file did not know of its last step when it was resumed.
        torn: The last line is broken: the job was killed while it wrote it.
    """

    name: str
    header: Header
    records: tuple[Record, ...]
    torn: bool = False


def read_journal(file: str | Path) -> Journal:
    """Read a journal.

    Args:
        file: Path of the file.

    Raises:
        JournalError: It cannot be read, is not a journal, has another format, or is damaged.
    """
    try:
        text = _decoded(read_bytes(file, LARGEST).removeprefix(BOM_UTF8))
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise JournalError(f"{file}: cannot be read: {problem}") from error
    first, *lines = text.removesuffix("\n").split("\n")
    try:
        reader = _Reader(_parsed(first))
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise JournalError(f"{file}: {_why_no_header(first, error)}") from error
    torn = False
    for number, (line, following) in enumerate(pairwise([*lines, ""]), 2):
        try:
            reader.read(_parsed(line))
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            torn = not following
            if torn or following.startswith('{"resumed"'):  # killed while writing it
                continue
            raise JournalError(f"{file}: line {number} is damaged ({type(error).__name__}: {_shown(error)})") from error
    if not reader.records:
        raise JournalError(f"{file}: has no complete step: the job was killed while writing the first")
    return Journal(str(file), reader.header, tuple(reader.records), torn)


def _decoded(content: bytes) -> str:
    """The text, without what is left of a character within which a line was torn."""
    mark = '\n{"resumed"'  # a line is torn at the end, or where the run was resumed
    parts = content.split(mark.encode())
    return mark.join(getincrementaldecoder("utf-8")().decode(part) for part in parts)


def _parsed(line: str) -> dict[str, Any]:
    document = parse_json(line)
    if not isinstance(document, dict):
        raise TypeError("it is not a JSON object")
    return document


def _why_no_header(line: str, error: Exception) -> str:
    document: dict[str, Any] = {}
    with suppress(TypeError, ValueError):
        document = _parsed(line)
    if "format" not in document:
        return "not a journal file"
    if document["format"] != FORMAT:
        found, version = _shown(document["format"]), _shown(document.get("version"))
        return (
            f"is a journal of format {found}, written by version {version}; "
            f"version {__version__} reads format {FORMAT}{_CHANGED.get(str(document['format']), '')}"
        )
    return f"its header is damaged ({type(error).__name__}: {_shown(error)})"


def _shown(value: object) -> str:
    return printable(str(value), LONGEST)


def _header(document: Mapping[str, Any]) -> Header:
    if document["format"] != FORMAT:
        raise ValueError("another format")
    said, chart = document["settings"], document["chart"]
    check("settings", said, Mapping[str, Any])
    check("settings.policies", said["policies"], Mapping[str, str])
    check("settings.tables", said.get("tables", {}), Mapping[str, list[Any]])
    tables = {schema: tuple(names) for schema, names in said.get("tables", {}).items()}
    check("settings.tables", tables, Mapping[str, tuple[str, ...]])
    listed = {"policies": tuple(said["policies"].items()), "tables": tuple(tables.items())}
    rest = {name: value for name, value in said.items() if name not in listed}
    settings = built(Settings, "settings", rest, **listed, api_key="", api_secret="")
    for name, (least, most) in _BOUNDS.items():
        if not least <= getattr(settings, name) <= most:
            raise ValueError(f"settings.{name}: {getattr(settings, name):g} is not between {least:g} and {most:.0f}")
    if settings.action not in ACTIONS:
        raise ValueError(f"settings.action: {settings.action!r} is not one of {', '.join(ACTIONS)}")
    check_members("chart", chart, {"digest": str, "packaged": bool, "source": str})
    check_members("", document, {"version": str, "started_at": str})
    if parse_time(document["started_at"]) is None:
        raise ValueError(f"started_at: {document['started_at']!r} is not a time")
    resumption = _resumption(document["resumed"]) if "resumed" in document else None
    facts = Facts.from_json(document.get("facts", {}))
    return Header(
        document["started_at"], settings, chart["digest"], chart["packaged"], chart["source"], resumption, facts
    )


def _resumption(document: Mapping[str, Any]) -> Resumption:
    check_members("resumed", document, {"wall": float})
    check_snapshot(document.get("snapshot"))
    return Resumption(document["wall"], document["snapshot"])


class _Reader:
    """Reads line after line: what one means depends on those before it.

    Args:
        document: The first line.

    Attributes:
        header: What the first line says.
        records: The steps so far.

    Raises:
        AttributeError, LookupError, TypeError, ValueError: It is not a header; from `read`, not a line.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.header = _header(document)
        self.records: list[Record] = []
        self._data: dict[Any, Any] = {}  # step -> `data` of its answer
        self._begin(document.get("resumed", document), self.header.resumed)
        self._resumed: Resumption | None = None

    def _begin(self, said: Mapping[str, Any], resumed: Resumption | None) -> None:
        """Go on from where the run stood at first, or when it was resumed, as far as the journal says."""
        facts, number, since, wall = self.header.facts, 0, 0.0, None
        if resumed is not None:
            snapshot, wall = resumed.snapshot, resumed.wall
            facts, number = Facts.from_json(snapshot["facts"]), int(snapshot["number"])
            since = max(0.0, wall - float(snapshot["started_at"]))
        started_at = parse_time(self.header.started_at) or 0.0
        self._standing = Standing("", facts, math.inf, number=number, started_at=started_at, resumed_at=wall)
        # In journals of version 0.2.0 and before, `clock` is the machine's clock, and this is what it showed then.
        check("clock", said.get("clock", 0.0), float)
        self._opened = said["clock"] - since if "clock" in said else 0.0

    def read(self, document: dict[str, Any]) -> None:
        """A line after the first one."""
        if "resumed" in document:
            self._resumed = _resumption(document["resumed"])
            self._begin(document["resumed"], self._resumed)
            return
        check_members("", document, _LINE)
        check_members("", document, {name: kind for name, kind in _OPTIONAL.items() if name in document})
        if "limit" in document and {"answer", "failure", "cut_off"}.isdisjoint(document):
            raise ValueError("a request was sent, but there is no outcome")
        line = self._whole(document)
        rounded = [line[name] for name in ("began", "ended", "signalled") if name in line]
        clock = tuple(line.get("clock", rounded))  # as many of either
        check("clock", clock, tuple[float, ...])
        began, ended, *signalled = (time - self._opened for time in clock) if "clock" in line else clock
        before = self._standing._replace(state=line["state"])
        facts = before.facts.updated(line["facts"])
        step = Step(
            before,
            line["event"],
            before._replace(state=line["target"], facts=facts, wake=line["due"], number=line["step"]),
            Kind(line["kind"]),
            line["operand"],
            rule="",
            began=began,
            at=ended,
            request=built(Request, "request", line["request"]) if "request" in line else None,
            answer=built(Answer, "answer", line["answer"], at=ended, took=ended - began) if "answer" in line else None,
            failure=_failure(line["failure"]) if "failure" in line else None,
            cut_off=Cut(line["cut_off"]) if "cut_off" in line else None,
            signal=Signal(Event(line["signal"]), signalled[0]) if "signal" in line and signalled else None,
            **{name: line[name] for name in ("limit", "unwritable", "pause", "jitter", "exit") if name in line},
        )
        self.records.append(Record(step, line, self._resumed))
        self._standing, self._resumed = step.after, None

    def _whole(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """A line in which the documents are that stand in others."""
        line = {**document, "facts": dict(document["facts"])}
        if "answer" in line:
            check_members("answer", line["answer"], {"data": Mapping[str, Any]})
            line["answer"] = {**line["answer"], "data": self._resolved(line["answer"]["data"])}
            self._data[line["step"]] = line["answer"]["data"]
        if "connection" in line["facts"]:
            line["facts"]["connection"] = self._resolved(line["facts"]["connection"])
        return line

    def _resolved(self, document: Any) -> Any:  # noqa: ANN401  # any JSON
        """The document that a `same_as` stands for."""
        same = isinstance(document, Mapping) and set(document) == {"same_as"}
        return self._data[document["same_as"]] if same else document


def _failure(document: Mapping[str, Any]) -> Failure:
    check_members("failure", document, {"event": str})
    rest = {name: value for name, value in document.items() if name != "event"}
    return built(Failure, "failure", rest, event=FAILURES[document["event"]])
