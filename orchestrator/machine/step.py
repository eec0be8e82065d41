"""A step of a run, complete: log, journal, report and drawings are made from steps alone."""

from typing import NamedTuple

from orchestrator.fivetran.effects import EFFECTS, Call
from orchestrator.machine.chart import Kind
from orchestrator.machine.standing import Standing
from orchestrator.values.events import SIGNALS, Event
from orchestrator.values.exchange import Answer, Cut, Failure, Request
from orchestrator.values.facts import Facts
from orchestrator.values.formatting import duration

__all__ = ["Signal", "Step"]


class Signal(NamedTuple):
    """A signal that has arrived.

    Attributes:
        event: As its event.
        at: When the run first saw it, in seconds since the run began.
    """

    event: Event
    at: float


class Step(NamedTuple):
    """One step, as a value. Times are seconds since the run began.

    Attributes:
        before: Where the run stood.
        event: The event or value whose edge was taken.
        after: Where it stands now.
        kind: What the state that was left is.
        operand: The effect, pause or choice that the state names.
        rule: The rule that decided, in words; of a choice its value, of a failure its message. `why` is for people.
        began: When it began.
        at: When it ended.
        request: What was asked, if anything.
        limit: Seconds that the request was given; None where none was sent.
        answer: What was answered.
        failure: Or how that failed.
        cut_off: Or what ended the request before either.
        unwritable: Why the results could not be written, or None.
        pause: Seconds that the back-off lasts which follows, 0 if none does.
        jitter: The number drawn for that back-off, or None.
        signal: The signal that had arrived, or None.
        exit: Exit code of the state that was entered, where it is final.
    """

    before: Standing
    event: str
    after: Standing
    kind: Kind
    operand: str
    rule: str
    began: float
    at: float
    request: Request | None = None
    limit: float | None = None
    answer: Answer | None = None
    failure: Failure | None = None
    cut_off: Cut | None = None
    unwritable: str | None = None
    pause: float = 0.0
    jitter: float | None = None
    signal: Signal | None = None
    exit: int | None = None

    @property
    def number(self) -> int:
        """Counted from 1."""
        return self.after.number

    @property
    def source(self) -> str:
        """The state that was left."""
        return self.before.state

    @property
    def target(self) -> str:
        """The state that was entered."""
        return self.after.state

    @property
    def facts(self) -> Facts:
        """The facts after it."""
        return self.after.facts

    @property
    def took(self) -> float:
        """Seconds that the request took."""
        return self.at - self.began

    @property
    def move(self) -> str:
        """The edge that was taken, in a line."""
        return f"{self.source} --{self.event}--> {self.target}"

    @property
    def outcome(self) -> str:
        """What came of the request, in a line."""
        return str(self.answer or self.failure or "cut off")

    @property
    def detail(self) -> str:
        """What was asked and how it was answered, in a line; "" if nothing was."""
        return "" if self.request is None else f"{self.request} -> {self.outcome}"

    @property
    def why(self) -> str:
        """Why the step took the edge that it took, in sentences."""
        # It reads docstrings, which the job need not do before its first request.
        from orchestrator.fivetran.vocabulary import meaning_of  # noqa: PLC0415

        meaning = meaning_of(self.event)
        if self.kind is Kind.CHOOSES:
            chosen = "" if self.rule == self.event else f": {self.event}"
            return f"{meaning_of(self.operand, self.kind)} It is {self.rule}{chosen}."
        if self.event in SIGNALS:
            return f"{meaning}."
        if self.failure is not None:
            why = f"{self.rule}: {meaning_of(self.failure.event)}"
            if self.event != self.failure.event:
                why += f"; {meaning}"
            return why + (f"; the next attempt is in {duration(self.pause)}." if self.pause else ".")
        if self.answer is None and isinstance(EFFECTS.get(self.operand), Call):
            return f"{meaning}; no request was sent."
        return f"{self.rule}: {meaning}." if self.rule else f"{meaning}."
