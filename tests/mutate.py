"""Mutate the charts: every edge taken away and led elsewhere, one at a time. Every mutant must die.

A mutant is a chart with one edge of one state changed, groups written out. It is held against

  laws       what the loader refuses of itself
  promises   what is proved of all paths (fivetran-orchestrator check)
  ledger     the run that takes this very edge, played: its requests, exit code and report
  target     where the ledger says, by hand, that the edge leads; this alone means that the world
             saw no difference, so these are listed

in this order, and counted where it dies. What survives is listed, and makes the exit code 1.

Besides, a sample of charts that are altered in other ways (`alter.py`: other operands, states put in
between, another beginning or conclusion): what the proofs take of them may do anything but run for
ever or end as a bug of ours, with 70.
"""

import argparse
import multiprocessing
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from alter import ALIVE, Altered, altered, counted, death
from ledger import LEDGER, Entry, play
from simulated_job import SimulatedJob

from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.chart import Chart
from orchestrator.machine.loader import load, structural_faults
from orchestrator.machine.promises import PROMISES
from orchestrator.simulator.scenario import Scenario

CHUNK = 16  # mutants that a process is handed at a time


class Mutant(NamedTuple):
    """One edge changed: led to `target`, or taken away where that is ""."""

    action: str
    state: str
    event: str
    target: str

    def __str__(self) -> str:
        what = f"leads to {self.target}" if self.target else "is taken away"
        return f"{self.action}: {self.state} --{self.event}--> {what}"

    @property
    def chart(self) -> Chart:
        """The chart with that edge changed."""
        chart = _chart(self.action)
        state = chart.states[self.state]
        edges = {**state.edges, self.event: self.target}
        if not self.target:
            del edges[self.event]
        return replace(chart, states={**chart.states, self.state: replace(state, edges=edges)})


_chart = cache(load)


def mutants(actions: tuple[str, ...]) -> Iterator[Mutant]:
    """Every mutant of the actions' charts."""
    for action in actions:
        chart = _chart(action)
        for state, event, target in chart.edges():
            yield from (Mutant(action, state, event, other) for other in ("", *chart.states) if other != target)


# --- In a process of its own ----------------------------------------------------------------------

_entries = {(entry.action, entry.state, entry.event): entry for entry in LEDGER}


def played(entry: Entry, chart: Chart, folder: Path) -> str:
    """Run a ledger's entry with a chart in place of the action's own.

    Returns:
        "ledger" where the world saw a difference, "target" where the ledger's target alone tells one, else "".
    """

    def make(scenario: Scenario) -> SimulatedJob:
        return SimulatedJob(scenario, "http://127.0.0.1", folder)

    with mock.patch("orchestrator.job.configuration.load", return_value=chart):
        _, world, target = play(entry, make, counted)
    if world != entry.world:
        return "ledger"
    return "" if target == entry.target else "target"


def judged(mutant: Mutant) -> str:
    """What a mutant dies of: "structure", a promise's name, "ledger" or "target"; "" where it survives."""
    chart = mutant.chart
    if structural_faults(chart):
        return "structure"
    for promise in PROMISES:
        if promise.counterexample(chart) is not None:
            return promise.name
    with tempfile.TemporaryDirectory() as folder:
        return played(_entries[mutant[:3]], chart, Path(folder))


# --- All of them ----------------------------------------------------------------------------------


def main() -> int:
    """Mutate, and tell.

    Returns:
        The exit code: 1 where a mutant survives.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-j", "--jobs", type=int, default=multiprocessing.cpu_count(), metavar="N", help="processes")
    parser.add_argument("--action", choices=ACTIONS, help="this action's chart only")
    parser.add_argument("--sample", type=int, metavar="N", help="so many of the mutants, the same ones every time")
    parser.add_argument("--altered", type=int, default=150, metavar="N", help="so many altered charts an action")
    given = parser.parse_args()
    actions = (given.action,) if given.action else ACTIONS
    every = list(mutants(actions))
    chosen = random.Random(0).sample(every, min(given.sample or len(every), len(every)))  # noqa: S311  # no secret
    began, found = time.monotonic(), dict[Mutant, str]()
    with ProcessPoolExecutor(given.jobs, multiprocessing.get_context("spawn")) as pool:
        for mutant, death in zip(chosen, pool.map(judged, chosen, chunksize=CHUNK), strict=True):
            found[mutant] = death
            if sys.stderr.isatty() and len(found) % CHUNK == 0:
                print(f"\r{len(found)} of {len(chosen)}", end="", file=sys.stderr, flush=True)
    seconds = time.monotonic() - began
    print(f"{len(every)} mutants{'' if len(chosen) == len(every) else f', {len(chosen)} of them'}: {seconds:.0f} s")
    return told(found) | _alter(actions, given.altered, given.jobs)


def _alter(actions: tuple[str, ...], number: int, jobs: int) -> int:
    """Try altered charts, the same ones every time; the exit code."""
    chosen = []
    for action in actions:
        every = list(altered((action,)))
        chosen += random.Random(0).sample(every, min(number, len(every)))  # noqa: S311  # no secret
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        found = list(zip(chosen, pool.map(death, chosen, chunksize=CHUNK), strict=True))
    return told_of_altered(found)


def told_of_altered(found: list[tuple[Altered, str]]) -> int:
    """Print what became of altered charts; the exit code: 1 where one ends as none may."""
    names = {"structure", *(promise.name for promise in PROMISES)}
    wrong = [(one, what) for one, what in found if what not in names and what != ALIVE]
    refused = sum(what in names for _, what in found)
    print(f"{len(found)} charts altered in other ways: {refused} refused, {len(found) - refused - len(wrong)} end well")
    print(f"{len(wrong):7}  END AS NONE MAY")
    for one, what in wrong:
        print(f"         {one}: {what}")
    return 1 if wrong else 0


def told(found: dict[Mutant, str]) -> int:
    """Print what the mutants died of; the exit code."""
    deaths = Counter(found.values())
    names = [promise.name for promise in PROMISES]
    print(f"{deaths['structure']:7}  killed by the loader's structural checks")
    print(f"{sum(deaths[name] for name in names):7}  by the promises:")
    for name in names:
        print(f"{deaths[name]:15}  {name}")
    print(f"{deaths['ledger']:7}  by the ledger's run: requests, exit code or report")
    for how, what in (("target", "by the ledger's target alone: the world saw no difference"), ("", "SURVIVED")):
        print(f"{deaths[how]:7}  {what}")
        for mutant in sorted(mutant for mutant in found if found[mutant] == how):
            print(f"         {mutant}")
    return 1 if deaths[""] else 0


if __name__ == "__main__":
    sys.exit(main())
