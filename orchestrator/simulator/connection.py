"""One simulated connection: requests change it, and so does time.

What happens over time happens in order and at its own moment, however rarely it is read. So `history`
and `triggers` are the truth about every sync, and about every request for one.
"""

import json
import math
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from operator import itemgetter
from random import Random
from typing import Any

from orchestrator.fivetran import documents
from orchestrator.simulator.scenario import Other, Scenario, SyncPlan
from orchestrator.values.clock import SystemClock
from orchestrator.values.formatting import LATEST

__all__ = ["Connection", "Sync", "Trigger", "with_null"]

KEPT = 64  # syncs of a connection, and triggers, that are remembered where it may live for days

# How a sync ended, as the history calls it; None while it runs.
_STATUSES = {
    "": None,
    "succeeds": "COMPLETED",
    "fails": "FAILURE",
    "breaks": "FAILURE",
    "vanishes": "CANCELED",
    "stopped": "CANCELED",
    "clashed": "CANCELED",
    "reschedules": "RESCHEDULED",
    "pauses": "PAUSED",
}


@dataclass(slots=True)
class Sync:
    """A sync that was asked for."""

    plan: SyncPlan  # what becomes of it
    cause: str  # "sync", "resync", "schedule", "unpaused", "retry" or "somebody"
    asked_at: float  # when it was asked for, in seconds since the epoch
    not_before: float = 0.0  # when it may start: after the one that is being stopped for it
    origin: "Sync | None" = None  # the sync that this one goes on with, by a retry or after a reschedule; or None
    stops_at: float | None = None  # when it will be stopped, or None
    stopped_by: str = ""  # what stopped it: "patch", "sync", "clash" or "somebody"; "" where nothing did
    ended_at: float | None = None  # when it ended, or None
    outcome: str = ""  # how it ended, in the plan's words, or "stopped" or "clashed"; "" while it runs
    failed_inside: bool = False  # `failed_at` has moved, though it goes on
    shown_at: float | None = None  # when its date shows, or None where none does, or not yet
    number: int = 0  # how many syncs of the connection came before it

    @property
    def starts_at(self) -> float:
        """When it starts, in seconds since the epoch."""
        return max(self.asked_at + self.plan.queued, self.not_before)

    @property
    def ends_at(self) -> float:
        """When it ends: by itself, or stopped."""
        own = self.starts_at + self.plan.lasts
        return own if self.stops_at is None else min(own, self.stops_at)

    def stages(self) -> list[dict[str, Any]]:
        """Its stages with volumes in bytes, made up: as much a second as a middling database gives."""
        volume = int((self.ended_at - self.starts_at) * 250_000) if self.ended_at and self.outcome == "succeeds" else 0
        return [{"name": name, "volume": volume} for name in ("EXTRACT", "PROCESS", "LOAD")]


@dataclass(slots=True)
class Trigger:
    """A request for a sync that was carried out."""

    kind: str  # "sync" or "resync"
    at: float  # when it was carried out, in seconds since the epoch
    sync: Sync | None  # the sync that it started, or that was there already; None where it did nothing
    started: bool  # it started that sync


_Due = tuple[float, Callable[[], None]]  # when something happens by itself, and what


@dataclass(slots=True)
class Connection:
    """A connection."""

    identity: str
    scenario: Scenario  # what happens to it
    clock: SystemClock  # the time
    # Members of its document that differ from the usual, where the scenario does not say otherwise; then all of them
    members: dict[str, Any] = field(default_factory=dict)
    history: list[Sync] = field(default_factory=list)  # every sync, in the order in which they were asked for
    triggers: list[Trigger] = field(default_factory=list)  # every request for a sync that was carried out
    status: dict[str, Any] = field(default_factory=dict)
    rescheduled_for: float | None = None
    kept: int | None = None  # how many of the last syncs and triggers it remembers; None for all
    moment: float | None = None  # what is asked of it is asked at this moment; None for now
    _due: list[_Due] = field(default_factory=list)
    _met: dict[str, int] = field(default_factory=dict)
    _plans_used: int = 0
    _begun: int = 0
    _pace: float = 1.0  # how much longer its syncs last than the scenario says
    _now: float = 0.0
    _until: float = -math.inf  # nothing happens by itself before; in the past where something has changed
    _text: str = ""  # the document as JSON, as it is until then; "" where it has not been asked for

    def __post_init__(self) -> None:
        now = self._now = self.clock.wall()
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
            **self.members,
        }
        self.status = {
            "setup_state": "connected",
            "schema_status": "ready",
            "update_state": "on_schedule",
            "is_historical_sync": False,
            "tasks": [],
            "warnings": [],
        }
        given = with_null(self.scenario.connection)
        self.status.update(given.pop("status", None) or {})
        self.members.update(given)
        if self.scenario.spread:  # the same at each start
            self._pace = Random(self.identity).lognormvariate(0.0, self.scenario.spread)  # noqa: S311  # no secret
        if self.scenario.running is not None:
            self.history.append(self._new(self.scenario.running, "somebody"))
        for other in self.scenario.others:
            if not other.after:
                self._later(now + other.at, self._start_other, other)

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
        self.members, self.status, self._now = members, status, self.clock.wall()
        self.history, self._due, self._plans_used, self._begun, self._until = [], [], 0, 0, -math.inf
        self.rescheduled_for = put_off if state == "rescheduled" else None
        if self.rescheduled_for is not None:
            self._later(self.rescheduled_for, self._resume, self.rescheduled_for)
        if running:
            self._start(running, queued=state != "syncing")

    # --- What is asked of it ----------------------------------------------------------------

    def document(self) -> dict[str, Any]:
        """The connection document, now."""
        self.live()
        state = "scheduled"
        if self.running is not None:
            state = "syncing"
        elif self.members["paused"]:
            state = "paused"
        elif self.rescheduled_for is not None:
            state = "rescheduled"
        historical = any(sync.cause == "resync" for sync in self._open())
        status = {"sync_state": state, **self.status}
        status["is_historical_sync"] = status["is_historical_sync"] or historical
        if state == "rescheduled" and self.rescheduled_for is not None:
            status["rescheduled_for"] = _iso(self.rescheduled_for)
        return {**self.members, "status": status}

    def text(self) -> str:
        """The document as JSON. It is made anew only where something may have changed."""
        self.live()
        if not self._text:
            self._text = json.dumps(self.document())
        return self._text

    def modify(self, change: Mapping[str, Any]) -> None:
        """PATCH: schedule and pause."""
        self.live()
        if self.scenario.patch_cancels and self.running is not None:
            self._stop(self.running, "patch")
        was_paused, self._until = self.members["paused"], -math.inf
        self.members.update({name: change[name] for name in ("schedule_type", "paused") if name in change})
        automatic = self.members["schedule_type"] != "manual"
        starts = self.scenario.unpausing_starts or (self.scenario.overdue and automatic)
        if was_paused and not self.members["paused"] and starts and self.current is None:
            self._start("unpaused")

    def sync(self, *, force: bool) -> bool:
        """POST /sync: starts one only if none is queued or running; forced, stops that one first.

        Returns:
            False where it conflicts with the one that is running.
        """
        self.live()
        current = self.current
        if not force and self.scenario.sync_conflicts and self.running is not None:
            return False
        clashes = self.scenario.clashes and not force and current is not None and current.cause == "unpaused"
        if force:
            for sync in self._open():
                self._stop(sync, "sync")
        started = (current is None or force or clashes) and not self.members["paused"]
        if started:
            self._start("sync")
        self._note(Trigger("sync", self._now, self.current, started))
        if clashes:
            for sync in self._open():
                sync.stops_at, sync.stopped_by = self._now, "clash"
                self._end(sync)
        return True

    def resync(self) -> bool:
        """POST /schemas/tables/resync; False while a sync is running."""
        self.live()
        if self.current is not None:
            return False
        self._start("resync")
        self._note(Trigger("resync", self._now, self.current, started=True))
        return True

    def after(self, operation: str) -> None:
        """A request of the job was handled: syncs of others that were to follow it start now."""
        self.live()
        for kind in {operation, "any"}:
            self._met[kind] = self._met.get(kind, 0) + 1
            for other in self.scenario.others:
                if other.after == kind and other.nth == self._met[kind]:
                    self._later(self._now + other.at, self._start_other, other)

    # --- What is kept about it ----------------------------------------------------------------

    def syncs(self, since: float, until: float) -> list[dict[str, Any]]:
        """The history between two times, in seconds since the epoch, as GET /sync-history has it: newest first."""
        self.live()
        known = self._now - self.scenario.history_delay
        return [
            {
                "sync_id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.identity}/{sync.number}")),
                "start": _iso(sync.starts_at) if sync.starts_at <= self._now else None,
                "end": None if sync.ended_at is None or sync.ended_at > known else _iso(sync.ended_at),
                "status": None
                if sync.ended_at is None or sync.ended_at > known
                else sync.plan.history_status or _STATUSES[sync.outcome],
                "reason": sync.plan.reason if sync.outcome == "fails" else None,
                "stages": sync.stages(),
            }
            for sync in reversed(self.history)
            if since <= sync.starts_at < until and sync.asked_at <= known
        ]

    def errors(self) -> list[dict[str, Any]]:
        """The active errors, as GET /errors has them: one a task."""
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

    def warnings(self) -> list[dict[str, Any]]:
        """The warnings, as GET /warnings has them: a group for each table of the destination."""
        listed = [dict(warning) for warning in self.document()["status"]["warnings"]]
        return [{"schema": self.members["schema"], "table": "orders", "warnings": listed}] if listed else []

    # --- Its life ---------------------------------------------------------------------------

    @property
    def current(self) -> Sync | None:
        """The sync that is queued or running, or None; of two, the later one."""
        last = self.history[-1] if self.history else None
        return last if last is not None and last.ended_at is None else next(iter(self._open()), None)

    @property
    def running(self) -> Sync | None:
        """The sync that is running, or None."""
        return next((sync for sync in self._open() if sync.starts_at <= self._now), None)

    def live(self) -> None:
        """Let everything happen that has happened by now, in its order."""
        now = self.clock.wall() if self.moment is None else self.moment
        if now < self._until:
            self._now = max(self._now, now)
            return
        while True:
            ends: list[_Due] = [(sync.ends_at, partial(self._end, sync)) for sync in self._open()]
            due = min([*ends, *self._due], key=itemgetter(0), default=None)
            if due is None or due[0] > now:
                break
            if due in self._due:
                self._due.remove(due)
            self._now = max(self._now, due[0])
            due[1]()
        self._now = max(self._now, now)
        starts: Iterable[float] = (sync.starts_at for sync in self._open() if sync.starts_at > self._now)
        self._until, self._text = min(starts, default=math.inf), ""
        if due is not None:
            self._until = min(self._until, due[0])

    def _later(self, at: float, happen: Callable[..., None], *about: object) -> None:
        self._due.append((at, partial(happen, *about)))
        self._until = -math.inf

    def _note(self, trigger: Trigger) -> None:
        self.triggers.append(trigger)
        if self.kept is not None:
            del self.triggers[: -self.kept]

    def _new(self, plan: SyncPlan, cause: str, not_before: float = 0.0, origin: Sync | None = None) -> Sync:
        if self._pace != 1.0:
            plan = replace(plan, lasts=plan.lasts * self._pace)
        self._begun += 1
        self._until = -math.inf
        return Sync(plan, cause, self._now, not_before=not_before, origin=origin, number=self._begun - 1)

    def _open(self) -> list[Sync]:
        return [sync for sync in self.history if sync.ended_at is None]

    def _begin(self, plan: SyncPlan, cause: str, origin: Sync | None = None) -> None:
        self.rescheduled_for = None
        stopping = max((sync.ends_at for sync in self._open() if sync.stops_at is not None), default=0.0)
        sync = self._new(plan, cause, stopping, origin)
        self.history.append(sync)
        while self.kept is not None and len(self.history) > self.kept and self.history[0].ended_at is not None:
            forgotten = self.history.pop(0)
            for kept in self.history:
                kept.origin = None if kept.origin is forgotten else kept.origin
        if plan.fails_inside is not None:
            self._later(sync.starts_at + plan.fails_inside, self._fail_inside, sync)

    def _start(self, cause: str, origin: Sync | None = None, *, queued: bool = True) -> None:
        plans = self.scenario.syncs
        self._plans_used += 1
        plan = plans[min(self._plans_used, len(plans)) - 1]
        self._begin(plan if queued else replace(plan, queued=0.0), cause, origin)

    def _resume(self, at: float, origin: Sync | None = None) -> None:
        """The time has come that a sync was rescheduled for."""
        if self.rescheduled_for == at and self.members["schedule_type"] != "manual" and self.current is None:
            self._start("schedule", origin)

    def _retry(self, origin: Sync) -> None:
        if self.current is None and not self.members["paused"]:
            self._start("retry", origin)

    def _stop(self, sync: Sync, by: str) -> None:
        if sync.stops_at is None:
            taken = self.scenario.stop_takes if sync.starts_at <= self._now else 0.0
            sync.stops_at, sync.stopped_by, self._until = self._now + taken, by, -math.inf
            if sync.ends_at <= self._now:
                self._end(sync)

    def _fail_inside(self, sync: Sync) -> None:
        if sync.ended_at is None:
            sync.failed_inside = True
            self._set_date("failed_at", self._now)

    def _start_other(self, other: Other) -> None:
        if other.force:
            for sync in self._open():
                self._stop(sync, "somebody")
        if not self.members["paused"] and (other.force or self.current is None):
            self._begin(other, "somebody")

    def _end(self, sync: Sync) -> None:
        sync.ended_at = sync.ends_at
        if sync.stops_at is not None and sync.ended_at >= sync.stops_at:
            sync.outcome = "clashed" if sync.stopped_by == "clash" else "stopped"
            if self.scenario.stop_shows and sync.starts_at <= sync.ended_at:
                self._show(sync, "failed_at")
            return
        sync.outcome = sync.plan.ends
        match sync.plan.ends:
            case "succeeds":
                if self.status["setup_state"] == "broken":
                    self.status.update(setup_state="connected", tasks=[])
                self._show(sync, "succeeded_at")
            case "fails":
                self.status["tasks"] = [{"code": "sync_failure", "message": sync.plan.reason, "details": None}]
                if self.scenario.failure_breaks:
                    self.status["setup_state"] = "broken"
                self._show(sync, "failed_at")
                if sync.plan.retries_in is not None:
                    self._later(sync.ends_at + sync.plan.retries_in, self._retry, sync)
            case "reschedules" if self.current is None:  # else one that waits for its end takes its place
                self.rescheduled_for = sync.ends_at + sync.plan.again_in
                self._later(self.rescheduled_for, self._resume, self.rescheduled_for, sync)
            case "pauses":
                self.members["paused"] = True
            case "breaks":
                self.status["setup_state"] = "broken"
                self.status["tasks"] = [{"code": "reconnect", "message": "Reconnect your source", "details": None}]

    def _show(self, sync: Sync, name: str) -> None:
        """Its date shows, now or later; it is the true one then."""
        sync.shown_at = sync.ends_at + sync.plan.shows_after
        if sync.shown_at <= self._now:
            self._set_date(name, sync.ends_at)
        else:
            self._later(sync.shown_at, self._set_date, name, sync.ends_at)

    def _set_date(self, name: str, date: float) -> None:
        """A date never goes back: one that shows late may be older than what shows."""
        if date >= (documents.parse_time(self.members[name]) or 0.0):
            self.members[name] = _iso(date)


def with_null(members: Mapping[str, Any]) -> dict[str, Any]:
    """Members of a document; TOML has no null: the text stands for it."""
    return {name: None if value == "null" else value for name, value in members.items()}


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(min(seconds, LATEST), UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
