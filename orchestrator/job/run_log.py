"""What the log says of a run: a line where something changes, one a minute otherwise, the verdict at the end.

A wait of hours is thousands of steps that are all the same: those are lines to debug.
"""

import json
from collections.abc import Mapping
from typing import Any

from structlog.typing import FilteringBoundLogger

from orchestrator.fivetran import documents
from orchestrator.fivetran.progress import quiet_left
from orchestrator.fivetran.verdicts import explain
from orchestrator.job.log import LiveLine, Sections
from orchestrator.job.variables import VARIABLES
from orchestrator.machine.run import Run
from orchestrator.machine.standing import Standing
from orchestrator.machine.step import Step
from orchestrator.values.events import Event
from orchestrator.values.facts import Facts
from orchestrator.values.formatting import duration
from orchestrator.values.settings import Settings

__all__ = ["RunLog"]

HEARTBEAT = 60.0  # seconds without news
SLOW_START = 60.0  # seconds after which an accepted sync that does not start is worth a warning


class RunLog:
    """Tells a run.

    Args:
        log: Where to.
        live: The terminal's last line.
        sections: What GitLab folds away.
        debug: Tell each request and answer in detail.
    """

    def __init__(self, log: FilteringBoundLogger, live: LiveLine, sections: Sections, *, debug: bool = False) -> None:
        self._log = log
        self._live = live
        self._sections = sections
        self._debug = debug
        self._told: set[str] = set()
        self._news: dict[str, object] = {}  # state -> what was said when it was left last
        self._last_line = 0.0  # when something was said
        self._slow_start_told = False
        self._busy_told = False
        self._doubt_told: float | None = None

    def inputs(self, inputs: Mapping[str, str], warnings: tuple[str, ...], version: str) -> None:
        """The effective inputs: those that were given, and then what holds by default."""
        given = {name: value for name, value in inputs.items() if value and value != VARIABLES[name].default}
        default = {name: value for name, value in inputs.items() if value and name not in given}
        with self._sections.section("fivetran_inputs", f"fivetran-orchestrator {version}: inputs"):
            self._log.info(f"fivetran-orchestrator {version}", **given)
            self._log.info("by default", **default)
        for warning in warnings:
            self._log.warning(warning)

    def step(self, step: Step) -> None:
        """One state change."""
        told: dict[str, object] = {}
        if step.request is not None:
            told["asked"] = str(step.request)
            told["answered"] = step.outcome
            if self._debug:  # else a document would be made a text at each poll, for nobody
                self._exchange(step)
            if step.answer and step.answer.data and step.facts.connection is not None:
                told["sync_state"] = documents.sync_state(step.facts.connection)
            told["took"] = f"{step.took:.2f} s"
        if step.pause:
            told["again_in"] = f"{step.pause:.1f} s"
        elif step.after.due > step.at:
            told["next_in"] = duration(step.after.due - step.at)
        self._tell(step, told)
        if step.event == Event.BUSY and not self._busy_told:
            self._busy_told = True
            self._log.info("another sync is running already (FIVETRAN_ON_RUNNING says what to do about it)")
        self._doubt(step)
        for warning in step.facts.warnings:
            self._warn(warning)
        waited = step.facts.not_started_for
        if waited is None or waited < SLOW_START:
            self._slow_start_told = False
        elif not self._slow_start_told:
            self._slow_start_told = True
            self._log.warning(
                f"Fivetran accepted the sync {duration(waited)} ago and has not started it: it may be queued"
            )

    def _doubt(self, step: Step) -> None:
        """A verdict is in doubt: say once what is waited for."""
        doubt = step.facts.doubt
        if step.event == Event.DOUBTFUL and doubt and doubt["since"] != self._doubt_told:
            self._doubt_told = doubt["since"]
            most = quiet_left(step.facts, doubt["since"])
            self._log.info(f"the sync is gone; waiting up to {most:.0f} s for Fivetran's dates")

    def _tell(self, step: Step, told: Mapping[str, object]) -> None:
        """The line of a step; where it brings no news, one to debug."""
        optional = step.request is not None and step.request.optional  # evidence: nobody misses it
        say = self._log.warning if step.failure and not optional else self._log.info
        news = _news(step)
        again = self._news.get(step.source) == news
        self._news[step.source] = news
        if again or step.event == Event.WAITED:  # that a wait would be over now was said when it began
            self._log.debug(f"{step.source} -> {step.target}", on=step.event, **told)
        else:
            say(f"{step.source} -> {step.target}", on=step.event, **told)
            self._last_line = step.at
        if again and step.after.due > step.at:
            self._beat(step.after, step.at, step.after.due, step.after.deadline)
        if step.answer and step.answer.cut:
            self._warn("Fivetran's answer has texts or lists beyond measure: they are shown cut")

    def _warn(self, warning: str) -> None:
        """Warn of it, once."""
        if warning not in self._told:
            self._told.add(warning)
            self._log.warning(warning)

    def _beat(self, standing: Standing, now: float, wake: float, deadline: float, asking: str = "") -> None:
        """Say how things stand, where nothing was said for a while; a terminal shows it anyway."""
        if not self._live.live and now - self._last_line >= HEARTBEAT:
            self._last_line = now
            self._log.info(_said(standing, now, wake, deadline, asking))

    def _exchange(self, step: Step) -> None:
        """Request and answer in detail."""
        answer, failure = step.answer, step.failure
        self._log.debug(
            "exchange",
            asked=str(step.request),
            body=json.dumps(step.request.body if step.request else None),
            answered=step.outcome,
            message=answer.message if answer else "",
            data=json.dumps(answer.data) if answer else None,
            request_id=answer.request_id if answer else failure.request_id if failure else "",
        )

    def tick(self, run: Run) -> None:
        """While a pause or a call is under way."""
        request = run.request
        stands = run.standing, run.now, run.wake, run.deadline, str(request or "")
        if self._live.live:
            self._live.show(_said(*stands))
        self._beat(*stands)

    def verdict(self, settings: Settings, run: Run, report: str) -> None:
        """How it ended, why, what goes on at Fivetran, what to do.

        Args:
            settings: The job's settings.
            run: The run at its end.
            report: Where there is more to read, or "".
        """
        document = run.facts.connection or {}
        if document:
            with self._sections.section("fivetran_facts", "What was learned"):
                self._log.info("what was learned", **_learned(run.facts, document))
        told = explain(settings, run.facts)
        code = run.state.exit or 0
        say = self._log.error if code else self._log.info
        say(told.headline, verdict=run.facts.verdict, state=run.state.name, exit_code=code, after=duration(run.now))
        for reason in told.reasons:
            say(f"why: {reason}")
        for line in told.at_fivetran:
            self._log.info(f"at Fivetran: {line}")
        for line in told.advice:
            self._log.info(f"what to do: {line}")
        if report:
            self._log.info(f"report: {report}")
        self._log.info(f"page: {settings.page}")


def _said(standing: Standing, now: float, wake: float, deadline: float, asking: str) -> str:
    """How things stand, in a line; times in seconds since the run began."""
    doing = f"{standing.state}, next step in {duration(wake - now)}" if wake > now else standing.state
    if standing.facts.connection is not None:
        doing += f", sync_state {documents.sync_state(standing.facts.connection)}"
    if asking and wake <= now:
        doing += f", waiting for the answer to {asking}"
    return f"{duration(now)}: {doing}; deadline in {duration(deadline - now)}"


def _learned(facts: Facts, document: Mapping[str, Any]) -> dict[str, object]:
    """What the last document said, and what the dates were before."""
    before = {f"{name}_before": (facts.baseline or {}).get(name) for name in ("succeeded_at", "failed_at")}
    return documents.decisive(document) | {name: value for name, value in before.items() if value}


def _news(step: Step) -> tuple[object, ...]:
    """What of a step is news, where the step before it from the same state had another."""
    failed = (str(step.failure), step.pause) if step.failure else None  # back-offs grow, and are few
    return (step.event, step.target, failed, documents.decisive(step.facts.connection or {}))
