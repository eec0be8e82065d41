"""Time limits and signals, by one mechanism: an interval timer and three signal handlers.

`requests` bounds each read, so a trickle lasts as long as it likes; and a signal must end a
call or a pause wherever it is. So the handlers raise, but only while a call or a pause is
under way: elsewhere they take a note, and the run heeds it at its next step. What they raise
is no Exception, so that no library absorbs it; and where one is lost all the same (Python
drops what is raised in a finaliser), the timer ticks on and raises it again.

What the parent process left behind: signals that it had blocked are unblocked, or neither a
limit nor the end of the job would ever be noticed. SIGINT that is ignored stays ignored: that
is how a shell keeps Ctrl-C from what it runs in the background. SIGTERM is heeded in any case:
it is how a runner ends a job.
"""

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self, TypeVar

from orchestrator.job.streams import say_at_once
from orchestrator.machine.standing import GRACE_AFTER_SIGNAL
from orchestrator.values.clock import SystemClock
from orchestrator.values.events import Event

__all__ = ["LimitReached", "SignalReceived", "Watch"]

TICK = 0.1  # real seconds; what is left of the 2 s after a signal must not go into ticks
MARGIN = 60.0  # a pause ends by itself; the limit is only there to have one

T = TypeVar("T")

_EVENTS = {signal.SIGINT: Event.INTERRUPTED, signal.SIGTERM: Event.TERMINATED}


class LimitReached(BaseException):
    """A call was cut off at its time limit. Not an Exception: no library may absorb it."""


class SignalReceived(BaseException):
    """A call or a pause was cut off by a signal. Not an Exception: no library may absorb it."""


class Watch:
    """Bounds calls and pauses by time and by signals. Only in the main thread.

    Args:
        clock: The clock of the limits.
        tick: Called ten times a second while a call or a pause is under way.
    """

    def __init__(self, clock: SystemClock, tick: Callable[[], None] = lambda: None) -> None:
        self.noted: Event | None = None
        self.tick = tick
        self._clock = clock
        self._fresh = False  # a signal that no call or pause has been ended by yet
        self._armed = False
        self._interruptible = False
        self._until = 0.0
        self._before: dict[int, object] = {}
        self._blocked: set[int] = set()
        self._report_lost = sys.unraisablehook

    def __enter__(self) -> Self:
        handlers: dict[int, Callable[[int, FrameType | None], None]] = {
            signal.SIGINT: self._on_signal,
            signal.SIGTERM: self._on_signal,
            signal.SIGALRM: self._on_alarm,
        }
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            del handlers[signal.SIGINT]
        for number, handler in handlers.items():
            self._before[number] = signal.signal(number, handler)
        self._blocked = signal.pthread_sigmask(signal.SIG_UNBLOCK, handlers)
        self._report_lost, sys.unraisablehook = sys.unraisablehook, self._on_lost
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.unraisablehook = self._report_lost
        signal.pthread_sigmask(signal.SIG_SETMASK, self._blocked)
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal returned

    def signal(self) -> Event | None:
        """The signal that has arrived, as its event, or None."""
        return self.noted

    def call(self, function: Callable[[], T], seconds: float, *, interruptible: bool) -> T:
        """Call a function for at most so many seconds.

        Args:
            function: What to call.
            seconds: The limit, on the injected clock.
            interruptible: Whether a signal ends it; if not, one leaves it the grace's rest.

        Raises:
            LimitReached: The time was up.
            SignalReceived: A signal arrived.
        """
        try:
            self._interruptible = interruptible
            self._until = self._clock.monotonic() + seconds
            self._armed = True
            tick = max(0.001, min(TICK, seconds / self._clock.speed))
            signal.setitimer(signal.ITIMER_REAL, tick, tick)
            self._strike()
            result = function()
            self._armed = False
        finally:
            self._armed = False
            signal.setitimer(signal.ITIMER_REAL, 0)
        return result

    def pause(self, until: float) -> None:
        """Sleep until a moment of the injected clock, or until a signal arrives."""
        seconds = until - self._clock.monotonic()
        try:
            self.call(lambda: self._clock.sleep(seconds), seconds + MARGIN, interruptible=True)
        except (SignalReceived, LimitReached):
            self._fresh = False

    def insist(self, number: int) -> None:
        """A second signal: end at once."""
        say_at_once("\nsecond signal: ended at once; what was under way at Fivetran goes on\n")
        os._exit(128 + number)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if self.noted is not None:
            self.insist(number)
        self.noted = _EVENTS[signal.Signals(number)]
        self._fresh = True
        self._until = min(self._until, self._clock.monotonic() + GRACE_AFTER_SIGNAL)
        if self._armed:
            self._strike()

    def _on_lost(self, lost: "sys.UnraisableHookArgs") -> None:
        """What a finaliser dropped: ours is raised again at the next tick, so it is not worth a traceback."""
        if not isinstance(lost.exc_value, LimitReached | SignalReceived):
            self._report_lost(lost)

    def _on_alarm(self, _: int, __: FrameType | None) -> None:
        if self._armed:
            self.tick()
            self._strike()

    def _strike(self) -> None:
        if self._fresh and self._interruptible:
            raise SignalReceived
        if self._clock.monotonic() >= self._until:
            raise LimitReached
