"""The world outside a run, as the driver sees it: clock, network, disk and signals, all injected."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from orchestrator.job.result import Document
from orchestrator.values.events import Event
from orchestrator.values.exchange import Answer, Request

__all__ = ["GRACE_AFTER_SIGNAL", "Clock", "LimitReached", "Noted", "SignalReceived", "World"]

GRACE_AFTER_SIGNAL = 1.5  # seconds after the conclusion, once a signal has come: 2 s in all


class LimitReached(BaseException):
    """A call was cut off at its time limit. Not an Exception: no library may absorb it."""


class SignalReceived(BaseException):
    """A call or a pause was cut off by a signal. Not an Exception: no library may absorb it."""


class Clock(Protocol):
    """The time, injected: nothing else reads a clock."""

    def monotonic(self) -> float:
        """Seconds on a clock that is never set: for deadlines."""
        ...

    def wall(self) -> float:
        """Seconds since the epoch."""
        ...


class World(NamedTuple):
    """What a run needs of the world outside.

    Attributes:
        clock: The time.
        send: Sends a request within so many seconds; `interruptible` says whether a signal
            may cut it off. Raises Failure, LimitReached or SignalReceived.
        write: Writes the result down. Raises OSError.
        jitter: A number in [0, 1), for back-offs.
        signal: The signal that has arrived, as its event, or None.
    """

    clock: Clock
    send: Callable[[Request, float, bool], Answer]
    write: Callable[[Document], None]
    jitter: Callable[[], float]
    signal: Callable[[], Event | None] = lambda: None


class Noted(NamedTuple):
    """What the world did to a run in one step, beside answering it.

    Attributes:
        limit: Seconds that the request was given; None where none was sent.
        cut_off: What ended the request before an answer or a failure did: "limit", "signal" or "".
        unwritable: Why the files could not be written, or None.
        jitter: The number drawn for a back-off, or None.
        signal: The signal that had arrived, or None.
        signalled: When the run first saw it, on the clock of the world.
    """

    limit: float | None = None
    cut_off: str = ""
    unwritable: str | None = None
    jitter: float | None = None
    signal: Event | None = None
    signalled: float | None = None
