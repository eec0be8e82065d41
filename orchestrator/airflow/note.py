"""The note that a worker keeps of a run in Airflow's task state store, for whoever takes the task up again.

A worker notes that it is about to ask for a change, and afterwards what came of it. A retry that finds the first takes
the answer for lost: it looks, and never asks blindly. A retry, or a task that was cleared, that finds the second goes
on with its own sync.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from orchestrator.airflow.handover import TakenUp, taken_up
from orchestrator.fivetran.effects.situation import has_sync, still_running, trigger_unanswered
from orchestrator.job.state_file import check_run
from orchestrator.machine.chart import Chart
from orchestrator.values.events import Event
from orchestrator.values.facts import Facts
from orchestrator.values.formatting import iso
from orchestrator.values.settings import Settings
from orchestrator.values.type_checks import check

__all__ = ["KEY", "Note", "Store", "is_unfinished"]

KEY = "fivetran_run"  # in the store
FORMAT = 1
DAY = 86_400.0  # seconds after its deadline for which a run may be taken up again, or its timeout if that is longer


class Store(Protocol):
    """Airflow's task state store, of one task instance."""

    def get(self, key: str) -> Any:  # noqa: ANN401  # any JSON
        """What was stored under a key; None where nothing was."""
        ...

    def set(self, key: str, value: Any) -> None:  # noqa: ANN401  # any JSON
        """Store a value."""
        ...

    def delete(self, key: str) -> None:
        """Remove a value, if there is one."""
        ...


class _Found(NamedTuple):
    """A note that was found.

    Attributes:
        run: The run, as `handed_over` wrote it.
        asking: It was about to ask for a change.
        later: It is to be taken up at a time that Fivetran named, in seconds since the epoch; None for at once.
    """

    run: Mapping[str, Any]
    asking: bool
    later: float | None


class Note:
    """The note of one task instance.

    Args:
        store: Where it is.
        settings: What the task is about.
        chart: The chart of its runs.
    """

    def __init__(self, store: Store, settings: Settings, chart: Chart) -> None:
        self._store = store
        self._settings = settings
        self._chart = chart
        self._kept: bool | None = None  # whether there is one; None where that is not known

    @property
    def _about(self) -> dict[str, Any]:
        settings = self._settings
        return {"action": settings.action, "connector_id": settings.connector_id, "tables": settings.scope}

    def keep(self, run: Mapping[str, Any], *, asking: bool, later: float | None = None) -> None:
        """Write it.

        Args:
            run: The run, as `handed_over` gives it.
            asking: It is about to ask for a change.
            later: When it is to be taken up, in seconds since the epoch; None for at once.
        """
        self._store.set(KEY, {"format": FORMAT, **self._about, "asking": asking, "later": later, "run": dict(run)})
        self._kept = True

    def drop(self) -> None:
        """There is nothing to take up any more."""
        if self._kept is not False:
            self._store.delete(KEY)
            self._kept = False

    def found(self, wall: float, warn: Any) -> TakenUp | None:  # noqa: ANN401  # a function of a line
        """The run that an earlier try left, with the time of a new one; None where there is none to take up.

        Args:
            wall: The time, in seconds since the epoch.
            warn: Told why one is not taken up.

        Raises:
            KeyError, TypeError, ValueError: It is not one of this chart's: another version wrote it.
        """
        note = self._read()
        if note is None:
            return None
        settings, deadline = self._settings, float(note.run["deadline_at"])
        if wall > max(deadline, note.later or 0.0) + max(settings.timeout, DAY):
            warn(
                f"an earlier try began a run at {iso(float(note.run['started_at']))}, too long ago: starting a new run"
            )
            return None
        renewed = {**note.run, "deadline_at": wall + settings.timeout, "hopeless": False}
        if note.later is not None:
            renewed["wake_at"] = note.later
        found = taken_up(self._chart, settings, renewed, wall)
        return found._replace(standing=found.standing._replace(resumed_at=wall))

    def found_later_than(self, run: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The run of the note, where it was about to ask for a change at or after the place where `run` stands.

        Raises:
            KeyError, TypeError, ValueError: As for `found`.
        """
        note = self._read()
        further = note is not None and note.asking and int(note.run["number"]) >= int(run["number"])
        return note.run if note is not None and further else None

    def _read(self) -> _Found | None:
        value = self._store.get(KEY)
        self._kept = isinstance(value, Mapping)
        if not isinstance(value, Mapping) or value.get("format") != FORMAT:
            return None
        if any(value.get(name) != ours for name, ours in self._about.items()):
            return None  # the task is about another connection now
        check("later", value["later"], float | None)
        check_run(value["run"], self._chart)
        return _Found(value["run"], bool(value["asking"]), value["later"])


def is_unfinished(settings: Settings, facts: Facts) -> bool:
    """Whether a run that has ended may have left a sync of its own running, which a retry should take up."""
    if facts.verdict == Event.UNCONFIRMED or not (has_sync(settings, facts) or trigger_unanswered(facts)):
        return False
    return still_running(settings, facts) is not False
