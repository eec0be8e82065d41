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

from orchestrator.fivetran.effects.situation import FRESH, get_connection
from orchestrator.fleet.budget import Budget
from orchestrator.fleet.reader import FEW, Asked, Reader, Round
from orchestrator.fleet.senders import Outcome, Transport
from orchestrator.machine.run import Clock, Run
from orchestrator.machine.standing import GRACE_AFTER_SIGNAL
from orchestrator.machine.step import Step
from orchestrator.machine.transition import LAST_CALL, Pending, call_of
from orchestrator.values.events import Event
from orchestrator.values.exchange import Answer, Cut, Failure
from orchestrator.values.formatting import duration

__all__ = ["About", "Owner", "Scheduler"]

REQUESTS = 2  # that a run needs to get going: the schedule's switch, and the trigger
SOON = 0.25  # of an interval: a round waits so long for runs that are about to wait for it
HORIZON = 10.0  # seconds within which what a look leads to is to be sent
DIGIT = 1e-6  # seconds: the last digits of a difference of clock values
LATEST = 0.25  # of the seconds that a request takes: how much the last one counts


class _Own(NamedTuple):
    """A request of one run, and the moment of the clock at which it is given up, sent or not."""

    run: Run
    pending: Pending
    until: float
    sent: float = 0.0


class _Reading(NamedTuple):
    """A round, and the runs that it is for."""

    round: Round
    runs: dict[str, _Own]


class _Page(NamedTuple):
    """A request of a round."""

    reading: _Reading
    asked: Asked
    sent: float


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
        self._changes: deque[Run] = deque()
        self._evidence: deque[Run] = deque()
        self._reads: list[Run] = []
        self._readings: list[_Reading] = []
        self._next_round = -math.inf
        self._next_trigger = -math.inf
        self._expires = math.inf  # when the first of those in a queue has no time left
        self._signalled = False
        self._takes = 0.0  # seconds that a request takes, lately

    def drive(self, connections: Iterable[str], under_way: Iterable[str] = ()) -> None:
        """Run each connection to its end; whose turn has not come at the deadline is left out.

        Args:
            connections: Their ids, in the order in which they are begun.
            under_way: The ids of those that an earlier job has begun: they do not wait for their turn.
        """
        self.waiting.extend(connections)
        for connector_id in under_way:
            self._start(connector_id)
        while True:
            self._heed_signal()
            if self._clock.monotonic() >= self._deadline:
                self.waiting.clear()
            while self.waiting and len(self.active) < self._parallel:
                self._start(self.waiting.popleft())
            if not self.active:
                return
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
                if (wake := run.wake) > 0 and wake > run.now:
                    heappush(self._sleeping, (run.began + wake, next(self._numbers), run))
                    return
                call = call_of(run.state)
                if call is not None and (run.signal is None or run.signal.event not in run.state.edges):
                    self._expires = min(self._expires, _end_of(run))
                    if call.ask is get_connection:
                        self._reads.append(run)
                    else:
                        (self._evidence if call.method == "GET" else self._changes).append(run)
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
        run = own.run
        try:
            self._owner.took(run, run.settle(own.pending, outcome))
        except Exception as error:  # noqa: BLE001  # likewise
            self._broken(run, error)
            return
        self._advance(run)

    def _settle_look(self, own: _Own, outcome: Outcome) -> None:
        """Settle a look, unless what it leads to would have to wait for too long: then there is another one."""
        run = own.run
        try:
            waits = isinstance(outcome, Answer) and self._crowded() and self._leads_to_change(own, outcome)
        except Exception as error:  # noqa: BLE001  # likewise
            self._broken(run, error)
            return
        if not waits:
            self._settle(own, outcome)
            return
        self._expires = min(self._expires, _end_of(run))
        self._reads.append(run)

    def _crowded(self) -> bool:
        """Whether what one more look leads to could not be sent while that look is fresh."""
        served = self._transport.most * HORIZON / self._takes if self._takes else math.inf
        served = min(served, self._budget.within(self._clock.monotonic(), HORIZON))
        return bool(self._changes) and REQUESTS * (len(self._changes) + 1) > served

    @staticmethod
    def _leads_to_change(own: _Own, answer: Answer) -> bool:
        """Whether a run changes something next, with this answer to a look. It is tried, and taken back."""
        run, before = own.run, own.run.standing
        try:
            run.settle(own.pending, answer)
            while not run.ended and run.wake <= run.now:
                pending = run.begin()
                if isinstance(pending, Pending):
                    return pending.request is not None and pending.request.changes
            return False
        finally:
            run.standing = before

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
        until = self._clock.monotonic() + GRACE_AFTER_SIGNAL
        for reading in self._readings:  # what of a round was not sent yet
            for name, own in list(reading.runs.items()):
                if own.pending.interruptible:
                    del reading.runs[name]
                    reading.round.drop(name)
                    self._settle(own, Cut.SIGNAL)
                else:
                    reading.runs[name] = own._replace(until=min(own.until, until))
                    self._expires = min(self._expires, until)
            if not reading.runs:
                reading.round.asking.clear()
        self._readings = [reading for reading in self._readings if reading.runs]
        parked = [*(run for *_, run in self._sleeping), *self._changes, *self._evidence, *self._reads]
        self._sleeping, self._reads = [], []
        self._changes.clear()
        self._evidence.clear()
        for run in parked:
            self._advance(run)

    def _hurry(self, now: float) -> None:
        """Who has no time left waits for no turn: a look is still made, a change is not."""
        self._expires = math.inf
        for queue in (self._changes, self._evidence):
            for _ in range(len(queue)):
                run = queue.popleft()
                if (at := _end_of(run)) > now:
                    self._expires = min(self._expires, at)
                    queue.append(run)
                elif (pending := self._begun(run)) is None:
                    continue
                elif self._transport.free:
                    self._sent(run, pending)
                elif at + LAST_CALL > now:
                    self._expires = min(self._expires, at + LAST_CALL)
                    queue.append(run)
                else:
                    self._settle(_Own(run, pending, now), Cut.LIMIT)
        for reading in self._readings:
            for name, own in list(reading.runs.items()):
                if own.until > now:
                    self._expires = min(self._expires, own.until)
                else:
                    del reading.runs[name]
                    reading.round.drop(name)
                    self._settle(own, Cut.LIMIT)
        self._readings = [reading for reading in self._readings if reading.runs]
        if self._reads:
            at = min(_end_of(run) for run in self._reads)
            self._next_round = self._next_round if at > now else -math.inf
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
        """Send a run's request, whose turn has come."""
        if (pending := self._begun(run)) is None:
            return
        if (why := _too_old(run, pending)) is None:
            self._sent(run, pending)
        else:
            self._settle(_Own(run, pending, 0.0), why)

    def _sent(self, run: Run, pending: Pending) -> None:
        assert pending.request is not None  # noqa: S101  # what writes asks nothing, and waits for no turn
        now = self._clock.monotonic()
        self._budget.spend(now)
        about = _Own(run, pending, now + pending.limit, now)
        self._transport.send(about, pending.request, pending.limit, interruptible=pending.interruptible)

    def _open_round(self, now: float) -> None:
        """Begin those that wait for a document; not more often than twice an interval."""
        if not self._reads:
            return
        few = len(self.active) + len(self.waiting) <= FEW
        if (now < self._next_round or (self._unsent and self._next_round > -math.inf)) and not few:
            return
        if not few and self._next_round > -math.inf and (at := self._better(now)) > now:
            self._next_round = at
            return
        reads, self._reads = self._reads, []
        runs = dict[str, _Own]()
        for run in reads:
            if (pending := self._begun(run)) is not None:
                until = run.began + max(run.deadline, pending.began + LAST_CALL)
                runs[run.settings.connector_id] = _Own(run, pending, until)
                self._expires = min(self._expires, until)
        if not runs:
            return
        reserve = REQUESTS * len(self.waiting)
        least = self._budget.gap(now, cost=self._reader.cost(len(runs)), reserve=reserve, until=self._deadline)
        self._next_round = now + max(self._interval / 2, least)
        wanted = {name: own.pending.request for name, own in runs.items() if own.pending.request is not None}
        self._readings.append(_Reading(Round(self._reader, wanted), runs))

    def _better(self, now: float) -> float:
        """When a round is better opened: when more will wait for it shortly, or else they would wait for the next one.

        So there are no more than two groups of runs, each of which is looked at once an interval.
        """
        soon = [at for at, *_ in self._sleeping if at <= now + self._interval * SOON]
        return max(soon) if len(soon) > len(self._reads) else now

    def _send(self) -> float:
        """Send what may be sent now; when there is something to do again, on the clock."""
        now, later = self._clock.monotonic(), math.inf
        while self._transport.free:
            held = self._budget.not_before(now)
            change = self._changes[0] if self._changes else None
            triggers = change is not None and change.state.operand in change.chart.triggers
            if triggers and now < self._next_trigger:
                later, change = min(later, self._next_trigger), None
            reading = self._unsent
            if change is None and reading is None and not self._evidence:
                break
            if held > now and now < self._deadline:  # then a last look is made, whatever it costs
                later = min(later, held, self._deadline)
                break
            if change is not None:
                if triggers:
                    self._next_trigger = now + 1.0 / min(self._parallel, len(self.active) + len(self.waiting))
                self._ask(self._changes.popleft())
            elif reading is not None:
                self._ask_page(reading)
            else:
                self._ask(self._evidence.popleft())
        wakes = [later, self._expires]
        if self._sleeping:
            wakes.append(self._sleeping[0][0])
        if self._reads and not self._unsent:
            wakes.append(self._next_round)
        return min(wakes)

    @property
    def _unsent(self) -> _Reading | None:
        """The first round of which something is to be sent."""
        return next((reading for reading in self._readings if reading.round.asking), None)

    def _ask_page(self, reading: _Reading) -> None:
        asked = reading.round.asking.popleft()
        own = reading.runs.get(asked.connector_id)
        if own is None and asked.connector_id not in {"", reading.round.checking}:
            return  # it was given up meanwhile
        owns, now = list(reading.runs.values()) if own is None else [own], self._clock.monotonic()
        self._budget.spend(now)
        if not asked.connector_id:
            self._next_round = max(self._next_round, now + self._interval / 2)
        limit = max(min(one.pending.limit, one.until - now) for one in owns)
        interruptible = all(one.pending.interruptible for one in owns)
        self._transport.send(_Page(reading, asked, now), asked.request, limit, interruptible=interruptible)

    def _take(self, about: About, outcome: Outcome) -> None:
        """Take what came of a request."""
        now = self._clock.monotonic()
        self._budget.ended(outcome, now)
        if isinstance(outcome, Answer) and (isinstance(about, _Own) or about.asked.connector_id):
            last = now - about.sent
            self._takes = last if not self._takes else self._takes + (last - self._takes) * LATEST
        if isinstance(about, _Own):
            self._settle(about, outcome)
            return
        reading = about.reading
        for connector_id, each in about.reading.round.take(about.asked, outcome):
            self._settle_look(reading.runs.pop(connector_id), each)
        if not reading.runs and reading in self._readings:
            self._readings.remove(reading)


def _end_of(run: Run) -> float:
    """When a run has no time left, on the clock: then it knows so itself, too."""
    return run.began + run.deadline + DIGIT


def _too_old(run: Run, pending: Pending) -> Failure | None:
    """Why a change is not sent: what it was decided on may not be so any more, and can be looked at again."""
    request, read_at = pending.request, run.facts.read_at
    if request is None or not request.changes or not request.repeatable or run.standing.concluded or read_at is None:
        return None
    age = run.now - read_at
    if age <= FRESH:
        return None
    why = f"not sent: it waited {duration(age)} for its turn, and another look comes first"
    return Failure(Event.RATE_LIMITED, why)
