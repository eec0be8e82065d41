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
from functools import cached_property
from pathlib import Path
from typing import Any

from orchestrator.job.files import open_for_appending, open_for_reading, remove_leftovers, write_atomically
from orchestrator.job.masking import Mask
from orchestrator.job.result import DRAWINGS, JOURNAL, PAGE, RESULT, SUMMARY, Document, as_text
from orchestrator.job.trace import Trace
from orchestrator.job.variables import RESULTS
from orchestrator.machine.chart import Chart
from orchestrator.machine.step import Step

__all__ = ["Reporter", "is_foreign", "write_result"]

BEGINNING = 4096  # bytes that tell whose a file is
LARGEST_SUMMARY = 1024**2  # bytes that GitHub takes of a step, whatever wrote them

# How each of our files begins, in this version and in those before.
_OURS = {
    RESULT: rb'\{\s*"format": [0-9]+,\s*"action": ',
    JOURNAL: rb'\{"format": [0-9]+, "version": "',
    PAGE: rb'.*<meta name="generator" content="fivetran-orchestrator">',
    SUMMARY: rb"<!-- fivetran-orchestrator -->\n",
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
        environ: The variables of GitLab or GitHub: what links need, and where the summary of a step goes.
        record: A step's record; `journal.compose_record` when None.
        journal: The run's journal; the one in the directory when "".

    Attributes:
        directory: As given; it may be known better once the variables are read, but not after `foreign` is asked.
        place: Where people find the page, once it is written: its address in GitLab, or its file; else "".
    """

    def __init__(
        self,
        directory: str,
        mask: Mask,
        warn: Callable[[str], object],
        environ: Mapping[str, str],
        record: Callable[[Step], Mapping[str, Any]] | None = None,
        journal: str = "",
    ) -> None:
        self.directory = directory
        self.place = ""
        self._mask = mask
        self._warn = warn
        self._environ = environ
        self._record = record
        self._journal = journal
        self._appended = False

    @cached_property
    def foreign(self) -> frozenset[str]:
        """The names in the folder whose files this job did not write: they are left alone, with a warning."""
        found = frozenset(name for name in _OURS if self.directory and is_foreign(Path(self.directory, name)))
        for name in sorted(found):
            path = os.path.join(self.directory, name)  # noqa: PTH118  # as it is given
            self._warn(f"{path} is not a file of this job, and is left as it is: name another FIVETRAN_REPORT_DIR")
        return found

    def clear(self, *, journal: bool = True) -> None:
        """Remove what an earlier run left, so that it cannot pass for what this one writes.

        Args:
            journal: Its journal, too.
        """
        for name in (RESULT, *DRAWINGS, *([JOURNAL] if journal else [])) if self.directory else ():
            if name not in self.foreign:
                with suppress(OSError):
                    Path(self.directory, name).unlink()

    def write(self, document: Document, trace: Trace, chart: Chart | None) -> None:
        """Write the result, and then what is drawn from it: a fault in a drawing costs that drawing alone.

        Args:
            document: The result.
            trace: The run's steps.
            chart: Its chart; None where none has begun.

        Raises:
            OSError: The result could not be written.
        """
        if not self.directory:
            return
        folder = Path(self.directory)
        for name in (RESULT, *DRAWINGS):
            remove_leftovers(folder / name)
        clean = self._mask.value(document) if RESULT in self.foreign else write_result(document, folder, self._mask)
        try:
            self._draw(clean, folder, trace, chart)
        except Exception as error:  # noqa: BLE001  # the result is written, and the verdict stands
            self._warn(f"nothing could be drawn from the result: {type(error).__name__}: {error}")

    def _draw(self, clean: Document, folder: Path, trace: Trace, chart: Chart | None) -> None:
        # Not before the first request.
        from orchestrator.job.report.gitlab import annotations, dotenv, junit, report_url  # noqa: PLC0415
        from orchestrator.job.report.links import back  # noqa: PLC0415
        from orchestrator.job.report.page import draw  # noqa: PLC0415
        from orchestrator.job.report.summary import MARK, summary  # noqa: PLC0415

        url = self._mask.line(report_url(self._environ, self.directory) or "")
        # An address that the mask changes leads nowhere.
        ci = [(label, address) for label, address in back(self._environ) if self._mask.line(address) == address]
        journal, ticket = self._mask.line(self._named_journal()), ""
        with suppress(Exception):  # its own turn to say so comes
            ticket = summary(clean, url, ci, chart)
        drawn: tuple[Callable[[], str], ...] = (
            lambda: draw(clean, *self._steps(trace), chart, back=ci, journal=journal, ticket=ticket),
            lambda: MARK + summary(clean, url if self.place else "", ci, chart),
            lambda: junit(clean),
            lambda: dotenv(clean),
            lambda: annotations(clean, url if self.place else ""),  # where there is a page
        )
        for name, text in zip(DRAWINGS, drawn, strict=True):
            if name in self.foreign:
                continue
            try:
                write_atomically(folder / name, text(), lasting=False)  # can be drawn again
                if name == PAGE:
                    self.place = url or str(folder / PAGE)
            except Exception as error:  # noqa: BLE001  # likewise
                self._warn(f"{name} could not be written: {type(error).__name__}: {error}")
                with suppress(OSError):
                    (folder / name).unlink(missing_ok=True)  # an older run's must not pass for this one's
        self._append(lambda: summary(clean, url if self.place else "", ci, chart))

    def _append(self, draw: Callable[[], str]) -> None:
        """Append the summary to that of GitHub's step, where there is one: once a run, however often it is reported."""
        file = self._environ.get("GITHUB_STEP_SUMMARY", "")
        if not file or self._appended:
            return
        self._appended = True
        try:
            data = f"\n{draw()}".encode(errors="replace")
            with os.fdopen(open_for_appending(Path(file), new=not os.path.lexists(file)), "ab") as stream:
                fits = stream.tell() + len(data) <= LARGEST_SUMMARY
                stream.write(data if fits else b"")
            if not fits:
                self._warn(f"GITHUB_STEP_SUMMARY: {file} is full: GitHub takes at most 1 MiB of a step")
        except Exception as error:  # noqa: BLE001  # the verdict stands
            self._warn(f"GITHUB_STEP_SUMMARY could not be written: {type(error).__name__}: {error}")

    def _named_journal(self) -> str:
        """The run's journal as a command names it where the artifacts are; "" where none was written."""
        from orchestrator.job.report.gitlab import below_project  # noqa: PLC0415  # likewise

        if self._journal:
            return self._journal
        if JOURNAL in self.foreign or not Path(self.directory, JOURNAL).is_file():
            return ""
        below = below_project(self._environ, self.directory) if "CI_PROJECT_DIR" in self._environ else None
        return str(Path(below or self.directory, JOURNAL))

    def _steps(self, trace: Trace) -> tuple[list[dict[str, Any]], int]:
        """The steps that the page shows, masked, and how many it does not."""
        from orchestrator.job.journal import compose_record  # noqa: PLC0415  # likewise

        shown, dropped = trace.shown()
        for entry in shown:
            if step := entry.pop("step", None):
                entry["record"] = told = dict((self._record or compose_record)(step))
                if answer := told.get("answer"):  # its document is for the journal: the page shows what was learned
                    told["answer"] = {name: value for name, value in answer.items() if name != "data"}
        return self._mask.value(shown), dropped


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
