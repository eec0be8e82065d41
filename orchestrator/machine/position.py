"""The position in a chart, on `transitions`: the one module that imports it.

`transitions` keeps the position and refuses a move that the chart does not declare. It runs
no callbacks and no time-outs: what happens in a state is the driver's, so moving and doing
stay separate. A bare cursor is the model, and `auto_transitions` (edges to everywhere) is off.
"""

from collections import deque

from transitions import Machine, MachineError

from orchestrator.machine.chart import Chart, State

__all__ = ["IllegalMove", "Position"]


class IllegalMove(Exception):  # noqa: N818
    """An event that the present state has no edge for. Nothing moved."""


# A machine holds no position, so one serves all runs of a chart. The latest are kept: building one takes its time.
_machines: deque[tuple[Chart, Machine]] = deque(maxlen=8)


class _Cursor:
    """The model: `transitions` sets its `state`."""

    state: str


class Position:
    """Where a run stands in its chart.

    Args:
        chart: A chart that the loader has proved.
        at: The state to stand in; the chart's initial one when None.

    Attributes:
        machine: The chart's machine.
        state: The present state.
    """

    def __init__(self, chart: Chart, at: str | None = None) -> None:
        self.chart = chart
        self.machine = _machine(chart)
        self._cursor = _Cursor()
        self._cursor.state = at or chart.initial
        self.state: State = chart.states[self._cursor.state]

    def twin(self) -> "Position":
        """Another position at the same state, which moves by itself."""
        return Position(self.chart, self.state.name)

    def fire(self, event: str) -> None:
        """Take the present state's edge for an event.

        Raises:
            IllegalMove: There is none.
        """
        known = self.machine.events.get(event)
        if known is None:
            raise IllegalMove(f"{event!r} is no event of this chart")
        try:
            known.trigger(self._cursor)
        except MachineError as error:
            raise IllegalMove(f"{self.state.name} has no edge for {event!r}") from error
        self.state = self.chart.states[self._cursor.state]


def _machine(chart: Chart) -> Machine:
    for known, machine in tuple(_machines):
        if known is chart:
            return machine
    machine = Machine(
        model=None,
        states=list(chart.states),
        initial=chart.initial,
        transitions=[[event, source, target] for source, event, target in chart.edges()],
        auto_transitions=False,
    )
    _machines.append((chart, machine))
    return machine
