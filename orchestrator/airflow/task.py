"""A task on a worker: what an operator does once it runs."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSkipException,
)

from orchestrator.airflow.account import Account
from orchestrator.airflow.arguments import configured
from orchestrator.airflow.handover import TakenUp, handed_over, plain, taken_up
from orchestrator.airflow.hooks import FivetranHook
from orchestrator.airflow.note import Note, is_unfinished
from orchestrator.airflow.reporting import TaskLog, ended, mask_of, masked_by_airflow, run_log, small, told
from orchestrator.airflow.triggers import FivetranTrigger
from orchestrator.airflow.verdicts import Ending, ending_of
from orchestrator.airflow.worker import Worker
from orchestrator.fivetran import documents
from orchestrator.job.configuration import ConfigurationError, Configured
from orchestrator.job.job import bounded, connected
from orchestrator.job.limits import Limits
from orchestrator.job.report_folder import Reporter
from orchestrator.job.run_log import RunLog, opening
from orchestrator.job.trace import Trace
from orchestrator.machine.run import Ports, Run
from orchestrator.machine.standing import Standing
from orchestrator.machine.step import Step
from orchestrator.machine.transition import start
from orchestrator.values.clock import SystemClock
from orchestrator.values.events import Event
from orchestrator.values.formatting import iso

__all__ = ["SLACK", "Task"]

RESULT = "fivetran_result"  # XCom key of the result where the task does not return it
SLACK = 600.0  # seconds after the deadline in which the triggerer has its say before Airflow does
TICK = 0.5  # seconds in which a worker notices that it is to end


class Task:
    """One start of an operator on a worker.

    Args:
        operator: The task, a `FivetranOperator`.
        context: Airflow's.

    Raises:
        AirflowFailException: An argument or the Airflow connection is wrong; no request was sent.
    """

    def __init__(self, operator: Any, context: Any) -> None:  # noqa: ANN401  # its module imports this one; Airflow's
        self.operator = operator
        self.context = context
        self.clock = SystemClock()
        self.account = self._account()
        self.mask = mask_of(self.account)
        masked_by_airflow(self.account)
        self.log = TaskLog(operator.log, self.mask)
        self.configured = self._configured()
        settings, chart = self.configured.settings, self.configured.chart
        self.note = Note(context["task_state_store"], settings, chart)
        self.reporter = Reporter(settings.report_dir, self.mask, self.log.warning, {})
        self.trace = Trace()

    def _account(self) -> Account:
        try:
            return FivetranHook(self.operator.fivetran_conn_id).account()
        except ValueError as error:
            raise AirflowFailException(str(error)) from None

    def _signal(self) -> Event | None:
        return Event.TERMINATED if self.operator.stopped else None

    def _configured(self) -> Configured:
        try:
            found = configured(self.account, self.operator.variables())
        except ConfigurationError as error:
            raise AirflowFailException("; ".join(error.errors)) from None
        for warning in found.warnings:
            self.log.warning(warning)
        return found

    def begin(self) -> Any:  # noqa: ANN401  # any JSON
        """Begin a run, or take up the one that an earlier try began.

        Raises:
            AirflowFailException: Another version began it.
        """
        settings, chart, now = self.configured.settings, self.configured.chart, self.clock.wall()
        try:
            found = self.note.found(now, self.log.warning)
        except (KeyError, TypeError, ValueError) as error:
            raise self._strange(error) from error
        if found is None:
            self.log.info(opening(settings, chart))
            return self._work(TakenUp(start(chart, settings, now), 0.0, Trace()))
        self.log.info(f"taking up the run that an earlier try began at {iso(found.standing.started_at)}")
        return self._work(found)

    def go_on(self, document: Mapping[str, Any]) -> Any:  # noqa: ANN401  # any JSON
        """Go on with a run that the triggerer hands back.

        Args:
            document: The run, as `handed_over` gives it.

        Raises:
            AirflowFailException: Another version handed it over.
        """
        settings, chart = self.configured.settings, self.configured.chart
        try:
            if document["facts"].get("verdict") is None and (later := self.note.found_later_than(document)):
                document = later  # this very hand-over was gone on with before, and that worker died
            found = taken_up(chart, settings, document, self.clock.wall())
        except (KeyError, TypeError, ValueError) as error:
            raise self._strange(error) from error
        return self._work(found)

    def _strange(self, error: Exception) -> AirflowFailException:
        return AirflowFailException(
            "the run that was begun cannot be gone on with: another version of fivetran-orchestrator wrote it "
            f"({type(error).__name__}: {error}). Its sync may be running: see the connection's page, then delete the "
            "key fivetran_run from the task's state store, and clear the task"
        )

    def _work(self, taken: TakenUp) -> Any:  # noqa: ANN401  # any JSON
        """Go on with a run: to its end, or until the triggerer has to wait."""
        settings, chart = self.configured.settings, self.configured.chart
        self.trace = taken.trace
        limits = Limits(self.clock, warn=self.log.warning)
        client = connected(settings, self.clock, self.mask)
        send = bounded(client, self.clock, limits)
        ports = Ports(self.clock, send, self._write, random.random, self._signal)
        self.run = run = Run(chart, settings, ports, standing=taken.standing, elapsed=taken.elapsed)
        says = run_log(self.log, run)
        worker = Worker(
            run,
            self.trace,
            self.note,
            self.mask,
            self._pause,
            lambda step: self._tell(says, step),
            deferrable=self.operator.deferrable,
            postpones=self.operator.postponing == "reschedule",
        )
        try:
            if not worker.work():
                self._defer()
        finally:
            client.close()
        return self._end()

    def _pause(self, until: float) -> None:
        left = until - self.clock.monotonic()
        self.clock.sleep(min(left, TICK))

    def _tell(self, says: RunLog, step: Step) -> None:
        says.add(step, self.run.settings, self.run.chart)

    def _write(self, standing: Standing) -> None:
        self.reporter.write(self._result(standing), self.trace, self.run.chart)

    def _result(self, standing: Standing) -> dict[str, Any]:
        del standing  # it is the run's
        return ended(self.run, self.trace, self.mask, self.clock.wall())

    def _defer(self) -> None:
        run, settings = self.run, self.run.settings
        document = handed_over(run, run.standing, self.trace, self.mask)
        trigger = FivetranTrigger(self.operator.fivetran_conn_id, plain(settings), document)
        left = max(0.0, run.standing.deadline - run.now)
        self.operator.defer(trigger=trigger, method_name="execute_complete", timeout=timedelta(seconds=left + SLACK))

    def _end(self) -> Any:  # noqa: ANN401  # any JSON
        """Say how it ended, the way Airflow understands."""
        run, operator = self.run, self.operator
        document = self._result(run.standing)
        kept, unfinished = small(document, run, self.mask), is_unfinished(run.settings, run.facts)
        message = told(document, self.reporter.place, unfinished=unfinished)
        ending = ending_of(run.chart, str(document["verdict"]), document["exit_code"])
        if ending is Ending.SUCCESS:
            for line in message.splitlines():
                self.log.info(line)
            return kept
        self.context["ti"].xcom_push(key=RESULT, value=kept)
        if ending is Ending.POSTPONED:
            self._postpone(message)
        if ending is Ending.RETRY:
            raise AirflowException(message)
        if operator.retries:
            message += "\nAirflow does not retry this: it would end the same way"
        raise AirflowFailException(message)

    def _postpone(self, message: str) -> None:
        """A sync that Fivetran goes on with later: what the task is to make of it."""
        if self.operator.postponing == "skip":
            raise AirflowSkipException(message)
        until = documents.parse_time(self.run.facts.waited_for)
        if self.operator.postponing == "reschedule" and until is not None:
            self.log.warning(message)
            self.log.info(f"the task is rescheduled for {iso(until)}, when Fivetran goes on")
            raise AirflowRescheduleException(datetime.fromtimestamp(until, UTC))
