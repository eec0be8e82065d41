"""Reads charts, and refuses a bad one by file, state and key.

What is checked here need not be tested at run time: every edge leads to a state, every outcome of an
effect has an edge, every wait ends at the deadline, every loop waits somewhere.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from orchestrator.fivetran.effects import CHOICES, EFFECTS, PAUSES, TRIGGERS, Call, Writing, resyncs, tagged
from orchestrator.machine.actions import ACTIONS, FOLDER
from orchestrator.machine.chart import OTHERWISE, Chart, Kind, State
from orchestrator.values.events import SIGNALS, Event
from orchestrator.values.exchange import FAILURES, OF_POSTS, TRANSIENT
from orchestrator.values.formatting import few, printable
from orchestrator.values.parsing import parse_toml
from orchestrator.values.suggestions import unknown

__all__ = ["ChartError", "load", "packaged_source", "parse", "structural_faults"]

SAME = "same"
TABLES = "TABLES"  # the variable, for which SCHEMA and TABLE may stand

_TOP_KEYS = {"action", "title", "about", "initial", "shared", "prints", "green", "triggers", "needs"}
_PRINTS = ("connection", "tests", "result")
_STATE_KEYS = {*Kind, "also", "edges", "tries", "concludes", "group"}
_EVENTS = frozenset(Event)
# What a state of each kind names.
_NAMED: Mapping[Kind, tuple[Collection[str], str]] = {
    Kind.DOES: (EFFECTS.keys(), "effect"),
    Kind.WAITS: (PAUSES.keys(), "pause"),
    Kind.CHOOSES: (CHOICES.keys(), "choice"),
}
# Events that charts of the version before have edges for, and what took their place.
_GONE = {
    "schedule_kept": "was removed in this version; `ready` now leads to the choice 'schedule_to_switch', and a running "
    "sync is `busy`: see docs/charts.md",
}


class ChartError(ValueError):
    """A chart that must not run; the message names file, state and key, one fault per line."""


@cache
def load(action: str) -> Chart:
    """The chart of an action; parsed and checked once in a process.

    Raises:
        ChartError: It is not valid.
    """
    return parse(packaged_source(action), f"{action.lower()}.toml", action)


def packaged_source(action: str) -> str:
    """The text of an action's chart, as it comes with the program."""
    return (FOLDER / f"{action.lower()}.toml").read_text("utf-8")


def parse(text: str, name: str, action: str | None = None) -> Chart:
    """A chart from its text; what it does not say about its action is taken from the packaged chart.

    Args:
        text: TOML.
        name: File name, for messages.
        action: The action that it must be the chart of; the one it names when None.

    Raises:
        ChartError: It is not valid TOML, or not a valid chart.
    """
    try:
        document = parse_toml(text)
    except ValueError as error:
        raise ChartError(f"{name}: {error}") from error
    builder = _Builder(action, document, text)
    chart = replace(builder.build(), source=text)
    faults = builder.faults or structural_faults(chart)
    if faults:
        raise ChartError("\n".join(f"{name}: {fault}" for fault in few(map(printable, faults))))
    return chart


def structural_faults(chart: Chart) -> list[str]:
    """What is wrong with the structure of a well-formed chart, one line per fault; [] where it may run.

    Args:
        chart: A chart whose edges lead to states of its own.
    """
    return list(_check(chart))


class _Builder:
    """Turns the document into a chart and collects what is wrong with its form."""

    def __init__(self, action: str | None, document: Mapping[str, Any], text: str) -> None:
        self.document = document
        self.faults: list[str] = []
        self.action = self._action(action)
        own = self.action in ACTIONS and text != packaged_source(self.action)
        self.packaged = load(self.action) if own else None
        shared = self._table("shared", document.get("shared", {}))
        self.groups = {group: self._edges(f"shared.{group}", edges) for group, edges in shared.items()}
        self.tables = {key: value for key, value in document.items() if key not in _TOP_KEYS}

    def _action(self, wanted: str | None) -> str:
        """The action that the document names."""
        named = self.document.get("action")
        if named is None:
            self.faults.append(f"action: missing; set it to one of {', '.join(ACTIONS)}")
        elif named not in ACTIONS:
            self.faults.append(f"action: {named!r} is not one of {', '.join(ACTIONS)}")
        elif wanted not in {None, named}:
            self.faults.append(f"action: this is a chart for {named}, not for {wanted}")
        return str(named)

    def build(self) -> Chart:
        for group, edges in self.groups.items():
            for event in edges:
                if event not in _EVENTS:
                    self.faults.append(f"shared.{group}: {unknown('event', event, _EVENTS)}")
        states = {name: self._state(name, table) for name, table in self.tables.items() if self._is_state(name, table)}
        initial = self.document.get("initial")
        texts = {"title": self.document.get("title", self.action), "about": self.document.get("about", "")}
        for key, text in texts.items():
            self._is(key, text, str, "a string")
        if initial is None:
            self.faults.append("initial: missing; set it to the first state")
        elif not isinstance(initial, str) or initial not in states:
            self.faults.append(f"initial: {initial!r} is not a state of this chart")
        taken = {SAME, *_EVENTS, *(event for state in states.values() for event in state.edges)}
        for state in states.values():
            if state.name in taken:
                self.faults.append(
                    f"{state.name}: a state cannot have the name of an event, of a choice's value, or {SAME!r}"
                )
            for event, target in state.edges.items():
                if target not in states:
                    self.faults.append(f"{state.name}: edges.{event}: {unknown('target', target, states)}")
        return Chart(
            self.action,
            str(texts["title"]),
            str(initial),
            states,
            about=str(texts["about"]).strip(),
            prints="".join(self._about_action("prints", _PRINTS)),
            green="".join(self._about_action("green", tuple(Event))),
            triggers=self._about_action("triggers", tuple(sorted(tagged(TRIGGERS))), several=True),
            needs=self._about_action("needs", (TABLES,), several=True),
        )

    def _about_action(self, key: str, known: tuple[str, ...], *, several: bool = False) -> tuple[str, ...]:
        """What the chart says about its action under a key; where it says nothing, what the packaged chart says."""
        packaged = getattr(self.packaged, key, ())
        packaged = (packaged,) if isinstance(packaged, str) else packaged
        given = self.document.get(key)
        if given is None:
            if not several and not packaged and self.action in ACTIONS:
                self.faults.append(f"{key}: missing")
            return packaged
        if several and not self._is(key, given, list, "a list"):
            return ()
        values = tuple(given) if several else (given,)
        unknown = [value for value in values if value not in known]
        what = "an event" if key == "green" else f"one of {', '.join(known)}"
        self.faults += [f"{key}: {value!r} is not {what}" for value in unknown]
        # If a chart could redefine its action, the promises would not mean anything for it.
        if not unknown and self.packaged and key != "prints" and sorted(values) != sorted(packaged):
            has = ", ".join(packaged) or "none"
            self.faults.append(
                f"{key}: a chart for {self.action} has {has}, not {', '.join(values) or 'none'}: leave it out"
            )
        return () if unknown else values

    def _is_state(self, name: str, table: object) -> bool:
        if not isinstance(table, dict):
            self.faults.append(unknown("key", name, _TOP_KEYS))
        return isinstance(table, dict)

    def _is(self, where: str, value: object, kind: type, words: str) -> bool:
        """Whether the value is of a kind; else that is a fault."""
        if not isinstance(value, kind):
            self.faults.append(f"{where}: {value!r} is not {words}")
        return isinstance(value, kind)

    def _table(self, where: str, value: Any) -> Mapping[str, Any]:  # noqa: ANN401  # any TOML
        """The value where it is a table; else it is a fault, and empty."""
        return value if self._is(where, value, dict, "a table") else {}

    def _edges(self, where: str, value: object) -> dict[str, str]:
        """Event -> target of those edges that have one."""
        table = self._table(where, value).items()
        return {key: name for key, name in table if self._is(f"{where}.{key}", name, str, "a state's name")}

    def _state(self, name: str, table: Mapping[str, Any]) -> State:
        for key in table:
            if key not in _STATE_KEYS:
                self.faults.append(f"{name}: {unknown('key', key, _STATE_KEYS)}")
        kinds = [kind for kind in Kind if kind in table]
        if len(kinds) != 1:
            self.faults.append(f"{name}: needs exactly one of {', '.join(Kind)}; it has {', '.join(kinds) or 'none'}")
        kind = kinds[0] if kinds else Kind.EXIT
        edges, groups = self._all_edges(name, table)
        concludes = table.get("concludes", False)
        if not isinstance(concludes, bool):
            self.faults.append(f"{name}: concludes: {concludes!r} is not true or false")
        tries, code, group = table.get("tries"), table.get(Kind.EXIT), table.get("group", "")
        self._is(f"{name}: group", group, str, "a string")
        if tries is not None and (type(tries) is not int or tries < 1):
            self.faults.append(f"{name}: tries: {tries!r} is not a number of attempts (1 or more)")
        if code is not None and (type(code) is not int or not 0 <= code <= 255):  # noqa: PLR2004  # POSIX's range
            self.faults.append(f"{name}: exit: {code!r} is not an exit code (0 to 255)")
        if code is not None and (edges or tries is not None):
            self.faults.append(f"{name}: a final state has neither edges nor tries")
        return State(
            name=name,
            kind=kind,
            operand="" if kind is Kind.EXIT else str(table[kind]),
            edges=edges,
            groups=groups,
            tries=tries,
            exit=code if kind is Kind.EXIT else None,
            concludes=concludes is True,
            group=" ".join(str(group).split()),
        )

    def _all_edges(self, name: str, table: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
        """The state's own edges and then those of its groups, and event -> group of the latter."""
        edges = self._edges(f"{name}: edges", table.get("edges", {}))
        groups: dict[str, str] = {}
        also = table.get("also", [])
        for group in also if self._is(f"{name}: also", also, list, "a list of groups") else []:
            if not isinstance(group, str) or group not in self.groups:
                self.faults.append(f"{name}: also: {unknown('group', group, self.groups)}")
                continue
            twice = [event for event in self.groups[group] if event in edges]
            self.faults += [
                f"{name}: edges.{event} is defined twice: in the group {group!r} and elsewhere" for event in twice
            ]
            edges.update(self.groups[group])
            groups.update(dict.fromkeys(self.groups[group], group))
        return {event: name if target == SAME else target for event, target in edges.items()}, groups


def _check(chart: Chart) -> Iterator[str]:
    """What is wrong with the structure of a well-formed chart, one line per fault."""
    conclusions = [state.name for state in chart.states.values() if state.concludes]
    if len(conclusions) != 1:
        yield f"exactly one state must have `concludes = true`; found: {', '.join(conclusions) or 'none'}"
        return
    late = chart.behind()
    yield from _check_ends(chart, late)
    reachable = chart.reachable(chart.initial)
    for state in chart.states.values():
        if state.name not in reachable:
            yield f"{state.name}: cannot be reached from {chart.initial}"
        if not any(chart.states[name].kind is Kind.EXIT for name in chart.reachable(state.name)):
            yield f"{state.name}: no path leads from here to a final state"
        yield from _check_edges(chart, state, is_late=state.name in late)
    yield from _check_loops(chart)


def _check_ends(chart: Chart, late: set[str]) -> Iterator[str]:
    """Every run has a verdict, passes the conclusion once, and ends in the final state of its verdict."""
    first, conclusion = chart.states[chart.initial], chart.conclusion.name
    if first.concludes or first.kind is Kind.CHOOSES:
        yield f"initial: {first.name!r} cannot choose or conclude: nothing has happened yet"
    for name, state in chart.states.items():
        if name not in late and state.kind is Kind.DOES and isinstance(EFFECTS.get(state.operand), Writing):
            yield f"{name}: does {state.operand!r}: there is no verdict to report before the conclusion"
    endings = [name for name, state in chart.states.items() if _chooses_verdict(state)]
    if len(endings) != 1:
        yield f'exactly one state must have `chooses = "verdict"`; found: {", ".join(endings) or "none"}'
    for source, event, target in chart.edges():
        is_final = chart.states[target].kind is Kind.EXIT
        if source not in late and source != conclusion and target in late:
            yield f"{source}: edges.{event}: skips the conclusion"
        elif source in late and target == conclusion:
            yield f"{source}: edges.{event}: leads back to the conclusion"
        elif event == chart.green and chart.states[target].exit:
            yield f"green: {event!r} leads to exit code {chart.states[target].exit}, not to 0"
        elif is_final != _chooses_verdict(chart.states[source]):
            yield f"{source}: edges.{event}: only the choice of the verdict leads to final states, and nowhere else"


def _chooses_verdict(state: State) -> bool:
    return state.kind is Kind.CHOOSES and state.operand == "verdict"


def _check_edges(chart: Chart, state: State, *, is_late: bool) -> Iterator[str]:
    """The state's edges are just the events that can happen in it."""
    if state.kind is Kind.EXIT:
        return
    names, what = _NAMED[state.kind]
    if state.operand not in names:
        yield f"{state.name}: {state.kind}: {unknown(what, state.operand, names)}"
        return
    if state.kind is Kind.DOES and resyncs([state.operand]) and TABLES not in chart.needs:  # it would re-sync all
        yield f"needs: {TABLES} is missing, and {state.name} requires it"
    edges = set(state.edges)
    shielded = is_late or state.concludes
    required, optional = _possible(chart, state)
    asks = state.kind is Kind.DOES and isinstance(EFFECTS[state.operand], Call)
    required |= SIGNALS if not shielded and (asks or state.kind is Kind.WAITS) else set()
    if state.kind is Kind.WAITS and len(edges & {Event.TIMED_OUT, Event.TOO_LATE}) != 1:
        yield f"{state.name}: a wait needs exactly one of timed_out and too_late"
    for event in sorted(required - edges):
        yield f"{state.name}: no edge for {str(event)!r}, a possible outcome of {state.kind} {state.operand!r}"
    for event in sorted(edges - required - optional):
        known = event in _EVENTS or state.kind is Kind.CHOOSES
        reason = f"{state.kind} {state.operand!r} never has this outcome"
        if not known:
            reason = _GONE.get(event) or unknown("event", event, _EVENTS)
        if event in SIGNALS and shielded:
            reason = "from the conclusion on, signals only shorten the grace period"
        yield f"{state.name}: edges.{event}: {reason}"
    for event, target in state.edges.items():
        if target == state.name and (event not in TRANSIENT or state.kind is not Kind.DOES):
            yield f"{state.name}: edges.{event}: only a transient failure may lead back to its own state"
    if state.tries is not None and Event.GAVE_UP not in edges:
        yield f"{state.name}: tries: has no effect without an edge for gave_up"


def _possible(chart: Chart, state: State) -> tuple[set[str], set[str]]:
    """The events that need an edge, signals aside, and those that may have one."""
    edges = set(state.edges)
    if state.kind is Kind.WAITS:
        return {Event.WAITED, *(edges & {Event.TIMED_OUT, Event.TOO_LATE})}, set()
    if state.kind is Kind.CHOOSES:
        if state.operand == "verdict":
            return set(chart.verdicts()), set()
        if state.operand == "schedule_type":  # Fivetran may name a new one any day
            return {*edges, OTHERWISE}, set()
        # A policy has the values that the chart has edges for: wherever it is chosen by, the same ones.
        return set(CHOICES[state.operand].values or chart.values(state.operand)), set()
    effect = EFFECTS[state.operand]
    if not isinstance(effect, Call):
        return set(effect.outcomes), set()
    failures = FAILURES.keys() - (set() if effect.method == "POST" else OF_POSTS)
    return {*effect.outcomes, *failures, Event.TIMED_OUT}, {Event.GAVE_UP}


def _check_loops(chart: Chart) -> Iterator[str]:
    """Every loop waits somewhere: nothing spins, and no request is repeated without a pause."""
    moving = {name: state for name, state in chart.states.items() if state.kind is not Kind.WAITS}
    ahead = {
        name: {target for target in state.edges.values() if target in moving and target != name}
        for name, state in moving.items()
    }
    behind = {name: {source for source in ahead if name in ahead[source]} for name in ahead}
    spinning = set(ahead)
    # What leads nowhere, or is led to from nowhere, is in no loop; nor is what then remains so.
    while outside := {name for name in spinning if not ahead[name] & spinning or not behind[name] & spinning}:
        spinning -= outside
    if spinning:
        yield f"{', '.join(name for name in ahead if name in spinning)}: a loop without a wait"
