"""A chart in any of the formats, as the bytes of a file."""

from collections.abc import Collection, Sequence
from typing import Literal, cast

from orchestrator.drawing import dot, graphviz, mermaid
from orchestrator.drawing.model import View, diagram
from orchestrator.drawing.page import page
from orchestrator.drawing.table import table
from orchestrator.machine.chart import Chart

__all__ = ["draw"]


def draw(
    charts: Sequence[Chart], form: str, view: View, here: str = "", way: Collection[tuple[str, str]] = frozenset()
) -> bytes:
    """A drawing as the bytes of a file.

    Args:
        charts: What to draw: one chart, or any number of them on a page.
        form: mermaid, dot, svg, png, table or page.
        view: How much is drawn.
        here: A state to highlight, or "".
        way: The way so far: each (source, target) that a run went along.

    Raises:
        GraphvizError: The format needs Graphviz, and that is missing.
    """
    if form == "page":
        return page(charts, view, here).encode()
    (chart,) = charts
    if form == "table":
        return table(chart).encode()
    drawing = diagram(chart, view=view, here=here, way=way)
    match form:
        case "mermaid":
            return mermaid.render(drawing).encode()
        case "dot":
            return dot.render(drawing).encode()
        case _:
            return graphviz.render(drawing, cast('Literal["svg", "png"]', form))
