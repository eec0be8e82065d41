"""Promises about what lies after the conclusion: the verdict stands, and nothing else begins."""

from orchestrator.fivetran.tags import Tag
from orchestrator.machine.chart import Chart, State
from orchestrator.machine.promises.conduct import asks, changes, leads_on, needs, tags
from orchestrator.machine.promises.paths import Edge, Path, Promise, nothing, shortest

__all__ = ["CONCLUSION"]


SCHEDULE = {Tag.RESTORES_SCHEDULE, Tag.SWITCHES_LATE}


def _unchanged(chart: Chart) -> Path | None:
    behind = chart.behind()

    def at(_: str, state: State) -> bool:
        return state.name in behind and changes(state) and SCHEDULE.isdisjoint(tags(state))

    return shortest(chart, "", nothing, at=at)


def _evidence(chart: Chart) -> Path | None:
    behind = chart.behind()

    def at(_: str, state: State) -> bool:
        needed = state.name not in behind and (changes(state) or Tag.READS in tags(state))
        return asks(state) and needs(state) is None and not needed

    return shortest(chart, "", nothing, at=at)


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
        "After the conclusion nothing is changed but the schedule: restored, or switched late.",
        _unchanged,
    ),
    Promise(
        "evidence is optional",
        "Nothing is asked but the connection itself, and after the conclusion nothing at all, that no choice decides "
        "on: FIVETRAN_EVIDENCE can turn it off.",
        _evidence,
    ),
    Promise(
        "the verdict stands",
        "After the conclusion all that can become of a call leads the same way: nothing there changes how it ends.",
        _one_way,
    ),
)
