"""One job for many connections, from its variables to its exit code; or for one that has to be found first."""

import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.fivetran import documents
from orchestrator.fivetran.verdicts import outside
from orchestrator.fleet.budget import Budget
from orchestrator.fleet.live import LiveTable
from orchestrator.fleet.progress import QUEUED, Progress, Row, counts_line
from orchestrator.fleet.reader import Reader
from orchestrator.fleet.report_folder import FleetReporter
from orchestrator.fleet.result import fleet_result, is_green, member, not_started
from orchestrator.fleet.scheduler import About, Scheduler
from orchestrator.fleet.selection import Nothing, Selection, asking_patiently, chosen, configure_many, naming
from orchestrator.fleet.senders import Senders
from orchestrator.fleet.state_folder import StateFolder
from orchestrator.fleet.table import render
from orchestrator.fleet.verdict_block import first_line, happened, other_lines
from orchestrator.job.configuration import ConfigurationError, Configured
from orchestrator.job.job import MAY_RUN, RUNNER, Job, bounded, connected
from orchestrator.job.limits import Limits
from orchestrator.job.messages import message
from orchestrator.job.result import Document, result, result_outside, subject
from orchestrator.job.state_file import read_finished
from orchestrator.job.trace import Trace
from orchestrator.machine.chart import Kind
from orchestrator.machine.run import Ports, Run
from orchestrator.machine.standing import Standing, resumed
from orchestrator.machine.step import Step
from orchestrator.values.events import SIGNALS, Event
from orchestrator.values.exchange import Cut
from orchestrator.values.exit_codes import BUG, MISCONFIGURED, UNAVAILABLE
from orchestrator.values.facts import Facts
from orchestrator.values.formatting import duration
from orchestrator.values.settings import Settings

__all__ = ["FleetJob"]

HEARTBEAT = 60.0  # seconds between two lines that say how things stand
LEISURE = 0.7  # seconds after a signal in which journals are still written
EACH = 3  # connections of which the same warning is logged
PROBLEMS = 10  # state files of which the job says what is wrong with them
# What a verdict's JSON line has of the result.
_FIELDS = (
    *("action", "group_id", "verdict", "exit_code", "exit_meaning", "outcome", "headline", "total", "counts"),
    *("running", "still_running", "schedules_left", "advice", "elapsed_seconds"),
)


class _Member:
    """One of the connections, until its end and then its result."""

    __slots__ = ("document", "doing", "facts", "records", "run", "since", "snapshot", "syncing", "trace")

    def __init__(self) -> None:
        self.snapshot: Mapping[str, Any] | None = None  # what its run is taken up from
        self.run: Run | None = None
        self.trace = Trace()
        self.records: tuple[Callable[[Step], None], ...] = ()
        self.facts = Facts()  # at its end, where stdout needs them
        self.doing, self.since, self.syncing = QUEUED, 0.0, False
        self.document: Document | None = None

    def row(self, name: str) -> Row:
        """It as the live table shows it."""
        end = self.document
        if end is None:
            return Row(name, doing=self.doing, since=self.since, syncing=self.syncing)
        service, headline, code = str(end["service"] or ""), happened(end), end["exit_code"]
        return Row(name, service, since=self.since, outcome=end["outcome"], headline=headline, exit_code=code)


class FleetJob(Job):
    """One job for many connections. The arguments are those of `Job`.

    Attributes:
        verdicts: How many connections ended with which verdict; empty before the end.
    """

    def __init__(self, environ: Mapping[str, str], **how: Any) -> None:  # noqa: ANN401  # as `Job` takes it
        super().__init__(environ, **how)
        self.verdicts: Mapping[str | None, int] = {}
        self._members: dict[str, _Member] = {}
        self._began = self.clock.monotonic()
        self._said: dict[str, int] = {}  # a warning -> how many connections had it
        self._last_line = 0.0
        self._hurries_from: float | None = None  # on the clock, once a signal has come
        self._left_out = "FIVETRAN_TIMEOUT ran out before its turn"
        self._table = LiveTable(self.live, self.mask)

    @property
    def _now(self) -> float:
        """Seconds since the job began."""
        return self.clock.monotonic() - self._began

    def _run(self, limits: Limits) -> int:
        configured, selection, self._options = configure_many(self.environ, self.clock.wall)
        settings, self._limits = configured.settings, limits
        self._hide(configured)
        self.reporter.directory = settings.report_dir
        try:
            send = bounded(connected(settings, self.clock, self.mask), self.clock, limits)
            ask = asking_patiently(send, settings, limits, self.clock, self.jitter, self.log.warning)
            ids = chosen(selection, ask, self.log.info)
        except Nothing as nothing:
            why = nothing.reasons, "no sync was started", nothing.advice
            return self._end(str(nothing.verdict), nothing.code, nothing.headline, *why)
        if selection.is_one(ids):
            self.environ = naming(self.environ, ids[0])
            return super()._run(limits)
        return self._run_all(configured, selection, ids)

    def _run_all(self, configured: Configured, selection: Selection, ids: Sequence[str]) -> int:
        self._settings, self._chart = configured.settings, configured.chart
        if not self.environ.get("FIVETRAN_EVIDENCE", "").strip():  # it would double the requests
            self._settings = replace(self._settings, evidence="red")
        settings, options, limits = self._settings, self._options, self._limits
        self._traced = bool(settings.report_dir or settings.state_file)  # nothing else shows the steps
        self._folder = StateFolder(settings.state_file)
        self._members = {name: _Member() for name in ids}
        self._read_states()
        self._report = FleetReporter(settings.report_dir, self.mask, self.log.warning, self.environ)
        self._tell(configured, self._opening(selection))
        if not any(each.snapshot or each.document for each in self._members.values()):
            self._report.clear()
        budget = Budget(options.budget)

        def heed(headers: Mapping[str, str]) -> None:
            budget.heed(headers, self.clock.monotonic())

        known = dict[str, Mapping[str, Any]]()
        senders = Senders[About](
            lambda: connected(settings, self.clock, self.mask, heed, known), self.clock, limits, self.log.warning
        )
        self._scheduler = Scheduler(
            self,
            senders,
            Reader(selection.group, self.log.warning),
            budget,
            self.clock,
            parallel=options.parallel if self._chart.triggers else None,
            interval=settings.poll_interval,
            deadline=self._began + settings.timeout,
        )
        limits.tick = self._tick_all
        begun = [name for name, each in self._members.items() if each.snapshot]
        new = [name for name, each in self._members.items() if not each.snapshot and each.document is None]
        self._scheduler.drive(new, begun)
        senders.close()
        limits.tick = lambda: None
        self.live.clear()
        return self._conclude(selection)

    def _opening(self, selection: Selection) -> str:
        """What the job is about to do, in a line."""
        settings, chart, number = self._settings, self._chart, len(self._members)
        of = f" of group {selection.group}" if selection.group else ""
        most = min(self._options.parallel, number)
        at_once = f", {most} at once, polling every {settings.poll_interval:g} s" if chart.triggers else ""
        members = self._members.values()
        green, kept = sum(bool(each.document) for each in members), sum(bool(each.snapshot) for each in members)
        done = f"; {green:,} are green already in this pipeline" if green else ""
        going = f"; {kept:,} were under way and are resumed" if kept else ""
        many = "connection" if number == 1 else "connections"
        return f"{chart.action} {number:,} {many}{of}: up to {duration(settings.timeout)}{at_once}{done}{going}"

    def _settings_of(self, name: str) -> Settings:
        return replace(self._settings, connector_id=name, state_file=self._folder.file(name))

    def _read_states(self) -> None:
        """What earlier jobs of this pipeline left: runs to take up, and connections that are green already.

        Raises:
            ConfigurationError: A state file cannot be used, or with `--resume` none is there.
        """
        problems, given = list[str](), bool(self._settings.state_file)
        for name, each in self._members.items() if given else ():
            settings = self._settings_of(name)
            if not Path(settings.state_file).exists():
                continue
            if finished := read_finished(settings, self._chart):
                self._green_already(name, settings, finished)
                continue
            try:
                each.snapshot = self._snapshot(settings, self._chart)
            except ConfigurationError as error:
                problems += error.errors
        if problems:
            more = len(problems) - PROBLEMS
            rest = [f"FIVETRAN_STATE_FILE: {more} more files there cannot be used"] if more > 0 else []
            raise ConfigurationError([*problems[:PROBLEMS], *rest], [])
        if self.must_resume and not any(each.snapshot or each.document for each in self._members.values()):
            problem = (
                f"FIVETRAN_STATE_FILE: {self._settings.state_file} holds no unfinished run: start without --resume"
            )
            raise ConfigurationError([problem], [])

    def _green_already(self, name: str, settings: Settings, snapshot: Mapping[str, Any]) -> None:
        """A connection that an earlier job of this pipeline brought to its end."""
        standing, _ = resumed(self._chart, settings, snapshot, self.clock.wall())
        trace = Trace(snapshot["trail"], dropped=int(snapshot["trail_dropped"]))
        ended = standing.started_at + (standing.facts.concluded_at or 0.0)
        document = result(settings, self._chart, standing, trace, ended)
        notes = (*document["notes"], "it was green already in this pipeline, and was not run again")
        self._members[name].document = member({**document, "notes": notes})
        if self._chart.prints == "connection":
            self._members[name].facts = standing.facts

    # --- What the scheduler asks of its owner -------------------------------------------------

    def signal(self) -> Event | None:
        """The signal that has arrived, as its event, or None."""
        noted = self._limits.noted
        if noted and self._hurries_from is None:
            self._hurries_from = self.clock.monotonic() + LEISURE
        return noted

    def _hurries(self) -> bool:
        """Whether a signal leaves no time for what is not the result."""
        return self._hurries_from is not None and self.clock.monotonic() >= self._hurries_from

    def begin(self, connector_id: str) -> Run:
        """The run of a connection, whose turn has come."""
        each, settings = self._members[connector_id], self._settings_of(connector_id)
        # The results are written once, for all of them.
        ports = Ports(self.clock, lambda *_: Cut.LIMIT, lambda _: None, self.jitter, self.signal)
        begun = self._begin(settings, self._chart, ports, each.snapshot)
        if each.snapshot is None:  # the job's time is what is left of it
            left = settings.timeout - self._now
            begun.run.standing = begun.run.standing._replace(deadline=left)
            begun = begun._replace(trace=Trace(whole=bool(settings.report_dir)))
        journal = self._journal(begun, self._journal_file(connector_id), each=False)
        each.records = (journal, self._unless_stopped(self._keeper(begun, each=False)))
        each.trace, each.snapshot, each.doing, each.since = begun.trace, None, "starting", self._now
        each.run = begun.run
        return begun.run

    def _unless_stopped(self, keep: Callable[[Step], None]) -> Callable[[Step], None]:
        """What keeps a run, but not its end by a signal: it is taken up from where it stood, as if it were killed."""
        return lambda step: None if step.facts.verdict in SIGNALS else keep(step)

    def took(self, run: Run, step: Step) -> None:
        """A run took a step."""
        name = run.settings.connector_id
        each = self._members[name]
        if self._traced:
            each.trace.add(step)
        for record in () if self._hurries() else each.records:
            record(step)
        if step.kind is Kind.DOES:  # else nothing goes on that did not before
            said = message(step, run.settings, run.chart)
            if said.doing and said.doing != each.doing:
                each.doing, each.since = said.doing, self._now
            each.syncing = documents.sync_state(step.facts.connection or {}) == "syncing"
        if self.debug:
            self.log.debug(f"{name}: {step.source} -> {step.target}", on=step.event, asked=step.detail)
        before = step.before.facts.warnings
        if step.facts.warnings != before:
            for warning in step.facts.warnings[len(before) :]:
                self._warn_of(name, warning)

    def ended(self, run: Run) -> None:
        """A run has ended; what is left of it is its result."""
        name = run.settings.connector_id
        each = self._members[name]
        if run.chart.prints == "connection":
            each.facts = run.facts
        self._keep(name, result(run.settings, run.chart, run.standing, each.trace, self.clock.wall()))

    def failed(self, connector_id: str, error: Exception) -> None:
        """What ended a run outside its chart: its state file, the runner, or a fault of this program."""
        each, settings, now = self._members[connector_id], self._settings_of(connector_id), self.clock.wall()
        why, running = f"{type(error).__name__}: {error}", self._running_of(each.run)
        if isinstance(error, ConfigurationError):
            verdict, code, headline, why = "misconfigured", MISCONFIGURED, "1 problem to fix", str(error)
            advice = why
        elif lack := self._lack(error):
            self._log_traceback(error, self.log.debug)
            verdict, code, headline, why = "runner_failed", UNAVAILABLE, "the runner failed", lack
            advice = RUNNER
        else:
            self._log_traceback(error, self.log.error)
            verdict, code, headline = "bug", BUG, "this is a bug of fivetran-orchestrator"
            advice = "see on the connection's page what is running; please report the bug, with the lines of the log"
        told = outside(headline, (why,), running, advice)
        standing = Standing("", Facts(), 0.0, started_at=now)
        ended = result_outside(verdict, code, told, subject(settings), standing, now, self._chart, each.trace)
        self._keep(connector_id, ended)

    def _running(self) -> str:
        """What may be running at Fivetran, where nobody knows any more."""
        if all(each.doing == QUEUED for each in self._members.values()):
            return super()._running()
        return MAY_RUN if self._chart.triggers else ""

    def _keep(self, name: str, document: Document) -> None:
        """Keep the result of a connection, and say at once that it failed."""
        each = self._members[name]
        details = None if self._limits.noted else self._report.member(document, each.trace, self._chart)
        journal = self._journal_file(name)
        written = journal is not None and journal.is_file()
        kept = member(document, details=details, journal=self._report.journal(name) if written else None)
        each.document = self.mask.value(kept)
        each.run, each.trace, each.records, each.doing = None, Trace(), (), ""
        if is_green(each.document):
            return
        line = f"{name}: {happened(each.document)}"
        self.log.error(line, outcome=each.document["outcome"], connection_id=name)
        if self._options.fail == "fast":
            self._scheduler.waiting.clear()
            self._left_out = "another connection failed before its turn (FIVETRAN_FAIL=fast)"

    def _journal_file(self, name: str) -> Path | None:
        """Where the journal of a connection goes; None where none is written."""
        place = self._report.journal(name) if self._settings.journal else None
        return Path(self._settings.report_dir, place) if place else None

    def _warn_of(self, name: str, warning: str) -> None:
        """Log a warning, of a few connections where many have it."""
        kind = re.sub(rf"\b{re.escape(name)}\b", "ID", warning)
        count = self._said[kind] = self._said.get(kind, 0) + 1
        if count <= EACH:
            more = "; others that have the same are in the result alone" if count == EACH else ""
            self.log.warning(f"{name}: {warning}{more}", connection_id=name)

    # --- While they run -----------------------------------------------------------------------

    def _progress(self) -> Progress:
        rows = [each.row(name) for name, each in self._members.items()]
        return Progress(rows, self._now, self._settings.timeout)

    def _tick_all(self) -> None:
        """Ten times a second while something is waited for, and oftener while much happens."""
        self.stderr.drain()
        if self.live.live:
            self._table.tick(time.monotonic(), self._progress)
        elif self._now - self._last_line >= HEARTBEAT:
            self._last_line = self._now
            self.log.info(counts_line(self._progress()), elapsed_seconds=round(self._now, 1))

    # --- The end ------------------------------------------------------------------------------

    def _conclude(self, selection: Selection) -> int:
        noted, now, chart = self.signal(), self.clock.wall(), self._chart
        why = "the job was stopped before its turn" if noted else self._left_out
        ends = [
            each.document or not_started(subject(self._settings_of(name)), why, now)
            for name, each in self._members.items()
        ]
        stopped = any(end["exit_code"] is None or end["verdict"] == noted for end in ends)
        document = fleet_result(
            chart.action,
            ends,
            group=selection.group or None,
            notes=[],
            started_at=self.started_at,
            ended_at=now,
            stop=str(noted) if noted and stopped else None,
            fail=self._options.fail,
            resumes=bool(self._settings.state_file and self._settings.pipeline),
        )
        self.verdict = document["verdict"]
        try:
            self._report.write(document, chart)
        except OSError as error:
            self.log.warning(f"the report could not be written: {error}")
        self.verdicts = Counter(end["verdict"] for end in ends)
        as_json = self.json or not self.stdout.isatty()
        facts = {name: each.facts for name, each in self._members.items()}
        text = render(chart.prints, facts, document, self.mask, as_json=as_json)
        self._print(text, self._limits, self._settings.timeout - self._now)
        say = self.log.error if document["exit_code"] else self.log.info
        if self.json_lines:
            say("verdict", **{name: document[name] for name in _FIELDS}, report=self._report.place or None)
        else:
            say(first_line(document), outcome=document["outcome"], lines=other_lines(document, self._report.place))
        return int(document["exit_code"])
