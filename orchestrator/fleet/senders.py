"""A few threads that make the requests of many runs, each over a connection of its own.

The main thread hands requests out and watches their limits; a thread makes one at a time. What comes of one is
interpreted in the main thread. A request that is cut off ends at the server as well, and nothing of it is sent later;
its thread may still hang in a name look-up: another one takes its place.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import Any, Generic, Protocol, TypeVar

from orchestrator.fivetran.client import Client, Exchange, Exchanged, Outcome
from orchestrator.job.limits import LONGEST_READ, MARGIN, Limits
from orchestrator.machine.standing import GRACE_AFTER_SIGNAL
from orchestrator.values.clock import SystemClock
from orchestrator.values.exchange import Cut, Request

__all__ = ["MOST", "Outcome", "Senders", "Transport"]

MOST = 16  # requests at once

T = TypeVar("T")


class Transport(Protocol[T]):
    """What sends requests for many; `T` is what the caller knows one by."""

    @property
    def most(self) -> int:
        """How many requests can be under way at once."""
        ...

    @property
    def free(self) -> bool:
        """Whether another request can be sent now."""
        ...

    def send(self, about: T, request: Request, seconds: float, *, interruptible: bool) -> None:
        """Begin to send a request.

        Args:
            about: What the caller knows it by.
            request: The request.
            seconds: Its limit, from now on.
            interruptible: A signal cuts it off.
        """
        ...

    def ended(self, until: float) -> Iterator[tuple[T, Outcome]]:
        """What came of requests; waits for the first of them, a signal, a tick or a moment of the clock."""
        ...

    def interrupt(self) -> Iterator[tuple[T, Outcome]]:
        """A signal has come: cut off what it may cut off, and leave the rest its grace."""
        ...


@dataclass(slots=True)
class _Sender:
    """A thread, and what it makes requests with."""

    client: Client
    inbox: SimpleQueue[Exchange | None]
    has_thread: bool = True


@dataclass(slots=True)
class _Flight(Generic[T]):
    """A request under way."""

    about: T
    exchange: Exchange
    sender: _Sender
    until: float
    interruptible: bool


class Senders(Generic[T]):
    """The threads. They are started when they are needed.

    Args:
        connect: Makes a client.
        clock: The time.
        limits: What a signal wakes, and what ticks.
        warn: Told once if no thread can be started.
        most: How many there are, at most.

    Attributes:
        most: Likewise.
    """

    def __init__(
        self,
        connect: Callable[[], Client],
        clock: SystemClock,
        limits: Limits,
        warn: Callable[[str], object],
        most: int = MOST,
    ) -> None:
        self._connect = connect
        self._clock = clock
        self._limits = limits
        self._warn = warn
        self.most = most
        self._idle: list[_Sender] = []
        self._flights: list[_Flight[T]] = []
        self._made: SimpleQueue[Any] = SimpleQueue()  # a sender, its request, and what came of it
        limits.wakes(self._made)

    @property
    def free(self) -> bool:
        """Whether another request can be sent now."""
        return len(self._flights) < self.most

    def send(self, about: T, request: Request, seconds: float, *, interruptible: bool) -> None:
        """Begin to send a request, as `Transport` has it."""
        sender = self._idle.pop() if self._idle else self._started()
        exchange = sender.client.begin(request, min(self._clock.real(seconds) + MARGIN, LONGEST_READ))
        self._flights.append(_Flight(about, exchange, sender, self._clock.monotonic() + seconds, interruptible))
        if sender.has_thread:
            sender.inbox.put(exchange)
        else:
            self._made.put((sender, exchange, exchange.make()))

    def ended(self, until: float) -> Iterator[tuple[T, Outcome]]:
        """What came of requests, as `Transport` has it."""
        first = min((flight.until for flight in self._flights), default=until)
        for made in self._limits.take(self._made, min(first, until)):
            sender, exchange, received = made
            flight = next((flight for flight in self._flights if flight.exchange is exchange), None)
            if flight is not None:
                yield self._landed(flight, received)
            self._idle.append(sender)
        for flight in [flight for flight in self._flights if flight.until <= self._clock.monotonic()]:
            yield self._landed(flight, Cut.LIMIT)

    def interrupt(self) -> Iterator[tuple[T, Outcome]]:
        """A signal has come, as `Transport` has it."""
        until = self._clock.monotonic() + GRACE_AFTER_SIGNAL
        for flight in self._flights:
            flight.until = min(flight.until, until)
        for flight in [flight for flight in self._flights if flight.interruptible]:
            yield self._landed(flight, Cut.SIGNAL)

    def close(self) -> None:
        """Let the threads end that have nothing to do."""
        for sender in self._idle:
            sender.inbox.put(None)
            sender.client.close()

    def _landed(self, flight: _Flight[T], received: Exchanged) -> tuple[T, Outcome]:
        self._flights.remove(flight)
        return flight.about, flight.sender.client.end(flight.exchange, received)

    def _started(self) -> _Sender:
        sender = _Sender(self._connect(), SimpleQueue())
        try:
            Thread(target=self._work, args=(sender,), daemon=True).start()
        except RuntimeError as error:
            self._warn(f"{error}: requests end only at their own timeouts, and signals wait for them")
            self._warn = lambda _: None
            sender.has_thread = False
        return sender

    def _work(self, sender: _Sender) -> None:
        """What a thread does: one request after another."""
        while (exchange := sender.inbox.get()) is not None:
            self._made.put((sender, exchange, exchange.make()))
