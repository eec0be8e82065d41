"""A move in a chart, on `transitions`: the one module that imports it.

`transitions` makes the move and refuses a move that the chart does not declare. It runs
no callbacks and no time-outs: what happens in a state is the driver's, so moving and doing
stay separate. A bare cursor is the model, and `auto_transitions` (edges to everywhere) is off.
"""

from collections import deque

from transitions import Machine, MachineError

from orchestrator.machine.chart import Chart

__all__ = ["IllegalMove", "follow", "machine_of"]


class IllegalMove(Exception):  # noqa: N818
    """An event that the present state has no edge for. Nothing moved."""


# The latest are kept, with the moves that were made: building one takes its time, and many runs make the same moves.
_machines: deque[tuple[Chart, Machine, dict[tuple[str, str], str]]] = deque(maxlen=8)


class _Cursor:
    """The model: `transitions` sets its `state`."""

    state: str


def follow(chart: Chart, state: str, event: str) -> str:
    """The state that an event leads to.

    Args:
        chart: A chart that the loader has checked.
        state: The state to leave.
        event: An event, or the value of a choice.

    Raises:
        IllegalMove: The state has no edge for it.
    """
    machine, moves = _kept(chart)
    if (state, event) in moves:
        return moves[state, event]
    known = machine.events.get(event)
    if known is None:
        raise IllegalMove(f"this chart has no event {str(event)!r}")
    cursor = _Cursor()
    cursor.state = state
    try:
        known.trigger(cursor)
    except MachineError as error:
        raise IllegalMove(f"{state} has no edge for {str(event)!r}") from error
    return moves.setdefault((state, event), cursor.state)


def machine_of(chart: Chart) -> Machine:
    """The machine of a chart; it holds no position, so one serves all of its runs."""
    return _kept(chart)[0]


def _kept(chart: Chart) -> tuple[Machine, dict[tuple[str, str], str]]:
    for known, machine, moves in tuple(_machines):
        if known is chart:
            return machine, moves
    machine = Machine(
        model=None,
        states=list(chart.states),
        initial=chart.initial,
        transitions=[[event, source, target] for source, event, target in chart.edges()],
        auto_transitions=False,
    )
    _machines.append((chart, machine, {}))
    return machine, _machines[-1][2]
