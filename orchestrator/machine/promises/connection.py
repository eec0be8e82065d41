"""Promises about what is done to the connection, the trigger aside."""

from collections.abc import Iterable

from orchestrator.fivetran.tags import Tag
from orchestrator.machine.chart import Chart, Kind, State
from orchestrator.machine.promises.conduct import (
    asks,
    changes,
    chosen,
    done,
    is_optional,
    leads_on,
    modifies,
    needs,
    tags,
    takes_time,
)
from orchestrator.machine.promises.paths import Edge, Path, Promise, nothing, shortest
from orchestrator.values.events import Event

__all__ = ["CONNECTION"]


def _read_first(chart: Chart) -> Path | None:
    def after(read: str, edge: Edge) -> Iterable[str]:
        return ("read" if done(edge, Tag.READS) else read,)

    def at(read: str, state: State) -> bool:
        # What was never changed is not restored, what was never followed not switched late; tests change nothing.
        harmless = {Tag.RESTORES_SCHEDULE, Tag.SWITCHES_LATE, Tag.RUNS_TESTS}
        return changes(state) and harmless.isdisjoint(tags(state)) and not read

    return shortest(chart, "", after, at=at)


def _patience(chart: Chart) -> Path | None:
    behind = chart.behind()

    def along(_: str, edge: Edge) -> bool:
        source = edge.source
        failed = asks(source) and edge.event in {Event.RATE_LIMITED, Event.UNAVAILABLE}
        if not failed or source.name in behind or is_optional(source):
            return False
        pauses = modifies(source) and edge.target.kind is Kind.WAITS
        return leads_on(edge) and not pauses

    return shortest(chart, "", nothing, along=along)


def _looked(chart: Chart) -> Path | None:
    behind = chart.behind()

    def after(fresh: str, edge: Edge) -> Iterable[str]:
        """Whether the last thing that happened was a look that found no sync running."""
        source = edge.source
        if done(edge, Tag.READS):
            return ("" if edge.event in {Event.BUSY, Event.RUNNING} else "fresh",)
        return ("" if takes_time(source) else fresh,)

    return shortest(
        chart, "", after, at=lambda fresh, state: modifies(state) and state.name not in behind and not fresh
    )


def _told(chart: Chart) -> Path | None:
    def after(memory: tuple[str, str, str], edge: Edge) -> Iterable[tuple[str, str, str]]:
        """The last choice and its value, and whether a restart was asked for since the baseline."""
        choice, value, restart = memory
        if leads_on(edge):
            choice, value = edge.source.operand, edge.event
        if chosen(edge, "on_running") == "restart" or done(edge, Tag.TAKES_BASELINE):
            restart = chosen(edge, "on_running")
        return ((choice, value, restart),)

    def at(memory: tuple[str, str, str], state: State) -> bool:
        repeated = Tag.RESTARTS_SYNC in tags(state) and memory[2] == "restart"
        return needs(state) not in {None, memory[:2]} and not repeated

    return shortest(chart, ("", "", ""), after, at=at)


def _said(said: str, edge: Edge) -> Iterable[str]:
    """What the last reading said that looks at the connection's condition."""
    return (edge.event if done(edge, Tag.READS) and Event.READY in edge.source.edges else said,)


def _unpaused(chart: Chart) -> Path | None:
    return shortest(chart, "", _said, at=lambda said, state: Tag.UNPAUSES in tags(state) and said != Event.PAUSED)


def _restored(chart: Chart) -> Path | None:
    def after(owed: str, edge: Edge) -> Iterable[str]:
        """What is still to come: the choice, or the call that its `yes` leads to."""
        if Tag.CHANGES_SCHEDULE in tags(edge.source):
            return ("choice",)
        if value := chosen(edge, "restore_schedule"):
            return ("call" if value == "yes" else "",)
        return ("" if Tag.RESTORES_SCHEDULE in tags(edge.source) and leads_on(edge) else owed,)

    return shortest(chart, "", after, at=lambda owed, state: state.kind is Kind.EXIT and bool(owed))


CONNECTION = (
    Promise("nothing is changed unread", "Before the connection has been read, nothing is changed.", _read_first),
    Promise(
        "failures are tried again",
        "Before the conclusion `rate_limited` and `unavailable` lead back to their own state or, from a change of the "
        "connection, to a pause: there the next attempt waits as Fivetran asks. Optional requests are made once.",
        _patience,
    ),
    Promise(
        "nothing is done unless asked for",
        "What a variable or the run's condition must ask for (switching and restoring the schedule, a restart, "
        "un-pausing, evidence) comes straight after the choice that says so; a restart may be repeated.",
        _told,
    ),
    Promise("only what is paused is un-paused", "The last reading of the connection said `paused`.", _unpaused),
    Promise(
        "changed only on a fresh idle look",
        "Before the conclusion the connection is changed only straight after a look at it that found no sync running: "
        "a change may stop one.",
        _looked,
    ),
    Promise(
        "the schedule is restored",
        "What changed the schedule is followed by the choice `restore_schedule`, and its `yes` by the call that puts "
        "it back.",
        _restored,
    ),
)
