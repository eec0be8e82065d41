"""A drawing as DOT, the language of Graphviz.

Each state has the id `state-NAME`, each line the id `edge-SOURCE-TARGET`, and both have classes
(kind, `asks`, `happy`, `again`, `exit-CODE`, `group-NAME`, `here`, `visited`, `taken`), so that a page
can paint the way of a run over the svg with CSS alone.
"""

from collections.abc import Iterator
from html import escape as _text
from itertools import pairwise
from textwrap import wrap

from orchestrator.drawing.elements import Diagram, Edge, Node
from orchestrator.drawing.shape import below, ends, title, upward
from orchestrator.machine.chart import Kind

__all__ = ["render"]

_FONT = "Helvetica,Arial,sans-serif"
_INK, _GREY, _GREEN = "#24292f", "#57606a", "#1a7f37"

_LINE = 90  # characters of a line of the legend
_A_ROW = 4  # final states side by side

# Shape, fill and frame: of what a state is, and of how a final state ends.
_KINDS = {
    Kind.DOES: {"shape": "box", "style": "rounded,filled", "fillcolor": "#f6f8fa", "color": "#8c959f"},
    Kind.WAITS: {"shape": "box", "style": "rounded,filled,dashed", "fillcolor": "#fbefff", "color": "#8250df"},
    Kind.CHOOSES: {"shape": "box", "style": "filled,diagonals", "fillcolor": "#fff8e5", "color": "#9a6700"},
    Kind.EXIT: {"shape": "box", "style": "filled", "peripheries": "2"},
    None: {"shape": "box", "style": "filled", "peripheries": "2", "fillcolor": "#f6f8fa", "color": "#8c959f"},
}
_ASKS = {"fillcolor": "#ddf4ff", "color": "#0969da"}
_ENDS = {
    "good": {"fillcolor": "#dafbe1", "color": _GREEN},
    "bad": {"fillcolor": "#ffebe9", "color": "#cf222e"},
    "stopped": {"fillcolor": "#eaeef2", "color": _GREY},
}
_GRAPH = {"rankdir": "TB", "nodesep": "0.02", "ranksep": "0.35", "fontname": _FONT, "fontsize": "12", "pad": "0.1"}
_NODE = {"fontname": _FONT, "fontsize": "13", "fontcolor": _INK, "margin": "0.12,0.06", "height": "0.3"}
_EDGE = {"fontname": _FONT, "fontsize": "12", "fontcolor": _GREY, "color": _GREY, "arrowsize": "0.7"}
_HEAVY = {"penwidth": "3", "color": _GREEN, "weight": "20"}
_STRAIGHT = {"penwidth": "2", "group": "happy"}
_TAKEN = {"penwidth": "4", "color": _INK}
_HERE = {"penwidth": "5", "color": _INK, "fillcolor": "#fff1a8"}
_FRAME = {"label": "", "color": "#8c959f", "margin": "8"}
_NAME = {"class": "name", "shape": "plaintext", "fontsize": "14", "margin": "0.1,0"}
_UNSEEN = 'style="invis", weight="0"'
_ORDERED = ', ordering="out"'
_INITIAL = {"shape": "circle", "style": "filled", "fillcolor": _INK, "width": "0.18", "fixedsize": "true", "label": ""}


def render(diagram: Diagram) -> str:
    """The drawing as DOT."""
    return "\n".join(_lines(diagram)) + "\n"


def _lines(diagram: Diagram) -> Iterator[str]:
    lines = [line for said in diagram.legend for line in wrap(said, _LINE)]
    legend = "".join(f"{_text(line)}<br align='left'/>" for line in (" ", *lines))
    about = {"newrank": "true"} if diagram.frames else {}  # a frame below another is so strictly
    about |= {"label": f"<{legend}>", "labelloc": "b", "labeljust": "l"} if diagram.legend else {}
    yield f"digraph {_quoted(diagram.action)} {{"
    yield f"  graph [{_attributes(_GRAPH | about | {'fontcolor': _GREY})}]"
    yield f"  node [{_attributes(_NODE)}]"
    yield f"  edge [{_attributes(_EDGE)}]"
    yield f'  "" [{_attributes(_INITIAL | {"id": "initial", "class": "initial", "group": "happy"})}]'
    yield f'  "" -> {_quoted(diagram.initial)} [{_attributes(_HEAVY | {"class": "edge happy"})}]'
    lengths = ends(diagram, _A_ROW)
    in_order = {edge.source for edge in lengths}
    for node in diagram.nodes:
        if not node.group:
            yield f"  {_quoted(node.name)} [{_node(node)}{_ORDERED if node.name in in_order else ''}]"
    for number, (group, nodes) in enumerate(diagram.frames.items()):
        yield f"  subgraph cluster_{number} {{"
        # Its name is a box beside the first one: over a frame's own label the happy path would be drawn.
        named, first = _quoted(f" {number}"), _quoted(nodes[0].name)
        yield f"    graph [{_attributes(_FRAME | {'id': f'frame-{number}', 'class': 'frame'})}]"
        yield f"    {named} [{_attributes(_NAME | {'label': f'<<b>{_text(group)}</b>>'})}]"
        yield f'    {{ rank="same"; {named} -> {first} [{_UNSEEN}] }}'
        yield from (f"    {_quoted(node.name)} [{_node(node)}]" for node in nodes)
        yield "  }"
    turned = upward(diagram.initial, diagram.edges)  # else Graphviz might turn round a line of the happy path
    for edge in [*(edge for edge in diagram.edges if edge not in lengths), *lengths]:
        way, back = (edge.source, edge.target), ""
        if edge in turned:
            way, back = (edge.target, edge.source), ', dir="back"'
        yield f"  {' -> '.join(map(_quoted, way))} [{_edge(edge, lengths.get(edge, 1))}{back}]"
    yield from (
        f"  {_quoted(one.name)} -> {_quoted(other.name)} [{_UNSEEN}]" for one, other in _stacked(diagram, turned)
    )
    yield "}"


def _stacked(diagram: Diagram, turned: set[Edge]) -> Iterator[tuple[Node, Node]]:
    """Pairs of boxes, the lowest of a frame and the highest of the next: lines put one frame below the other."""
    frames = [*diagram.frames.values()]
    frames += [[node] for node in diagram.nodes if frames and node.concludes and not node.group]
    for upper, lower in pairwise(frames):
        names = {node.name for node in upper}
        ahead = {
            edge.source for edge in diagram.edges if edge.target in names and not edge.again and edge not in turned
        }
        yield from ((node, lower[0]) for node in upper if node.name not in ahead)


def _node(node: Node) -> str:
    style = _KINDS[node.kind] | (_ASKS if node.asks else {}) | _ENDS.get(node.end, {})
    for name, more in (("happy", _STRAIGHT), ("visited", _TAKEN), ("here", _HERE)):
        style = style | (more if getattr(node, name) else {})
    classes = ["state", str(node.kind or "part"), *(["asks"] if node.asks else [])]
    classes += [f"exit-{node.exit}"] if node.exit is not None else []
    classes += [name for name in ("happy", "here", "visited") if getattr(node, name)]
    lines = [f"<b>{_text(line)}</b>" for line in title(node)]
    lines += [f'<font point-size="12" color="{_GREY}">{_text(line)}</font>' for line in below(node)]
    label = {"label": f"<{'<br/>'.join(lines)}>"}
    if node.rows:
        rows = (
            f"<tr><td align='left'><b>exit {row.code}</b></td><td align='left'>{_text(row.text)}</td></tr>"
            for row in node.rows
        )
        label = {"label": f"<<table border='0' cellspacing='0' align='left'>{''.join(rows)}</table>>"}
    return _attributes({"id": f"state-{node.name}", "class": " ".join(classes)} | label | style)


def _edge(edge: Edge, rows: int) -> str:
    style = (_HEAVY if edge.happy else {}) | (_TAKEN if edge.taken else {})
    if rows > 1:
        style = style | {"minlen": str(rows)}
    classes = ["edge", *(f"group-{group}" for group in edge.groups)]
    classes += [name for name in ("happy", "again", "taken") if getattr(edge, name)]
    label = {"label": f"<{'<br/>'.join(_labels(edge))}>"}
    return _attributes({"id": f"edge-{edge.source}-{edge.target}", "class": " ".join(classes)} | label | style)


def _labels(edge: Edge) -> Iterator[str]:
    for event in edge.events:
        text = f"&nbsp;{_text(event)}&nbsp;"  # room between text and line
        yield f'<font color="{_GREEN}"><b>{text}</b></font>' if edge.happy and event == edge.events[0] else text


def _attributes(attributes: dict[str, str]) -> str:
    """Attributes as DOT; a value in angle brackets is markup."""
    return ", ".join(f"{name}={value if value[:1] == '<' else _quoted(value)}" for name, value in attributes.items())


def _quoted(text: str) -> str:
    """A text in quotes; Graphviz takes a backslash for the beginning of a code, and `&` for that of an entity."""
    escaped = text.replace("\\", "\\\\").replace("&", "&amp;").replace('"', '\\"')
    return f'"{escaped}"'
