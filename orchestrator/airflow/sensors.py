"""A sensor for syncs that others start: Fivetran's schedule, another team, another tool."""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSensorTimeout, AirflowSkipException

from orchestrator.airflow.durations import Duration, seconds
from orchestrator.airflow.hooks import DEFAULT_CONNECTION
from orchestrator.airflow.links import ConnectionLink

if TYPE_CHECKING:
    from orchestrator.airflow.freshness import Awaited

__all__ = ["FivetranSyncSensor"]

SINCE = "fivetran_since"  # in the task state store: the time after which a sync is a new one, in seconds


class FivetranSyncSensor(BaseSensorOperator):
    """Wait until a sync that somebody else starts has succeeded; nothing is started, and nothing changed.

    Args:
        connector_id: Fivetran's id of the connection.
        fivetran_conn_id: The Airflow connection.
        completed_after: The success has to be later than this: a datetime, or a text in ISO 8601, which may be a
            template such as "{{ data_interval_end }}". None: any sync that ends after the sensor began, unless there is
            a `max_age`.
        max_age: The last success may be this old: data that is fresh already is not waited for.
        fail_on_failure: A sync that fails meanwhile fails the sensor; else it waits for the next one.
        poke_interval: Time between two looks.
        deferrable: The triggerer does the waiting; else the worker does it, as `mode` says.
        kwargs: Those of Airflow's sensors: `timeout`, `soft_fail`, `mode`, ...
    """

    template_fields: Sequence[str] = ("connector_id", "fivetran_conn_id", "completed_after")
    operator_extra_links = (ConnectionLink(),)
    ui_color = "#dce9ff"

    def __init__(
        self,
        *,
        connector_id: str,
        fivetran_conn_id: str = DEFAULT_CONNECTION,
        completed_after: datetime | str | None = None,
        max_age: Duration | None = None,
        fail_on_failure: bool = True,
        poke_interval: timedelta | float = 60,
        deferrable: bool = True,
        **kwargs: Any,  # noqa: ANN401  # BaseSensorOperator's
    ) -> None:
        super().__init__(poke_interval=poke_interval, **kwargs)
        self.connector_id = connector_id
        self.fivetran_conn_id = fivetran_conn_id
        # A template field is a text.
        self.completed_after = completed_after.isoformat() if isinstance(completed_after, datetime) else completed_after
        self.max_age = max_age
        self.fail_on_failure = fail_on_failure
        self.deferrable = deferrable
        self._since: float | None = None

    def execute(self, context: Any) -> Any:  # noqa: ANN401  # Airflow's context
        """Look once, and leave the waiting to the triggerer."""
        if not self.deferrable:
            return super().execute(context)
        try:
            here = self.poke(context)
        except AirflowException as error:
            if self.soft_fail or self.never_fail:  # as Airflow's own execute does
                raise AirflowSkipException(str(error)) from error
            raise
        if not here:
            self._defer()
        return None

    def _defer(self) -> None:
        from orchestrator.airflow.task import SLACK  # noqa: PLC0415  # a DAG is parsed often, and runs nothing
        from orchestrator.airflow.triggers import FivetranSyncTrigger  # noqa: PLC0415  # likewise

        awaited, timeout = self._awaited(), float(self.timeout)
        trigger = FivetranSyncTrigger(
            self.fivetran_conn_id,
            self.connector_id,
            max(0.1, float(self.poke_interval)),
            awaited.after,
            awaited.max_age,
            fails=awaited.fails,
            until=time.time() + timeout,
        )
        self.defer(trigger=trigger, method_name="execute_complete", timeout=timedelta(seconds=timeout + SLACK))

    def execute_complete(self, context: Any, event: Mapping[str, Any]) -> None:  # noqa: ANN401, ARG002  # likewise
        """What the triggerer found."""
        ended, why = event["ended"], f"{self.connector_id}: {event['why']}"
        if ended == "here":
            self.log.info("%s", why)
            return
        if ended == "timed_out":
            raise AirflowSensorTimeout(f"no sync has succeeded in time: {why}")
        raise (AirflowException if ended == "sync_failed" else AirflowFailException)(why)

    def poke(self, context: Any) -> bool:  # noqa: ANN401  # likewise
        """Look once."""
        from orchestrator.airflow.looking import look_once  # noqa: PLC0415  # a DAG is parsed often, and runs nothing

        # With mode="reschedule" each look is a process of its own: the store remembers which sync is a new one.
        store = context["task_state_store"] if self.reschedule and not self.deferrable else None
        if store is not None:
            self._since = store.get(SINCE)
        look = look_once(self.fivetran_conn_id, self.connector_id, self._awaited(), self.log)
        self._since = look.since
        if store is not None and (look.here or look.failed):
            store.delete(SINCE)
        elif store is not None and look.since is not None:
            store.set(SINCE, look.since)
        if look.failed:
            raise (AirflowException if look.transient else AirflowFailException)(f"{self.connector_id}: {look.why}")
        return look.here

    def _awaited(self) -> "Awaited":
        from orchestrator.airflow.freshness import awaited  # noqa: PLC0415  # likewise

        try:
            return awaited(self.completed_after, self._since, seconds(self.max_age), fails=self.fail_on_failure)
        except ValueError as error:
            raise AirflowFailException(str(error)) from None
