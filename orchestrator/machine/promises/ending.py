"""Promises about the end of a run: that it comes, is reported, and that nothing else starts after it."""

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


def _loops(began: str, edge: Edge) -> Iterable[str]:
    """Where a loop started that goes on after the deadline; "" before the deadline."""
    if began:
        return (began,) if _is_late(edge) else ()
    return ("", edge.source.state.name) if _is_late(edge) else ("",)


def _is_late(edge: Edge) -> bool:
    """Whether an edge can be taken after the deadline; a GET is still made then, but not after the conclusion."""
    source, event = edge.source, edge.event
    if source.state.kind is Kind.WAITS:
        return event in LATE
    if not source.method:
        return True
    if source.changes or source.after_conclusion:
        return event in {Event.TIMED_OUT, Event.GAVE_UP}
    return event not in SIGNALS and edge.leads_on


def _is_green_unchecked(age: str, edge: Edge) -> bool:
    chart, checks = edge.target.chart, tagged({Tag.CHECKS_AGE})
    has_check = any(state.operand in checks for state in chart.states.values())
    return has_check and edge.target.state.exit == 0 and age != chart.green


ENDING = (
    Promise(
        "every run ends",
        "Once the deadline, or the grace period at the end, has passed, no state is entered twice.",
        after=_loops,
        at=lambda began, place: began == place.state.name,
    ),
    Promise(
        "the deadline ends the run",
        "Once the deadline cuts off a request or a wait, the run goes to the conclusion: "
        "it sends nothing more and does not wait again.",
        after=lambda late, edge: (late or (edge.event in LATE and edge.source.takes_time),),
        at=lambda late, place: late and place.takes_time and not place.after_conclusion and not place.state.concludes,
        start=False,
    ),
    Promise(
        "a signal ends the run",
        "SIGINT and SIGTERM lead from every call and wait directly to the conclusion.",
        along=lambda _, edge: edge.source.takes_time and edge.event in SIGNALS and not edge.target.state.concludes,
    ),
    Promise(
        "every end is reported",
        "Every path to a final state writes the report.",
        after=lambda written, edge: (written or isinstance(EFFECTS.get(edge.source.state.operand), Writing),),
        start=False,
        at=lambda written, place: place.is_final and not written,
    ),
    Promise(
        "exit codes are documented",
        f"Every final state has a documented exit code; {MISCONFIGURED} and {BUG} are reserved for use outside charts.",
        at=lambda _, place: place.is_final and place.state.exit not in DOCUMENTED,
    ),
    Promise(
        "green is earned",
        "Only one verdict leads to exit code 0: that the action's purpose was achieved.",
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
    needed = not place.after_conclusion and (place.changes or Tag.READS in place.tags)
    return bool(place.method) and place.needs is None and not needed


def _turns(_: str, edge: Edge) -> bool:
    state = edge.source.state
    onward = next((target for target in state.edges.values() if target != state.name), "")
    deviates = edge.leads_on and edge.target.state.name != onward
    return edge.source.after_conclusion and bool(edge.source.method) and deviates


CONCLUSION = (
    Promise(
        "only the schedule changes after the verdict",
        "After the conclusion, nothing is changed except the schedule, which may be restored or switched late.",
        at=lambda _, place: place.after_conclusion and place.changes and SCHEDULE.isdisjoint(place.tags),
    ),
    Promise(
        "evidence is optional",
        "Every look-up beyond the connection itself, and every request after the conclusion, comes after a choice, so "
        "that FIVETRAN_EVIDENCE can turn it off.",
        at=_unneeded,
    ),
    Promise(
        "the verdict is final",
        "After the conclusion, all outcomes of a call lead to the same state: none of them changes the verdict.",
        along=_turns,
    ),
)
