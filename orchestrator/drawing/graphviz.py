"""A drawing as svg or png: DOT, drawn by Graphviz."""

import shutil
import subprocess
from typing import Literal

from orchestrator.drawing.dot import render as as_dot
from orchestrator.drawing.model import Diagram

__all__ = ["GraphvizError", "render"]


class GraphvizError(RuntimeError):
    """Graphviz is missing, or cannot draw; the message says what to do."""


def render(diagram: Diagram, form: Literal["svg", "png", "json"]) -> bytes:
    """The drawing as a picture.

    Args:
        diagram: The drawing.
        form: The kind of picture; json tells how it is drawn, and how wide Graphviz takes each text to be.

    Raises:
        GraphvizError: Graphviz is not installed, or cannot draw.
    """
    command = shutil.which("dot")
    if command is None:
        raise GraphvizError(f"{form} needs Graphviz, whose command `dot` is not here: apt-get install graphviz")
    done = subprocess.run(  # noqa: S603  # Graphviz, by its full path
        [command, f"-T{form}"], input=as_dot(diagram).encode(), capture_output=True, check=False
    )
    if done.returncode != 0 or not done.stdout:
        said = done.stderr.decode(errors="replace").partition("\n")[0] or f"it ended with {done.returncode}"
        raise GraphvizError(f"Graphviz ({command}) cannot draw this: {said}")
    return done.stdout
