"""The chart's picture with the way of a run painted on it.

The pictures are drawn beforehand (`make pictures`) and name their chart's digest; a chart that
has none, or another one, is shown as a list of its steps alone.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from orchestrator.job.report.markup import Markup, each, tag
from orchestrator.machine.chart import Chart
from orchestrator.values.events import Event

__all__ = ["file_of", "is_fresh", "paint"]

_GROUP = re.compile(r'<g id="(state|edge)-([^"]+)" class="([^"]*)">(.*?)</g>', re.DOTALL)
_LABEL = re.compile(r"<text([^>]*)>([^<]*)</text>")
_OUTLINE = re.compile(r' (?:d|points)="([^"]+)"')
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")

_ARROW = Markup(
    '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
    'markerUnits="userSpaceOnUse" orient="auto"><path d="M0,0L8,4L0,8z"/></marker></defs>'
)


class _Box(NamedTuple):
    """Where a state stands in the picture: its middle, and half of its size."""

    x: float
    y: float
    across: float
    down: float

    def edge_towards(self, x: float, y: float) -> tuple[float, float]:
        """The point of the outline on the way from the middle to another point."""
        dx, dy = x - self.x, y - self.y
        scale = min(self.across / abs(dx) if dx else math.inf, self.down / abs(dy) if dy else math.inf, 1.0)
        return self.x + dx * scale, self.y + dy * scale


def file_of(action: str) -> str:
    """The name of an action's picture."""
    return f"{action.lower()}.svg"


def is_fresh(chart: Chart) -> bool:
    """Whether there is a picture of that very chart."""
    return f'data-chart="{chart.digest}"' in _read(chart.action)


def paint(chart: Chart, steps: Sequence[Mapping[str, Any]], verdict: str) -> Markup | None:
    """The picture with the way painted on it, or None where there is no picture of that chart.

    Args:
        chart: The chart that ran.
        steps: The steps, loops folded.
        verdict: How the run ended.
    """
    if not is_fresh(chart):
        return None
    way: dict[str, set[str]] = {}  # "SOURCE-TARGET" -> the events by which it was gone
    visited = {chart.initial}
    taken = [(step["from"], step["event"], step["to"]) for step in steps]
    for source, event, target in (*taken, *_rest(chart, taken, verdict)):
        way.setdefault(f"{source}-{target}", set()).add(event)
        visited.add(target)
    drawn: set[str] = set()
    boxes: dict[str, _Box] = {}

    def painted(group: re.Match[str]) -> str:
        kind, name, classes, body = group.groups()
        if kind == "state":
            boxes[name] = _box(body)
            classes += " visited" if name in visited else ""
        elif name in way:
            drawn.add(name)
            classes += " taken"
            body = _LABEL.sub(lambda label: _marked(label, way[name]), body)
        return f'<g id="{kind}-{name}" class="{classes}">{body}</g>'

    svg = _GROUP.sub(painted, _read(chart.action))
    added = [_line(boxes, name, events) for name, events in way.items() if name not in drawn]
    label = f"The chart of {chart.action} with the way that this run took. The list of steps below says it in words."
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
    return Markup(svg.replace("</g>\n</svg>", f"{each(_ARROW, *added)}</g>\n</svg>"))


@cache
def _read(action: str) -> str:
    file = files("orchestrator.job.report").joinpath("pictures", file_of(action))
    return file.read_text("utf-8") if file.is_file() else ""


def _rest(chart: Chart, taken: Sequence[tuple[str, str, str]], verdict: str) -> Iterator[tuple[str, str, str]]:
    """The steps that a run still makes when its report is being written."""
    name, behind = taken[-1][2] if taken else chart.initial, chart.behind()
    while name in behind and (event := next(filter(chart.states[name].edges.get, (Event.REPORTED, verdict)), "")):
        target = chart.states[name].edges[event]
        yield name, event, target
        name = target


def _marked(label: re.Match[str], events: set[str]) -> str:
    """An edge's label, the event that happened marked."""
    attributes, text = label.groups()
    happened = not events.isdisjoint(re.findall(r"\w+", text))
    return f'<text class="happened"{attributes}>{text}</text>' if happened else label[0]


def _box(body: str) -> _Box:
    """Where a state's outline stands."""
    outline = _OUTLINE.search(body)
    numbers = [float(number) for number in _NUMBER.findall(outline[1])] if outline else [0.0, 0.0]
    (left, right), (top, bottom) = ((min(part), max(part)) for part in (numbers[::2], numbers[1::2]))
    return _Box((left + right) / 2, (top + bottom) / 2, (right - left) / 2, (bottom - top) / 2)


def _line(boxes: Mapping[str, _Box], name: str, events: set[str]) -> Markup:
    """A line for an edge that the picture leaves to its note, since many states have it alike."""
    source, target = (boxes[part] for part in name.split("-"))
    if source == target:  # once round the corner
        x, y = source.x + source.across, source.y
        way = f"M{x:.0f},{y - 6:.0f}c34,-14 34,26 0,12"
        middle = (x + 30, y + 4)
    else:
        (x1, y1), (x2, y2) = source.edge_towards(target.x, target.y), target.edge_towards(source.x, source.y)
        bend = 0.12  # of its length, so that it does not hide a straight one
        x, y = (x1 + x2) / 2 + (y1 - y2) * bend, (y1 + y2) / 2 + (x2 - x1) * bend
        way = f"M{x1:.0f},{y1:.0f}Q{x:.0f},{y:.0f} {x2:.0f},{y2:.0f}"
        middle = ((x1 + 2 * x + x2) / 4, (y1 + 2 * y + y2) / 4)
    label = tag("text", ", ".join(sorted(events)), x=f"{middle[0]:.0f}", y=f"{middle[1]:.0f}", class_="happened")
    return tag("g", tag("path", d=way, marker_end="url(#arrow)"), label, id=f"edge-{name}", class_="edge taken added")
