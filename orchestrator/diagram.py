"""A chart as a Mermaid flowchart: what GitLab and GitHub draw in a Markdown page.

A flowchart, not a state diagram: Mermaid's state diagrams cannot style an edge. Complete
because the chart is: there is nothing else to draw.
"""

from collections.abc import Iterator

from orchestrator.chart import Chart, Kind, State
from orchestrator.events import SIGNALS
from orchestrator.loader import ACTIONS, load

__all__ = ["happy_path", "overview", "to_mermaid"]

# Mermaid's shapes: a call or conclusion is a box, a wait a stadium, a choice a diamond.
_SHAPES = {Kind.DOES: ('["', '"]'), Kind.WAITS: ('(["', '"])'), Kind.CHOOSES: ('{"', '"}'), Kind.EXIT: ('[["', '"]]')}


def to_mermaid(chart: Chart) -> str:
    """The chart as Mermaid text.

    The happy path is drawn thick. Signals are left out and said in a line below: an edge from
    each state that takes time to the conclusion would bury all others.
    """
    lines = ["flowchart TD", f'  start(("{chart.action}")) ==> {chart.initial}']
    lines += [f"  {state.name}{_shape(state)}" for state in chart.states.values()]
    path = happy_path(chart)
    for state in chart.states.values():
        happy = path.get(state.name, "")
        for target, events in _bundles(state, happy):
            arrow = "==>" if happy in events else "-->"
            lines.append(f'  {state.name} {arrow}|"{"<br/>".join(events)}"| {target}')
    return "\n".join(lines) + "\n"


def happy_path(chart: Chart) -> dict[str, str]:
    """State -> event, from the initial state on: always the first edge that leads somewhere new."""
    path: dict[str, str] = {}
    state = chart.states[chart.initial]
    while state.edges:
        path[state.name] = next(event for event, target in state.edges.items() if target not in path)
        state = chart.states[state.edges[path[state.name]]]
    return path


def overview() -> str:
    """`statecharts/README.md`: every chart drawn, and every state in a table."""
    parts = [_PREFACE]
    for chart in map(load, ACTIONS):
        parts += [f"## {chart.title}\n", "```mermaid", to_mermaid(chart) + "```\n", _signals(chart), _table(chart)]
    return "\n".join(parts)


_PREFACE = """\
# The charts

Generated from the TOML files beside this one by `make documents`; `make check` fails when it
is out of date. A box asks Fivetran or draws a conclusion, a stadium waits, a diamond chooses by
a setting or a fact and takes no time, a double box is final. The thick way is the happy path. An
edge back to the same state follows a counted back-off.
"""


def _shape(state: State) -> str:
    opening, closing = _SHAPES[state.kind]
    label = f"{state.name}<br/>exit {state.exit}" if state.kind is Kind.EXIT else f"{state.name}<br/>{state.operand}"
    return f"{opening}{label}{closing}"


def _bundles(state: State, happy: str) -> Iterator[tuple[str, list[str]]]:
    """The state's edges by target, signals aside unless they are a choice's values."""
    drawn = [event for event in state.edges if event not in SIGNALS or state.kind is Kind.CHOOSES]
    for target in dict.fromkeys(state.edges[event] for event in drawn):
        events = [event for event in drawn if state.edges[event] == target]
        if happy in events and len(events) > 1:
            yield target, [happy]
            events.remove(happy)
        yield target, events


def _signals(chart: Chart) -> str:
    names = [
        name for name, state in chart.states.items() if set(state.edges) >= SIGNALS and state.kind is not Kind.CHOOSES
    ]
    return (
        f"Not drawn: `interrupted` (SIGINT) and `terminated` (SIGTERM) lead from {', '.join(names)} "
        f"to {chart.conclusion.name}.\n"
    )


def _table(chart: Chart) -> str:
    rows = ["| state | is | edges |", "| --- | --- | --- |"]
    for state in chart.states.values():
        kind = f"{state.kind} `{state.operand}`" if state.operand else f"exit {state.exit}"
        tries = f", {state.tries} tries" if state.tries else ""
        edges = "; ".join(
            f"{', '.join(event for event in state.edges if state.edges[event] == target)} → "
            f"{'same' if target == state.name else target}"
            for target in dict.fromkeys(state.edges.values())
        )
        rows.append(f"| {state.name} | {kind}{tries} | {edges} |")
    return "\n".join(rows) + "\n"
