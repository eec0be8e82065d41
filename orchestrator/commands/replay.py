"""`replay`: repeat recorded runs with today's code and charts."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping

from orchestrator.debugger.journal_reader import JournalError, read_journal
from orchestrator.debugger.replay import Divergence, chart_of, replay, summary
from orchestrator.job.masking import Mask
from orchestrator.job.streams import refuse, say
from orchestrator.machine.loader import ChartError

__all__ = ["add_to", "execute"]

REPEATS, DIFFERS = 0, 1  # exit codes

DESCRIPTION = """\
Replay recorded runs (journal.jsonl, next to a run's results) with today's code and charts: the same
answers, times, signals and random numbers. Nothing is sent, written or waited for. Replay stops at
the first step that differs, and shows what was recorded, what happens today, and why.

exit codes: 0 every run repeats; 1 a run differs; 2 a file is not a journal
"""


def add_to(parser: ArgumentParser) -> None:
    """Give the parser the arguments."""
    parser.description = DESCRIPTION
    parser.add_argument("journals", nargs="+", metavar="JOURNAL", help="a journal.jsonl")
    parser.add_argument(
        "--chart",
        choices=("today", "recorded"),
        default="today",
        help="today: this version's chart (default; a chart of your own is taken from the journal); "
        "recorded: the chart in the journal, so that only today's code is tested",
    )


def execute(arguments: Namespace, _: Mapping[str, str]) -> int:
    """Replay them, one after the other."""
    return max(_replay(file, recorded=arguments.chart == "recorded") for file in arguments.journals)


def _replay(file: str, *, recorded: bool) -> int:
    try:
        journal = read_journal(file)
        chart = chart_of(journal, recorded=recorded)
    except (JournalError, ChartError) as error:
        return refuse(error)
    line = Mask().line(f"{file}: {summary(journal)}")  # no name in it can start a line of its own
    try:
        standing = replay(journal, chart)
    except Divergence as divergence:
        say(f"{line}: DIFFERS\n  {'  '.join(str(divergence).splitlines(keepends=True))}")
        return DIFFERS
    changed = "" if chart.digest == journal.header.digest else "; the chart has changed, but not on this path"
    as_far = " as far as it goes" if chart.states[standing.state].exit is None else ""
    say(f"{line}: repeats{as_far}{changed}")
    return REPEATS
