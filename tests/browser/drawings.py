"""Write every drawing of every chart into a directory, for the tests in a browser: python drawings.py DIRECTORY."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path

from orchestrator.drawing import mermaid
from orchestrator.drawing.formats import picture
from orchestrator.drawing.model import View, diagram
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.chart import Chart
from orchestrator.machine.loader import load, parse

# Names that a chart may have and that mean something to Mermaid, Graphviz or a browser.
AWKWARD = {"validating": "end", "showing": 'a "b" <i>c</i> &amp; #35; `d`', "restoring": "call", "reporting": "x-y; z"}


def charts() -> Iterator[tuple[str, Chart]]:
    """The charts, and one whose states have awkward names."""
    for action in ACTIONS:
        yield action, load(action)
    text = files("statecharts").joinpath("status.toml").read_text("utf-8")
    for name, awkward in AWKWARD.items():
        quoted = json.dumps(awkward)
        text = text.replace(f'"{name}"', quoted).replace(f"[{name}]", f"[{quoted}]")
    yield "awkward", parse(text, "awkward.toml")


def main(directory: Path) -> None:
    """Write them, and what each of them should show."""
    drawings = []
    for name, chart in charts():
        for view in View:
            here = chart.conclusion.name
            drawing = diagram(chart, view, here=here, way={(chart.initial, here)})
            plain = diagram(chart, view)
            drawings.append(
                {
                    "name": f"{name}-{view}",
                    "view": view,
                    "model": asdict(plain),
                    "mermaid": mermaid.render(plain),
                    "svg": picture(plain, "svg").decode(),
                    "highlighted": {
                        "mermaid": mermaid.render(drawing),
                        "svg": picture(drawing, "svg").decode(),
                        "here": here,
                        "title": next(node.title for node in drawing.nodes if node.here),
                    },
                }
            )
    (directory / "drawings.json").write_text(json.dumps(drawings), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
