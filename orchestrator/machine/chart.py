"""A chart: states and the edges between them. Plain data; the loader builds and checks it."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Any

__all__ = ["OTHERWISE", "Chart", "Kind", "State"]

# The edge of a `chooses` state for every value that has no edge of its own.
OTHERWISE = "otherwise"


@unique
class Kind(StrEnum):
    """What a state is; the key that says so in the chart's file."""

    DOES = "does"
    WAITS = "waits"
    CHOOSES = "chooses"
    EXIT = "exit"


@dataclass(frozen=True, slots=True, repr=False)
class State:
    """One state.

    Attributes:
        name: Its name.
        kind: What it is.
        operand: The effect, the pause or the choice it names; "" for a final state.
        edges: Event -> target, in the order of the file; the groups' edges come last.
        groups: Event -> name of the group it came from, for those that did.
        tries: Attempts in all before `gave_up`, or None for FIVETRAN_RETRY_LIMIT.
        exit: Exit code of a final state, else None.
        concludes: Entering it records the verdict.
        group: What it is a part of, in words for people ("Can it sync at all?"), or "".
    """

    name: str
    kind: Kind
    operand: str
    edges: Mapping[str, str]
    groups: Mapping[str, str]
    tries: int | None = None
    exit: int | None = None
    concludes: bool = False
    group: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Chart:
    """One action's states.

    Attributes:
        action: What it is the chart of.
        title: One line for people.
        initial: The first state.
        states: Name -> state, in the order of the file.
        prints: What stdout carries: the "connection", the setup "tests", or the "result" of the run.
        green: The one verdict that ends with exit code 0.
        triggers: The effects that make Fivetran start the action's sync.
        needs: The variables that it requires, besides those that every job requires.
        about: A paragraph for people, or "".
        source: The text of its file, or "".
    """

    action: str
    title: str
    initial: str
    states: Mapping[str, State]
    prints: str = "result"
    green: str = ""
    triggers: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    about: str = ""
    source: str = ""
    _known: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)  # worked out already

    @property
    def digest(self) -> str:
        """A fingerprint of states and edges (SHA-256, hex); comments, groups and texts for people do not count.

        Nor does what it says about its action: all valid charts of an action say the same.
        """
        if (known := self._known.get("digest")) is not None:
            return str(known)
        states = [
            (state.name, state.kind, state.operand, [*state.edges.items()], state.tries, state.exit, state.concludes)
            for state in self.states.values()
        ]
        content = json.dumps([self.action, self.initial, states])
        return str(self._known.setdefault("digest", hashlib.sha256(content.encode()).hexdigest()))

    def edges(self) -> Iterator[tuple[str, str, str]]:
        """Every (state, event, target)."""
        for state in self.states.values():
            for event, target in state.edges.items():
                yield state.name, event, target

    @property
    def conclusion(self) -> State:
        """The state that concludes."""
        return next(state for state in self.states.values() if state.concludes)

    def reachable(self, start: str) -> set[str]:
        """The states that can be reached from `start`, itself included."""
        found, todo = {start}, [start]
        while todo:
            for target in self.states[todo.pop()].edges.values():
                if target not in found:
                    found.add(target)
                    todo.append(target)
        return found

    def behind(self) -> set[str]:
        """The states after the conclusion."""
        return self.reachable(self.conclusion.name) - {self.conclusion.name}

    def verdicts(self) -> dict[str, None]:
        """The events that the conclusion can be entered with, choices looked through; ordered."""
        if (known := self._known.get("verdicts")) is not None:
            return dict(known)
        found: dict[str, None] = {}
        seen: set[str] = set()
        todo = [self.conclusion.name]
        while todo:
            goal = todo.pop()
            seen.add(goal)
            for source, event, target in self.edges():
                if target != goal:
                    continue
                if self.states[source].kind is not Kind.CHOOSES:
                    found[event] = None
                elif source not in seen:
                    todo.append(source)
        self._known["verdicts"] = found
        return dict(found)

    def values(self, choice: str) -> tuple[str, ...]:
        """The values that the chart has an edge for, where it makes that choice; else ()."""
        choosing = [one for one in self.states.values() if one.kind is Kind.CHOOSES and one.operand == choice]
        return tuple(dict.fromkeys(value for state in choosing for value in state.edges))

    def exit_of(self, verdict: str) -> tuple[str, int]:
        """The final state, and its exit code, that a verdict leads to.

        Raises:
            KeyError: The chart has no edge for that verdict.
        """
        for state in self.states.values():
            if state.kind is Kind.CHOOSES and state.operand == "verdict":
                final = self.states[state.edges[verdict]]
                return final.name, final.exit or 0
        raise KeyError(verdict)

    def exits(self) -> dict[int, str]:
        """Exit code -> final state."""
        return {state.exit: state.name for state in self.states.values() if state.exit is not None}
