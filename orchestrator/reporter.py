"""The reporter: what goes into FIVETRAN_REPORT_DIR when a run ends."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from orchestrator.chart import Chart
from orchestrator.driver import Step
from orchestrator.files import write_atomically
from orchestrator.masking import Mask
from orchestrator.report import DRAWINGS, RESULT, Document, as_text
from orchestrator.trail import Trail

__all__ = ["Reporter", "write_result"]

KEEP = 100  # steps of the beginning, and as many of the end, that are shown with all that is known of them


class Reporter:
    """Remembers the steps in bounded memory, and writes the files at the end.

    Args:
        directory: Where they go; "" for nowhere.
        mask: Takes the secrets out.
        warn: Told what could not be drawn.
        environ: GitLab's variables: what a link to the report needs.

    Attributes:
        directory: As given; it may be known better once the variables are read.
        place: Where people find the page, once it is written: its address in GitLab, or its file; else "".
        written: The result, once it is written.
    """

    def __init__(self, directory: str, mask: Mask, warn: Callable[[str], object], environ: Mapping[str, str]) -> None:
        self.directory = directory
        self.place = ""
        self.written: Document | None = None
        self._mask = mask
        self._warn = warn
        self._environ = environ
        self._records = Trail()
        self._chart: Chart | None = None

    def begin(self, chart: Chart, trail: Trail) -> None:
        """Take note of a run that begins, or goes on after the steps of that trail.

        The results of an older run go: a run that is killed has none, and they must not pass for its.
        """
        for name in (RESULT, *DRAWINGS) if self.directory else ():
            with suppress(OSError):
                Path(self.directory, name).unlink()
        self._chart = chart
        self._records = Trail(trail.entries(), dropped=trail.dropped, keep=KEEP)

    def observe(self, step: Step, record: Mapping[str, Any]) -> None:
        """Take note of a step, and of its record (`journal.compose_record`)."""
        answer = record.get("answer")
        if answer:  # its document is for the journal: the page shows what was learned from it
            record = {**record, "answer": {name: value for name, value in answer.items() if name != "data"}}
        self._records.add(*step.entry, record=record)

    def write(self, document: Document) -> None:
        """Write the result, and then what is drawn from it: a fault in a drawing costs that drawing alone.

        Raises:
            OSError: The result could not be written.
        """
        if not self.directory:
            return
        folder = Path(self.directory)
        clean = write_result(document, folder, self._mask)
        self.written = document
        from orchestrator.reports.drawings import PAGE, drawings, report_url  # noqa: PLC0415  # not before the first request

        url = report_url(self._environ, self.directory)
        url = url and self._mask.line(url)
        for name, draw in drawings(clean, self._steps, self._chart, lambda: url if self.place else None):
            try:
                write_atomically(folder / name, draw(), lasting=False)  # can be drawn again
                if name == PAGE:
                    self.place = url or str(folder / PAGE)
            except Exception as error:  # noqa: BLE001  # the result is written, and the verdict stands
                self._warn(f"{name} could not be written: {type(error).__name__}: {error}")
                with suppress(OSError):
                    (folder / name).unlink(missing_ok=True)  # an older run's must not pass for this one's

    def _steps(self) -> tuple[list[dict[str, Any]], int, int]:
        """The steps that are kept, masked as late as that, since most are forgotten; how many are not, and where."""
        return self._mask.value(self._records.entries()), self._records.dropped, self._records.gap


def write_result(document: Document, folder: Path, mask: Mask) -> Document:
    """Write the result of a run, without secrets.

    Args:
        document: The result.
        folder: Where to.
        mask: Takes the secrets out.

    Returns:
        What was written.

    Raises:
        OSError: It could not be written.
    """
    clean: Document = mask.value(document)
    write_atomically(folder / RESULT, as_text(clean))
    return clean
