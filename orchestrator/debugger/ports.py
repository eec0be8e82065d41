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
from orchestrator.job.job import bounded, raising
from orchestrator.job.limits import Limits
from orchestrator.job.masking import Mask
from orchestrator.job.report_folder import write_result
from orchestrator.job.result import Document
from orchestrator.machine.world import Noted, World
from orchestrator.simulator.app import Simulator
from orchestrator.simulator.server import served
from orchestrator.values.clock import SystemClock
from orchestrator.values.exchange import Answer, Cut, Failure, Request
from orchestrator.values.settings import Settings

__all__ = ["Halted", "Reply", "Rig"]


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


class Rig:
    """The world of one run.

    Args:
        settings: The run's settings; where there is a simulator, its address takes the place of the API's.
        clock: The time.
        mask: Learns the secrets that documents carry.
        simulator: The simulated Fivetran; None for the real one.
        ahead: Seconds by which Fivetran's clock is ahead of ours.

    Attributes:
        settings: The run's settings.
        clock: The time.
        simulator: The simulated Fivetran, or None.
        live: Fivetran is the real one.
        ahead: Seconds by which Fivetran's clock is ahead of ours, as far as is known.
        limits: Bounds calls and pauses; there while a command runs.
        confirm: Asked before a request that changes something at the real Fivetran.
        reply: What the next call is to be answered with, or None.
        noted: What the world did in this step, beside answering it.
        interrupted: The change that was cut off by a signal, and may have been carried out all the same; or None.
    """

    limits: Limits

    def __init__(
        self,
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
        self.clock = clock
        self.simulator = simulator
        self.live = simulator is None
        self.ahead = ahead
        self.confirm: Callable[[Request], bool] = lambda _: False
        self.reply: Reply | None = None
        self.noted = Noted()
        self.interrupted: Request | None = None
        self._mask = mask
        self._client = Client(
            url, settings.api_key, settings.api_secret, now=clock.wall, hide=mask.learn, mask=mask.block
        )
        self._open.callback(self._client.close)
        self.world = World(clock, raising(self._send), self._write, self._jitter)

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

    def _send(self, request: Request, seconds: float, interruptible: bool) -> Answer | Failure | Cut:  # noqa: FBT001  # Send's form
        del interruptible  # here everything is
        self.noted = self.noted._replace(limit=seconds)
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
        outcome = bounded(self._client, self.clock, self.limits)(request, seconds, True)  # noqa: FBT003  # Send's form
        if outcome is Cut.SIGNAL:
            self.interrupted = request if request.changes else None
            may = f"; {request} may have been carried out: `inject answer_lost` goes on as the job would"
            raise Halted(f"interrupted: the run stands where it stood{may if request.changes else ''}")
        if outcome is Cut.LIMIT:
            self.noted = self.noted._replace(cut_off="limit")
        if self.live and isinstance(outcome, Answer) and outcome.dated:
            self.ahead = outcome.date - self.clock.wall()
        return outcome

    def _write(self, document: Document) -> None:
        """The result alone: what is drawn from it, `report` draws from the saved journal."""
        if not self.live or not self.settings.report_dir:
            return
        try:
            write_result(document, Path(self.settings.report_dir), self._mask)
        except OSError as error:
            self.noted = self.noted._replace(unwritable=str(error))
            raise

    def _jitter(self) -> float:
        drawn = random.random() if self.live else 0.0  # noqa: S311  # a rehearsal is the same each time
        self.noted = self.noted._replace(jitter=drawn)
        return drawn
