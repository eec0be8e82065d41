"""What a debugged run needs from outside: a clock, a Fivetran, and answers given by hand."""

import json
import random
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import InitVar, dataclass, field, replace
from email.utils import formatdate
from http import HTTPStatus
from http.client import responses
from pathlib import Path

from orchestrator.fivetran.client import Client, interpret
from orchestrator.job.job import bounded
from orchestrator.job.limits import Limits
from orchestrator.job.masking import Mask
from orchestrator.job.report_folder import write_result
from orchestrator.job.result import result
from orchestrator.job.trace import Trace
from orchestrator.machine.chart import Chart
from orchestrator.machine.run import Ports, Run
from orchestrator.machine.standing import Standing
from orchestrator.machine.step import Step
from orchestrator.simulator.app import Simulator
from orchestrator.simulator.server import served
from orchestrator.values.clock import SystemClock
from orchestrator.values.exchange import Answer, Cut, Failure, Request
from orchestrator.values.settings import Settings

__all__ = ["ByHand", "DebugPorts", "Refusal"]

# What a request is to be answered with: the HTTP status, and the body; None for what Fivetran would say.
ByHand = tuple[int, bytes | None]


class Refusal(Exception):  # noqa: N818
    """A command was not executed, and the run has not moved; the message says why on one line."""


@dataclass
class DebugPorts:
    """A run, and what it needs from outside.

    Attributes:
        chart: The run's chart.
        settings: The run's settings; where there is a simulator, its address takes the place of the API's.
        clock: The time.
        mask: Learns the secrets that documents carry.
        simulator: The simulated Fivetran; None for the real one.
        ahead: Seconds by which Fivetran's clock is ahead of the local one, as far as is known.
        standing: Where the run goes on, instead of at the beginning.
        elapsed: Seconds since the run began, then.
        interrupted: The change that was cut off by a signal, and may have been carried out all the same; or None.
        run: The run.
        trace: Its steps.
        limits: Bounds calls and pauses; there while a command runs.
        confirm: Asked before a request that changes something at the real Fivetran; there while a command runs.
    """

    chart: Chart
    settings: Settings
    clock: SystemClock
    mask: Mask
    simulator: Simulator | None = None
    ahead: float = 0.0
    standing: InitVar[Standing | None] = None
    elapsed: InitVar[float] = 0.0
    interrupted: Request | None = None
    run: Run = field(init=False)
    trace: Trace = field(init=False, default_factory=Trace)
    limits: Limits = field(init=False)
    confirm: Callable[[Request], bool] = field(init=False)

    def __post_init__(self, standing: Standing | None, elapsed: float) -> None:
        self._open = ExitStack()
        if self.simulator is not None:
            self.settings = replace(self.settings, api_url=self._open.enter_context(served(self.simulator)))
        pair = self.settings.api_key, self.settings.api_secret
        hide, mask = self.mask.learn, self.mask.block
        self._client = Client(self.settings.api_url, *pair, now=self.clock.wall, hide=hide, mask=mask)
        self._open.callback(self._client.close)
        self._by_hand: ByHand | None = None
        # A rehearsal is the same each time.
        jitter = random.random if self.live else lambda: 0.0
        ports = Ports(self.clock, self._send, self._write, jitter)
        self.run = Run(self.chart, self.settings, ports, standing=standing, elapsed=elapsed)

    @property
    def live(self) -> bool:
        """Whether Fivetran is the real one."""
        return self.simulator is None

    def close(self) -> None:
        """Close the connections, and end the simulator."""
        self._open.close()

    def step(self, by_hand: ByHand | None) -> Step:
        """Wait until the next step is due, and take it.

        Args:
            by_hand: What its request is to be answered with, or None.

        Raises:
            Refusal: It was not taken: a signal ended the pause or the call, or a change was not to be sent.
        """
        run = self.run
        while (wake := run.wake) > run.now:
            self.limits.pause(run.began + wake)
            if self.limits.noted is not None:
                raise Refusal("interrupted: the pause is not over, and the run has not moved")
        self._by_hand = by_hand
        return run.step()

    def _send(self, request: Request, seconds: float, interruptible: bool) -> Answer | Failure | Cut:  # noqa: FBT001  # a port's form
        del interruptible  # here everything is
        if self._by_hand is None:
            if self.live and request.changes and not self.confirm(request):
                raise Refusal(f"not sent: {request}; the run has not moved")
            return self._call(request, seconds)
        status, body = self._by_hand
        if status < HTTPStatus.MULTIPLE_CHOICES and self.simulator is not None:
            # Carried out, or the simulated Fivetran would never know; and past any fault.
            with self.simulator.faultless():
                outcome = self._call(request, seconds)
            if isinstance(outcome, Cut):
                return outcome
            # If it would not do it, the answer by hand is given all the same.
            if isinstance(outcome, Answer) and body is None:
                return outcome._replace(status=status)
        headers = {"Date": formatdate(self.clock.wall() + self.ahead, usegmt=True), "Content-Type": "text/plain"}
        body = self._usual(request, status) if body is None else body
        try:
            return interpret(request, status, headers, body, hide=self.mask.learn, mask=self.mask.block)
        except Failure as failure:
            return failure

    def _usual(self, request: Request, status: int) -> bytes:
        """The body that Fivetran would send."""
        if status < HTTPStatus.MULTIPLE_CHOICES:
            data = {"data": dict(self.run.facts.connection or {})} if request.wants_data else {}
            return json.dumps({"code": "Success", **data}).encode()
        words = responses.get(status, "Unknown")
        # The plain code would say that the path is wrong.
        code = "NotFound_Connection" if status == HTTPStatus.NOT_FOUND else words.replace(" ", "")
        return json.dumps({"code": code, "message": words}).encode()

    def _call(self, request: Request, seconds: float) -> Answer | Failure | Cut:
        outcome = bounded(self._client, self.clock, self.limits)(request, seconds, True)  # noqa: FBT003  # a port's form
        if outcome is Cut.SIGNAL:
            self.interrupted = request if request.changes else None
            may = f"; {request} may have been carried out: `inject answer_lost` continues as the job would"
            raise Refusal(f"interrupted: the run has not moved{may if request.changes else ''}")
        if self.live and isinstance(outcome, Answer) and outcome.dated:
            self.ahead = outcome.date - self.clock.wall()
        return outcome

    def _write(self, standing: Standing) -> None:
        """The result alone: what is drawn from it, `report` draws from the saved journal."""
        if self.live and self.settings.report_dir:
            document = result(self.settings, self.chart, standing, self.trace, self.clock.wall())
            write_result(document, Path(self.settings.report_dir), self.mask)
