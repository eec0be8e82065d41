"""How many requests an account may make within an hour."""

from collections import deque

__all__ = ["RateLimit"]

MINUTE, HOUR = 60, 60  # seconds in a minute, minutes in an hour


class RateLimit:
    """The limit, over the last hour, to the minute.

    Args:
        limit: Requests within an hour.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._made = 0
        self._minutes: deque[tuple[int, int]] = deque()  # a minute of the epoch, and the requests made in it

    @property
    def left(self) -> int:
        """How many requests are left, as of the last one."""
        return self.limit - self._made

    def ask(self, now: float) -> float:
        """Count a request, if one is left.

        Args:
            now: The time, in seconds since the epoch.

        Returns:
            Seconds until one is left; 0 if this one is counted.
        """
        minute = int(now // MINUTE)
        while self._minutes and self._minutes[0][0] <= minute - HOUR:
            self._made -= self._minutes.popleft()[1]
        if self.left <= 0:
            return (self._minutes[0][0] + HOUR) * MINUTE - now
        self._made += 1
        already = self._minutes.pop()[1] if self._minutes and self._minutes[-1][0] == minute else 0
        self._minutes.append((minute, already + 1))
        return 0.0
