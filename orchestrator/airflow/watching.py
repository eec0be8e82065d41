"""A run in the triggerer: it waits, looks and decides, and stops before anything would change."""

import asyncio
from collections.abc import Callable

from orchestrator.airflow.board import Board
from orchestrator.airflow.handover import changes, only_looks
from orchestrator.fivetran.effects.situation import get_connection
from orchestrator.machine.chart import Kind
from orchestrator.machine.run import Run
from orchestrator.machine.standing import Standing
from orchestrator.machine.step import Step
from orchestrator.machine.transition import call_of

__all__ = ["watch"]


async def watch(run: Run, board: Board, tell: Callable[[Step], None]) -> Standing:
    """Drive a run as far as it only looks.

    Args:
        run: The run.
        board: What answers its looks.
        tell: Told of each step.

    Returns:
        Where a worker is to take it up. Where a look leads to a change, that is before the look: the worker looks
        again, since a change follows straight after the look that it rests on.
    """
    look: Standing | None = None
    while only_looks(run.chart, run.standing):
        while (left := run.wake - run.now) > 0:  # noqa: ASYNC110  # a clock, not an event
            await asyncio.sleep(left)
        call, before = call_of(run.state), run.standing
        if call is None:
            look = None if run.state.kind is Kind.WAITS else look
            began = run.begin()
            assert isinstance(began, Step)  # noqa: S101  # only what asks or writes is pending
            step = began
        else:
            look = before
            step = await board.take(run, shared=call.ask is get_connection)
        tell(step)
    # A change that is put off by a back-off is the worker's: it waits for that itself.
    return look if look is not None and changes(run.chart, run.standing) else run.standing
