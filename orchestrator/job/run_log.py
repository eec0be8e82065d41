"""What the log says of a run: a line where something changes, one a minute otherwise, the verdict at the end.

Which states a run went through is for DATAOPS_DEBUG and the journal.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from structlog.typing import FilteringBoundLogger

from orchestrator.fivetran import documents
from orchestrator.job.log import LiveLine, Sections
from orchestrator.job.messages import message
from orchestrator.job.result import Document
from orchestrator.job.variables import VARIABLES
from orchestrator.job.verdict_block import first_line, other_lines
from orchestrator.machine.chart import Chart
from orchestrator.machine.run import Run
from orchestrator.machine.standing import Standing
from orchestrator.machine.step import Step
from orchestrator.values.facts import Facts
from orchestrator.values.formatting import duration, some_tables
from orchestrator.values.settings import LONGEST_POLL, SHORTEST_POLL, Settings

__all__ = ["RunLog", "last_document", "opening"]

HEARTBEAT = 60.0  # seconds without a line
SLOW_START = 60.0  # seconds after which an accepted sync that does not start is worth a warning
SLOW_ANSWER = 5.0  # seconds after which a request is what goes on

# What the first line says, and what every job has.
_ON_THE_FIRST_LINE = {
    *("FIVETRAN_ACTION", "CONNECTOR_ID", "FIVETRAN_API_KEY", "FIVETRAN_API_SECRET", "FIVETRAN_TIMEOUT"),
    *("FIVETRAN_POLL_INTERVAL", "SCHEMA", "TABLE", "TABLES", "FIVETRAN_LOG_FORMAT", "DATAOPS_DEBUG"),
}
# What a verdict's JSON line has of the result.
_FIELDS = (
    *("action", "verdict", "state", "exit_code", "exit_meaning", "outcome", "headline", "reasons", "running"),
    *("still_running", "at_fivetran", "schedule", "advice", "elapsed_seconds", "succeeded_at", "failed_at", "page"),
)


class RunLog:
    """Says how a run goes.

    Args:
        log: Where to.
        live: The terminal's last line.
        sections: What GitLab folds away.
        debug: Each request and answer in detail.
        json_lines: The log is JSON, for programs.
        heartbeat: Seconds without a line after which there is one.
    """

    def __init__(
        self,
        log: FilteringBoundLogger,
        live: LiveLine,
        sections: Sections,
        *,
        debug: bool = False,
        json_lines: bool = False,
        heartbeat: float = HEARTBEAT,
    ) -> None:
        self._log = log
        self._heartbeat = heartbeat
        self._live = live
        self._sections = sections
        self._debug = debug
        self._json = json_lines
        self._said: set[str] = set()  # what is said once
        self._last = ("", "")  # what was said last, and when it is tried again
        self._doing, self._since = "", 0.0  # what goes on, and since when
        self._last_line = 0.0  # when something was said

    def inputs(self, about: str, inputs: Mapping[str, str], version: str) -> None:
        """What the job is about to do, and with which variables.

        Args:
            about: What it is about to do, in a line.
            inputs: The effective value of each variable.
            version: Ours.
        """
        shown = {name: value for name, value in inputs.items() if value}
        given = {name: value for name, value in shown.items() if value != VARIABLES[name].default}
        if self._json:
            self._log.info("inputs", version=version, **shown)
        elif self._sections.shown:
            with self._sections.section("fivetran_inputs", f"fivetran-orchestrator {version}: inputs"):
                for name, value in shown.items():
                    self._log.info(f"{name}={value}{'' if name in given else ' (default)'}")
        else:
            self._log.debug(f"fivetran-orchestrator {version}", **shown)
        self._log.info(about)
        others = [f"{name}={value}" for name, value in given.items() if name not in _ON_THE_FIRST_LINE]
        if others and not self._json and not self._sections.shown:
            self._log.info(f"with {' '.join(others)}")

    def resumed(self, standing: Standing, since: str, file: str) -> None:
        """That the run was taken up again."""
        self._log.info(f"resumed the run of {since} from {file}")
        self._log.debug("resumed", state=standing.state)

    def goes_on(self, facts: Facts, now: float, doing: str) -> None:
        """The run goes on here; another process has said what these facts warn of.

        Args:
            facts: What is known.
            now: Seconds since the run began.
            doing: What goes on.
        """
        self._said.update(facts.warnings)
        self._doing, self._since, self._last_line = doing, now, now

    def add(self, step: Step, settings: Settings, chart: Chart) -> None:
        """Say what a step changed."""
        if self._debug:  # else a document would be made a text at each poll, for nobody
            self._log.debug(f"{step.source} -> {step.target}", on=step.event, **self._details(step))
        said = message(step, settings, chart)
        if said.doing and said.doing != self._doing:
            self._doing, self._since = said.doing, step.at
        if said.text and (said.text, said.pause) != self._last:
            text = "failed the same way again" if said.pause and said.text == self._last[0] else said.text
            say = self._log.warning if said.warns else self._log.info
            self._say(say, "; ".join(filter(None, (text, said.pause))), step.at)
        if said.text:
            self._last = (said.text, said.pause)
        for warning in step.facts.warnings:
            self._once(warning)
        waited = step.facts.not_started_for or 0.0
        if waited < SLOW_START:
            self._said.discard("slow start")
        elif "slow start" not in self._said:
            self._said.add("slow start")
            self._log.warning(
                f"Fivetran accepted the sync {duration(waited)} ago and has not started it: is it queued?"
            )
        if step.answer and step.answer.cut:
            self._once("Fivetran's answer has very long texts or lists: they are shown cut")
        if not step.after.concluded:
            self._beat(self._now(step.at, step.after.deadline), step.at, step.after)

    def _details(self, step: Step) -> dict[str, object]:
        """What debug shows of a step."""
        details: dict[str, object] = {}
        if step.request is not None:
            details |= {"asked": str(step.request), "answered": step.outcome, "seconds": round(step.took, 3)}
            self._exchange(step)
            if step.answer and step.answer.data and step.facts.connection is not None:
                details["sync_state"] = documents.sync_state(step.facts.connection)
        if step.pause:
            details["again_in_seconds"] = round(step.pause, 3)
        elif step.after.due > step.at:
            details["next_in_seconds"] = round(step.after.due - step.at, 3)
        return details

    def _exchange(self, step: Step) -> None:
        """Request and answer in detail."""
        answer, came = step.answer, step.answer or step.failure
        self._log.debug(
            "exchange",
            asked=str(step.request),
            body=json.dumps(step.request and step.request.body),
            answered=step.outcome,
            message=answer.message if answer else "",
            data=json.dumps(answer.data) if answer else None,
            request_id=came.request_id if came else "",
        )

    def _say(self, say: Callable[..., object], text: str, at: float, **fields: object) -> None:
        self._last_line = at
        say(text, elapsed_seconds=round(at, 1), **fields)

    def _once(self, warning: str) -> None:
        """Warn, unless that was said before."""
        if warning not in self._said:
            self._said.add(warning)
            self._log.warning(warning)

    def _now(self, now: float, deadline: float, slow: str = "") -> str:
        """What goes on, for how long already, and how much time is left."""
        doing = slow or self._doing or "starting"
        left = f"{duration(deadline - now)} left"
        return f"{doing} for {duration(now - self._since)}, {left}" if not slow else f"{doing}, {left}"

    def _beat(self, text: str, now: float, standing: Standing) -> None:
        """Say how things stand, where nothing was said for a minute; a terminal shows it anyway."""
        if not self._live.live and now - self._last_line >= self._heartbeat:
            state = documents.sync_state(standing.facts.connection or {})
            left = round(max(0.0, standing.deadline - now), 1)
            self._say(self._log.info, text, now, left_seconds=left, sync_state=state)

    def tick(self, run: Run) -> None:
        """While a pause or a call is under way; what comes after the verdict is over in seconds."""
        if run.standing.concluded:
            self._live.clear()
            return
        request, asking = run.request, run.now - run.wake
        slow = ""
        if request is not None and asking >= SLOW_ANSWER:
            slow = f"waiting {duration(asking)} for Fivetran to {request.purpose}"
        text = self._now(run.now, run.deadline, slow)
        if self._live.live:
            self._live.show(text)
        self._beat(text, run.now, run.standing)

    def verdict(self, document: Document, facts: Facts, report: str) -> None:
        """How it ended, why, what is still running, what to do.

        Args:
            document: The result.
            facts: The facts at the end.
            report: Where there is more to read, or "".
        """
        if facts.connection is not None:
            self._last_document(last_document(facts, facts.connection))
        say = self._log.error if document["exit_code"] else self._log.info
        if not self._json:
            say(first_line(document), outcome=document["outcome"], lines=other_lines(document, report))
            return
        if document["schedule_left"]:
            self._log.warning(f"schedule: {document['schedule']}")
        say("verdict", **{name: document[name] for name in _FIELDS}, report=report or None)

    def _last_document(self, found: Mapping[str, object]) -> None:
        """Folded away in GitLab, else for debug."""
        if self._sections.shown:
            with self._sections.section("fivetran_facts", "The connection at the end"):
                for name, value in found.items():
                    self._log.info(f"{name}={value}")
        else:
            self._log.debug("connection at the end", **found)


def last_document(facts: Facts, document: Mapping[str, Any]) -> dict[str, object]:
    """What decides in the last document, and what its dates were before the sync."""
    before = {f"{name}_before": (facts.baseline or {}).get(name) for name in ("succeeded_at", "failed_at")}
    return documents.decisive(document) | {name: value for name, value in before.items() if value}


def opening(settings: Settings, chart: Chart) -> str:
    """What the job is about to do."""
    tables = some_tables(settings.scope)
    about = f" of {tables}" if tables else ""
    interval = settings.poll_interval
    every = f"every {interval:g} s" if interval < HEARTBEAT else f"every {duration(interval)}"
    if settings.adaptive:
        every = f"every {SHORTEST_POLL:g} to {LONGEST_POLL:g} s"
    polls = f", polling {every}" if chart.triggers else ""
    return f"{chart.action} {settings.connector_id}{about}: up to {duration(settings.timeout)}{polls}"
