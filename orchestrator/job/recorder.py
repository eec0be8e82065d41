"""The recorder stands between a run and its world, and writes down what passes: the journal.

A job imports it before its first request, so it is small. What makes the lines
(`orchestrator.job.journal`) is imported with the first of them.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from orchestrator.job.files import open_for_appending
from orchestrator.job.masking import Mask
from orchestrator.job.result import Document
from orchestrator.machine.run import Run, Step
from orchestrator.machine.world import LimitReached, Noted, SignalReceived, World
from orchestrator.values.events import Event
from orchestrator.values.exchange import Answer, Request
from orchestrator.values.facts import Facts
from orchestrator.values.formatting import iso

__all__ = ["Recorder"]


class Recorder:
    """Makes a record of each step of a run, and writes the journal of them, a line a step.

    Args:
        world: The world that the run would have without it.
        file: The journal; that of another run is replaced. None: there is to be none.
        mask: Takes the secrets out.
        warn: Told, once, that the journal cannot be written; no run fails of that.

    Attributes:
        world: The world that the run is to have.
        snapshot: What the run was taken up from, or None.
    """

    def __init__(self, world: World, file: Path | None, mask: Mask, warn: Callable[[str], object]) -> None:
        self.world = World(world.clock, self._send, self._write, self._jitter, self._signal)
        self.snapshot: Mapping[str, Any] | None = None
        self._real = world
        self._file = file
        self._mask = mask
        self._warn = warn
        self._noted = Noted()
        self._before: Facts | None = None  # None: before the first step
        self._latest: dict[str, tuple[int, Any]] = {}  # request -> the step that had its latest `data`, and that

    def record(self, run: Run, step: Step) -> Mapping[str, Any]:
        """Write down a step that the run has just done.

        Returns:
            Its record, unmasked (`journal.compose_record`).
        """
        from orchestrator.job import journal  # noqa: PLC0415  # after the first request

        noted, at = self._noted, iso(self._real.clock.wall())
        self._noted = Noted(signal=noted.signal, signalled=noted.signalled)
        first = self._before is None
        if self._before is None:
            self._before = Facts() if self.snapshot is None else Facts.from_json(self.snapshot["facts"])
        record = journal.compose_record(
            run.settings, run.chart, self._before, step, noted, began=run.began, at=at, exact=True
        )
        self._before = step.facts
        if self._file is None:
            return record
        try:
            self._append(self._file, run, record, first=first)
        except OSError as error:
            self._warn(f"the journal {self._file} could not be written, and ends here: {error}")
            self._file = None
        return record

    def _append(self, file: Path, run: Run, record: Mapping[str, Any], *, first: bool) -> None:
        from orchestrator.job import journal  # noqa: PLC0415  # likewise

        new, beginning = self._begin(file, run) if first else (False, "")
        line = journal.as_line(self._mask.value(journal.shortened(dict(record), self._latest)))
        descriptor = open_for_appending(file, new=new)
        with os.fdopen(descriptor, "a", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(beginning + line)

    def _begin(self, file: Path, run: Run) -> tuple[bool, str]:
        """Whether the journal is a new one, and what it begins or goes on with."""
        from orchestrator.job import journal  # noqa: PLC0415  # likewise

        if self.snapshot is not None and not file.is_symlink() and journal.is_of(file, run):
            resumption = journal.compose_resumption(run, self.snapshot, exact=True)
            return False, journal.missing_end(file) + journal.as_line(self._mask.value({"resumed": resumption}))
        header = self._mask.value(journal.compose_header(run, self.snapshot, exact=True))
        header["chart"]["source"] = self._mask.block(run.chart.source)  # its lines are kept
        return True, journal.as_line(header)

    # --- The world, listened to -------------------------------------------------------------------

    def _send(self, request: Request, seconds: float, interruptible: bool) -> Answer:  # noqa: FBT001  # World's form
        self._noted = self._noted._replace(limit=seconds)
        try:
            return self._real.send(request, seconds, interruptible)
        except (LimitReached, SignalReceived) as cut:
            self._noted = self._noted._replace(cut_off="limit" if isinstance(cut, LimitReached) else "signal")
            raise

    def _write(self, document: Document) -> None:
        try:
            self._real.write(document)
        except OSError as error:
            self._noted = self._noted._replace(unwritable=str(error))
            raise

    def _jitter(self) -> float:
        drawn = self._real.jitter()
        self._noted = self._noted._replace(jitter=drawn)
        return drawn

    def _signal(self) -> Event | None:
        signal = self._real.signal()
        if signal is not None and self._noted.signal is None:
            self._noted = self._noted._replace(signal=signal, signalled=self._real.clock.monotonic())
        return signal
