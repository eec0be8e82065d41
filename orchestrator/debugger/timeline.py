"""Moments and timelines: what a run went through, as values that can be gone back to."""

from dataclasses import dataclass, field
from typing import Self

from orchestrator.debugger.journal_reader import Journal, Resumption
from orchestrator.debugger.ports import DebugPorts
from orchestrator.debugger.replay import Divergence, Replay, chart_of
from orchestrator.job.journal import JournalLines
from orchestrator.job.masking import Mask
from orchestrator.machine.chart import Chart, Kind
from orchestrator.machine.loader import ChartError
from orchestrator.machine.run import Run
from orchestrator.machine.standing import Standing
from orchestrator.machine.step import Step
from orchestrator.simulator.app import Simulator
from orchestrator.values.facts import Facts
from orchestrator.values.settings import Settings

__all__ = ["Moment", "Timeline", "kept"]


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a run stood between two steps.

    Attributes:
        standing: Where it stood.
        now: When, in seconds since the run began.
        wall: The same on the machine's clock, in seconds since the epoch.
        ahead: Seconds by which Fivetran's clock was ahead of it.
        step: The step that led here; None at the beginning.
        by_hand: What of that step was not the world's doing, as a journal says it; or "".
        fivetran: The simulated Fivetran as it stood, or None.
        resumed: The run was taken up again before that step, or None.
        hastened: The next step is due before its time.
    """

    standing: Standing
    now: float
    wall: float
    ahead: float = 0.0
    step: Step | None = None
    by_hand: str = ""
    fivetran: Simulator | None = None
    resumed: Resumption | None = None
    hastened: bool = False

    @property
    def facts(self) -> Facts:
        """What was known."""
        return self.standing.facts

    @property
    def due(self) -> float:
        """Seconds until the next step is due."""
        return max(0.0, self.standing.due - self.now)

    @property
    def left(self) -> float:
        """Seconds until the deadline or the grace strikes."""
        return self.standing.deadline - self.now


@dataclass
class Timeline:
    """One life of a run: lived here, or recorded.

    Attributes:
        chart: Its chart.
        settings: Its settings.
        origin: Where it comes from, in a word or two, for the prompt.
        moments: What it went through so far; never empty.
        run: The run at the last moment; None for a recording.
        ports: Its world; None for a recording.
        cursor: Which of the moments is looked at.
        resumed: What the run had been taken up from at its beginning, or None.
        end: Why nothing is known behind the last moment of a recording.
    """

    chart: Chart
    settings: Settings
    origin: str
    moments: list[Moment] = field(default_factory=list)
    run: Run | None = None
    ports: DebugPorts | None = None
    cursor: int = 0
    resumed: Resumption | None = None
    end: str = "the recording ends here"

    @property
    def run_ended(self) -> bool:
        """Whether the run had ended at the last moment."""
        return self.chart.states[self.moments[-1].standing.state].kind is Kind.EXIT

    @classmethod
    def begun(cls, chart: Chart, ports: DebugPorts, origin: str) -> Self:
        """A run at its beginning."""
        run = Run(chart, ports.settings, ports.ports)
        return cls(chart, ports.settings, origin, [kept(run, ports)], run, ports)

    @classmethod
    def recorded(cls, journal: Journal) -> Self:
        """A recorded run, on the chart that it was recorded with as long as today's loader takes that.

        Raises:
            ChartError: It was a user's own chart, and today's loader does not take it.
            Divergence: It begins in a state that the chart does not have.
        """
        try:
            chart = chart_of(journal, recorded=True)
        except ChartError:
            chart = chart_of(journal)
        played = Replay(journal, chart)
        line = cls(chart, journal.header.settings, "recorded", resumed=journal.header.resumed)
        wall = played.standing.started_at + played.now
        line.moments.append(Moment(played.standing, played.now, wall))
        ahead = 0.0
        try:
            for record, step in played:
                wall = played.standing.started_at + played.now
                if step.answer is not None and step.answer.dated:
                    ahead = step.answer.date - wall
                moment = Moment(played.standing, played.now, wall, ahead, step, record.by_hand, resumed=record.resumed)
                line.moments.append(moment)
        except Divergence:
            line.end = "what was recorded from here on is not what this version does: `replay` tells the difference"
        return line

    def close(self) -> None:
        """Close its world, if it has one."""
        if self.ports is not None:
            self.ports.close()

    def journal(self, mask: Mask) -> str:
        """The whole run as a journal's text, without secrets."""
        snapshot = None if self.resumed is None else self.resumed.snapshot
        lines = JournalLines(mask)
        text = [lines.header(self.chart, self.settings, self.moments[0].standing, snapshot)]
        for moment in self.moments:
            if moment.step is None:
                continue
            if moment.resumed is not None:
                text.append(lines.resumption(moment.step.before, moment.resumed.snapshot))
            text.append(lines.step(moment.step, moment.by_hand))
        return "".join(text)


def kept(run: Run, ports: DebugPorts, step: Step | None = None, by_hand: str = "") -> Moment:
    """Where a run that is lived here stands, its world included."""
    fivetran = None if ports.simulator is None else ports.simulator.twin(ports.clock)
    return Moment(run.standing, run.now, ports.clock.wall(), ports.ahead, step, by_hand, fivetran)
