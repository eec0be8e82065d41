"""The timeline: how long a run was in which state, to scale."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from orchestrator.job.report.markup import Markup, each, offset, tag
from orchestrator.machine.chart import Kind
from orchestrator.values.events import SIGNALS, Event

__all__ = ["Period", "draw", "periods"]

WIDTH, HEIGHT = 1000, 12  # units of the drawing
LEAST = 3  # units: a request that took no time is seen, too
BRIEF = 1.0  # seconds in all of which there is nothing to say

# How a pause ends; a request may end so, too, but then there is something to say of it.
_ENDS_A_PAUSE = {Event.WAITED, Event.TIMED_OUT, Event.TOO_LATE, *SIGNALS}
# What most of a period went into, in words.
_KINDS = {"asks": "requests to Fivetran", "waits": "pauses", "works": "steps that are not shown"}
_LEFT_OUT = ("left out",)

Entry = Mapping[str, Any]


class Period(NamedTuple):
    """Time without a break in one state, or in the states of one loop.

    Attributes:
        states: The states.
        begin: Seconds since the run began.
        end: Likewise.
        times: How often the loop was gone through.
        asked: A request was sent to Fivetran.
        waited: There was a pause.
    """

    states: tuple[str, ...]
    begin: float
    end: float
    times: int
    asked: bool
    waited: bool

    @property
    def kind(self) -> str:
        """What most of the time went into: "waits", "asks" or, where nobody was asked, "works"."""
        return "waits" if self.waited else "asks" if self.asked else "works"


def periods(steps: Sequence[Entry], *, gap: int = 0) -> Iterator[Period]:
    """The periods of a run, in order.

    Args:
        steps: The run's steps, loops folded (`Trace.entries()`).
        gap: Before which of them steps were dropped; 0 if none were.
    """
    begin = 0.0
    if gap:
        yield from periods(steps[:gap])
        begin, end = steps[gap - 1]["until"], steps[gap]["at"]
        yield Period(_LEFT_OUT, begin, end, 1, asked=False, waited=False)
        begin = end
    for loop in _loops(steps[gap:]):
        states = tuple(dict.fromkeys(step["from"] for step in loop))
        end = max(begin, *(step["until"] for step in loop))
        times = max(step["times"] for step in loop)
        asked, waited = any(step["detail"] for step in loop), any(map(_waited, loop))
        sent = loop[0].get("record", {}).get("began", begin)
        if asked and len(loop) == times == 1 and begin < sent < end:  # the pause after a failed attempt
            yield Period(states, begin, sent, times, asked=False, waited=True)
            begin = sent
        yield Period(states, begin, end, times, asked=asked, waited=waited)
        begin = end


def _waited(step: Entry) -> bool:
    """Whether a step ends a pause, or is an attempt that was made again after one."""
    if step["times"] > 1 and step["from"] == step["to"]:
        return True
    kind = step.get("record", {}).get("kind")
    return not step["detail"] and (kind == Kind.WAITS or (kind is None and step["event"] in _ENDS_A_PAUSE))


def _loops(steps: Sequence[Entry]) -> Iterator[list[Entry]]:
    """The steps, those of a folded loop together: they overlap in time."""
    loop: list[Entry] = []
    for step in steps:
        if loop and step["at"] >= loop[-1]["until"]:
            yield loop
            loop = []
        loop.append(step)
    if loop:
        yield loop


def draw(steps: Sequence[Entry], *, gap: int = 0) -> Markup:
    """A row a state, or a loop of states, that asked Fivetran or waited; "" where that took less than a second in all.

    Args:
        steps: As for `periods`.
        gap: Likewise.
    """
    rows: dict[tuple[str, ...], list[Period]] = {}
    for period in periods(steps, gap=gap):
        if period.asked or period.waited or period.states == _LEFT_OUT:
            # A look that ends a loop belongs to it.
            states = next((known for known in rows if set(period.states) <= set(known)), period.states)
            rows.setdefault(states, []).append(period)
    every = [period for found in rows.values() for period in found]
    if sum(period.end - period.begin for period in every) < BRIEF:
        return Markup("")
    whole = max(period.end for period in every)
    scale = WIDTH / whole
    axis = tag("div", tag("span", "0 s"), tag("span", offset(whole)), class_="axis", aria_hidden="true")
    kinds = {"asks", "waits", *(period.kind for period in every)}
    legend = tag("p", *(tag("span", _KINDS[kind], class_=kind) for kind in _KINDS if kind in kinds), class_="legend")
    listed = tag("ul", *(_row(states, found, scale) for states, found in rows.items()), class_="timeline")
    return each(listed, axis, legend)


def _row(states: tuple[str, ...], found: list[Period], scale: float) -> Markup:
    bars = []
    for period in found:
        width = max(LEAST, (period.end - period.begin) * scale)
        left = min(period.begin * scale, WIDTH - width)
        bars.append(tag("rect", x=f"{left:.1f}", width=f"{width:.1f}", height=HEIGHT, rx=2, class_=period.kind))
    size = {"viewBox": f"0 0 {WIDTH} {HEIGHT}", "preserveAspectRatio": "none", "height": HEIGHT, "width": "100%"}
    times = max(period.times for period in found)
    label = tag("span", " ⇄ ".join(states), tag("small", f" ×{times:,}") if times > 1 else None, class_="state")
    took = offset(sum(period.end - period.begin for period in found))
    return tag("li", label, tag("svg", *bars, **size, aria_hidden="true"), tag("span", took, class_="took"))
