"""The account's limit of requests an hour, shared by all connections of a job: when the next request may be sent.

What is left is learned from each answer (`x-rate-limit-remaining`), and a 429 holds everything back. So all runs slow
down together, instead of failing one by one. https://fivetran.com/docs/rest-api/api-reference/limits
"""

import math
from collections.abc import Mapping

from orchestrator.fivetran.client import Outcome
from orchestrator.values.events import Event
from orchestrator.values.exchange import Answer, Failure

__all__ = ["HOUR", "Budget"]

HOUR = 3600.0  # seconds
SHARE = 0.5  # of what is left at the first answer: others use the account, too
LEAST = 60.0  # requests an hour, however little is left: nothing else tells when there is more again
FIRST_HOLD, LONGEST_HOLD = 1.0, 60.0  # seconds after a 429 without Retry-After; doubled in between


class Budget:
    """What may still be asked. Times are seconds on the job's clock.

    Args:
        per_hour: Requests an hour that the job may make; None for half of what is left at its first answer.

    Attributes:
        per_hour: Likewise; None while it is not known.
        spent: Requests so far.
        held_until: When a 429 lets the next request through.
    """

    def __init__(self, per_hour: float | None = None) -> None:
        self.per_hour = per_hour
        self._learns = per_hour is None
        self.spent = 0
        self.held_until = 0.0
        self._left = per_hour or 0.0
        self._since = 0.0  # when that much was left
        self._refusals = 0  # in a row

    def spend(self, now: float) -> None:
        """A request is sent now."""
        self.spent += 1
        self._left = self._left_at(now) - 1
        self._since = now

    def heed(self, headers: Mapping[str, str], now: float) -> None:
        """Learn from the headers of an answer how many requests are left for the account."""
        text = headers.get("x-rate-limit-remaining", "")
        if not text.isascii() or not text.isdigit():
            return
        remaining = float(text[:9])
        known, left = self.per_hour or 0.0, self._left_at(now)
        if self._learns:  # and more, once others have used less
            self.per_hour = max(LEAST, known, remaining * SHARE)
            left += self.per_hour - known
        self._left = min(left, remaining)
        self._since = now

    def ended(self, outcome: Outcome, now: float) -> None:
        """Hold everything back after a 429, as long as that asks."""
        if not isinstance(outcome, Failure) or outcome.event is not Event.RATE_LIMITED:
            self._refusals = 0 if isinstance(outcome, Answer) else self._refusals
            return
        seconds = outcome.retry_after
        if seconds is None:
            if now < self.held_until:  # sent together with the one that this is held for
                return
            seconds = min(FIRST_HOLD * 2.0**self._refusals, LONGEST_HOLD)
        self._refusals += 1
        self.held_until = max(self.held_until, now + seconds)

    def not_before(self, now: float) -> float:
        """When the next request may be sent: now, or later."""
        at = max(now, self.held_until)
        lacking = 1 - self._left_at(at)
        if self.per_hour is None or lacking <= 0:
            return at
        return at + lacking * HOUR / self.per_hour

    def within(self, now: float, seconds: float) -> float:
        """How many requests may be sent in the next seconds."""
        if self.held_until >= now + seconds:
            return 0.0
        return math.inf if self.per_hour is None else self._left_at(now + seconds)

    def gap(self, now: float, *, cost: int, reserve: int, until: float) -> float:
        """Seconds between two rounds of polls with which what is left lasts.

        Args:
            now: The time.
            cost: Requests of a round.
            reserve: Requests that are kept for changes, up to half of what there is: what is never polled never makes
                room for what waits.
            until: When the last round is, at the latest.
        """
        if self.per_hour is None:
            return 0.0
        seconds = max(1.0, min(HOUR, until - now))
        in_all = self._left_at(now) + self.per_hour * seconds / HOUR
        return seconds * cost / max(in_all - reserve, in_all / 2, 1.0)

    def _left_at(self, now: float) -> float:
        """How many requests are left then; what is used up comes back over an hour."""
        if self.per_hour is None:
            return 0.0
        return min(self.per_hour, self._left + max(0.0, now - self._since) * self.per_hour / HOUR)
