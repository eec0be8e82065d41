"""The recorder stands between a run and its world, and writes down what passes: the journal.

A job imports it before its first request, so it is small. What makes the lines
(`orchestrator.journal`) is imported with the first of them.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from orchestrator.driver import Run, Step
from orchestrator.events import Event
from orchestrator.exchange import Answer, Request
from orchestrator.facts import Facts
from orchestrator.masking import Mask
from orchestrator.report import Files
from orchestrator.texts import iso
from orchestrator.world import LimitReached, Noted, SignalReceived, World

__all__ = ["Recorder"]


class Recorder:
    """Writes a run's journal, a line a step.

    Args:
        world: The world that the run would have without it.
        file: The journal; that of another run is replaced.
        mask: Takes the secrets out.
        warn: Told, once, that the journal cannot be written; no run fails of that.

    Attributes:
        world: The world that the run is to have.
        snapshot: What the run was taken up from, or None.
    """

    def __init__(self, world: World, file: Path, mask: Mask, warn: Callable[[str], object]) -> None:
        self.world = World(world.clock, self._send, self._write, self._jitter, self._signal)
        self.snapshot: Mapping[str, Any] | None = None
        self._real = world
        self._file = file
        self._mask = mask
        self._warn = warn
        self._noted = Noted()
        self._before: Facts | None = None  # None: nothing is written yet
        self._latest: dict[str, tuple[int, Any]] = {}  # request -> the step that had its latest `data`, and that
        self._given_up = False

    def record(self, run: Run, step: Step) -> None:
        """Write down a step that the run has just done."""
        noted = self._noted
        self._noted = Noted(signal=noted.signal, signalled=noted.signalled)
        if self._given_up:
            return
        try:
            self._append(run, step, noted)
        except (OSError, RecursionError) as error:  # a full disk; a document nested beyond measure
            self._given_up = True
            self._warn(f"the journal {self._file} could not be written, and ends here: {error}")

    def _append(self, run: Run, step: Step, noted: Noted) -> None:
        from orchestrator import journal  # noqa: PLC0415  # after the first request

        mode, beginning = "a", ""
        if self._before is None:
            self._before = Facts() if self.snapshot is None else Facts.from_json(self.snapshot["facts"])
            mode, beginning = self._begin(run)
        at = iso(self._real.clock.wall())
        record = journal.compose_record(run.settings, run.chart, self._before, step, noted, began=run.began, at=at)
        line = journal.as_line(self._mask.value(journal.shortened(record, self._latest)))
        with self._file.open(mode, encoding="utf-8", errors="replace") as stream:
            stream.write(beginning + line)
        self._before = step.facts

    def _begin(self, run: Run) -> tuple[str, str]:
        """How the journal is opened, and what it begins or goes on with."""
        from orchestrator import journal  # noqa: PLC0415  # likewise

        self._file.parent.mkdir(parents=True, exist_ok=True)
        if self.snapshot is not None and journal.is_of(self._file, run):
            resumption = journal.compose_resumption(run, self.snapshot)
            return "a", journal.missing_end(self._file) + journal.as_line(self._mask.value({"resumed": resumption}))
        header = self._mask.value(journal.compose_header(run, self.snapshot))
        header["chart"]["source"] = self._mask.block(run.chart.source)  # its lines are kept
        return "w", journal.as_line(header)

    # --- The world, listened to -------------------------------------------------------------------

    def _send(self, request: Request, seconds: float, interruptible: bool) -> Answer:  # noqa: FBT001  # World's form
        self._noted = self._noted._replace(limit=seconds)
        try:
            return self._real.send(request, seconds, interruptible)
        except (LimitReached, SignalReceived) as cut:
            self._noted = self._noted._replace(cut_off="limit" if isinstance(cut, LimitReached) else "signal")
            raise

    def _write(self, files: Files) -> None:
        try:
            self._real.write(files)
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
