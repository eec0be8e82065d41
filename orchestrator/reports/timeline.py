"""The timeline: how long a run was in which state, to scale."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from orchestrator.events import Event
from orchestrator.reports.markup import Markup, each, offset, tag

__all__ = ["Period", "draw", "periods"]

WIDTH, HEIGHT = 1000, 12  # units of the drawing
LEAST = 3  # units: a request that took no time is seen, too


class Period(NamedTuple):
    """Time without a break in one state, or in the states of one loop.

    Attributes:
        states: The states.
        begin: Seconds since the run began.
        end: Likewise.
        times: How often the loop was gone through.
        asked: Something was asked of Fivetran.
        waited: There was a wait.
    """

    states: tuple[str, ...]
    begin: float
    end: float
    times: int
    asked: bool
    waited: bool


def periods(steps: Sequence[Mapping[str, Any]], *, gap: int = 0) -> Iterator[Period]:
    """The periods of a run, in order.

    Args:
        steps: The run's steps, loops folded (`Trail.entries()`).
        gap: Before which of them steps were dropped; 0 if none were.
    """
    begin = 0.0
    if gap:
        yield from periods(steps[:gap])
        begin, end = steps[gap - 1]["until"], steps[gap]["at"]
        yield Period(("left out",), begin, end, 1, asked=False, waited=False)
        begin = end
    for loop in _loops(steps[gap:]):
        states = tuple(dict.fromkeys(step["from"] for step in loop))
        end = max(begin, *(step["until"] for step in loop))
        times = max(step["times"] for step in loop)
        yield Period(
            states=states,
            begin=begin,
            end=end,
            times=times,
            asked=any(step["detail"] for step in loop),
            waited=any(step["event"] == Event.WAITED for step in loop),
        )
        begin = end


def _loops(steps: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """The steps, those of a folded loop together: they overlap in time."""
    loop = list(steps[:1])
    for before, step in pairwise(steps):
        if step["at"] < before["until"]:
            loop.append(step)
        else:
            yield loop
            loop = [step]
    if loop:
        yield loop


def draw(steps: Sequence[Mapping[str, Any]], *, gap: int = 0) -> Markup:
    """A row a state, or a loop of states, that took time or asked something; "" where there is none.

    Args:
        steps: As for `periods`.
        gap: Likewise.
    """
    rows: dict[tuple[str, ...], list[Period]] = {}
    for period in periods(steps, gap=gap):
        if period.end > period.begin or period.asked:
            # A look that ends a loop belongs to it.
            states = next((known for known in rows if set(period.states) <= set(known)), period.states)
            rows.setdefault(states, []).append(period)
    whole = max((period.end for found in rows.values() for period in found), default=0.0)
    if not rows:
        return Markup("")
    scale = WIDTH / whole if whole else 0.0
    axis = tag("div", tag("span", "0 s"), tag("span", offset(whole)), class_="axis", aria_hidden="true")
    legend = tag(
        "p", tag("span", "asking Fivetran", class_="asks"), tag("span", "a pause", class_="waits"), class_="legend"
    )
    listed = tag("ul", *(_row(states, found, scale) for states, found in rows.items()), class_="timeline")
    return each(listed, axis, legend)


def _row(states: tuple[str, ...], found: list[Period], scale: float) -> Markup:
    bars = []
    for period in found:
        width = max(LEAST, (period.end - period.begin) * scale)
        left = min(period.begin * scale, WIDTH - width)
        bars.append(tag("rect", x=f"{left:.1f}", width=f"{width:.1f}", height=HEIGHT, rx=2))
    times = max(period.times for period in found)
    name = " ⇄ ".join(states)
    took = offset(sum(period.end - period.begin for period in found))
    waited = any(period.waited for period in found)
    picture = tag(
        "svg",
        *bars,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        preserveAspectRatio="none",
        height=HEIGHT,
        width="100%",
        aria_hidden="true",
    )
    label = tag("span", name, tag("small", f" ×{times:,}") if times > 1 else None, class_="state")
    return tag("li", label, picture, tag("span", took, class_="took"), class_="waits" if waited else "asks")
