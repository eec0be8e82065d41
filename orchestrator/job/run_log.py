"""What the log says of a run: a line where something changes, one a minute otherwise, the verdict at the end.

A wait of hours is thousands of steps that are all the same: those are lines to debug.
"""

import json
from collections.abc import Callable, Mapping
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
        self._said: set[object] = set()  # what is said once
        self._news: dict[str, object] = {}  # state -> what was said when it was left last
        self._last_line = 0.0  # when something was said
        self._about_busy = ""

    def inputs(self, inputs: Mapping[str, str], warnings: tuple[str, ...], version: str) -> None:
        """The effective inputs: those that were given, and then what holds by default."""
        given = {name: value for name, value in inputs.items() if value and value != VARIABLES[name].default}
        default = {name: value for name, value in inputs.items() if value and name not in given}
        if "FIVETRAN_ON_RUNNING" in inputs:
            self._about_busy = " (FIVETRAN_ON_RUNNING says what to do about it)"
        with self._sections.section("fivetran_inputs", f"fivetran-orchestrator {version}: inputs"):
            self._log.info(f"fivetran-orchestrator {version}", **given)
            self._log.info("by default", **default)
        for warning in warnings:
            self._log.warning(warning)

    def add(self, step: Step) -> None:
        """Tell one state change."""
        told: dict[str, object] = {}
        facts = step.facts
        if step.request is not None:
            told["asked"] = str(step.request)
            told["answered"] = str(step.answer or step.failure or "cut off")
            if self._debug:  # else a document would be made a text at each poll, for nobody
                self._exchange(step, told)
            if step.answer and step.answer.data and facts.connection is not None:
                told["sync_state"] = documents.sync_state(facts.connection)
            told["took"] = f"{step.took:.2f} s"
        if step.pause:
            told["again_in"] = f"{step.pause:.1f} s"
        elif step.after.due > step.at:
            told["next_in"] = duration(step.after.due - step.at)
        self._tell(step, told)
        info, warn = self._log.info, self._log.warning
        if step.event == Event.BUSY:
            self._once(info, f"another sync is running already{self._about_busy}")
        if step.event == Event.DOUBTFUL and facts.doubt:
            since = facts.doubt["since"]
            most = quiet_left(facts, since)
            self._once(info, f"the sync is gone; waiting up to {most:.0f} s for Fivetran's dates", ("doubt", since))
        for warning in facts.warnings:
            self._once(warn, warning)
        waited = facts.not_started_for or 0.0
        if waited < SLOW_START:
            self._said.discard("slow start")
        else:
            text = f"Fivetran accepted the sync {duration(waited)} ago and has not started it: it may be queued"
            self._once(warn, text, "slow start")

    def _tell(self, step: Step, told: Mapping[str, object]) -> None:
        """The line of a step; where it brings no news, one to debug."""
        optional = step.request is not None and step.request.optional  # evidence: nobody misses it
        say = self._log.warning if step.failure and not optional else self._log.info
        news = _news(step)
        again = self._news.get(step.source) == news
        self._news[step.source] = news
        if again or step.event == Event.WAITED:  # that a wait would be over now was said when it began
            say = self._log.debug
        else:
            self._last_line = step.at
        say(f"{step.source} -> {step.target}", on=step.event, **told)
        if again and step.after.due > step.at:
            self._beat(step.after, step.at, step.after.due, step.after.deadline)
        if step.answer and step.answer.cut:
            self._once(self._log.warning, "Fivetran's answer has texts or lists beyond measure: they are shown cut")

    def _once(self, say: Callable[[str], object], text: str, subject: object = None) -> None:
        """Say it, unless that, or something on the same subject, was said before."""
        if (subject or text) not in self._said:
            self._said.add(subject or text)
            say(text)

    def _beat(self, standing: Standing, now: float, wake: float, deadline: float, asking: str = "") -> None:
        """Say how things stand, where nothing was said for a while; a terminal shows it anyway."""
        if not self._live.live and now - self._last_line >= HEARTBEAT:
            self._last_line = now
            self._log.info(_said(standing, now, wake, deadline, asking))

    def _exchange(self, step: Step, told: Mapping[str, object]) -> None:
        """Request and answer in detail."""
        answer, came = step.answer, step.answer or step.failure
        self._log.debug(
            "exchange",
            asked=told["asked"],
            body=json.dumps(step.request and step.request.body),
            answered=told["answered"],
            message=answer.message if answer else "",
            data=json.dumps(answer.data) if answer else None,
            request_id=came.request_id if came else "",
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
        if document := run.facts.connection:
            with self._sections.section("fivetran_facts", "What was learned"):
                self._log.info("what was learned", **_learned(run.facts, document))
        told = explain(settings, run.facts, run.chart)
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
    told = {
        "setup_state": documents.setup_state(document),  # this first
        **documents.decisive(document),
        **{f"{name}_before": (facts.baseline or {}).get(name) for name in ("succeeded_at", "failed_at")},
        "rescheduled_for": documents.rescheduled_for(document),
    }
    return {name: value for name, value in told.items() if value}


def _news(step: Step) -> object:
    """What of a step is news, where the step before it from the same state had another."""
    document = step.facts.connection or {}
    failed = (str(step.failure), step.pause) if step.failure else None  # back-offs grow, and are few
    return step.event, step.target, failed, documents.decisive(document), documents.rescheduled_for(document)
