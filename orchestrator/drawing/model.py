"""A drawing of a chart as data: what is drawn, and what is only said. It knows no syntax.

Complete because the chart is: there is nothing else to draw. A renderer adds nothing of its
own but shapes and colours.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from orchestrator.fivetran.effects import EFFECTS, Call
from orchestrator.fivetran.vocabulary import raised_by
from orchestrator.machine.chart import Chart, Kind, State
from orchestrator.values.events import Event
from orchestrator.values.exchange import Request
from orchestrator.values.facts import Facts
from orchestrator.values.settings import Settings

__all__ = ["Diagram", "Edge", "Node", "Note", "diagram", "happy_path", "request_of"]

# A job as nobody has it: its requests have placeholders in their paths.
_ANY = Settings(action="", connector_id="{id}", api_key="", api_secret="", schema="{schema}", table="{table}")
_SIGNALLED = 128  # exit codes from here on are those of signals


@dataclass(frozen=True, slots=True)
class Node:
    """A state."""

    name: str
    kind: Kind
    captions: tuple[str, ...]  # what stands below its name, a line each: the request, the pause, the code
    asks: bool  # it asks Fivetran
    exit: int | None  # exit code of a final state, else None
    concludes: bool  # entering it records the verdict
    happy: bool  # it is on the happy path
    here: bool  # it is the highlighted one
    visited: bool  # the way led through it

    @property
    def end(self) -> str:
        """How a final state ends: "good", "bad" or "stopped" (by a signal); "" for any other state."""
        if self.exit is None:
            return ""
        return "stopped" if self.exit > _SIGNALLED else "bad" if self.exit else "good"


@dataclass(frozen=True, slots=True)
class Edge:
    """All the edges that are drawn from one state to another: one line."""

    source: str  # the state that is left
    target: str  # the state that is entered
    events: tuple[str, ...]  # what leads there: the happy one first, then as in the file
    groups: tuple[str, ...]  # the shared groups that some of them come from
    happy: bool  # it is on the happy path
    taken: bool  # the way led along it

    @property
    def again(self) -> bool:
        """Whether it leads back to its own state."""
        return self.source == self.target


@dataclass(frozen=True, slots=True)
class Note:
    """Edges that are not drawn but said: several states have them alike."""

    events: tuple[str, ...]  # what happens
    sources: tuple[str, ...]  # to which states
    target: str  # where that leads; "" for the state itself
    best_effort: bool  # it leads where success leads

    @property
    def text(self) -> str:
        """The note in a line."""
        events = ", ".join(self.events)
        if self.best_effort:
            return f"{', '.join(self.sources)} → on as after a success: {events}"
        return f"{events} → {self.target or 'the same state again, after a pause'}"


@dataclass(frozen=True, slots=True)
class Diagram:
    """A drawing."""

    action: str  # START, STATUS, TEST or FORCE_RESYNC
    title: str  # one line for people
    initial: str  # the first state
    nodes: tuple[Node, ...]  # the states, in the order of the file
    edges: tuple[Edge, ...]  # the lines between them, in the order of the file
    notes: tuple[Note, ...]  # what is not drawn; () where everything is
    base: str  # what "…" at the beginning of a path stands for; "" where none is shortened

    @property
    def legend(self) -> tuple[str, ...]:
        """What a reader of the picture has to be told, a line each."""
        notes = ("Not drawn:", *(f"• {note.text}" for note in self.notes)) if self.notes else ()
        return (*notes, f"… is {self.base}") if self.base else notes


def diagram(
    chart: Chart, *, full: bool = False, here: str = "", way: Collection[tuple[str, str]] = frozenset()
) -> Diagram:
    """The drawing of a chart.

    Args:
        chart: The chart.
        full: Draw every edge; else what states share is left to a note.
        here: A state to highlight, or "".
        way: The way so far: each (source, target) that a run went along. It is always drawn.
    """
    path = happy_path(chart)
    happy = {*path, chart.initial, *(chart.states[name].edges[event] for name, event in path.items())}
    visited = {here, *(name for pair in way for name in pair)} - {""}
    best_effort = {state.name: _best_effort(chart, state) for state in chart.states.values()}
    folded = set() if full else _folded(chart, path, best_effort, way)
    base = _base(chart)
    nodes = tuple(
        Node(
            name=state.name,
            kind=state.kind,
            captions=tuple(_captions(state, base)),
            asks=request_of(state) is not None,
            exit=state.exit,
            concludes=state.concludes,
            happy=state.name in happy,
            here=state.name == here,
            visited=state.name in visited,
        )
        for state in chart.states.values()
    )
    edges = tuple(
        edge for state in chart.states.values() for edge in _edges(state, folded, path.get(state.name, ""), way)
    )
    shortened = any("…" in caption for node in nodes for caption in node.captions)
    notes = tuple(_notes(chart, folded, best_effort))
    return Diagram(chart.action, chart.title, chart.initial, nodes, edges, notes, base if shortened else "")


def happy_path(chart: Chart) -> dict[str, str]:
    """State -> event, from the initial state on: always the first edge that leads somewhere new."""
    path: dict[str, str] = {}
    state = chart.states[chart.initial]
    while event := next((event for event, target in state.edges.items() if target not in {*path, state.name}), ""):
        path[state.name] = event
        state = chart.states[state.edges[event]]
    return path


def request_of(state: State) -> Request | None:
    """What a state asks of Fivetran, with placeholders for what a job says; None if it asks nothing."""
    effect = EFFECTS.get(state.operand) if state.kind is Kind.DOES else None
    return effect.ask(_ANY, Facts()) if isinstance(effect, Call) else None


def _path(request: Request) -> str:
    return request.path.partition("?")[0]


def _base(chart: Chart) -> str:
    """The shortest path about the connection that the chart asks for: the others mostly begin with it."""
    paths = [_path(request) for state in chart.states.values() if (request := request_of(state))]
    return min((path for path in paths if _ANY.connector_id in path), key=len, default="")


def _captions(state: State, base: str) -> Iterator[str]:
    request = request_of(state)
    if request is not None:
        path = _path(request)
        yield f"{request.method} {f'…{path.removeprefix(base)}' if path.startswith(f'{base}/') else path}"
    elif state.kind is Kind.WAITS:
        yield f"until {state.operand}"
    elif state.kind is Kind.CHOOSES:
        yield state.operand
    elif state.kind is Kind.EXIT:
        yield f"exit {state.exit}"
    if state.tries is not None:
        yield f"at most {state.tries} tries"


def _best_effort(chart: Chart, state: State) -> frozenset[str]:
    """The failures of a call that lead on where its success leads, if all that are for good do; else none."""
    if request_of(state) is None:
        return frozenset()
    success = next((target for event, target in state.edges.items() if raised_by(event) == "effect"), "")
    for_good = {t for event, t in state.edges.items() if raised_by(event) == "client" and t != state.name}
    if for_good != {success} or chart.states[success].concludes:
        return frozenset()
    return frozenset(event for event, t in state.edges.items() if t == success and raised_by(event) != "effect")


def _folded(
    chart: Chart, path: dict[str, str], best_effort: dict[str, frozenset[str]], way: Collection[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Each (state, event) whose edge is left to the note."""
    folded = {
        (source, event)
        for source, event, target in chart.edges()
        if chart.states[source].kind is not Kind.CHOOSES
        and (event in {*chart.states[source].groups, *best_effort[source]} or event == Event.GAVE_UP)
        and path.get(source) != event
        and (source, target) not in way
    }
    while lost := set(chart.states) - _reached(chart, folded):  # a state without a line to it would look like a slip
        folded -= {(source, event) for source, event, target in chart.edges() if target in lost and source not in lost}
    return folded


def _reached(chart: Chart, folded: set[tuple[str, str]]) -> set[str]:
    """The states that lines lead to."""
    drawn = {
        name: replace(state, edges={event: to for event, to in state.edges.items() if (name, event) not in folded})
        for name, state in chart.states.items()
    }
    return replace(chart, states=drawn).reachable(chart.initial)


def _edges(state: State, folded: set[tuple[str, str]], happy: str, way: Collection[tuple[str, str]]) -> Iterator[Edge]:
    """The lines from a state."""
    drawn = [event for event in state.edges if (state.name, event) not in folded]
    drawn.sort(key=lambda event: event != happy)
    by_target: dict[str, list[str]] = {state.edges[event]: [] for event in state.edges if event in drawn}
    for event in drawn:
        by_target[state.edges[event]].append(event)
    for target, events in by_target.items():
        groups = dict.fromkeys(state.groups[event] for event in events if event in state.groups)
        taken = (state.name, target) in way
        yield Edge(state.name, target, tuple(events), tuple(groups), happy in events, taken)


def _notes(chart: Chart, folded: set[tuple[str, str]], best_effort: dict[str, frozenset[str]]) -> Iterator[Note]:
    """What is left to notes, by where it leads."""
    shared: dict[str, dict[str, list[str]]] = {}  # target -> event -> states
    leading_on: dict[tuple[str, ...], list[str]] = {}
    for state in chart.states.values():
        events = [event for event in state.edges if (state.name, event) in folded]
        for event in events:
            if event not in best_effort[state.name]:
                target = "" if state.edges[event] == state.name else state.edges[event]
                shared.setdefault(target, {}).setdefault(event, []).append(state.name)
        if on := tuple(event for event in events if event in best_effort[state.name]):
            leading_on.setdefault(on, []).append(state.name)
    for target, states in shared.items():
        sources = dict.fromkeys(name for names in states.values() for name in names)
        yield Note(tuple(states), tuple(sources), target, best_effort=False)
    for on, names in leading_on.items():
        yield Note(on, tuple(names), "", best_effort=True)
