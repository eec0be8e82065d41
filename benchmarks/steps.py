"""How fast the machine is by itself: START's poll loop with the world stubbed, no network, no waiting.

Beside it, in the same run, a bare cursor of `transitions` on the very same edges: what the
driver adds. Then a million steps, after which the memory must be what it was before.
"""

import argparse
import resource
import sys
import time
import tracemalloc
from dataclasses import dataclass, field

from orchestrator.machine.loader import load
from orchestrator.machine.position import machine_of
from orchestrator.machine.run import Ports, Run
from orchestrator.values.exchange import Answer, Request
from orchestrator.values.settings import Settings

LEAST_PER_SECOND = 20_000
MOST_TIMES = 5.0  # as slow as the bare cursor: what counts on a machine that is slow itself
ROUNDS = 5  # of each, in turn; the best ones count, for the others were disturbed
MOST_GROWTH = 64 * 1024  # bytes over the long run; a leak of one byte a step would be 900,000
MOST_RISEN = 4 * MOST_GROWTH  # the kernel counts in pages, and the allocator keeps some
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


def started() -> Run:
    """A run of START that polls for ever."""

    def write(_: object) -> None:
        """Write nothing."""

    settings = Settings(
        action="START",
        connector_id="speak_inexpensive",
        api_key="key",
        api_secret="secret",  # noqa: S106  # nobody's
        timeout=1e12,
        poll_interval=0.1,
        policies=(("on_running", "wait"), ("on_reschedule", "wait")),
    )
    return Run(load("START"), settings, Ports(Counter(), Fivetran().send, write, lambda: 0.0))


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


def main() -> int:
    """Measure and tell.

    Returns:
        The exit code: 1 if it is too slow or its memory grows.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200_000, metavar="N", help="steps to time (default 200,000)")
    parser.add_argument("--long", type=int, default=1_000_000, metavar="N", help="steps of the long run (1,000,000)")
    given = parser.parse_args()

    run = started()
    stepped(run, SETTLING)
    each = given.steps // ROUNDS
    rounds = [(each / stepped(run, each), each / bare(each)) for _ in range(ROUNDS)]
    ours, cursor = (max(speeds) for speeds in zip(*rounds, strict=True))
    fast = ours >= LEAST_PER_SECOND or cursor / ours <= MOST_TIMES
    print(f"{given.steps:,} steps of START's poll loop: {ours:,.0f} a second (at least {LEAST_PER_SECOND:,},")
    print(f"or on a slow machine {MOST_TIMES:g} times what a bare cursor of transitions takes in that loop)")
    print(f"the bare cursor: {cursor:,.0f} a second; the driver takes {cursor / ours:.1f}x")

    # The long run: half of it as it is, for the kernel's word; half of it traced, for every byte.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    stepped(run, given.long // 2)
    risen = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
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
    return 0 if fast and flat else 1


if __name__ == "__main__":
    sys.exit(main())
