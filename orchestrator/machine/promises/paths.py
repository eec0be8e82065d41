"""Paths through a chart: the shortest one on which something happens that must not.

A promise about all paths is a search: the states of a chart times a small memory of the way
there. Both are finite, so the search ends, and what it does not find cannot happen.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Generic, NamedTuple, TypeVar

from orchestrator.machine.chart import Chart, Kind, State

__all__ = ["Edge", "Path", "Promise", "nothing", "shortest"]

Memory = TypeVar("Memory", bound=Hashable)


class Edge(NamedTuple):
    """One edge: `source` is left by `event`, `target` is entered."""

    source: State
    event: str
    target: State


class Path(NamedTuple):
    """A way through a chart from its initial state.

    Attributes:
        initial: Where it begins.
        edges: What follows: (event, state).
    """

    initial: str
    edges: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return self.initial + "".join(f" --{event}--> {state}" for event, state in self.edges)


class Promise(NamedTuple):
    """A promise about all paths through a chart.

    Attributes:
        name: A few words.
        statement: What is promised, in one sentence.
        counterexample: The shortest path that breaks it, or None where it holds.
    """

    name: str
    statement: str
    counterexample: Callable[[Chart], Path | None]


def nothing(_: str, __: Edge) -> tuple[str]:
    """What a promise remembers that needs no memory."""
    return ("",)


class _Place(NamedTuple, Generic[Memory]):
    """Where a search stands.

    Attributes:
        state: The state.
        said: The last event that was not a choice, where it matters: in a choice, and from the
            conclusion on, where it is the verdict.
        memory: What the promise remembers.
    """

    state: str
    said: str
    memory: Memory


def shortest(
    chart: Chart,
    memory: Memory,
    after: Callable[[Memory, Edge], Iterable[Memory]],
    *,
    at: Callable[[Memory, State], bool] = lambda _, __: False,
    along: Callable[[Memory, Edge], bool] = lambda _, __: False,
) -> Path | None:
    """The shortest path that breaks a promise, or None where none does.

    Args:
        chart: A chart that the loader has proved.
        memory: What is remembered at the initial state.
        after: What may be remembered after an edge; nothing, where the search goes no further.
        at: Whether it is broken by being in a state.
        along: Whether it is broken by taking an edge.
    """
    # Verdicts multiply the places, and hardly a promise needs to tell them apart to hold.
    if _search(chart, memory, after, at, along, tell_verdicts=False) is None:
        return None
    return _search(chart, memory, after, at, along, tell_verdicts=True)


def _search(
    chart: Chart,
    memory: Memory,
    after: Callable[[Memory, Edge], Iterable[Memory]],
    at: Callable[[Memory, State], bool],
    along: Callable[[Memory, Edge], bool],
    *,
    tell_verdicts: bool,
) -> Path | None:
    first = chart.states[chart.initial]
    if at(memory, first):
        return Path(first.name)
    behind = chart.behind()
    edges = {
        name: [Edge(state, event, chart.states[target]) for event, target in state.edges.items()]
        for name, state in chart.states.items()
    }
    came: dict[_Place[Memory], tuple[_Place[Memory], Edge] | None] = {_Place(first.name, "", memory): None}
    todo = [*came]
    for here in todo:  # grows while it is gone through: breadth first
        for edge in edges[here.state]:
            if tell_verdicts and edge.source.operand == "verdict" and edge.event != here.said:
                continue  # the choice that leads to the final states takes the edge of the verdict
            if along(here.memory, edge):
                return _path(came, here, edge)
            said = _said(here.said, edge, behind) if tell_verdicts else ""
            for then in after(here.memory, edge):
                if at(then, edge.target):
                    return _path(came, here, edge)
                there = _Place(edge.target.name, said, then)
                if there not in came:
                    came[there] = (here, edge)
                    todo.append(there)
    return None


def _said(said: str, edge: Edge, behind: set[str]) -> str:
    """What was said last, in the state that an edge leads to."""
    if edge.target.name in behind or edge.source.kind is Kind.CHOOSES or edge.target is edge.source:
        return said
    return edge.event if edge.target.kind is Kind.CHOOSES or edge.target.concludes else ""


def _path(came: Mapping[_Place[Memory], tuple[_Place[Memory], Edge] | None], here: _Place[Memory], last: Edge) -> Path:
    """The way that led here, and the edge that follows."""
    edges = [last]
    while before := came[here]:
        here = before[0]
        edges.append(before[1])
    return Path(here.state, tuple((edge.event, edge.target.name) for edge in reversed(edges)))
