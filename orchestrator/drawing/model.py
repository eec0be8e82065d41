"""A chart as the data of a drawing: what is a line, and what is only said. It knows no syntax.

Complete because the chart is: each of its edges is a line, stands in the text of the box that it
leaves, is inside a box, or is in the note. A renderer adds nothing of its own but shapes and colours.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum, unique

from orchestrator.drawing.elements import ChartEdge, Diagram, Edge, Node, Note, Row, Said
from orchestrator.drawing.shape import upward
from orchestrator.fivetran.effects import EFFECTS, Call
from orchestrator.fivetran.vocabulary import question_of, raised_by
from orchestrator.machine.chart import OTHERWISE, Chart, Kind, State
from orchestrator.values.events import Event
from orchestrator.values.exchange import Request
from orchestrator.values.facts import Facts
from orchestrator.values.settings import Settings

__all__ = ["View", "Way", "diagram", "happy_path", "request_of"]

# A job as nobody has it: its requests have placeholders in their paths.
_ANY = Settings(action="", connector_id="{id}", api_key="", api_secret="", schema="{schema}", table="{table}")
_MOST = 2  # events that a line of the overview names
_EXIT = "exit\N{NO-BREAK SPACE}"
_OTHER = "any other verdict"
_UNCLEAR = {"yes", "no", OTHERWISE}  # values that say nothing without their question

Way = Collection[tuple[str, str]]


@unique
class View(StrEnum):
    """How much of a chart is drawn.

    OVERVIEW: a box for each group.
    MAIN: the happy path with what lies beside it. Groups that it stays out of, what comes after the
        verdict, and the red ends are a box each; lines stay within their group.
    FULL: every state, and nothing is left to a note.
    STATES: every state and every line, save for what many states share: what a run is painted over.
    """

    OVERVIEW = "overview"
    MAIN = "main"
    FULL = "full"
    STATES = "states"


def diagram(chart: Chart, view: View = View.MAIN, *, here: str = "", way: Way = frozenset()) -> Diagram:
    """The drawing of a chart.

    Args:
        chart: The chart.
        view: How much is drawn.
        here: A state to highlight, or "".
        way: The way so far: each (source, target) that a run went along. It is always drawn.
    """
    return _Drawing(chart, view, here, way).diagram()


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
        under = path == base or path.startswith(f"{base}/")
        yield f"{request.method} {f'…{path.removeprefix(base)}' if under else path}"
    elif state.kind is Kind.WAITS:
        yield f"until {state.operand}"
    elif state.kind is Kind.CHOOSES:
        yield state.name
    elif state.kind is Kind.EXIT:
        yield f"exit {state.exit}"
    if state.tries is not None:
        yield f"at most {state.tries} tries"


class _Drawing:
    """Says which states share a box, and which edges are lines.

    Attributes:
        parts: What the states of a box have in common -> they, in the order of the file.
        boxes: State -> its box, which is called like the first of its states.
        folded: The boxes that stand for a group, for what comes after the verdict, or for the red ends.
        frames: Box -> the group in whose frame it stands, or "".
        noted: Each (state, event) that is left to the note.
    """

    def __init__(self, chart: Chart, view: View, here: str, way: Way) -> None:
        self.chart, self.view, self.here = chart, view, here
        self.path = happy_path(chart)
        self.happy = {chart.initial, *(chart.states[name].edges[event] for name, event in self.path.items())}
        self.conclusion = next((state.name for state in chart.states.values() if state.concludes), "")
        after = chart.reachable(self.conclusion) if self.conclusion else set()
        self.tail = {name for name in after if chart.states[name].kind is not Kind.EXIT}
        self.ending = next((state.name for state in chart.states.values() if state.operand == "verdict"), "")
        groups = {state.group for state in chart.states.values()} - {""}
        self.detours = groups - {chart.states[name].group for name in self.happy | self.tail}
        self.best_effort = {state.name: _best_effort(chart, state) for state in chart.states.values()}
        self.noted = set() if view is View.FULL else _noted(chart, self.path, self.best_effort, way)
        self.parts: dict[object, list[str]] = {}
        for state in chart.states.values():
            self.parts.setdefault(self._part(state), []).append(state.name)
        self.boxes = {name: states[0] for states in self.parts.values() for name in states}
        self.folded = {states[0] for part, states in self.parts.items() if part != states[0]}
        self.titles = {states[0]: self._title(states) for states in self.parts.values()}
        self.frames = {states[0]: self._frame(states[0]) for states in self.parts.values()}
        self.way = {(self.boxes[source], self.boxes[target]) for source, target in way}

    def _part(self, state: State) -> object:
        """A state's name if it has a box of its own; else the same for all that share one."""
        if self.view is View.STATES:
            return state.name
        if state.kind is Kind.EXIT:
            return ("red ends",) if state.exit else state.name
        if self.view is not View.FULL:
            if state.name in self.tail:
                return ("after the verdict",)
            if state.group in self.detours or (state.group and self.view is View.OVERVIEW):
                return ("group", state.group)
        return state.name

    def _title(self, states: Sequence[str]) -> str:
        first = self.chart.states[self.conclusion if self.conclusion in states else states[0]]
        if states[0] in self.folded:
            return "" if first.kind is Kind.EXIT else first.group or first.name
        return question_of(first.operand) if first.kind is Kind.CHOOSES else first.name

    def _frame(self, box: str) -> str:
        """The group in whose frame a box stands: that of a detour is the one that leads there first."""
        state = self.chart.states[box]
        if self.view in {View.OVERVIEW, View.STATES} or (self.view is View.MAIN and box in self.tail):
            return ""
        if self.view is View.MAIN and state.group in self.detours:
            sources = (source for source, _, target in self.chart.edges() if self.boxes[target] == box)
            groups = (self.chart.states[source].group for source in sources)
            return next((group for group in groups if group not in self.detours), "")
        return state.group

    def diagram(self) -> Diagram:
        lines: dict[tuple[str, str], list[ChartEdge]] = {}
        said: dict[str, list[ChartEdge]] = {}
        for of in self.chart.edges():
            source, event, target = of
            start, end = self.boxes[source], self.boxes[target]
            if (source, event) in self.noted or (start == end and (source != target or start in self.folded)):
                continue
            if self._is_line(of):
                lines.setdefault((start, end), []).append(of)
            else:
                said.setdefault(start, []).append(of)
        edges = [self._edge(start, end, found) for (start, end), found in lines.items()]
        initial = self.boxes[self.chart.initial]
        if self.view is View.OVERVIEW:  # a line upwards would push the happy path aside
            for edge in upward(initial, edges) - {edge for edge in edges if edge.taken}:
                edges.remove(edge)
                said.setdefault(edge.source, []).extend(edge.edges)
        base = _base(self.chart)
        nodes = tuple(self._node(states, said.get(states[0], ()), base) for states in self.parts.values())
        shortened = any("…" in caption for node in nodes for caption in node.captions)
        notes = tuple(note for note in self._notes() if note.ends or self.view is not View.OVERVIEW)
        base = base if shortened else ""
        return Diagram(self.chart.action, self.chart.title, initial, nodes, tuple(edges), notes, base)

    def _is_line(self, edge: ChartEdge) -> bool:
        """Whether an edge is drawn; else the box that it leaves says it."""
        source, event, target = edge
        start, end = self.boxes[source], self.boxes[target]
        if self.view is View.STATES or self.path.get(source) == event or (start, end) in self.way:
            return True
        if target == self.conclusion and source not in self.tail:
            return self.view is View.OVERVIEW and self.chart.green in self._causes(edge)
        near = self.frames[start] == self.frames[end] or self.chart.states[target].kind is Kind.EXIT
        return near or target == self.chart.states[source].edges.get(self.path.get(source, ""))

    def _causes(self, edge: ChartEdge) -> list[str]:
        """The events by which a run gets to an edge: its own, or those before the choice."""
        seen, found = {edge[0]}, list[str]()
        todo = [edge]
        while todo:
            source, event, _ = todo.pop(0)
            if self.chart.states[source].kind is not Kind.CHOOSES or source == self.ending:
                found.append(event)
                continue
            before = [one for one in self.chart.edges() if one[2] == source and one[0] not in seen]
            seen |= {one[0] for one in before if self.chart.states[one[0]].kind is Kind.CHOOSES}
            todo += before
        return list(dict.fromkeys(found))

    def _labels(self, edge: ChartEdge) -> list[str]:
        """An edge in words: the yes or no of a choice that nobody sees would say nothing."""
        unclear = self.boxes[edge[0]] in self.folded and edge[1] in _UNCLEAR
        return self._causes(edge) if unclear else [edge[1]]

    def _code(self, verdict: str) -> str:
        return f"{_EXIT}{self.chart.exit_of(verdict)[1]}"

    def _said(self, edges: Sequence[ChartEdge]) -> Iterator[Said]:
        """The edges by where they lead."""
        found: dict[str, tuple[list[str], list[ChartEdge]]] = {}
        for edge in edges:
            if edge[2] == self.conclusion and edge[0] not in self.tail:
                unclear = edge[1] in _UNCLEAR and self.boxes[edge[0]] in self.folded
                ways = [(cause if unclear else edge[1], self._code(cause)) for cause in self._causes(edge)]
            else:
                ways = [(label, self._name(edge[2])) for label in self._labels(edge)]
            for label, where in ways:
                labels, of = found.setdefault(where, ([], []))
                labels.append(label)
                of.append(edge)
        codes = [where for where in found if where.startswith(_EXIT)] if self.view is View.OVERVIEW else []
        if codes:
            ended = [edge for where in codes for edge in found.pop(where)[1]]
            numbers = sorted(int(where.removeprefix(_EXIT)) for where in codes)
            found[f"{_EXIT}{', '.join(map(str, numbers))}"] = ([], ended)
        for where, (labels, of) in found.items():
            yield Said(tuple(dict.fromkeys(labels)), where, tuple(dict.fromkeys(of)))

    def _name(self, state: str) -> str:
        """What a reader finds a state by: its name, or the title of the box that it is in."""
        box = self.boxes[state]
        return self.titles[box] if box in self.folded else state

    def _node(self, states: Sequence[str], said: Sequence[ChartEdge], base: str) -> Node:
        members = [self.chart.states[name] for name in states]
        first, several = members[0], states[0] in self.folded
        visited = {self.here, *(name for pair in self.way for name in pair)}
        rows = [Row(state.exit, state.name, self._verdicts(state.name)) for state in members if state.exit is not None]
        return Node(
            name=first.name,
            title=self.titles[first.name],
            kind=None if several and first.kind is not Kind.EXIT else first.kind,
            captions=tuple(self._steps(states) if several else _captions(first, base)),
            said=tuple(self._said(said)),
            rows=tuple(rows) if several else (),
            states=tuple(states),
            group=self.frames[first.name],
            asks=not several and request_of(first) is not None,
            exit=None if several else first.exit,
            concludes=self.conclusion in states,
            happy=not self.happy.isdisjoint(states),
            here=self.here in states,
            visited=not visited.isdisjoint(states),
        )

    def _steps(self, states: Sequence[str]) -> Iterator[str]:
        """What stands for itself in a box of several: choices take no time, and final states have rows."""
        names = [name for name in states if self.chart.states[name].kind in {Kind.DOES, Kind.WAITS}]
        if self.view is not View.OVERVIEW and names:
            yield ", ".join(names)

    def _verdicts(self, final: str) -> tuple[str, ...]:
        edges = self.chart.states[self.ending].edges if self.ending else {}
        return tuple(event for event, target in edges.items() if target == final)

    def _edge(self, start: str, end: str, edges: list[ChartEdge]) -> Edge:
        edges = sorted(edges, key=lambda edge: self.path.get(edge[0]) != edge[1])
        happy = self.path.get(edges[0][0]) == edges[0][1]
        events = list(dict.fromkeys(label for edge in edges for label in self._labels(edge)))
        if end in self.folded and self.chart.states[end].kind is Kind.EXIT:
            events = [_OTHER]
        elif self.view is View.OVERVIEW and len(events) > _MOST:
            events = [] if happy else [*events[:_MOST], "…"]
        groups = dict.fromkeys(g for source, event, _ in edges if (g := self.chart.states[source].groups.get(event)))
        return Edge(start, end, tuple(events), tuple(edges), tuple(groups), happy, (start, end) in self.way)

    def _notes(self) -> Iterator[Note]:
        """What is left to notes, by where it leads."""
        shared: dict[str, dict[str, list[str]]] = {}  # target -> event -> states
        leading_on: dict[tuple[str, ...], list[str]] = {}
        for state in self.chart.states.values():
            events = [
                event
                for event, target in state.edges.items()
                if (state.name, event) in self.noted
                and (target == state.name or self.boxes[target] != self.boxes[state.name])
            ]
            for event in events:
                if event not in self.best_effort[state.name]:
                    target = "" if state.edges[event] == state.name else state.edges[event]
                    shared.setdefault(target, {}).setdefault(event, []).append(state.name)
            if on := tuple(event for event in events if event in self.best_effort[state.name]):
                leading_on.setdefault(on, []).append(state.name)
        for target, states in shared.items():
            sources = tuple(dict.fromkeys(name for names in states.values() for name in names))
            ends = [Said((event,), self._code(event), ()).text for event in states if target == self.conclusion]
            yield Note(tuple(states), sources, target, best_effort=False, ends=tuple(ends))
        for on, names in leading_on.items():
            yield Note(on, tuple(names), "", best_effort=True, ends=())


def _best_effort(chart: Chart, state: State) -> frozenset[str]:
    """The failures of a call that lead on where its success leads, if all that are for good do; else none."""
    if request_of(state) is None:
        return frozenset()
    success = next((target for event, target in state.edges.items() if raised_by(event) == "effect"), "")
    for_good = {t for event, t in state.edges.items() if raised_by(event) == "client" and t != state.name}
    if for_good != {success} or chart.states[success].concludes:
        return frozenset()
    return frozenset(event for event, t in state.edges.items() if t == success and raised_by(event) != "effect")


def _noted(
    chart: Chart, path: Mapping[str, str], best_effort: Mapping[str, frozenset[str]], way: Way
) -> set[tuple[str, str]]:
    """Each (state, event) whose edge is left to the note."""
    noted = {
        (source, event)
        for source, event, target in chart.edges()
        if chart.states[source].kind is not Kind.CHOOSES
        and (event in {*chart.states[source].groups, *best_effort[source]} or event == Event.GAVE_UP)
        and path.get(source) != event
        and (source, target) not in way
    }
    while lost := set(chart.states) - _reached(chart, noted):  # a state without a line to it would look like a slip
        noted -= {(source, event) for source, event, target in chart.edges() if target in lost and source not in lost}
    return noted


def _reached(chart: Chart, noted: set[tuple[str, str]]) -> set[str]:
    """The states that lines lead to."""
    drawn = {
        name: replace(state, edges={event: to for event, to in state.edges.items() if (name, event) not in noted})
        for name, state in chart.states.items()
    }
    return replace(chart, states=drawn).reachable(chart.initial)
