"""Promises about the end of a run: that it comes, says what happened, and that nothing else begins after it."""

from collections.abc import Iterable

from orchestrator.fivetran.effects import EFFECTS, Tag, Writing, tagged
from orchestrator.machine.chart import Kind
from orchestrator.machine.promises.paths import Edge, Place, Promise
from orchestrator.values.events import SIGNALS, Event
from orchestrator.values.exit_codes import BUG, EXIT_CODES, MISCONFIGURED

__all__ = ["CONCLUSION", "ENDING"]

LATE = {Event.TIMED_OUT, Event.TOO_LATE}
DOCUMENTED = EXIT_CODES.keys() - {MISCONFIGURED, BUG}
SCHEDULE = {Tag.RESTORES_SCHEDULE, Tag.SWITCHES_LATE}


def _circles(began: str, edge: Edge) -> Iterable[str]:
    """Where the circle began that goes round when time is up; "" before it is."""
    if began:
        return (began,) if _is_late(edge) else ()
    return ("", edge.source.state.name) if _is_late(edge) else ("",)


def _is_late(edge: Edge) -> bool:
    """Whether an edge can be taken when time is up; a GET is still made then, but not after the conclusion."""
    source, event = edge.source, edge.event
    if source.state.kind is Kind.WAITS:
        return event in LATE
    if not source.method:
        return True
    if source.changes or source.behind:
        return event in {Event.TIMED_OUT, Event.GAVE_UP}
    return event not in SIGNALS and edge.leads_on


def _is_green_unchecked(age: str, edge: Edge) -> bool:
    chart, checks = edge.target.chart, tagged({Tag.CHECKS_AGE})
    has_check = any(state.operand in checks for state in chart.states.values())
    return has_check and edge.target.state.exit == 0 and age != chart.green


ENDING = (
    Promise(
        "every run ends",
        "When the deadline has struck, or the grace at the end, nothing comes round again.",
        after=_circles,
        at=lambda began, place: began == place.state.name,
    ),
    Promise(
        "the deadline ends it",
        "What the deadline cuts off, or what would come too late, is followed by the conclusion: "
        "nothing more is asked or waited for.",
        after=lambda struck, edge: (struck or (edge.event in LATE and edge.source.takes_time),),
        at=lambda struck, place: struck and place.takes_time and not place.behind and not place.state.concludes,
        start=False,
    ),
    Promise(
        "a signal ends it",
        "SIGINT and SIGTERM lead from each call and wait to the conclusion in one step.",
        along=lambda _, edge: edge.source.takes_time and edge.event in SIGNALS and not edge.target.state.concludes,
    ),
    Promise(
        "every end is reported",
        "No final state is reached but through the report.",
        after=lambda written, edge: (written or isinstance(EFFECTS.get(edge.source.state.operand), Writing),),
        start=False,
        at=lambda written, place: place.is_final and not written,
    ),
    Promise(
        "exit codes are documented",
        f"A final state's exit code is a documented one, but {MISCONFIGURED} and {BUG}: those arise outside charts.",
        at=lambda _, place: place.is_final and place.state.exit not in DOCUMENTED,
    ),
    Promise(
        "green is earned",
        "Exit code 0 has one verdict: that what the action is for has been done.",
        along=lambda _, edge: edge.target.state.exit == 0 and edge.event != edge.target.chart.green,
    ),
    Promise(
        "stale is never green",
        "Where a chart checks how old the last success is, exit code 0 comes only after that check has said so.",
        after=lambda age, edge: (edge.event if edge.done(Tag.CHECKS_AGE) else age,),
        along=_is_green_unchecked,
    ),
)


def _unneeded(_: str, place: Place) -> bool:
    needed = not place.behind and (place.changes or Tag.READS in place.tags)
    return bool(place.method) and place.needs is None and not needed


def _turns(_: str, edge: Edge) -> bool:
    state = edge.source.state
    onward = next((target for target in state.edges.values() if target != state.name), "")
    return edge.source.behind and bool(edge.source.method) and edge.leads_on and edge.target.state.name != onward


CONCLUSION = (
    Promise(
        "the conclusion ends the work",
        "After the conclusion nothing is changed but the schedule: restored, or switched late.",
        at=lambda _, place: place.behind and place.changes and SCHEDULE.isdisjoint(place.tags),
    ),
    Promise(
        "evidence is optional",
        "Nothing is asked but the connection itself, and after the conclusion nothing at all, that no choice decides "
        "on: FIVETRAN_EVIDENCE can turn it off.",
        at=_unneeded,
    ),
    Promise(
        "the verdict stands",
        "After the conclusion all that can become of a call leads the same way: nothing there changes how it ends.",
        along=_turns,
    ),
)
