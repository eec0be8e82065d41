"""A run on a worker: every change at Fivetran is made here, with a note before and after."""

from collections.abc import Callable
from typing import NamedTuple

from orchestrator.airflow.handover import changes, handed_over, waits_elsewhere
from orchestrator.airflow.note import Note, is_unfinished
from orchestrator.fivetran import documents
from orchestrator.job.masking import Mask
from orchestrator.job.trace import Trace
from orchestrator.machine.chart import Kind
from orchestrator.machine.run import Run
from orchestrator.machine.standing import Standing
from orchestrator.machine.step import Step
from orchestrator.machine.transition import Pending
from orchestrator.values.events import Event

__all__ = ["Worker"]

POSTPONED = {Event.RESCHEDULED, Event.TOO_LATE}


class Worker(NamedTuple):
    """What a worker runs.

    Attributes:
        run: The run.
        trace: Its steps so far.
        note: What is kept of it for a retry.
        mask: Takes the secrets out.
        pause: Waits until a moment of the run's clock; it may return early.
        tell: Told of each step.
        deferrable: The triggerer does the waiting.
        postpones: A run that Fivetran rescheduled past its deadline is to be taken up then.
    """

    run: Run
    trace: Trace
    note: Note
    mask: Mask
    pause: Callable[[float], None]
    tell: Callable[[Step], None]
    deferrable: bool = True
    postpones: bool = False

    def work(self) -> bool:
        """Drive the run until it has ended, or waits for the triggerer.

        Returns:
            Whether it has ended.
        """
        run, unnoted = self.run, False
        last = run.standing  # before the verdict
        while not run.ended:
            if self.deferrable and run.signal is None and waits_elsewhere(run.chart, run.standing, run.now):
                return False
            while (wake := run.wake) > run.now:
                self.pause(run.began + wake)
            asks = changes(run.chart, run.standing) and not run.standing.concluded
            step = self._step(asks=asks)
            self.trace.add(step)
            self.tell(step)
            unnoted = (unnoted or (asks and step.request is not None)) and not run.standing.concluded
            if unnoted and run.can_be_resumed_here and not changes(run.chart, run.standing):
                self._keep(asking=False)
                unnoted = False
            last = last if run.standing.concluded else run.standing
        self._conclude(last)
        return True

    def _step(self, *, asks: bool) -> Step:
        run = self.run
        pending = run.begin()
        if not isinstance(pending, Pending):
            return pending
        if pending.request is None:
            return run.settle(pending, run.write(pending))
        if asks:
            self._keep(asking=True)
        return run.settle(pending, run.ports.send(pending.request, pending.limit, pending.interruptible))

    def _keep(self, *, asking: bool, standing: Standing | None = None, later: float | None = None) -> None:
        run = handed_over(self.run, standing or self.run.standing, self.trace, self.mask, planned=not asking)
        self.note.keep(run, asking=asking, later=later)

    def _conclude(self, before: Standing) -> None:
        """The run has ended: what a retry is to find. Not before, or a worker that dies meanwhile has lost its sync."""
        run, facts = self.run, self.run.facts
        waits = run.chart.states[before.state].kind is Kind.WAITS
        if self.postpones and waits and facts.verdict in POSTPONED:
            self._keep(asking=False, standing=before, later=documents.parse_time(facts.waited_for))
        elif not is_unfinished(run.settings, facts):
            self.note.drop()
