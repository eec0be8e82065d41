"""The reporter: what goes into FIVETRAN_REPORT_DIR when a run ends.

Anything may lie in that folder already. What an earlier run wrote goes when a run begins; a file
of the same name that this job did not write stays; a link is replaced, never followed.
"""

import os
import re
import stat
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import suppress
from errno import EEXIST
from functools import cached_property
from pathlib import Path
from typing import Any

from orchestrator.job.files import open_for_appending, open_for_reading, remove_leftovers, write_atomically
from orchestrator.job.masking import Mask
from orchestrator.job.result import (
    CONNECTIONS,
    DRAWINGS,
    JOURNAL,
    JOURNALS,
    PAGE,
    RESULT,
    SUMMARY,
    Document,
    as_text,
)
from orchestrator.job.trace import Trace
from orchestrator.job.variables import RESULTS
from orchestrator.machine.chart import Chart
from orchestrator.machine.step import Step

__all__ = ["ReportFolder", "Reporter", "is_foreign", "write_result"]

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
# The folders with a file for each connection, and what these begin like.
_FOLDERS = {CONNECTIONS: PAGE, JOURNALS: JOURNAL}


class ReportFolder:
    """The folder, and what is written into it whatever it is about.

    Args:
        directory: Where the files go; "" for nowhere.
        mask: Takes the secrets out.
        warn: Told what could not be drawn.
        environ: The variables of GitLab or GitHub: what links need, and where the summary of a step goes.

    Attributes:
        directory: As given; it may be known better once the variables are read, but not after `foreign` is asked.
        place: Where people find the page, once it is written: its address in GitLab, or its file; else "".
    """

    def __init__(self, directory: str, mask: Mask, warn: Callable[[str], object], environ: Mapping[str, str]) -> None:
        self.directory = directory
        self.place = ""
        self._mask = mask
        self._warn = warn
        self._environ = environ
        self._appended = False

    @cached_property
    def foreign(self) -> frozenset[str]:
        """The names in the folder whose files this job did not write: they are left alone, with a warning."""
        names = (*_OURS, *_FOLDERS)
        found = frozenset(name for name in names if self.directory and is_foreign(Path(self.directory, name)))
        for name in sorted(found):
            path = os.path.join(self.directory, name)  # noqa: PTH118  # as it is given
            self._warn(f"{path} is not a file of this job, and is left as it is: name another FIVETRAN_REPORT_DIR")
        return found

    def clear(self, *, journal: bool = True, keep: Container[str] = ()) -> None:
        """Remove what an earlier run left, so that it cannot pass for what this one writes.

        Args:
            journal: Its journals, too.
            keep: Ids of connections whose own files stay.
        """
        for name in (RESULT, *DRAWINGS, *([JOURNAL] if journal else [])) if self.directory else ():
            if name not in self.foreign:
                with suppress(OSError):
                    Path(self.directory, name).unlink()
        for name in (CONNECTIONS, *([JOURNALS] if journal else [])) if self.directory else ():
            if name not in self.foreign:
                with suppress(OSError):
                    _empty(Path(self.directory, name), keep)

    def _write(self, document: Document, draw: Callable[[Document], None]) -> None:
        """Write the result, and then what is drawn from it: a fault in a drawing costs that drawing alone.

        Args:
            document: The result.
            draw: Given it without secrets.

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
            draw(clean)
        except Exception as error:  # noqa: BLE001  # the result is written, and the verdict stands
            self._warn(f"nothing could be drawn from the result: {type(error).__name__}: {error}")

    @cached_property
    def _url(self) -> str:
        """Where GitLab shows the page, or ""."""
        from orchestrator.job.report.gitlab import report_url  # noqa: PLC0415  # not before the first request

        return self._mask.line(report_url(self._environ, self.directory) or "")

    @cached_property
    def _back(self) -> list[tuple[str, str]]:
        """What the run belongs to: labels and addresses; one that the mask changes leads nowhere."""
        from orchestrator.job.report.links import back  # noqa: PLC0415  # likewise

        return [(label, address) for label, address in back(self._environ) if self._mask.line(address) == address]

    def _write_drawings(self, drawn: Sequence[Callable[[], str]], summary: Callable[[], str]) -> None:
        """Write what is drawn from the result: a fault in a drawing costs that drawing alone.

        Args:
            drawn: What draws each of `DRAWINGS`.
            summary: What draws the summary, for GitHub's step.
        """
        folder = Path(self.directory)
        for name, draw in zip(DRAWINGS, drawn, strict=True):
            if name in self.foreign:
                continue
            try:
                write_atomically(folder / name, draw(), lasting=False)  # can be drawn again
                if name == PAGE:
                    self.place = self._url or str(folder / PAGE)
            except Exception as error:  # noqa: BLE001  # the result is written, and the verdict stands
                self._warn(f"{name} could not be written: {type(error).__name__}: {error}")
                with suppress(OSError):
                    (folder / name).unlink(missing_ok=True)  # an older run's must not pass for this one's
        self._append(summary)

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

    @cached_property
    def _named(self) -> str:
        """The folder as a command names it where the artifacts are."""
        from orchestrator.job.report.gitlab import below_project  # noqa: PLC0415  # likewise

        below = below_project(self._environ, self.directory) if "CI_PROJECT_DIR" in self._environ else None
        return below or self.directory

    def _steps(
        self, trace: Trace, record: Callable[[Step], Mapping[str, Any]] | None = None
    ) -> tuple[list[dict[str, Any]], int]:
        """The steps that a page shows, masked, and how many it does not."""
        from orchestrator.job.journal import compose_record  # noqa: PLC0415  # likewise

        shown, dropped = trace.shown()
        for entry in shown:
            if step := entry.pop("step", None):
                entry["record"] = told = dict((record or compose_record)(step))
                if answer := told.get("answer"):  # its document is for the journal: the page shows what was learned
                    told["answer"] = {name: value for name, value in answer.items() if name != "data"}
        return self._mask.value(shown), dropped


class Reporter(ReportFolder):
    """Writes the files when a run ends.

    Args:
        directory: As for `ReportFolder`.
        mask: Likewise.
        warn: Likewise.
        environ: Likewise.
        record: A step's record; `journal.compose_record` when None.
        journal: The run's journal; the one in the directory when "".
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
        super().__init__(directory, mask, warn, environ)
        self._record = record
        self._journal = journal

    def write(self, document: Document, trace: Trace, chart: Chart | None) -> None:
        """Write the result, and then what is drawn from it: a fault in a drawing costs that drawing alone.

        Args:
            document: The result.
            trace: The run's steps.
            chart: Its chart; None where none has begun.

        Raises:
            OSError: The result could not be written.
        """
        self._write(document, lambda clean: self._draw(clean, trace, chart))

    def _draw(self, clean: Document, trace: Trace, chart: Chart | None) -> None:
        # Not before the first request.
        from orchestrator.job.report.gitlab import annotations, dotenv, junit  # noqa: PLC0415
        from orchestrator.job.report.page import draw  # noqa: PLC0415
        from orchestrator.job.report.summary import MARK, summary  # noqa: PLC0415

        url, ci = self._url, self._back
        journal, ticket = self._mask.line(self._named_journal()), ""
        with suppress(Exception):  # its own turn to say so comes
            ticket = summary(clean, url, ci, chart)
        drawn: tuple[Callable[[], str], ...] = (
            lambda: draw(clean, *self._steps(trace, self._record), chart, back=ci, journal=journal, ticket=ticket),
            lambda: MARK + summary(clean, url if self.place else "", ci, chart),
            lambda: junit(clean),
            lambda: dotenv(clean),
            lambda: annotations(clean, url if self.place else ""),  # where there is a page
        )
        self._write_drawings(drawn, lambda: summary(clean, url if self.place else "", ci, chart))

    def _named_journal(self) -> str:
        """The run's journal as a command names it where the artifacts are; "" where none was written."""
        if self._journal:
            return self._journal
        if JOURNAL in self.foreign or not Path(self.directory, JOURNAL).is_file():
            return ""
        return str(Path(self._named, JOURNAL))


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


def _empty(folder: Path, keep: Container[str]) -> None:
    """Remove the files of connections that are ours from a folder, and the folder where nothing is left."""
    for entry in os.scandir(folder):
        file = Path(entry.path)
        ours = file.suffix == Path(_FOLDERS[folder.name]).suffix and not is_foreign(file, _FOLDERS[folder.name])
        if ours and file.stem not in keep:
            file.unlink()
    folder.rmdir()


def is_foreign(file: Path, like: str = "") -> bool:
    """Whether there is a file or folder with the name of one of ours that is none of ours.

    Args:
        file: The file.
        like: The name of the file of ours that it would begin like; its own when "".
    """
    if not like and file.name in _FOLDERS:  # what is in it is looked at one by one
        return os.path.lexists(file) and (file.is_symlink() or not file.is_dir())
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
    return not re.match(_OURS[like or file.name], beginning, re.DOTALL)
