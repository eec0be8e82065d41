"""`run --dry-run`: what a job would do, found out by its own machine.

The chart runs as it would, on what Fivetran answers now. A change is not sent, but assumed to have been made, and a
pause to be over. It stops where the action's own work begins: the sync or the tests that only a job starts, or a
running sync that it would follow. Nothing is written.
"""

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from orchestrator.fivetran import documents
from orchestrator.fivetran.effects import EFFECTS, TRIGGERS, Call, Tag
from orchestrator.fivetran.effects.situation import (
    attached,
    items,
    schedule_to_restore,
    schedule_to_switch_late,
)
from orchestrator.fivetran.near_matches import missing_tables, near_matches
from orchestrator.fivetran.verdicts import explain
from orchestrator.job.configuration import ConfigurationError, Configured, configure
from orchestrator.job.job import bounded, connected
from orchestrator.job.limits import Limits
from orchestrator.job.listing import Ask, asking, pages
from orchestrator.job.masking import Mask, proxy_secrets
from orchestrator.job.streams import refuse, say
from orchestrator.machine.chart import Kind
from orchestrator.machine.run import Ports, Run, Send, drive
from orchestrator.machine.step import Step
from orchestrator.values.clock import SystemClock
from orchestrator.values.events import SIGNALS, Event
from orchestrator.values.exchange import Answer, Cut, Failure, Request
from orchestrator.values.formatting import duration
from orchestrator.values.settings import LONGEST_POLL, SHORTEST_POLL

__all__ = ["DryRun", "dry_run", "mask_of", "only_reading"]

# What is said of a request that is optional -> the effect that makes it.
_OPTIONAL = {"sync history": "find_sync", "active errors": "list_errors"}
_NOT_THERE = {Event.REFUSED, Event.NOT_FOUND, Event.REJECTED}
WIDTH = 14  # of what the checklist is about

T = TypeVar("T")


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
    mask = mask_of(configured, environ)

    def note(text: str) -> None:
        say(mask.line(text), error=True)

    for warning in configured.warnings:
        note(warning)
    if settings.state_file and Path(settings.state_file).exists():
        note(f"FIVETRAN_STATE_FILE: {settings.state_file} is not read; the job would take up an unfinished run from it")
    with Limits(clock, warn=note) as limits:
        client = connected(settings, clock, mask)
        code = DryRun(configured, clock, limits, mask, only_reading(bounded(client, clock, limits))).do()
    client.close()
    return code


def mask_of(configured: Configured, environ: Mapping[str, str]) -> Mask:
    """What takes the secrets of a job out of what is said of it."""
    mask = Mask(configured.settings.api_key, configured.settings.api_secret)
    mask.add(*configured.secrets, *proxy_secrets(environ))
    return mask


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


class DryRun:
    """One dry run.

    Args:
        configured: What the job would do.
        clock: The time.
        limits: Time limits and signals.
        mask: Takes the secrets out.
        read: Sends what only reads.
    """

    def __init__(self, configured: Configured, clock: SystemClock, limits: Limits, mask: Mask, read: Send) -> None:
        self.settings, self.chart = configured.settings, configured.chart
        self.limits, self.mask = limits, mask
        self.clock = _Skipping(clock)
        settings = self.settings
        self.read = read
        signal: Callable[[], Event | None] = lambda: limits.noted  # noqa: E731
        self.ask: Ask = asking(self.read, settings.http_timeout, signal)
        # The results of a dry run are what it prints.
        self.run = Run(self.chart, settings, Ports(self.clock, self._send, lambda _: None, random.random, signal))
        self.document: Mapping[str, Any] | None = None  # as Fivetran has it
        self.changes: dict[str, Any] = {}  # what of it would be changed by then
        self.waited = False  # for a sync that was running

    # --- The run ------------------------------------------------------------------------------

    def do(self) -> int:
        """Do it, and return the exit code."""
        settings, run = self.settings, self.run
        about = self.mask.line(f"{settings.action} {settings.connector_id}")
        say(f"dry run of {about}: only GET requests are sent, nothing is changed or written\n")
        code = self.walk()
        stopped = run.facts.verdict in SIGNALS
        try:
            if self.document is not None and not stopped:
                obstacle = self._check()
                code = code or obstacle
        except Failure as failure:  # a signal
            stopped, code = True, self.chart.exit_of(failure.event)[1]
        if stopped:
            say(f"\ninterrupted; the dry run of {about} is incomplete: exit code {code}")
        else:
            say(f"\n{about} would {'proceed' if code == 0 else 'fail now'}: exit code {code}")
        return code

    def walk(self) -> int:
        """Go as far as only a job can go on, and say what it would do; return the exit code."""
        run = self.run
        if not self._stops():
            for step in drive(run, self._pause):
                self._tell(step)
                if self._stops():
                    break
        for warning in run.facts.warnings:
            self._say_of("note", warning)
        return self._verdict() if run.ended else self._trigger()

    def _send(self, request: Request, seconds: float, interruptible: bool) -> Answer | Failure | Cut:  # noqa: FBT001  # Send's form
        facts = self.run.facts
        if request.changes:
            self._would(request)
            self.changes.update(
                {name: value for name, value in (request.body or {}).items() if name != "run_setup_tests"}
            )
            date = self.clock.wall() if facts.connection_date is None else facts.connection_date
            return Answer(data=self._changed(self.document or {}), date=date, dated=facts.dated)
        outcome = self.read(request, seconds, interruptible)
        if not isinstance(outcome, Answer) or Tag.READS not in EFFECTS[self.run.state.operand].tags:
            return outcome
        if self.document is None:
            self._say_of("found", f"{self.settings.connector_id}{documents.summary(outcome.data, outcome.date)}")
        self.document = outcome.data
        return outcome._replace(data=self._changed(outcome.data))

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
            self._say_of("would", f"wait for the end of the running sync, looking every {self._interval()}")
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
        run, settings, facts, request = self.run, self.settings, self.run.facts, self.run.request
        most = f"at most {duration(settings.timeout)} (FIVETRAN_TIMEOUT)"
        interval = f"{SHORTEST_POLL:g} to {LONGEST_POLL:g} s" if self.settings.adaptive else self._interval()
        then = f"poll every {interval} until the sync has ended, for {most}"
        triggers = not TRIGGERS.isdisjoint(EFFECTS[run.state.operand].tags) if request else True
        if request is None:
            self._say_of("would", f"follow the sync that is running: {then}")
        else:
            self._would(request)
            self._then(then if triggers else f"wait for the answer, for {most}")
        if schedule_to_restore(settings, facts):
            schedule = "auto" if settings.restore_schedule == "auto" else f"{facts.schedule_before}, as it was found"
            self._say_of("would", f"set the schedule to {schedule}, at the end")
        elif self.chart.values("late_switch") and schedule_to_switch_late(settings, facts.but(triggered=triggers)):
            self._say_of("would", "switch the connection to a manual schedule, at the end")
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
        say("\nchecked against this account:")
        for subject, name in _OPTIONAL.items():
            answer = self._answer(name)
            self._say_of(subject, answer if isinstance(answer, str) else "available", WIDTH)
        dated = "yes" if self.run.facts.dated else "no: nothing tells when Fivetran's dates are"
        self._say_of("Date header", dated, WIDTH)
        self._say_of("listing", self._asked(self._listing), WIDTH)
        self._say_of("permissions", "to change anything: not tried", WIDTH)
        return self._check_tables() if self.settings.scope else 0

    def _check_tables(self) -> int:
        """The same of the tables that are to be re-synced."""
        answer = self._answer("find_near_matches")
        if isinstance(answer, str):
            self._say_of("tables", answer, WIDTH)
            return 0
        missing, off = missing_tables(answer.data, self.settings.scope)
        for schema, table in off:
            self._say_of("tables", f"{schema}.{table} is not enabled for syncing", WIDTH)
        for schema, table in missing:
            near = ", ".join(near_matches(answer.data, {schema: [table]}))
            alike = f"like it: {near}" if near else "nothing is like it"
            self._say_of(
                "tables", f"Fivetran does not know {schema}.{table} (is it new at the source?); {alike}", WIDTH
            )
        if not missing and not off:
            self._say_of("tables", "known to Fivetran", WIDTH)
        return self.chart.exit_of(Event.NOT_FOUND)[1] if missing else 0

    def _asked(self, ask: Callable[[], T]) -> T | str:
        """What is asked for, or in words that it is not to be had."""
        try:
            return ask()
        except Failure as failure:
            if failure.event in SIGNALS:
                raise
            return f"{'not available' if failure.event in _NOT_THERE else 'not known'}: {failure}"

    def _answer(self, name: str) -> Answer | str:
        """The answer to the request of an effect."""
        effect = EFFECTS[name]
        assert isinstance(effect, Call)  # noqa: S101  # those named here are
        request = effect.ask(self.settings, self.run.facts)
        return self._asked(lambda: self.ask(request))

    def _listing(self) -> str:
        for answer in pages(self.ask):
            for each in items(answer):
                if each.get("id") == self.settings.connector_id:
                    return self._compared(each)
        return "does not have this connection"

    def _compared(self, listed: Mapping[str, Any]) -> str:
        """Whether the listing's document says the same of what decides as the connection's own."""
        own = self.document or {}
        if documents.decisive(listed) != documents.decisive(own):  # something may have happened in between
            again = self._answer("read_connection")
            own = again.data if isinstance(again, Answer) else own
        here, there = documents.decisive(listed), documents.decisive(own)
        different = [name for name in {**here, **there} if here.get(name) != there.get(name)]
        if not different:
            return "agrees with the connection's own document"
        return "differs: " + "; ".join(
            f"{name} is {here.get(name, 'not there')}, in the connection's own document {there.get(name, 'not there')}"
            for name in different
        )

    # --- Words --------------------------------------------------------------------------------

    def _interval(self) -> str:
        seconds = self.settings.poll_interval
        return f"{seconds:g} s" if seconds < 1 else duration(seconds)

    def _would(self, request: Request) -> None:
        self._say_of("would", f"{request.purpose}: {request} {json.dumps(request.body)}")

    def _then(self, text: str) -> None:
        self._say_of("would", text)

    def _say_of(self, label: str, text: str, width: int = 5) -> None:
        say(f"  {label:{width}}  {self.mask.line(text)}")

    def _note(self, text: str) -> None:
        say(self.mask.line(text), error=True)
