"""A simulated Fivetran that is asked without a network: the same answers, a fiftieth of the time."""

import base64
import json
from collections.abc import Callable
from typing import Protocol
from urllib.parse import parse_qsl

from orchestrator.fivetran.client import Client, interpret
from orchestrator.machine.run import Send
from orchestrator.machine.standing import GRACE_AFTER_SIGNAL
from orchestrator.simulator.app import KEY, SECRET, Arrival, Simulator
from orchestrator.simulator.clock import VirtualClock
from orchestrator.values.events import Event
from orchestrator.values.exchange import Answer, Cut, Failure, Request, unanswered

__all__ = ["answered", "arrived", "sender", "takes"]

_ENDLESS = {"hang", "trickle"}


class Noting(Protocol):
    """What takes a note of signals."""

    noted: Event | None


def arrived(simulator: Simulator, request: Request, key: str = KEY, secret: str = SECRET) -> Arrival:
    """The request as it has arrived."""
    path, _, query = request.path.partition("?")
    headers = {
        "Authorization": "Basic " + base64.b64encode(f"{key}:{secret}".encode()).decode(),
        "Accept": "application/json;version=2",
    }
    body = b"" if request.body is None else json.dumps(request.body).encode()
    return simulator.arrive(request.method, path, dict(parse_qsl(query)), headers, body)


def takes(arrival: Arrival) -> float:
    """Seconds from the arrival to the answer."""
    endless = arrival.fault is not None and arrival.fault.does in _ENDLESS
    return float("inf") if endless else arrival.acts_in + arrival.answers_in


def answered(
    simulator: Simulator,
    request: Request,
    arrival: Arrival,
    clock: VirtualClock,
    hide: Callable[[str], None] = lambda _: None,
    mask: Callable[[str], str] = str,
) -> Answer:
    """What the client makes of the answer, `takes` seconds after the arrival.

    Raises:
        Failure: There is no usable one.
    """
    began, lasts = clock.monotonic(), takes(arrival)
    clock.sleep(began + arrival.acts_in - clock.monotonic())
    reply = simulator.answer(arrival)
    clock.sleep(began + lasts - clock.monotonic())
    status, headers, body = reply.status_code, {**reply.headers, **simulator.date(arrival)}, reply.data
    match arrival.fault.does if arrival.fault is not None else "":
        case "reset" | "truncate":
            raise unanswered(request, "ConnectionError: made up")
        case "short":
            status, headers, body = 200, {"Content-Type": "application/json"}, body[: len(body) // 2]
    return interpret(request, status, headers, body, now=clock.wall, hide=hide, mask=mask)


def sender(simulator: Simulator, key: str, secret: str) -> Callable[[Client, VirtualClock, Noting], Send]:
    """What takes the place of `job.bounded`: a client's `send` that asks a simulator directly."""

    def bounded(client: Client, clock: VirtualClock, noting: Noting) -> Send:
        def send(request: Request, seconds: float, interruptible: bool) -> Answer | Failure | Cut:  # noqa: FBT001  # a port's form
            before = noting.noted
            until = clock.monotonic() + seconds
            arrival = arrived(simulator, request, key, secret)
            if noting.noted is not None and noting.noted is not before:
                if interruptible:
                    return Cut.SIGNAL
                until = min(until, clock.monotonic() + GRACE_AFTER_SIGNAL)
            if clock.monotonic() + takes(arrival) >= until:
                clock.sleep(until - clock.monotonic())
                return Cut.LIMIT
            try:
                return answered(simulator, request, arrival, clock, client._reader.hide, client._reader.mask)
            except Failure as failure:
                return failure

        return send

    return bounded
