"""`run --dry-run`: what a job would do, found out by its own machine.

The chart runs as it would, on what Fivetran answers now. What would change something is not sent, but taken for
done; at the trigger, and where another sync is waited for to its end, it stops. Nothing is written.
"""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.fivetran import documents
from orchestrator.fivetran.client import Client
from orchestrator.fivetran.effects import EFFECTS, TRIGGERS, Call, Tag
from orchestrator.fivetran.effects.situation import (
    attached,
    get_connection,
    items,
    schedule_to_restore,
    schedule_to_switch_late,
)
from orchestrator.fivetran.near_matches import missing_tables, near_matches
from orchestrator.fivetran.verdicts import explain
from orchestrator.job.configuration import ConfigurationError, Configured, configure
from orchestrator.job.job import bounded
from orchestrator.job.limits import Limits
from orchestrator.job.listing import Ask, asking, condition, pages
from orchestrator.job.masking import Mask, proxy_secrets
from orchestrator.job.streams import refuse, say
from orchestrator.machine.chart import Kind
from orchestrator.machine.run import Ports, Run, Send, drive
from orchestrator.machine.step import Step
from orchestrator.values.clock import SystemClock
from orchestrator.values.events import SIGNALS, Event
from orchestrator.values.exchange import Answer, Cut, Failure, Request
from orchestrator.values.formatting import duration

__all__ = ["dry_run", "only_reading"]

# What is said of a request that is optional -> the effect that makes it.
_OPTIONAL = {"sync history": "find_sync", "active errors": "list_errors"}
_NOT_THERE = {Event.REFUSED, Event.NOT_FOUND, Event.REJECTED}
WIDTH = 14  # of what the checklist is about


def dry_run(environ: Mapping[str, str], clock: SystemClock | None = None) -> int:
    """Say what a job with these variables would do.

    Args:
        environ: Its variables.
        clock: The time.

    Returns:
        0 if it would get on to what its action is for, else the exit code of what stands in the way.
    """
    clock = clock or SystemClock()
    try:
        configured = configure(environ, clock.wall)
    except ConfigurationError as error:
        return refuse("\n".join((*error.warnings, *error.errors)))
    settings = configured.settings
    mask = Mask(settings.api_key, settings.api_secret)
    mask.add(*configured.secrets, *proxy_secrets(environ))

    def note(text: str) -> None:
        say(mask.line(text), error=True)

    for warning in configured.warnings:
        note(warning)
    if settings.state_file and Path(settings.state_file).exists():
        note(f"FIVETRAN_STATE_FILE: {settings.state_file} is not read; the job would take up an unfinished run from it")
    with Limits(clock, warn=note) as limits:
        return _DryRun(configured, clock, limits, mask).do()


def only_reading(send: Send) -> Send:
    """A `send` by which nothing but a GET is sent.

    Raises:
        ValueError: When called with anything else.
    """

    def read(request: Request, seconds: float, interruptible: bool) -> Answer | Failure | Cut:  # noqa: FBT001  # Send's form
        if request.changes:
            raise ValueError(f"a dry run does not send {request}")
        return send(request, seconds, interruptible)

    return read


class _Skipping:
    """A clock on which a pause of the chart's is over at once."""

    def __init__(self, clock: SystemClock) -> None:
        self.skipped = 0.0
        self.wall = clock.wall
        self._clock = clock

    def monotonic(self) -> float:
        """Seconds, those that were skipped among them."""
        return self._clock.monotonic() + self.skipped


class _DryRun:
    """One dry run."""

    def __init__(self, configured: Configured, clock: SystemClock, limits: Limits, mask: Mask) -> None:
        self.settings, self.chart = configured.settings, configured.chart
        self.limits, self.mask = limits, mask
        self.clock = _Skipping(clock)
        settings = self.settings
        self.client = Client(
            settings.api_url,
            settings.api_key,
            settings.api_secret,
            now=clock.wall,
            hide=mask.learn,
            mask=mask.block,
        )
        self.read = only_reading(bounded(self.client, clock, limits))
        signal: Callable[[], Event | None] = lambda: limits.noted  # noqa: E731
        self.ask: Ask = asking(self.read, settings.http_timeout, signal)
        # The results of a dry run are what it prints.
        self.run = Run(self.chart, settings, Ports(self.clock, self._send, lambda _: None, random.random, signal))
        self.document: Mapping[str, Any] | None = None  # as Fivetran has it
        self.changes: dict[str, Any] = {}  # what of it would be changed by then
        self.waited = False  # for a sync that was running
        self.said: set[str] = set()

    # --- The run ------------------------------------------------------------------------------

    def do(self) -> int:
        """Do it, and return the exit code."""
        settings, run = self.settings, self.run
        about = f"{settings.action} {settings.connector_id}"
        say(f"dry run of {about}: only GET requests are sent, nothing is changed or written\n")
        if not self._stops():
            for step in drive(run, self._pause):
                self._tell(step)
                if self._stops():
                    break
        for warning in run.facts.warnings:
            self._say_of("note", warning)
        code = self._verdict() if run.ended else self._trigger()
        try:
            if self.document is not None and run.facts.verdict not in SIGNALS:
                code = self._check() or code
        except Failure as failure:  # a signal
            code = self.chart.exit_of(failure.event)[1]
        self.client.close()
        words = "would proceed" if code == 0 else "would not get through as things stand"
        say(f"\n{about} {words}: exit code {code}")
        return code

    def _send(self, request: Request, seconds: float, interruptible: bool) -> Answer | Failure | Cut:  # noqa: FBT001  # Send's form
        facts = self.run.facts
        if request.changes:
            self._say_of("would", f"{request.purpose}: {_whole(request)}")
            self.changes.update(
                {name: value for name, value in (request.body or {}).items() if name != "run_setup_tests"}
            )
            date = self.clock.wall() if facts.connection_date is None else facts.connection_date
            return Answer(data=self._changed(self.document or {}), date=date, dated=facts.dated)
        outcome = self.read(request, seconds, interruptible)
        if not isinstance(outcome, Answer) or Tag.READS not in EFFECTS[self.run.state.operand].tags:
            return outcome
        if self.document is None:
            self._say_of("found", condition(outcome.data, outcome.date))
        self.document = outcome.data
        return replace(outcome, data=self._changed(outcome.data))

    def _changed(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """The document as it would be by then."""
        changed, state = {**document, **self.changes}, documents.sync_state(document)
        if (state == "paused" and changed.get("paused") is False) or (state == "syncing" and self.waited):
            changed["status"] = {**documents.status(document), "sync_state": "scheduled"}
        return changed

    def _pause(self, until: float) -> None:
        run = self.run
        if run.state.kind is not Kind.WAITS:  # Fivetran gave no usable answer: that is waited for
            self.limits.pause(until - self.clock.skipped)
            return
        left = max(0.0, until - self.clock.monotonic())
        if documents.sync_state(run.facts.connection or {}) == "syncing":
            self._say_of("would", f"wait for the end of the running sync, looking every {duration(left)}")
            self.waited = True
        else:
            self._say_of("would", f"wait for {duration(left)}, and look again")
        self.clock.skipped += left

    def _stops(self) -> bool:
        """Whether the next thing to do is what the action is for, which a dry run cannot know the end of."""
        run, request = self.run, self.run.request
        follows = run.state.kind is Kind.WAITS and attached(self.settings, run.facts)
        return follows or (request is not None and not request.repeatable)

    def _tell(self, step: Step) -> None:
        if step.after.concluded > step.before.concluded and step.facts.verdict == self.chart.green:
            self._say_of("would", f"show the {self.chart.prints}")
        if step.pause:
            self._note(f"{step.rule}; the next attempt is in {duration(step.pause)}")

    # --- What it comes to ---------------------------------------------------------------------

    def _trigger(self) -> int:
        """What it would do from here on."""
        settings, facts, request = self.settings, self.run.facts, self.run.request
        most = f"at most {duration(settings.timeout)} (FIVETRAN_TIMEOUT)"
        then = f"poll every {duration(settings.poll_interval)} until the sync has ended, for {most}"
        if request is None:
            self._say_of("would", f"follow the sync that is running: {then}")
        else:
            self._say_of("would", f"{request.purpose}: {_whole(request)}")
            triggers = not TRIGGERS.isdisjoint(EFFECTS[self.run.state.operand].tags)
            self._say_of("would", then if triggers else f"wait for the answer, for {most}")
        if schedule_to_restore(settings, facts):
            schedule = "auto" if settings.restore_schedule == "auto" else f"{facts.schedule_before}, as it was found"
            self._say_of("would", f"set the schedule to {schedule}, once the sync has ended")
        elif self.chart.values("late_switch") and schedule_to_switch_late(settings, facts.but(triggered=True)):
            self._say_of("would", "switch the connection to a manual schedule, once the sync has ended")
        return 0

    def _verdict(self) -> int:
        """How it would end, where it ends without a trigger."""
        code = self.run.state.exit or 0
        if code == 0:
            return code
        told = explain(self.settings, self.run.facts, self.chart)
        self._say_of("stops", told.headline)
        for label, lines in (("why", told.reasons), ("now", told.advice)):
            for line in lines:
                self._say_of(label, line)
        return code

    # --- What the documentation alone cannot tell ---------------------------------------------

    def _check(self) -> int:
        """Tell what this account has, and return the exit code of what stands in the way; 0 if nothing does."""
        say("\nwhat only the account itself can tell:")
        for subject, name in _OPTIONAL.items():
            self._say_of(subject, self._available(name), WIDTH)
        dated = "yes" if self.run.facts.dated else "no: nothing tells when Fivetran's dates are"
        self._say_of("Date header", dated, WIDTH)
        self._say_of("listing", self._listing(), WIDTH)
        self._say_of("permissions", "to change anything: not tried", WIDTH)
        code = 0
        if self.settings.scope:
            missing = [*self._missing_tables()]
            for line in missing or ["known"]:
                self._say_of("tables", line, WIDTH)
            code = self.chart.exit_of(Event.NOT_FOUND)[1] if missing else 0
        return code

    def _asked(self, request: Request) -> Answer | str:
        """The answer, or in words that there is none."""
        try:
            return self.ask(request)
        except Failure as failure:
            if failure.event in SIGNALS:
                raise
            return f"{'not available' if failure.event in _NOT_THERE else 'not known'}: {failure}"

    def _request(self, name: str) -> Request:
        effect = EFFECTS[name]
        assert isinstance(effect, Call)  # noqa: S101  # those named here are
        return effect.ask(self.settings, self.run.facts)

    def _available(self, name: str) -> str:
        answer = self._asked(self._request(name))
        return answer if isinstance(answer, str) else "available"

    def _listing(self) -> str:
        try:
            for answer in pages(self.ask):
                for each in items(answer):
                    if each.get("id") == self.settings.connector_id:
                        return self._compared(each)
        except Failure as failure:
            if failure.event in SIGNALS:
                raise
            return f"not available: {failure}"
        return "does not have this connection"

    def _compared(self, listed: Mapping[str, Any]) -> str:
        """Whether the listing's document says the same of what decides as the connection's own."""
        own = self.document or {}
        if documents.decisive(listed) != documents.decisive(own):  # something may have happened in between
            again = self._asked(get_connection(self.settings, self.run.facts))
            own = again.data if isinstance(again, Answer) else own
        here, there = documents.decisive(listed), documents.decisive(own)
        different = [name for name in {**here, **there} if here.get(name) != there.get(name)]
        if not different:
            return "agrees with the connection's own document"
        return "differs: " + "; ".join(
            f"{name} is {here.get(name, 'not there')}, in the connection's own document {there.get(name, 'not there')}"
            for name in different
        )

    def _missing_tables(self) -> Iterator[str]:
        """What of the tables that are to be re-synced is not there."""
        answer = self._asked(self._request("find_near_matches"))
        if isinstance(answer, str):
            self._note(f"whether the tables exist is {answer}")
            return
        for schema, table in missing_tables(answer.data, self.settings.scope):
            near = near_matches(answer.data, {schema: [table]})
            yield f"{schema}.{table} does not exist at the source; like it: {', '.join(near) or 'nothing'}"

    # --- Words --------------------------------------------------------------------------------

    def _say_of(self, label: str, text: str, width: int = 5) -> None:
        """Say it once: what comes round again is no news."""
        if (line := f"  {label:{width}}  {self.mask.line(text)}") not in self.said:
            self.said.add(line)
            say(line)

    def _note(self, text: str) -> None:
        say(self.mask.line(text), error=True)


def _whole(request: Request) -> str:
    return f"{request} {json.dumps(request.body)}"
