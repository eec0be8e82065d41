"""A drawing as DOT, the language of Graphviz.

Each state has the id `state-NAME`, each line the id `edge-SOURCE-TARGET`, and both have classes
(kind, `asks`, `happy`, `again`, `exit-CODE`, `group-NAME`, `here`, `visited`, `taken`), so that a page
can paint the way of a run over the svg with CSS alone.
"""

from collections.abc import Iterator
from html import escape as _text

from orchestrator.drawing.model import Diagram, Edge, Node
from orchestrator.drawing.shape import broken, ends, upward
from orchestrator.machine.chart import Kind

__all__ = ["render"]

_FONT = "Helvetica,Arial,sans-serif"
_INK, _GREY, _GREEN = "#24292f", "#57606a", "#1a7f37"

_A_ROW = 4  # final states side by side

# Shape, fill and frame: of what a state is, and of how a final state ends.
_KINDS = {
    Kind.DOES: {"shape": "box", "style": "rounded,filled", "fillcolor": "#f6f8fa", "color": "#8c959f"},
    Kind.WAITS: {"shape": "box", "style": "rounded,filled,dashed", "fillcolor": "#fbefff", "color": "#8250df"},
    Kind.CHOOSES: {"shape": "diamond", "style": "filled", "fillcolor": "#fff8e5", "color": "#9a6700", "margin": "0"},
    Kind.EXIT: {"shape": "box", "style": "filled", "peripheries": "2"},
}
_ASKS = {"fillcolor": "#ddf4ff", "color": "#0969da"}
_ENDS = {
    "good": {"fillcolor": "#dafbe1", "color": _GREEN},
    "bad": {"fillcolor": "#ffebe9", "color": "#cf222e"},
    "stopped": {"fillcolor": "#eaeef2", "color": _GREY},
}
_GRAPH = {"rankdir": "TB", "nodesep": "0.02", "ranksep": "0.35", "fontname": _FONT, "fontsize": "11", "pad": "0.2"}
_NODE = {"fontname": _FONT, "fontsize": "13", "fontcolor": _INK, "margin": "0.12,0.06", "height": "0.3"}
_EDGE = {"fontname": _FONT, "fontsize": "12", "fontcolor": _GREY, "color": _GREY, "arrowsize": "0.7"}
_HEAVY = {"penwidth": "3", "color": _GREEN, "weight": "20"}
_STRAIGHT = {"penwidth": "2", "group": "happy"}
_TAKEN = {"penwidth": "4", "color": _INK}
_HERE = {"penwidth": "5", "color": _INK, "fillcolor": "#fff1a8"}
_INITIAL = {"shape": "circle", "style": "filled", "fillcolor": _INK, "width": "0.18", "fixedsize": "true", "label": ""}


def render(diagram: Diagram) -> str:
    """The drawing as DOT."""
    return "\n".join(_lines(diagram)) + "\n"


def _lines(diagram: Diagram) -> Iterator[str]:
    legend = "".join(f"{_text(line)}<br align='left'/>" for line in (" ", *diagram.legend))
    about = {"label": f"<{legend}>", "labelloc": "b", "labeljust": "l"} if diagram.legend else {}
    yield f"digraph {_quoted(diagram.action)} {{"
    yield f"  graph [{_attributes(_GRAPH | about | {'fontcolor': _GREY})}]"
    yield f"  node [{_attributes(_NODE)}]"
    yield f"  edge [{_attributes(_EDGE)}]"
    yield f'  "" [{_attributes(_INITIAL | {"id": "initial", "class": "initial", "group": "happy"})}]'
    yield f'  "" -> {_quoted(diagram.initial)} [{_attributes(_HEAVY | {"class": "edge happy"})}]'
    lengths = ends(diagram, _A_ROW)
    in_order = {edge.source for edge in lengths}
    for node in diagram.nodes:
        ordering = ', ordering="out"' if node.name in in_order else ""
        yield f"  {_quoted(node.name)} [{_node(node)}{ordering}]"
    turned = upward(diagram)  # said to Graphviz, which else might turn round a line of the happy path
    for edge in [*(edge for edge in diagram.edges if edge not in lengths), *lengths]:
        way, back = (edge.source, edge.target), ""
        if edge in turned:
            way, back = (edge.target, edge.source), ', dir="back"'
        yield f"  {' -> '.join(map(_quoted, way))} [{_edge(edge, lengths.get(edge, 1))}{back}]"
    yield "}"


def _node(node: Node) -> str:
    style = _KINDS[node.kind] | (_ASKS if node.asks else {}) | _ENDS.get(node.end, {})
    for name, more in (("happy", _STRAIGHT), ("visited", _TAKEN), ("here", _HERE)):
        style = style | (more if getattr(node, name) else {})
    captions = "".join(
        f'<br/><font point-size="11" color="{_GREY}">{_text(line)}</font>'
        for caption in node.captions
        for line in broken(node, caption)
    )
    classes = ["state", node.kind, *(["asks"] if node.asks else [])]
    classes += [f"exit-{node.exit}"] if node.exit is not None else []
    classes += [name for name in ("happy", "here", "visited") if getattr(node, name)]
    name = "<br/>".join(map(_text, broken(node, node.name)))
    label = {"label": f"<<b>{name}</b>{captions}>"}
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
