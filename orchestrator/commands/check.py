"""`check`: whether charts have a valid structure and keep the promises."""

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

INVALID = 1  # exit code

DESCRIPTION = """\
Check charts, the packaged ones or your own: structure, and safety guarantees over every path.

Structure: every outcome has an edge, every edge leads to a state, every loop waits. Guarantees
(promises): what holds on all paths; for a broken one, the shortest path that breaks it is printed.
A job with a chart of its own (FIVETRAN_CHART) checks the same before its first request.
"""

CODES = """\
exit codes:
  0  every chart is valid
  1  a chart has structural errors, or breaks a promise
  2  a file cannot be read, or wrong usage
"""


def add_to(parser: ArgumentParser) -> None:
    """Give the parser the arguments."""
    parser.description, parser.epilog = DESCRIPTION, CODES
    parser.add_argument(
        "charts", nargs="*", metavar="CHART.toml", help="a chart of your own (default: the packaged charts)"
    )


def execute(arguments: Namespace, _: Mapping[str, str]) -> int:
    """Check each of them, whatever the result of another."""
    if not arguments.charts:
        return max(_check(action, partial(load, action)) for action in ACTIONS)
    return max(_check(path, partial(load_file, path)) for path in arguments.charts)


def _check(name: str, read: Callable[[], Chart]) -> int:
    """Check one chart and print the result."""
    try:
        chart = read()
    except UnreadableChartError as error:
        return refuse(error)
    except ChartError as error:
        say(f"{name}\n  INVALID structure")
        for fault in str(error).splitlines():
            say(f"          {fault.removeprefix(f'{name}: ')}")
        return INVALID
    paths = broken(chart)
    say(Mask().line(chart.title if name == chart.action else f"{name}: {chart.title}"))
    say(f"  ok      structure: {len(chart.states)} states, {len([*chart.edges()])} edges")
    for promise in PROMISES:
        path = paths.get(promise.name)
        say(f"  {'BROKEN' if path else 'ok    '}  {promise.name}")
        if path:
            say(f"{_indented(promise.statement)}\n{_indented(str(path))}")
    return INVALID if paths else 0


def _indented(text: str) -> str:
    return fill(text, 100, initial_indent=" " * 10, subsequent_indent=" " * 10, break_on_hyphens=False)
