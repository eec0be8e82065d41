"""Twenty mapped connections on a real Airflow, with a worker, the triggerer and a task shot down: one sync each.

    python tests/on_airflow/real_setup.py [--postgres] [FOLDER]

It runs a simulated Fivetran, and Airflow's four processes on loopback, for some three minutes, and ends them. The
database is SQLite, or a PostgreSQL of its own (Debian's postgresql; and `pip install asyncpg psycopg2-binary`).
"""

import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from airflow_stack import Stack, eventually, fresh, postgres, running

from orchestrator.simulator.app import Arrival, Simulator
from orchestrator.simulator.identities import identity_at
from orchestrator.simulator.scenario import Fault, Mix, Scenario, SyncPlan
from orchestrator.simulator.server import served
from orchestrator.values.clock import SystemClock
from orchestrator.values.settings import page_of

COUNT = 20
PAUSED, FAILING, RESCHEDULED, KILLED, CLEARED = 2, 5, 8, 11, 14  # places, counted from 1
LASTS = 75.0  # seconds of a sync
DAG_ID = "twenty"
MANUAL = {"schedule_type": "manual"}
DAG = """
from datetime import datetime, timedelta

from airflow.sdk import DAG

from orchestrator.airflow.operators import FivetranStartOperator

with DAG("twenty", schedule=None, start_date=datetime(2026, 1, 1)):
    FivetranStartOperator.partial(
        task_id="sync",
        poll_interval=5,
        timeout=600,
        evidence="0",
        retries=1,
        retry_delay=timedelta(seconds=2),
    ).expand(connector_id={ids})
"""


def scenario() -> Scenario:
    """What happens to the twenty."""
    usual = SyncPlan(lasts=LASTS)
    slow = Fault(on="sync", does="slow", answers_in=20.0)

    def like(place: int, *plans: SyncPlan, **more: Any) -> Mix:
        return Mix(Scenario(connection=MANUAL, syncs=plans or (usual,), **more), place)

    rescheduled = SyncPlan(lasts=20.0, ends="reschedules", again_in=30.0)
    mix = (
        Mix(Scenario(connection={**MANUAL, "paused": True, "status": {"sync_state": "paused"}}), PAUSED),
        like(FAILING, SyncPlan(lasts=20.0, ends="fails")),
        like(RESCHEDULED, rescheduled, SyncPlan(lasts=20.0)),
        like(KILLED, faults=(slow,)),
    )
    return Scenario(connection=MANUAL, syncs=(usual,), mix=mix)


class Shots:
    """What is shot down, and when.

    Args:
        names: The ids of the connections, in their order.
    """

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.inside = False  # a worker is inside the POST that it is to die in

    def arrived(self, arrival: Arrival) -> None:
        """A request has arrived."""
        if arrival.operation == "sync" and arrival.identity == self.names[KILLED - 1]:
            self.inside = True

    def shoot(self, stack: Stack) -> None:
        """Kill a worker inside POST /sync; once all wait, the triggerer; and clear a task that waits."""
        eventually("the worker is inside POST /sync", lambda: self.inside, 180.0)
        task = self.task(stack, KILLED)
        parent = int(Path(f"/proc/{task['pid']}/stat").read_text("utf-8").rpartition(")")[2].split()[1])
        for number in (task["pid"], parent):  # the task, and what supervises it
            os.kill(number, signal.SIGKILL)
        print(f"killed the worker of {self.names[KILLED - 1]} inside POST /sync ({task['pid']} and {parent})")

        eventually("the others are deferred", lambda: self.states(stack)["deferred"] >= COUNT - 5, 180.0)
        stack.kill("triggerer")
        print(f"killed the triggerer: {dict(self.states(stack))}")
        time.sleep(8.0)
        stack.start("triggerer")
        stack.clear(DAG_ID, "sync", CLEARED - 1)
        print(f"started it again, and cleared the task of {self.names[CLEARED - 1]}")

    def task(self, stack: Stack, place: int) -> dict[str, Any]:
        """The task instance of a place."""
        return next(each for each in stack.tasks(DAG_ID) if each["map_index"] == place - 1)

    @staticmethod
    def states(stack: Stack) -> Counter[str]:
        """How many task instances are in which state."""
        return Counter(str(each["state"]) for each in stack.tasks(DAG_ID))


def verified(stack: Stack, simulator: Simulator, names: list[str]) -> list[str]:
    """What is not as it should be."""
    faults = list[str]()

    def need(what: str, *, expected: object, found: object) -> None:
        print(f"  {'ok ' if expected == found else 'BAD'} {what}: {found}")
        if expected != found:
            faults.append(f"{what}: {found}, not {expected}")

    states = {each["map_index"] + 1: each["state"] for each in stack.tasks(DAG_ID)}
    posts = Counter(each.identity for each in simulator.seen if each.operation == "sync")
    syncs = {name: len([s for s in simulator.connections[name].history if s.cause == "sync"]) for name in names}
    special = {
        PAUSED: 0,
        FAILING: 2,
        RESCHEDULED: 2,
    }  # a retry is a sync of its own; a reschedule needs a second trigger
    for place, name in enumerate(names, 1):
        expected = "failed" if place in {PAUSED, FAILING} else "success"
        if (states.get(place), posts[name]) != (expected, special.get(place, 1)):
            wanted, got = (expected, special.get(place, 1)), (states.get(place), posts[name])
            need(f"{name} (place {place})", expected=wanted, found=got)
    right = all(posts[name] == special.get(place, 1) for place, name in enumerate(names, 1))
    need("as many POSTs as there should be", expected=True, found=right)
    need(
        "syncs of the killed, of the cleared",
        expected=(1, 1),
        found=(syncs[names[KILLED - 1]], syncs[names[CLEARED - 1]]),
    )
    told = stack.xcom(DAG_ID, Shots(names).task(stack, PAUSED), "fivetran_result")
    need("the paused one", expected=("paused", 7), found=told and (told["verdict"], told["exit_code"]))
    need("PATCHes", expected=0, found=len([each for each in simulator.seen if each.method == "PATCH"]))
    links = stack.ask(f"/api/v2/dags/{DAG_ID}/dagRuns/one/taskInstances/sync/links?map_index=0")["extra_links"]
    need("the link beside the task", expected=page_of(names[0]), found=links.get("Fivetran connection"))
    second = stack.logs(DAG_ID, "sync", KILLED - 1, 2)
    need("the retry takes up its run", expected=True, found="taking up the run that an earlier try began" in second)
    whole = "".join(file.read_text("utf-8", "replace") for file in stack.home.rglob("*.log"))
    need("a secret in any log", expected=False, found="rehearsal-secret" in whole)
    return faults


def main() -> int:
    """Do it."""
    given = [text for text in sys.argv[1:] if text != "--postgres"]
    folder = fresh(Path(given[0] if given else tempfile.mkdtemp(prefix="airflow-")))
    names = [identity_at(place) for place in range(1, COUNT + 1)]
    shots = Shots(names)
    simulator = Simulator(scenario(), SystemClock(), connections=COUNT, on_arrival=shots.arrived)
    began = time.monotonic()
    with ExitStack() as opened:
        url = opened.enter_context(served(simulator))
        database = opened.enter_context(postgres(folder)) if "--postgres" in sys.argv else ""
        stack = opened.enter_context(running(folder, url, DAG.format(ids=names), {}, database))
        print(f"Airflow is up after {time.monotonic() - began:.0f} s, in {folder}")
        stack.run_dag(DAG_ID)
        shots.shoot(stack)
        end = eventually("the run ends", lambda: stack.dag_run(DAG_ID).get("state") in {"success", "failed"}, 400.0)
        print(f"the run has ended after {time.monotonic() - began:.0f} s: {dict(shots.states(stack))}")
        requests = len(simulator.seen)
        print(f"{requests} requests, {requests / COUNT:.1f} a connection")
        faults = verified(stack, simulator, names)
        assert end
    print("one sync each, whoever was killed" if not faults else "\n".join(faults))
    if not faults and not given:
        shutil.rmtree(folder)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
