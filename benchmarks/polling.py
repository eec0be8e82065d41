"""What clever polling costs and gains beside fixed intervals: requests, and how late the end of a sync is noticed.

Each number is a mean over many STARTs by the machine itself (`begin` and `settle`, on a virtual clock). Fivetran's
answers are made up: a sync starts a few seconds after its trigger, and each request takes 0.3 s. Requests are those
from the accepted trigger to the verdict, the one that asks the sync history for durations among them. All intervals
meet the very same syncs.

`history` is a job that starts with nothing: it asks the history each time. `state file` is a job that runs again and
again with FIVETRAN_STATE_FILE: it asks at its first run, and knows its last 20 durations later. Beside 10 s both must
need no more requests and notice the end earlier where durations are constant or log-normal, and be no worse where
they are bimodal or the sync is the connection's first. One case is shown and not judged: a short sync of varying
duration is over after four looks every 10 s, and a request for the history, each time, is not won back.
"""

import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from math import exp
from typing import Any, NamedTuple

from orchestrator.fivetran.polling import known_afterwards
from orchestrator.machine.chart import Chart
from orchestrator.machine.loader import load
from orchestrator.machine.standing import Standing
from orchestrator.machine.step import Step
from orchestrator.machine.transition import begin, settle, start
from orchestrator.values.exchange import Answer, Request
from orchestrator.values.facts import Facts
from orchestrator.values.formatting import iso
from orchestrator.values.settings import Settings

RUNS = 100  # of each kind
FIXED = (5.0, 10.0, 15.0, 60.0)  # seconds
BESIDE = 10.0  # seconds: what clever polling is compared with
TAKES = 0.3  # seconds that a request takes
BEGAN = 1_800_000_000.0  # seconds since the epoch
DAY = 86_400.0
STARTS = (1.0, 5.0)  # seconds from the trigger to the start of a sync
PAST = 20  # syncs in the history
EQUAL = 1e-9

Durations = Callable[[random.Random], float]


def constant(seconds: float) -> Durations:
    """Always about the same: within 2 %."""
    return lambda dice: seconds * dice.uniform(0.98, 1.02)


def log_normal(seconds: float) -> Durations:
    """That median, and a third longer or a quarter shorter as often as not."""
    return lambda dice: seconds * exp(dice.gauss(0.0, 0.4))


def bimodal(seconds: float, rarely: float) -> Durations:
    """Mostly the one, and three times in ten the other: a full load, say."""
    return lambda dice: (seconds if dice.random() < 0.7 else rarely) * exp(dice.gauss(0.0, 0.1))  # noqa: PLR2004


class Kind(NamedTuple):
    """A kind of syncs.

    Attributes:
        name: What it is called.
        durations: How long one takes.
        strictly: Clever polling must be better, not only no worse.
        first: The sync is the connection's first.
    """

    name: str
    durations: Durations
    strictly: bool = False
    first: bool = False


KINDS = (
    Kind("constant 30 s", constant(30), strictly=True),
    Kind("constant 20 min", constant(1200), strictly=True),
    Kind("log-normal 30 s", log_normal(30), strictly=True),
    Kind("log-normal 20 min", log_normal(1200), strictly=True),
    Kind("bimodal 30 s, 5 min", bimodal(30, 300)),
    Kind("bimodal 1, 20 min", bimodal(60, 1200)),
    Kind("first-ever 30 s", log_normal(30), first=True),
    Kind("first-ever 20 min", log_normal(1200), first=True),
)
NOT_JUDGED = {("log-normal 30 s", "history")}


@dataclass
class Fivetran:
    """One connection, on a clock of its own.

    Attributes:
        lasts: Seconds that the sync takes.
        starts: Seconds from its trigger to its start.
        past: How long the syncs took that the history has, newest first; one a day.
        first: There was none before.
        asked: Requests since the trigger.
    """

    lasts: float
    starts: float
    past: tuple[float, ...]
    first: bool = False
    now: float = 0.0
    triggered: float | None = None
    asked: int = 0
    succeeded: str | None = field(init=False)

    def __post_init__(self) -> None:
        self.succeeded = None if self.first else iso(BEGAN - DAY / 4)

    @property
    def ends(self) -> float:
        """When the sync ends."""
        return (self.triggered or 0.0) + self.starts + self.lasts

    def answer(self, request: Request) -> Answer:
        """What it answers, after a while."""
        data: dict[str, Any] = {"items": []}
        self.asked += self.triggered is not None
        if "sync-history" in request.path:
            data = {"items": [self._past(number, took) for number, took in enumerate(self.past)]}
        elif request.method == "POST":
            self.triggered, self.asked = self.now, 0
        else:
            data = self._document()
        self.now += TAKES
        return Answer(data=data, date=BEGAN + self.now)

    def _past(self, number: int, took: float) -> dict[str, Any]:
        end = BEGAN - DAY / 4 * (number + 1)
        return {"start": iso(end - took), "end": iso(end), "status": "COMPLETED"}

    def _document(self) -> dict[str, Any]:
        ended = self.triggered is not None and self.now >= self.ends
        runs = self.triggered is not None and not ended and self.now >= self.triggered + self.starts
        return {
            "schedule_type": "manual",
            "succeeded_at": iso(BEGAN + self.ends) if ended else self.succeeded,
            "failed_at": None,
            "status": {"setup_state": "connected", "sync_state": "syncing" if runs else "scheduled"},
        }


class Measured(NamedTuple):
    """What was measured of a run, or on average.

    Attributes:
        requests: From the trigger to the verdict.
        delay: Seconds from the end of the sync to the verdict.
    """

    requests: float
    delay: float


def run(
    chart: Chart, settings: Settings, fivetran: Fivetran, known: tuple[float, ...] | None
) -> tuple[Measured, Facts]:
    """A START, from its beginning to its verdict.

    Raises:
        RuntimeError: It did not succeed.
    """
    standing: Standing = start(chart, settings, BEGAN, Facts(durations=known))
    while not standing.concluded:
        fivetran.now = max(fivetran.now, standing.due)
        step = begin(chart, settings, standing, fivetran.now)
        if not isinstance(step, Step):
            assert step.request is not None  # noqa: S101  # nothing is written before the verdict
            answer = fivetran.answer(step.request)
            step = settle(chart, settings, step, answer, fivetran.now)
        standing = step.after
    if standing.facts.verdict != chart.green:
        raise RuntimeError(f"it ended as {standing.facts.verdict}")
    return Measured(fivetran.asked, fivetran.now - fivetran.ends), standing.facts


def measure(kind: Kind, settings: Settings, *, keeps: bool = False) -> Measured:
    """The means over many runs.

    Args:
        kind: The kind of syncs.
        settings: Those of the job.
        keeps: What a run has learned is known to the next one.
    """
    chart, dice, known = load("START"), random.Random(kind.name), None  # noqa: S311  # not for secrets
    found = []
    for _ in range(RUNS):
        past = () if kind.first else tuple(kind.durations(dice) for _ in range(PAST))
        fivetran = Fivetran(kind.durations(dice), dice.uniform(*STARTS), past, kind.first)
        measured, facts = run(chart, settings, fivetran, known)
        known = known_afterwards(facts) if keeps else None
        found.append(measured)
    return Measured(*(sum(each) / RUNS for each in zip(*found, strict=True)))


def holds(kind: Kind, clever: Measured, fixed: Measured) -> bool:
    """Whether clever polling does what is promised."""
    if kind.strictly:
        return clever.requests <= fixed.requests and clever.delay < fixed.delay
    return clever.requests <= fixed.requests + EQUAL and clever.delay <= fixed.delay + EQUAL


def rows() -> Iterator[tuple[str, bool]]:
    """The table, a line each, and whether it is as promised."""
    fixed = Settings("START", "speak_inexpensive", "key", "secret", timeout=DAY, policies=(("on_running", "wait"),))
    adaptive = replace(fixed, adaptive=True)
    every = "".join(f"{f'every {interval:g} s':>16}" for interval in FIXED)
    yield f"{'requests, delay':<20}{every}  {'clever, by its':<12}{'':>20}{f'beside {BESIDE:g} s':>18}", True
    for kind in KINDS:
        told = {interval: measure(kind, replace(fixed, poll_interval=interval)) for interval in FIXED}
        cells = "".join(f"{one.requests:>7.1f}{one.delay:>7.1f} s" for one in told.values())
        for source in ("nothing",) if kind.first else ("history", "state file"):
            clever, beside = measure(kind, adaptive, keeps=source == "state file"), told[BESIDE]
            judged = (kind.name, source) not in NOT_JUDGED
            good = holds(kind, clever, beside) or not judged
            ratios = f"{clever.requests / beside.requests:>9.2f}x{clever.delay / beside.delay:>7.2f}x"
            mark = "" if good and judged else "  (not judged)" if good else "  WORSE"
            yield (
                f"{kind.name:<20}{cells}  {source:<12}{clever.requests:>10.1f}{clever.delay:>8.1f} s{ratios}{mark}",
                good,
            )


def main() -> int:
    """Measure and tell.

    Returns:
        The exit code: 1 if clever polling is worse than every 10 s.
    """
    code = 0
    print(f"means of {RUNS} STARTs each")
    for line, good in rows():
        print(line, flush=True)
        code = code or int(not good)
    return code


if __name__ == "__main__":
    sys.exit(main())
