"""A drawing as a Mermaid flowchart: what GitHub and GitLab draw in a Markdown page.

A flowchart, not a state diagram: Mermaid's state diagrams cannot style an edge. A line between two
frames is tied to the frames, not to the boxes in them: Mermaid then lays out each frame by itself, and
puts one below the other, so that the drawing stays as narrow as its widest frame.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from textwrap import wrap

from orchestrator.drawing.elements import Diagram, Edge, Node
from orchestrator.drawing.shape import below, length, title
from orchestrator.machine.chart import Kind

__all__ = ["render"]

_CONFIGURATION = """\
%%%%{init: {"flowchart": {"nodeSpacing": 16, "rankSpacing": 22, "padding": 6, "wrappingWidth": 900,
"subGraphTitleMargin": {"top": 4, "bottom": 10}}, "themeVariables": {"fontSize": "%spx"}}}%%%%
flowchart TD"""
_SIZE, _SMALL = 16, 14  # pixels; without frames a drawing is narrow, and not made smaller to fit a page
_PAGE = 128  # characters of a line of boxes: more would be too small to read
_LINE = 72  # characters of a line of the legend
_LABEL = 12  # of a line's label
_SHAPES = {
    Kind.DOES: ('["', '"]'),
    Kind.WAITS: ('(["', '"])'),
    Kind.CHOOSES: ('{{"', '"}}'),
    Kind.EXIT: ('["', '"]'),
    None: ('[["', '"]]'),
}
_CLASSES = {
    "frame": "fill:none,stroke:#8c959f",
    "asks": "fill:#ddf4ff,stroke:#0969da,color:#24292f",
    "concludes": "fill:#f6f8fa,stroke:#8c959f,color:#24292f",
    "waits": "fill:#fbefff,stroke:#8250df,color:#24292f,stroke-dasharray:5 3",
    "chooses": "fill:#fff8e5,stroke:#9a6700,color:#24292f",
    "good": "fill:#dafbe1,stroke:#1a7f37,color:#24292f",
    "bad": "fill:#ffebe9,stroke:#cf222e,color:#24292f",
    "stopped": "fill:#eaeef2,stroke:#57606a,color:#24292f",
    "table": "text-align:left",
    "happy": "stroke-width:3px,stroke:#1a7f37",
    "visited": "stroke:#24292f,stroke-width:4px",
    "here": "fill:#fff1a8,stroke:#24292f,stroke-width:6px",
    "initial": "fill:#57606a,stroke:#57606a",
    "note": "fill:none,stroke:none,text-align:left",
}
# Words that Mermaid does not take for the name of a node.
_RESERVED = {
    *("call", "class", "classdef", "click", "default", "direction", "end", "flowchart", "graph", "href", "interpolate"),
    *("linkstyle", "style", "subgraph"),
}
_INITIAL, _NOTE = "_initial", "_note"


def render(diagram: Diagram) -> str:
    """The drawing as Mermaid text."""
    return "\n".join(_Flowchart(diagram).lines()) + "\n"


class _Flowchart:
    def __init__(self, diagram: Diagram) -> None:
        self.diagram = diagram
        self.names = _names(diagram.nodes)
        self.frames = {group: f"_frame{number}" for number, group in enumerate(diagram.frames)}
        self.places = {node.name: node.group for node in diagram.nodes}
        self.drawn = 0  # lines so far: Mermaid tells them by their number
        self.styles: dict[str, list[str]] = {"stroke:#1a7f37": [], "stroke:#24292f,stroke-width:5px": []}

    def lines(self) -> Iterator[str]:
        yield _CONFIGURATION % (_SIZE if self.frames else _SMALL)
        named = re.sub(r"[\s#;{}%]+", " ", self.diagram.title).strip()
        yield f"  accTitle: {named}"
        yield f'  {_INITIAL}((" ")) {self._line("==>", happy=True)} {self._tied(self.diagram.initial)}'
        for group, nodes in self.diagram.frames.items():
            yield f'  subgraph {self.frames[group]}["<b>{_text(group)}</b>"]'
            yield f"  direction {'LR' if length(self.diagram, nodes) <= _PAGE else 'TB'}"
            yield from self._within(nodes, group)
            yield "  end"
        yield from self._within([node for node in self.diagram.nodes if not node.group], "")
        for edge in self._edges():
            if self.places[edge.source] != self.places[edge.target]:
                yield from self._edge(edge, self._tied(edge.source), self._tied(edge.target))
        yield from self._column()
        yield from self._note()
        yield from self._classes()
        for style, numbers in self.styles.items():
            if numbers:
                yield f"  linkStyle {','.join(numbers)} {style}"

    def _within(self, nodes: Sequence[Node], group: str) -> Iterator[str]:
        """Boxes of a frame and the lines between them."""
        again = {edge.source: edge for edge in self.diagram.edges if edge.again}
        for node in nodes:
            yield f"  {self.names[node.name]}{_node(node, again.get(node.name))}"
        for edge in self._edges():
            if self.places[edge.source] == self.places[edge.target] == group:
                yield from self._edge(edge, self.names[edge.source], self.names[edge.target])

    def _edges(self) -> list[Edge]:
        """The happy path first: what leads back to it then leads back in the layout, too."""
        return sorted((edge for edge in self.diagram.edges if not edge.again), key=lambda edge: not edge.happy)

    def _tied(self, box: str) -> str:
        """What a line from elsewhere is tied to: the frame, if the box has one."""
        return self.frames.get(self.places[box]) or self.names[box]

    def _edge(self, edge: Edge, source: str, target: str) -> Iterator[str]:
        # Two lines that nobody sees, one to each side of a happy one: the layout then draws this one straight.
        beside = [f"  {source} ~~~ {target}"] if edge.happy else []
        self.drawn += len(beside)
        arrow = self._line("==>" if edge.happy else "-->", happy=edge.happy, taken=edge.taken)
        yield from beside
        yield f"  {source} {arrow}{_label(edge)} {target}"
        yield from beside
        self.drawn += len(beside)

    def _column(self) -> Iterator[str]:
        """Keep frames that no heavy line joins below one another, too."""
        joined = {(self._tied(edge.source), self._tied(edge.target)) for edge in self.diagram.edges if edge.happy}
        for pair in pairwise(self.frames.values()):
            if pair not in joined:
                self.drawn += 1
                yield f"  {pair[0]} ~~~ {pair[1]}"

    def _line(self, arrow: str, *, happy: bool, taken: bool = False) -> str:
        if happy or taken:
            [*self.styles.values()][taken].append(str(self.drawn))
        self.drawn += 1
        return arrow

    def _note(self) -> Iterator[str]:
        if self.diagram.legend:
            text = "<br/>".join(_text(line) for said in self.diagram.legend for line in wrap(said, _LINE))
            last = [node.name for node in self.diagram.nodes][-1]
            yield f'  {_NOTE}["{text}"]'
            yield f"  {self._tied(last)} ~~~ {_NOTE}"

    def _classes(self) -> Iterator[str]:
        members = {
            name: [self.names[node.name] for node in self.diagram.nodes if name in _classes_of(node)]
            for name in _CLASSES
        }
        members |= {"frame": [*self.frames.values()], "initial": [_INITIAL]}
        members |= {"note": [_NOTE] if self.diagram.legend else []}
        for name, style in _CLASSES.items():
            if members[name]:
                yield f"  classDef {name} {style}"
                yield f"  class {','.join(members[name])} {name}"


def _names(nodes: Sequence[Node]) -> dict[str, str]:
    """Box -> its name in Mermaid's text: its own where that is a plain word."""
    return {
        node.name: node.name
        if re.fullmatch(r"[A-Za-z]\w*", node.name, re.ASCII) and node.name.lower() not in _RESERVED
        else f"_state{number}"
        for number, node in enumerate(nodes)
    }


def _classes_of(node: Node) -> list[str]:
    kind = str(node.kind) if node.kind in {Kind.WAITS, Kind.CHOOSES} else "asks" if node.asks else "concludes"
    more = [name for name in ("happy", "visited", "here") if getattr(node, name)]
    return [node.end or kind, *(["table"] if node.rows else []), *more]


def _node(node: Node, again: Edge | None) -> str:
    opening, closing = _SHAPES[node.kind]
    captions = [*map(_text, below(node)), *([f"↻ {', '.join(again.events)}"] if again else [])]
    captions += [f"<b>exit {row.code}</b> {_text(row.text)}" for row in node.rows]
    return f"{opening}{'<br/>'.join([*(f'<b>{_text(line)}</b>' for line in title(node)), *captions])}{closing}"


def _label(edge: Edge) -> str:
    happy = [f"<b>{_text(event)}</b>" for event in edge.events[: edge.happy]]
    others = wrap(", ".join(edge.events[edge.happy :]), _LABEL, break_long_words=False)
    return f'|"{"<br/>".join([*happy, *map(_text, others)])}"|' if edge.events else ""


def _text(text: str) -> str:
    """Text in quotes: what would end it or mean something is an entity of Mermaid's."""
    return re.sub(r'[#"<>&`]', lambda found: f"#{ord(found[0])};", text)
