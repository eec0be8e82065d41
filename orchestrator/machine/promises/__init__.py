"""What holds on every path of every chart; a chart that breaks it is refused with the shortest such path.

The loader checks the structure of a chart, the promises what happens on its paths. They know an effect
by its tags, a choice by its name and a moment by its event, and no state by name: so they apply to a
user's own chart as to the packaged ones.
"""

from orchestrator.machine.chart import Chart
from orchestrator.machine.promises.connection import CONNECTION
from orchestrator.machine.promises.ending import CONCLUSION, ENDING
from orchestrator.machine.promises.paths import Path, Promise
from orchestrator.machine.promises.trigger import TRIGGER

__all__ = ["PROMISES", "broken"]

PROMISES: tuple[Promise, ...] = (*ENDING, *CONNECTION, *TRIGGER, *CONCLUSION)


def broken(chart: Chart) -> dict[str, Path]:
    """The promises that a chart breaks: name -> the shortest path that does.

    Args:
        chart: A chart that the loader has checked.
    """
    found = ((promise.name, promise.counterexample(chart)) for promise in PROMISES)
    return {name: path for name, path in found if path is not None}
