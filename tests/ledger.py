"""The ledger of edges: what `ledger.txt` says, and what a run comes to that takes an edge."""

from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from causes import armed_in, case
from simulated_job import Played, SimulatedJob

from orchestrator.machine.loader import load
from orchestrator.machine.run import Run
from orchestrator.machine.step import Step
from orchestrator.simulator.scenario import Scenario

__all__ = ["LEDGER", "Entry", "World", "play"]


class World(NamedTuple):
    """What the world sees of a run: its requests with repetitions counted, its exit code, its report's end."""

    requests: str
    code: int
    reported: tuple[int, str] | None


class Entry(NamedTuple):
    """One line of the ledger."""

    action: str
    state: str
    event: str
    target: str
    code: int
    requests: str

    def __str__(self) -> str:
        return f"{self.action}-{self.state}-{self.event}"

    @property
    def world(self) -> World:
        """What the world must see."""
        reported = (self.code, load(self.action).exits()[self.code])
        return World(self.requests, self.code, None if self.event == "unwritable" else reported)


def _read() -> list[Entry]:
    entries, action = [], ""
    for line in Path(__file__).with_name("ledger.txt").read_text("utf-8").splitlines():
        if line.startswith("["):
            action = line.strip("[]")
        elif line and not line.startswith("#"):
            state, event, target, code, *requests = line.split()
            entries.append(Entry(action, state, event, target, int(code), " ".join(requests)))
    return entries


LEDGER = _read()


def play(
    entry: Entry,
    make: Callable[[Scenario], SimulatedJob],
    observe: Callable[[Run, Step | None], None] = lambda _, __: None,
) -> tuple[Played, World, str]:
    """Have the cause of the event befall a run in the state.

    Args:
        entry: The edge.
        make: Makes the simulation of a job from a scenario.
        observe: Shown the run before its first step (with None) and after each step.

    Returns:
        The run, what the world saw of it, and where the edge led it; "" if it was not taken.
    """
    cause = case(entry.action, entry.state, entry.event)
    job = make(cause.scenario)
    arm = cause.observer(job, armed_in(entry.action, entry.state, entry.event))

    def both(run: Run, step: Step | None) -> None:
        arm(run, step)
        observe(run, step)

    variables: dict[str, Any] = dict(cause.variables)
    played = job.play(entry.action, both, **variables)
    report = played.report
    reported = (report["exit_code"], report.get("state", "")) if report is not None else None  # a bug's has no state
    world = World(_collapsed(played.requests), played.code, reported)
    taken = [step.target for step in played.steps if (step.source, step.event) == (entry.state, entry.event)]
    return played, world, taken[0] if taken else ""


def _collapsed(requests: list[str]) -> str:
    """Repetitions in a row as one with a plus sign."""
    counted = ((name, len(list(group))) for name, group in groupby(requests))
    return " ".join(f"{name}*{count}" if count > 1 else name for name, count in counted)
