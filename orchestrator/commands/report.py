"""`report`: write the files of a run's report from its journal."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.debugger.journal_reader import Journal, JournalError, read_journal
from orchestrator.fivetran.verdicts import outside
from orchestrator.job.masking import Mask
from orchestrator.job.report_folder import Reporter
from orchestrator.job.result import result, result_outside, subject
from orchestrator.job.streams import refuse, say
from orchestrator.job.trace import Trace
from orchestrator.machine.chart import Chart
from orchestrator.machine.loader import ChartError, parse

__all__ = ["add_to", "execute"]


def add_to(parser: ArgumentParser) -> None:
    """Give the parser the arguments."""
    parser.description = (
        "Write result.json, index.html, summary.md, junit.xml, fivetran.env and annotations.json\n"
        "of a run from its journal, even if the job was killed before it could."
    )
    parser.add_argument("journal", metavar="JOURNAL", help="the run's journal.jsonl")
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="directory to write to")


def execute(arguments: Namespace, _: Mapping[str, str]) -> int:
    """Write them.

    Returns:
        0; 2 if the journal cannot be read, or the files cannot be written.
    """
    try:
        _write(read_journal(arguments.journal), arguments.journal, arguments.output)
    except (ChartError, JournalError) as error:
        return refuse(error)
    except OSError as error:
        return refuse(f"{error.filename}: cannot be written: {error.strerror}: use another directory")
    return 0


def _write(journal: Journal, file: str, directory: str) -> None:
    header, settings = journal.header, journal.header.settings
    chart = parse(header.source, journal.name, settings.action)
    before: Mapping[str, Any] = header.resumed.snapshot if header.resumed else {"trail": [], "trail_dropped": 0}
    _check_edges(journal, chart, before["trail"])
    lines = {id(record.step): record.line for record in journal.records}
    reporter = Reporter(directory, Mask(), lambda text: say(text, error=True), {}, lambda step: lines[id(step)], file)
    trace = Trace(before["trail"], dropped=before["trail_dropped"])
    reporter.clear(journal=False)  # it may be the very one that was read
    for record in journal.records:
        trace.add(record.step)
    last = journal.records[-1].step
    ended = last.after.started_at + last.at
    if last.exit is not None:
        reporter.write(result(settings, chart, last.after, trace, ended), trace, chart)
        return
    killed = outside(
        "the run has no end",
        ("its journal ends before the run did: the job was killed, or is still running",),
        "a sync that was triggered MAY STILL BE RUNNING",
        "see the end of the job's log, and start the job again",
    )
    document = result_outside(None, None, killed, subject(settings), last.after, ended, chart, trace)
    reporter.write(document, trace, chart)


def _check_edges(journal: Journal, chart: Chart, before: Iterable[Mapping[str, str]]) -> None:
    """Check that a journal's steps are edges of its chart, which the drawing relies on.

    Raises:
        JournalError: One is not.
    """
    taken = [(entry["from"], entry["event"], entry["to"]) for entry in before]
    taken += [(record.step.source, record.step.event, record.step.target) for record in journal.records]
    edges = set(chart.edges())
    for source, event, target in taken:
        if (source, event, target) not in edges:
            raise JournalError(f"{journal.name}: its chart has no edge {source} --{event}--> {target}")
    last = journal.records[-1].step
    if chart.states[last.target].exit is not None and last.facts.verdict not in chart.values("verdict"):
        raise JournalError(f"{journal.name}: its chart has no end for the verdict {last.facts.verdict}")
