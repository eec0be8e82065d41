"""Members of a fleet's result, made by hand: the end of a single job on facts of every verdict."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from made import step

from orchestrator.fleet.result import fleet_result, member, not_started
from orchestrator.job.result import Document, result, subject
from orchestrator.job.trace import Trace
from orchestrator.machine.loader import load
from orchestrator.machine.standing import Standing
from orchestrator.values.events import Event
from orchestrator.values.exchange import Failure, Request
from orchestrator.values.facts import Facts
from orchestrator.values.settings import Settings

__all__ = ["AWAY", "BEGAN", "REFUSED", "ended", "fleet", "left_out", "many", "settings", "steps", "syncing"]

BEGAN = 1_800_000_000.0  # seconds since the epoch
LASTED = 90.0
SYNCING = {"schedule_type": "manual", "status": {"sync_state": "syncing", "setup_state": "connected"}}

_READ = Request("GET", "/v1/connections/speak_inexpensive", "read the connection")
AWAY: dict[str, Any] = {"failure": Failure(Event.UNAVAILABLE, "cannot reach api.fivetran.com").as_fact(_READ, 9)}
REFUSED: dict[str, Any] = {
    "failure": Failure(Event.REFUSED, "Invalid API key", status=401, code="Unauthorized").as_fact(_READ, 1)
}

WAY = (
    ("validating", "ready", "considering_switch"),
    ("considering_switch", "no", "taking_baseline"),
    ("taking_baseline", "idle", "triggering"),
    ("triggering", "triggered", "considering_durations"),
    ("considering_durations", "no", "waiting"),
    ("waiting", "waited", "polling"),
    ("polling", "sync_failed", "concluding"),
)

_chart = cache(load)


def settings(connector_id: str, action: str = "START") -> Settings:
    """Settings of one connection."""
    schema, table = ("public", "orders") if action == "FORCE_RESYNC" else ("", "")
    policies = (("on_running", "wait"), ("on_broken", "fail"), ("on_reschedule", "wait"))
    return Settings(action, connector_id, "key", "a-secret", schema=schema, table=table, policies=policies)


def ended(verdict: str, connector_id: str = "speak_inexpensive", action: str = "START", **facts: Any) -> Document:
    """A connection that ended with a verdict."""
    standing = Standing("", Facts(verdict=verdict, **facts), 300.0, started_at=BEGAN)
    document = result(settings(connector_id, action), _chart(action), standing, Trace(), BEGAN + LASTED)
    return member(document, details=f"connections/{connector_id}.html", journal=f"journals/{connector_id}.jsonl")


def steps(*ways: tuple[str, str, str]) -> Trace:
    """A trace of steps: from, event, to."""
    trace = Trace()
    for number, (source, event, target) in enumerate(ways or WAY):
        trace.add(step(source, event, target, float(number), "Success" if number % 2 else ""))
    return trace


def syncing(connector_id: str, action: str = "START") -> Document:
    """A connection whose sync did not end in time."""
    trigger = "resync_table" if action == "FORCE_RESYNC" else "trigger_sync"
    return ended("timed_out", connector_id, action, connection=SYNCING, triggered=True, attempted=(trigger,))


def left_out(
    connector_id: str, why: str = "FIVETRAN_TIMEOUT ran out before its turn", action: str = "START"
) -> Document:
    """A connection that was never begun."""
    return not_started(subject(settings(connector_id, action)), why, BEGAN + LASTED)


def many(verdict: str, count: int, action: str = "START", name: str = "", **facts: Any) -> list[Document]:
    """Several with one verdict."""
    return [ended(verdict, f"{name or verdict}_{number}", action, **facts) for number in range(1, count + 1)]


def fleet(members: Sequence[Document], action: str = "START", **more: Any) -> Document:
    """The result of the whole."""
    about = {"group": None, "notes": (), "started_at": BEGAN, "ended_at": BEGAN + LASTED, **more}
    return fleet_result(action, members, **about)
