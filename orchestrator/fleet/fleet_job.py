"""One job for many connections, from its variables to its exit code; or for one that has to be found first."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, get_args

from orchestrator.fivetran import documents
from orchestrator.fivetran.verdicts import outside
from orchestrator.fleet.budget import Budget
from orchestrator.fleet.progress import QUEUED, Progress, Row, counts_line
from orchestrator.fleet.reader import Reader
from orchestrator.fleet.result import Fail, fleet_result, is_green, member, not_started
from orchestrator.fleet.scheduler import About, Scheduler
from orchestrator.fleet.selection import Nothing, Selection, chosen, patient, read_selection
from orchestrator.fleet.senders import Senders
from orchestrator.fleet.state_folder import StateFolder
from orchestrator.fleet.table import render
from orchestrator.fleet.verdict_block import first_line, happened, other_lines
from orchestrator.job.configuration import ConfigurationError, Configured, configure
from orchestrator.job.inputs import Inputs
from orchestrator.job.job import Job, bounded
from orchestrator.job.limits import Limits
from orchestrator.job.listing import Ask, asking_until
from orchestrator.job.messages import message
from orchestrator.job.result import Document, result, result_outside, subject
from orchestrator.job.state_file import read_finished
from orchestrator.job.trace import Trace
from orchestrator.machine.run import Ports, Run
from orchestrator.machine.standing import Standing, resumed
from orchestrator.machine.step import Step
from orchestrator.machine.transition import start
from orchestrator.values.events import Event
from orchestrator.values.exchange import Cut
from orchestrator.values.exit_codes import BUG
from orchestrator.values.facts import Facts
from orchestrator.values.formatting import duration
from orchestrator.values.settings import Settings

__all__ = ["FleetJob"]

HEARTBEAT = 60.0  # seconds between two lines that say how things stand
REDRAWN = 0.25  # real seconds between two drawings of the live table
EACH = 3  # connections of which the same warning is logged
PROBLEMS = 10  # state files of which the job says what is wrong with them
# What a verdict's JSON line has of the result.
_FIELDS = (
    *("action", "group_id", "verdict", "exit_code", "exit_meaning", "outcome", "headline", "total", "counts"),
    *("running", "still_running", "schedules_left", "advice", "elapsed_seconds"),
)


class _Options(NamedTuple):
    """How many connections are run.

    Attributes:
        parallel: How many sync at once.
        fail: What a failure means for the others.
        budget: Requests an hour; None where the account says it.
    """

    parallel: int
    fail: Fail
    budget: int | None


def _options(inputs: Inputs) -> _Options:
    budget = inputs.count("FIVETRAN_BUDGET", 5000) if inputs.value("FIVETRAN_BUDGET") else None
    fail = inputs.one_of("FIVETRAN_FAIL")
    # What is none of them is reported, and the job does not begin.
    known: Fail = next((one for one in get_args(Fail) if one == fail), "any")
    return _Options(inputs.count("FIVETRAN_MAX_PARALLEL"), known, budget)


class _Member:
    """One of the connections, until its end and then its result."""

    __slots__ = ("consume", "document", "doing", "facts", "since", "snapshot", "syncing", "trace")

    def __init__(self) -> None:
        self.snapshot: Mapping[str, Any] | None = None  # what its run is taken up from
        self.trace = Trace()
        self.consume: tuple[Callable[[Step], None], ...] = ()
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
    """One job for many connections. The arguments are those of `Job`."""

    def __init__(self, environ: Mapping[str, str], **how: Any) -> None:  # noqa: ANN401  # as `Job` takes it
        super().__init__(environ, **how)
        self._members: dict[str, _Member] = {}
        self._debug = bool(environ.get("DATAOPS_DEBUG", "").strip())
        self._began = self.clock.monotonic()
        self._said: dict[str, int] = {}  # a warning -> how many connections had it
        self._last_line, self._drawn = 0.0, -math.inf
        self._left_out = "FIVETRAN_TIMEOUT ran out before its turn"

    @property
    def _now(self) -> float:
        """Seconds since the job began."""
        return self.clock.monotonic() - self._began

    def _run(self, limits: Limits) -> int:
        selections, options = list[Selection](), list[_Options]()

        def read(inputs: Inputs) -> str:
            selections.append(read_selection(inputs))
            options.append(_options(inputs))
            return ""

        configured = configure(self.environ, self.clock.wall, read)
        (selection,), (self._options,) = selections, options
        settings, self._limits = configured.settings, limits
        self._hide(configured)
        self.reporter.directory = settings.report_dir
        try:
            ids = chosen(selection, self._ask(settings), self.log.info)
        except Nothing as nothing:
            why = nothing.reasons, "no sync was started", nothing.advice
            return self._end(str(nothing.verdict), nothing.code, nothing.headline, *why)
        if len(ids) == 1 and not selection.group:
            found = {"FIVETRAN_CONNECTOR_ID": "", "FIVETRAN_CONNECTION_NAME": "", "CONNECTOR_ID": ids[0]}
            self.environ = {**self.environ, **found}
            return super()._run(limits)
        return self._run_all(configured, selection, ids)

    def _ask(self, settings: Settings) -> Ask:
        """What asks which connections are meant."""
        limits, clock = self._limits, self.clock
        until = clock.monotonic() + settings.timeout
        send = bounded(self._client(settings), clock, limits)
        ask = asking_until(send, settings.http_timeout, settings.timeout, clock, self.signal)
        pause: Callable[[float], None] = lambda seconds: limits.pause(clock.monotonic() + seconds)  # noqa: E731
        left: Callable[[], float] = lambda: until - clock.monotonic()  # noqa: E731
        return patient(ask, pause, left, settings.retry_limit, self.jitter, self.log.warning)

    def _run_all(self, configured: Configured, selection: Selection, ids: Sequence[str]) -> int:
        self._settings, self._chart = configured.settings, configured.chart
        if not self.environ.get("FIVETRAN_EVIDENCE", "").strip():  # it would double the requests
            self._settings = replace(self._settings, evidence="red")
        settings, options, limits = self._settings, self._options, self._limits
        self._folder = StateFolder(settings.state_file)
        self._members = {name: _Member() for name in ids}
        self._read_states()
        self._tell(configured, self._opening(selection))
        budget = Budget(options.budget)

        def heed(headers: Mapping[str, str]) -> None:
            budget.heed(headers, self.clock.monotonic())

        senders = Senders[About](lambda: self._client(settings, heed), self.clock, limits, self.log.warning)
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
        green = sum(each.document is not None for each in self._members.values())
        done = f"; {green} are green already in this pipeline" if green else ""
        return f"{chart.action} {number:,} connections{of}: up to {duration(settings.timeout)}{at_once}{done}"

    def _settings_of(self, name: str) -> Settings:
        return replace(self._settings, connector_id=name, state_file=self._folder.file(name))

    def _read_states(self) -> None:
        """What earlier jobs of this pipeline left: runs to take up, and connections that are green already.

        Raises:
            ConfigurationError: A state file cannot be used, or with `--resume` none is there.
        """
        if not self._settings.state_file:
            return
        problems = list[str]()
        for name, each in self._members.items():
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
            raise ConfigurationError(problems[:PROBLEMS], [])
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

    # --- What the scheduler asks of its owner -------------------------------------------------

    def signal(self) -> Event | None:
        """The signal that has arrived, as its event, or None."""
        return self._limits.noted

    def begin(self, connector_id: str) -> Run:
        """The run of a connection, whose turn has come."""
        each, settings, wall = self._members[connector_id], self._settings_of(connector_id), self.clock.wall()
        # The results are written once, for all of them.
        ports = Ports(self.clock, lambda *_: Cut.LIMIT, lambda _: None, self.jitter, self.signal)
        begun = self._begin(settings, self._chart, ports, each.snapshot)
        if each.snapshot is None:  # the job's time is what is left of it
            left = settings.timeout - self._now
            begun.run.standing = start(self._chart, settings, wall)._replace(deadline=left)
            begun = begun._replace(trace=Trace(whole=bool(settings.report_dir)))
        journal = self._journal(begun, self._journal_file(connector_id))
        each.consume = (begun.trace.add, journal, self._keeper(begun, each=False))
        each.trace, each.snapshot, each.doing, each.since = begun.trace, None, "starting", self._now
        return begun.run

    def took(self, run: Run, step: Step) -> None:
        """A run took a step."""
        name = run.settings.connector_id
        each = self._members[name]
        for consume in each.consume:
            consume(step)
        said = message(step, run.settings, run.chart)
        if said.doing and said.doing != each.doing:
            each.doing, each.since = said.doing, self._now
        each.syncing = documents.sync_state(step.facts.connection or {}) == "syncing"
        if self._debug:
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
        """A fault of this program ended a run; the others go on."""
        self._log_traceback(error, self.log.error)
        each, settings, now = self._members[connector_id], self._settings_of(connector_id), self.clock.wall()
        advice = "see on the connection's page what is running; please report the bug, with the lines of the log"
        headline, why = "this is a bug of fivetran-orchestrator", f"{type(error).__name__}: {error}"
        told = outside(headline, (why,), "a sync that was triggered MAY STILL BE RUNNING", advice)
        standing = Standing("", Facts(), 0.0, started_at=now)
        ended = result_outside("bug", BUG, told, subject(settings), standing, now, self._chart, each.trace)
        self._keep(connector_id, ended)

    def _keep(self, name: str, document: Document) -> None:
        """Keep the result of a connection, and say at once that it failed."""
        each = self._members[name]
        clean: Document = self.mask.value(document)
        journal = self._journal_file(name)
        each.document = member(clean, journal=f"{JOURNALS}/{name}.jsonl" if journal and journal.is_file() else None)
        each.trace, each.consume, each.doing = Trace(), (), ""
        if is_green(each.document):
            return
        self._last_line = self._now
        line = f"{name}: {happened(each.document)}"
        self.log.error(line, outcome=each.document["outcome"], connection_id=name)
        if self._options.fail == "fast":
            self._scheduler.waiting.clear()
            self._left_out = "another connection failed before its turn (FIVETRAN_FAIL=fast)"

    def _journal_file(self, name: str) -> Path | None:
        directory = self._settings.report_dir
        return Path(directory, JOURNALS, f"{name}.jsonl") if directory and self._settings.journal else None

    def _warn_of(self, name: str, warning: str) -> None:
        """Log a warning, of a few connections where many have it."""
        count = self._said[warning] = self._said.get(warning, 0) + 1
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
            real = time.monotonic()
            if real - self._drawn >= REDRAWN:
                self._drawn = real
                self.live.show(counts_line(self._progress()))
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
        as_json = self.json or not self.stdout.isatty()
        facts = {name: each.facts for name, each in self._members.items()}
        text = render(chart.prints, facts, document, self.mask, as_json=as_json)
        self._print(text, self._limits, self._settings.timeout - self._now)
        say = self.log.error if document["exit_code"] else self.log.info
        if self.json_lines:
            say("verdict", **{name: document[name] for name in _FIELDS}, report=self.reporter.place or None)
        else:
            say(first_line(document), outcome=document["outcome"], lines=other_lines(document, self.reporter.place))
        return int(document["exit_code"])


JOURNALS = "journals"  # in FIVETRAN_REPORT_DIR
