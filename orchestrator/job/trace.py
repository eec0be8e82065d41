"""The trace: the steps of a run as the report tells them, in bounded memory.

A poll loop of four hours is two lines and a count. What the bound drops is the middle.
"""

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["Trace"]

KEEP = 400  # entries at the beginning; as many again at the end
LONGEST_LOOP = 4  # steps of a loop that is folded (wait, look, wait, look)


class Trace:
    """Steps in order; a loop that repeats itself is counted, not listed again.

    Args:
        entries: What `entries()` gave of a trace that is gone on with.
        dropped: How many it had dropped.
        keep: How many entries are kept of the beginning, and of the end.
    """

    def __init__(self, entries: Iterable[Mapping[str, Any]] = (), *, dropped: int = 0, keep: int = KEEP) -> None:
        self._keep = keep
        self._entries: list[dict[str, Any]] = [dict(entry) for entry in entries]
        beyond = self._entries[keep:-keep] if len(self._entries) > 2 * keep else []
        del self._entries[keep : keep + len(beyond)]
        self.dropped = dropped + len(beyond)
        self._cursor = 0  # while folding: where in the repeated loop the next step belongs
        self._loop: list[dict[str, Any]] = []

    def add(self, source: str, event: str, target: str, at: float, detail: str = "", **more: Any) -> None:  # noqa: ANN401  # any JSON
        """Add a step.

        Args:
            source: The state that was left.
            event: By which event.
            target: The state that was entered.
            at: When, in seconds since the run began.
            detail: The request and its answer, if there was one.
            more: Further members of the entry; of a loop, the last ones are kept.
        """
        key = (source, event, target)
        if self._loop:
            entry = self._loop[self._cursor]
            if _key(entry) == key:
                entry.update(more, times=entry["times"] + 1, until=at, detail=detail)
                self._cursor = (self._cursor + 1) % len(self._loop)
                return
            self._loop = []
        entry = {"from": source, "event": event, "to": target, "at": at, "until": at, "times": 1, "detail": detail}
        self._entries.append({**entry, **more})
        self._fold()
        if len(self._entries) > 2 * self._keep:
            del self._entries[self._keep]
            self.dropped += 1

    @property
    def gap(self) -> int:
        """Before which entry steps were dropped; 0 if none were."""
        return self._keep if self.dropped else 0

    def _fold(self) -> None:
        """Merge the last n entries into the n before them where they are the same steps."""
        for size in range(1, LONGEST_LOOP + 1):
            first, second = self._entries[-2 * size : -size], self._entries[-size:]
            if len(first) == size and [_key(entry) for entry in first] == [_key(entry) for entry in second]:
                for kept, repeated in zip(first, second, strict=True):
                    kept.update({**repeated, "at": kept["at"], "times": kept["times"] + repeated["times"]})
                del self._entries[-size:]
                self._loop, self._cursor = first, 0
                return

    def entries(self) -> list[dict[str, Any]]:
        """The steps as JSON: from, event, to, at, until, times, detail."""
        return [dict(entry) for entry in self._entries]


def _key(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    return entry["from"], entry["event"], entry["to"]
