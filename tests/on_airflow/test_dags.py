"""Operators and sensor in Airflow itself: `dag.test()` on SQLite, and the trigger without a database.

They need Airflow, and are left out where it is not installed (`make test-airflow`).
"""

import asyncio
import importlib.util
import json
import os
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from airflow_home import HOME

pytest.importorskip("airflow.sdk", reason="make test-airflow has Airflow")

from airflow.sdk import DAG

from orchestrator.airflow.account import Account
from orchestrator.fivetran.documents import parse_time
from orchestrator.simulator.app import KEY, SECRET, Simulator
from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan
from orchestrator.simulator.server import served
from orchestrator.values.clock import SystemClock

MANUAL = {"schedule_type": "manual"}
SHORT = SyncPlan(lasts=0.5)
HEAD = """
from datetime import datetime, timedelta
from airflow.sdk import DAG
from orchestrator.airflow.operators import *
from orchestrator.airflow.sensors import FivetranSyncSensor
with DAG("{dag_id}", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
"""


made: dict[str, Any] = {}  # the DAGs


def noting(leave: Any) -> Any:
    """Note the DAG whose block ends."""

    def exit_(dag: Any, *error: Any) -> Any:
        made[dag.dag_id] = dag
        return leave(dag, *error)

    return exit_


@cache
def prepared(home: Path) -> Path:
    """The folder of the DAGs, once Airflow has its database."""
    from airflow.utils.db import initdb

    initdb()
    (home / "dags").mkdir(exist_ok=True)
    return home / "dags"


@pytest.fixture
def home() -> Path:
    """Airflow's folder."""
    return Path(HOME)


class Played:
    """What became of a DAG."""

    def __init__(self, run: Any, simulator: Simulator) -> None:
        self.state = str(run.state)
        self.tasks = {(each.task_id, each.map_index): each for each in run.get_task_instances()}
        self.simulator = simulator

    def states(self) -> list[str]:
        """The state of each task, in order."""
        return [str(task.state) for _, task in sorted(self.tasks.items())]

    def xcom(self, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """What a task pushed."""
        return self.tasks[task_id, map_index].xcom_pull(task_ids=task_id, key=key, map_indexes=map_index)

    @property
    def posts(self) -> int:
        """How many syncs were asked for."""
        return sum(each.operation in {"sync", "resync"} for each in self.simulator.seen)


def play(
    home: Path, tasks: str, scenario: Scenario, name: str = "one", *, connection: Any = None, text: str = ""
) -> Played:
    """Run a DAG of these tasks, or of this text, with `dag.test()` against a simulated Fivetran."""
    simulator = Simulator(scenario, SystemClock())
    file = prepared(home) / f"{name}.py"
    lines = "\n".join(f"    {line}" for line in tasks.strip().splitlines())
    file.write_text(text or HEAD.format(dag_id=name) + lines + "\n", "utf-8")
    with served(simulator) as url:
        usual = {"conn_type": "fivetran", "login": KEY, "password": SECRET, "extra": {"api_url": url}}
        variable = {"AIRFLOW_CONN_FIVETRAN_DEFAULT": json.dumps(connection or usual)}
        with mock.patch.dict(os.environ, variable):
            spec = importlib.util.spec_from_file_location(name, file)
            assert spec is not None
            assert spec.loader is not None
            with mock.patch.object(DAG, "__exit__", noting(DAG.__exit__)):
                spec.loader.exec_module(importlib.util.module_from_spec(spec))
            return Played(made[name].test(), simulator)


def test_mapped_syncs(home: Path) -> None:
    """Mapped tasks defer, end well, and return small results."""
    tasks = (
        'FivetranStartOperator.partial(task_id="sync", poll_interval=0.2).expand(connector_id=["abc_def", "ghi_jkl"])'
    )

    played = play(home, tasks, Scenario(connection=MANUAL, syncs=(SHORT,)), "mapped")

    result = played.xcom("sync", map_index=1)
    assert played.state == "success"
    assert played.posts == 2
    assert (result["verdict"], result["connector_id"], result["resumed"]) == ("succeeded", "ghi_jkl", False)
    assert "steps" not in result


def test_worker_alone(home: Path) -> None:
    """With deferrable=False the worker waits itself."""
    tasks = 'FivetranStartOperator(task_id="sync", connector_id="abc", poll_interval=0.2, deferrable=False)'

    played = play(home, tasks, Scenario(syncs=(SHORT,)), "alone")

    assert played.state == "success"
    assert played.posts == 1


def test_other_operators(home: Path) -> None:
    """Status returns the connection, Test runs the setup tests, Resync re-syncs the table."""
    tasks = """
status = FivetranStatusOperator(task_id="status", connector_id="abc", max_age="7d")
test = FivetranTestOperator(task_id="test", connector_id="abc")
again = FivetranResyncOperator(task_id="resync", connector_id="abc", tables={"public": ["orders"]}, poll_interval=0.2)
status >> test >> again
"""

    played = play(home, tasks, Scenario(connection=MANUAL, syncs=(SHORT,), test_seconds=0.1), "others")

    assert played.states() == ["success"] * 3
    assert played.xcom("status")["connection"]["id"] == "abc"
    assert len(played.xcom("test")["setup_tests"]) == 3
    assert played.xcom("resync")["tables"] == {"public": ["orders"]}


def test_failures_are_told_and_pushed(home: Path) -> None:
    """A failed sync, a paused connection and a setup test that fails end their tasks, each with its result in XCom."""
    sync = 'FivetranStartOperator(task_id="sync", connector_id="abc", poll_interval=0.1)'
    test = 'FivetranTestOperator(task_id="test", connector_id="abc")'
    failing = ({"title": "Login", "status": "FAILED", "message": "no", "details": None},)

    failed = play(home, sync, Scenario(connection=MANUAL, syncs=(SyncPlan(lasts=0.2, ends="fails"),)), "failed")
    paused = play(home, sync, Scenario(connection={**MANUAL, "paused": True}), "paused")
    tests = play(home, test, Scenario(setup_tests=failing, test_seconds=0.1), "tests")

    found = [failed.xcom("sync", "fivetran_result"), paused.xcom("sync", "fivetran_result")]
    assert [each["verdict"] for each in found] == ["sync_failed", "paused"]
    assert tests.xcom("test", "fivetran_result")["verdict"] == "tests_failed"
    assert [each.state for each in (failed, paused, tests)] == ["failed"] * 3
    assert paused.posts == 0


def test_postponed_sync(home: Path) -> None:
    """A sync that is rescheduled past the deadline skips or fails the task, as it says."""
    plan = SyncPlan(lasts=0.2, ends="reschedules", again_in=900.0)
    task = 'FivetranStartOperator(task_id="sync", connector_id="abc", poll_interval=0.1, timeout=60{more})'

    fails = play(home, task.format(more=""), Scenario(connection=MANUAL, syncs=(plan,)), "late_fails")
    skips = play(
        home, task.format(more=', when_postponed="skip"'), Scenario(connection=MANUAL, syncs=(plan,)), "late_skips"
    )

    assert fails.states() == ["failed"]
    assert skips.states() == ["skipped"]


def test_wrong_arguments_fail_before_any_request(home: Path) -> None:
    """What is wrong with an argument or the Airflow connection fails the task before anything is asked."""
    task = 'FivetranStartOperator(task_id="sync", connector_id="{name}", on_running="{value}")'
    empty = {"conn_type": "fivetran", "login": KEY}

    value = play(home, task.format(name="abc", value="pray"), Scenario(), "value")
    lacking = play(home, task.format(name="abc", value="wait"), Scenario(), "lacking", connection=empty)

    assert [*value.states(), *lacking.states()] == ["failed", "failed"]
    assert [*value.simulator.seen, *lacking.simulator.seen] == []


def test_sensor(home: Path) -> None:
    """The sensor waits for a sync that others start, takes fresh data at once, and fails with the sync."""
    task = 'FivetranSyncSensor(task_id="wait", connector_id="abc", poke_interval=0.2, timeout=60{more})'
    running = Scenario(running=SyncPlan(lasts=2.0))
    fails = Scenario(running=SyncPlan(lasts=2.0, ends="fails"))

    waits = play(home, task.format(more=""), running, "waits")
    fresh = play(home, task.format(more=', max_age="1d"'), Scenario(), "fresh")
    failed = play(home, task.format(more=""), fails, "sensor_fails")
    pokes = play(home, task.format(more=", deferrable=False"), running, "pokes")
    late = play(
        home, task.format(more=', completed_after="2099-01-01"').replace("timeout=60", "timeout=1"), Scenario(), "never"
    )

    assert [each.state for each in (waits, fresh, failed, pokes, late)] == [
        "success",
        "success",
        "failed",
        "success",
        "failed",
    ]
    assert len(fresh.simulator.seen) == 1
    assert waits.posts == 0


def test_sensor_says_what_is_wrong(home: Path) -> None:
    """A connection that is not there ends the sensor at once, and so does a time that is none."""
    task = 'FivetranSyncSensor(task_id="wait", connector_id="abc"{more})'

    gone = play(home, task.format(more=""), Scenario(exists=False), "gone")
    never = play(home, task.format(more=', completed_after="soon"'), Scenario(), "no_time")

    assert [gone.state, never.state] == ["failed", "failed"]
    assert len(gone.simulator.seen) == 1
    assert never.simulator.seen == []


def test_report_is_written(home: Path, tmp_path: Path) -> None:
    """With `report_dir` the worker that ends the run writes the report, with the steps of all its processes."""
    tasks = f'FivetranStartOperator(task_id="sync", connector_id="abc", poll_interval=0.2, report_dir="{tmp_path}/r")'

    play(home, tasks, Scenario(connection=MANUAL, syncs=(SHORT,)), "reported")

    result = json.loads((tmp_path / "r" / "result.json").read_text("utf-8"))
    moves = [step["from"] for step in result["steps"]]
    assert moves[0] == "validating"
    assert "polling" in moves
    assert (tmp_path / "r" / "index.html").is_file()


def test_operators_are_built() -> None:
    """Arguments that contradict each other are refused where the DAG is parsed; links lead to the connection's page."""
    from orchestrator.airflow.links import ConnectionLink, ReportLink
    from orchestrator.airflow.operators import FivetranStartOperator

    with pytest.raises(ValueError, match="when_postponed"):
        FivetranStartOperator(task_id="a", connector_id="abc", when_postponed="perhaps")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="leave one of them out"):
        FivetranStartOperator(task_id="a", connector_id="abc", when_postponed="reschedule", on_reschedule="fail")
    operator = FivetranStartOperator(task_id="a", connector_id="abc", report_url="https://reports.example.com/a")

    assert ConnectionLink().get_link(operator, ti_key=None).endswith("/connections/abc")
    assert ReportLink().get_link(operator, ti_key=None) == "https://reports.example.com/a"


def test_connection_is_tested() -> None:
    """The button Test says whether Fivetran accepts the key, and what the connection lacks."""
    from orchestrator.airflow.hooks import FivetranHook

    found = []
    with served(Simulator(Scenario(), SystemClock())) as url:
        for login, extra in (
            (KEY, {"api_url": url}),
            ("wrong-key-here", {"api_url": url}),
            ("", {}),
            (KEY, {"api_url": "ftp://a"}),
        ):
            given = {"conn_type": "Fivetran", "login": login, "password": SECRET, "extra": extra}
            with mock.patch.dict(os.environ, {"AIRFLOW_CONN_PEER": json.dumps(given)}):
                found.append(FivetranHook("peer").test_connection())

    assert [good for good, _ in found] == [True, False, False, False]
    assert "no login" in found[2][1]
    assert "api_url" in found[3][1]


def test_provider_is_found() -> None:
    """Airflow finds the provider, its connection type and its links."""
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()

    assert "fivetran-orchestrator" in manager.providers
    assert "fivetran" in manager.hooks
    assert "orchestrator.airflow.links.ConnectionLink" in manager.extra_links_class_names


def test_trigger_of_a_sensor_needs_no_database() -> None:
    """Stored and read again, the sensor's trigger ends where the sync has, the key is refused, or time is up."""
    from orchestrator.airflow.triggers import FivetranSyncTrigger

    clock = SystemClock()
    refused = Fault(on="get", times=0, status=401, code="Unauthorized", message="Invalid key")
    outage = Fault(on="get", times=1, status=503)
    worlds = (
        (Scenario(faults=(outage,), running=SyncPlan(lasts=0.5)), 60.0),
        (Scenario(faults=(refused,)), 60.0),
        (Scenario(), 0.3),
    )

    async def fired(url: str, seconds: float) -> Any:
        trigger = FivetranSyncTrigger("default", "abc", 0.1, None, None, fails=True, until=clock.wall() + seconds)
        path, kwargs = trigger.serialize()
        assert path == "orchestrator.airflow.triggers.FivetranSyncTrigger"
        again = FivetranSyncTrigger(**json.loads(json.dumps(kwargs)))
        account = mock.AsyncMock(return_value=Account(url, KEY, SECRET))
        with mock.patch("orchestrator.airflow.hooks.FivetranHook.async_account", account):
            return [event.payload async for event in again.run()]

    found = []
    for scenario, seconds in worlds:
        with served(Simulator(scenario, clock)) as url:
            found += asyncio.run(fired(url, seconds))

    assert [each["ended"] for each in found] == ["here", "refused", "timed_out"]
    assert parse_time("2027-01-01") is not None
