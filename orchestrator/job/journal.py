"""The journal of a run: JSON Lines, a header and then a line a step; `docs/journal.md` describes it.

A journal holds everything from outside that affected a run, so that the run can be replayed. The job imports
this with its first step; the code that reads journals is the debugger's.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator import __version__
from orchestrator.job.files import open_for_appending, open_for_reading
from orchestrator.job.masking import Mask
from orchestrator.machine.chart import Chart
from orchestrator.machine.loader import packaged_source
from orchestrator.machine.standing import Standing
from orchestrator.machine.step import Step
from orchestrator.values.exchange import Answer, Failure, Request
from orchestrator.values.facts import Facts
from orchestrator.values.formatting import iso
from orchestrator.values.parsing import parse_json
from orchestrator.values.settings import Settings

__all__ = ["FORMAT", "LARGEST", "JournalLines", "JournalWriter", "compose_record", "compose_request"]

FORMAT = 2
DIGITS = 6  # of a second
LARGEST = 1_000_000_000  # bytes of a journal that is read

# The settings that decide something; none is a secret.
_SETTINGS = (
    *("action", "connector_id", "schema", "table", "keep_schedule"),
    *("timeout", "poll_interval", "http_timeout", "retry_limit", "policies"),
    *("unpause", "restore_schedule", "evidence"),
)
# Of a connection's document: what a source is reached with, and what its holder can set it up with.
_LEFT_OUT = ("config", "auth", "connect_card")


class JournalLines:
    """The lines of one journal.

    Args:
        mask: Removes secrets.
    """

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._latest: dict[str, tuple[int, Any]] = {}  # request -> the step that had its latest `data`, and that

    def header(self, chart: Chart, settings: Settings, standing: Standing, snapshot: Mapping[str, Any] | None) -> str:
        """The first line.

        Args:
            chart: The run's chart.
            settings: The run's settings.
            standing: Where the run stood at first.
            snapshot: What it was resumed from, or None.
        """
        decisive: dict[str, Any] = {name: getattr(settings, name) for name in _SETTINGS}
        header = {
            "format": FORMAT,
            "version": __version__,
            "action": settings.action,
            "connector_id": settings.connector_id,
            "started_at": iso(standing.started_at),
            "settings": {
                **decisive,
                "policies": dict(settings.policies),
                **({"tables": settings.scope} if settings.tables else {}),
                **({} if settings.max_age is None else {"max_age": settings.max_age}),
                **({"adaptive": True} if settings.adaptive else {}),
            },
            "chart": {"digest": chart.digest, "packaged": chart.source == packaged_source(chart.action)},
            **({} if snapshot is None else _resumption(standing, snapshot)),
        }
        if snapshot is None and (known := standing.facts.changed_from(Facts())):
            header["facts"] = known
        clean = self._mask.value(header)
        clean["chart"]["source"] = self._mask.block(chart.source)  # its lines are kept
        return _line(clean)

    def resumption(self, standing: Standing, snapshot: Mapping[str, Any]) -> str:
        """The line that says when and from what the run was resumed."""
        return _line(self._mask.value(_resumption(standing, snapshot)))

    def step(self, step: Step, by_hand: str = "") -> str:
        """The line of a step, with a document that was there before named by the step that had it.

        Args:
            step: The step.
            by_hand: What of it was not the world's doing, or "".
        """
        record = compose_record(step)
        if by_hand:
            record["by_hand"] = by_hand
        if answer := record.get("answer"):
            asked, data = f"{record['request']['method']} {record['request']['path']}", answer["data"]
            number, known = self._latest.get(asked, (0, None))
            if data != known:
                number = step.number
                self._latest[asked] = number, data
            same = {"same_as": number}
            if record["facts"].get("connection") == data:
                record["facts"]["connection"] = same
            if number != step.number:
                answer["data"] = same
        return _line(self._mask.value(record))


class JournalWriter:
    """Writes the journal of a run, a line a step; that of another run is replaced.

    Args:
        file: Where to.
        chart: The run's chart.
        settings: The run's settings.
        mask: Removes secrets.
        snapshot: What the run was resumed from, or None.
    """

    def __init__(
        self, file: Path, chart: Chart, settings: Settings, mask: Mask, snapshot: Mapping[str, Any] | None
    ) -> None:
        self._file = file
        self._chart = chart
        self._settings = settings
        self._snapshot = snapshot
        self._begun = False
        self._lines = JournalLines(mask)

    def add(self, *steps: Step) -> None:
        """Write a step, or several at once.

        Raises:
            OSError: They cannot be written.
        """
        new, beginning = (False, "") if self._begun else self._begin(steps[0].before)
        lines = "".join(map(self._lines.step, steps))
        descriptor = open_for_appending(self._file, new=new)
        with os.fdopen(descriptor, "a", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(beginning + lines)
        self._begun = True

    def _begin(self, standing: Standing) -> tuple[bool, str]:
        """Whether the journal is a new one, and what it begins or goes on with."""
        header = self._lines.header(self._chart, self._settings, standing, self._snapshot)
        if self._snapshot is not None and not self._file.is_symlink() and self._is_its_own(header):
            return False, self._missing_end() + self._lines.resumption(standing, self._snapshot)
        return True, header

    def _is_its_own(self, header: str) -> bool:
        """Whether the file is the journal of that run, so that it can go on in it."""
        try:
            with open_for_reading(self._file) as stream:  # whatever is torn further down
                found = parse_json(stream.readline(LARGEST).decode("utf-8-sig"))
            return _identity(found) == _identity(parse_json(header))
        except (FileNotFoundError, ValueError, LookupError, TypeError):
            return False

    def _missing_end(self) -> str:
        """What a journal lacks whose last line was torn off: a line end, or ""."""
        with self._file.open("rb") as stream:
            stream.seek(-1, os.SEEK_END)
            return "" if stream.read() == b"\n" else "\n"


def _identity(header: Mapping[str, Any]) -> list[Any]:
    """What of a header says which run it is of."""
    return [*(header[name] for name in ("format", "action", "connector_id", "started_at")), header["chart"]["digest"]]


def _resumption(standing: Standing, snapshot: Mapping[str, Any]) -> dict[str, Any]:
    facts = {**snapshot["facts"], "connection": _stripped(snapshot["facts"].get("connection"))}
    return {"resumed": {"wall": standing.resumed_at, "snapshot": {**snapshot, "facts": facts}}}


def compose_record(step: Step) -> dict[str, Any]:
    """One step, complete."""
    before, signal = step.before.facts, step.signal
    changed = step.facts.changed_from(before)
    if "connection" in changed:
        changed["connection"] = _stripped(changed["connection"])
        if changed["connection"] == _stripped(before.connection):  # a state file's document has no `config` to compare
            del changed["connection"]
    # What is decided by comparing times is decided by the last digit, which is written where there is one.
    times = [step.began, step.at, *([] if signal is None else [signal.at])]
    began, ended, *signalled = rounded = [_seconds(time) for time in times]
    record = {
        "step": step.number,
        "at": iso(step.before.started_at + step.at),
        "began": began,
        "ended": ended,
        "state": step.source,
        "kind": str(step.kind),
        "operand": step.operand,
        "request": None if step.request is None else compose_request(step.request),
        "limit": None if step.limit is None else _seconds(step.limit),
        "took": None if step.limit is None else _seconds(step.took),
        "answer": None if step.answer is None else _answer_record(step.answer),
        "failure": None if step.failure is None else _failure_record(step.failure),
        "cut_off": step.cut_off and str(step.cut_off),
        "unwritable": step.unwritable,
        "event": str(step.event),
        "target": step.target,
        "exit": step.exit,
        "pause": _seconds(step.pause) or None,
        "jitter": step.jitter,
        "due": _seconds(step.after.due),
        "signal": None if signal is None else str(signal.event),
        "signalled": signalled[0] if signalled else None,
        "clock": None if times == rounded else times,
        "facts": changed,
        "why": step.why,
    }
    return _known(record)


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"


def _known(record: Mapping[str, Any]) -> dict[str, Any]:
    """Without the members that are None: a member that is missing has no value, or its usual one."""
    return {name: value for name, value in record.items() if value is not None}


def _seconds(seconds: float) -> float:
    return round(seconds, DIGITS)


def compose_request(request: Request) -> dict[str, Any]:
    """A request as JSON."""
    return _known({"method": request.method, "path": request.path, "purpose": request.purpose, "body": request.body})


def _answer_record(answer: Answer) -> dict[str, Any]:
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


def _failure_record(failure: Failure) -> dict[str, Any]:
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
    """A document without what no journal should hold."""
    if document is None:
        return None
    kept = {name: value for name, value in document.items() if name not in _LEFT_OUT}
    if "schemas" in kept:
        kept["schemas"] = _without_columns(kept["schemas"])
    if isinstance(kept.get("items"), list):
        kept["items"] = [_told_item(item) for item in kept["items"]]
    return kept


def _told_item(item: Any) -> Any:  # noqa: ANN401  # any JSON
    """An entry of a list; of a connection in a listing what is compared: there may be a thousand."""
    if isinstance(item, Mapping) and not item.keys().isdisjoint(("service", *_LEFT_OUT)):
        return {name: item[name] for name in ("id", "schema", "service") if name in item}
    return item


def _without_columns(value: Any) -> Any:  # noqa: ANN401  # any JSON
    """What GET /schemas has, as far as anything asks for it: a source may have a million columns."""
    if not isinstance(value, Mapping):
        return value
    return {name: _without_columns(content) for name, content in value.items() if name != "columns"}
