"""The world that a debugged run lives in: a clock, a Fivetran, and a hand on the requests."""

import random
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

from orchestrator.fivetran.client import Client, interpret
from orchestrator.job.job import bounded
from orchestrator.job.limits import Limits
from orchestrator.job.masking import Mask
from orchestrator.job.report_folder import write_result
from orchestrator.job.result import result
from orchestrator.job.trace import Trace
from orchestrator.machine.chart import Chart
from orchestrator.machine.run import Ports
from orchestrator.machine.standing import Standing
from orchestrator.simulator.app import Simulator
from orchestrator.simulator.server import served
from orchestrator.values.clock import SystemClock
from orchestrator.values.exchange import Answer, Cut, Failure, Request
from orchestrator.values.settings import Settings

__all__ = ["DebugPorts", "Halted", "Reply"]


class Halted(Exception):  # noqa: N818
    """A step was not taken, and the run stands where it stood; the message says why."""


class Reply(NamedTuple):
    """What a call is to be answered with, by hand.

    Attributes:
        status: HTTP status.
        body: The body.
        given: The body is the user's own; else it stands in where no simulated Fivetran has a better one.
    """

    status: int
    body: bytes
    given: bool

    @property
    def success(self) -> bool:
        """Whether it says that the request was carried out."""
        return self.status < HTTPStatus.MULTIPLE_CHOICES


class DebugPorts:
    """The world of one run.

    Args:
        chart: The run's chart.
        settings: The run's settings; where there is a simulator, its address takes the place of the API's.
        clock: The time.
        mask: Learns the secrets that documents carry.
        simulator: The simulated Fivetran; None for the real one.
        ahead: Seconds by which Fivetran's clock is ahead of ours.

    Attributes:
        chart: The run's chart.
        trace: The run's steps.
        settings: The run's settings.
        clock: The time.
        simulator: The simulated Fivetran, or None.
        live: Fivetran is the real one.
        ahead: Seconds by which Fivetran's clock is ahead of ours, as far as is known.
        limits: Bounds calls and pauses; there while a command runs.
        confirm: Asked before a request that changes something at the real Fivetran.
        reply: What the next call is to be answered with, or None.
        interrupted: The change that was cut off by a signal, and may have been carried out all the same; or None.
    """

    limits: Limits

    def __init__(
        self,
        chart: Chart,
        settings: Settings,
        clock: SystemClock,
        mask: Mask,
        *,
        simulator: Simulator | None = None,
        ahead: float = 0.0,
    ) -> None:
        self._open = ExitStack()
        url = settings.api_url if simulator is None else self._open.enter_context(served(simulator))
        self.settings = replace(settings, api_url=url)
        self.chart = chart
        self.trace = Trace()
        self.clock = clock
        self.simulator = simulator
        self.live = simulator is None
        self.ahead = ahead
        self.confirm: Callable[[Request], bool] = lambda _: False
        self.reply: Reply | None = None
        self.interrupted: Request | None = None
        self._mask = mask
        self._client = Client(
            url, settings.api_key, settings.api_secret, now=clock.wall, hide=mask.learn, mask=mask.block
        )
        self._open.callback(self._client.close)
        self.ports = Ports(clock, self._send, self._write, self._jitter)

    def close(self) -> None:
        """Close the connections, and end the simulator."""
        self._open.close()

    def pause(self, until: float) -> None:
        """Let the time pass until a moment of the clock.

        Raises:
            Halted: A signal ended the pause.
        """
        self.limits.pause(until)
        if self.limits.noted is not None:
            raise Halted("interrupted: the pause is not over, and the run stands where it stood")

    def _send(self, request: Request, seconds: float, interruptible: bool) -> Answer | Failure | Cut:  # noqa: FBT001  # a port's form
        del interruptible  # here everything is
        reply, self.reply = self.reply, None
        if reply is None:
            if self.live and request.changes and not self.confirm(request):
                raise Halted(f"not sent: {request}; the run stands where it stood")
            return self._call(request, seconds)
        if reply.success and self.simulator is not None:
            # Carried out, or the simulated Fivetran would never know; and past any fault.
            with self.simulator.faultless():
                outcome = self._call(request, seconds)
            if isinstance(outcome, Cut):
                return outcome
            if isinstance(outcome, Answer) and not reply.given:
                return replace(outcome, status=reply.status)
            # It would not do it, or the reply is the user's own: that one is given.
        headers = {"Date": formatdate(self.clock.wall() + self.ahead, usegmt=True), "Content-Type": "text/plain"}
        try:
            return interpret(request, reply.status, headers, reply.body, hide=self._mask.learn, mask=self._mask.block)
        except Failure as failure:
            return failure

    def _call(self, request: Request, seconds: float) -> Answer | Failure | Cut:
        outcome = bounded(self._client, self.clock, self.limits)(request, seconds, True)  # noqa: FBT003  # a port's form
        if outcome is Cut.SIGNAL:
            self.interrupted = request if request.changes else None
            may = f"; {request} may have been carried out: `inject answer_lost` goes on as the job would"
            raise Halted(f"interrupted: the run stands where it stood{may if request.changes else ''}")
        if self.live and isinstance(outcome, Answer) and outcome.dated:
            self.ahead = outcome.date - self.clock.wall()
        return outcome

    def _write(self, standing: Standing) -> None:
        """The result alone: what is drawn from it, `report` draws from the saved journal."""
        if self.live and self.settings.report_dir:
            document = result(self.settings, self.chart, standing, self.trace, self.clock.wall())
            write_result(document, Path(self.settings.report_dir), self._mask)

    def _jitter(self) -> float:
        return random.random() if self.live else 0.0  # noqa: S311  # a rehearsal is the same each time
