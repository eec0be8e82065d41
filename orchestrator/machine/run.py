"""One run and its ports: its standing, driven by a clock and by whoever sends."""

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from orchestrator.machine.chart import Chart, Kind, State
from orchestrator.machine.standing import Standing
from orchestrator.machine.step import Signal, Step
from orchestrator.machine.transition import Pending, begin, call_of, due, heeded, request_of, settle, start
from orchestrator.values.events import Event
from orchestrator.values.exchange import Answer, Cut, Failure, Request
from orchestrator.values.facts import Facts
from orchestrator.values.settings import Settings

__all__ = ["Clock", "Ports", "Run", "Send", "drive"]

# A request, its limit in seconds, and whether a signal may cut it off: what came of it.
Send = Callable[[Request, float, bool], Answer | Failure | Cut]


class Clock(Protocol):
    """The time, injected: nothing else reads a clock."""

    def monotonic(self) -> float:
        """Seconds on a clock that is never set: for deadlines."""
        ...

    def wall(self) -> float:
        """Seconds since the epoch."""
        ...


class Ports(NamedTuple):
    """What a run needs from outside.

    Attributes:
        clock: The time.
        send: Sends a request.
        write: Writes the results of a run that stands there. Raises OSError.
        jitter: A number in [0, 1), for back-offs.
        signal: The signal that has arrived, as its event, or None.
    """

    clock: Clock
    send: Send
    write: Callable[[Standing], None]
    jitter: Callable[[], float]
    signal: Callable[[], Event | None] = lambda: None


class Run:
    """One run of a chart, one step at a time. Times are seconds since the run began.

    Args:
        chart: A chart that the loader has checked.
        settings: What to do.
        ports: Clock, network, disk, signals.
        standing: Where it goes on, instead of at the beginning.
        elapsed: Seconds since the run began, then.
    """

    def __init__(
        self,
        chart: Chart,
        settings: Settings,
        ports: Ports,
        *,
        standing: Standing | None = None,
        elapsed: float = 0.0,
    ) -> None:
        self.chart = chart
        self.settings = settings
        self.ports = ports
        self.standing = standing or start(chart, settings, ports.clock.wall())
        self.began = ports.clock.monotonic() - elapsed  # on the clock
        self._signal: Signal | None = None

    @property
    def state(self) -> State:
        """The present state."""
        return self.chart.states[self.standing.state]

    @property
    def facts(self) -> Facts:
        """What is known."""
        return self.standing.facts

    @property
    def ended(self) -> bool:
        """Whether a final state is reached."""
        return self.state.kind is Kind.EXIT

    @property
    def can_be_resumed_here(self) -> bool:
        """Whether a run that stops here is resumed from here.

        Before the verdict, what takes no time is repeated from the state before it that asked or waited: so no
        baseline is older than its trigger.
        """
        return self.standing.concluded or self.state.kind is Kind.WAITS or call_of(self.state) is not None

    @property
    def now(self) -> float:
        """Seconds since the run began."""
        moment, wake = self.ports.clock.monotonic(), self.standing.due
        elapsed = moment - self.began
        # What the clock has reached is not missed by the last digit of a difference.
        return max(elapsed, wake) if moment >= self.began + wake else elapsed

    @property
    def deadline(self) -> float:
        """When the deadline or, after the verdict, the grace period ends."""
        return heeded(self.standing, self.signal).deadline

    @property
    def wake(self) -> float:
        """When the next step is due; 0 where a signal has it due at once."""
        return due(self.chart, self.standing, self.signal)

    @property
    def signal(self) -> Signal | None:
        """The signal that has arrived, with the moment at which it was first seen."""
        if self._signal is None and (event := self.ports.signal()) is not None:
            self._signal = Signal(event, self.now)
        return self._signal

    @property
    def request(self) -> Request | None:
        """The request that the next step will send, or None if it sends none."""
        return request_of(self.chart, self.settings, self.standing)

    def step(self) -> Step:
        """Do what the present state says, and take the edge that the outcome names. Never sleeps.

        Raises:
            NotDue: It is too early, or the run has ended.
        """
        pending = self.begin()
        if isinstance(pending, Step):
            return pending
        request = pending.request
        outcome = self.ports.send(request, pending.limit, pending.interruptible) if request else self.write(pending)
        return self.settle(pending, outcome)

    def begin(self) -> Pending | Step:
        """What the present state needs; where that is nothing from outside, its step, which is then taken.

        Raises:
            NotDue: It is too early, or the run has ended.
        """
        jitter = self.ports.jitter()
        pending = begin(self.chart, self.settings, self.standing, self.now, signal=self.signal, jitter=jitter)
        return self.took(pending) if isinstance(pending, Step) else pending

    def write(self, pending: Pending) -> OSError | None:
        """Write the results; why they could not be written, or None."""
        try:
            self.ports.write(pending.standing)
        except OSError as error:
            return error
        return None

    def settle(self, pending: Pending, outcome: Answer | Failure | Cut | OSError | None) -> Step:
        """Take the step, once it is known what came of what it needed.

        Args:
            pending: What it needed.
            outcome: What came of it, as `transition.settle` has it.
        """
        ended, jitter = self.ports.clock.monotonic() - self.began, self.ports.jitter()
        step = settle(self.chart, self.settings, pending, outcome, ended, signal=self.signal, jitter=jitter)
        return self.took(step)

    def took(self, step: Step) -> Step:
        """Go on after a step."""
        self.standing = step.after
        return step


def drive(run: Run, pause: Callable[[float], None]) -> Iterator[Step]:
    """Run to the end, yielding each step; `pause(until)`, on the run's clock, may return early for a signal."""
    while not run.ended:
        while (wake := run.wake) > run.now:
            pause(run.began + wake)
        yield run.step()
