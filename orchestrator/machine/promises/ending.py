"""Promises about the end of a run: that it comes, and says what happened."""

from collections.abc import Iterable

from orchestrator.machine.chart import Chart, Kind
from orchestrator.machine.promises.conduct import asks, changes, leads_on, reports, takes_time
from orchestrator.machine.promises.paths import Edge, Path, Promise, nothing, shortest
from orchestrator.values.events import SIGNALS, Event
from orchestrator.values.exit_codes import BUG, EXIT_CODES, MISCONFIGURED

__all__ = ["ENDING"]


def _ends(chart: Chart) -> Path | None:
    behind = chart.behind()

    def after(began: str, edge: Edge) -> Iterable[str]:
        """Where the circle began that goes round when time is up; "" before it is."""
        if began:
            return (began,) if _is_late(edge, behind) else ()
        return ("", edge.source.name) if _is_late(edge, behind) else ("",)

    return shortest(chart, "", after, at=lambda began, state: began == state.name)


def _is_late(edge: Edge, behind: set[str]) -> bool:
    """Whether an edge can be taken when time is up; a GET is still made then, but not after the conclusion."""
    source, event = edge.source, edge.event
    if source.kind is Kind.WAITS:
        return event in {Event.TIMED_OUT, Event.TOO_LATE}
    if not asks(source):
        return True
    if changes(source) or source.name in behind:
        return event in {Event.TIMED_OUT, Event.GAVE_UP}
    return event not in SIGNALS and leads_on(edge)


def _deadline(chart: Chart) -> Path | None:
    ahead = chart.states.keys() - chart.behind() - {chart.conclusion.name}

    def after(struck: str, edge: Edge) -> Iterable[str]:
        strikes = edge.event in {Event.TIMED_OUT, Event.TOO_LATE} and takes_time(edge.source)
        return ("struck" if strikes else struck,)

    return shortest(
        chart, "", after, at=lambda struck, state: bool(struck) and takes_time(state) and state.name in ahead
    )


def _signals(chart: Chart) -> Path | None:
    def along(_: str, edge: Edge) -> bool:
        return takes_time(edge.source) and edge.event in SIGNALS and not edge.target.concludes

    return shortest(chart, "", nothing, along=along)


def _reported(chart: Chart) -> Path | None:
    def after(written: str, edge: Edge) -> Iterable[str]:
        return ("written" if reports(edge.source) else written,)

    return shortest(chart, "", after, at=lambda written, state: state.kind is Kind.EXIT and not written)


def _documented(chart: Chart) -> Path | None:
    codes = EXIT_CODES.keys() - {MISCONFIGURED, BUG}
    return shortest(chart, "", nothing, at=lambda _, state: state.kind is Kind.EXIT and state.exit not in codes)


def _green(chart: Chart) -> Path | None:
    return shortest(chart, "", nothing, along=lambda _, edge: edge.target.exit == 0 and edge.event != chart.green)


ENDING = (
    Promise(
        "every run ends", "When the deadline has struck, or the grace at the end, nothing comes round again.", _ends
    ),
    Promise(
        "the deadline ends it",
        "What the deadline cuts off, or what would come too late, is followed by the conclusion: "
        "nothing more is asked or waited for.",
        _deadline,
    ),
    Promise(
        "a signal ends it", "SIGINT and SIGTERM lead from each call and wait to the conclusion in one step.", _signals
    ),
    Promise("every end is reported", "No final state is reached but through the report.", _reported),
    Promise(
        "exit codes are documented",
        f"A final state's exit code is a documented one, but {MISCONFIGURED} and {BUG}: those arise outside charts.",
        _documented,
    ),
    Promise("green is earned", "Exit code 0 has one verdict: that what the action is for has been done.", _green),
)
