"""Clocks: the machine's own, and one that runs faster for a demonstration.

The one module that sleeps.
"""

import time

__all__ = ["FastClock", "SystemClock"]


class SystemClock:
    """The machine's clock.

    Attributes:
        speed: Seconds that pass on it in one real second.
    """

    speed = 1.0

    def monotonic(self) -> float:
        """Seconds on a clock that is never set."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def real(self, seconds: float) -> float:
        """Real seconds in which that many seconds of this clock pass."""
        return seconds / self.speed

    def sleep(self, seconds: float) -> None:
        """Let that many seconds of this clock pass."""
        time.sleep(self.real(max(0.0, seconds)))


class FastClock(SystemClock):
    """A clock on which `speed` seconds pass in one real second, from the real time on.

    Args:
        speed: Seconds per real second; more than 0.
    """

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self._monotonic = time.monotonic()
        self._wall = time.time()

    def monotonic(self) -> float:
        """Seconds on a clock that is never set."""
        return self._monotonic + (time.monotonic() - self._monotonic) * self.speed

    def wall(self) -> float:
        """Seconds since the epoch."""
        return self._wall + (self.monotonic() - self._monotonic)
