"""What the sensor waits for: that a connection's data is there, whoever started the sync."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from orchestrator.fivetran import documents
from orchestrator.job.inputs import Inputs
from orchestrator.values.formatting import duration, iso

__all__ = ["Awaited", "Look", "awaited", "looked", "since_now"]


class Awaited(NamedTuple):
    """What is awaited. Times are seconds since the epoch.

    Attributes:
        after: The last success has to be later than this; None where that does not matter.
        max_age: And not older than this many seconds; None likewise.
        fails: A failure that is later than `after` and than the last success ends the waiting.
    """

    after: float | None = None
    max_age: float | None = None
    fails: bool = True


class Look(NamedTuple):
    """What a look at the connection came to.

    Attributes:
        here: The data is there.
        failed: The sync has failed.
        why: In words.
    """

    here: bool
    failed: bool
    why: str


def awaited(completed_after: str | None, since: float | None, max_age: float | str | None, *, fails: bool) -> Awaited:
    """What a sensor's arguments ask for.

    Args:
        completed_after: A time in ISO 8601, or None.
        since: The time to go by where there is none, in seconds since the epoch.
        max_age: A duration, or None.
        fails: A failed sync ends the waiting.

    Raises:
        ValueError: One of them is malformed.
    """
    if completed_after:
        since = documents.parse_time(completed_after)
        if since is None:
            raise ValueError(f"completed_after is {completed_after!r}: write it as 2026-01-31T06:00:00Z")
    if max_age is None:
        return Awaited(since, None, fails)
    inputs = Inputs({"FIVETRAN_MAX_AGE": str(max_age)})
    age = inputs.seconds("FIVETRAN_MAX_AGE")
    if inputs.errors:
        raise ValueError(inputs.errors[0].replace("FIVETRAN_MAX_AGE", "max_age"))
    return Awaited(since, age, fails)


def since_now(document: Mapping[str, Any]) -> float:
    """The time after which a sync is a new one: when the last one ended, whichever way."""
    dates = (documents.parse_time(document.get(name)) for name in ("succeeded_at", "failed_at"))
    return max((date for date in dates if date is not None), default=0.0)


def looked(awaited: Awaited, document: Mapping[str, Any], now: float) -> Look:
    """Whether what is awaited is there.

    Args:
        awaited: What is awaited.
        document: The connection's document.
        now: Fivetran's now when it was read.
    """
    succeeded, failed = (documents.parse_time(document.get(name)) for name in ("succeeded_at", "failed_at"))
    after = awaited.after
    new = succeeded is not None and (after is None or succeeded > after)
    young = succeeded is not None and (awaited.max_age is None or now - succeeded <= awaited.max_age)
    said = (
        "never succeeded"
        if succeeded is None
        else f"last succeeded at {iso(succeeded)} ({duration(now - succeeded)} ago)"
    )
    if new and young:
        return Look(here=True, failed=False, why=said)
    syncing = documents.sync_state(document) == "syncing"
    latest = max(after or 0.0, succeeded or 0.0)
    if awaited.fails and not syncing and after is not None and failed is not None and failed > latest:
        why = "; ".join((f"the sync failed at {iso(failed)}", *documents.problems(document)))
        return Look(here=False, failed=True, why=why)
    if documents.sync_state(document) == "paused":
        said = f"{said}; the connection is PAUSED"
    return Look(here=False, failed=False, why=f"{said}{', and a sync is running' if syncing else ''}")
