"""The board: one listing answers the looks of all triggers of a process, for each account.

It works in rounds, as `orchestrator.fleet.reader` has them: who waits for a document is begun, then the listing is
asked for. So no run decides on a document that was read before its own trigger was sent. Each trigger has an interval
of its own; the shortest one says how often there is a round. Whoever was in a round is due again an interval later, all
together: so a round comes that long after the one before has *ended*, and an end is noticed within one interval.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple
from weakref import WeakKeyDictionary

from orchestrator.airflow.account import Account
from orchestrator.airflow.threads import Outcome, Threads
from orchestrator.fivetran.client import Client
from orchestrator.fleet.budget import Budget
from orchestrator.fleet.reader import FEW, Asked, Reader, Round
from orchestrator.machine.run import Run
from orchestrator.machine.step import Step
from orchestrator.machine.transition import Pending
from orchestrator.values.clock import SystemClock
from orchestrator.values.exchange import Request

__all__ = ["Board", "Heed", "board_of"]

SLICE = 16  # runs that go on before the event loop has its turn
HTTP_TIMEOUT = 30.0  # seconds for a request of a sensor
INSTANT = 0.02  # seconds by which a round waits for those that are due in the same moment
LINGER = 0.1  # seconds after an interval in which all that were in the round before are due again

Heed = Callable[[Mapping[str, str]], None]


class _Wanted(NamedTuple):
    """Who waits for a connection's document.

    Attributes:
        connector_id: The connection's id.
        begin: Says what is to be asked, when the round begins.
        looked: Is given that, and what came of it; or whatever `begin` said that is not to be asked.
    """

    connector_id: str
    begin: Callable[[], "Pending | Step | Request"]
    looked: asyncio.Future[tuple["Pending | Step | Request", Outcome | None]]


class _Own(NamedTuple):
    """Who takes part in a round, and with what."""

    wanted: _Wanted
    said: Pending | Request

    @property
    def request(self) -> Request:
        """What it would ask by itself."""
        asked = self.said if isinstance(self.said, Request) else self.said.request
        assert asked is not None  # noqa: S101  # it asks
        return asked

    @property
    def limit(self) -> float:
        """Seconds that its request gets."""
        return self.said.limit if isinstance(self.said, Pending) else HTTP_TIMEOUT


class Board:
    """Answers looks.

    Args:
        connect: Makes a client, whose answers' headers go to the function that it is given.
        clock: The time.
        warn: Told why connections are asked for one by one.
    """

    def __init__(
        self,
        connect: Callable[[Heed], Client],
        clock: SystemClock,
        warn: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.intervals: list[float] = []
        self._loop = asyncio.get_running_loop()
        self._clock = clock
        self._budget = Budget()
        self._reader = Reader(warn=warn)
        self._threads = Threads(lambda: connect(self._heed))
        self._waiting: deque[_Wanted] = deque()
        self._next_round = 0.0
        self._rounds: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # --- What triggers ask of it --------------------------------------------------------------

    async def take(self, run: Run, *, shared: bool) -> Step:
        """Take the step of a run that asks.

        Args:
            run: The run; its next step is due.
            shared: It asks for the connection's document, which the listing has, too.
        """
        if not shared:
            began = run.begin()
            if isinstance(began, Step):
                return began
            assert began.request is not None  # noqa: S101  # only a report has none
            return run.settle(began, await self._send(began.request, began.limit))
        said, outcome = await self._look(run.settings.connector_id, run.begin)
        if isinstance(said, Step):
            return said
        assert isinstance(said, Pending)  # noqa: S101  # `begin` says nothing else
        assert outcome is not None  # noqa: S101  # it was asked
        return run.settle(said, outcome)

    async def look(self, connector_id: str, request: Request) -> Outcome:
        """Read a connection.

        Args:
            connector_id: Its id.
            request: What asks for its document.
        """
        _, outcome = await self._look(connector_id, lambda: request)
        assert outcome is not None  # noqa: S101  # it was asked
        return outcome

    async def _look(
        self, connector_id: str, begin: Callable[[], Pending | Step | Request]
    ) -> tuple[Pending | Step | Request, Outcome | None]:
        wanted = _Wanted(connector_id, begin, self._loop.create_future())
        self._waiting.append(wanted)
        if self._rounds is None or self._rounds.done():
            self._rounds = self._loop.create_task(self._drive())
        return await wanted.looked

    def close(self) -> None:
        """The last trigger has gone."""
        for task in (self._rounds, *self._tasks):
            if task is not None:
                task.cancel()
        self._threads.close()

    # --- Rounds -------------------------------------------------------------------------------

    async def _drive(self) -> None:
        """Open rounds while somebody waits."""
        while self._waiting:
            now = self._clock.monotonic()
            few = len(self.intervals) <= FEW
            until = max(now + INSTANT if few else self._next_round, now + INSTANT, self._budget.not_before(now))
            await asyncio.sleep(until - now)
            waiting, self._waiting = self._waiting, deque()
            now = self._clock.monotonic()
            least = self._budget.gap(now, cost=self._reader.cost(len(waiting)), reserve=0, until=now + 3600.0)
            self._next_round = now + max(self._interval, least)
            task = self._loop.create_task(self._round(waiting, least))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    @property
    def _interval(self) -> float:
        return min(self.intervals, default=0.0)

    async def _round(self, waiting: deque[_Wanted], least: float) -> None:
        owns: dict[str, list[_Own]] = {}
        for number, wanted in enumerate(waiting, 1):
            self._begin(wanted, owns)
            if number % SLICE == 0:
                await asyncio.sleep(0)
        flights: set[asyncio.Task[tuple[Asked, Outcome]]] = set()
        try:
            if owns:
                await self._read(owns, flights)
        except Exception as error:  # noqa: BLE001  # a fault of ours: whoever waits has to learn of it
            for own in (each for all_ in owns.values() for each in all_):
                if not own.wanted.looked.done():
                    own.wanted.looked.set_exception(error)
        finally:
            for flight in flights:
                flight.cancel()
        after = self._clock.monotonic() + max(self._interval + LINGER, least)
        self._next_round = max(self._next_round, after)

    async def _read(self, owns: dict[str, list[_Own]], flights: set[asyncio.Task[tuple[Asked, Outcome]]]) -> None:
        """Ask what the round says, and hand out what came of it, a few runs at a time."""
        limit = max(own.limit for all_ in owns.values() for own in all_)
        current = Round(self._reader, {name: all_[0].request for name, all_ in owns.items()})
        while current.asking or flights:
            while current.asking:
                flights.add(self._loop.create_task(self._ask(current.asking.popleft(), limit)))
            done, _ = await asyncio.wait(flights, return_when=asyncio.FIRST_COMPLETED)
            flights -= done
            for flight in done:
                for number, (connector_id, outcome) in enumerate(current.take(*flight.result()), 1):
                    for own in owns.pop(connector_id, ()):
                        if not own.wanted.looked.done():
                            own.wanted.looked.set_result((own.said, outcome))
                    if number % SLICE == 0:
                        await asyncio.sleep(0)

    def _begin(self, wanted: _Wanted, owns: dict[str, list[_Own]]) -> None:
        if wanted.looked.done():  # its trigger has gone
            return
        try:
            said = wanted.begin()
        except Exception as error:  # noqa: BLE001  # one run's fault is not that of the others
            wanted.looked.set_exception(error)
            return
        if isinstance(said, Step):
            wanted.looked.set_result((said, None))
        else:
            owns.setdefault(wanted.connector_id, []).append(_Own(wanted, said))

    async def _ask(self, asked: Asked, limit: float) -> tuple[Asked, Outcome]:
        return asked, await self._send(asked.request, limit)

    async def _send(self, request: Request, limit: float) -> Outcome:
        now = self._clock.monotonic()
        while (held := self._budget.not_before(now) - now) > 0:
            await asyncio.sleep(held)
            now = self._clock.monotonic()
        self._budget.spend(now)
        outcome = await self._threads.send(request, limit)
        self._budget.ended(outcome, self._clock.monotonic())
        return outcome

    def _heed(self, headers: Mapping[str, str]) -> None:
        """Called on a sender's thread."""
        self._loop.call_soon_threadsafe(self._budget.heed, headers, self._clock.monotonic())


_BOARDS: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Account, Board]] = WeakKeyDictionary()


@asynccontextmanager
async def board_of(account: Account, interval: float, connect: Callable[[], Board]) -> AsyncIterator[Board]:
    """The board of an account in this event loop, for as long as a trigger needs it.

    Args:
        account: The account.
        interval: Seconds between two looks of the trigger.
        connect: Makes the board, where there is none yet.
    """
    boards = _BOARDS.setdefault(asyncio.get_running_loop(), {})
    board = boards.get(account)
    if board is None:
        board = boards[account] = connect()
    board.intervals.append(interval)
    try:
        yield board
    finally:
        board.intervals.remove(interval)
        if not board.intervals and boards.get(account) is board:
            del boards[account]
            board.close()
