"""The reporter of many connections: a page each as they end, and the files about all of them at the end."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.fleet.result import is_green
from orchestrator.job.files import write_atomically
from orchestrator.job.masking import Mask
from orchestrator.job.report_folder import ReportFolder, is_foreign
from orchestrator.job.result import CONNECTIONS, JOURNALS, PAGE, Document
from orchestrator.job.trace import Trace
from orchestrator.machine.chart import Chart

if TYPE_CHECKING:
    from orchestrator.fleet.report.page import Steps

__all__ = ["FleetReporter"]

WHOLE = 40  # connections that are not green whose page has the chart and each request; more than a person reads
LONGEST_NAME = 200  # characters of an id that can be a file's name


class FleetReporter(ReportFolder):
    """Writes the files of many connections.

    Args:
        directory: As for `ReportFolder`.
        mask: Likewise.
        warn: Likewise.
        environ: Likewise.
    """

    def __init__(self, directory: str, mask: Mask, warn: Callable[[str], object], environ: Mapping[str, str]) -> None:
        super().__init__(directory, mask, warn, environ)
        self._steps_of: dict[str, Steps] = {}
        self._warned = False

    def journal(self, connector_id: str) -> str | None:
        """Where a connection's journal goes, relative to the directory; None where it cannot be there."""
        return None if JOURNALS in self.foreign else self._name(JOURNALS, connector_id, ".jsonl")

    def member(self, document: Document, trace: Trace, chart: Chart) -> str | None:
        """Write the page of a connection that has ended.

        Args:
            document: Its result.
            trace: Its steps.
            chart: The chart that it ran.

        Returns:
            The page, relative to the directory; None where there is none.
        """
        name = self._name(CONNECTIONS, document["connector_id"], ".html")
        if name is None or CONNECTIONS in self.foreign:
            return None
        file = Path(self.directory, name)
        try:
            if is_foreign(file, PAGE):
                raise FileExistsError(f"{file} is not a file of this job")  # noqa: TRY301  # a warning, as any other
            write_atomically(file, self._page(document, trace, chart), lasting=False)  # can be drawn again
        except Exception as error:  # noqa: BLE001  # the verdict stands
            if not self._warned:  # it would be the same for all
                self._warn(f"the page of a connection could not be written: {type(error).__name__}: {error}")
            self._warned = True
            return None
        return name

    def write(self, document: Document, chart: Chart | None) -> None:
        """Write the result of the whole, and then what is drawn from it: a fault in a drawing costs that drawing alone.

        Args:
            document: The fleet's result.
            chart: The chart that its connections ran; None where none has begun.

        Raises:
            OSError: The result could not be written.
        """
        self._write(document, lambda clean: self._draw(clean, chart))

    def _draw(self, clean: Document, chart: Chart | None) -> None:
        # Not before the first request.
        from orchestrator.fleet.report.files import annotations, dotenv, junit, summary  # noqa: PLC0415
        from orchestrator.fleet.report.page import draw  # noqa: PLC0415
        from orchestrator.job.report.summary import MARK  # noqa: PLC0415

        url, ci, ticket = self._url, self._back, ""
        with suppress(Exception):  # its own turn to say so comes
            ticket = summary(clean, url, ci)
        drawn: tuple[Callable[[], str], ...] = (
            lambda: draw(clean, self._steps_of, chart, back=ci, ticket=ticket),
            lambda: MARK + summary(clean, url if self.place else "", ci),
            lambda: junit(clean),
            lambda: dotenv(clean),
            lambda: annotations(clean, url if self.place else ""),  # where there is a page
        )
        self._write_drawings(drawn, lambda: summary(clean, url if self.place else "", ci))

    def _page(self, document: Document, trace: Trace, chart: Chart) -> str:
        """The page of a connection: whole of the first that are not green, without chart and requests of the others."""
        from orchestrator.job.report.page import Whole, draw  # noqa: PLC0415  # not before the first request

        clean = self._mask.value({name: value for name, value in document.items() if name != "steps"})
        whole = len(self._steps_of) < WHOLE and not is_green(document)
        if whole:
            self._steps_of[document["connector_id"]] = records, dropped = self._steps(trace)
        else:
            records, dropped = self._mask.value(trace.entries()), trace.dropped
        own = self.journal(document["connector_id"]) or ""
        journal = str(Path(self._named, own)) if own and Path(self.directory, own).is_file() else ""
        about = Whole("../", brief=not whole)
        return draw(clean, records, dropped, chart, back=self._back, journal=self._mask.line(journal), whole=about)

    def _name(self, folder: str, connector_id: str, ending: str) -> str | None:
        """The file of a connection, relative to the directory, or None."""
        fits = self.directory and len(connector_id) <= LONGEST_NAME
        return f"{folder}/{connector_id}{ending}" if fits else None
