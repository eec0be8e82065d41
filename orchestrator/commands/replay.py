"""`replay`: recorded runs again, on the code and charts of today."""

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
Feed what a run recorded (journal.jsonl, beside its results) to the code and charts of today:
every answer, time, signal and random number of then. Nothing is sent, written or waited for.
It stops at the first step that differs, and says what was recorded, what happens today and why.

exit codes: 0 every run repeats; 1 one differs; 2 a file is no journal
"""


def add_to(parser: ArgumentParser) -> None:
    """Give the parser the arguments."""
    parser.description = DESCRIPTION
    parser.add_argument("journals", nargs="+", metavar="JOURNAL", help="a journal.jsonl")
    parser.add_argument(
        "--chart",
        choices=("today", "recorded"),
        default="today",
        help="the chart that comes with this version (default; a user's own one is taken from the journal), "
        "or the one that the journal carries: today's code alone is tried then",
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
    told = Mask().line(f"{file}: {summary(journal)}")  # no name in it makes a line of its own
    try:
        standing = replay(journal, chart)
    except Divergence as divergence:
        say(f"{told}: DIFFERS\n  {'  '.join(str(divergence).splitlines(keepends=True))}")
        return DIFFERS
    changed = "" if chart.digest == journal.header.digest else "; the chart has changed, but not on this way"
    as_far = " as far as it goes" if chart.states[standing.state].exit is None else ""
    say(f"{told}: repeats{as_far}{changed}")
    return REPEATS
