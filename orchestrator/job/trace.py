"""The trace: the steps of a run as the report shows them, in bounded memory.

A poll loop of four hours is two lines and a count. What the bound drops is the middle.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.machine.step import Step

__all__ = ["SHOWN", "Trace"]

KEEP = 400  # entries at the beginning; as many again at the end
SHOWN = 100  # of those at either end, so many with all that is known of the step
LONGEST_LOOP = 4  # steps of a loop that is folded (wait, look, wait, look)


class Trace:
    """Steps in order; a loop that repeats itself is counted, not listed again.

    Args:
        entries: What `entries()` gave of a trace that is gone on with.
        dropped: How many it had dropped.
        whole: The steps themselves are kept, too, for a page to show.
    """

    def __init__(self, entries: Iterable[Mapping[str, Any]] = (), *, dropped: int = 0, whole: bool = True) -> None:
        self._whole = whole
        self._entries: list[dict[str, Any]] = [dict(entry) for entry in entries]
        self.dropped = dropped
        self._cursor = 0  # while folding: where in the repeated loop the next step belongs
        self._loop: list[dict[str, Any]] = []

    def add(self, step: Step) -> None:
        """Add a step; of a loop, the details of the last round are kept."""
        at, key = round(step.at, 3), (step.source, step.event, step.target)
        if self._loop:
            entry = self._loop[self._cursor]
            if _key(entry) == key:
                entry.update(times=entry["times"] + 1, until=at, detail=step.detail)
                if self._whole:
                    entry["step"] = step
                self._cursor = (self._cursor + 1) % len(self._loop)
                return
            self._loop = []
        entry = dict(zip(("from", "event", "to"), key, strict=True))
        told = {"at": at, "until": at, "times": 1, "detail": step.detail}
        self._entries.append({**entry, **told, **({"step": step} if self._whole else {})})
        self._fold()
        if len(self._entries) > 2 * SHOWN:
            self._entries[-SHOWN - 1].pop("step", None)
        if len(self._entries) > 2 * KEEP:
            del self._entries[KEEP]
            self.dropped += 1

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
        return [{name: value for name, value in entry.items() if name != "step"} for entry in self._entries]

    def shown(self) -> tuple[list[dict[str, Any]], int]:
        """The entries that a page shows, each with its `step` where that is kept, and how many it leaves out."""
        left_out = max(0, len(self._entries) - 2 * SHOWN)
        shown = [dict(entry) for entry in self._entries]
        del shown[SHOWN : SHOWN + left_out]
        return shown, self.dropped + left_out


def _key(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    return entry["from"], entry["event"], entry["to"]
