"""A chart in any of the formats, as the bytes of a file."""

import shutil
import subprocess
from collections.abc import Sequence

from orchestrator.drawing import dot, mermaid
from orchestrator.drawing.elements import Diagram
from orchestrator.drawing.model import View, Way, diagram
from orchestrator.drawing.page import page, table
from orchestrator.machine.chart import Chart

__all__ = ["GraphvizError", "draw", "picture"]


class GraphvizError(RuntimeError):
    """Graphviz is missing, or cannot draw; the message says what to do."""


def draw(
    charts: Sequence[Chart],
    form: str,
    here: str,
    *,
    view: View = View.MAIN,
    way: Way = frozenset(),
) -> bytes:
    """A drawing as the bytes of a file.

    Args:
        charts: What to draw: one chart, or any number of them on a page.
        form: mermaid, dot, svg, png, table or page.
        here: A state to highlight, or "".
        view: How much is drawn.
        way: The way so far: each (source, target) that a run went along.

    Raises:
        GraphvizError: The format needs Graphviz, and that is missing.
    """
    if form == "page":
        return page(charts, view=view, here=here).encode()
    (chart,) = charts
    if form == "table":
        return table(chart).encode()
    drawing = diagram(chart, view, here=here, way=way)
    texts = {"mermaid": mermaid.render, "dot": dot.render}
    return texts[form](drawing).encode() if form in texts else picture(drawing, form)


def picture(diagram: Diagram, form: str) -> bytes:
    """The drawing as Graphviz draws it.

    Args:
        diagram: The drawing.
        form: svg or png; or json, which tells how it is drawn, and how wide Graphviz takes each text to be.

    Raises:
        GraphvizError: Graphviz is not installed, or cannot draw.
    """
    command = shutil.which("dot")
    if command is None:
        raise GraphvizError(f"{form} needs Graphviz, whose command `dot` is not here: apt-get install graphviz")
    done = subprocess.run(  # noqa: S603  # Graphviz, by its full path
        [command, f"-T{form}"], input=dot.render(diagram).encode(), capture_output=True, check=False
    )
    if done.returncode != 0 or not done.stdout:
        said = done.stderr.decode(errors="replace").partition("\n")[0] or f"it ended with {done.returncode}"
        raise GraphvizError(f"Graphviz ({command}) cannot draw this: {said}")
    return done.stdout
