"""Clocks of a simulated Fivetran: one on which time passes only in waits, one that is ahead."""

import threading

from orchestrator.values.clock import SystemClock

__all__ = ["Ahead", "VirtualClock"]


class VirtualClock(SystemClock):
    """Time is virtual: sleeping moves it on at once.

    Args:
        start: Seconds since the epoch at the start.
    """

    speed = 2000.0  # how much of it a hanging connection makes pass in a real second, about

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._start = start
        self._passed = 0.0
        self._lock = threading.Lock()

    def monotonic(self) -> float:
        """Seconds since the start."""
        return self._passed

    def wall(self) -> float:
        """Seconds since the epoch."""
        return self._start + self._passed

    def real(self, seconds: float) -> float:
        """More than any answer takes: real time must not decide what happens on this clock."""
        del seconds
        return 60.0

    def sleep(self, seconds: float) -> None:
        """Let that many seconds pass, in no time."""
        with self._lock:
            self._passed += max(0.0, seconds)


class Ahead(SystemClock):
    """Another clock, a number of seconds ahead: Fivetran's is not this machine's.

    Args:
        clock: The other one.
        by: Seconds; negative where it is late.
    """

    def __init__(self, clock: SystemClock, by: float) -> None:
        self.speed = clock.speed
        self._clock = clock
        self._by = by

    def monotonic(self) -> float:
        """Seconds on a clock that is never set."""
        return self._clock.monotonic()

    def wall(self) -> float:
        """Seconds since the epoch."""
        return self._clock.wall() + self._by

    def real(self, seconds: float) -> float:
        """Real seconds in which that many seconds of this clock pass."""
        return self._clock.real(seconds)

    def sleep(self, seconds: float) -> None:
        """Let that many seconds pass, on the other one, too."""
        self._clock.sleep(seconds)
