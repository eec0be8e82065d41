"""Draw the charts' pictures that the report's page shows, with Graphviz, and ship them with the package.

The job itself needs no Graphviz. Each picture names the digest of its chart, so that a stale one
is found without drawing it again.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.drawing.formats import picture
from orchestrator.drawing.model import View, diagram
from orchestrator.job.report.picture import file_of, is_fresh
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.chart import Chart
from orchestrator.machine.loader import load

FOLDER = Path(__file__).parent.parent / "orchestrator" / "job" / "report" / "pictures"

# What a page needs no more: prolog and comments, tooltips, the white ground, Graphviz's fonts.
_SUPERFLUOUS = re.compile(
    r"\A.*?(?=<svg)|<!--.*?-->\s*|<title>.*?</title>\s*|<polygon fill=\"white\"[^>]*/>\s*| font-family=\"[^\"]*\""
    r"| text-anchor=\"start\"|<polyline[^>]*/>\s*",
    re.DOTALL,
)
_TEXT = re.compile(r'<text text-anchor="start" x="(?P<x>[-\d.]+)" y="(?P<y>[-\d.]+)"[^>]*(?=>)')
_NUMBER = re.compile(r"\d+\.\d+")
_SIZE = re.compile(r'<svg width="[\d.]+pt" height="[\d.]+pt"\s+viewBox="[\d.]+ [\d.]+ ([\d.]+) ([\d.]+)"[^>]*>')


def drawn(chart: Chart) -> str:
    """The picture of a chart, as SVG to stand in a page.

    Raises:
        GraphvizError: Graphviz is missing, or cannot draw.
    """
    drawing = diagram(chart, View.STATES)
    widths = dict(_widths(json.loads(picture(drawing, "json"))))

    def fitted(text: re.Match[str]) -> str:
        """A text that takes the room it was given, in whatever font the reader has for Helvetica."""
        width = widths[round(float(text["x"]), 1), round(-float(text["y"]), 1)]
        return f'{text[0]} textLength="{width:.0f}"' if width else text[0]

    svg = _TEXT.sub(fitted, picture(drawing, "svg").decode())
    # Half a point more or less is nothing that anybody sees.
    svg = _NUMBER.sub(lambda number: f"{float(number[0]):.0f}", _SUPERFLUOUS.sub("", svg)).replace("&#45;", "-")
    return _SIZE.sub(rf'<svg data-chart="{chart.digest}" viewBox="0 0 \1 \2">', svg, count=1)


def _widths(drawn: Mapping[str, Any]) -> Iterator[tuple[tuple[float, float], float]]:
    """Where each text begins -> how wide it is, as Graphviz has it: points."""
    for part in (drawn, *drawn.get("objects", ()), *drawn.get("edges", ())):
        for one in part.get("_ldraw_", ()):
            if one["op"] == "T":
                x, y = one["pt"]
                left = x - {"l": 0.0, "c": 0.5, "r": 1.0}[one["align"]] * one["width"]
                yield (round(left, 1), round(y, 1)), one["width"]


def main() -> int:
    """Draw, or check.

    Returns:
        The exit code: 1 where a picture is stale.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="draw nothing; fail if a picture is not its chart's")
    given = parser.parse_args()
    charts = [load(action) for action in ACTIONS]
    if given.check:
        stale = [chart.action for chart in charts if not is_fresh(chart)]
        if stale:
            print(f"the pictures of {', '.join(stale)} are out of date: make pictures")
        return 1 if stale else 0
    for chart in charts:
        (FOLDER / file_of(chart.action)).write_text(drawn(chart), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
