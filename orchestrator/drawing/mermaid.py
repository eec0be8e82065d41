"""A drawing as a Mermaid flowchart: what GitHub and GitLab draw in a Markdown page.

A flowchart, not a state diagram: Mermaid's state diagrams cannot style an edge. Three things
keep it within a page's width, where Mermaid's layout would scale it until nobody can read it:
lines from beside the happy path that lead far end in a state's name, a line back to its own state
is a line of that state's text, and final states stand in rows.
"""

import re
from collections.abc import Iterator
from textwrap import wrap

from orchestrator.drawing.model import Diagram, Edge, Node
from orchestrator.drawing.shape import broken, ends, stubs
from orchestrator.machine.chart import Kind

__all__ = ["render"]

_CONFIGURATION = """\
%%{init: {"flowchart": {"nodeSpacing": 12, "rankSpacing": 36, "padding": 8, "wrappingWidth": 900},
"themeVariables": {"fontSize": "20px"}}}%%
flowchart TD"""
_A_ROW = 3  # final states side by side
_LINE = 72  # characters of a line of the legend
_SHAPES = {Kind.DOES: ('["', '"]'), Kind.WAITS: ('(["', '"])'), Kind.CHOOSES: ('{"', '"}'), Kind.EXIT: ('[["', '"]]')}
_CLASSES = {
    "asks": "fill:#ddf4ff,stroke:#0969da,color:#24292f",
    "concludes": "fill:#f6f8fa,stroke:#8c959f,color:#24292f",
    "waits": "fill:#fbefff,stroke:#8250df,color:#24292f,stroke-dasharray:5 3",
    "chooses": "fill:#fff8e5,stroke:#9a6700,color:#24292f",
    "good": "fill:#dafbe1,stroke:#1a7f37,color:#24292f",
    "bad": "fill:#ffebe9,stroke:#cf222e,color:#24292f",
    "stopped": "fill:#eaeef2,stroke:#57606a,color:#24292f",
    "happy": "stroke-width:4px",
    "visited": "stroke:#24292f,stroke-width:4px",
    "here": "fill:#fff1a8,stroke:#24292f,stroke-width:6px",
    "initial": "fill:#57606a,stroke:#57606a",
    "stub": "fill:none,stroke:#8c959f",
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
    return "\n".join(_lines(diagram)) + "\n"


def _lines(diagram: Diagram) -> Iterator[str]:
    names = _names(diagram)
    again = {edge.source: edge for edge in diagram.edges if edge.again}
    lengths = ends(diagram, _A_ROW)
    yield _CONFIGURATION
    title = re.sub(r"[\s#;{}%]+", " ", diagram.title).strip()
    yield f"  accTitle: {title}"
    yield f'  {_INITIAL}((" ")) ==> {names[diagram.initial]}'
    for node in diagram.nodes:
        yield f"  {names[node.name]}{_node(node, again.get(node.name))}"
    yield from _edges(diagram, names, lengths)
    members = {name: [names[node.name] for node in diagram.nodes if name in _classes(node)] for name in _CLASSES}
    members |= {"initial": [_INITIAL]}
    if diagram.legend:
        text = "<br/>".join(_text(line) for said in diagram.legend for line in wrap(said, _LINE))
        yield f'  {_NOTE}["{text}"]'
        lowest = next((edge.target for edge in lengths if edge.happy), diagram.initial)
        yield f"  {names[lowest]} ~~~{'~' * max(lengths.values(), default=1)} {_NOTE}"
        members |= {"note": [_NOTE]}
    for name, style in _CLASSES.items():
        yield f"  classDef {name} {style}"
        if members[name]:
            yield f"  class {','.join(members[name])} {name}"


def _edges(diagram: Diagram, names: dict[str, str], lengths: dict[Edge, int]) -> Iterator[str]:
    short = stubs(diagram)
    rest = [edge for edge in diagram.edges if edge not in lengths and not edge.again]
    place = {node.name: number for number, node in enumerate(diagram.nodes)}
    # Of each state the short lines come first: found by trial, for labels that keep clear of each other.
    rest.sort(key=lambda edge: (place[edge.source], edge not in short))
    lines, taken = list[str](), list[str]()
    happy = ["0"]  # as Mermaid counts the lines, the first of all being 0
    for edge in [*rest, *lengths]:
        source, target = names[edge.source], names[edge.target]
        if edge in short:
            target = f'_{place[edge.source]}["{_text(edge.target)}"]:::stub'
        # Two lines that nobody sees, one to each side of a happy one: the layout then draws this one straight.
        beside = [f"  {source} ~~~ {target}"] if edge.happy else []
        lines += [*beside, f"  {source} {_arrow(edge, lengths.get(edge, 1))} {target}", *beside]
        if edge.happy or edge.taken:
            (taken if edge.taken else happy).append(str(len(lines) - len(beside)))
    yield from lines
    yield f"  linkStyle {','.join(happy)} stroke:#1a7f37"
    if taken:
        yield f"  linkStyle {','.join(taken)} stroke:#24292f,stroke-width:5px"


def _names(diagram: Diagram) -> dict[str, str]:
    """State -> its name in Mermaid's text: its own where that is a plain word."""
    return {
        node.name: node.name
        if re.fullmatch(r"[A-Za-z]\w*", node.name, re.ASCII) and node.name.lower() not in _RESERVED
        else f"_state{number}"
        for number, node in enumerate(diagram.nodes)
    }


def _classes(node: Node) -> list[str]:
    kind = node.end or ("asks" if node.asks else "concludes" if node.kind is Kind.DOES else str(node.kind))
    return [kind, *(name for name in ("happy", "visited", "here") if getattr(node, name))]


def _node(node: Node, again: Edge | None) -> str:
    opening, closing = _SHAPES[node.kind]
    name = "<br/>".join(map(_text, broken(node, node.name)))
    captions = [line for caption in node.captions for line in broken(node, caption)]
    if again:
        captions.append(f"↻ {', '.join(again.events)}")
    return f"{opening}{'<br/>'.join([f'<b>{name}</b>', *map(_text, captions)])}{closing}"


def _arrow(edge: Edge, length: int) -> str:
    arrow = f"={'=' * length}>" if edge.happy else f"-{'-' * length}>"
    happy = [f"<b>{_text(event)}</b>" for event in edge.events[: edge.happy]]
    return f'{arrow}|"{"<br/>".join([*happy, *map(_text, edge.events[edge.happy :])])}"|'


def _text(text: str) -> str:
    """Text in quotes: what would end it or mean something is an entity of Mermaid's."""
    return re.sub(r'[#"<>&`]', lambda found: f"#{ord(found[0])};", text)
