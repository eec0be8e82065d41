"""Replays a journal: recorded answers, times, signals and random numbers with today's code and charts.

Deterministic and without side effects: nothing is sent, written or waited for. It ends at the
first step that differs from the recorded one.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from orchestrator.debugger.journal_reader import INJECTED, Journal, Record, Resumption
from orchestrator.fivetran import documents
from orchestrator.job.journal import compose_record, compose_request
from orchestrator.job.masking import Mask
from orchestrator.machine.chart import Chart, Kind, State
from orchestrator.machine.loader import ChartError, load, parse
from orchestrator.machine.position import IllegalMove
from orchestrator.machine.standing import Standing, resumed
from orchestrator.machine.step import Step
from orchestrator.machine.transition import NotDue, begin, due, settle, start, take
from orchestrator.values.exchange import Cut
from orchestrator.values.formatting import duration

__all__ = ["Difference", "Divergence", "Replay", "chart_of", "replay", "summary"]

TOLERANCE = 0.001  # seconds
BLINK = 1e-6  # seconds
LONGEST = 160  # characters of a value in a message

MASK = Mask()  # no secrets: it makes values what they are in a journal
# What is compared of a step, in the order in which it is reported. What follows from another is left out.
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


@dataclass(eq=False)
class Divergence(Exception):  # noqa: N818  # what it finds may be just what was wanted
    """A step that differs from the recorded one; its text explains it to people.

    Attributes:
        record: The step as it was recorded.
        differences: What is not as it was.
        step: What it is today; None where it did not come to a step.
        edges: What has changed about the state in the chart, a line an edge.
    """

    record: Record
    differences: tuple[Difference, ...]
    step: Step | None = None
    edges: tuple[str, ...] = ()

    def __str__(self) -> str:
        then = self.record.step
        lines = [f"step {then.number}, {duration(then.at)} after the start, differs"]
        if then.request is not None:
            lines.append(f"  asked:    {then.detail}")
        if then.answer is not None and (seen := documents.decisive(then.answer.data)):
            lines.append(f"  document: {', '.join(f'{name} {value}' for name, value in seen.items())}")
        lines += [f"  recorded: {then.move}", f"            {self.record.line['why']}"]
        if self.step is not None:
            lines += [f"  today:    {self.step.move}", f"            {self.step.why}"]
        lines += [
            f"  {one.what}: recorded {one.recorded}; today {one.now}"
            for one in self.differences
            if self.step is None or one.what not in {"event", "target"}  # the move says them
        ]
        if self.edges:
            lines += [f"  the chart has changed, at {then.source}:", *(f"    {edge}" for edge in self.edges)]
        return "\n".join(lines)


class Replay:
    """A journal, played step by step as it is iterated over.

    Args:
        journal: The journal.
        chart: The chart to run; that of `chart_of` when None.

    Attributes:
        standing: Where the run stands, as far as it has been played.
        now: The moment that was played last, in seconds since the run began.

    Raises:
        ChartError: The journal has its own chart, and it is not valid today.
        Divergence: It begins in a state that the chart does not have.
    """

    def __init__(self, journal: Journal, chart: Chart | None = None) -> None:
        self.journal = journal
        self.chart = chart or chart_of(journal)
        self.standing, self.now = self._begin(journal.header.resumed, journal.records[0])

    def __iter__(self) -> Iterator[tuple[Record, Step]]:
        """Play each step: as it was recorded, and as it is today.

        Raises:
            Divergence: A step is not as it was recorded.
        """
        for record in self.journal.records:
            if record.resumed is not None:
                self.standing, self.now = self._begin(record.resumed, record)
            if self.standing.state != record.step.source:
                raise self._divergence(record, Difference("state", record.step.source, self.standing.state))
            try:
                step = self._played(record, self.standing)
            except (IllegalMove, LookupError, NotDue) as error:
                why = f"the journal has no {error}" if isinstance(error, KeyError) else str(error)
                raise self._divergence(record, Difference("edge", record.step.move, why)) from error
            step = self._with_new_choices(record, step)
            if differences := _differences(record.line, MASK.value(compose_record(step))):
                raise self._divergence(record, *differences, step=step)
            self.standing, self.now = step.after, step.at
            yield record, step

    def _begin(self, resumption: Resumption | None, record: Record) -> tuple[Standing, float]:
        """Where the run stands at its beginning, or where it was resumed, before that record; and when."""
        header = self.journal.header
        if resumption is None:
            at = documents.parse_time(header.started_at) or 0.0
            return start(self.chart, header.settings, at, header.facts), 0.0
        state = str(resumption.snapshot["state"])
        if state not in self.chart.states:
            raise self._divergence(record, Difference("state", state, "no such state"))
        return resumed(self.chart, header.settings, resumption.snapshot, resumption.wall)

    def _played(self, record: Record, standing: Standing) -> Step:
        """The step as it is today, with the recorded answer, times, signal and jitter."""
        then, settings = record.step, self.journal.header.settings
        if record.by_hand == INJECTED:
            return take(self.chart, settings, standing, then.event, then.began)
        # A signal that cut the request off came once it had been sent.
        early = then.signal if then.signal and then.signal.at <= then.began and then.cut_off != Cut.SIGNAL else None
        wake, now = due(self.chart, standing, early), then.began
        if record.by_hand:
            standing, wake = standing._replace(wake=min(standing.wake, now)), min(wake, now)
        elif wake - now > TOLERANCE:
            raise self._divergence(record, Difference("due", _time(now), _time(wake)))
        # Times are written with six digits, and sums of them differ in the last.
        now = wake if abs(wake - now) <= BLINK else max(now, wake)
        jitter = then.jitter or 0.0
        pending = begin(self.chart, settings, standing, now, signal=early, jitter=jitter)
        if isinstance(pending, Step):
            return pending
        asked = pending.request and MASK.value(compose_request(pending.request))
        recorded = None if then.limit is None else record.line.get("request")
        if asked and asked != recorded:
            raise self._divergence(record, Difference("request", _shown(recorded), _shown(asked)))
        found = (then.cut_off or then.answer or then.failure) if asked else None
        failed = None if then.unwritable is None else OSError(then.unwritable)
        outcome = found or failed
        return settle(self.chart, settings, pending, outcome, then.at, signal=then.signal, jitter=jitter)

    def _with_new_choices(self, record: Record, step: Step) -> Step:
        """The step to where the recorded one led, across choices that its chart did not have: they take no time."""
        after, header = step.after, self.journal.header
        for _ in self.chart.states if header.digest != self.chart.digest else ():
            if after.state == record.step.target:
                return step._replace(after=after)
            if self.chart.states[after.state].kind is not Kind.CHOOSES:
                break
            chosen = begin(self.chart, header.settings, after, step.at)
            assert isinstance(chosen, Step)  # noqa: S101  # a choice asks nothing
            after = chosen.after
        return step

    def _divergence(self, record: Record, *differences: Difference, step: Step | None = None) -> Divergence:
        return Divergence(record, differences, step=step, edges=tuple(self._changed_edges(record.step.source)))

    def _changed_edges(self, state: str) -> Iterator[str]:
        """What has changed about a state between the journal's chart and this one."""
        header = self.journal.header
        if header.digest == self.chart.digest:
            return
        try:
            recorded = chart_of(self.journal, recorded=True).states.get(state)
        except ChartError:
            yield "the recorded chart is not valid today: --chart recorded says why"
            return
        then, now = _described(recorded), _described(self.chart.states.get(state))
        yield from (f"- {line}" for line in then if line not in now)
        yield from (f"+ {line}" for line in now if line not in then)


def chart_of(journal: Journal, *, recorded: bool = False) -> Chart:
    """The chart to replay a journal on: today's, or the journal's where it was a user's own.

    Args:
        journal: The journal.
        recorded: Its own in any case.

    Raises:
        ChartError: That chart is not valid today.
    """
    header = journal.header
    if header.packaged and not recorded:
        return load(header.settings.action)
    return parse(header.source, f"{journal.name}: its chart", header.settings.action)


def replay(journal: Journal, chart: Chart | None = None) -> Standing:
    """Play a journal to its end.

    Returns:
        Where the run stands then.

    Raises:
        ChartError: As for `Replay`.
        Divergence: A step is not as it was recorded.
    """
    played = Replay(journal, chart)
    for _ in played:
        pass
    return played.standing


def _differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """The differences between a step's record and the recorded one."""
    found = [
        Difference(name, _shown(then.get(name)), _shown(now.get(name)))
        for name in _EXACT
        if then.get(name) != now.get(name)
    ]
    found += [
        Difference(name, _time(then.get(name)), _time(now.get(name)))
        for name in _TIMES
        if abs(then.get(name, -1.0) - now.get(name, -1.0)) > TOLERANCE
    ]
    facts, facts_now = then["facts"], now["facts"]
    found += [
        Difference(f"facts.{name}", *(_shown(one[name]) if name in one else "unchanged" for one in (facts, facts_now)))
        for name in {**facts, **facts_now}
        if facts.get(name, ...) != facts_now.get(name, ...)
    ]
    return found


def _shown(value: Any) -> str:  # noqa: ANN401  # any JSON
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _time(seconds: float | None) -> str:
    return "nothing" if seconds is None else f"{seconds:.10g} s"


def _described(state: State | None) -> list[str]:
    """A state's content in a chart, one line each."""
    if state is None:
        return ["no such state"]
    tries = [] if state.tries is None else [f"tries {state.tries}"]
    return [f"{state.kind} {state.operand or state.exit}", *tries, *(f"{on} -> {to}" for on, to in state.edges.items())]


def summary(journal: Journal) -> str:
    """What was recorded, on one line."""
    settings, records = journal.header.settings, journal.records
    last = records[-1]
    code = last.line.get("exit")
    end = f"stopped in {last.step.target}" if code is None else f"{last.step.target} ({code})"
    torn = "; killed while writing its last line" if journal.torn else ""
    steps = f"{len(records)} step{'s' if len(records) > 1 else ''} in {duration(last.step.at)}"
    return f"{settings.action} of {settings.connector_id}, {steps}, {end}{torn}"
