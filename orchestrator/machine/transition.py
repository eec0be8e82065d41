"""One step of a run, by three laws, as two pure functions.

1. `statecharts/` decides what happens next. Python never names a state: no string, no
   comparison, no assignment. What a chart does not draw cannot happen.
2. An effect is what to ask and what the answer means. It knows no state and no successor.
   Whoever drives the run sends.
3. Time, signals and failure are decided here. Nothing else retries or absorbs a failure. A pause is
   data (`Standing.wake`: not before), never a hidden sleep.

So an event is raised only where the chart has an edge for it: a state without `gave_up` never
gives up, one without signal edges is shielded, and there are no flags and no special cases.

`begin` says what the present state needs from outside: a request to send within a limit, the results
to write, or nothing (then the step is done). `settle` takes what came of it. Neither reads a clock,
draws a number or sends anything: clock values, jitter and signals are arguments. A step is reckoned
at the moment it begins and, once it has asked, at the moment the answer came: so the same answers at
the same moments make the same run again.
"""

from typing import NamedTuple

from orchestrator.fivetran.effects import CHOICES, EFFECTS, PAUSES, TRIGGERS, Call, Pure, Writing
from orchestrator.fivetran.effects.situation import trigger_unanswered
from orchestrator.machine.chart import OTHERWISE, Chart, Kind, State
from orchestrator.machine.position import follow
from orchestrator.machine.standing import GRACE, GRACE_AFTER_SIGNAL, Standing
from orchestrator.machine.step import Signal, Step
from orchestrator.values.events import SIGNALS, Event
from orchestrator.values.exchange import TRANSIENT, Answer, Cut, Failure, Request, unanswered
from orchestrator.values.facts import Facts
from orchestrator.values.settings import Settings

__all__ = [
    "LAST_CALL",
    "NotDue",
    "Pending",
    "back_off",
    "begin",
    "call_of",
    "due",
    "heeded",
    "request_of",
    "settle",
    "start",
    "take",
    "unknown",
]

LAST_CALL = 5.0  # seconds that a call at the deadline still gets
BACKOFF_FIRST, BACKOFF_MOST = 1.0, 60.0  # seconds; doubled in between
# Failures after which nothing was carried out, or nothing that matters.
_REFUSALS = frozenset({Event.RATE_LIMITED, Event.UNAVAILABLE})


class NotDue(Exception):  # noqa: N818
    """A step was requested before it is due, or after the end."""


class Pending(NamedTuple):
    """What a state needs from outside before its step can be settled.

    Attributes:
        standing: Where the run stands.
        began: When the step began, in seconds since the run began.
        request: What is to be sent; None where the results are to be written.
        limit: Seconds that the request gets.
        by_deadline: At that limit it is the deadline that cuts it off.
        interruptible: A signal may cut it off.
    """

    standing: Standing
    began: float
    request: Request | None = None
    limit: float = 0.0
    by_deadline: bool = False
    interruptible: bool = False


def due(chart: Chart, standing: Standing, signal: Signal | None = None) -> float:
    """When the next step is due, in seconds since the run began; 0 where a signal has it due at once."""
    return 0.0 if _signalled(chart.states[standing.state], signal) else heeded(standing, signal).due


def heeded(standing: Standing, signal: Signal | None) -> Standing:
    """The standing once a signal is known: after the verdict it shortens the grace period."""
    if signal is None or standing.hurried or not standing.concluded:
        return standing
    return standing._replace(hurried=True, deadline=min(standing.deadline, signal.at + GRACE_AFTER_SIGNAL))


def call_of(state: State) -> Call | None:
    """The effect of a state that asks Fivetran; None for any other."""
    effect = EFFECTS[state.operand] if state.kind is Kind.DOES else None
    return effect if isinstance(effect, Call) else None


def request_of(chart: Chart, settings: Settings, standing: Standing) -> Request | None:
    """The request that the next step will send, or None if it sends none."""
    call = call_of(chart.states[standing.state])
    return None if call is None else call.ask(settings, standing.facts)


def start(chart: Chart, settings: Settings, started_at: float, facts: Facts | None = None) -> Standing:
    """Where a run stands at its beginning, in the chart's first state.

    Args:
        chart: A chart that the loader has checked.
        settings: What to do.
        started_at: When it begins, in seconds since the epoch.
        facts: What is known already; nothing when None.
    """
    standing = Standing(chart.initial, facts or Facts(), settings.timeout, started_at=started_at)
    turn = _Turn(chart, settings, standing, 0.0, 0.0, None, 0.0)
    wake, hopeless = turn.due_at(turn.state, standing.facts, standing.deadline, _Result("", standing.facts))
    return standing._replace(wake=wake, hopeless=hopeless)


def begin(
    chart: Chart,
    settings: Settings,
    standing: Standing,
    now: float,
    *,
    signal: Signal | None = None,
    jitter: float = 0.0,
) -> Pending | Step:
    """What the present state needs; the whole step where it needs nothing from outside.

    Args:
        chart: The run's chart.
        settings: The run's settings.
        standing: Where the run stands.
        now: Seconds since the run began.
        signal: The signal that has arrived, if any.
        jitter: A number in [0, 1), for a back-off.

    Raises:
        NotDue: It is too early, or the run has ended.
    """
    standing = heeded(standing, signal)
    turn = _Turn(chart, settings, standing, now, now, signal, jitter)
    state, facts, event = turn.state, standing.facts, _signalled(turn.state, signal)
    if state.kind is Kind.EXIT or (event is None and standing.due > now):
        raise NotDue(f"{state.name}: not before {standing.due - now:.3f} s from now")
    if event is not None:
        return turn.move(_Result(event, facts))
    if state.kind is Kind.CHOOSES:
        return turn.move(_chosen(state, settings, facts))
    if state.kind is Kind.WAITS:
        late = Event.TOO_LATE if Event.TOO_LATE in state.edges else Event.TIMED_OUT
        return turn.move(_Result(late if standing.hopeless else Event.WAITED, facts))
    effect = EFFECTS[state.operand]
    if isinstance(effect, Pure):
        return turn.move(_Result(*effect.conclude(settings, facts)))
    if isinstance(effect, Writing):
        return Pending(standing, now)
    return turn.ask(effect)


def settle(
    chart: Chart,
    settings: Settings,
    pending: Pending,
    outcome: Answer | Failure | Cut | OSError | None,
    now: float,
    *,
    signal: Signal | None = None,
    jitter: float = 0.0,
) -> Step:
    """The step, once it is known what came of what it needed.

    Args:
        chart: The run's chart.
        settings: The run's settings.
        pending: What it needed.
        outcome: What came of that; of writing the results, why they could not be written, or None.
        now: Seconds since the run began.
        signal: The signal that has arrived, if any.
        jitter: A number in [0, 1), for a back-off.
    """
    now = pending.began if pending.request is None else now
    turn = _Turn(chart, settings, heeded(pending.standing, signal), pending.began, now, signal, jitter)
    if outcome is None:
        return turn.move(_Result(Event.REPORTED, pending.standing.facts))
    if isinstance(outcome, OSError):
        facts = _warned(pending.standing.facts, f"the report could not be written: {outcome}")
        return turn.move(_Result(Event.UNWRITABLE, facts, unwritable=str(outcome)))
    return turn.move(turn.answered(pending, outcome))


def back_off(attempts: int, drawn: float) -> float:
    """Seconds until the next attempt, where Fivetran does not say.

    Args:
        attempts: Failed ones in a row, from 1.
        drawn: A number in [0, 1).
    """
    doubled = BACKOFF_FIRST * 2.0 ** min(attempts - 1, 32)
    return min(doubled, BACKOFF_MOST) * (1 - drawn / 2)


def take(chart: Chart, settings: Settings, standing: Standing, event: str, now: float) -> Step:
    """Take the present state's edge for an event, without doing what the state says.

    Raises:
        IllegalMove: There is no such edge.
    """
    turn = _Turn(chart, settings, standing, now, now, None, 0.0)
    rule = _chosen(turn.state, settings, standing.facts).rule if turn.state.kind is Kind.CHOOSES else ""
    return turn.move(_Result(event, standing.facts, rule))


def unknown(facts: Facts, effect: Call, request: Request, asked: float) -> Facts:
    """The facts once it is not known whether a change was carried out.

    Args:
        facts: The facts before.
        effect: The effect that sent it.
        request: The request.
        asked: When it was sent, in seconds since the run began.
    """
    facts = facts.but(unanswered=str(request))
    if TRIGGERS.isdisjoint(effect.tags):
        return facts
    return facts.but(lost=facts.lost + 1, asked_at=facts.asked_at if facts.lost else asked)


class _Result(NamedTuple):
    """The outcome of a state; except for the first three members as in `Step`."""

    event: str
    facts: Facts
    rule: str = ""
    request: Request | None = None
    limit: float | None = None
    answer: Answer | None = None
    failure: Failure | None = None
    cut_off: Cut | None = None
    unwritable: str | None = None


def _signalled(state: State, signal: Signal | None) -> Event | None:
    """The signal that has arrived, where the state has an edge for it."""
    # A choice takes no time; where it has edges of these names, they are verdicts.
    return signal.event if signal and signal.event in state.edges and state.kind is not Kind.CHOOSES else None


def _chosen(state: State, settings: Settings, facts: Facts) -> _Result:
    value = CHOICES[state.operand].of(settings, facts)
    named = value in state.edges or OTHERWISE not in state.edges
    return _Result(value if named else OTHERWISE, facts, value or "nothing")


class _Turn:
    """One state's turn: its outcome, and where that leads."""

    __slots__ = ("began", "chart", "failures", "jitter", "now", "settings", "signal", "standing", "state")

    def __init__(
        self,
        chart: Chart,
        settings: Settings,
        standing: Standing,
        began: float,
        now: float,
        signal: Signal | None,
        jitter: float,
    ) -> None:
        self.chart = chart
        self.settings = settings
        self.standing = standing
        self.state = chart.states[standing.state]
        self.failures = standing.failures
        self.began = began
        self.now = now
        self.signal = signal
        self.jitter = jitter

    # --- A request ----------------------------------------------------------------------------

    def ask(self, effect: Call) -> Pending | Step:
        """The request to send, unless it is too late, or it was sent before and its answer is lost."""
        standing, state = self.standing, self.state
        request = effect.ask(self.settings, standing.facts)
        if standing.lost_at is not None and request.changes:
            failure = unanswered(request, "the run stopped while this was under way, and was taken up again")
            if failure.event is Event.ANSWER_LOST or state.edges[failure.event] != state.name:
                facts = standing.facts.but(attempted=_with(standing.facts.attempted, effect.name))
                facts = unknown(facts, effect, request, standing.lost_at)
                return self.move(self._failed(request, _Result("", facts, request=request), failure))
        past = self.now >= standing.deadline
        if standing.hopeless or (past and (request.changes or standing.concluded)):
            return self.move(self._struck(request, _Result("", standing.facts)))
        limit, by_deadline = self._limit(request)
        return Pending(standing, self.now, request, limit, by_deadline, not SIGNALS.isdisjoint(state.edges))

    def answered(self, pending: Pending, outcome: Answer | Failure | Cut) -> _Result:
        """What an answer, a failure, a limit or a signal means."""
        facts, request, effect = self.standing.facts, pending.request, EFFECTS[self.state.operand]
        assert request is not None and isinstance(effect, Call)  # noqa: PT018, S101  # nothing else is asked
        facts = facts.but(attempted=_with(facts.attempted, effect.name))
        tried = _Result("", facts, request=request, limit=pending.limit)
        if outcome is Cut.SIGNAL:
            facts = unknown(facts, effect, request, pending.began) if request.changes else facts
            event = self.signal.event if self.signal else ""
            return tried._replace(event=event, facts=facts, cut_off=outcome)
        if isinstance(outcome, Answer):
            return self._meant(effect, tried, outcome)
        if isinstance(outcome, Failure):
            if outcome.event is Event.ANSWER_LOST:
                tried = tried._replace(facts=unknown(facts, effect, request, pending.began))
            return self._failed(request, tried, outcome)
        failure = unanswered(request, f"no answer within {round(pending.limit, 2):g} s")
        if request.changes and (pending.by_deadline or failure.event is Event.ANSWER_LOST):
            facts = unknown(facts, effect, request, pending.began)
        tried = tried._replace(facts=facts, cut_off=Cut.LIMIT)
        return self._struck(request, tried, failure) if pending.by_deadline else self._failed(request, tried, failure)

    def _meant(self, effect: Call, tried: _Result, answer: Answer) -> _Result:
        facts, request = tried.facts, tried.request
        if self.state.name in self.failures:
            self.failures = {name: count for name, count in self.failures.items() if name != self.state.name}
        facts = facts.but(
            answered=_with(facts.answered, effect.name),
            unanswered=facts.unanswered if facts.unanswered and facts.unanswered != str(request) else None,
            # After the verdict the failure that decided is kept.
            failure=facts.failure if self.standing.concluded else None,
        )
        answer = answer.timed(self.now, self.now - self.began)
        event, facts, rule = effect.mean(self.settings, facts, answer)
        return tried._replace(event=event, facts=facts, rule=rule, answer=answer)

    def _failed(self, request: Request, tried: _Result, failure: Failure) -> _Result:
        """Count a failure, and name its event: its own, or `gave_up` after the last attempt."""
        facts, state = tried.facts, self.state
        # What leads to a look of its own is not a failed attempt: it may have been carried out.
        elsewhere = state.edges[failure.event] != state.name
        counts = failure.event in _REFUSALS or not elsewhere
        attempts = self.failures.get(state.name, 0) + counts
        self.failures = {**self.failures, state.name: attempts}
        most = state.tries if state.tries is not None else self.settings.retry_limit
        # A change that Fivetran postpones beyond the deadline will not be made.
        late = request.changes and elsewhere and (failure.retry_after or 0.0) > self.standing.deadline - self.now
        hopeless = counts and (attempts >= most or late)
        gives_up = failure.event in TRANSIENT and hopeless and self._may_give_up(facts)
        event = Event.GAVE_UP if gives_up else failure.event
        concluded = self.standing.concluded
        if not concluded and not request.optional:
            facts = facts.but(failure=failure.as_fact(request, max(attempts, 1)))
        if event not in TRANSIENT or (state.edges[event] != state.name and (request.optional or concluded)):
            facts = facts.but(given_up=_with(facts.given_up, state.operand))
            facts = self._with_warning(event, request, str(failure), facts)
        return tried._replace(event=event, facts=facts, rule=str(failure), failure=failure)

    def _may_give_up(self, facts: Facts) -> bool:
        """Whether the state may give up: not where that would end a run whose trigger may have been carried out."""
        target = self.state.edges.get(Event.GAVE_UP)
        return target is not None and not (trigger_unanswered(facts) and self.chart.states[target].concludes)

    def _struck(self, request: Request, tried: _Result, failure: Failure | None = None) -> _Result:
        """The deadline passed in a call: `gave_up` after a failed try, where there is such an edge."""
        facts, state = tried.facts, self.state
        attempts = self.failures.get(state.name, 0)
        event = Event.GAVE_UP if attempts and self._may_give_up(facts) else Event.TIMED_OUT
        if failure is not None and not request.patient and not request.optional and not self.standing.concluded:
            facts = facts.but(failure=failure.as_fact(request, attempts + 1))
        if tried.request is not None and request.optional:
            facts = facts.but(given_up=_with(facts.given_up, state.operand))
        facts = self._with_warning(event, request, "time ran out", facts)
        rule = "" if failure is None else str(failure)
        return tried._replace(event=event, facts=facts, rule=rule, failure=failure)

    def _with_warning(self, event: Event, request: Request, why: str, facts: Facts) -> Facts:
        """A permanent failure that does not end the run: warn about what will be missing."""
        target = self.chart.states[self.state.edges[event]]
        judged = target.concludes or (target.kind is Kind.CHOOSES and not self.standing.concluded)
        if request.optional or judged:
            return facts
        return _warned(facts, f"could not {request.purpose} ({request}): {why}")

    def _limit(self, request: Request) -> tuple[float, bool]:
        """Seconds that a call gets, and whether it is the deadline that cuts it off."""
        left = self.standing.deadline - self.now
        if not self.standing.concluded:
            left = max(left, LAST_CALL)
        own = left if request.patient else self.settings.http_timeout
        return min(own, left), left <= own

    # --- Where it leads -----------------------------------------------------------------------

    def move(self, result: _Result) -> Step:
        """The step along the edge that a result names.

        Raises:
            IllegalMove: The state has no such edge.
        """
        before, source, event = self.standing, self.state, result.event
        target = self.chart.states[follow(self.chart, source.name, event)]
        last_event = before.last_event if source.kind is Kind.CHOOSES else event
        facts, deadline, hurried, pause, drawn = result.facts, before.deadline, before.hurried, 0.0, None
        if target is source:
            pause, hopeless, drawn = self._back_off(result)
            wake = self.now + pause
        else:
            if target.concludes:
                facts = facts.but(verdict=last_event, concluded_at=self.now)
                deadline = self.now + (GRACE_AFTER_SIGNAL if self.signal else GRACE)
                hurried = self.signal is not None
            wake, hopeless = self.due_at(target, facts, deadline, result)
        standing = Standing(
            target.name,
            facts,
            deadline,
            wake,
            before.number + 1,
            last_event,
            self.failures,
            hopeless,
            hurried,
            None,
            before.started_at,
            before.resumed_at,
        )
        return Step(
            before,
            event,
            standing,
            source.kind,
            source.operand,
            result.rule,
            self.began,
            self.now,
            result.request,
            result.limit,
            result.answer,
            result.failure,
            result.cut_off,
            result.unwritable,
            pause,
            drawn,
            self.signal,
            target.exit,
        )

    def _back_off(self, result: _Result) -> tuple[float, bool, float | None]:
        """How long until the next attempt, whether that is too late, and the random number drawn for it."""
        asked, drawn = result.failure.retry_after if result.failure else None, None
        if asked is not None:
            seconds = asked
        else:
            drawn = self.jitter
            seconds = back_off(self.failures.get(self.state.name, 1), drawn)
        left = self.standing.deadline - self.now
        # The run does not sit out a wait known to end too late, where the state may give up. Else a back-off is cut
        # at the deadline, where only a GET is still made.
        changes = result.request is not None and result.request.changes
        pointless = changes or (asked is not None and self._may_give_up(result.facts))
        hopeless = left <= 0 or (pointless and seconds > left)
        return 0.0 if hopeless else min(seconds, left), hopeless, drawn

    def due_at(self, state: State, facts: Facts, deadline: float, result: _Result) -> tuple[float, bool]:
        """When the state that is entered is due, and whether what it waits for is hopeless."""
        now = self.now
        if state.kind is not Kind.WAITS:
            return now, False
        lasts = PAUSES[state.operand](self.settings, facts, now)
        asked = (result.failure.retry_after if result.failure else None) or 0.0
        left = deadline - now
        refused = result.event in _REFUSALS and result.request is not None and result.request.changes
        if asked > left and not refused:
            asked = 0.0  # the change was given up: what follows does without it
        until = now + max(lasts, asked)
        too_late = until > deadline and Event.TOO_LATE in state.edges
        hopeless = left <= 0 or too_late or (refused and asked > left)
        return (now if hopeless else min(until, deadline)), hopeless


def _with(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    return names if name in names else (*names, name)


def _warned(facts: Facts, warning: str) -> Facts:
    return facts.but(warnings=facts.warned(warning))
