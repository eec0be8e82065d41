"""A session: one run, the moments that it went through, and the cursor among them.

A moment is a value, so going back is looking at an earlier one. The run itself stands at the
last moment; what is at Fivetran is not undone. To do something else from an earlier moment is
to fork: a new run takes up that moment's values, against a simulated Fivetran that is brought
to where the real one stood.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from http.client import responses

from orchestrator.debugger.journal_reader import ANSWERED, HASTENED, INJECTED
from orchestrator.debugger.ports import DebugPorts, Halted, Reply
from orchestrator.debugger.timeline import Moment, Timeline, kept
from orchestrator.fivetran import documents
from orchestrator.fivetran.effects.situation import resync_asked
from orchestrator.job.limits import Limits
from orchestrator.job.masking import Mask
from orchestrator.machine.chart import Chart, Kind, State
from orchestrator.machine.position import IllegalMove
from orchestrator.machine.run import Run
from orchestrator.machine.step import Step
from orchestrator.machine.transition import request_of, take
from orchestrator.simulator.app import KEY, SECRET, Simulator
from orchestrator.simulator.clock import Ahead, VirtualClock
from orchestrator.simulator.scenario import load_scenario
from orchestrator.values.clock import SystemClock
from orchestrator.values.exchange import Request
from orchestrator.values.facts import Facts

__all__ = ["AS_TOLD", "Session"]

AS_TOLD = "succeeds"  # the scenario of a fork that names none, from what was no simulation


class _Patient(Limits):
    """Ctrl-C, however often, ends what is under way and not the debugger."""

    def insist(self, number: int) -> None:
        """A second signal says no more than the first."""


class Session:
    """What is debugged.

    Args:
        line: The run.
        mask: Takes the secrets out of whatever is shown or saved.

    Attributes:
        line: The run that is looked at.
        left: The runs that it was forked from, innermost last.
        breakpoints: States and events to stop at, in the order of their setting.
        mask: Takes the secrets out.
        confirm: Asked before a request that changes something at the real Fivetran.
    """

    def __init__(self, line: Timeline, mask: Mask) -> None:
        self.line = line
        self.mask = mask
        self.left: list[Timeline] = []
        self.breakpoints: dict[str, None] = {}
        self.confirm: Callable[[Request], bool] = lambda _: False
        self._limits: Limits | None = None

    def close(self) -> None:
        """Close every world."""
        for line in (self.line, *self.left):
            line.close()

    # --- Where we are -------------------------------------------------------------------------

    @property
    def chart(self) -> Chart:
        """The chart."""
        return self.line.chart

    @property
    def here(self) -> Moment:
        """The moment that is looked at."""
        return self.line.moments[self.line.cursor]

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
        return request_of(self.chart, self.line.settings, self.here.standing)

    @property
    def before(self) -> Moment | None:
        """The moment before it, or None at the first one."""
        return self.line.moments[self.line.cursor - 1] if self.line.cursor else None

    @property
    def way(self) -> list[Step]:
        """The steps up to here."""
        return [moment.step for moment in self.line.moments[1 : self.line.cursor + 1] if moment.step is not None]

    @property
    def in_the_past(self) -> bool:
        """Whether later moments are known."""
        return self.line.cursor < len(self.line.moments) - 1

    @property
    def goes_on(self) -> bool:
        """Whether there is a next step: a known one, or one that can be taken."""
        return self.in_the_past or (self.line.run is not None and not self.line.run.ended)

    @property
    def live(self) -> bool:
        """Whether the next step may reach the real Fivetran."""
        return self.line.ports is not None and self.line.ports.live

    @property
    def unended(self) -> Timeline | None:
        """The run at the real Fivetran that has not ended, be it forked; None where there is none."""
        for line in (self.line, *self.left):
            if line.ports is not None and line.ports.live and not line.run_ended:
                return line
        return None

    @property
    def stops(self) -> list[str]:
        """The names that one can stop at: states, events and the values of choices."""
        return list(dict.fromkeys([*self.chart.states, *(event for _, event, _ in self.chart.edges())]))

    # --- Time ---------------------------------------------------------------------------------

    @contextmanager
    def limited(self, tick: Callable[[], None] = lambda: None) -> Iterator[Limits]:
        """While a command runs: limits hold, and Ctrl-C ends what is under way, not the debugger."""
        ports = self.line.ports
        with _Patient(SystemClock() if ports is None else ports.clock, tick) as limits:
            self._limits = limits
            if ports is not None:
                ports.limits, ports.confirm = limits, self.confirm
            yield limits

    def step(self) -> Moment:
        """One step on: a known one where later moments are known, else a new one.

        Raises:
            Halted: It was not taken.
        """
        if not self.in_the_past:
            self._lived(self._due_step)
        self.line.cursor += 1
        return self.here

    def until(self, *names: str, most: int | None = None, tell: Callable[[Moment], None] = lambda _: None) -> str:
        """Step on until one of the names or a breakpoint is reached, or there is no way on.

        Args:
            names: States and events; none for none but the breakpoints.
            most: Steps at most; None for any number.
            tell: Told each moment on the way.

        Returns:
            The name that was reached, or "".

        Raises:
            Halted: A step was not taken, or a signal arrived.
        """
        steps = 0
        while steps == 0 or (self.goes_on and steps != most):
            moment = self.step()
            steps += 1
            tell(moment)
            taken = {moment.standing.state, moment.step.event if moment.step else ""}
            for name in (*names, *self.breakpoints):
                if name in taken:
                    return name
            if self._limits is not None and self._limits.noted is not None:
                raise Halted("interrupted: the run stands where it stood")
        return ""

    def back(self, steps: int = 1) -> int:
        """Look at an earlier moment; return how many steps that was."""
        possible = min(steps, self.line.cursor)
        self.line.cursor -= possible
        return possible

    def forward(self, steps: int = 1) -> int:
        """Look at a later moment that is known; return how many steps that was."""
        possible = min(steps, len(self.line.moments) - 1 - self.line.cursor)
        self.line.cursor += possible
        return possible

    def back_to(self, name: str) -> bool:
        """Look at the latest earlier moment in a state; False, and no move, where there is none."""
        for index in range(self.line.cursor - 1, -1, -1):
            if self.line.moments[index].standing.state == name:
                self.line.cursor = index
                return True
        return False

    # --- By hand --------------------------------------------------------------------------------

    def inject(self, event: str) -> Moment:
        """Take an edge without doing what the state says.

        Raises:
            Halted: There is no such edge, or later moments are known.
        """

        def inject(run: Run, _: DebugPorts) -> tuple[Step, str]:
            try:
                step = take(self.chart, run.settings, run.standing, event, run.now)
                return run.took(step), INJECTED
            except IllegalMove as error:
                raise Halted(f"{error}: the edges here are {', '.join(self.state.edges) or 'none'}") from error

        self._lived(inject)
        self.line.cursor += 1
        return self.here

    def answer(self, status: int, body: bytes | None = None) -> Moment:
        """Let the next call return this.

        Args:
            status: HTTP status.
            body: The body; None for what Fivetran would say.

        Raises:
            Halted: Nothing is asked here, or later moments are known.
        """
        request = self.request
        if request is None:
            raise Halted(f"{self.state.name} asks nothing that could be answered: `step`, or `inject EVENT`")
        if body is None and self.live and status < HTTPStatus.MULTIPLE_CHOICES and self._needs_body(request):
            raise Halted(f"no document is known yet that could be the answer: `answer {status} FILE` names one")
        reply = Reply(status, self._body(request, status) if body is None else body, body is not None)

        def do(run: Run, ports: DebugPorts) -> tuple[Step, str]:
            self._wait(run, ports)
            ports.reply = reply
            step = run.step()
            unused, ports.reply = ports.reply, None
            return step, "" if unused else ANSWERED

        self._lived(do)
        self.line.cursor += 1
        return self.here

    def skip_wait(self) -> float:
        """Have the next step due now, without letting time pass; return the seconds that were skipped.

        Raises:
            Halted: Later moments are known.
        """
        run, ports = self._at_the_tip()
        here, skipped = self.here, max(0.0, run.wake - run.now)
        run.standing = run.standing._replace(wake=min(run.standing.wake, run.now))
        fresh = kept(run, ports, here.step, here.by_hand)
        self.line.moments[-1] = replace(fresh, resumed=here.resumed, hastened=skipped > 0)
        return skipped

    def _needs_body(self, request: Request) -> bool:
        return request.wants_data and self.here.facts.connection is None

    def _body(self, request: Request, status: int) -> bytes:
        """What Fivetran would say."""
        if status < HTTPStatus.MULTIPLE_CHOICES:
            data = {"data": dict(self.here.facts.connection or {})} if request.wants_data else {}
            return json.dumps({"code": "Success", **data}).encode()
        words = responses.get(status, "Unknown")
        # The plain code would say that the path is wrong.
        code = "NotFound_Connection" if status == HTTPStatus.NOT_FOUND else words.replace(" ", "")
        return json.dumps({"code": code, "message": words}).encode()

    # --- Another life ---------------------------------------------------------------------------

    def fork(self, scenario: str = "") -> None:
        """Go on from here against a simulated Fivetran; the run so far is kept for `unfork`.

        Args:
            scenario: How Fivetran behaves from here; "" for as before in a simulation, else for a sync that succeeds.

        Raises:
            Halted: The run has ended here.
            ScenarioError: There is no such scenario.
        """
        here, line = self.here, self.line
        if self.ended:
            raise Halted("the run has ended here: go `back` to where it is to take another way, then `fork`")
        clock = VirtualClock(here.wall)
        theirs = Ahead(clock, here.ahead)
        if here.fivetran is not None and not scenario:
            simulator, settings = here.fivetran.twin(theirs), line.settings
        else:
            chosen = load_scenario(scenario or AS_TOLD)
            simulator = Simulator(chosen, theirs)
            secret = chosen.variables.get("FIVETRAN_API_SECRET", SECRET)
            settings = replace(line.settings, api_key=KEY, api_secret=secret)
            if here.facts.connection is not None:
                connection = simulator.connection(settings.connector_id)
                connection.adopt(here.facts.connection, _under_way(here.facts))
        ports = DebugPorts(line.chart, settings, clock, self.mask, simulator=simulator, ahead=here.ahead)
        standing = here.standing._replace(started_at=clock.wall() - (here.wall - here.standing.started_at))
        run = Run(line.chart, ports.settings, ports.ports, standing=standing, elapsed=here.now)
        moments = line.moments[: line.cursor + 1]
        origin = f"fork: {simulator.scenario.name}"
        self.left.append(line)
        self.line = Timeline(line.chart, ports.settings, origin, moments, run, ports, line.cursor, line.resumed)

    def unfork(self) -> None:
        """Back to the run that this one was forked from, where it was left.

        Raises:
            Halted: It was not forked.
        """
        if not self.left:
            raise Halted("this run was not forked from another: there is nothing to go back to")
        self.line.close()
        self.line = self.left.pop()

    # --- Shared -----------------------------------------------------------------------------------

    def _at_the_tip(self) -> tuple[Run, DebugPorts]:
        """The run and its world, where something new may be done."""
        if self.ended:
            raise Halted("the run has ended: `back` goes to an earlier step, and `fork` on from there")
        if self.in_the_past:
            raise Halted("what came next is known: `fork` goes another way from here, `forward` and `step` the same")
        if self.line.run is None or self.line.ports is None:
            raise Halted(f"{self.line.end}: `fork` goes on from here against a simulated Fivetran")
        return self.line.run, self.line.ports

    def _lived(self, do: Callable[[Run, DebugPorts], tuple[Step, str]]) -> None:
        """Have a step taken, and keep the moment after it."""
        run, ports = self._at_the_tip()
        step, by_hand = do(run, ports)
        ports.trace.add(step)
        ports.interrupted = None
        by_hand = by_hand or (HASTENED if self.here.hastened else "")
        self.line.moments.append(kept(run, ports, step, by_hand))

    def _due_step(self, run: Run, ports: DebugPorts) -> tuple[Step, str]:
        self._wait(run, ports)
        return run.step(), ""

    @staticmethod
    def _wait(run: Run, ports: DebugPorts) -> None:
        while (wake := run.wake) > run.now:
            ports.pause(run.began + wake)


def _under_way(facts: Facts) -> str:
    """What started the sync that Fivetran is at, as far as the run knows; "" where none is.

    A trigger that was accepted after the document was read is under way. One whose answer was
    lost is taken for not carried out: nobody knows.
    """
    syncing = documents.sync_state(facts.connection or {}) == "syncing"
    read, asked = facts.read_at, facts.asked_at
    accepted = facts.triggered and read is not None and asked is not None and asked >= read
    return ("resync" if resync_asked(facts) else "sync") if syncing or accepted else ""
