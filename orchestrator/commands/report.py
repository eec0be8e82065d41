"""`report`: the files of a run's report, drawn from its journal."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING

from orchestrator.job.streams import say

if TYPE_CHECKING:
    from orchestrator.debugger.journal_reader import Journal
    from orchestrator.machine.chart import Chart

__all__ = ["HELP", "add_to", "execute"]

HELP = "draw the report of a run from its journal"


def add_to(parser: ArgumentParser) -> None:
    """Give the parser the arguments."""
    parser.description = (
        "Write result.json, index.html, junit.xml, fivetran.env and annotations.json of a run from its journal: "
        "of one that was killed before it could, too."
    )
    parser.add_argument("journal", metavar="JOURNAL", help="the run's journal.jsonl")
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="where the files go")


def execute(arguments: Namespace, environ: Mapping[str, str]) -> int:
    """Write them.

    Returns:
        0; 2 if the journal cannot be read, or the files cannot be written.
    """
    from orchestrator.debugger.journal_reader import JournalError, read_journal  # noqa: PLC0415  # for it alone
    from orchestrator.machine.loader import ChartError  # noqa: PLC0415

    del environ
    try:
        _write(read_journal(arguments.journal), arguments.output)
    except (ChartError, JournalError) as error:
        say(error, error=True)
        return 2
    except OSError as error:
        say(f"{error.filename}: cannot be written: {error.strerror}: name another directory", error=True)
        return 2
    return 0


def _write(journal: "Journal", directory: str) -> None:
    from orchestrator.fivetran.verdicts import Explanation  # noqa: PLC0415
    from orchestrator.job.masking import Mask  # noqa: PLC0415
    from orchestrator.job.report_folder import Reporter  # noqa: PLC0415
    from orchestrator.job.result import result, result_outside, subject  # noqa: PLC0415
    from orchestrator.job.trace import Trace  # noqa: PLC0415
    from orchestrator.machine.loader import parse  # noqa: PLC0415

    header, settings = journal.header, journal.header.settings
    chart = parse(header.source, journal.name, settings.action)
    _check_way(journal, chart)
    told = {id(record.step): record.told for record in journal.records}
    reporter = Reporter(directory, Mask(), lambda text: say(text, error=True), {}, lambda step: told[id(step)])
    trace = Trace()
    if header.resumed:
        before = header.resumed.snapshot
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


def _check_way(journal: "Journal", chart: "Chart") -> None:
    """See that the steps of a journal are those of its chart: what draws them relies on it.

    Raises:
        JournalError: One is not.
    """
    from orchestrator.debugger.journal_reader import JournalError  # noqa: PLC0415

    before = journal.header.resumed.snapshot["trail"] if journal.header.resumed else []
    taken = [(entry["from"], entry["event"], entry["to"]) for entry in before]
    taken += [(record.step.source, record.step.event, record.step.target) for record in journal.records]
    edges = set(chart.edges())
    for source, event, target in taken:
        if (source, event, target) not in edges:
            raise JournalError(f"{journal.name}: its chart has no edge {source} --{event}--> {target}")
    last = journal.records[-1].step
    if chart.states[last.target].exit is not None:
        try:
            chart.exit_of(last.facts.verdict or "")
        except KeyError:
            raise JournalError(f"{journal.name}: its chart has no end for the verdict {last.facts.verdict}") from None
