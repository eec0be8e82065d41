"""What many connections cost in one job: requests, processor time, memory, and how late an end is noticed.

The job is a whole process, and runs twice: as it is, and with one GET for each look at a connection, by the same
client. The simulated Fivetran lives in a process of its own, whose time does not count. Each connection syncs for
about a minute, on a manual schedule, and is polled every 10 s. The clock runs faster than real time, in both
processes: the processor does what it would do in real time, less some hundred ticks, and delays look longer.
What counts a connection is what the job takes beyond one of a few connections.

    python benchmarks/fleet.py                                       1,000 connections
    python benchmarks/fleet.py --connections 10000 --speed 1         ten times as many, in minutes
"""

import argparse
import json
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

from startup import LAUNCHER, BenchmarkError

from orchestrator.simulator.app import Simulator
from orchestrator.simulator.rehearsal import variables
from orchestrator.simulator.scenario import Scenario, SyncPlan
from orchestrator.simulator.server import served
from orchestrator.values.clock import FastClock

POLL = 10.0  # seconds
FEW = 10  # connections of the job that the others are compared with
LONGER = 1.2  # times what a thousand connections may cost each, from MANY on
MANY = 5_000
ATTEMPTS = 2  # measurements until one is within the limits
# The most that is allowed a connection.
MOST_REQUESTS, MOST_MEMORY = 1.1, 25.0
# Processor time depends on the machine, so these are ratios to that of one listing: what a GET for each look costs, at
# least, and what journals and reports cost, at most.
LEAST_SAVED, MOST_WITH_REPORTS = 1.4, 4.5
LATEST = 1.5  # intervals; a busy machine's waits look longer on a fast clock
# What it is to take, in milliseconds of processor time and in intervals, on a machine of its own.
GOALS = "goals: 2.5 ms, 8 ms with reports, noticed within one interval"


@dataclass(frozen=True, slots=True)
class Cost:
    """What one job cost.

    Attributes:
        count: Its connections.
        requests: Its requests, of each kind.
        processor: Seconds of processor time.
        kilobytes: Most memory at one time.
        late: Seconds on the job's clock from the end of the last sync to the end of the job's last run.
    """

    count: int
    requests: Mapping[str, int]
    processor: float
    kilobytes: int
    late: float

    @property
    def asked(self) -> float:
        """Requests a connection."""
        return sum(self.requests.values()) / self.count


def _fivetran(pipe: Pipe, names: list[str], clock: FastClock) -> None:
    """The process of the simulated Fivetran: serves until it is asked what happened."""
    usual = Scenario(connection={"schedule_type": "manual"})
    simulator, draws = Simulator(usual, clock), random.Random(7)  # noqa: S311  # not for secrets
    for name in names:
        plan = SyncPlan(lasts=draws.uniform(45, 75))
        simulator.connection(name).scenario = replace(usual, syncs=(plan,))
    with served(simulator) as url:
        pipe.send(url)
        pipe.recv()
        ends = [sync.ended_at or 0.0 for name in names for sync in simulator.connection(name).history]
        pipe.send((Counter(seen.operation for seen in simulator.seen), max(ends, default=0.0), len(ends)))


@contextmanager
def _served(names: list[str], clock: FastClock) -> Iterator[tuple[str, Pipe]]:
    """Its address, and what asks it."""
    context = multiprocessing.get_context("fork")
    ours, its = context.Pipe()
    process = context.Process(target=_fivetran, args=(its, names, clock), daemon=True)
    process.start()
    try:
        yield ours.recv(), ours
    finally:
        process.kill()
        process.join()


def measured(count: int, speed: float, *, listing: bool = True, report_dir: str = "") -> Cost:
    """What a job of so many connections costs.

    Raises:
        BenchmarkError: It did not do what it was to do.
    """
    clock, names = FastClock(speed), [f"connection_{number:05}" for number in range(count)]
    with _served(names, clock) as (url, pipe), tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "result.json")
        given = {
            **variables(Scenario(), url),
            "FIVETRAN_ACTION": "START",
            "CONNECTOR_ID": ",".join(names),
            "FIVETRAN_MAX_PARALLEL": "10000",
            "FIVETRAN_EVIDENCE": "0",
            "FIVETRAN_POLL_INTERVAL": f"{POLL:g}",
            "FIVETRAN_TIMEOUT": "3600",
            "FIVETRAN_REPORT_DIR": report_dir,
            "BENCHMARK": json.dumps([str(out), speed, clock._monotonic, clock._wall, listing]),  # noqa: SLF001  # the same clock
            "PATH": os.environ["PATH"],
        }
        command = [sys.executable, "-I", "-S", "-c", LAUNCHER, sys.executable, __file__, "--job"]
        launched = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
        if launched.returncode:
            raise BenchmarkError(f"exit code {launched.returncode}\n{launched.stderr[-2000:]}")
        pipe.send("what happened?")
        requests, last, syncs = pipe.recv()
        if syncs != count:
            raise BenchmarkError(f"{syncs} syncs of {count} connections")
        document = json.loads(out.read_text("utf-8"))
    _, processor, most = launched.stdout.split()
    noticed = max(datetime.fromisoformat(one["ended_at"]).timestamp() for one in document["connections"])
    kilobytes = int(most) // (1024 if sys.platform == "darwin" else 1)
    return Cost(count, requests, float(processor), kilobytes, noticed - last)


def _job() -> int:
    """The process of the job: what `fivetran-orchestrator run` does, on the clock that Fivetran has."""
    out, speed, monotonic, wall, listing = json.loads(os.environ.pop("BENCHMARK"))
    from orchestrator.fleet.choice import job_for  # noqa: PLC0415  # its import counts, and that of nothing else

    clock = FastClock(speed)
    clock._monotonic, clock._wall = monotonic, wall  # noqa: SLF001  # likewise
    if not listing:
        from orchestrator.fleet.reader import Reader  # noqa: PLC0415  # only for that

        Reader.lists = lambda *_: False  # type: ignore[method-assign]
    with Path(out).open("w", encoding="utf-8") as stdout:
        return job_for(os.environ, clock=clock, stdout=stdout, json=True).run()


def told(count: int, few: Cost, costs: Mapping[str, Cost]) -> bool:
    """Print the costs side by side; whether they are within the limits."""
    longer = LONGER if count >= MANY else 1.0

    def each(cost: Cost, what: str) -> float:
        scale = {"processor": 1000.0, "kilobytes": 1.0}[what]
        return scale * float(getattr(cost, what) - getattr(few, what)) / (cost.count - few.count)

    rows: list[tuple[str, Any, float | None]] = [
        ("requests", lambda cost: cost.asked, MOST_REQUESTS * longer),
        ("processor time (ms)", lambda cost: each(cost, "processor"), None),
        ("memory (KB)", lambda cost: each(cost, "kilobytes"), MOST_MEMORY * longer),
        ("last end noticed after (s)", lambda cost: cost.late, LATEST * POLL),
    ]
    columns = "".join(f"{name:>16}" for name in costs)
    print(f"{count:,} connections, each:{'':8}{columns}{'ratio':>8}{'limit':>8}")
    good = True
    for title, value, most in rows:
        figures = {name: value(cost) for name, cost in costs.items()}
        kept = most is None or figures["one listing"] <= most
        shown = "".join(f"{figure:16.2f}" for figure in figures.values())
        ratio = figures["a GET each"] / max(figures["one listing"], 0.01)
        limit = "" if most is None else f"{'':4}{most:.1f}"
        good = good and kept
        print(f"{title:32}{shown}{ratio:8.1f}{limit}{'' if kept else '  TOO MUCH'}")
    alone, singly, full = (each(costs[name], "processor") for name in ("one listing", "a GET each", "with reports"))
    saved, more = singly / alone, full / alone
    kept = saved >= LEAST_SAVED and more <= MOST_WITH_REPORTS
    print(f"a GET each takes {saved:.1f} times the processor time (at least {LEAST_SAVED}), ", end="")
    print(f"reports {more:.1f} times (at most {MOST_WITH_REPORTS}){'' if kept else ': TOO MUCH'}; {GOALS}")
    whole = "".join(f"{cost.kilobytes / 1024:16.1f}" for cost in costs.values())
    print(f"{'the whole process (MiB)':32}{whole}   (of {few.count} connections: {few.kilobytes / 1024:.1f})")
    print(f"{'processor time in all (s)':32}{''.join(f'{cost.processor:16.2f}' for cost in costs.values())}")
    return good and kept


def main() -> int:
    """Measure and tell.

    Returns:
        The exit code: 1 if a limit is passed.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=1_000, metavar="N", help="how many (default 1000)")
    parser.add_argument("--speed", type=float, default=4.0, help="seconds of the clock a real one (default 4)")
    parser.add_argument("--job", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.job:
        return _job()
    print(f"simulated time, {given.speed:g} seconds of it in a real one")
    try:
        for _ in range(ATTEMPTS):  # a neighbour on the machine can spoil one measurement
            few = measured(FEW, given.speed)
            costs = {
                "one listing": measured(given.connections, given.speed),
                "a GET each": measured(given.connections, given.speed, listing=False),
            }
            with tempfile.TemporaryDirectory() as folder:
                costs["with reports"] = measured(given.connections, given.speed, report_dir=folder)
            if told(given.connections, few, costs):
                return 0
    except BenchmarkError as error:
        print(error, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
