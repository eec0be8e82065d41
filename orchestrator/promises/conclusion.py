"""Promises about what lies behind the conclusion: the verdict stands, and nothing else begins."""

from orchestrator.chart import Chart, State
from orchestrator.deeds import Deed
from orchestrator.promises.conduct import asks, changes, deeds, leads_on, needs
from orchestrator.promises.paths import Edge, Path, Promise, nothing, shortest

__all__ = ["CONCLUSION"]


def _unchanged(chart: Chart) -> Path | None:
    behind = chart.behind()

    def at(_: str, state: State) -> bool:
        return state.name in behind and changes(state) and Deed.RESTORES_SCHEDULE not in deeds(state)

    return shortest(chart, "", nothing, at=at)


def _evidence(chart: Chart) -> Path | None:
    behind = chart.behind()
    return shortest(
        chart, "", nothing, at=lambda _, state: state.name in behind and asks(state) and needs(state) is None
    )


def _one_way(chart: Chart) -> Path | None:
    behind = chart.behind()

    def along(_: str, edge: Edge) -> bool:
        state = edge.source
        onward = next((target for target in state.edges.values() if target != state.name), "")
        return state.name in behind and asks(state) and leads_on(edge) and edge.target.name != onward

    return shortest(chart, "", nothing, along=along)


CONCLUSION = (
    Promise(
        "the conclusion ends the work",
        "Behind the conclusion nothing is changed but the schedule put back.",
        _unchanged,
    ),
    Promise(
        "evidence is optional",
        "Behind the conclusion nothing is asked that no choice decides on: FIVETRAN_EVIDENCE can turn it off.",
        _evidence,
    ),
    Promise(
        "the verdict stands",
        "Behind the conclusion all that can become of a call leads the same way: nothing there changes how it ends.",
        _one_way,
    ),
)
