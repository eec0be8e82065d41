"""A journal played again: the answers, times, signals and numbers of then, the code and charts of today.

Deterministic, and without any effect: nothing is sent, written or waited for. It ends at the
first step that differs from the recorded one.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from orchestrator.fivetran import documents
from orchestrator.job.journal import INJECTED, Journal, Record, Resumption, compose_record, compose_request
from orchestrator.job.masking import Mask
from orchestrator.job.result import Document
from orchestrator.machine.chart import Chart, State
from orchestrator.machine.loader import ChartError, load, parse
from orchestrator.machine.position import IllegalMove
from orchestrator.machine.run import NotDue, Run, Step
from orchestrator.machine.world import LimitReached, Noted, SignalReceived, World
from orchestrator.values.events import Event
from orchestrator.values.exchange import Answer, Request
from orchestrator.values.facts import Facts
from orchestrator.values.formatting import duration

__all__ = ["Clock", "Difference", "Divergence", "Replay", "Replayed", "chart_of", "replay", "run_at", "summary"]

TOLERANCE = 0.001  # seconds: times are written with six digits, and sums of them differ in the last
LONGEST = 160  # characters of a value in a message

_MASK = Mask()  # no secrets: it makes values what they are in a journal
# What a step is compared by, in the order in which it is told. What follows from another is left out.
_EXACT = ("state", "kind", "operand", "request", "failure", "event", "target", "exit")
_TIMES = ("limit", "pause", "due")


class Difference(NamedTuple):
    """One thing that is not as it was recorded.

    Attributes:
        what: Its name in a record; `facts.NAME` for a fact.
        recorded: As it was, for people.
        now: As it is, for people.
    """

    what: str
    recorded: str
    now: str


class Divergence(Exception):  # noqa: N818  # what it finds may be just what was wanted
    """A step that is not as it was recorded; its text tells it to people.

    Attributes:
        record: The step as it was recorded.
        differences: What is not as it was.
        step: What it is today; None where it did not come to a step.
        why: The rule that decides today, in words; "" where none does.
        edges: What has changed about the state in the chart, a line an edge.
    """

    def __init__(
        self,
        record: Record,
        differences: tuple[Difference, ...],
        *,
        step: Step | None = None,
        why: str = "",
        edges: tuple[str, ...] = (),
    ) -> None:
        super().__init__(record.step.number)
        self.record = record
        self.differences = differences
        self.step = step
        self.why = why
        self.edges = edges

    def __str__(self) -> str:
        then = self.record.step
        lines = [f"step {then.number}, {duration(then.at)} after the start, differs"]
        if then.request is not None:
            lines.append(f"  asked:    {then.detail}")
        if then.answer is not None and (seen := _seen(then.answer.data)):
            lines.append(f"  document: {seen}")
        lines += [f"  recorded: {_move(then)}", f"            {self.record.why}"]
        if self.step is not None:
            lines += [f"  today:    {_move(self.step)}", f"            {self.why}"]
        told = {"event", "target"} if self.step is not None else set()
        lines += [
            f"  {one.what}: recorded {one.recorded}; today {one.now}"
            for one in self.differences
            if one.what not in told  # the move says it
        ]
        if self.edges:
            lines += [f"  the chart has changed, at {then.source}:", *(f"    {edge}" for edge in self.edges)]
        return "\n".join(lines)


class Clock:
    """A clock that stands still until it is set.

    Args:
        now: What it shows first, of a clock that is never set.
        wall: What the other clock shows then, in seconds since the epoch.

    Attributes:
        now: What it shows.
    """

    def __init__(self, now: float, wall: float) -> None:
        self.now = now
        self._first = now, wall

    def monotonic(self) -> float:
        """Seconds on a clock that is never set."""
        return self.now

    def wall(self) -> float:
        """Seconds since the epoch."""
        now, wall = self._first
        return wall + (self.now - now)


class Replayed(NamedTuple):
    """A step that is as it was recorded.

    Attributes:
        record: As it was recorded.
        before: The facts before it.
        step: As it is today.
    """

    record: Record
    before: Facts
    step: Step


class Replay:
    """A journal, played step by step.

    Args:
        journal: The journal.
        chart: The chart to run; that of `chart_of` when None.

    Attributes:
        run: The run, as far as it has been played; `Run.fork` goes on from there in another world.
        clock: The run's clock; it may be set later between two steps.
        position: How many of the journal's records have been played.

    Raises:
        ChartError: The journal carries its own chart, and it is not sound today.
        Divergence: It begins in a state that the chart does not have.
    """

    def __init__(self, journal: Journal, chart: Chart | None = None) -> None:
        self.journal = journal
        self.chart = chart_of(journal) if chart is None else chart
        self.clock = Clock(journal.header.clock, documents.parse_time(journal.header.started_at) or 0.0)
        self.position = 0
        self._noted = Noted()
        self._record: Record | None = None
        self.run = self._begin(journal.header.resumed)

    def __iter__(self) -> Iterator[Replayed]:
        """Play what is left, and yield each step.

        Raises:
            Divergence: A step is not as it was recorded.
        """
        while self.position < len(self.journal.records):
            yield self.step()

    def step(self) -> Replayed:
        """Play the next step.

        Raises:
            Divergence: It is not as it was recorded.
            IndexError: There is none.
        """
        record = self._record = self.journal.records[self.position]
        if record.resumed is not None:
            self.run = self._begin(record.resumed)
        self._noted = Noted()
        before = self.run.facts
        if record.by_hand:
            self.run.hasten()
        self._check_start(record)
        try:
            step = self.run.take(record.step.event) if record.by_hand == INJECTED else self.run.step()
        except (IllegalMove, LookupError, NotDue) as error:
            why = f"the journal has no {error}" if isinstance(error, KeyError) else str(error)
            raise self._divergence(record, Difference("way", _move(record.step), why)) from error
        self._compare(record, before, step)
        self.position += 1
        return Replayed(record, before, step)

    def _begin(self, resumed: Resumption | None) -> Run:
        if resumed is None:
            return Run(self.chart, self.journal.header.settings, self._world())
        state = str(resumed.snapshot["state"])
        if state not in self.chart.states:
            raise self._divergence(self.journal.records[self.position], Difference("state", state, "no such state"))
        since = max(0.0, resumed.wall - float(resumed.snapshot["started_at"]))
        self.clock = Clock(since if resumed.clock is None else resumed.clock, resumed.wall)
        return Run.resume(self.chart, self.journal.header.settings, self._world(), resumed.snapshot)

    def _world(self) -> World:
        return World(self.clock, self._send, self._write, self._jitter, self._signal)

    # --- Is it as it was? ---------------------------------------------------------------------

    def _check_start(self, record: Record) -> None:
        """Set the clock to the step's beginning; the run must stand there, and be ready for it."""
        state = self.run.state.name
        if state != record.step.source:
            raise self._divergence(record, Difference("state", record.step.source, state))
        self._advance(record.step.clock[0])
        late = self.run.wake - self.clock.now
        if late > TOLERANCE:
            raise self._divergence(
                record, Difference("due", _time(record.began), _time(self.run.wake - self.run.began))
            )
        self.clock.now += max(0.0, late)

    def _compare(self, record: Record, before: Facts, step: Step) -> None:
        noted = self._noted
        now = _MASK.value(
            compose_record(self.run.settings, self.chart, before, step, noted, began=self.run.began, at=record.at)
        )
        then = record.told
        differences = [
            *(
                Difference(name, _shown(then.get(name)), _shown(now.get(name)))
                for name in _EXACT
                if then.get(name) != now.get(name)
            ),
            *(
                Difference(name, _time(then.get(name)), _time(now.get(name)))
                for name in _TIMES
                if abs(then.get(name, -1.0) - now.get(name, -1.0)) > TOLERANCE
            ),
        ]
        facts, facts_now = then["facts"], now["facts"]
        differences += [
            Difference(f"facts.{name}", _fact(facts, name), _fact(facts_now, name))
            for name in {**facts, **facts_now}
            if facts.get(name, ...) != facts_now.get(name, ...)
        ]
        if differences:
            raise self._divergence(record, *differences, step=step, why=now["why"])

    def _divergence(
        self, record: Record, *differences: Difference, step: Step | None = None, why: str = ""
    ) -> Divergence:
        return Divergence(record, differences, step=step, why=why, edges=tuple(self._changed_edges(record.step.source)))

    def _changed_edges(self, state: str) -> Iterator[str]:
        """What has changed about a state between the journal's chart and this one."""
        header = self.journal.header
        if header.digest == self.chart.digest:
            return
        try:
            recorded = chart_of(self.journal, recorded=True).states.get(state)
        except ChartError:
            yield "the recorded chart is not sound today: --chart recorded says why"
            return
        then, now = _said(recorded), _said(self.chart.states.get(state))
        yield from (f"- {line}" for line in then if line not in now)
        yield from (f"+ {line}" for line in now if line not in then)

    # --- The world of then --------------------------------------------------------------------

    def _advance(self, moment: float) -> None:
        """Set the clock; a signal that arrived on the way was seen at its time."""
        signalled = self._record.noted.signalled if self._record else None
        if signalled is not None and self.clock.now < signalled <= moment:
            self.clock.now = signalled
            _ = self.run.deadline  # it heeds the signal
        self.clock.now = max(self.clock.now, moment)

    def _send(self, request: Request, seconds: float, _: bool) -> Answer:  # noqa: FBT001  # World's form
        record = self._record
        assert record is not None  # noqa: S101  # only a step sends
        asked = _MASK.value(compose_request(request))
        then = record.told.get("request") if record.noted.limit is not None else None
        if asked != then:
            raise self._divergence(record, Difference("request", _shown(then), _shown(asked)))
        self._noted = self._noted._replace(limit=seconds, cut_off=record.noted.cut_off)
        self._advance(record.step.clock[1])
        if record.noted.cut_off:
            raise LimitReached if record.noted.cut_off == "limit" else SignalReceived
        if record.step.failure is not None:
            raise record.step.failure.with_traceback(None)
        assert record.step.answer is not None  # noqa: S101  # the reader has seen to it
        return record.step.answer

    def _write(self, _: Document) -> None:
        if self._record is not None and self._record.noted.unwritable is not None:
            raise OSError(self._record.noted.unwritable)

    def _jitter(self) -> float:
        drawn = self._record.noted.jitter if self._record else None
        return 0.0 if drawn is None else drawn

    def _signal(self) -> Event | None:
        noted = self._record.noted if self._record else Noted()
        if noted.cut_off == "signal" and self._noted.limit is None:  # it came once the request was sent
            return None
        return noted.signal if noted.signalled is not None and noted.signalled <= self.clock.now else None


def chart_of(journal: Journal, *, recorded: bool = False) -> Chart:
    """The chart that a journal is played on: that of today, or its own where it was a user's own.

    Args:
        journal: The journal.
        recorded: Its own in any case.

    Raises:
        ChartError: That chart is not sound today.
    """
    header = journal.header
    if header.packaged and not recorded:
        return load(header.settings.action)
    return parse(header.source, f"{journal.name}: its chart", header.settings.action)


def replay(journal: Journal, chart: Chart | None = None) -> Run:
    """Play a journal to its end.

    Returns:
        The run as it is then.

    Raises:
        ChartError: As for `Replay`.
        Divergence: A step is not as it was recorded.
    """
    return run_at(journal, len(journal.records), chart)


def run_at(journal: Journal, position: int, chart: Chart | None = None) -> Run:
    """The run as it was after so many of the journal's records.

    Raises:
        ChartError: As for `Replay`.
        Divergence: A step up to there is not as it was recorded.
        IndexError: The journal has fewer records.
    """
    played = Replay(journal, chart)
    for _ in range(position):
        played.step()
    return played.run


# --- For people -------------------------------------------------------------------------------


def _move(step: Step) -> str:
    return f"{step.source} --{step.event}--> {step.target}"


def _seen(document: Mapping[str, Any]) -> str:
    """What a document has of what decides."""
    told = {
        "sync_state": documents.sync_state(document) or None,
        "setup_state": documents.setup_state(document) or None,
        **{name: document.get(name) for name in ("succeeded_at", "failed_at", "schedule_type")},
        "rescheduled_for": documents.rescheduled_for(document),
    }
    return ", ".join(f"{name} {value}" for name, value in told.items() if value is not None)


def _shown(value: Any) -> str:  # noqa: ANN401  # any JSON
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _time(seconds: float | None) -> str:
    return "nothing" if seconds is None else f"{seconds:.10g} s"


def _fact(changed: Mapping[str, Any], name: str) -> str:
    return _shown(changed[name]) if name in changed else "unchanged"


def _said(state: State | None) -> list[str]:
    """What a chart says of a state, a line each."""
    if state is None:
        return ["no such state"]
    tries = [] if state.tries is None else [f"tries {state.tries}"]
    return [f"{state.kind} {state.operand or state.exit}", *tries, *(f"{on} -> {to}" for on, to in state.edges.items())]


def summary(journal: Journal) -> str:
    """What was recorded, in a line."""
    settings, records = journal.header.settings, journal.records
    last = records[-1]
    code = last.told.get("exit")
    end = f"broken off in {last.step.target}" if code is None else f"{last.step.target} ({code})"
    torn = "; killed while it wrote its last line" if journal.torn else ""
    steps = f"{len(records)} step{'s' if len(records) > 1 else ''} in {duration(last.step.at)}"
    return f"{settings.action} of {settings.connector_id}, {steps}, {end}{torn}"
