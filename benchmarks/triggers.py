"""A thousand deferred syncs in a bare event loop: processor time and memory of each, and how long callbacks take.

    .venv-airflow/bin/python benchmarks/triggers.py [N]

The simulated Fivetran is another process; Airflow's triggerer is not measured, the trigger's class is: from the kwargs
that Airflow stores to the event that it fires, without the log. What threads use (sending, and parsing the listing) is
counted apart.
"""

import asyncio
import gc
import logging
import statistics
import subprocess
import sys
import time
import tracemalloc
from asyncio.events import Handle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from unittest import mock

import structlog

from orchestrator.airflow.account import Account
from orchestrator.airflow.handover import handed_over, plain
from orchestrator.airflow.triggers import FivetranTrigger
from orchestrator.job.job import bounded, connected
from orchestrator.job.limits import Limits
from orchestrator.job.masking import Mask
from orchestrator.job.trace import Trace
from orchestrator.machine.chart import Kind
from orchestrator.machine.loader import load
from orchestrator.machine.run import Ports, Run
from orchestrator.simulator.app import KEY, SECRET
from orchestrator.simulator.identities import identity_at
from orchestrator.values.clock import SystemClock
from orchestrator.values.settings import Settings

POLICIES = (("on_running", "wait"), ("on_reschedule", "wait"), ("on_broken", "fail"))
POLL = 10.0
MOST_MILLISECONDS, MOST_KILOBYTES, LONGEST = 3.5, 30.0, 0.05
SCENARIO = 'title = "a minute"\n[connection]\nschedule_type = "manual"\n[[syncs]]\nlasts = 40\n'


def deferred(name: str, account: Account) -> Mapping[str, Any]:
    """What a worker hands over once it has triggered the sync."""
    clock, mask = SystemClock(), Mask(KEY, SECRET)
    settings = Settings(
        "START", name, KEY, SECRET, policies=POLICIES, poll_interval=POLL, evidence="0", api_url=account.api_url
    )
    client = connected(settings, clock, mask)
    ports = Ports(clock, bounded(client, clock, Limits(clock)), lambda _: None, lambda: 0.0)
    run = Run(load("START"), settings, ports)
    while run.state.kind is not Kind.WAITS:
        run.step()
    client.close()
    return {"settings": plain(settings), "run": handed_over(run, run.standing, Trace(), mask)}


class Slow:
    """How long each callback of the event loop takes, in processor time of its thread."""

    def __init__(self) -> None:
        self.took: list[tuple[float, str]] = []

    def __enter__(self) -> Self:
        run = Handle._run  # noqa: SLF001  # every callback goes through it

        def timed(handle: Handle) -> None:
            began = time.thread_time()
            run(handle)
            if (took := time.thread_time() - began) > LONGEST / 5:
                self.took.append((took, repr(handle)[:160]))

        self._patch = mock.patch.object(Handle, "_run", timed)
        self._patch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.stop()


async def waited(kwargs: list[Mapping[str, Any]]) -> tuple[float, list[Any]]:
    """All triggers until each has fired; processor seconds of this thread, and the events."""

    async def one(each: Mapping[str, Any]) -> object:
        events = FivetranTrigger("fivetran_default", **each).run()
        return (await anext(events)).payload

    began = time.thread_time()
    events = await asyncio.gather(*(one(each) for each in kwargs))
    return time.thread_time() - began, events


def main() -> int:
    """Measure."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    scenario = Path("/tmp/minute.toml")  # noqa: S108  # a file of this script
    scenario.write_text(SCENARIO, "utf-8")
    command = Path(sys.executable).with_name("fivetran-orchestrator")
    server = subprocess.Popen(
        [command, "simulate", "--scenario", str(scenario), "--connections", str(count), "--port", "18082"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    account = Account("http://127.0.0.1:18082", KEY, SECRET)
    try:
        time.sleep(3.0)
        kwargs = [deferred(identity_at(place), account) for place in range(1, count + 1)]
        print(
            f"{count} syncs are triggered; a payload has {statistics.mean(len(str(each)) for each in kwargs):.0f} bytes"
        )
        with mock.patch("orchestrator.airflow.hooks.FivetranHook.async_account", mock.AsyncMock(return_value=account)):
            measured = Slow()
            whole = time.process_time()
            with measured:
                seconds, events = asyncio.run(waited(kwargs))
            whole = time.process_time() - whole
            verdicts = {event["run"]["facts"]["verdict"] for event in events}
        per = seconds / count * 1000
        print(f"{verdicts}: {per:.2f} ms of the event loop each, {(whole - seconds) / count * 1000:.2f} ms of threads")
        longest = sorted(measured.took, reverse=True)[:5]
        print("longest callbacks:", [f"{took * 1000:.0f} ms {what}" for took, what in longest])
        again = [deferred(identity_at(place), account) for place in range(1, count + 1)]
        kilobytes = remembered(again, account)
        print(f"{kilobytes:.1f} KB each while they wait")
    finally:
        server.terminate()
        server.wait()
    bad = per > MOST_MILLISECONDS or kilobytes > MOST_KILOBYTES or any(took > LONGEST for took, _ in longest)
    return 1 if bad else 0


def remembered(kwargs: list[Mapping[str, Any]], account: Account) -> float:
    """Kilobytes of a trigger that has looked once and waits for its next look."""

    async def first(each: Mapping[str, Any]) -> None:
        times = {"wake_at": time.time() + 1.0, "deadline_at": time.time() + 3600.0}
        settings = {**each["settings"], "poll_interval": 600.0}
        async for _ in FivetranTrigger("fivetran_default", settings, {**each["run"], **times}).run():
            return

    async def look() -> float:
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        tasks = [asyncio.create_task(first(each)) for each in kwargs]
        await asyncio.sleep(20.0)
        gc.collect()
        now = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return (now - before) / len(kwargs) / 1024

    with mock.patch("orchestrator.airflow.hooks.FivetranHook.async_account", mock.AsyncMock(return_value=account)):
        return asyncio.run(look())


if __name__ == "__main__":
    sys.exit(main())
