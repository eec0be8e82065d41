"""The threads that send for an event loop."""

import asyncio
import threading
from collections.abc import Callable
from unittest import mock

from orchestrator.airflow.account import Account
from orchestrator.airflow.threads import MOST, Outcome, Threads
from orchestrator.fivetran.client import Client
from orchestrator.job.job import connected
from orchestrator.job.masking import Mask
from orchestrator.simulator.app import KEY, SECRET, Simulator
from orchestrator.simulator.scenario import Fault, Scenario
from orchestrator.simulator.server import served
from orchestrator.values.clock import SystemClock
from orchestrator.values.events import Event
from orchestrator.values.exchange import Answer, Cut, Failure, Request

LOOK = Request("GET", "/v1/connections/c000", "read the connection")


def connecting(url: str) -> Callable[[], Client]:
    """What makes a client of that account."""
    return lambda: connected(Account(url, KEY, SECRET), SystemClock(), Mask(KEY, SECRET))


def test_answers_come_to_the_event_loop() -> None:
    """More requests than there are threads are all answered, without holding the event loop."""
    with served(Simulator(Scenario(), SystemClock())) as url:

        async def main() -> list[Outcome]:
            threads = Threads(connecting(url))
            found = await asyncio.gather(*(threads.send(LOOK, 30.0) for _ in range(3 * MOST)))
            threads.close()
            return list(found)

        found = asyncio.run(main())

    assert all(isinstance(each, Answer) for each in found)


def test_request_is_cut_off_at_its_limit() -> None:
    """A request that hangs ends at its limit, and its thread serves the next one."""
    hangs = Fault(on="get", times=1, does="hang")
    with served(Simulator(Scenario(faults=(hangs,)), SystemClock())) as url:

        async def main() -> list[Outcome]:
            threads = Threads(connecting(url), most=1)
            found = [await threads.send(LOOK, 0.05), await threads.send(LOOK, 30.0)]
            threads.close()
            return found

        found = asyncio.run(main())

    assert found[0] is Cut.LIMIT
    assert isinstance(found[1], Answer)


def test_trigger_that_is_cancelled_cuts_its_request_off() -> None:
    """Whoever is cancelled while it waits leaves nothing that is sent later."""
    simulator = Simulator(Scenario(faults=(Fault(on="get", times=1, does="hang"),)), SystemClock())
    with served(simulator) as url:

        async def main() -> Outcome:
            threads = Threads(connecting(url), most=1)
            task = asyncio.create_task(threads.send(LOOK, 30.0))
            while not simulator.seen:  # noqa: ASYNC110  # another thread's list
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            found = await threads.send(LOOK, 30.0)
            threads.close()
            return found

        found = asyncio.run(main())

    assert isinstance(found, Answer)
    assert len(simulator.seen) == 2


def test_machine_without_a_thread() -> None:
    """Where no thread can be started the request was not carried out, and the run tries again later."""

    async def main() -> Outcome:
        with mock.patch(
            "orchestrator.airflow.threads.Thread.start", side_effect=RuntimeError("can't start new thread")
        ):
            return await Threads(connecting("http://127.0.0.1:9")).send(LOOK, 1.0)

    found = asyncio.run(main())

    assert isinstance(found, Failure)
    assert found.event is Event.UNAVAILABLE


def test_fault_of_ours_is_raised_where_it_is_waited_for() -> None:
    """What is wrong in a thread is not lost there."""

    async def main() -> object:
        threads = Threads(connecting("http://127.0.0.1:9"))
        with mock.patch("orchestrator.fivetran.client.Client.end", side_effect=ZeroDivisionError):
            found = await asyncio.gather(threads.send(LOOK, 30.0), return_exceptions=True)
        threads.close()
        return found[0]

    assert isinstance(asyncio.run(main()), ZeroDivisionError)


def test_request_that_was_given_up_is_not_sent_later() -> None:
    """A request whose limit passes before its thread is ready is not sent once it is."""
    simulator, ready = Simulator(Scenario(), SystemClock()), threading.Event()
    with served(simulator) as url:

        def slow() -> Client:
            ready.wait(60.0)
            return connecting(url)()

        async def main() -> list[Outcome]:
            threads = Threads(slow, most=1)
            found = [await threads.send(LOOK, 0.01)]
            ready.set()
            found.append(await threads.send(LOOK, 30.0))
            threads.close()
            return found

        found = asyncio.run(main())

    assert found[0] is Cut.LIMIT
    assert isinstance(found[1], Answer)
    assert len(simulator.seen) == 1
