"""The board: a few requests for all triggers of a process."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Sequence
from typing import Any
from unittest import mock

import pytest
from fleets import Account as FivetranAccount
from fleets import names
from in_process import answered, arrived, takes
from virtual_loop import run

from orchestrator.airflow.account import Account
from orchestrator.airflow.board import SLICE, Board, board_of
from orchestrator.airflow.watching import watch
from orchestrator.fivetran.client import Client
from orchestrator.fivetran.effects.situation import get_connection
from orchestrator.machine.loader import load
from orchestrator.machine.run import Ports, Run
from orchestrator.machine.transition import start
from orchestrator.simulator.app import KEY, SECRET
from orchestrator.simulator.clock import VirtualClock
from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan
from orchestrator.values.events import Event
from orchestrator.values.exchange import Answer, Cut, Failure, Request
from orchestrator.values.facts import Facts
from orchestrator.values.settings import Settings

POLICIES = (("on_running", "wait"), ("on_reschedule", "wait"), ("on_broken", "fail"))
ACCOUNT = Account("http://127.0.0.1", KEY, SECRET)


class World:
    """An account, and boards that ask it on a virtual clock.

    Args:
        scenarios: What happens to each connection.
        faults: What requests meet.
    """

    def __init__(self, scenarios: dict[str, Scenario], *faults: Fault) -> None:
        self.clock = VirtualClock()
        self.fivetran = FivetranAccount(scenarios, self.clock, *faults)
        self.warnings: list[str] = []
        self.asked: list[tuple[float, str]] = []
        self.closed = 0

    async def send(self, request: Request, seconds: float) -> Answer | Failure | Cut:
        """As `Threads` has it."""
        self.asked.append((self.clock.monotonic(), str(request)))
        arrival = arrived(self.fivetran, request)
        await asyncio.sleep(min(takes(arrival), seconds))
        if takes(arrival) > seconds:
            return Cut.LIMIT
        try:
            return answered(self.fivetran, request, arrival, self.clock)
        except Failure as failure:
            return failure

    def close(self) -> None:
        """As `Threads` has it."""
        self.closed += 1

    def board(self) -> Board:
        """A board that asks this world."""

        def connect(_: object) -> Client:
            raise AssertionError

        with mock.patch("orchestrator.airflow.board.Threads", return_value=self):
            return Board(connect, self.clock, self.warnings.append)

    def run(self, name: str, interval: float = 10.0) -> Run:
        """A run of STATUS at its beginning, which looks and then may change something."""
        settings = Settings("START", name, KEY, SECRET, policies=POLICIES, poll_interval=interval, evidence="0")
        chart = load("START")
        ports = Ports(self.clock, lambda *_: Cut.LIMIT, lambda _: None, lambda: 0.0)
        return Run(chart, settings, ports, standing=start(chart, settings, self.clock.wall()))

    def play(self, main: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on this world's clock."""
        return run(self.clock, main)

    @property
    def listings(self) -> int:
        """How many pages were asked for."""
        return sum("limit=" in request for _, request in self.asked)


def looks(connector_id: str) -> Request:
    """What asks for a document."""
    return get_connection(Settings("START", connector_id, KEY, SECRET), Facts())


async def together(world: World, runs: Sequence[Run], tell: Callable[[Any], None] = lambda _: None) -> list[Any]:
    """Each run in a trigger of its own; where a worker is to take them up."""

    async def one(each: Run) -> Any:
        async with board_of(ACCOUNT, each.settings.poll_interval, world.board) as board:
            return await watch(each, board, tell)

    return await asyncio.gather(*(one(each) for each in runs))


def busy(count: int, lasts: float) -> dict[str, Scenario]:
    """Connections on which another sync runs."""
    manual = {"schedule_type": "manual"}
    return {name: Scenario(connection=manual, running=SyncPlan(lasts=lasts)) for name in names(count)}


def test_one_listing_answers_many() -> None:
    """Fifty triggers that wait for half a minute take one listing a round, and one look to compare it with."""
    world = World(busy(50, 30.0))

    places = world.play(together(world, [world.run(name) for name in names(50)]))

    assert {each.state for each in places} == {"validating"}
    assert len(world.asked) == world.listings + 1
    assert world.listings <= 6
    assert world.closed == 1


def test_few_are_asked_for_singly() -> None:
    """Up to three triggers are answered by the connection itself."""
    world = World(busy(3, 25.0))

    world.play(together(world, [world.run(name) for name in names(3)]))

    assert world.listings == 0


def test_runs_begin_before_the_listing_is_asked_for() -> None:
    """No run takes part in a round that began before it waited: its document is newer than its wait."""
    world = World(busy(10, 60.0), Fault(on="listing", times=0, does="slow", answers_in=4.0))
    begun: list[float] = []

    async def main() -> None:
        async with board_of(ACCOUNT, 10.0, world.board) as board:
            board.intervals += [10.0] * 5
            first = [asyncio.create_task(board.look(name, looks(name))) for name in names(5)]
            await asyncio.sleep(2.0)
            begun.append(world.clock.monotonic())
            late = await board.look("c007", looks("c007"))
            assert isinstance(late, Answer)
            await asyncio.gather(*first)
            del board.intervals[1:]

    world.play(main())

    asked = [at for at, request in world.asked if request.endswith("c007") or "limit=" in request]
    assert any(at >= begun[0] for at in asked)


def test_the_shortest_interval_wins() -> None:
    """Whoever comes first with a long interval does not slow the others down."""
    world = World(busy(8, 300.0))
    slow = [world.run(name, 120.0) for name in names(8)[:4]]
    fast = [world.run(name, 4.0) for name in names(8)[4:]]

    world.play(together(world, [*slow, *fast]))

    pages = [at for at, request in world.asked if "limit=" in request]
    assert 60 <= len(pages) <= 160


def test_a_fault_of_one_run_is_its_own() -> None:
    """What goes wrong in one run is raised in its trigger alone."""
    world = World(busy(6, 20.0))
    runs = [world.run(name) for name in names(6)]

    def strange() -> Any:
        raise ZeroDivisionError

    runs[0].begin = strange  # type: ignore[method-assign]

    async def main() -> list[Any]:
        async def one(each: Run) -> Any:
            async with board_of(ACCOUNT, 10.0, world.board) as board:
                return await watch(each, board, lambda _: None)

        return await asyncio.gather(*(one(each) for each in runs), return_exceptions=True)

    places = world.play(main())

    assert isinstance(places[0], ZeroDivisionError)
    assert {each.state for each in places[1:]} == {"validating"}


def test_fault_of_a_round_reaches_all_who_wait() -> None:
    """What goes wrong in a round is raised where its answer is waited for: nobody waits for ever."""
    world = World(busy(5, 20.0))

    async def main() -> list[Any]:
        async with board_of(ACCOUNT, 10.0, world.board) as board:
            return await asyncio.gather(*(board.look(name, looks(name)) for name in names(5)), return_exceptions=True)

    with mock.patch.object(World, "send", side_effect=ZeroDivisionError):
        found = world.play(main())

    assert [type(each) for each in found] == [ZeroDivisionError] * 5


def test_trigger_that_is_cancelled_leaves() -> None:
    """A trigger that is cancelled while it waits leaves the round to the others."""
    world = World(busy(5, 20.0))

    async def main() -> list[Any]:
        async with board_of(ACCOUNT, 10.0, world.board) as board:
            tasks = [asyncio.create_task(board.look(name, looks(name))) for name in names(5)]
            await asyncio.sleep(0)
            tasks[0].cancel()
            return await asyncio.gather(*tasks, return_exceptions=True)

    found = world.play(main())

    assert isinstance(found[0], asyncio.CancelledError)
    assert all(isinstance(each, Answer) for each in found[1:])


def test_last_trigger_closes_the_board() -> None:
    """A board whose triggers have all gone ends what it has under way, and the next trigger makes another."""
    world = World(busy(2, 20.0), Fault(on="get", does="slow", answers_in=20.0, times=1))
    boards: list[Board] = []

    async def main() -> None:
        async def one() -> None:
            async with board_of(ACCOUNT, 10.0, world.board) as board:
                boards.append(board)
                await board.look("c000", looks("c000"))

        task = asyncio.create_task(one())
        await asyncio.sleep(5.0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await one()

    world.play(main())

    assert world.closed == 2
    assert boards[0] is not boards[1]


def test_accounts_have_boards_of_their_own() -> None:
    """Two keys, or one key at two addresses, are two boards; the same account is one."""
    world = World(busy(2, 20.0))
    others = [ACCOUNT, ACCOUNT._replace(api_key="another-key"), ACCOUNT._replace(api_url="http://localhost")]

    async def main() -> list[bool]:
        async with board_of(ACCOUNT, 10.0, world.board) as first:
            same = []
            for account in others:
                async with board_of(account, 10.0, world.board) as board:
                    same.append(board is first)
            return same

    assert world.play(main()) == [True, False, False]


def test_rate_limit_holds_all_back() -> None:
    """After a 429 nobody is asked for until its time is over, and the runs do not notice."""
    limited = Fault(on="listing", times=1, status=429, code="RateLimit", message="", headers={"Retry-After": "40"})
    world = World(busy(6, 100.0), limited)

    places = world.play(together(world, [world.run(name) for name in names(6)]))

    times = [at for at, _ in world.asked]
    assert {each.state for each in places} == {"validating"}
    assert min(at for at in times if at > times[0]) >= times[0] + 40.0


def test_many_are_settled_a_few_at_a_time() -> None:
    """While a page settles hundreds of runs the event loop has its turn after every few of them."""
    world = World(busy(400, 0.5))
    turns: list[int] = []
    settled = 0

    async def main() -> None:
        nonlocal settled

        async def one(board: Board, name: str) -> None:
            nonlocal settled
            await board.look(name, looks(name))
            settled += 1

        async def others() -> None:
            while settled < 400:
                turns.append(settled)
                await asyncio.sleep(0 if settled else 0.001)

        async with board_of(ACCOUNT, 10.0, world.board) as board:
            board.intervals += [10.0] * 400
            await asyncio.gather(others(), *(one(board, name) for name in names(400)))
            del board.intervals[1:]

    world.play(main())

    assert max(after - before for before, after in itertools.pairwise(turns)) <= 2 * SLICE


@pytest.mark.parametrize("event", [Event.REFUSED, Event.NOT_FOUND])
def test_connection_that_is_missing_concludes(event: Event) -> None:
    """A key that is revoked, or a connection that is gone, ends the waiting with its own verdict."""
    world = World(busy(1, 300.0))
    status, code = (403, "Forbidden") if event is Event.REFUSED else (404, "NotFound_Connection")
    fault = Fault(on="get", skip=3, times=0, status=status, code=code, message="made up")
    world.fivetran.add_fault(fault)

    (place,) = world.play(together(world, [world.run("c000")]))

    assert place.facts.verdict == event


def test_headers_of_answers_reach_the_budget() -> None:
    """What an answer says about the account's limit is heeded, whichever thread it came on."""
    world = World(busy(1, 20.0))
    heeds: list[Any] = []

    async def main() -> float | None:
        with mock.patch("orchestrator.airflow.board.Threads") as threads:
            board = Board(heeds.append, world.clock)  # type: ignore[arg-type]
            threads.call_args.args[0]()
        await asyncio.to_thread(heeds[0], {"x-rate-limit-remaining": "100"})
        await asyncio.sleep(0)
        return board._budget.per_hour

    assert asyncio.run(main()) is not None


def test_run_that_needs_no_answer_any_more() -> None:
    """A run whose time is up when its round begins is not asked for, and goes on."""
    world = World(busy(2, 20.0))
    run = world.run("c000")
    run.standing = run.standing._replace(hopeless=True)

    (place,) = world.play(together(world, [run]))

    assert place.facts.verdict == Event.TIMED_OUT
    assert world.asked == []


def test_requests_beside_the_listing() -> None:
    """What is not in the listing is asked for by itself, after a limit that holds all back, or not at all."""
    world = World(busy(1, 20.0))
    run, late = world.run("c000"), world.run("c000")
    for each, hopeless in ((run, False), (late, True)):
        each.standing = each.standing._replace(state="asking_history", hopeless=hopeless)

    async def main() -> list[str]:
        async with board_of(ACCOUNT, 10.0, world.board) as board:
            board._budget.held_until = 5.0
            return [(await board.take(each, shared=False)).event for each in (run, late)]

    events = world.play(main())

    assert events == ["rejected", "timed_out"]  # without a trigger there is no history to ask for
    assert [at for at, _ in world.asked] == [5.0]


def test_trigger_that_leaves_during_a_round() -> None:
    """A trigger that is cancelled while its round is asked for is passed over, however the round ends."""
    slow = Fault(on="get", times=0, does="slow", answers_in=4.0)
    world = World(busy(2, 20.0), slow)

    async def main() -> list[Any]:
        async with board_of(ACCOUNT, 10.0, world.board) as board:
            tasks = [asyncio.create_task(board.look("c000", looks("c000"))) for _ in range(2)]
            await asyncio.sleep(1.0)
            tasks[0].cancel()
            return await asyncio.gather(*tasks, return_exceptions=True)

    async def broken(*_: object) -> Any:
        await asyncio.sleep(2.0)
        raise ZeroDivisionError

    found = world.play(main())
    with mock.patch.object(World, "send", side_effect=broken):
        worse = world.play(main())

    assert [type(each) for each in found] == [asyncio.CancelledError, Answer]
    assert [type(each) for each in worse] == [asyncio.CancelledError, ZeroDivisionError]
