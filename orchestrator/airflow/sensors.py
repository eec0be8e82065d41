"""A sensor for syncs that others start: Fivetran's schedule, another team, another tool."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import BaseSensorOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSensorTimeout

from orchestrator.airflow.arguments import Duration
from orchestrator.airflow.board import Account
from orchestrator.airflow.freshness import Awaited, looked, since_now
from orchestrator.airflow.hooks import FivetranHook
from orchestrator.airflow.links import ConnectionLink
from orchestrator.airflow.operators import SLACK
from orchestrator.airflow.reporting import TaskLog, mask_of, masked_by_airflow
from orchestrator.airflow.triggers import FivetranSyncTrigger
from orchestrator.fivetran import documents
from orchestrator.fivetran.effects.situation import on_connection
from orchestrator.job.inputs import Inputs
from orchestrator.job.job import bounded, connected
from orchestrator.job.limits import Limits
from orchestrator.values.clock import SystemClock
from orchestrator.values.events import Event
from orchestrator.values.exchange import Answer, Failure
from orchestrator.values.facts import Facts
from orchestrator.values.settings import Settings

__all__ = ["FivetranSyncSensor"]

HTTP_TIMEOUT = 30.0  # seconds
_TRANSIENT = {Event.UNAVAILABLE, Event.RATE_LIMITED}


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
        fivetran_conn_id: str = FivetranHook.default_conn_name,
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
        if self.poke(context):
            return None
        awaited = self._awaited()
        now = SystemClock().wall()
        trigger = FivetranSyncTrigger(
            self.fivetran_conn_id,
            self.connector_id,
            max(0.1, float(self.poke_interval)),
            awaited.after,
            awaited.max_age,
            fails=awaited.fails,
            until=now + float(self.timeout),
        )
        self._wait(trigger)
        return None

    def _wait(self, trigger: FivetranSyncTrigger) -> None:
        timeout = timedelta(seconds=float(self.timeout) + SLACK)
        self.defer(trigger=trigger, method_name="execute_complete", timeout=timeout)

    def execute_complete(self, context: Any, event: Mapping[str, Any]) -> None:  # noqa: ANN401, ARG002  # likewise
        """What the triggerer found."""
        ended, why = event["ended"], f"{self.connector_id}: {event['why']}"
        if ended == "here":
            self.log.info("%s", why)
            return
        if ended == Event.TIMED_OUT:
            raise AirflowSensorTimeout(f"no sync has succeeded in time: {why}")
        if ended == Event.SYNC_FAILED:
            raise AirflowException(why)
        raise AirflowFailException(why)

    def poke(self, context: Any) -> bool:  # noqa: ANN401, ARG002  # likewise
        """Look once."""
        account = self._account()
        mask = mask_of(account)
        masked_by_airflow(account)
        clock = SystemClock()
        client = connected(account, clock, mask)
        settings = Settings("", self.connector_id, account.api_key, account.api_secret)
        request = on_connection(settings, Facts(), "GET", "", "read the connection")
        outcome = bounded(client, clock, Limits(clock))(request, HTTP_TIMEOUT, True)  # noqa: FBT003  # Send's form
        client.close()
        log = TaskLog(self.log, mask)
        if isinstance(outcome, Failure) and outcome.event not in _TRANSIENT:
            raise AirflowFailException(mask.line(f"{self.connector_id}: {outcome}"))
        if not isinstance(outcome, Answer):
            log.warning(f"could not read the connection: {outcome}")
            return False
        awaited = self._awaited()
        if awaited.after is None and awaited.max_age is None:
            self._since = since_now(outcome.data)
            awaited = self._awaited()
        found = looked(awaited, outcome.data, outcome.date)
        log.info(found.why)
        if found.failed:
            raise AirflowException(mask.line(f"{self.connector_id}: {found.why}"))
        return found.here

    def _account(self) -> Account:
        try:
            return FivetranHook(self.fivetran_conn_id).account()
        except ValueError as error:
            raise AirflowFailException(str(error)) from None

    def _awaited(self) -> Awaited:
        """What is awaited, in seconds.

        Raises:
            AirflowFailException: `completed_after` is not a time, or `max_age` not a duration.
        """
        after, text = self._since, self.completed_after
        if text:
            after = documents.parse_time(text)
            if after is None:
                raise AirflowFailException(f"completed_after is {text!r}: write it as 2026-01-31T06:00:00Z")
        return Awaited(after, self._max_age(), self.fail_on_failure)

    def _max_age(self) -> float | None:
        if self.max_age is None or isinstance(self.max_age, timedelta):
            return None if self.max_age is None else self.max_age.total_seconds()
        inputs = Inputs({"FIVETRAN_MAX_AGE": str(self.max_age)})
        age = inputs.seconds("FIVETRAN_MAX_AGE")
        if inputs.errors:
            raise AirflowFailException(inputs.errors[0].replace("FIVETRAN_MAX_AGE", "max_age"))
        return age
