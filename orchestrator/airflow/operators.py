"""Operators: an action on a connection, as a task."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, TaskDeferralError

from orchestrator.airflow.durations import Duration, seconds, timeout_of
from orchestrator.airflow.hooks import DEFAULT_CONNECTION
from orchestrator.airflow.links import ConnectionLink, ReportLink

__all__ = [
    "FivetranOperator",
    "FivetranResyncOperator",
    "FivetranStartOperator",
    "FivetranStatusOperator",
    "FivetranTestOperator",
]

LEFT = "the worker is stopped; a sync that was started goes on at Fivetran, and the task takes it up if it runs again"

Tables = str | Mapping[str, Sequence[str]]


class FivetranOperator(BaseOperator):
    """What all four operators have. Each argument is one of the job's variables, and means the same.

    Args:
        connector_id: Fivetran's id of the connection, such as "speak_inexpensive".
        fivetran_conn_id: The Airflow connection: its login is the API key, its password the secret.
        timeout: How long a try may take, waiting included; None for what `execution_timeout` leaves, or else a day.
        poll_interval: Time between two looks.
        http_timeout: Time for one request.
        retry_limit: Transient failures in a row before giving up (unlimited after the trigger).
        keep_schedule: Leave the connection's schedule alone; otherwise it is switched to manual.
        restore_schedule: Restore the schedule at the end; "auto": set it to auto, whatever it was.
        evidence: Optional requests (history, errors): "1" always, "red" only where it does not end well, "0" never.
        report_dir: Where the report is written: a folder that workers share, one for each task instance.
        report_url: At which address the report can be read, for the link beside the task.
        deferrable: The triggerer does the waiting; else the worker does it.
    """

    template_fields: Sequence[str] = ("connector_id", "fivetran_conn_id", "report_dir", "report_url")
    operator_extra_links = (ConnectionLink(), ReportLink())
    ui_color = "#dce9ff"
    action: ClassVar[str]
    _stopped = False

    def __init__(  # noqa: PLR0913  # an argument for each variable
        self,
        *,
        connector_id: str,
        fivetran_conn_id: str = DEFAULT_CONNECTION,
        timeout: Duration | None = None,
        poll_interval: Duration = 10,
        http_timeout: Duration = 30,
        retry_limit: int = 8,
        keep_schedule: bool = False,
        restore_schedule: bool | Literal["auto"] = False,
        evidence: Literal["1", "red", "0"] = "red",
        report_dir: str = "",
        report_url: str = "",
        deferrable: bool = True,
        **kwargs: Any,  # noqa: ANN401  # BaseOperator's
    ) -> None:
        super().__init__(**kwargs)
        self.connector_id = connector_id
        self.fivetran_conn_id = fivetran_conn_id
        self.timeout = timeout
        self.poll_interval = poll_interval
        self.http_timeout = http_timeout
        self.retry_limit = retry_limit
        self.keep_schedule = keep_schedule
        self.restore_schedule = restore_schedule
        self.evidence = evidence
        self.report_dir = report_dir
        self.report_url = report_url
        self.deferrable = deferrable

    # --- What Airflow calls -------------------------------------------------------------------

    def execute(self, context: Any) -> Any:  # noqa: ANN401  # Airflow's context
        """Begin a run, or take up the one that an earlier try began."""
        from orchestrator.airflow.task import Task  # noqa: PLC0415  # a DAG is parsed often, and runs nothing

        return Task(self, context).begin()

    def execute_complete(self, context: Any, event: Mapping[str, Any]) -> Any:  # noqa: ANN401  # likewise
        """Go on with a run that the triggerer hands back."""
        from orchestrator.airflow.task import Task  # noqa: PLC0415  # likewise

        return Task(self, context).go_on(event["run"])

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Any) -> Any:  # noqa: ANN401  # likewise
        """Go on after the triggerer, or say what it means that it failed."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except TaskDeferralError as error:
            raise AirflowException(
                f"the triggerer ended the waiting: {error}; a sync that was started goes on at Fivetran, and the next "
                "try takes it up"
            ) from error

    def on_kill(self) -> None:
        """The worker is to end: the sync is left running."""
        self._stopped = True
        self.log.warning(LEFT)

    # --- What the actions differ in -----------------------------------------------------------

    def variables(self) -> dict[str, Any]:
        """The arguments by the names of their variables."""
        return {
            "FIVETRAN_ACTION": self.action,
            "CONNECTOR_ID": self.connector_id,
            "FIVETRAN_TIMEOUT": timeout_of(self.timeout, self.execution_timeout),
            "FIVETRAN_POLL_INTERVAL": seconds(self.poll_interval),
            "FIVETRAN_HTTP_TIMEOUT": seconds(self.http_timeout),
            "FIVETRAN_RETRY_LIMIT": self.retry_limit,
            "FIVETRAN_DONT_DISABLE_SYNC": self.keep_schedule,
            "FIVETRAN_RESTORE_SCHEDULE": self.restore_schedule,
            "FIVETRAN_EVIDENCE": self.evidence,
            "FIVETRAN_REPORT_DIR": self.report_dir,
        }

    @property
    def postponing(self) -> str:
        """What a run means to the task that Fivetran rescheduled past its deadline: fail, skip or reschedule."""
        return "fail"

    @property
    def stopped(self) -> bool:
        """Whether the worker is to end."""
        return self._stopped

    def get_openlineage_facets_on_complete(self, _: Any) -> Any:  # noqa: ANN401  # Airflow's form
        """The connection, and the destination's tables as Fivetran has them."""
        from orchestrator.airflow.lineage import facets_of  # noqa: PLC0415  # only where OpenLineage is installed

        return facets_of(self.fivetran_conn_id, self.connector_id) if isinstance(self, _OfSyncs) else None


class _OfSyncs(FivetranOperator):
    """What the two have that wait for a sync.

    Args:
        on_running: What to do about a sync that is running already.
        on_reschedule: What to do where Fivetran reschedules the sync.
        on_broken: What to do about a broken connection; a sync often clears that.
        unpause: Un-pause a paused connection.
        when_postponed: What to do where Fivetran reschedules the sync past the deadline, or `on_reschedule` is "fail":
            fail, skip the task, or "reschedule" it for the time that Fivetran names.
    """

    def __init__(  # an argument for each variable
        self,
        *,
        on_running: str = "wait",
        on_reschedule: Literal["wait", "fail"] = "wait",
        on_broken: Literal["fail", "sync"] = "fail",
        unpause: bool = False,
        when_postponed: Literal["fail", "skip", "reschedule"] = "fail",
        **kwargs: Any,  # noqa: ANN401  # FivetranOperator's
    ) -> None:
        super().__init__(**kwargs)
        if when_postponed not in {"fail", "skip", "reschedule"}:
            raise ValueError(f"when_postponed is {when_postponed!r}: set it to fail, skip or reschedule")
        if when_postponed == "reschedule" and on_reschedule == "fail":
            raise ValueError("when_postponed='reschedule' waits, on_reschedule='fail' does not: leave one of them out")
        self.on_running = on_running
        self.on_reschedule = on_reschedule
        self.on_broken = on_broken
        self.unpause = unpause
        self.when_postponed = when_postponed

    @property
    def postponing(self) -> str:
        """What is to become of the task."""
        return self.when_postponed

    def variables(self) -> dict[str, Any]:
        """The arguments by the names of their variables."""
        return {
            **super().variables(),
            "FIVETRAN_ON_RUNNING": self.on_running,
            "FIVETRAN_ON_RESCHEDULE": self.on_reschedule,
            "FIVETRAN_ON_BROKEN": self.on_broken,
            "FIVETRAN_UNPAUSE": self.unpause,
        }


class FivetranStartOperator(_OfSyncs):
    """Run one sync and wait for its end: the action START.

    Returns (XCom) the result as a small document: verdict, exit_code, headline, succeeded_at, ... A task that fails has
    pushed it under the key `fivetran_result`. The other arguments are those of `FivetranOperator`.

    Args:
        on_running: A sync is running already: "wait" for it and then start one's own, "attach" to it, "restart" it, or
            "fail".
        on_reschedule: Fivetran reschedules the sync: "wait" or "fail".
        on_broken: The connection is broken: "fail", or "sync", which often clears that.
        unpause: Un-pause a paused connection.
        when_postponed: "fail", "skip" or "reschedule" the task where the sync is rescheduled past the deadline.
    """

    action = "START"


class FivetranResyncOperator(_OfSyncs):
    """Re-sync tables and wait for the end: the action FORCE_RESYNC.

    The other arguments are those of `FivetranStartOperator`; `on_running` is "wait" or "fail".

    Args:
        schema: The schema, as it is called at the source.
        table: The table, likewise.
        tables: Several: tables by schema, or "SCHEMA.TABLE", one a line.
    """

    action = "FORCE_RESYNC"
    template_fields: Sequence[str] = (*FivetranOperator.template_fields, "schema", "table", "tables")

    def __init__(
        self,
        *,
        schema: str | None = None,
        table: str | None = None,
        tables: Tables | None = None,
        **kwargs: Any,  # noqa: ANN401  # FivetranStartOperator's
    ) -> None:
        super().__init__(**kwargs)
        self.schema = schema
        self.table = table
        self.tables = tables

    def variables(self) -> dict[str, Any]:
        """The arguments by the names of their variables."""
        return {**super().variables(), "SCHEMA": self.schema, "TABLE": self.table, "TABLES": self.tables}


class FivetranTestOperator(FivetranOperator):
    """Run the connection's setup tests: the action TEST. The arguments are those of `FivetranOperator`."""

    action = "TEST"


class FivetranStatusOperator(FivetranOperator):
    """Read the connection, and return it as `connection` of the result: the action STATUS.

    The other arguments are those of `FivetranOperator`.

    Args:
        max_age: The task fails if the last success is older than this, or there is none; the schedule is left alone.
    """

    action = "STATUS"

    def __init__(self, *, max_age: Duration | None = None, **kwargs: Any) -> None:  # noqa: ANN401  # FivetranOperator's
        super().__init__(**kwargs)
        self.max_age = max_age

    def variables(self) -> dict[str, Any]:
        """The arguments by the names of their variables."""
        return {**super().variables(), "FIVETRAN_MAX_AGE": seconds(self.max_age)}
