"""Many runs at once, in one thread: a heap by when each is due, and one place from which requests are sent.

A run is a value, and two pure functions take its steps: nothing here knows what a run is about. Changes are sent before
polls, and polls before evidence; what only reads a connection is answered by the reader's rounds.
"""

import math
from collections import deque
from collections.abc import Iterable
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple, Protocol

from orchestrator.fivetran.effects.situation import get_connection
from orchestrator.fleet.budget import Budget
from orchestrator.fleet.reader import FEW, Asked, Reader, Round
from orchestrator.fleet.senders import Outcome, Transport
from orchestrator.machine.run import Clock, Run
from orchestrator.machine.step import Step
from orchestrator.machine.transition import Pending, call_of
from orchestrator.values.events import Event
from orchestrator.values.exchange import Cut

__all__ = ["About", "Owner", "Scheduler"]

CHANGE, EVIDENCE = 0, 1  # in the order in which they are sent; polls come in between
REQUESTS = 2  # that a run needs to get going: the schedule's switch, and the trigger


class _Own(NamedTuple):
    """A request of one run."""

    run: Run
    pending: Pending


class _Reading(NamedTuple):
    """A round, and the runs that it is for."""

    round: Round
    runs: dict[str, _Own]


class _Page(NamedTuple):
    """A request of a round."""

    reading: _Reading
    asked: Asked


About = _Own | _Page


class Owner(Protocol):
    """Who has the runs driven."""

    def begin(self, connector_id: str) -> Run:
        """The run of a connection, whose turn has come."""
        ...

    def took(self, run: Run, step: Step) -> None:
        """A run took a step."""
        ...

    def ended(self, run: Run) -> None:
        """A run has ended."""
        ...

    def failed(self, connector_id: str, error: Exception) -> None:
        """A fault of this program ended a run."""
        ...

    def signal(self) -> Event | None:
        """The signal that has arrived, as its event, or None."""
        ...


class Scheduler:
    """Drives runs to their ends.

    Args:
        owner: Who has them driven.
        transport: What sends.
        reader: What is known of the listing.
        budget: What may be sent.
        clock: The time.
        parallel: How many runs are under way at once; None for all.
        interval: Seconds between two polls of a run.
        deadline: When the job's time runs out, on the clock.

    Attributes:
        waiting: The ids of the connections whose turn has not come.
        active: The runs under way.
    """

    def __init__(
        self,
        owner: Owner,
        transport: Transport[About],
        reader: Reader,
        budget: Budget,
        clock: Clock,
        *,
        parallel: int | None = None,
        interval: float = 10.0,
        deadline: float = math.inf,
    ) -> None:
        self.waiting: deque[str] = deque()
        self.active: set[Run] = set()
        self._transport = transport
        self._reader = reader
        self._budget = budget
        self._clock = clock
        self._owner = owner
        self._parallel = math.inf if parallel is None else parallel
        self._interval = interval
        self._deadline = deadline
        self._numbers = count()
        self._sleeping: list[tuple[float, int, Run]] = []
        self._queue: list[tuple[int, int, Run]] = []
        self._reads: list[Run] = []
        self._readings: list[_Reading] = []
        self._next_round = -math.inf
        self._next_trigger = -math.inf
        self._expires = math.inf  # when the first of those in a queue has no time left
        self._signalled = False

    def drive(self, connections: Iterable[str]) -> None:
        """Run each connection to its end.

        Args:
            connections: Their ids, in the order in which they are begun.
        """
        self.waiting.extend(connections)
        while True:
            self._heed_signal()
            while self.waiting and len(self.active) < self._parallel:
                self._start(self.waiting.popleft())
            if not self.active:
                if not self.waiting:
                    return
                continue
            now = self._clock.monotonic()
            while self._sleeping and self._sleeping[0][0] <= now:
                self._advance(heappop(self._sleeping)[2])
            if self._expires <= now:
                self._hurry(now)
            self._open_round(now)
            until = self._send()
            if not self.active:  # the last one ended without asking: others have their turn, and nothing is waited for
                continue
            for about, outcome in self._transport.ended(until):
                self._take(about, outcome)

    # --- Runs ---------------------------------------------------------------------------------

    def _start(self, connector_id: str) -> None:
        try:
            run = self._owner.begin(connector_id)
        except Exception as error:  # noqa: BLE001  # one run's fault does not end the others
            self._owner.failed(connector_id, error)
            return
        self.active.add(run)
        self._advance(run)

    def _advance(self, run: Run) -> None:
        """Take the steps that need nothing from outside; then the run sleeps, asks, or has ended."""
        try:
            while not run.ended:
                if run.wake > run.now:
                    heappush(self._sleeping, (run.began + run.wake, next(self._numbers), run))
                    return
                call = call_of(run.state)
                if call is not None and (run.signal is None or run.wake > 0):
                    self._expires = min(self._expires, run.began + run.deadline)
                    if call.ask is get_connection:
                        self._reads.append(run)
                    else:
                        kind = EVIDENCE if call.method == "GET" else CHANGE
                        heappush(self._queue, (kind, next(self._numbers), run))
                    return
                step = run.begin()
                if isinstance(step, Pending):
                    step = run.settle(step, run.write(step))
                self._owner.took(run, step)
            self.active.remove(run)
            self._owner.ended(run)
        except Exception as error:  # noqa: BLE001  # likewise
            self._broken(run, error)

    def _settle(self, own: _Own, outcome: Outcome) -> None:
        try:
            self._owner.took(own.run, own.run.settle(own.pending, outcome))
        except Exception as error:  # noqa: BLE001  # likewise
            self._broken(own.run, error)
            return
        self._advance(own.run)

    def _broken(self, run: Run, error: Exception) -> None:
        self.active.discard(run)
        self._owner.failed(run.settings.connector_id, error)

    def _heed_signal(self) -> None:
        """A signal has every run take the edge that it has for that; none is begun any more."""
        if self._signalled or self._owner.signal() is None:
            return
        self._signalled = True
        self.waiting.clear()
        for about, outcome in self._transport.interrupt():
            self._take(about, outcome)
        for reading in self._readings:  # what of a round was not sent yet
            reading.round.asking.clear()
            for own in list(reading.runs.values()):
                if own.pending.interruptible:
                    del reading.runs[own.run.settings.connector_id]
                    self._settle(own, Cut.SIGNAL)
        self._readings = [reading for reading in self._readings if reading.runs]
        parked = [*(run for *_, run in (*self._sleeping, *self._queue)), *self._reads]
        self._sleeping, self._queue, self._reads = [], [], []
        for run in parked:
            self._advance(run)

    def _hurry(self, now: float) -> None:
        """Who has no time left waits for no turn: a look is still made, a change is not."""
        self._expires = math.inf
        queued, self._queue = self._queue, []
        for kind, number, run in queued:
            at = run.began + run.deadline
            if at > now:
                self._expires = min(self._expires, at)
            if at > now or not self._transport.free:
                heappush(self._queue, (kind, number, run))
            else:
                self._ask(run)
        if self._reads:
            at = min(run.began + run.deadline for run in self._reads)
            self._next_round = self._next_round if at > now else now
            self._expires = min(self._expires, at)

    # --- Requests -----------------------------------------------------------------------------

    def _begun(self, run: Run) -> Pending | None:
        """What a run is to ask; None where it has gone on without asking."""
        try:
            pending = run.begin()
            if isinstance(pending, Pending):
                return pending
            self._owner.took(run, pending)
        except Exception as error:  # noqa: BLE001  # likewise
            self._broken(run, error)
            return None
        self._advance(run)
        return None

    def _ask(self, run: Run) -> None:
        """Send a run's request."""
        pending = self._begun(run)
        if pending is None or pending.request is None:
            return
        self._budget.spend(self._clock.monotonic())
        about = _Own(run, pending)
        self._transport.send(about, pending.request, pending.limit, interruptible=pending.interruptible)

    def _open_round(self, now: float) -> None:
        """Begin those that wait for a document; not more often than twice an interval."""
        if not self._reads:
            return
        few = len(self.active) + len(self.waiting) <= FEW
        if now < self._next_round and not few:
            return
        reads, self._reads = self._reads, []
        runs = dict[str, _Own]()
        for run in reads:
            if (pending := self._begun(run)) is not None:
                runs[run.settings.connector_id] = _Own(run, pending)
        if not runs:
            return
        reserve = REQUESTS * len(self.waiting)
        least = self._budget.gap(now, cost=self._reader.cost(len(runs)), reserve=reserve, until=self._deadline)
        self._next_round = now + max(self._interval / 2, least)
        wanted = {name: own.pending.request for name, own in runs.items() if own.pending.request is not None}
        self._readings.append(_Reading(Round(self._reader, wanted), runs))

    def _send(self) -> float:
        """Send what may be sent now; when there is something to do again, on the clock."""
        now, later = self._clock.monotonic(), math.inf
        while self._transport.free:
            held = self._budget.not_before(now)
            change = self._queue[0][2] if self._queue and self._queue[0][0] == CHANGE else None
            triggers = change is not None and change.state.operand in change.chart.triggers
            if triggers and now < self._next_trigger:
                later, change = min(later, self._next_trigger), None
            reading = next((one for one in self._readings if one.round.asking), None)
            evidence = self._queue[0][2] if self._queue and self._queue[0][0] == EVIDENCE else None
            if change is None and reading is None and evidence is not None:
                held = self._budget.not_before(now, reserve=len(self.waiting) * REQUESTS)
            if change is None and reading is None and evidence is None:
                break
            if held > now and now < self._deadline:  # then a last look is made, whatever it costs
                later = min(later, held, self._deadline)
                break
            if change is not None or (reading is None and evidence is not None):
                if triggers:
                    self._next_trigger = now + 1.0 / min(self._parallel, len(self.active) + len(self.waiting))
                self._ask(heappop(self._queue)[2])
            elif reading is not None:
                self._ask_page(reading)
        wakes = [later, self._expires]
        if self._sleeping:
            wakes.append(self._sleeping[0][0])
        if self._reads:
            wakes.append(self._next_round)
        return min(wakes)

    def _ask_page(self, reading: _Reading) -> None:
        asked = reading.round.asking.popleft()
        own = reading.runs.get(asked.connector_id)
        pendings = [own.pending] if own is not None else [each.pending for each in reading.runs.values()]
        self._budget.spend(self._clock.monotonic())
        limit, interruptible = max(one.limit for one in pendings), all(one.interruptible for one in pendings)
        self._transport.send(_Page(reading, asked), asked.request, limit, interruptible=interruptible)

    def _take(self, about: About, outcome: Outcome) -> None:
        """Take what came of a request."""
        self._budget.ended(outcome, self._clock.monotonic())
        if isinstance(about, _Own):
            self._settle(about, outcome)
            return
        reading = about.reading
        for connector_id, each in about.reading.round.take(about.asked, outcome):
            own = reading.runs.pop(connector_id, None)
            if own is not None:
                self._settle(own, each)
        if not reading.runs and reading in self._readings:
            self._readings.remove(reading)
