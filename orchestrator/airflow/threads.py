"""A few threads that make the requests of an event loop: `requests` would hold it up.

They are the provider's own: asyncio's shared pool is everybody's, and the first to be full. A request that is cut off
ends at the server as well, and nothing of it is sent later.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread

from orchestrator.fivetran.client import Client, Exchange, Outcome
from orchestrator.job.limits import LONGEST_READ, MARGIN
from orchestrator.values.events import Event
from orchestrator.values.exchange import Cut, Failure, Request

__all__ = ["MOST", "Outcome", "Threads"]

MOST = 8  # requests at once


@dataclass(slots=True)
class _Flight:
    """A request under way."""

    request: Request
    seconds: float
    landed: asyncio.Future[Outcome]
    exchange: Exchange | None = None
    is_cut: bool = False


class _Sender:
    """A thread, and what it makes requests with."""

    def __init__(self, connect: Callable[[], Client], loop: asyncio.AbstractEventLoop) -> None:
        self.inbox: SimpleQueue[_Flight | None] = SimpleQueue()
        self._connect = connect
        self._loop = loop

    def start(self, again: Callable[["_Sender"], None]) -> None:
        """Begin.

        Args:
            again: Called in the event loop when it is idle.

        Raises:
            RuntimeError: No thread can be started.
        """
        Thread(target=self._work, args=(again,), name="fivetran-sender", daemon=True).start()

    def _work(self, again: Callable[["_Sender"], None]) -> None:
        client = self._connect()
        while (flight := self.inbox.get()) is not None:
            outcome = self._made(client, flight)
            try:
                self._loop.call_soon_threadsafe(_land, flight, outcome)
                self._loop.call_soon_threadsafe(again, self)
            except RuntimeError:  # the loop is closed: the triggerer ends
                break
        client.close()

    @staticmethod
    def _made(client: Client, flight: _Flight) -> Outcome | Exception:
        """What came of a request; its answer is interpreted here, too, since a listing is large."""
        try:
            exchange = flight.exchange = client.begin(flight.request, min(flight.seconds + MARGIN, LONGEST_READ))
            if flight.is_cut:
                return Cut.LIMIT
            return client.end(exchange, exchange.make())
        except Exception as error:  # noqa: BLE001  # a fault of ours, raised where the answer is waited for
            return error


def _land(flight: _Flight, outcome: Outcome | Exception) -> None:
    if flight.landed.done():
        return
    if isinstance(outcome, Exception) and not isinstance(outcome, Failure):
        flight.landed.set_exception(outcome)
    else:
        flight.landed.set_result(outcome)


class Threads:
    """The threads of one event loop; they are started when they are needed.

    Args:
        connect: Makes a client.
        most: How many requests are made at once.
    """

    def __init__(self, connect: Callable[[], Client], most: int = MOST) -> None:
        self._connect = connect
        self._idle: list[_Sender] = []
        self._slots = asyncio.Semaphore(most)
        self._closed = False

    async def send(self, request: Request, seconds: float) -> Outcome:
        """Send a request once; its limit begins when it is sent.

        Args:
            request: The request.
            seconds: Its limit.
        """
        async with self._slots:
            loop = asyncio.get_running_loop()
            flight = _Flight(request, seconds, loop.create_future())
            try:
                sender = self._idle.pop() if self._idle else self._started(loop)
            except RuntimeError as error:
                return Failure(Event.UNAVAILABLE, f"the triggerer has no thread for it: {error}")
            sender.inbox.put(flight)
            done = False
            try:
                async with asyncio.timeout(seconds):
                    landed = await flight.landed
                done = True
            except TimeoutError:
                return Cut.LIMIT
            else:
                return landed
            finally:
                if not done:
                    flight.is_cut = True
                    if flight.exchange is not None:
                        flight.exchange.sending.cut()

    def close(self) -> None:
        """Let the threads end."""
        self._closed = True
        for sender in self._idle:
            sender.inbox.put(None)
        self._idle = []

    def _started(self, loop: asyncio.AbstractEventLoop) -> _Sender:
        sender = _Sender(self._connect, loop)
        sender.start(self._again)
        return sender

    def _again(self, sender: _Sender) -> None:
        if self._closed:
            sender.inbox.put(None)
        else:
            self._idle.append(sender)
