"""Paths through a chart: the shortest one that breaks a promise.

Checking a promise is a search over the states of a chart, times a small memory of the path so far.
Both are finite, so the search ends, and what it does not find cannot happen.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from orchestrator.fivetran.effects import EFFECTS, TRIGGERS, Call, Tag
from orchestrator.machine.chart import Chart, Kind, State

__all__ = ["Edge", "Path", "Place", "Promise"]

Memory = Any  # hashable, and of a promise's own kind


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A state of a chart, as the promises speak of it.

    Attributes:
        chart: The chart.
        state: The state.
        after_conclusion: Whether it comes after the conclusion.
        tags: What its effect does.
        outcomes: The events that its effect itself may have.
        method: The HTTP method of its request, or "".
        needs: The choice, and its value, that it must come straight after; or None.
    """

    chart: Chart
    state: State
    after_conclusion: bool
    tags: frozenset[Tag]
    outcomes: tuple[str, ...]
    method: str
    needs: tuple[str, str] | None

    @property
    def changes(self) -> bool:
        """Whether its request may change something at Fivetran."""
        return self.method not in {"", "GET"}

    @property
    def takes_time(self) -> bool:
        """Whether it asks or waits."""
        return self.state.kind is Kind.WAITS or bool(self.method)

    @property
    def triggers(self) -> bool:
        """Whether it starts a sync or a re-sync."""
        return not TRIGGERS.isdisjoint(self.tags)

    @property
    def is_final(self) -> bool:
        """Whether the run ends there."""
        return self.state.kind is Kind.EXIT


class Edge(NamedTuple):
    """One edge: `source` is left by `event`, `target` is entered."""

    source: Place
    event: str
    target: Place

    @property
    def leads_on(self) -> bool:
        """Whether it leads to another state."""
        return self.target is not self.source

    def done(self, tag: Tag) -> bool:
        """Whether it says that a tag was done: its event is one of the effect's own outcomes."""
        return tag in self.source.tags and self.event in self.source.outcomes

    def chosen(self, choice: str) -> str:
        """The value that a choice has on it, or ""."""
        state = self.source.state
        return self.event if state.kind is Kind.CHOOSES and state.operand == choice else ""


class Path(NamedTuple):
    """A path through a chart from its initial state.

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
        at: Whether it is broken by being in a state, from what is remembered there.
        along: Whether it is broken by taking an edge, from what is remembered before it.
        after: What may be remembered after an edge; nothing, where the search goes no further.
        start: What is remembered at the initial state.
    """

    name: str
    statement: str
    at: Callable[[Memory, Place], bool] = lambda _, __: False
    along: Callable[[Memory, Edge], bool] = lambda _, __: False
    after: Callable[[Memory, Edge], Iterable[Memory]] = lambda memory, _: (memory,)
    start: Memory = ""

    def counterexample(self, chart: Chart) -> Path | None:
        """The shortest path that breaks it, or None where it holds.

        Args:
            chart: A chart that the loader has checked.
        """
        places = _places(chart)
        # Telling verdicts apart multiplies the search, and few promises need it to hold.
        if self._search(places, chart.initial, by_verdict=False) is None:
            return None
        return self._search(places, chart.initial, by_verdict=True)

    def _search(self, places: Mapping[str, Place], initial: str, *, by_verdict: bool) -> Path | None:
        if self.at(self.start, places[initial]):
            return Path(initial)
        edges = {
            name: [Edge(place, event, places[target]) for event, target in place.state.edges.items()]
            for name, place in places.items()
        }
        came: dict[_Spot, tuple[_Spot, Edge] | None] = {_Spot(initial, "", self.start): None}
        todo = [*came]
        for here in todo:  # grows while it is gone through: breadth first
            for edge in edges[here.state]:
                if by_verdict and edge.source.state.operand == "verdict" and edge.event != here.last_event:
                    continue  # the choice that leads to the final states takes the edge of the verdict
                if self.along(here.memory, edge):
                    return _path(came, here, edge)
                last_event = _last_event(here.last_event, edge) if by_verdict else ""
                for then in self.after(here.memory, edge):
                    if self.at(then, edge.target):
                        return _path(came, here, edge)
                    there = _Spot(edge.target.state.name, last_event, then)
                    if there not in came:
                        came[there] = (here, edge)
                        todo.append(there)
        return None


class _Spot(NamedTuple):
    """Where a search stands.

    Attributes:
        state: The state.
        last_event: The last event that was not a choice, where it matters: in a choice, and from the
            conclusion on, where it is the verdict.
        memory: What the promise remembers.
    """

    state: str
    last_event: str
    memory: Memory


def _places(chart: Chart) -> dict[str, Place]:
    late = chart.behind()
    places = {}
    for name, state in chart.states.items():
        effect = EFFECTS[state.operand] if state.kind is Kind.DOES else None
        tags, outcomes, needs = (effect.tags, effect.outcomes, effect.needs) if effect else (frozenset(), (), None)
        method = effect.method if isinstance(effect, Call) else ""
        places[name] = Place(chart, state, name in late, tags, outcomes, method, needs)
    return places


def _last_event(before: str, edge: Edge) -> str:
    """The last event that matters in the state that an edge leads to."""
    if edge.target.after_conclusion or edge.source.state.kind is Kind.CHOOSES or not edge.leads_on:
        return before
    return edge.event if edge.target.state.kind is Kind.CHOOSES or edge.target.state.concludes else ""


def _path(came: Mapping[_Spot, tuple[_Spot, Edge] | None], here: _Spot, last: Edge) -> Path:
    """The path that led here, and the edge that follows."""
    edges = [last]
    while before := came[here]:
        here = before[0]
        edges.append(before[1])
    return Path(here.state, tuple((edge.event, edge.target.state.name) for edge in reversed(edges)))
