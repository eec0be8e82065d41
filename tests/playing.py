"""Play a run in a made-up world: no HTTP, no process, no real time; the driver's, charts' and client's own code."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from unittest.mock import patch

from in_process import answered, arrived, takes
from worlds import World

from orchestrator.fivetran.effects import EFFECTS, Pure
from orchestrator.fivetran.verdicts import explain
from orchestrator.job import configuration
from orchestrator.job.configuration import Configured, configure
from orchestrator.machine.chart import Chart, Kind
from orchestrator.machine.loader import load
from orchestrator.machine.run import Ports as Outside
from orchestrator.machine.run import Run, drive
from orchestrator.machine.standing import GRACE_AFTER_SIGNAL, resumed
from orchestrator.machine.transition import start
from orchestrator.simulator.app import CONNECTOR, Arrival, Simulator
from orchestrator.simulator.clock import VirtualClock
from orchestrator.simulator.connection import Connection, Sync
from orchestrator.simulator.rehearsal import variables
from orchestrator.simulator.scenario import Fault
from orchestrator.values.events import Event
from orchestrator.values.exchange import Answer, Cut, Failure, Request
from orchestrator.values.facts import Facts

__all__ = ["Played", "Sent", "configured", "play"]

AFTERWARDS = 7200.0  # seconds that Fivetran goes on: what was started comes to its end
MOST_STEPS = 2000


class Killed(BaseException):
    """The process dies here."""


@dataclass
class Sent:
    """A request as the job's side knows it. Times are Fivetran's, in seconds since the epoch.

    Attributes:
        request: What was asked.
        operation: As the simulator calls it.
        at: When it was sent.
        until: When the job had its answer, or gave it up.
        acts_at: When Fivetran carried it out, or would have; None where it never did.
        running: The sync that was running when it arrived, or None.
        answered: It had an answer that the client took for one.
        arrived: When it arrived; None where that was when it was sent.
    """

    request: Request
    operation: str
    at: float
    until: float
    acts_at: float | None = None
    running: Sync | None = None
    answered: bool = False
    arrived: float | None = None


@dataclass
class Played:
    """What became of a run.

    Attributes:
        world: The world.
        chart: The chart that was run.
        connection: The truth about its connection.
        simulator: The truth about its requests, as they arrived.
        sent: Its requests, as it sent them.
        began: When it began, by Fivetran's clock.
        resumed: When it was last started again; None where it never was.
        ended: When it ended.
        code: Its exit code; None where it never ended.
        verdict: What it says of itself.
        warnings: What it warns of.
        edges: The edges that it took.
        failure: The exception that it ended with, if any.
        deadline: When its time was over; None for FIVETRAN_TIMEOUT after its beginning.
        queued: Seconds that a request may wait for its turn.
        shared: Faults that any request of the account meets.
    """

    world: World
    chart: Chart
    connection: Connection
    simulator: Simulator
    began: float
    sent: list[Sent] = field(default_factory=list)
    resumed: float | None = None
    ended: float = 0.0
    code: int | None = None
    verdict: str = ""
    warnings: tuple[str, ...] = ()
    edges: set[tuple[str, str]] = field(default_factory=set)
    failure: str = ""
    deadline: float | None = None
    queued: float = 0.0
    shared: tuple[Fault, ...] = ()


class _Player:
    def __init__(self, world: World, chart: Chart | None) -> None:
        self.world = world
        self.clock = VirtualClock()
        self.simulator = Simulator(world.scenario, self.clock)
        self.configured = configured(world)
        self.chart = chart or self.configured.chart
        self.connection = self.simulator.connection(CONNECTOR)
        self.played = Played(world, self.chart, self.connection, self.simulator, self.connection.clock.wall())
        self.kills = sorted(world.kills, key=lambda kill: kill.step)
        self.steps = 0
        self.kept: str | None = None
        self.fresh = True  # a signal that no pause has ended for yet

    def play(self) -> Played:
        played = self.played
        try:
            run = self._process()
            while run is None:
                run = self._process()
        except Exception as error:  # noqa: BLE001  # whatever it is, it is what this is for
            played.failure = f"{type(error).__name__}: {error}"
        else:
            played.code, played.verdict = run.state.exit, run.facts.verdict or ""
            played.warnings = (*run.facts.warnings, *explain(run.settings, run.facts, run.chart).at_fivetran)
        played.ended = self._now()
        self.clock.sleep(AFTERWARDS)
        self.simulator.catch_up()
        self.connection.live()
        return played

    def _process(self) -> Run | None:
        """One process, from its start to its end; None where it was killed."""
        settings = self.configured.settings
        outside = Outside(self.clock, self._send, lambda _: None, lambda: self.world.jitter, self._signal)
        try:
            if self.kept is None:
                known = Facts(durations=self.world.durations or None)
                standing = start(self.chart, settings, self.clock.wall(), known)
                run = Run(self.chart, settings, outside, standing=standing)
            else:
                standing, elapsed = resumed(self.chart, settings, json.loads(self.kept), self.clock.wall())
                run = Run(self.chart, settings, outside, standing=standing, elapsed=elapsed)
            self._keep(run)
            for step in drive(run, self._pause):
                self.steps += 1
                if self.steps > MOST_STEPS:
                    raise RuntimeError(f"still in {step.source} after {MOST_STEPS} steps")
                self.played.edges.add((step.source, step.event))
                self._die("unkept")
                self._keep(run)
                self._die("between")
        except Killed:
            self.clock.sleep(self.kills.pop(0).down)
            self.played.resumed = self._now()
            return None
        return run

    def _keep(self, run: Run) -> None:
        """As the job writes its state file, on entering a state.

        Before the verdict it keeps the last state that asks or waits: what takes no time is repeated from there.
        """
        if not self.kills:
            return
        instant = run.state.kind is Kind.CHOOSES or isinstance(EFFECTS.get(run.state.operand), Pure)
        if self.kept is None or run.facts.verdict is not None or not instant:
            self.kept = json.dumps(run.standing.as_json(run.now, self.clock.wall()))

    def _die(self, *when: str) -> None:
        if self.kills and self.kills[0].when in when and self._due():
            raise Killed

    def _due(self) -> bool:
        """Whether the next kill's step is this one, or is over."""
        inside = self.kills[0].when in {"unsent", "unheard"}  # this step is not counted yet
        return self.kills[0].step <= self.steps + inside

    # --- The world, as the driver sees it ------------------------------------------------------

    def _now(self) -> float:
        return self.connection.clock.wall()

    def _signal(self) -> Event | None:
        if self.world.signal is None or self.clock.monotonic() < self.world.signal[0]:
            return None
        return Event(self.world.signal[1])

    def _pause(self, until: float) -> None:
        if self.world.signal is not None and self.clock.monotonic() < self.world.signal[0] <= until:
            self.fresh = False
            until = self.world.signal[0]
        self.clock.sleep(until - self.clock.monotonic())

    def _send(self, request: Request, seconds: float, interruptible: bool) -> Answer | Failure | Cut:  # noqa: FBT001  # a port's form
        began = self._now()
        sent = Sent(request, self.simulator.operation(request.method, request.path.partition("?")[0]), began, began)
        self.played.sent.append(sent)
        self._die("unsent")
        self.simulator.catch_up()
        self.connection.live()
        sent.running = self.connection.running
        arrival = arrived(self.simulator, request)
        sent.acts_at = began + arrival.acts_in if arrival.acts else None
        try:
            answer = self._wait(request, arrival, seconds, interruptible=interruptible)
        except Failure as failure:
            return failure
        else:
            sent.answered = isinstance(answer, Answer)
            return answer
        finally:
            sent.until = self._now()

    def _wait(self, request: Request, arrival: Arrival, seconds: float, *, interruptible: bool) -> Answer | Cut:
        lasts = takes(arrival)
        began = self.clock.monotonic()
        limit = began + seconds
        if self.kills and self.kills[0].when == "unheard" and self._due():
            self.clock.sleep(min(lasts, seconds) / 2)
            raise Killed
        if self.world.signal is not None and began <= self.world.signal[0] < min(limit, began + lasts):
            if interruptible and self.fresh:
                self._until(self.world.signal[0])
                return Cut.SIGNAL
            limit = min(limit, self.world.signal[0] + GRACE_AFTER_SIGNAL)
        if began + lasts >= limit:
            self._until(limit)
            return Cut.LIMIT
        return answered(self.simulator, request, arrival, self.clock)

    def _until(self, moment: float) -> None:
        self.clock.sleep(moment - self.clock.monotonic())


@contextmanager
def quickly() -> Iterator[None]:
    """Meanwhile each packaged chart is read once, and not once a run."""
    with patch.object(configuration, "load", cache(load)):
        yield


def configured(world: World) -> Configured:
    """What the job's variables come to in a world."""
    table = {"SCHEMA": "public", "TABLE": "orders"} if world.action == "FORCE_RESYNC" else {}
    given = {**table, **variables(world.scenario, "http://127.0.0.1"), "FIVETRAN_ACTION": world.action}
    return configure(given)


def play(world: World, chart: Chart | None = None) -> Played:
    """Play the run of a world.

    Args:
        world: The world.
        chart: Another chart than the action's packaged one.
    """
    return _Player(world, chart).play()
