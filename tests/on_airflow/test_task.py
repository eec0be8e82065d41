"""What an operator does on a worker, without Airflow's database: they need Airflow (`make test-airflow`)."""

import asyncio
import inspect
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from unittest import mock

import airflow_home
import pytest
from handovers import Shelf

pytest.importorskip("airflow.sdk", reason="make test-airflow has Airflow")

from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSkipException,
    TaskDeferralError,
    TaskDeferred,
)

from orchestrator.airflow.account import Account
from orchestrator.airflow.hooks import FivetranHook
from orchestrator.airflow.lineage import tables_of
from orchestrator.airflow.looking import look_once
from orchestrator.airflow.note import KEY as NOTE
from orchestrator.airflow.operators import (
    FivetranOperator,
    FivetranResyncOperator,
    FivetranStartOperator,
    FivetranStatusOperator,
    FivetranTestOperator,
)
from orchestrator.airflow.reporting import TaskLog
from orchestrator.airflow.sensors import FivetranSyncSensor
from orchestrator.airflow.triggers import FivetranTrigger
from orchestrator.job.masking import Mask
from orchestrator.simulator.app import KEY, SECRET, Simulator
from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan
from orchestrator.simulator.server import served
from orchestrator.values.clock import SystemClock

assert airflow_home.HOME
MANUAL = {"schedule_type": "manual"}
LOG = "orchestrator.airflow.operators.FivetranOperator.log"


class World:
    """A simulated Fivetran, and what Airflow gives a task."""

    def __init__(self, url: str, simulator: Simulator) -> None:
        self.account = Account(url, KEY, SECRET)
        self.simulator = simulator
        self.shelf = Shelf()
        self.ti = mock.Mock()
        self.context = {"task_state_store": self.shelf, "ti": self.ti}

    def execute(self, operator: FivetranOperator) -> Any:
        """A try on a worker."""
        execute: Callable[..., Any] = inspect.unwrap(operator.execute)
        return execute(operator, self.context)  # past Airflow's safeguard

    def trigger(self, deferred: TaskDeferred) -> Any:
        """The triggerer waits; what it fires."""
        _, kwargs = deferred.trigger.serialize()

        async def fired() -> Any:
            events: Any = FivetranTrigger(**kwargs).run()
            return (await anext(events)).payload

        return asyncio.run(fired())

    def play(self, operator: FivetranOperator) -> Any:
        """A task to its end."""
        go_on: Callable[[], Any] = lambda: self.execute(operator)  # noqa: E731
        while True:
            try:
                return go_on()
            except TaskDeferred as deferred:
                event = self.trigger(deferred)
                go_on = lambda: operator.execute_complete(self.context, event)  # noqa: B023, E731


@contextmanager
def world(scenario: Scenario) -> Iterator[World]:
    """Such a world."""
    simulator = Simulator(scenario, SystemClock())
    with served(simulator) as url:
        there = World(url, simulator)
        with (
            mock.patch.object(FivetranHook, "account", return_value=there.account),
            mock.patch.object(FivetranHook, "async_account", mock.AsyncMock(return_value=there.account)),
        ):
            yield there


def start(**how: Any) -> FivetranStartOperator:
    """A task that starts a sync."""
    return FivetranStartOperator(task_id="sync", connector_id="abc", poll_interval=0.1, **how)


def test_postponed_task_is_rescheduled_for_fivetrans_time() -> None:
    """With when_postponed="reschedule" the task is rescheduled for the time that Fivetran names, and its run kept."""
    plan = SyncPlan(lasts=0.2, ends="reschedules", again_in=900.0)
    with world(Scenario(connection=MANUAL, syncs=(plan,))) as there:
        with pytest.raises(AirflowRescheduleException) as caught:
            there.play(start(timeout=60, when_postponed="reschedule"))
        note = there.shelf.get(NOTE)

    assert isinstance(caught.value.reschedule_date, datetime)
    assert caught.value.reschedule_date.timestamp() == pytest.approx(note["later"])


def test_evidence_is_looked_up_in_the_triggerer_too() -> None:
    """A failed sync is judged by the history where the account has it: the triggerer asks for that by itself."""
    with (
        world(Scenario(connection=MANUAL, syncs=(SyncPlan(lasts=0.3, ends="fails"),))) as there,
        pytest.raises(AirflowException, match="too many clients"),
    ):
        there.play(start(evidence="1", retries=1))

    assert any(each.operation == "history" for each in there.simulator.seen)


def test_verdict_that_is_final_says_so() -> None:
    """Where retries would not help, the message says that there are none."""
    with world(Scenario(connection={**MANUAL, "paused": True})) as there:
        with pytest.raises(AirflowFailException, match="Airflow does not retry this"):
            there.execute(start(retries=2))
        result = there.ti.xcom_push.call_args.kwargs["value"]

    assert result["verdict"] == "paused"


def test_run_of_another_version() -> None:
    """A note or a hand-over that this version cannot read ends the task with what to do, and asks for nothing."""
    with world(Scenario(connection=MANUAL, syncs=(SyncPlan(lasts=60.0),))) as there:
        operator = start()
        with pytest.raises(TaskDeferred) as caught:
            there.execute(operator)
        _, kwargs = caught.value.trigger.serialize()
        kept, asked = there.shelf.get(NOTE), len(there.simulator.seen)
        there.shelf.set(NOTE, {**kept, "run": {**kept["run"], "state": "gone"}})
        with pytest.raises(AirflowFailException, match="another version"):
            there.execute(operator)
        with pytest.raises(AirflowFailException, match="delete the key"):
            operator.execute_complete(there.context, {"run": {**kwargs["run"], "state": "gone"}})

        assert len(there.simulator.seen) == asked


def test_event_of_a_worker_that_died() -> None:
    """A hand-over that another worker has gone on with, and died, is gone on with from that worker's note."""
    with world(Scenario(connection=MANUAL, running=SyncPlan(lasts=0.3), syncs=(SyncPlan(lasts=0.3),))) as there:
        operator = start()
        with pytest.raises(TaskDeferred) as caught:
            there.execute(operator)
        event = there.trigger(caught.value)
        with (
            mock.patch("orchestrator.airflow.worker.Worker._step", side_effect=KeyboardInterrupt),
            pytest.raises(KeyboardInterrupt),
        ):
            operator.execute_complete(there.context, event)
        later = {**event["run"], "number": event["run"]["number"] + 1}
        note = {"format": 1, "action": "START", "connector_id": "abc", "tables": {}, "later": None}
        there.shelf.set(NOTE, {**note, "asking": True, "run": later})

        with pytest.raises(TaskDeferred):
            operator.execute_complete(there.context, event)


def test_cleared_task_takes_up_its_sync() -> None:
    """A task that is cleared while it is deferred begins with the run that it left: one sync is asked for."""
    with world(Scenario(connection=MANUAL, syncs=(SyncPlan(lasts=0.5),))) as there:
        operator = start()
        with pytest.raises(TaskDeferred):
            there.execute(operator)

        result = there.play(operator)

    assert (result["verdict"], result["resumed"]) == ("succeeded", True)
    assert sum(each.operation == "sync" for each in there.simulator.seen) == 1


def test_key_that_is_revoked_during_the_sync() -> None:
    """A key that is revoked while the sync runs fails the task at once: it says to fix that, and to clear it."""
    revoked = Fault(on="get", skip=1, times=0, status=401, code="Unauthorized", message="Invalid key")
    with world(Scenario(connection=MANUAL, syncs=(SyncPlan(lasts=60.0),), faults=(revoked,))) as there:
        with pytest.raises(AirflowFailException, match=r"takes up the sync(.|\n)*key") as caught:
            there.play(start())

        assert there.shelf.get(NOTE) is not None
        assert "attach" not in str(caught.value)


def test_worker_that_is_killed_says_that_the_sync_goes_on() -> None:
    """A worker that is to end stops soon, leaves the sync running, and keeps what a retry needs."""
    with world(Scenario(connection=MANUAL, syncs=(SyncPlan(lasts=60.0),))) as there:
        operator = start(deferrable=False)

        def kill(_: object) -> None:
            operator.on_kill()

        with (
            mock.patch("orchestrator.airflow.task.Task._pause", side_effect=kill),
            pytest.raises(AirflowException, match=r"MAY STILL BE RUNNING(.|\n)*it takes up the sync"),
        ):
            there.execute(operator)

        assert operator.stopped
        assert there.shelf.get(NOTE) is not None


def test_triggerer_that_failed_is_told() -> None:
    """Where Airflow says that the trigger failed, the task says what that means for the sync."""
    with pytest.raises(AirflowException, match="the next try takes it up") as caught:
        start().resume_execution("__fail__", {"error": "Trigger failure", "traceback": ["no thread"]}, {})

    assert isinstance(caught.value.__cause__, TaskDeferralError)


def test_killed_trigger_says_that_the_sync_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    """A task that is cleared while it is deferred leaves its sync running, and its log says so."""
    trigger = FivetranTrigger("default", {}, {})

    with mock.patch.object(FivetranTrigger, "log", create=True) as log:
        asyncio.run(trigger.on_kill())

    assert "goes on at Fivetran" in log.info.call_args.args[0]
    del capsys


def test_warnings_and_debug_are_the_tasks() -> None:
    """A warning about the arguments is logged, and what is for debugging, too; both masked."""
    log = mock.Mock()

    TaskLog(log, Mask(KEY, SECRET)).debug(f"the key is {KEY}")
    TaskLog(log, Mask(KEY, SECRET)).error(f"the secret is {SECRET}")

    assert KEY not in str(log.debug.call_args)
    assert SECRET not in str(log.error.call_args)


def test_arguments_warn() -> None:
    """What is odd about an argument, but not wrong, is a warning in the task's log."""
    with world(Scenario(connection=MANUAL)) as there:
        found = mock.Mock()
        with mock.patch("orchestrator.airflow.task.TaskLog", return_value=found):
            there.execute(FivetranStatusOperator(task_id="status", connector_id="abc", keep_schedule="false"))

    assert found.info.called
    assert found.warning.called


def test_sensors_look(capsys: pytest.CaptureFixture[str]) -> None:
    """A look that fails for a while goes on waiting; what a connection lacks ends the sensor."""
    outage = Fault(on="get", times=0, status=503)
    with world(Scenario(faults=(outage,))) as there:
        sensor = FivetranSyncSensor(task_id="wait", connector_id="abc", completed_after=datetime(2026, 1, 1))  # noqa: DTZ001  # UTC

        assert sensor.poke({}) is False
        assert there.simulator.seen != []
    with mock.patch.object(FivetranHook, "account", side_effect=ValueError("no login")):
        found = look_once("default", "abc", mock.Mock(), mock.Mock())

    assert (found.failed, found.why) == (True, "no login")
    del capsys


def test_sensor_that_is_rescheduled_remembers() -> None:
    """With mode="reschedule" each look is another process: which sync is a new one is remembered between them."""
    how: dict[str, Any] = {"deferrable": False, "mode": "reschedule"}
    with world(Scenario(running=SyncPlan(lasts=0.5))) as there:
        looks: list[bool] = []
        while not any(looks):
            sensor = FivetranSyncSensor(task_id="wait", connector_id="abc", **how)
            looks.append(sensor.poke(there.context))

        assert looks[0] is False
        assert there.shelf.kept == {}
    with world(Scenario(faults=(Fault(on="get", times=1, status=503),))) as there:
        sensor = FivetranSyncSensor(task_id="wait", connector_id="abc", **how)

        assert sensor.poke(there.context) is False
        assert there.shelf.kept == {}


def test_sensor_that_fails_softly_skips() -> None:
    """With soft_fail a sensor whose first look fails is skipped, as it is when it fails later."""
    how: dict[str, Any] = {"task_id": "wait", "connector_id": "abc"}
    with world(Scenario(exists=False)) as there:
        soft, hard = FivetranSyncSensor(**how, soft_fail=True), FivetranSyncSensor(**how)
        execute: Callable[..., Any] = inspect.unwrap(soft.execute)

        with pytest.raises(AirflowSkipException):
            execute(soft, there.context)
        with pytest.raises(AirflowFailException):
            execute(hard, there.context)


def test_form_of_the_connection() -> None:
    """The form of the connection calls login and password what they are."""
    behaviour = FivetranHook.get_ui_field_behaviour()

    assert behaviour["relabeling"] == {"login": "API key", "password": "API secret"}


SCHEMAS = {
    "schemas": {
        "public": {
            "name_in_destination": "pg_public",
            "tables": {"orders": {"enabled": True, "name_in_destination": "orders"}, "secret": {"enabled": False}},
        },
        "old": {"enabled": False, "tables": {"orders": {}}},
        "plain": {"tables": {"a": {}}},
        "strange": None,
    }
}


def test_tables_of_the_destination() -> None:
    """Lineage has the tables that are synced, by their names in the destination."""
    assert list(tables_of(SCHEMAS)) == ["pg_public.orders", "plain.a"]
    assert list(tables_of({})) == []


def test_lineage() -> None:
    """With OpenLineage a sync has its connection for an input, and the destination's tables for outputs."""
    made = types.SimpleNamespace
    base = types.ModuleType("airflow.providers.openlineage.extractors.base")
    events = types.ModuleType("openlineage.client.event_v2")
    base.OperatorLineage = made  # type: ignore[attr-defined]
    events.Dataset = made  # type: ignore[attr-defined]
    modules = {
        **dict.fromkeys(("airflow.providers.openlineage", "airflow.providers.openlineage.extractors"), base),
        base.__name__: base,
        **dict.fromkeys(("openlineage", "openlineage.client"), events),
        events.__name__: events,
    }
    test = FivetranTestOperator(task_id="test", connector_id="abc")
    resync = FivetranResyncOperator(task_id="resync", connector_id="abc", schema="public", table="orders")
    with world(Scenario(faults=(Fault(on="schemas", skip=1, times=0, status=503),))):
        without = start().get_openlineage_facets_on_complete(None)
        with mock.patch.dict(sys.modules, modules):
            found = start().get_openlineage_facets_on_complete(None)
            unknown = resync.get_openlineage_facets_on_complete(None)

    assert without is None
    assert [each.name for each in found.inputs] == ["abc"]
    assert sorted(each.name for each in found.outputs) == ["public.customers", "public.orders"]
    assert unknown is None
    assert test.get_openlineage_facets_on_complete(None) is None
