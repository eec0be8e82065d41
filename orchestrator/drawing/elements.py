"""What a drawing is made of: boxes, lines, notes. Plain data; `model` makes it, renderers draw it."""

from dataclasses import dataclass
from typing import NamedTuple

from orchestrator.machine.chart import Kind

__all__ = ["ChartEdge", "Diagram", "Edge", "Node", "Note", "Row", "Said"]

_SHARED = "Not drawn, since many states share it:"
_SIGNALLED = 128  # exit codes from here on are those of signals

ChartEdge = tuple[str, str, str]  # state, event, target


class Said(NamedTuple):
    """Edges that stand in the text of the box that they leave."""

    events: tuple[str, ...]  # what happens
    target: str  # where that leads: a box's name, or the exit code that the run then ends with
    edges: tuple[ChartEdge, ...]  # those of the chart

    @property
    def text(self) -> str:
        """It in a line."""
        arrow = "\N{NO-BREAK SPACE}→\N{NO-BREAK SPACE}"
        return f"{', '.join(self.events)}{arrow}{self.target}" if self.events else f"else {self.target}"


class Row(NamedTuple):
    """A final state in the box of the red ends."""

    code: int
    name: str
    verdicts: tuple[str, ...]  # those that lead there

    @property
    def text(self) -> str:
        """What ends so, in a line."""
        return f"{self.name}{': ' if self.verdicts else ''}{', '.join(self.verdicts)}"


@dataclass(frozen=True, slots=True)
class Node:
    """A box: a state, or several."""

    name: str  # the state's; of several, that of the first in the file
    title: str  # what stands large: a choice's question, the group of several states, else the name
    kind: Kind | None  # None for several states that are not final
    captions: tuple[str, ...]  # what stands below the title, a line each: the request, the pause, the code
    said: tuple[Said, ...]  # edges that are not drawn as lines
    rows: tuple[Row, ...]  # of several final states
    states: tuple[str, ...]  # all that it stands for
    group: str  # the frame that it stands in, or ""
    asks: bool  # it asks Fivetran
    exit: int | None  # exit code of a final state, else None
    concludes: bool  # entering it records the verdict
    happy: bool  # it is on the happy path
    here: bool  # it is the highlighted one
    visited: bool  # the way led through it

    @property
    def end(self) -> str:
        """How a final state ends: "good", "bad" or "stopped" (by a signal); "" for any other state."""
        if self.rows:
            return "bad"
        if self.exit is None:
            return ""
        return "stopped" if self.exit > _SIGNALLED else "bad" if self.exit else "good"


@dataclass(frozen=True, slots=True)
class Edge:
    """All the edges that are drawn from one box to another: one line."""

    source: str  # the box that is left
    target: str  # the box that is entered
    events: tuple[str, ...]  # what leads there, as it is shown: the happy one first, then as in the file
    edges: tuple[ChartEdge, ...]  # those of the chart
    groups: tuple[str, ...]  # the shared groups that some of them come from
    happy: bool  # it is on the happy path
    taken: bool  # the way led along it

    @property
    def again(self) -> bool:
        """Whether it leads back to its own box."""
        return self.source == self.target


@dataclass(frozen=True, slots=True)
class Note:
    """Edges that are not drawn but said: several states have them alike."""

    events: tuple[str, ...]  # what happens
    sources: tuple[str, ...]  # to which states
    target: str  # where that leads; "" for the state itself
    best_effort: bool  # it leads where success leads
    ends: tuple[str, ...]  # where it leads to the conclusion: each event with its exit code

    @property
    def text(self) -> str:
        """The note in a line."""
        events = ", ".join(self.events)
        if self.best_effort:
            return f"{', '.join(self.sources)} → on as after a success: {events}"
        if self.ends:
            return ", ".join(self.ends)
        return f"{events} → {self.target or 'the same state again, after a pause'}"


@dataclass(frozen=True, slots=True)
class Diagram:
    """A drawing."""

    action: str  # START, STATUS, TEST or FORCE_RESYNC
    title: str  # one line for people
    initial: str  # the first box
    nodes: tuple[Node, ...]  # the boxes, in the order of the file
    edges: tuple[Edge, ...]  # the lines between them, in the order of the file
    notes: tuple[Note, ...]  # what is not drawn; () where everything is
    base: str  # what "…" at the beginning of a path stands for; "" where none is shortened

    @property
    def legend(self) -> tuple[str, ...]:
        """What a reader of the picture has to be told, a line each."""
        notes = (_SHARED, *(f"• {note.text}" for note in self.notes)) if self.notes else ()
        return (*notes, f"… is {self.base}") if self.base else notes

    @property
    def frames(self) -> dict[str, list[Node]]:
        """Each frame, in the order of the file, and the boxes in it."""
        return {
            group: [node for node in self.nodes if node.group == group]
            for group in dict.fromkeys(node.group for node in self.nodes)
            if group
        }
