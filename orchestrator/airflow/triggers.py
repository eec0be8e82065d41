"""What waits in the triggerer: a run that only looks there, and a sensor."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from orchestrator.airflow.account import Account
from orchestrator.airflow.board import Board, Heed, board_of
from orchestrator.airflow.freshness import Awaited, looked, since_now
from orchestrator.airflow.handover import handed_over, settings_from, taken_up
from orchestrator.airflow.hooks import FivetranHook
from orchestrator.airflow.looking import reading
from orchestrator.airflow.reporting import TaskLog, mask_of, run_log
from orchestrator.airflow.watching import watch
from orchestrator.fivetran.client import Client
from orchestrator.job.job import connected
from orchestrator.job.masking import Mask
from orchestrator.machine.loader import load
from orchestrator.machine.run import Ports, Run
from orchestrator.machine.step import Step
from orchestrator.values.clock import SystemClock
from orchestrator.values.exchange import TRANSIENT, Answer, Cut, Failure

__all__ = ["FivetranSyncTrigger", "FivetranTrigger"]

LEFT = "the sync that was started goes on at Fivetran; the task takes it up again if it is cleared or retried"


class _FivetranTrigger(BaseTrigger):
    """What both have: the account, and its board."""

    def __init__(self, fivetran_conn_id: str) -> None:
        super().__init__()
        self.fivetran_conn_id = fivetran_conn_id
        self.clock = SystemClock()

    async def _account(self) -> Account:
        return await FivetranHook(self.fivetran_conn_id).async_account()

    def _board(self, account: Account, mask: Mask) -> Board:
        log = TaskLog(self.log, mask)

        def connect(heed: Heed) -> Client:
            return connected(account, self.clock, mask, heed)

        return Board(connect, self.clock, log.warning)


class FivetranTrigger(_FivetranTrigger):
    """A run that waits: it looks, and hands itself back before anything would change.

    Args:
        fivetran_conn_id: The Airflow connection.
        settings: The run's settings, without key and secret.
        run: The run, as `handed_over` gives it.
    """

    def __init__(self, fivetran_conn_id: str, settings: Mapping[str, Any], run: Mapping[str, Any]) -> None:
        super().__init__(fivetran_conn_id)
        self.settings = settings
        self.handed_over = run

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The trigger, as Airflow stores it."""
        kwargs = {"fivetran_conn_id": self.fivetran_conn_id, "settings": self.settings, "run": self.handed_over}
        return f"{type(self).__module__}.{type(self).__qualname__}", kwargs

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until a worker has to go on."""
        account = await self._account()
        mask = mask_of(account)
        settings = settings_from(self.settings, account.api_key, account.api_secret)
        chart = await asyncio.to_thread(load, settings.action)  # it takes its time, once in a process
        standing, elapsed, trace = taken_up(chart, settings, self.handed_over, self.clock.wall())
        ports = Ports(self.clock, lambda *_: Cut.LIMIT, lambda _: None, random.random)  # the board sends
        run = Run(chart, settings, ports, standing=standing, elapsed=elapsed)
        says = run_log(TaskLog(self.log, mask), run)

        def tell(step: Step) -> None:
            trace.add(step)
            says.add(step, settings, chart)

        async with board_of(account, settings.poll_interval, lambda: self._board(account, mask_of(account))) as board:
            place = await watch(run, board, tell)
        yield TriggerEvent({"run": handed_over(run, place, trace, mask)})

    async def on_kill(self) -> None:
        """The task was cleared or marked while it was deferred."""
        self.log.info(LEFT)


class FivetranSyncTrigger(_FivetranTrigger):
    """Looks until the data that a sensor waits for is there.

    Args:
        fivetran_conn_id: The Airflow connection.
        connector_id: The connection's id.
        poll_interval: Seconds between two looks.
        after: What the last success has to be later than, in seconds since the epoch; None for the end of the last sync
            at the first look, unless there is a `max_age`.
        max_age: How old it may be, in seconds.
        fails: A failed sync ends the waiting.
        until: When the waiting ends, in seconds since the epoch.
    """

    def __init__(
        self,
        fivetran_conn_id: str,
        connector_id: str,
        poll_interval: float,
        after: float | None,
        max_age: float | None,
        *,
        fails: bool,
        until: float,
    ) -> None:
        super().__init__(fivetran_conn_id)
        self.connector_id = connector_id
        self.poll_interval = poll_interval
        self.after = after
        self.max_age = max_age
        self.fails = fails
        self.until = until

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The trigger, as Airflow stores it."""
        names = ("fivetran_conn_id", "connector_id", "poll_interval", "after", "max_age", "fails", "until")
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until the data is there, the sync has failed, or time is up."""
        account = await self._account()
        mask = mask_of(account)
        log, awaited = TaskLog(self.log, mask), Awaited(self.after, self.max_age, self.fails)
        request = reading(self.connector_id)
        said = ""
        async with board_of(account, self.poll_interval, lambda: self._board(account, mask_of(account))) as board:
            while (left := self.until - self.clock.wall()) > 0:
                await asyncio.sleep(min(self.poll_interval, left))  # the worker has just looked
                outcome = await board.look(self.connector_id, request)
                if isinstance(outcome, Failure) and outcome.event not in TRANSIENT:
                    yield TriggerEvent({"ended": str(outcome.event), "why": mask.line(str(outcome))})
                    return
                why = f"could not read the connection: {outcome}"
                if isinstance(outcome, Answer):
                    if awaited.after is None and awaited.max_age is None:
                        awaited = awaited._replace(after=since_now(outcome.data))
                    found = looked(awaited, outcome.data, outcome.date)
                    if found.here or found.failed:
                        ended = "here" if found.here else "sync_failed"
                        yield TriggerEvent({"ended": ended, "why": mask.line(found.why)})
                        return
                    why = found.why
                if why != said:
                    log.info(why)
                    said = why
        yield TriggerEvent({"ended": "timed_out", "why": said})
