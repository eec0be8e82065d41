"""Promises about what is done to the connection, the trigger aside."""

from collections.abc import Iterable

from orchestrator.chart import Chart, Kind, State
from orchestrator.deeds import Deed
from orchestrator.events import Event
from orchestrator.promises.conduct import asks, changes, chosen, deeds, done, leads_on, needs
from orchestrator.promises.paths import Edge, Path, Promise, nothing, shortest

__all__ = ["CONNECTION"]


def _read_first(chart: Chart) -> Path | None:
    def after(read: str, edge: Edge) -> Iterable[str]:
        return ("read" if done(edge, Deed.READS) else read,)

    def at(read: str, state: State) -> bool:
        # What was never changed is never put back, and setup tests change nothing.
        harmless = {Deed.RESTORES_SCHEDULE, Deed.RUNS_TESTS}
        return changes(state) and harmless.isdisjoint(deeds(state)) and not read

    return shortest(chart, "", after, at=at)


def _patience(chart: Chart) -> Path | None:
    behind = chart.behind()

    def along(_: str, edge: Edge) -> bool:
        failed = asks(edge.source) and edge.event in {Event.RATE_LIMITED, Event.UNAVAILABLE}
        return failed and edge.source.name not in behind and leads_on(edge)

    return shortest(chart, "", nothing, along=along)


def _told(chart: Chart) -> Path | None:
    def after(chose: tuple[str, str], edge: Edge) -> Iterable[tuple[str, str]]:
        return ((edge.source.operand, edge.event) if leads_on(edge) else chose,)

    def at(chose: tuple[str, str], state: State) -> bool:
        return needs(state) not in {None, chose}

    return shortest(chart, ("", ""), after, at=at)


def _said(said: str, edge: Edge) -> Iterable[str]:
    """What the last reading said that looks at the connection's condition."""
    return (edge.event if done(edge, Deed.READS) and Event.READY in edge.source.edges else said,)


def _unpaused(chart: Chart) -> Path | None:
    return shortest(chart, "", _said, at=lambda said, state: Deed.UNPAUSES in deeds(state) and said != Event.PAUSED)


def _kept(chart: Chart) -> Path | None:
    def at(said: str, state: State) -> bool:
        # Un-pausing heeds by itself what it was told about the schedule.
        return Deed.CHANGES_SCHEDULE in deeds(state) and Deed.UNPAUSES not in deeds(state) and said != Event.READY

    return shortest(chart, "", _said, at=at)


def _restored(chart: Chart) -> Path | None:
    def after(owed: str, edge: Edge) -> Iterable[str]:
        """What is still to come: the choice, or the call that its `yes` leads to."""
        if Deed.CHANGES_SCHEDULE in deeds(edge.source):
            return ("choice",)
        if value := chosen(edge, "restore_schedule"):
            return ("call" if value == "yes" else "",)
        return ("" if Deed.RESTORES_SCHEDULE in deeds(edge.source) and leads_on(edge) else owed,)

    return shortest(chart, "", after, at=lambda owed, state: state.kind is Kind.EXIT and bool(owed))


CONNECTION = (
    Promise("nothing is changed unread", "Before the connection has been read, nothing is changed.", _read_first),
    Promise(
        "failures are tried again",
        "Before the conclusion `rate_limited` and `unavailable` lead back to their own state: only there is the next "
        "attempt put off as Fivetran asks, and counted.",
        _patience,
    ),
    Promise(
        "nothing is done untold",
        "What a variable must ask for (a restart, un-pausing, putting the schedule back, evidence) comes straight "
        "after the choice that says so.",
        _told,
    ),
    Promise("only what is paused is un-paused", "The last reading of the connection said `paused`.", _unpaused),
    Promise(
        "a kept schedule is left alone",
        "The schedule is changed only where the last reading of the connection said `ready`, not `schedule_kept`.",
        _kept,
    ),
    Promise(
        "the schedule is restored",
        "What changed the schedule is followed by the choice `restore_schedule`, and its `yes` by the call that puts "
        "it back.",
        _restored,
    ),
)
