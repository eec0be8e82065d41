"""Where a run stands: all of its state between two steps, as one value of JSON types."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from orchestrator.machine.chart import Chart, Kind
from orchestrator.values.facts import Facts
from orchestrator.values.settings import Settings

__all__ = ["GRACE", "GRACE_AFTER_SIGNAL", "Standing", "resumed"]

GRACE = 10.0  # seconds after the verdict
GRACE_AFTER_SIGNAL = 1.5  # seconds after the verdict, once a signal has come: 2 s in all


class Standing(NamedTuple):
    """Where a run stands. Times are seconds since the run began, unless noted otherwise.

    Attributes:
        state: Name of the present state.
        facts: What is known.
        deadline: When the deadline, or after the verdict the grace period, ends.
        wake: When the next step is due.
        number: Steps so far.
        last_event: The last event that was not a choice's.
        failures: State -> failed attempts in a row.
        hopeless: The state's wait would end after the deadline.
        hurried: A signal has shortened the grace period.
        lost_at: Of a resumed run: when what the state had sent before was due; else None.
        started_at: When the run began, in seconds since the epoch.
        resumed_at: When it was resumed, in seconds since the epoch; None where it was not.
    """

    state: str
    facts: Facts
    deadline: float
    wake: float = 0.0
    number: int = 0
    last_event: str = ""
    failures: Mapping[str, int] = {}
    hopeless: bool = False
    hurried: bool = False
    lost_at: float | None = None
    started_at: float = 0.0
    resumed_at: float | None = None

    @property
    def concluded(self) -> bool:
        """Whether the verdict is recorded."""
        return self.facts.verdict is not None

    @property
    def due(self) -> float:
        """When the next step is due, unless a signal comes before."""
        return min(self.wake, self.deadline) if self.concluded else self.wake

    @property
    def resumed(self) -> bool:
        """Whether the run was resumed."""
        return self.resumed_at is not None

    def as_json(self, now: float, wall: float, *, handed_over: bool = False) -> dict[str, Any]:
        """The standing as JSON types, to be resumed elsewhere by `resumed`.

        Args:
            now: Seconds since the run began.
            wall: The same moment in seconds since the epoch.
            handed_over: Nothing is under way here, and another process goes on: no answer is lost.
        """
        planned = {"handed_over": True, "resumed_at": self.resumed_at} if handed_over else {}
        return {
            "state": self.state,
            "facts": self.facts.as_json(),
            "failures": dict(self.failures),
            "last_event": self.last_event,
            "started_at": self.started_at,
            "deadline_at": wall + self.deadline - now,
            "wake_at": wall + self.wake - now,
            "hopeless": self.hopeless,
            "number": self.number,
            **planned,
        }


def resumed(chart: Chart, settings: Settings, document: Mapping[str, Any], wall: float) -> tuple[Standing, float]:
    """Resume a run from what was saved when it entered a state.

    A resumed run has lost an answer: what the state had sent counts as sent, and a change as one whose
    outcome is not known, so it is looked for, or sent again only after a look. What only reads is repeated.
    A run that was handed over has lost nothing, and does not count as resumed. The deadline goes on by the wall
    clock, and is never further away than a new run's.

    Args:
        chart: The run's chart.
        settings: The job's settings.
        document: What `Standing.as_json` gave.
        wall: When it is resumed, in seconds since the epoch.

    Returns:
        The standing, and the seconds since the run began.

    Raises:
        KeyError, TypeError, ValueError: The document is not one of this chart's.
    """
    facts, state = Facts.from_json(document["facts"]), chart.states[document["state"]]
    failures = {str(name): int(count) for name, count in document["failures"].items()}
    started_at = float(document["started_at"])
    now = max(0.0, wall - started_at)
    left = GRACE if facts.verdict is not None else min(float(document["deadline_at"]) - wall, settings.timeout)
    due = now + float(document["wake_at"]) - wall
    waits = state.kind is Kind.WAITS or failures.get(state.name)
    planned = document.get("handed_over") is True
    again = document.get("resumed_at") if planned else wall
    standing = Standing(
        state=state.name,
        facts=facts,
        deadline=now + left,
        wake=max(now, min(due, now + left)) if waits else now,
        number=int(document["number"]),
        last_event=str(document["last_event"]),
        failures=failures,
        hopeless=bool(document["hopeless"]),
        lost_at=None if planned else max(0.0, min(due, now)),
        started_at=started_at,
        resumed_at=None if again is None else float(again),
    )
    return standing, now
