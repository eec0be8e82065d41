"""Ours beside airflow-provider-fivetran-async: fifty mapped connections on one Airflow against a simulated Fivetran.

    .venv-airflow/bin/python benchmarks/on_airflow.py [ours] [peer]

It says how many requests a connection takes, how long the DAG run is, what the triggerer uses, and what became of a
connection that is paused and of one whose sync Fivetran reschedules. The peer knows one address alone: a hook in its
processes leads it to the simulator, which knows the older paths that it asks.
"""

import json
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "on_airflow"))

from airflow_stack import Stack, eventually, fresh, running  # beside the tests

from orchestrator.simulator.app import Simulator
from orchestrator.simulator.identities import identity_at
from orchestrator.simulator.scenario import Mix, Scenario, SyncPlan
from orchestrator.simulator.server import bind
from orchestrator.values.clock import SystemClock

COUNT, POLL, LASTS = 50, 10, 60.0
PAUSED, RESCHEDULED = 2, 8  # places, counted from 1
AGAIN_IN = 45.0  # seconds until the rescheduled sync is to go on
MOST_REQUESTS = 2.6  # a connection, ours
MANUAL = {"schedule_type": "manual"}
DAG_ID = "fifty"

OURS = """
from datetime import datetime
from airflow.sdk import DAG
from orchestrator.airflow.operators import FivetranStartOperator
with DAG("fifty", schedule=None, start_date=datetime(2026, 1, 1)):
    FivetranStartOperator.partial(task_id="sync", poll_interval={poll}, evidence="0").expand(connector_id={ids})
"""
PEER = """
from datetime import datetime
from airflow.sdk import DAG
from fivetran_provider_async.operators import FivetranOperator
with DAG("fifty", schedule=None, start_date=datetime(2026, 1, 1)):
    FivetranOperator.partial(task_id="sync", poll_frequency={poll}).expand(connector_id={ids})
"""
# What Python imports first where the folder is on its path: the peer's hooks ask the simulator.
REDIRECT = """
import importlib.abc, importlib.util, sys
class Loader(importlib.abc.Loader):
    def __init__(self, inner): self.inner = inner
    def create_module(self, spec): return self.inner.create_module(spec)
    def exec_module(self, module):
        self.inner.exec_module(module)
        module.FivetranHook.api_protocol, module.FivetranHook.api_host = "http", {host!r}
class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "fivetran_provider_async.hooks": return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        sys.meta_path.insert(0, self)
        spec.loader = Loader(spec.loader)
        return spec
sys.meta_path.insert(0, Finder())
"""


class OlderPaths:
    """The simulator, which answers at the older paths, too."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """A WSGI application."""
        path = re.sub("^/v1/connectors/", "/v1/connections/", environ["PATH_INFO"])
        if path.endswith("/force"):
            body = b'{"force": true}'
            environ |= {
                "CONTENT_TYPE": "application/json",
                "CONTENT_LENGTH": str(len(body)),
                "wsgi.input": BytesIO(body),
            }
            path = path.removesuffix("/force") + "/sync"
        accept = environ.get("HTTP_ACCEPT", "")
        environ["HTTP_ACCEPT"] = accept if "version=2" in accept else "application/json;version=2"
        environ["PATH_INFO"] = path
        return self.simulator(environ, start)


def used(stack: Stack) -> tuple[float, int]:
    """Processor seconds and megabytes of the triggerer's processes."""
    group, ticks, pages = stack.processes["triggerer"].pid, 0, 0
    for each in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = each.read_text("utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group:
            ticks += int(fields[11]) + int(fields[12])
            pages += int(fields[21])
    return ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE") // 2**20


def parsed(text: str) -> float:
    """Seconds since the epoch of a time of Airflow's."""
    return datetime.fromisoformat(text).timestamp()


def measured(who: str) -> dict[str, Any]:
    """One DAG run of a provider."""
    names = [identity_at(place) for place in range(1, COUNT + 1)]
    plan = SyncPlan(lasts=LASTS)
    again = SyncPlan(lasts=20.0, ends="reschedules", again_in=AGAIN_IN)
    mix = (
        Mix(Scenario(connection={**MANUAL, "paused": True, "status": {"sync_state": "paused"}}), PAUSED),
        Mix(Scenario(connection=MANUAL, syncs=(again, SyncPlan(lasts=20.0))), RESCHEDULED),
    )
    simulator = Simulator(Scenario(connection=MANUAL, syncs=(plan,), mix=mix), SystemClock(), connections=COUNT)
    server = bind(simulator)
    server.app = OlderPaths(simulator)
    folder = fresh(Path(tempfile.mkdtemp(prefix=f"airflow-{who}-")))
    (folder / "sitecustomize.py").write_text(REDIRECT.format(host=f"127.0.0.1:{server.port}"), "utf-8")
    dag = (OURS if who == "ours" else PEER).format(poll=POLL, ids=names)
    Thread(target=server.serve_forever, daemon=True).start()
    variables = {"PYTHONPATH": str(folder)} if who == "peer" else {}
    with running(folder, f"http://127.0.0.1:{server.port}", dag, variables) as stack:
        time.sleep(5.0)
        before = used(stack)
        stack.run_dag(DAG_ID)
        eventually("the run ends", lambda: stack.dag_run(DAG_ID).get("state") in {"success", "failed"}, 560.0)
        after = used(stack)
        run, tasks = stack.dag_run(DAG_ID), stack.tasks(DAG_ID)
    server.shutdown()
    states = {each["map_index"] + 1: each["state"] for each in tasks}
    # Until the last of the others has ended: who heeds the time that Fivetran names takes longer for that one.
    ends = [parsed(each["end_date"]) for each in tasks if each["map_index"] + 1 not in {PAUSED, RESCHEDULED}]
    special = {names[PAUSED - 1], names[RESCHEDULED - 1]}
    others = [each for each in simulator.seen if each.identity not in special]
    rescheduled = [
        each.at for each in simulator.seen if each.identity == names[RESCHEDULED - 1] and each.operation == "sync"
    ]
    paused = simulator.connections[names[PAUSED - 1]]
    return {
        "requests": len(others) / (COUNT - len(special)),
        "kinds": dict(Counter(f"{each.method} {each.operation}" for each in others)),
        "seconds": round(max(ends) - parsed(run["start_date"]), 1),
        "states": dict(Counter(states.values())),
        "triggerer_seconds": round(after[0] - before[0], 1),
        "triggerer_mb": after[1],
        "paused": f"{states[PAUSED]}; {len(paused.history)} syncs; paused now: {paused.document()['paused']}",
        "rescheduled": f"{states[RESCHEDULED]}; triggers after {[round(at - rescheduled[0]) for at in rescheduled]} s",
        "logs": str(folder),
    }


def main() -> int:
    """Measure, and say whether ours keeps to its limit."""
    found = {who: measured(who) for who in sys.argv[1:] or ("ours", "peer")}
    print(f"{COUNT} mapped connections, a sync of {LASTS:g} s, a look every {POLL} s")
    for who, what in found.items():
        print(f"{who}: {json.dumps(what, indent=2)}")
    return 1 if "ours" in found and found["ours"]["requests"] > MOST_REQUESTS else 0


if __name__ == "__main__":
    sys.exit(main())
