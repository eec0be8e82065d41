"""`report`: the files of a run's report, drawn from its journal."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.debugger.journal_reader import Journal, JournalError, read_journal
from orchestrator.fivetran.verdicts import Explanation
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
        "of a run from its journal: of one that was killed before it could, too."
    )
    parser.add_argument("journal", metavar="JOURNAL", help="the run's journal.jsonl")
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="where the files go")


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
        return refuse(f"{error.filename}: cannot be written: {error.strerror}: name another directory")
    return 0


def _write(journal: Journal, file: str, directory: str) -> None:
    header, settings = journal.header, journal.header.settings
    chart = parse(header.source, journal.name, settings.action)
    before: Mapping[str, Any] = header.resumed.snapshot if header.resumed else {"trail": [], "trail_dropped": 0}
    _check_way(journal, chart, before["trail"])
    told = {id(record.step): record.told for record in journal.records}
    reporter = Reporter(directory, Mask(), lambda text: say(text, error=True), {}, lambda step: told[id(step)], file)
    trace = Trace(before["trail"], dropped=before["trail_dropped"])
    reporter.clear(journal=False)  # it may be the very one that was read
    for record in journal.records:
        trace.add(record.step)
    last = journal.records[-1].step
    ended = last.after.started_at + last.at
    if last.exit is not None:
        reporter.write(result(settings, chart, last.after, trace, ended), trace, chart)
        return
    killed = Explanation(
        headline="the run has no end",
        reasons=("its journal ends before the run did: the job was killed, or runs still",),
        at_fivetran=("a sync that was triggered may still run",),
        still_running=None,
        advice=("look at the end of the job's log", "start the job again"),
    )
    document = result_outside(None, None, killed, subject(settings), last.after, ended, chart, trace)
    reporter.write(document, trace, chart)


def _check_way(journal: Journal, chart: Chart, before: Iterable[Mapping[str, str]]) -> None:
    """See that the steps of a journal are those of its chart: what draws them relies on it.

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
