"""Where things stand in a drawing, so that it fits a page: for any renderer."""

from collections import Counter
from collections.abc import Collection, Sequence
from textwrap import wrap

from orchestrator.drawing.elements import Diagram, Edge, Node

__all__ = ["below", "ends", "length", "title", "upward"]

_LINE = 28  # characters of a line in a box
_LARGE = 20  # of a title that is a question or the name of a group
_ROOM = 4  # beside a text, to its frame or its arrow


def title(node: Node) -> list[str]:
    """A box's title in lines: a question is broken, a name is not."""
    return wrap(node.title, _LARGE, break_long_words=False)


def below(node: Node) -> list[str]:
    """What stands below a box's title, in lines."""
    texts = (*node.captions, *(said.text for said in node.said))
    return [line for text in texts for line in wrap(text, _LINE, break_long_words=False)]


def ends(diagram: Diagram, number: int) -> dict[Edge, int]:
    """The lines to final states from left to right, each with the row that its state stands in, from 1.

    The happy one stands in the middle of the first row; lines to lower rows run between those to the first.

    Args:
        diagram: The drawing.
        number: Final states side by side, the happy one not counted: more make the picture wide and its text small.
    """
    sources = Counter(edge.target for edge in diagram.edges)
    finals = {node.name for node in diagram.nodes if node.exit is not None and sources[node.name] == 1}
    lines = [edge for edge in diagram.edges if edge.target in finals]
    others = [edge for edge in lines if not edge.happy]
    first, *lower = [others[place : place + number] for place in range(0, len(others), number)] or [[]]
    half = number // 2
    first[half:half] = [edge for edge in lines if edge.happy]
    middle = next((place for place, edge in enumerate(first) if edge.happy), len(first) // 2)
    left = [edge for row in (first, *lower) for edge in row[:middle]]
    right = [edge for row in reversed(lower) for edge in row[middle:]]
    rows = {edge: place for place, row in enumerate((first, *lower), 1) for edge in row}
    return {edge: rows[edge] for edge in (*left, *first[middle : middle + 1], *right, *first[middle + 1 :])}


def upward(initial: str, edges: Collection[Edge]) -> set[Edge]:
    """The lines that close a loop, when the happy path is followed first.

    Args:
        initial: The first box.
        edges: All lines.
    """
    ahead: dict[str, list[Edge]] = {initial: []}
    for edge in sorted(edges, key=lambda edge: not edge.happy):
        ahead.setdefault(edge.source, [])
        ahead.setdefault(edge.target, [])
        if not edge.again:
            ahead[edge.source].append(edge)
    found: set[Edge] = set()
    done: set[str] = set()
    for first in ahead:
        trace = [first] * (first not in done)
        while trace:
            if not ahead[trace[-1]]:
                done.add(trace.pop())
                continue
            edge = ahead[trace[-1]].pop(0)
            if edge.target in trace:
                found.add(edge)
            elif edge.target not in done:
                trace.append(edge.target)
    return found


def length(diagram: Diagram, nodes: Sequence[Node]) -> int:
    """How wide a frame is, in characters, whose boxes stand from left to right."""
    wide = {node.name: max(map(len, (*title(node), *below(node))), default=0) + _ROOM for node in nodes}
    lines = [edge for edge in diagram.edges if {edge.source, edge.target} <= wide.keys() and not edge.again]
    ahead = {*lines} - upward(nodes[0].name, lines)
    longest = dict(wide)  # the way from a box to the right end
    for _ in nodes:  # as often as the longest way has boxes
        for edge in ahead:
            label = max(map(len, edge.events), default=0) + _ROOM
            longest[edge.source] = max(longest[edge.source], wide[edge.source] + label + longest[edge.target])
    return max(longest.values())
