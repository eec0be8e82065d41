"""One simulated connection: what it is asked changes it, and time does."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from orchestrator import documents
from orchestrator.clock import SystemClock
from orchestrator.simulator.scenario import Scenario, SyncPlan

__all__ = ["Connection", "Sync"]

# How a sync ended, as the history calls it; None while it runs.
_STATUSES = {
    "": None,
    "succeeds": "COMPLETED",
    "fails": "FAILURE",
    "breaks": "FAILURE",
    "vanishes": "CANCELED",
    "stopped": "CANCELED",
    "reschedules": "RESCHEDULED",
    "pauses": "PAUSED",
}


@dataclass(slots=True)
class Sync:
    """A sync that was asked for.

    Attributes:
        plan: What becomes of it.
        cause: "sync", "resync", "schedule" or "somebody".
        asked_at: When it was asked for, in seconds since the epoch.
        ended_at: When it ended, or None.
        outcome: How it ended, in the plan's words, or "stopped"; "" while it runs.
    """

    plan: SyncPlan
    cause: str
    asked_at: float
    ended_at: float | None = None
    outcome: str = ""
    failed_inside: bool = False

    @property
    def starts_at(self) -> float:
        """When it starts, in seconds since the epoch."""
        return self.asked_at + self.plan.queued

    @property
    def ends_at(self) -> float:
        """When it ends by itself, in seconds since the epoch."""
        return self.starts_at + self.plan.lasts

    def stages(self) -> list[dict[str, Any]]:
        """Its stages with volumes in bytes, made up: as much a second as a middling database gives."""
        volume = int((self.ended_at - self.starts_at) * 250_000) if self.ended_at and self.outcome == "succeeds" else 0
        return [{"name": name, "volume": volume} for name in ("EXTRACT", "PROCESS", "LOAD")]


@dataclass(slots=True)
class _Late:
    """A date that does not show yet."""

    shows_at: float
    name: str
    date: float


@dataclass(slots=True)
class Connection:
    """A connection.

    Attributes:
        identity: Its id.
        scenario: What happens to it.
        clock: The time.
        history: Every sync, oldest first.
    """

    identity: str
    scenario: Scenario
    clock: SystemClock
    history: list[Sync] = field(default_factory=list)
    members: dict[str, Any] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    rescheduled_for: float | None = None
    _late: list[_Late] = field(default_factory=list)
    _plans_used: int = 0

    def __post_init__(self) -> None:
        now = self.clock.wall()
        self.members = {
            "id": self.identity,
            "group_id": "projected_sickle",
            "service": "postgres",
            "service_version": 1,
            "schema": "demo",
            "paused": False,
            "pause_after_trial": False,
            "connected_by": "interment_burdensome",
            "created_at": _iso(now - 90 * 86400),
            "succeeded_at": _iso(now - 6 * 3600),
            "failed_at": _iso(now - 30 * 3600),
            "sync_frequency": 360,
            "schedule_type": "auto",
            "config": {"host": "db.example.com", "password": "******"},
        }
        self.status = {
            "setup_state": "connected",
            "schema_status": "ready",
            "update_state": "on_schedule",
            "is_historical_sync": False,
            "tasks": [],
            "warnings": [],
        }
        # TOML has no null: the text stands for it.
        given = {name: None if value == "null" else value for name, value in self.scenario.connection.items()}
        self.status.update(given.pop("status", None) or {})
        self.members.update(given)
        if self.scenario.running is not None:
            self.history.append(Sync(self.scenario.running, "somebody", now))

    def adopt(self, document: Mapping[str, Any], running: str) -> None:
        """Be as a document says; from now on the scenario's syncs are the ones that follow.

        Args:
            document: A connection document, such as `document` gives.
            running: What started the sync that is under way ("sync", "resync"); "" where none is.
        """
        members = {**self.members, **document}
        status = {**self.status, **documents.status(document)}
        members.pop("status", None)
        state, put_off = status.pop("sync_state", ""), documents.parse_time(status.pop("rescheduled_for", None))
        members["paused"] = members["paused"] or state == "paused"
        self.members, self.status = members, status
        self.history, self._late, self._plans_used = [], [], 0
        self.rescheduled_for = put_off if state == "rescheduled" else None
        if running:
            self._start(running)
            self.history[-1].asked_at -= self.history[-1].plan.queued if state == "syncing" else 0

    # --- What is asked of it ----------------------------------------------------------------

    def document(self) -> dict[str, Any]:
        """The connection document, now."""
        self._live()
        current = self.current
        state = "scheduled"
        if current is not None and current.starts_at <= self.clock.wall():
            state = "syncing"
        elif self.members["paused"]:
            state = "paused"
        elif self.rescheduled_for is not None:
            state = "rescheduled"
        status = {"sync_state": state, **self.status}
        if state == "rescheduled" and self.rescheduled_for is not None:
            status["rescheduled_for"] = _iso(self.rescheduled_for)
        return {**self.members, "status": status}

    def modify(self, change: Mapping[str, Any]) -> dict[str, Any]:
        """PATCH: schedule and pause."""
        self._live()
        was_paused = self.members["paused"]
        self.members.update({name: change[name] for name in ("schedule_type", "paused") if name in change})
        if self.scenario.overdue and was_paused and not self.members["paused"]:
            self._start_by_schedule()
        return self.document()

    def sync(self, *, force: bool) -> None:
        """POST /sync: starts one only if none is running; forced, stops that one first."""
        self._live()
        current = self.current
        if current is not None and force:
            current.ended_at, current.outcome = self.clock.wall(), "stopped"
            self._show("failed_at", current.ended_at, 0)
            current = None
        if current is None and not self.members["paused"]:
            self._start("sync")

    def resync(self) -> bool:
        """POST /schemas/tables/resync; False while a sync is running."""
        self._live()
        if self.current is not None:
            return False
        self._start("resync")
        return True

    # --- What is kept about it ----------------------------------------------------------------

    def syncs(self, since: float, until: float) -> list[dict[str, Any]]:
        """The history between two times, in seconds since the epoch, as GET /sync-history has it: newest first."""
        self._live()
        return [
            {
                "sync_id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.identity}/{number}")),
                "start": _iso(sync.starts_at) if sync.starts_at <= self.clock.wall() else None,
                "end": None if sync.ended_at is None else _iso(sync.ended_at),
                "status": _STATUSES[sync.outcome],
                "reason": sync.plan.reason if sync.outcome == "fails" else None,
                "stages": sync.stages(),
            }
            for number, sync in reversed([*enumerate(self.history)])
            if since <= sync.starts_at < until
        ]

    def errors(self) -> list[dict[str, Any]]:
        """The active errors, as GET /errors has them: one a task."""
        self._live()
        return [
            {
                "type": task["code"],
                "title": str(task["code"]).replace("_", " ").capitalize(),
                "reason": task["message"],
                "message": f"{task['message']}. Check the source's settings, then test the connection on its page.",
                "created_at": self.members["failed_at"],
            }
            for task in self.document()["status"]["tasks"]
        ]

    # --- Its life ---------------------------------------------------------------------------

    @property
    def current(self) -> Sync | None:
        """The sync that is queued or running, or None."""
        last = self.history[-1] if self.history else None
        return last if last is not None and last.ended_at is None else None

    def begin(self, plan: SyncPlan, cause: str) -> None:
        """Start a sync now, whoever asked for it."""
        self.rescheduled_for = None
        self.history.append(Sync(plan, cause, self.clock.wall()))

    def _start(self, cause: str) -> None:
        plans = self.scenario.syncs
        self.begin(plans[min(self._plans_used, len(plans) - 1)], cause)
        self._plans_used += 1

    def _start_by_schedule(self) -> None:
        if self.members["schedule_type"] != "manual" and self.current is None:
            self._start("schedule")

    def _live(self) -> None:
        now = self.clock.wall()
        current = self.current
        if current is not None:
            inside = current.plan.fails_inside
            if inside is not None and not current.failed_inside and now >= current.starts_at + inside:
                current.failed_inside = True
                self._show("failed_at", current.starts_at + inside, 0)
            if now >= current.ends_at:
                self._end(current)
        if self.rescheduled_for is not None and now >= self.rescheduled_for:
            self._start_by_schedule()
        for late in [late for late in self._late if late.shows_at <= now]:
            self.members[late.name] = _iso(late.date)
            self._late.remove(late)

    def _end(self, sync: Sync) -> None:
        sync.ended_at, sync.outcome = sync.ends_at, sync.plan.ends
        match sync.plan.ends:
            case "succeeds":
                self._show("succeeded_at", sync.ends_at, sync.plan.shows_after)
            case "fails":
                self.status["tasks"] = [{"code": "sync_failure", "message": sync.plan.reason, "details": None}]
                self._show("failed_at", sync.ends_at, sync.plan.shows_after)
            case "reschedules":
                self.rescheduled_for = sync.ends_at + sync.plan.again_in
            case "pauses":
                self.members["paused"] = True
            case "breaks":
                self.status["setup_state"] = "broken"
                self.status["tasks"] = [{"code": "reconnect", "message": "Reconnect your source", "details": None}]

    def _show(self, name: str, date: float, after: float) -> None:
        self._late.append(_Late(date + after, name, date))


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
