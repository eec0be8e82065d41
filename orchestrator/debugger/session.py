"""A session: a run that is debugged, the moments that it went through, and which of them is looked at.

A moment is a value, so going back is looking at an earlier one. The run itself stands at the
last moment; what is at Fivetran is not undone. To do something else from an earlier moment is
to fork: another session goes on from that moment, against a simulated Fivetran that is brought
to where the real one stood (`sources.forked`).
"""

from dataclasses import dataclass, field

from orchestrator.debugger.journal_reader import ANSWERED, HASTENED, Resumption
from orchestrator.debugger.ports import ByHand, DebugPorts, Refusal
from orchestrator.job.masking import Mask
from orchestrator.machine.chart import Chart, Kind, State
from orchestrator.machine.standing import Standing
from orchestrator.machine.step import Step
from orchestrator.machine.transition import request_of
from orchestrator.simulator.app import Simulator
from orchestrator.values.exchange import Request
from orchestrator.values.settings import Settings

__all__ = ["Moment", "Session"]


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a run stood between two steps.

    Attributes:
        standing: Where it stood.
        now: When, in seconds since the run began.
        step: The step that led here; None at the beginning.
        by_hand: What of that step was done by hand, as a journal says it; or "".
        resumed: The resumption before that step, or at the beginning; or None.
        fivetran: The simulated Fivetran as it stood, or None.
        ahead: Seconds by which Fivetran's clock was ahead of the machine's.
        hastened: The next step is due before its time.
    """

    standing: Standing
    now: float
    step: Step | None = None
    by_hand: str = ""
    resumed: Resumption | None = None
    fivetran: Simulator | None = None
    ahead: float = 0.0
    hastened: bool = False

    @classmethod
    def of(cls, ports: DebugPorts, step: Step | None = None, by_hand: str = "") -> "Moment":
        """Where a run stands now, and the simulated Fivetran with it."""
        fivetran = None if ports.simulator is None else ports.simulator.twin(ports.clock)
        return cls(ports.run.standing, ports.run.now, step, by_hand, fivetran=fivetran, ahead=ports.ahead)


@dataclass
class Session:
    """What is debugged.

    Attributes:
        chart: The run's chart.
        settings: The run's settings.
        origin: Where the run comes from, in a word or two, for the prompt.
        mask: Takes the secrets out of whatever is shown or saved.
        moments: What the run went through so far; never empty.
        ports: The run at the last moment, with what it needs from outside; None for a recording.
        cursor: Which of the moments is looked at.
        end: Of a recording: why nothing is known after its last moment, and what to do.
        parent: The session that it was forked from, or None.
        breakpoints: States and events to stop at, in the order of their setting.
    """

    chart: Chart
    settings: Settings
    origin: str
    mask: Mask
    moments: list[Moment]
    ports: DebugPorts | None = None
    cursor: int = 0
    end: str = ""
    parent: "Session | None" = None
    breakpoints: dict[str, None] = field(default_factory=dict)

    def close(self) -> None:
        """Close its ports, and those of the sessions that it was forked from."""
        if self.ports is not None:
            self.ports.close()
        if self.parent is not None:
            self.parent.close()

    @property
    def here(self) -> Moment:
        """The moment that is looked at."""
        return self.moments[self.cursor]

    @property
    def state(self) -> State:
        """The state that is looked at."""
        return self.chart.states[self.here.standing.state]

    @property
    def ended(self) -> bool:
        """Whether the run has ended here."""
        return self.state.kind is Kind.EXIT

    @property
    def request(self) -> Request | None:
        """What the next step from here asks, or None."""
        return request_of(self.chart, self.settings, self.here.standing)

    @property
    def steps(self) -> list[Step]:
        """The steps up to here."""
        return [moment.step for moment in self.moments[: self.cursor + 1] if moment.step is not None]

    @property
    def in_the_past(self) -> bool:
        """Whether later moments are known."""
        return self.cursor < len(self.moments) - 1

    @property
    def goes_on(self) -> bool:
        """Whether there is a next step: a known one, or one that can be taken."""
        return self.in_the_past or (self.ports is not None and not self.ended)

    @property
    def live(self) -> bool:
        """Whether the next step may reach the real Fivetran."""
        return self.ports is not None and self.ports.live

    @property
    def stops(self) -> list[str]:
        """The names that one can stop at: states, events and the values of choices."""
        return list(dict.fromkeys([*self.chart.states, *(event for _, event, _ in self.chart.edges())]))

    def tip(self) -> DebugPorts:
        """The run and what it needs from outside, where something new may be done.

        Raises:
            Refusal: Nothing new may be done here.
        """
        if self.ended:
            raise Refusal("the run has ended: go `back` to an earlier step, and `fork` there")
        if self.in_the_past:
            raise Refusal(
                "the next step is known: `forward` and `step` repeat it, `fork` continues differently from here"
            )
        if self.ports is None:
            raise Refusal(self.end)
        return self.ports

    def step(self, by_hand: ByHand | None = None) -> None:
        """One step on: a known one where later moments are known, else a new one, when it is due.

        Args:
            by_hand: What the request of a new one is to be answered with, or None.

        Raises:
            Refusal: It was not taken.
        """
        if self.in_the_past:
            self.cursor += 1
            return
        step = self.tip().step(by_hand)
        self.add(step, ANSWERED if by_hand and step.limit is not None else "")

    def add(self, step: Step, by_hand: str = "") -> None:
        """Go on after a new step."""
        ports = self.tip()
        ports.run.took(step)
        ports.trace.add(step)
        ports.interrupted = None
        self.moments.append(Moment.of(ports, step, by_hand or (HASTENED if self.here.hastened else "")))
        self.cursor += 1
