"""The driver runs a chart, by three laws.

1. `statecharts/` decides what happens next. Python never names a state: no string, no
   comparison, no assignment. What a chart does not draw cannot happen.
2. An effect is what to ask and what the answer means. It knows no state and no successor.
   The driver sends.
3. The driver owns time, signals and failure. Nothing else sleeps, reads a clock, retries or
   absorbs a failure. A pause is data (`Run.wake`: not before), never a hidden sleep.

So an event is raised only where the chart has an edge for it: a state without `gave_up` never
gives up, one without signal edges is shielded, and there are no flags and no special cases.
`Run.step()` never sleeps; `drive()` is the loop over it. Exhausting the generator is running,
pulling it is stepping. A step is reckoned at the moment it begins and, once it has asked, at the
moment the answer came: so the same answers at the same moments make the same run again.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, Self

from orchestrator.fivetran.effects import CHOICES, EFFECTS, PAUSES, Call, Pure
from orchestrator.fivetran.tags import TRIGGERS
from orchestrator.fivetran.verdicts import trigger_unanswered
from orchestrator.job.result import Story
from orchestrator.job.trace import Trace
from orchestrator.machine.chart import OTHERWISE, Chart, Kind, State
from orchestrator.machine.position import Position
from orchestrator.machine.world import GRACE_AFTER_SIGNAL, LimitReached, SignalReceived, World
from orchestrator.values.events import SIGNALS, Event
from orchestrator.values.exchange import TRANSIENT, Answer, Failure, Request, unanswered
from orchestrator.values.facts import Facts
from orchestrator.values.settings import Settings

__all__ = ["GRACE", "LAST_CALL", "NotDue", "Run", "Step", "drive"]

GRACE = 10.0  # seconds after the verdict
LAST_CALL = 5.0  # seconds that a call at the deadline still gets
BACKOFF_FIRST, BACKOFF_MOST = 1.0, 60.0  # seconds; doubled in between


class NotDue(Exception):  # noqa: N818
    """`step()` was called before `wake`."""


class Step(NamedTuple):
    """One step, as a value.

    Attributes:
        number: Counted from 1.
        source: The state that was left.
        event: The event or value whose edge was taken.
        target: The state that was entered.
        kind: What the state that was left is.
        facts: The facts after the step.
        at: When it ended, in seconds since the run began.
        request: What was asked, if anything.
        answer: What was answered.
        failure: Or how that failed.
        took: Seconds that asking took.
        pause: Seconds that the back-off lasts which follows, 0 if none does.
        due: When the next step is due, in seconds since the run began.
        clock: When it began and when it ended, on the world's clock, to the last digit.
    """

    number: int
    source: str
    event: str
    target: str
    kind: Kind
    facts: Facts
    at: float
    request: Request | None = None
    answer: Answer | None = None
    failure: Failure | None = None
    took: float = 0.0
    pause: float = 0.0
    due: float = 0.0
    clock: tuple[float, float] = (0.0, 0.0)

    @property
    def detail(self) -> str:
        """What was asked and how it was answered, in a line; "" if nothing was."""
        if self.request is None:
            return ""
        outcome = self.answer or self.failure
        return f"{self.request} -> {outcome if outcome is not None else 'cut off'}"

    @property
    def entry(self) -> tuple[str, str, str, float, str]:
        """The step as the trace takes it."""
        return self.source, self.event, self.target, round(self.at, 3), self.detail


class _Exchange(NamedTuple):
    """What performing a state's effect came to."""

    event: str
    facts: Facts
    request: Request | None = None
    answer: Answer | None = None
    failure: Failure | None = None
    took: float = 0.0

    @property
    def changes(self) -> bool:
        """Whether something was to be changed."""
        return self.request is not None and self.request.changes


class Run:
    """One run of a chart, one step at a time.

    Args:
        chart: A chart that the loader has proved.
        settings: What to do.
        world: Clock, network, disk, signals.
        facts: What is known already.
    """

    def __init__(self, chart: Chart, settings: Settings, world: World, facts: Facts | None = None) -> None:
        self.chart = chart
        self.settings = settings
        self.facts = facts or Facts()
        self.trace = Trace()
        self.number = 0
        self.started_at = world.clock.wall()
        self.resumed_at: float | None = None  # by the wall clock, too
        self._world = world
        self._position = Position(chart)
        self._began = self._moment = world.clock.monotonic()  # what a step is reckoned at
        self.opened = self._step_began = self._began  # on the clock of `now`; of a run taken up again: when that was
        self._deadline = self._began + settings.timeout
        self._failures: dict[str, int] = {}
        self._last_event = ""
        self._concluded = False
        self._hurried = False
        self._answer_was_lost = False
        self._sent_before = (
            0.0  # when the request that this state had sent before was due; in seconds since the run began
        )
        self._hopeless = False  # what this state waits for lies after the deadline
        self._wake = self._began
        self._enter()

    # --- Where it stands --------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The present state."""
        return self._position.state

    @property
    def ended(self) -> bool:
        """Whether a final state is reached."""
        return self.state.kind is Kind.EXIT

    @property
    def can_be_resumed_here(self) -> bool:
        """Whether a run that stops here is taken up again from here.

        Before the verdict, what takes no time is repeated from the state before it that asked or waited: so no
        baseline is older than its trigger.
        """
        asks = self.state.kind is Kind.DOES and isinstance(EFFECTS[self.state.operand], Call)
        return self._concluded or asks or self.state.kind is Kind.WAITS

    @property
    def now(self) -> float:
        """The injected clock, monotonic."""
        return self._world.clock.monotonic()

    @property
    def began(self) -> float:
        """When the run began, on the clock of `now`."""
        return self._began

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return self.now - self._began

    @property
    def resumed(self) -> bool:
        """Whether it was taken up again from a state file."""
        return self.resumed_at is not None

    @property
    def deadline(self) -> float:
        """When the deadline or, behind the conclusion, the grace strikes; on the clock of `now`."""
        self._heed_signal()
        return self._deadline

    @property
    def wake(self) -> float:
        """When the next step is due, on the clock of `now`."""
        if self._signalled() is not None:
            return self.now
        return min(self._wake, self._deadline) if self._concluded else self._wake

    @property
    def request(self) -> Request | None:
        """The very request that the next step will send, or None if it sends none."""
        effect = EFFECTS[self.state.operand] if self.state.kind is Kind.DOES else None
        return effect.ask(self.settings, self.facts) if isinstance(effect, Call) else None

    # --- One step ---------------------------------------------------------------------------

    def step(self) -> Step:
        """Do what the present state says, and take the edge that the outcome names. Never sleeps.

        Raises:
            NotDue: It is too early, or the run has ended.
        """
        if self.ended or (self._wake > self.now and self.wake > self.now):
            raise NotDue(f"{self.state.name}: not before {self.wake - self.now:.3f} s from now")
        self._step_began = self._moment = self.now
        return self._move(self._perform())

    def take(self, event: str) -> Step:
        """Take the present state's edge for an event, without doing what the state says.

        Raises:
            IllegalMove: There is no such edge. Nothing moved.
        """
        self._step_began = self._moment = self.now
        return self._move(_Exchange(event, self.facts))

    def hasten(self) -> None:
        """Have the next step due now; no time passes."""
        self._wake = min(self._wake, self.now)

    def _move(self, exchange: _Exchange) -> Step:
        """Take the edge that an outcome names."""
        source = self.state
        self._position.fire(exchange.event)
        self._answer_was_lost = False
        target = self.state
        if source.kind is not Kind.CHOOSES:
            self._last_event = exchange.event
        self.facts = exchange.facts
        pause = self._back_off(exchange) if target.name == source.name else 0.0
        if target.name != source.name:
            self._enter(exchange)
        self.number += 1
        step = Step(
            number=self.number,
            source=source.name,
            event=exchange.event,
            target=target.name,
            kind=source.kind,
            facts=self.facts,
            at=self._moment - self._began,
            request=exchange.request,
            answer=exchange.answer,
            failure=exchange.failure,
            took=exchange.took,
            pause=pause,
            due=(min(self._wake, self._deadline) if self._concluded else self._wake) - self._began,
            clock=(self._step_began, self._moment),
        )
        self.trace.add(*step.entry)
        return step

    def _perform(self) -> _Exchange:
        state, signal = self.state, self._signalled()
        if signal is not None:
            return _Exchange(signal, self.facts)
        match state.kind:
            case Kind.CHOOSES:
                value = CHOICES[state.operand].of(self.settings, self.facts)
                named = value in state.edges or OTHERWISE not in state.edges
                return _Exchange(value if named else OTHERWISE, self.facts)
            case Kind.WAITS:
                late = Event.TOO_LATE if Event.TOO_LATE in state.edges else Event.TIMED_OUT
                return _Exchange(late if self._hopeless else Event.WAITED, self.facts)
            case _:
                return self._do(state)

    def _do(self, state: State) -> _Exchange:
        effect = EFFECTS[state.operand]
        if isinstance(effect, Pure):
            return _Exchange(*effect.conclude(self.settings, self.facts))
        if isinstance(effect, Call):
            return self._call(state, effect)
        story = Story(self.chart, self.trace, self.started_at, self._world.clock.wall(), resumed=self.resumed)
        try:
            self._world.write(effect.compose(self.settings, self.facts, story))
        except OSError as error:
            return _Exchange(Event.UNWRITABLE, _warned(self.facts, f"the report could not be written: {error}"))
        return _Exchange(Event.REPORTED, self.facts)

    def _call(self, state: State, effect: Call) -> _Exchange:
        request = effect.ask(self.settings, self.facts)
        if self._answer_was_lost and request.changes:
            failure = unanswered(request, "the run stopped while this was under way, and was taken up again")
            if failure.event is Event.ANSWER_LOST or state.edges[failure.event] != state.name:
                facts = self.facts.but(attempted=_with(self.facts.attempted, effect.name))
                tried = _Exchange(
                    "", self._unknown(effect, request, facts, self._sent_before), request, failure=failure
                )
                return self._failed(state, request, failure, tried)
        past = self._moment >= self._deadline
        if self._hopeless or (past and (request.changes or self._concluded)):
            return self._struck(state, request, _Exchange("", self.facts))
        limit, by_deadline = self._limit(request)
        asked = self._moment - self._began
        facts = self.facts.but(attempted=_with(self.facts.attempted, effect.name))
        try:
            answer = self._world.send(request, limit, not SIGNALS.isdisjoint(state.edges))
        except SignalReceived:
            facts = self._unknown(effect, request, facts, asked) if request.changes else facts
            return _Exchange(str(self._heed_signal()), facts, request, took=self._lapse())
        except LimitReached:
            failure = unanswered(request, f"no answer within {round(limit, 2):g} s")
            lost = by_deadline or failure.event is Event.ANSWER_LOST
            facts = self._unknown(effect, request, facts, asked) if lost and request.changes else facts
            tried = _Exchange("", facts, request, failure=failure, took=self._lapse())
            return self._struck(state, request, tried) if by_deadline else self._failed(state, request, failure, tried)
        except Failure as failure:
            if failure.event is Event.ANSWER_LOST:
                facts = self._unknown(effect, request, facts, asked)
            tried = _Exchange("", facts, request, failure=failure, took=self._lapse())
            return self._failed(state, request, failure, tried)
        self._failures.pop(state.name, None)
        facts = facts.but(
            answered=_with(facts.answered, effect.name),
            unanswered=facts.unanswered if facts.unanswered and facts.unanswered != str(request) else None,
            failure=facts.failure if self._concluded else None,  # after the verdict the one that decided is kept
        )
        took = self._lapse()
        answer = replace(answer, at=self._moment - self._began, took=took)
        event, facts = effect.mean(self.settings, facts, answer)
        return _Exchange(event, facts, request, answer, took=took)

    def _unknown(self, effect: Call, request: Request, facts: Facts, asked: float) -> Facts:
        """The facts once it is not known whether a change was carried out.

        Args:
            effect: The effect that sent it.
            request: The request.
            facts: The facts before.
            asked: When it was sent, in seconds since the run began.
        """
        facts = facts.but(unanswered=str(request))
        if TRIGGERS.isdisjoint(effect.tags):
            return facts
        return facts.but(lost=facts.lost + 1, asked_at=facts.asked_at if facts.lost else asked)

    def _failed(self, state: State, request: Request, failure: Failure, tried: _Exchange) -> _Exchange:
        """Count a failure, and name its event: its own, or `gave_up` after the last attempt."""
        facts = tried.facts
        # What leads to a look of its own is not a failed attempt: something may have come of it.
        elsewhere = state.edges[failure.event] != state.name
        counts = failure.event in _REFUSALS or not elsewhere
        attempts = self._failures.get(state.name, 0) + counts
        self._failures[state.name] = attempts
        most = state.tries if state.tries is not None else self.settings.retry_limit
        # A change that Fivetran refuses until after the deadline will not be made any more.
        late = request.changes and elsewhere and (failure.retry_after or 0.0) > self._deadline - self._moment
        hopeless = counts and (attempts >= most or late)
        gives_up = failure.event in TRANSIENT and hopeless and self._may_give_up(state, facts)
        event = Event.GAVE_UP if gives_up else failure.event
        if not self._concluded and not request.optional:
            facts = facts.but(failure=failure.as_fact(request, max(attempts, 1)))
        last = event not in TRANSIENT or (state.edges[event] != state.name and (request.optional or self._concluded))
        if last:
            facts = facts.but(given_up=_with(facts.given_up, state.operand))
            facts = self._regretted(state, event, request, str(failure), facts)
        return tried._replace(event=event, facts=facts)

    def _may_give_up(self, state: State, facts: Facts) -> bool:
        """Whether the state may give up: not where that would end a run whose trigger may have been carried out."""
        if Event.GAVE_UP not in state.edges:
            return False
        return not (trigger_unanswered(facts) and self.chart.states[state.edges[Event.GAVE_UP]].concludes)

    def _struck(self, state: State, request: Request, tried: _Exchange) -> _Exchange:
        """The deadline struck in a call: `gave_up` after a failed try, where there is such an edge."""
        facts = tried.facts
        gives_up = self._failures.get(state.name) and self._may_give_up(state, facts)
        event = Event.GAVE_UP if gives_up else Event.TIMED_OUT
        if tried.failure is not None and not request.patient and not request.optional and not self._concluded:
            attempts = self._failures.get(state.name, 0) + 1
            facts = facts.but(failure=tried.failure.as_fact(request, attempts))
        if tried.request is not None and request.optional:
            facts = facts.but(given_up=_with(facts.given_up, state.operand))
        return tried._replace(event=event, facts=self._regretted(state, event, request, "time ran out", facts))

    def _regretted(self, state: State, event: Event, request: Request, why: str, facts: Facts) -> Facts:
        """A failure for good that does not end the run: say what will be missing."""
        target = self.chart.states[state.edges[event]]
        judged = target.concludes or (target.kind is Kind.CHOOSES and not self._concluded)
        if request.optional or judged:
            return facts
        return _warned(facts, f"could not {request.purpose} ({request}): {why}")

    # --- Time -------------------------------------------------------------------------------

    def _lapse(self) -> float:
        """Seconds that asking took; the step goes on at the moment at which that is over."""
        began, self._moment = self._moment, self.now
        return self._moment - began

    def _limit(self, request: Request) -> tuple[float, bool]:
        """Seconds that a call gets, and whether it is the deadline that cuts it off."""
        left = self._deadline - self._moment
        if not self._concluded:
            left = max(left, LAST_CALL)
        own = left if request.patient else self.settings.http_timeout
        return min(own, left), left <= own

    def _back_off(self, exchange: _Exchange) -> float:
        """Put off the next attempt; return for how long."""
        failure = exchange.failure
        asked = failure.retry_after if failure else None
        if asked is not None:
            seconds = asked
        else:
            doubled = BACKOFF_FIRST * 2.0 ** min(self._failures.get(self.state.name, 1) - 1, 32)
            seconds = min(doubled, BACKOFF_MOST) * (1 - self._world.jitter() / 2)
        left = self._deadline - self._moment
        # A wait known to end too late is not sat through, where the state may give up. Else a back-off is cut at
        # the deadline, where a GET is still made, and nothing else.
        pointless = exchange.changes or (asked is not None and self._may_give_up(self.state, self.facts))
        self._hopeless = left <= 0 or (pointless and seconds > left)
        seconds = 0.0 if self._hopeless else min(seconds, left)
        self._wake = self._moment + seconds
        return seconds

    def _enter(self, exchange: _Exchange | None = None) -> None:
        """Take up the state just entered: when is it due, and does the run conclude here?

        Args:
            exchange: What led here.
        """
        state, now = self.state, self._moment
        self._wake, self._hopeless = now, False
        if state.concludes:
            self._concluded = True
            self.facts = self.facts.but(verdict=self._last_event, concluded_at=now - self._began)
            self._deadline = now + GRACE
        if state.kind is Kind.WAITS:
            lasts = PAUSES[state.operand](self.settings, self.facts, now - self._began)
            failure = exchange.failure if exchange else None
            asked = (failure.retry_after if failure else None) or 0.0
            left = self._deadline - now
            refused = exchange is not None and exchange.event in _REFUSALS and exchange.changes
            if asked > left and not refused:
                asked = 0.0  # the change was given up: what follows does without it
            due = now + max(lasts, asked)
            too_late = due > self._deadline and Event.TOO_LATE in state.edges
            self._hopeless = left <= 0 or too_late or (refused and asked > left)
            self._wake = now if self._hopeless else min(due, self._deadline)

    def _heed_signal(self) -> Event | None:
        """The signal that has arrived; behind the conclusion it cuts the grace."""
        signal = self._world.signal()
        if signal is not None and self._concluded and not self._hurried:
            self._hurried = True
            self._deadline = min(self._deadline, self.now + GRACE_AFTER_SIGNAL)
        return signal

    def _signalled(self) -> Event | None:
        """The signal that has arrived, where the present state has an edge for it."""
        signal = self._heed_signal()
        # A choice takes no time; where it has edges of these names, they are verdicts.
        return signal if signal in self.state.edges and self.state.kind is not Kind.CHOOSES else None

    # --- Written down and taken up again ------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """The run as JSON types, between two steps."""
        return {
            "state": self.state.name,
            "facts": self.facts.as_json(),
            "failures": dict(self._failures),
            "last_event": self._last_event,
            "started_at": self.started_at,
            "deadline_at": self._world.clock.wall() + self._deadline - self.now,
            "wake_at": self._world.clock.wall() + self._wake - self.now,
            "hopeless": self._hopeless,
            "number": self.number,
            "trail": self.trace.entries(),
            "trail_dropped": self.trace.dropped,
        }

    @classmethod
    def resume(cls, chart: Chart, settings: Settings, world: World, snapshot: Mapping[str, Any]) -> Self:
        """Take up a run that was written down on entering a state.

        To resume is to have lost an answer: what the state had sent counts as sent, and a change as one whose
        outcome is not known, so it is looked for, or sent again only after a look. What only reads is repeated.
        The deadline goes on by the wall clock, and is never further away than a new run's.

        Raises:
            KeyError, TypeError, ValueError: The snapshot is not one of this chart's.
        """
        run = cls(chart, settings, world, Facts.from_json(snapshot["facts"]))
        state = chart.states[snapshot["state"]]
        now, wall = run._moment, run.started_at

        def on_our_clock(moment: float) -> float:
            return now + float(moment) - wall

        run._position = Position(chart, state.name)
        run._failures = {str(name): int(count) for name, count in snapshot["failures"].items()}
        run._last_event = str(snapshot["last_event"])
        run.started_at = float(snapshot["started_at"])
        run.resumed_at = wall
        run.number = int(snapshot["number"])
        run.trace = Trace(snapshot["trail"], dropped=int(snapshot["trail_dropped"]))
        run._answer_was_lost = True
        run._began = now - max(0.0, wall - run.started_at)
        run._concluded = run.facts.verdict is not None
        left = GRACE if run._concluded else min(on_our_clock(snapshot["deadline_at"]) - now, settings.timeout)
        run._deadline = now + left
        due = on_our_clock(snapshot["wake_at"])
        waits = state.kind is Kind.WAITS or run._failures.get(state.name)
        run._wake = max(now, min(due, run._deadline)) if waits else now
        run._sent_before = max(0.0, min(due, now) - run._began)
        run._hopeless = bool(snapshot["hopeless"])
        return run

    def fork(self, world: World) -> Self:
        """This run as it stands, going on in another world; in this one nothing has changed.

        However late or early it is there: what has passed has passed, and the deadline is as far off.
        """
        run: Self = copy.copy(self)
        run._world = world
        run._position = self._position.twin()
        run._failures = dict(self._failures)
        run.trace = copy.deepcopy(self.trace)
        run.started_at = world.clock.wall() - (self._world.clock.wall() - self.started_at)
        later = world.clock.monotonic() - self.now
        run._began, run._moment = self._began + later, self._moment + later
        run._deadline, run._wake = self._deadline + later, self._wake + later
        return run


def drive(run: Run, pause: Callable[[float], None]) -> Iterator[Step]:
    """Run to the end, yielding each step; `pause(until)` may return early for a signal."""
    while not run.ended:
        while (wake := run.wake) > run.now:
            pause(wake)
        yield run.step()


# Failures after which nothing was carried out, or nothing that matters.
_REFUSALS = frozenset({Event.RATE_LIMITED, Event.UNAVAILABLE})


def _with(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    return names if name in names else (*names, name)


def _warned(facts: Facts, warning: str) -> Facts:
    return facts.but(warnings=facts.warned(warning))
