"""Promises about changes to the connection, except for the trigger."""

from collections.abc import Iterable

from orchestrator.fivetran.effects import Tag
from orchestrator.machine.chart import Kind
from orchestrator.machine.promises.paths import Edge, Place, Promise
from orchestrator.values.events import Event

__all__ = ["CONNECTION"]

# Only a changed schedule is restored, only after a sync is it switched late, and tests change nothing.
HARMLESS = {Tag.RESTORES_SCHEDULE, Tag.SWITCHES_LATE, Tag.RUNS_TESTS}


def _gives_up(_: str, edge: Edge) -> bool:
    source = edge.source
    failed = source.method and edge.event in {Event.RATE_LIMITED, Event.UNAVAILABLE}
    is_optional = source.method == "GET" and source.needs is not None
    if not failed or source.after_conclusion or is_optional:
        return False
    return edge.leads_on and not (source.method == "PATCH" and edge.target.state.kind is Kind.WAITS)


def _looked(fresh: str, edge: Edge) -> Iterable[str]:
    """Whether the last thing that happened was a look that found no sync running."""
    if edge.done(Tag.READS):
        return ("" if edge.event in {Event.BUSY, Event.RUNNING} else "fresh",)
    return ("" if edge.source.takes_time else fresh,)


def _asked(memory: tuple[str, str, str], edge: Edge) -> Iterable[tuple[str, str, str]]:
    """The last choice and its value, and whether a restart was asked for since the baseline."""
    choice, value, restart = memory
    if edge.leads_on:
        choice, value = edge.source.state.operand, edge.event
    if edge.chosen("on_running") == "restart" or edge.done(Tag.TAKES_BASELINE):
        restart = edge.chosen("on_running")
    return ((choice, value, restart),)


def _unasked(memory: tuple[str, str, str], place: Place) -> bool:
    repeated = Tag.RESTARTS_SYNC in place.tags and memory[2] == "restart"
    return place.needs not in {None, memory[:2]} and not repeated


def _looks_at_condition(edge: Edge) -> bool:
    return Event.READY in edge.source.state.edges


def _owed(owed: str, edge: Edge) -> Iterable[str]:
    """What is still to come: the choice, or the call that its `yes` leads to."""
    if Tag.CHANGES_SCHEDULE in edge.source.tags:
        return ("choice",)
    if value := edge.chosen("restore_schedule"):
        return ("call" if value == "yes" else "",)
    return ("" if Tag.RESTORES_SCHEDULE in edge.source.tags and edge.leads_on else owed,)


CONNECTION = (
    Promise(
        "nothing is changed before it is read",
        "Before the connection has been read, nothing is changed.",
        after=lambda read, edge: ("read" if edge.done(Tag.READS) else read,),
        at=lambda read, place: place.changes and HARMLESS.isdisjoint(place.tags) and not read,
    ),
    Promise(
        "transient failures are retried",
        "Before the conclusion, `rate_limited` and `unavailable` lead back to their own state or, from a change of the "
        "connection, to a pause, where the next attempt waits as Fivetran asks. Optional requests are not retried.",
        along=_gives_up,
    ),
    Promise(
        "optional actions happen only when asked for",
        "Switching and restoring the schedule, restarting, un-pausing and asking for evidence come directly after the "
        "choice that asks for them; a restart may be repeated.",
        after=_asked,
        at=_unasked,
        start=("", "", ""),
    ),
    Promise(
        "only a paused connection is un-paused",
        "A connection is un-paused only if the last reading of it said `paused`.",
        after=lambda seen, edge: (edge.event if edge.done(Tag.READS) and _looks_at_condition(edge) else seen,),
        at=lambda seen, place: Tag.UNPAUSES in place.tags and seen != Event.PAUSED,
    ),
    Promise(
        "changes only right after an idle reading",
        "Before the conclusion, the connection is changed only directly after a reading that found no sync running, "
        "because a change may stop a sync.",
        after=_looked,
        at=lambda fresh, place: place.method == "PATCH" and not place.after_conclusion and not fresh,
    ),
    Promise(
        "the schedule is restored",
        "After the schedule was changed comes the choice `restore_schedule`, and after its `yes` the call that "
        "restores the schedule.",
        after=_owed,
        at=lambda owed, place: place.is_final and bool(owed),
    ),
)
