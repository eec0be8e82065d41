"""Moments and timelines: what a run went through, as values that can be gone back to."""

from dataclasses import dataclass, field
from typing import Any, NoReturn, Self

from orchestrator.debugger.ports import Halted, Rig
from orchestrator.debugger.replay import Clock, Divergence, Replay, chart_of
from orchestrator.job.journal import (
    Journal,
    Resumption,
    as_line,
    compose_header,
    compose_record,
    compose_resumption,
    shortened,
)
from orchestrator.job.masking import Mask
from orchestrator.machine.chart import Chart, State
from orchestrator.machine.loader import ChartError
from orchestrator.machine.run import Run, Step
from orchestrator.machine.world import Noted, World
from orchestrator.simulator.app import Simulator
from orchestrator.values.facts import Facts
from orchestrator.values.formatting import iso
from orchestrator.values.settings import Settings

__all__ = ["Moment", "Timeline", "kept"]


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a run stood between two steps.

    Attributes:
        run: The run as it stood; it goes on in no world but in that of a fork.
        wall: The machine's clock, in seconds since the epoch.
        ahead: Seconds by which Fivetran's clock was ahead of it.
        step: The step that led here; None at the beginning.
        noted: What the world did in that step, beside answering it; None where it did nothing.
        by_hand: What of that step was not the world's doing, as a journal says it; or "".
        fivetran: The simulated Fivetran as it stood, or None.
        resumed: The run was taken up again before that step, or None.
        hastened: The next step is due before its time.
    """

    run: Run
    wall: float
    ahead: float = 0.0
    step: Step | None = None
    noted: Noted | None = None
    by_hand: str = ""
    fivetran: Simulator | None = None
    resumed: Resumption | None = None
    hastened: bool = False

    @classmethod
    def of(cls, run: Run, wall: float, **more: Any) -> Self:  # noqa: ANN401  # the other attributes
        """Where a run stands now, kept while it goes on."""
        clock = Clock(run.now, wall)
        return cls(run.fork(World(clock, _unable, _unable, lambda: 0.0)), wall, **more)

    @property
    def state(self) -> State:
        """The state."""
        return self.run.state

    @property
    def facts(self) -> Facts:
        """What was known."""
        return self.run.facts

    @property
    def due(self) -> float:
        """Seconds until the next step is due."""
        return max(0.0, self.run.wake - self.run.now)

    @property
    def left(self) -> float:
        """Seconds until the deadline or the grace strikes."""
        return self.run.deadline - self.run.now


def _unable(*_: object) -> NoReturn:
    """The world of a moment: nothing goes on in it."""
    raise Halted("a moment that has passed does nothing: `fork` goes on from it")


@dataclass
class Timeline:
    """One life of a run: lived here, or recorded.

    Attributes:
        chart: Its chart.
        settings: Its settings.
        origin: Where it comes from, in a word or two, for the prompt.
        moments: What it went through so far; never empty.
        run: The run at the last moment; None for a recording.
        rig: Its world; None for a recording.
        cursor: Which of the moments is looked at.
        resumed: What the run had been taken up from at its beginning, or None.
        end: Why nothing is known behind the last moment of a recording.
    """

    chart: Chart
    settings: Settings
    origin: str
    moments: list[Moment] = field(default_factory=list)
    run: Run | None = None
    rig: Rig | None = None
    cursor: int = 0
    resumed: Resumption | None = None
    end: str = "the recording ends here"

    @classmethod
    def begun(cls, chart: Chart, rig: Rig, origin: str) -> Self:
        """A run at its beginning."""
        run = Run(chart, rig.settings, rig.world)
        return cls(chart, rig.settings, origin, [kept(run, rig)], run, rig)

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
        line.moments.append(Moment.of(played.run, played.clock.wall()))
        ahead = 0.0
        try:
            for record, _, step in played:
                wall = played.clock.wall()
                if step.answer is not None and step.answer.dated:
                    ahead = step.answer.date - wall
                more = {"noted": record.noted, "by_hand": record.by_hand, "resumed": record.resumed}
                line.moments.append(Moment.of(played.run, wall, ahead=ahead, step=step, **more))
        except Divergence:
            line.end = "what was recorded from here on is not what this version does: `replay` tells the difference"
        return line

    def close(self) -> None:
        """Close its world, if it has one."""
        if self.rig is not None:
            self.rig.close()

    def journal(self, mask: Mask) -> str:
        """The whole run as a journal's text, without secrets."""
        header = mask.value(
            compose_header(self.moments[0].run, None if self.resumed is None else self.resumed.snapshot)
        )
        header["chart"]["source"] = mask.block(self.chart.source)  # its lines are kept
        text, before = [as_line(header)], self.moments[0].facts
        latest: dict[str, tuple[int, Any]] = {}
        for moment, step in [(moment, moment.step) for moment in self.moments if moment.step is not None]:
            if moment.resumed is not None:
                text.append(as_line(mask.value({"resumed": compose_resumption(moment.run, moment.resumed.snapshot)})))
                before = Facts.from_json(moment.resumed.snapshot["facts"])
            noted, at = moment.noted or Noted(), iso(moment.wall)
            began = moment.run.began
            record = compose_record(self.settings, self.chart, before, step, noted, began=began, at=at)
            if moment.by_hand:
                record["by_hand"] = moment.by_hand
            text.append(as_line(mask.value(shortened(record, latest))))
            before = moment.facts
        return "".join(text)


def kept(run: Run, rig: Rig, step: Step | None = None, by_hand: str = "") -> Moment:
    """Where a run that is lived here stands, its world included."""
    fivetran = None if rig.simulator is None else rig.simulator.twin(rig.clock)
    more: dict[str, Any] = {"ahead": rig.ahead, "noted": rig.noted, "fivetran": fivetran}
    return Moment.of(run, rig.clock.wall(), step=step, by_hand=by_hand, **more)
