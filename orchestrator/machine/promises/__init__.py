"""What every chart keeps on every path, or is refused with the shortest path that breaks it.

The loader's laws are about the form of a chart, the promises about what happens on its paths. An
effect is known by its tags, a choice by its name and a moment by its event: no promise knows a
state's name, so they hold for a chart of somebody's own as for the four that come with this.
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
        chart: A chart that the loader has proved.
    """
    found = ((promise.name, promise.counterexample(chart)) for promise in PROMISES)
    return {name: path for name, path in found if path is not None}
