"""An event loop on a virtual clock: waiting takes no time."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from orchestrator.simulator.clock import VirtualClock

__all__ = ["run"]

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> Any:
        """What is ready; where nothing is, the time passes that would be waited."""
        ready = super().select(0 if timeout is not None else 1)
        assert ready or timeout is not None, "nothing is awaited any more"
        if not ready and timeout is not None:
            self._clock.sleep(timeout)
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(_Selector(clock))
        self._virtual = clock

    def time(self) -> float:
        """The clock's."""
        return self._virtual.monotonic()


def run(clock: VirtualClock, main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on that clock."""
    with asyncio.Runner(loop_factory=lambda: _Loop(clock)) as runner:
        return runner.run(main)
