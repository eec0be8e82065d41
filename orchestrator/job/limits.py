"""Time limits and signals: what takes time runs on a helper thread, and the main thread watches.

A call runs on a helper thread, while the main thread waits for its end, its limit or a signal. A signal's
handler takes a note and wakes whoever waits, and nothing else: it may come at any instruction, and the lock
of an Event, a Condition or a Queue may be held just then. What heeds the note is the waiter, or the run at
its next step.

Inherited from the parent process: signals that it had blocked are unblocked, or the end of the job would
never be noticed. An ignored SIGINT stays ignored: that is how a shell keeps Ctrl-C from background jobs.
SIGTERM is handled in any case: it is how a runner ends a job.
"""

import os
import signal
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from types import FrameType
from typing import Any, Self, TypeVar

from orchestrator.job.streams import say_at_once
from orchestrator.machine.standing import GRACE_AFTER_SIGNAL
from orchestrator.values.clock import SystemClock
from orchestrator.values.events import Event
from orchestrator.values.exchange import Cut

__all__ = ["LONGEST_READ", "MARGIN", "Limits"]

MARGIN = 1.0  # seconds by which the client's own limit is the longer one: that of `Limits` decides
LONGEST_READ = 86_400.0  # seconds; sockets take no more than some 24 days
TICK = 0.1  # real seconds; what is left of the 2 s after a signal must not go into ticks

T = TypeVar("T")

_EVENTS = {signal.SIGINT: Event.INTERRUPTED, signal.SIGTERM: Event.TERMINATED}


class Limits:
    """Bounds calls, pauses and the waiting for readers by time and, within `with`, by signals.

    Signals can be heeded in the main thread alone; without `with` it does for any thread, and an exception that one
    of them raises (KeyboardInterrupt) passes through.

    Args:
        clock: The clock of the limits.
        tick: Called ten times a second while one of them is under way.
        warn: Called once if no thread can be started.

    Attributes:
        noted: The signal that has arrived, as its event, or None.
    """

    def __init__(
        self,
        clock: SystemClock,
        tick: Callable[[], None] = lambda: None,
        warn: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.noted: Event | None = None
        self.tick = tick
        self._clock = clock
        self._warn = warn
        self._fresh = False  # a signal that no pause has been ended by yet
        self._interruptible = False
        self._until = 0.0
        self._ended: SimpleQueue[Any] = SimpleQueue()  # wakes who waits: the call's end, or None for a signal
        self._before: dict[int, Any] = {}
        self._blocked: set[int] = set()

    def __enter__(self) -> Self:
        for number in _EVENTS:
            if number != signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._on_signal)
        self._blocked = signal.pthread_sigmask(signal.SIG_UNBLOCK, self._before)
        return self

    def __exit__(self, *_: object) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._blocked)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def call(self, function: Callable[[], T], seconds: float, *, interruptible: bool) -> T | Cut:
        """Call a function on another thread, and wait for its result within a limit.

        Where no thread can be started it is called in this one: then nothing but the function itself ends it.

        Args:
            function: What to call; it raises nothing, and after a Cut it is left to itself.
            seconds: The limit, on the injected clock.
            interruptible: Whether a signal ends it; if not, one leaves it the grace's rest.
        """
        self.begin(seconds, interruptible=interruptible)
        ended = self._ended = SimpleQueue()
        end: tuple[T] | None = None
        if self.cut is None:
            try:
                Thread(target=lambda: ended.put((function(),)), daemon=True).start()
            except RuntimeError as error:
                self._warn(f"{error}: requests end only at their own timeouts, and signals wait for them")
                self._warn = lambda _: None
                return function()
        while (cut := self.cut) is None:
            if end is not None:
                return end[0]
            left = (self._until - self._clock.monotonic()) / self._clock.speed
            try:
                end = ended.get(timeout=max(0.001, min(TICK, left)))
            except Empty:
                self.tick()
        return cut

    def wakes(self, queue: SimpleQueue[Any]) -> None:
        """Have a signal wake who waits for what arrives in a queue: it puts None there."""
        self._ended = queue

    def take(self, queue: SimpleQueue[Any], until: float) -> list[Any]:
        """What arrives in a queue; waits for the first until a moment of the injected clock, a tick or a signal."""
        left = (until - self._clock.monotonic()) / self._clock.speed
        found = []
        try:
            found.append(queue.get(timeout=max(0.0, min(TICK, left))))
            while True:
                found.append(queue.get_nowait())
        except Empty:
            self.tick()
        return [one for one in found if one is not None]

    def pause(self, until: float) -> None:
        """Sleep until a moment of the injected clock, or until a signal arrives."""
        while not self._fresh and (left := until - self._clock.monotonic()) > 0:
            self.tick()
            self._clock.sleep(min(left, TICK * self._clock.speed))
        self._fresh = False

    def begin(self, seconds: float, *, interruptible: bool) -> None:
        """Set the limit, in seconds, for work in this thread that asks `goes_on` whether it may continue."""
        self._interruptible = interruptible
        self._until = self._clock.monotonic() + seconds

    def goes_on(self) -> bool:
        """Whether neither the limit nor a signal has ended what was begun; to be asked ten times a second."""
        self.tick()
        return self.cut is None

    @property
    def cut(self) -> Cut | None:
        """What has ended it, or None."""
        if self._fresh and self._interruptible:
            return Cut.SIGNAL
        return Cut.LIMIT if self._clock.monotonic() >= self._until else None

    def insist(self, number: int) -> None:
        """A second signal: end at once."""
        say_at_once("\nsecond signal: exiting now; what is running at Fivetran goes on\n")
        os._exit(128 + number)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if self.noted is not None:
            self.insist(number)
        self.noted = _EVENTS[signal.Signals(number)]
        self._fresh = True
        self._until = min(self._until, self._clock.monotonic() + GRACE_AFTER_SIGNAL)
        self._ended.put(None)
