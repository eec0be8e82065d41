"""What a verdict means to Airflow: whether a retry may help."""

from enum import Enum, auto

from orchestrator.machine.chart import Chart
from orchestrator.values.events import Event

__all__ = ["Ending", "ending_of"]


class Ending(Enum):
    """How a task ends."""

    SUCCESS = auto()
    RETRY = auto()  # fails, and Airflow's `retries` are for it
    FAIL = auto()  # fails at once: a retry would end the same way
    POSTPONED = auto()  # Fivetran goes on at a time that is past the deadline


_BY_CODE = {
    0: Ending.SUCCESS,
    5: Ending.RETRY,  # the next try takes up its own sync
    6: Ending.RETRY,
    8: Ending.POSTPONED,
    130: Ending.RETRY,
    143: Ending.RETRY,
}


def ending_of(chart: Chart, verdict: str, code: int) -> Ending:
    """How a task ends whose run ended so.

    Args:
        chart: The run's chart.
        verdict: Its verdict.
        code: Its exit code.
    """
    if code == 1:  # a sync may succeed the next time, and data may be fresh then; a setup test finds the same again
        return Ending.RETRY if chart.triggers or verdict == Event.STALE else Ending.FAIL
    if verdict == Event.BUSY:
        return Ending.RETRY
    return _BY_CODE.get(code, Ending.FAIL)
