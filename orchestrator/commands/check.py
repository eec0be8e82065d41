"""`check`: the loader's laws and the promises, held against charts."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from functools import partial
from textwrap import fill

from orchestrator.job.masking import Mask
from orchestrator.job.own_chart import UnreadableChartError, load_file
from orchestrator.job.streams import refuse, say
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.chart import Chart
from orchestrator.machine.loader import ChartError, load
from orchestrator.machine.promises import PROMISES, broken

__all__ = ["add_to", "execute"]

UNSOUND = 1  # exit code

DESCRIPTION = """\
Prove charts: those that come with this, or your own.

The laws are about a chart's form: every outcome has an edge, every edge a state, every loop a
wait. The promises are about all paths through it; where one is broken, the shortest path that
breaks it is printed. A job that is given a chart (FIVETRAN_CHART) holds the same against it.
"""

CODES = """\
exit codes:
  0  all of it holds
  1  a chart is refused, or breaks a promise
  2  a file cannot be read, or wrong usage
"""


def add_to(parser: ArgumentParser) -> None:
    """Give the parser the arguments."""
    parser.description, parser.epilog = DESCRIPTION, CODES
    parser.add_argument(
        "charts", nargs="*", metavar="CHART.toml", help="a chart of your own (default: those that come with this)"
    )


def execute(arguments: Namespace, _: Mapping[str, str]) -> int:
    """Prove them, all of them, whatever one of them comes to."""
    if not arguments.charts:
        return max(_check(action, partial(load, action)) for action in ACTIONS)
    return max(_check(path, partial(load_file, path)) for path in arguments.charts)


def _check(name: str, read: Callable[[], Chart]) -> int:
    """Prove one chart, and print what came of it."""
    try:
        chart = read()
    except UnreadableChartError as error:
        return refuse(error)
    except ChartError as error:
        say(f"{name}\n  REFUSED by the laws")
        for fault in str(error).splitlines():
            say(f"          {fault.removeprefix(f'{name}: ')}")
        return UNSOUND
    paths = broken(chart)
    say(Mask().line(chart.title if name == chart.action else f"{name}: {chart.title}"))
    say(f"  holds   the laws: {len(chart.states)} states, {len([*chart.edges()])} edges")
    for promise in PROMISES:
        path = paths.get(promise.name)
        say(f"  {'BROKEN' if path else 'holds '}  {promise.name}")
        if path:
            say(f"{_indented(promise.statement)}\n{_indented(str(path))}")
    return UNSOUND if paths else 0


def _indented(text: str) -> str:
    return fill(text, 100, initial_indent=" " * 10, subsequent_indent=" " * 10, break_on_hyphens=False)
