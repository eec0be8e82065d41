"""The reporter: what goes into FIVETRAN_REPORT_DIR when a run ends.

Anything may lie in that folder already. What an earlier run wrote goes when a run begins; a file
of the same name that this job did not write stays; a link is replaced, never followed.
"""

import os
import re
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from errno import EEXIST
from pathlib import Path
from typing import Any

from orchestrator.job.files import open_for_reading, remove_leftovers, write_atomically
from orchestrator.job.masking import Mask
from orchestrator.job.result import DRAWINGS, JOURNAL, RESULT, Document, as_text
from orchestrator.job.trace import Trace
from orchestrator.job.variables import RESULTS
from orchestrator.machine.chart import Chart
from orchestrator.machine.step import Step

__all__ = ["Reporter", "is_foreign", "write_result"]

BEGINNING = 4096  # bytes that tell whose a file is

# How each of our files begins, in this version and in those before.
_OURS = {
    RESULT: rb'\{\s*"format": [0-9]+,\s*"action": ',
    JOURNAL: rb'\{"format": [0-9]+, "version": "',
    "index.html": rb'.*<meta name="generator" content="fivetran-orchestrator">',
    "junit.xml": rb'<\?xml [^>]*>\s*<testsuites>\s*<testsuite name="Fivetran ',
    "fivetran.env": rf"(?:{'|'.join(sorted(RESULTS))})=".encode(),
    "annotations.json": rb'\{\}\s*$|\{\s*"Fivetran": \[',
}


class Reporter:
    """Writes the files when a run ends.

    Args:
        directory: Where they go; "" for nowhere.
        mask: Takes the secrets out.
        warn: Told what could not be drawn.
        environ: GitLab's variables: what a link to the report needs.

    Attributes:
        directory: As given; it may be known better once the variables are read, but not after `look`.
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
        self._trace = Trace()
        self._record: Callable[[Step], Mapping[str, Any]] | None = None
        self._chart: Chart | None = None
        self._foreign: frozenset[str] | None = None  # None: nobody has looked

    def look(self) -> frozenset[str]:
        """The names in the folder whose files this job did not write: they are left alone, with a warning."""
        if self._foreign is None:
            names = _OURS if self.directory else ()
            self._foreign = frozenset(name for name in names if is_foreign(Path(self.directory, name)))
            for name in sorted(self._foreign):
                path = os.path.join(self.directory, name)  # noqa: PTH118  # as it is given
                self._warn(f"{path} is not a file of this job, and is left as it is: name another FIVETRAN_REPORT_DIR")
        return self._foreign

    def clear(self, *, journal: bool = True) -> None:
        """Remove what an earlier run left, so that it cannot pass for what this one writes.

        Args:
            journal: Its journal, too.
        """
        for name in self._ours(journal=journal):
            with suppress(OSError):
                Path(self.directory, name).unlink()

    def begin(self, chart: Chart, trace: Trace, record: Callable[[Step], Mapping[str, Any]] | None = None) -> None:
        """Take note of a run that begins, or goes on.

        Args:
            chart: Its chart.
            trace: Where its steps are kept.
            record: A step's record; `journal.compose_record` when None.
        """
        for name in self._ours():
            remove_leftovers(Path(self.directory, name))
        self._chart = chart
        self._trace = trace
        self._record = record

    def _ours(self, *, journal: bool = True) -> list[str]:
        """The names in the folder that this job may write to."""
        names = (RESULT, *DRAWINGS, *([JOURNAL] if journal else [])) if self.directory else ()
        return [name for name in names if name not in self.look()]

    def write(self, document: Document) -> None:
        """Write the result, and then what is drawn from it: a fault in a drawing costs that drawing alone.

        Raises:
            OSError: The result could not be written.
        """
        if not self.directory:
            return
        folder = Path(self.directory)
        clean = self._mask.value(document) if RESULT in self.look() else write_result(document, folder, self._mask)
        self.written = document
        try:
            self._draw(clean, folder)
        except Exception as error:  # noqa: BLE001  # the result is written, and the verdict stands
            self._warn(f"nothing could be drawn from the result: {type(error).__name__}: {error}")

    def _draw(self, clean: Document, folder: Path) -> None:
        from orchestrator.job.report.drawings import PAGE, drawings, report_url  # noqa: PLC0415  # not before the first request

        url, ours = report_url(self._environ, self.directory), self._ours()
        url = url and self._mask.line(url)
        for name, draw in drawings(clean, self._steps, self._chart, lambda: url if self.place else None):
            if name not in ours:
                continue
            try:
                write_atomically(folder / name, draw(), lasting=False)  # can be drawn again
                if name == PAGE:
                    self.place = url or str(folder / PAGE)
            except Exception as error:  # noqa: BLE001  # likewise
                self._warn(f"{name} could not be written: {type(error).__name__}: {error}")
                with suppress(OSError):
                    (folder / name).unlink(missing_ok=True)  # an older run's must not pass for this one's

    def _steps(self) -> tuple[list[dict[str, Any]], int, int]:
        """The steps that the page shows, masked; how many it does not, and before which."""
        from orchestrator.job.journal import compose_record  # noqa: PLC0415  # not before the first request

        shown, dropped, gap = self._trace.shown()
        told = []
        for entry, step in shown:
            record = {} if step is None else dict((self._record or compose_record)(step))
            if answer := record.get("answer"):  # its document is for the journal: the page shows what was learned
                record["answer"] = {name: value for name, value in answer.items() if name != "data"}
            told.append({**entry, "record": record} if record else entry)
        return self._mask.value(told), dropped, gap


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
    if is_foreign(folder / RESULT):
        raise FileExistsError(EEXIST, "it is not a result of this program", str(folder / RESULT))
    write_atomically(folder / RESULT, as_text(clean))
    return clean


def is_foreign(file: Path) -> bool:
    """Whether there is a file with the name of one of ours that none of ours begins like."""
    try:
        here = file.lstat()
    except OSError:  # there is none, or writing will say what is wrong
        return False
    if not stat.S_ISREG(here.st_mode) or here.st_size == 0:
        return False  # a link is replaced, and nothing is lost with an empty file
    try:
        with open_for_reading(file) as stream:
            beginning = stream.read(BEGINNING)
    except OSError:
        return True
    return not re.match(_OURS[file.name], beginning, re.DOTALL)
