"""A clock on which time passes only when somebody waits."""

import threading

from orchestrator.clock import SystemClock

__all__ = ["VirtualClock"]


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
        """Let so many seconds pass, in no time."""
        with self._lock:
            self._passed += max(0.0, seconds)
