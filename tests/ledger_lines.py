"""Print what the ledger lacks for the charts as they are, and write nothing: `make ledger`.

Each edge of the ledger is played as its test plays it. The lines stand for review: where an edge leads is entered
twice, in the chart and by hand, and a line that is copied without a thought proves nothing.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest import mock

from ledger import LEDGER, Entry, play
from simulated_job import SimulatedJob

from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.chart import Chart
from orchestrator.machine.loader import load
from orchestrator.simulator.scenario import Scenario

__all__ = ["HERE", "line", "main", "needed"]

HERE = Path(__file__).parent
UNKNOWN = -1  # the exit code of an edge that no cause takes


def line(entry: Entry) -> str:
    """An entry as the ledger writes it; question marks where no cause takes the edge."""
    code, requests = ("?", "?") if entry.code == UNKNOWN else (str(entry.code), entry.requests)
    return f"{entry.state:<25} {entry.event:<14} {entry.target:<27} {code:>3} {requests}".rstrip()


def needed(chart: Chart, entries: Sequence[Entry]) -> Iterator[str]:
    """What is to be reviewed, a line each: `-` is to go, `+` to come, and what tests/causes.py lacks.

    Args:
        chart: The action's chart.
        entries: What the ledger says of that action.
    """
    known = {entry[1:3]: entry for entry in entries}
    edges = {(state, event): target for state, event, target in chart.edges()}
    for edge, entry in known.items():
        if edge not in edges:
            yield f"- {line(entry)}"
    for (state, event), target in edges.items():
        written = known.get((state, event))
        found = _played(chart, Entry(chart.action, state, event, target, UNKNOWN, ""))
        if found.code == UNKNOWN:
            yield f"tests/causes.py: no cause takes {state} --{event}-->: {_where(state)}"
        if written != found and (written is None or written.target != target or found.code != UNKNOWN):
            if written is not None:
                yield f"- {line(written)}"
            yield f"+ {line(found)}"


def _played(chart: Chart, edge: Entry) -> Entry:
    """The edge with the exit code and the requests of the run that takes it, if its cause does."""

    def make(scenario: Scenario) -> SimulatedJob:
        return SimulatedJob(scenario, "http://127.0.0.1", Path(folder))

    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch("orchestrator.job.configuration.load", return_value=chart),
    ):
        _, world, target = play(edge, make)
    return edge._replace(code=world.code, requests=world.requests) if target else edge


def _where(state: str) -> str:
    """Where the cause of an edge belongs."""
    if state == "ending":
        return "add it to _ending()"
    return "add the event to _outcome(); a new state also to _way(), and to OPERATION where it sends a request"


def main() -> int:
    """Compare all packaged charts with the ledger, and tell.

    Returns:
        The exit code: 0 where there is nothing to do.
    """
    code = 0
    for action in ACTIONS:
        for told in needed(load(action), [entry for entry in LEDGER if entry.action == action]):
            print(f"[{action}] {told}")
            code = 1
    print("Nothing to do: every edge has its line, and every line holds" if not code else "Review these lines")
    return code


if __name__ == "__main__":
    sys.exit(main())
