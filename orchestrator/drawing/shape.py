"""Where things stand in a drawing, so that it fits a page: for any renderer."""

from collections import Counter
from textwrap import wrap

from orchestrator.drawing.model import Diagram, Edge, Node
from orchestrator.machine.chart import Kind

__all__ = ["broken", "ends", "stubs", "upward"]

_SHORT = 15  # characters of a line in a diamond: that is twice as wide as its text
_MANY = 3  # lines to a state from beside the happy path: so many are drawn short


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


def stubs(diagram: Diagram) -> set[Edge]:
    """The lines from beside the happy path that would fill the page, if drawn.

    They lead to the conclusion, to another state that many lead to, or back up.
    """
    beside = [edge for edge in diagram.edges if not edge.happy and not edge.again]
    sources = Counter(edge.target for edge in beside)
    busy = {node.name for node in diagram.nodes if node.concludes or sources[node.name] >= _MANY}
    return {edge for edge in beside if edge.target in busy} | (upward(diagram) & set(beside))


def upward(diagram: Diagram) -> set[Edge]:
    """The lines that close a loop, when the happy path is followed first."""
    ahead: dict[str, list[Edge]] = {node.name: [] for node in diagram.nodes}
    for edge in sorted(diagram.edges, key=lambda edge: not edge.happy):
        if not edge.again:
            ahead[edge.source].append(edge)
    found: set[Edge] = set()
    done: set[str] = set()
    trace = [diagram.initial]
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


def broken(node: Node, text: str) -> list[str]:
    """A text of a node in lines: short ones in a diamond, broken behind an underscore."""
    if node.kind is not Kind.CHOOSES:
        return [text]
    return [line.replace(" ", "") for line in wrap(text.replace("_", "_ "), _SHORT, break_long_words=False)]
