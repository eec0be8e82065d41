"""How fast the machine is by itself: START's poll loop with the world stubbed, no network, no waiting.

Beside it, in the same run, a bare cursor of `transitions` on the very same edges: what the
driver adds. Then a million steps, after which the memory must be what it was before. Before all
that, a thousand STARTs at once in one thread, each a value that `begin` and `settle` move: what they
take of memory and of processor time.

With `--against COMMIT` that commit's own benchmark runs, too, in a worktree of its own, and the steps a
second of both are compared.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import tracemalloc
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.machine.chart import Chart
from orchestrator.machine.loader import load
from orchestrator.machine.position import machine_of
from orchestrator.machine.run import Ports, Run
from orchestrator.machine.standing import Standing
from orchestrator.machine.step import Step
from orchestrator.machine.transition import begin, settle, start
from orchestrator.values.exchange import Answer, Request
from orchestrator.values.settings import Settings

LEAST_PER_SECOND = 20_000
MOST_TIMES = 5.0  # as slow as the bare cursor: what counts on a machine that is slow itself
ROUNDS = 5  # of each, in turn; the best ones count, for the others were disturbed
MOST_GROWTH = 64 * 1024  # bytes over the long run; a leak of one byte a step would be 900,000
MOST_RISEN = 4 * MOST_GROWTH  # the kernel counts in pages, and the allocator keeps some
RUNS, POLLS = 1000, 4  # STARTs at once; looks of each that find its sync running
MOST_MEMORY = 35.0  # MiB for all of them, above the interpreter with its imports
MOST_SECONDS = 1.5e-3  # of processor time for one of them
SETTLING = 50_000  # steps until the loop runs and every cache is filled

CONNECTION = {
    "id": "speak_inexpensive",
    "service": "postgres",
    "schema": "public",
    "paused": False,
    "schedule_type": "manual",
    "succeeded_at": "2027-01-15T07:00:00.000Z",
    "failed_at": None,
    "status": {
        "setup_state": "connected",
        "sync_state": "scheduled",
        "update_state": "on_schedule",
        "is_historical_sync": False,
        "tasks": [],
        "warnings": [],
    },
}
SYNCING = {**CONNECTION, "status": {**CONNECTION["status"], "sync_state": "syncing"}}  # type: ignore[dict-item]


IDLE_TEXT, SYNCING_TEXT = json.dumps(CONNECTION), json.dumps(SYNCING)
DONE_TEXT = json.dumps({**CONNECTION, "succeeded_at": "2027-01-15T09:00:00.000Z"})


@dataclass(slots=True)
class Counter:
    """A clock that goes on by a second whenever it is asked: every wait is over at once."""

    now: float = 0.0

    def monotonic(self) -> float:
        """Seconds so far."""
        self.now += 1.0
        return self.now

    def wall(self) -> float:
        """The same, since some day in 2027."""
        return 1_800_000_000.0 + self.now


class Cursor:
    """The model of `transitions`."""

    state: str


@dataclass(slots=True)
class Fivetran:
    """Answers every request at once: idle until the trigger, and syncing from then on for ever."""

    document: dict[str, object] = field(default_factory=lambda: dict(CONNECTION))

    def send(self, request: Request, seconds: float, interruptible: bool) -> Answer:  # noqa: FBT001  # a port's form
        """The answer."""
        del seconds, interruptible
        if request.method == "POST":
            self.document = dict(SYNCING)
        return Answer(data=self.document, date=1_800_000_000.0)


def settings() -> Settings:
    """Those of a START that polls for as long as it takes."""
    return Settings(
        action="START",
        connector_id="speak_inexpensive",
        api_key="key",
        api_secret="secret",  # noqa: S106  # nobody's
        timeout=1e12,
        poll_interval=0.1,
        policies=(("on_running", "wait"), ("on_reschedule", "wait")),
    )


def started() -> Run:
    """A run of START that polls for ever."""

    def write(_: object) -> None:
        """Write nothing."""

    return Run(load("START"), settings(), Ports(Counter(), Fivetran().send, write, lambda: 0.0))


def stepped(run: Run, steps: int) -> float:
    """Step so often; return the seconds of processor time that it took."""
    began = time.process_time()
    for _ in range(steps):
        run.step()
    return time.process_time() - began


def bare(steps: int) -> float:
    """The same loop on the bare cursor: fire the events of the poll loop so often; return the seconds likewise."""
    chart = load("START")
    # The loop that a run is in by now, as it is drawn: whatever its states are called.
    run, loop = started(), list[tuple[str, str]]()
    for _ in range(100):
        step = run.step()
        loop = [*loop[-1:], (step.source, step.event)]
    cursor, machine = Cursor(), machine_of(chart)
    cursor.state = loop[0][0]
    first, second = (machine.events[event] for _, event in loop)
    began = time.process_time()
    for _ in range(steps // 2):
        first.trigger(cursor)
        second.trigger(cursor)
    return time.process_time() - began


@dataclass(slots=True)
class One:
    """One of many STARTs."""

    standing: Standing
    polls: int = 0

    def move(self, chart: Chart, given: Settings, now: float) -> None:
        """A step: its sync is seen running until the last poll, and has succeeded by then."""
        step = begin(chart, given, self.standing, now)
        if not isinstance(step, Step):
            step = settle(chart, given, step, self._outcome(now) if step.request else None, now)
        self.standing = step.after

    def _outcome(self, now: float) -> Answer:
        text = IDLE_TEXT
        if self.standing.facts.triggered:
            self.polls += 1
            text = DONE_TEXT if self.polls > POLLS else SYNCING_TEXT
        return Answer(data=json.loads(text), date=1_800_000_000.0 + now)  # a document of its own


def many() -> tuple[float, float]:
    """Run STARTs side by side, a step of each in turn, until all have ended.

    Returns:
        For each, the seconds of processor time and the steps.

    Raises:
        RuntimeError: One did not succeed.
    """
    began = time.process_time()
    chart, given = load("START"), settings()
    runs = [One(start(chart, given, 1_800_000_000.0)) for _ in range(RUNS)]
    now, going = 0.0, runs
    while going:
        now += 1.0
        for run in going:
            run.move(chart, given, now)
        going = [run for run in going if chart.states[run.standing.state].exit is None]
    seconds = time.process_time() - began
    if any(chart.states[run.standing.state].exit for run in runs):
        raise RuntimeError("a START did not succeed")
    return seconds / RUNS, sum(run.standing.number for run in runs) / RUNS


def peak() -> int:
    """The most memory that this process had at one time, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1)


def older(commit: str, steps: int) -> float:
    """The steps a second that an older commit's own benchmark measures, in a worktree of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "older")
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", str(folder), commit], check=True)  # noqa: S607
        try:
            command = [sys.executable, str(folder / "benchmarks" / "steps.py"), "--steps", str(steps), "--long", "0"]
            told = subprocess.run(
                command, env={**os.environ, "PYTHONPATH": str(folder)}, stdout=subprocess.PIPE, text=True, check=False
            ).stdout
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(folder)], check=True)  # noqa: S607
    found = re.search(r"poll loop: ([\d,]+) a second", told)
    if found is None:
        raise RuntimeError(f"{commit} has no such benchmark:\n{told}")
    return float(found[1].replace(",", ""))


def main() -> int:
    """Measure and tell.

    Returns:
        The exit code: 1 if it is too slow, its memory grows, or many runs take too much.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200_000, metavar="N", help="steps to time (default 200,000)")
    parser.add_argument("--long", type=int, default=1_000_000, metavar="N", help="steps of the long run (1,000,000)")
    parser.add_argument("--against", metavar="COMMIT", help="compare with this commit's own benchmark")
    given = parser.parse_args()

    tracemalloc.start()
    _, steps = many()
    memory = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    seconds = min(many()[0] for _ in range(ROUNDS))
    run = started()
    stepped(run, SETTLING)
    each = given.steps // ROUNDS
    rounds = [(each / stepped(run, each), each / bare(each)) for _ in range(ROUNDS)]
    ours, cursor = (max(speeds) for speeds in zip(*rounds, strict=True))
    fast = ours >= LEAST_PER_SECOND or cursor / ours <= MOST_TIMES
    print(f"{given.steps:,} steps of START's poll loop: {ours:,.0f} a second (at least {LEAST_PER_SECOND:,},")
    print(f"or on a slow machine {MOST_TIMES:g} times what a bare cursor of transitions takes in that loop)")
    print(f"the bare cursor: {cursor:,.0f} a second; the driver takes {cursor / ours:.1f}x")
    # Likewise: what the same number of moves costs the bare cursor.
    small = memory <= MOST_MEMORY and (seconds <= MOST_SECONDS or seconds * cursor / steps <= MOST_TIMES)
    print(f"{RUNS:,} STARTs at once, {steps:.0f} steps each: {memory:.1f} MiB (at most {MOST_MEMORY:g}),")
    print(
        f"{1000 * seconds:.2f} ms of processor time each (at most {1000 * MOST_SECONDS:g}, or {MOST_TIMES:g} times",
        end=" ",
    )
    print(f"what the bare cursor takes for as many moves: it is {seconds * cursor / steps:.1f}x)")
    if given.against:
        before = older(given.against, given.steps)
        print(f"{given.against}: {before:,.0f} a second; now {ours / before:.2f} times that")

    # The long run: half of it as it is, for the kernel's word; half of it traced, for every byte.
    most = peak()
    stepped(run, given.long // 2)
    risen = peak() - most
    tracemalloc.start()
    stepped(run, SETTLING)
    before, _ = tracemalloc.get_traced_memory()
    stepped(run, given.long // 2)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    flat = after - before <= MOST_GROWTH and risen * 1024 <= MOST_RISEN
    print(
        f"memory over {given.long:,} more steps: the kernel's peak {risen:+,} KiB over the first half, "
        f"traced {after - before:+,} bytes over the second (at most {MOST_GROWTH:,})"
    )
    print(f"ended after {run.standing.number:,} steps in {run.state.name!r}")
    if not fast:
        print("too slow", file=sys.stderr)
    if not flat:
        print("memory grows", file=sys.stderr)
    if not small:
        print("many runs take too much", file=sys.stderr)
    return 0 if fast and flat and small else 1


if __name__ == "__main__":
    sys.exit(main())
