"""One job, from its variables to its exit code: where the parts are put together."""

import math
import random
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from structlog.typing import FilteringBoundLogger

from orchestrator import __version__
from orchestrator.fivetran.client import Client
from orchestrator.fivetran.documents import parse_time
from orchestrator.fivetran.verdicts import Explanation
from orchestrator.job.configuration import ConfigurationError, Configured, configure, report_dir, subject_of
from orchestrator.job.files import PRIVATE, remove_leftovers, write_atomically
from orchestrator.job.limits import Limits
from orchestrator.job.log import LiveLine, Sections, coloured, make_log
from orchestrator.job.masking import Mask, proxy_secrets
from orchestrator.job.report_folder import Reporter
from orchestrator.job.result import JOURNAL, result, result_outside
from orchestrator.job.run_log import RunLog
from orchestrator.job.state_file import Found, SnapshotError, compose_snapshot, read_snapshot
from orchestrator.job.stdout import render
from orchestrator.job.streams import PATIENCE, output
from orchestrator.job.trace import Trace
from orchestrator.machine.run import Ports, Run, drive
from orchestrator.machine.standing import GRACE, GRACE_AFTER_SIGNAL, Standing, resumed
from orchestrator.machine.step import Step
from orchestrator.values.clock import SystemClock
from orchestrator.values.exchange import Answer, Cut, Failure, Request
from orchestrator.values.exit_codes import BUG, MISCONFIGURED, UNAVAILABLE
from orchestrator.values.facts import Facts
from orchestrator.values.formatting import iso

if TYPE_CHECKING:
    from orchestrator.job.journal import JournalWriter

__all__ = ["Job", "bounded"]

MARGIN = 1.0  # seconds by which the client's own limit is the longer one: that of `Limits` decides
NO_THREAD = "can't start new thread"  # what Python's RuntimeError says
LONGEST_READ = 86_400.0  # seconds; sockets take no more than some 24 days


Send = Callable[[Request, float, bool], Answer | Failure | Cut]


def bounded(client: Client, clock: SystemClock, limits: Limits) -> Send:
    """A client's `send` for a run: the limits bound the whole request, the client each read of it."""

    def send(request: Request, seconds: float, interruptible: bool) -> Answer | Failure | Cut:  # noqa: FBT001  # Send's form
        real = min(clock.real(seconds) + MARGIN, LONGEST_READ)
        return client.send(request, real, lambda call: limits.call(call, seconds, interruptible=interruptible))

    return send


class Job:
    """One job.

    Args:
        environ: Its variables.
        clock: The time.
        jitter: A number in [0, 1), for back-offs.
        stdout: Where the result goes; sys.stdout when None.
        stderr: Where the log goes; sys.stderr when None.
        must_resume: There must be a run to take up (`run --resume`).
        observe: Shown the run before its first step (with None) and after each step.

    Attributes:
        verdict: How the run ended; None while it has not.
        trace: The steps so far.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        clock: SystemClock | None = None,
        jitter: Callable[[], float] = random.random,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
        must_resume: bool = False,
        observe: Callable[[Run, Step | None], None] = lambda _, __: None,
    ) -> None:
        self.environ = environ
        self.clock = clock or SystemClock()
        self.jitter = jitter
        self.stdout = output(stdout or sys.stdout, waits=True)
        self.stderr = output(stderr or sys.stderr)
        self.must_resume = must_resume
        self.observe = observe
        self.verdict: str | None = None
        given = (environ.get(f"FIVETRAN_API_{part}", "").strip() for part in ("KEY", "SECRET"))
        # What a vault reference resolves to is secret, the reference is not.
        self.mask = Mask(*("" if text.startswith("DATAOPS_VAULT(") else text for text in given))
        for secret in proxy_secrets(environ):
            self.mask.add(secret)
        self.live = LiveLine(self.stderr, self.mask, environ)
        debug = bool(environ.get("DATAOPS_DEBUG", "").strip())
        json_lines = environ.get("FIVETRAN_LOG_FORMAT", "").strip().lower() == "json"
        self.log: FilteringBoundLogger = make_log(
            self.mask,
            json_lines=json_lines,
            debug=debug,
            colours=coloured(environ, self.stderr),
            stream=self.stderr,
            live=self.live,
        )
        in_gitlab = bool(environ.get("GITLAB_CI")) and not json_lines
        self.sections = Sections(self.stderr, self.clock.wall, shown=in_gitlab)
        self.run_log = RunLog(self.log, self.live, self.sections, debug=debug)
        self.started_at = self.clock.wall()
        self.reporter = Reporter(report_dir(environ), self.mask, self.log.warning, environ)
        self.trace = Trace()
        self.run_so_far: Run | None = None

    def run(self) -> int:
        """Do it.

        Returns:
            The exit code.
        """
        try:
            with Limits(self.clock, warn=self.log.warning) as limits:
                code = self._verdict(limits)
                self.live.clear()
                limits.tick = lambda: None
                patience = GRACE_AFTER_SIGNAL if limits.noted else PATIENCE
                self._wait(limits, math.inf, lambda: self.stderr.finish(patience))
                return code
        except Exception as error:  # noqa: BLE001  # nothing can run without limits
            return self._bug(error)

    def _verdict(self, limits: Limits) -> int:
        try:
            return self._run(limits)
        except ConfigurationError as error:
            return self._misconfigured(error)
        except OSError as error:
            return self._runner_failed(error)
        except Exception as error:  # noqa: BLE001  # the last line of defence, and it says so
            return self._runner_failed(error) if str(error) == NO_THREAD else self._bug(error)

    def _run(self, limits: Limits) -> int:
        configured = configure(self.environ, self.clock.wall)
        settings = configured.settings
        self.reporter.directory = settings.report_dir
        pair = f"{settings.api_key}:{settings.api_secret}"
        for secret in (settings.api_key, settings.api_secret, pair, *configured.secrets):
            self.mask.add(secret)
        self.run_log.inputs(configured.inputs, configured.warnings, __version__)
        client = Client(
            settings.api_url,
            settings.api_key,
            settings.api_secret,
            now=self.clock.wall,
            hide=self.mask.learn,
            mask=self.mask.block,
        )
        send = bounded(client, self.clock, limits)
        ports = Ports(self.clock, send, self._write, self.jitter, lambda: limits.noted)
        run, snapshot = self._begin(configured, ports)
        limits.tick = lambda: self._tick(run)
        # The journal first: it knows of all that the state file knows of.
        journal = self._journal(run, snapshot)
        keeper = self._keeper(run)
        consumers: list[Callable[[Step], None]] = [self.run_log.step, self.trace.add, journal, keeper]
        self.run_so_far = run
        if not run.standing.resumed:
            self.reporter.clear()
        self.reporter.begin(run.chart, self.trace)
        self.observe(run, None)
        for step in drive(run, limits.pause):
            for consume in consumers:
                consume(step)
            self.observe(run, step)
        client.close()
        self.verdict = run.facts.verdict
        written = self.reporter.written or {}  # stdout tells the same end, however long the writing took
        ended = parse_time(written.get("ended_at")) or self.clock.wall()
        document = result(settings, run.chart, run.standing, self.trace, ended)
        self._print(render(run.chart.prints, run.facts, document, self.mask), limits, settings.timeout - run.now)
        # Last: it is what somebody looks for at the end of a job's log.
        self.run_log.verdict(settings, run, self.reporter.place)
        return run.state.exit or 0

    def _write(self, standing: Standing) -> None:
        """The results of a run that stands there."""
        run = self.run_so_far
        assert run is not None  # noqa: S101  # only a run writes
        self.reporter.write(result(run.settings, run.chart, standing, self.trace, self.clock.wall()))

    def _journal(self, run: Run, snapshot: Mapping[str, Any] | None) -> Callable[[Step], None]:
        """What writes the journal, where there is to be one; a disk that fails costs a warning."""
        settings = run.settings
        if not settings.report_dir or not settings.journal or JOURNAL in self.reporter.look():
            return lambda _: None
        file = Path(settings.report_dir, JOURNAL)
        journal: JournalWriter | None = None
        failed = False

        def add(step: Step) -> None:
            nonlocal journal, failed
            if failed:
                return
            if journal is None:
                from orchestrator.job.journal import JournalWriter  # noqa: PLC0415  # not before the first request

                journal = JournalWriter(file, run.chart, settings, self.mask, snapshot)
            try:
                journal.add(step)
            except OSError as error:
                failed = True
                self.log.warning(f"the journal {file} could not be written, and ends here: {error}")

        return add

    def _begin(self, configured: Configured, ports: Ports) -> tuple[Run, Mapping[str, Any] | None]:
        """The run, and what it was taken up from, if it was."""
        settings, chart = configured.settings, configured.chart
        file, wall = settings.state_file, self.clock.wall()
        try:
            found = read_snapshot(file, settings, chart, wall, however_old=self.must_resume) if file else Found()
            if found.run is not None:
                standing, elapsed = resumed(chart, settings, found.run, wall)
                self.trace = Trace(found.run["trail"], dropped=int(found.run["trail_dropped"]))
                since = iso(standing.started_at)
                self.log.info("taken up again", state_file=file, state=standing.state, since=since)
                return Run(chart, settings, ports, standing=standing, elapsed=elapsed), found.run
            if found.stale:
                self.log.warning(
                    f"FIVETRAN_STATE_FILE: {file} holds an unfinished run {found.stale}: a new one is begun"
                )
        except SnapshotError as error:
            raise ConfigurationError([f"FIVETRAN_STATE_FILE: {error}: {error.fix}"], []) from error
        except (AttributeError, LookupError, OverflowError, TypeError, ValueError) as error:
            problem = (
                f"FIVETRAN_STATE_FILE: {file} is damaged ({type(error).__name__}: {error}): remove it to start afresh"
            )
            raise ConfigurationError([problem], []) from error
        if self.must_resume:
            problem = f"FIVETRAN_STATE_FILE: {file} holds no unfinished run: start one without --resume"
            raise ConfigurationError([problem], [])
        return Run(chart, settings, ports), None

    def _keeper(self, run: Run) -> Callable[[Step], None]:
        """What writes the run down on entering a state; a disk that fails later costs a warning."""
        if not run.settings.state_file:
            return lambda _: None
        path = Path(run.settings.state_file)
        remove_leftovers(path, named=True)
        warned = False

        def keep(step: Step | None) -> None:
            nonlocal warned
            if not run.can_be_resumed_here:
                return
            try:
                # It holds all that the run has learned, and a run is taken up from it.
                write_atomically(path, compose_snapshot(run, self.trace, self.mask), named=True, mode=PRIVATE)
            except OSError as error:
                if step is None and run.standing.number == 0:
                    problem = f"FIVETRAN_STATE_FILE: {path} cannot be written ({error.strerror}): name a file that can"
                    raise ConfigurationError([problem], []) from error
                if not warned:
                    self.log.warning(f"FIVETRAN_STATE_FILE: {path} could not be written: {error}")
                warned = True

        keep(None)
        return keep

    def _tick(self, run: Run) -> None:
        """Ten times a second while a pause or a call is under way."""
        self.stderr.drain()
        self.run_log.tick(run)

    def _print(self, text: str, limits: Limits, seconds: float) -> None:
        """The result to stdout, in what is left of the run; if the reader has gone away, the sync has not failed."""
        if not text:
            return
        in_order = self.stdout.is_at(self.stderr)
        limits.tick = (lambda: None) if in_order else self.stderr.flush

        def give() -> bool:
            if in_order:  # the log before it
                self.stderr.drain(None)
            self.stdout.write(text)
            return self.stdout.finish(None)

        with self.sections.section("fivetran_result", "Result (stdout)", collapsed=text.startswith("{")):
            written = self._wait(limits, max(seconds, GRACE), give)
        if not written:
            self.stdout.finish(0.0)
            why = self.stdout.error or f"it was not read before {'a signal came' if limits.noted else 'the deadline'}"
            self.log.warning(f"the result could not be written to stdout: {why}")

    def _wait(self, limits: Limits, seconds: float, until: Callable[[], bool]) -> bool:
        """Wait for a stream's reader, for at most that many seconds or until a signal: the verdict stands.

        Returns:
            What `until` returned; False where it came to no end.
        """
        if limits.noted is not None:
            seconds = min(seconds, GRACE_AFTER_SIGNAL)
        limits.begin(seconds, interruptible=limits.noted is None)
        outputs, before = (self.stdout, self.stderr), self.stdout.goes_on
        for one in outputs:
            one.goes_on = limits.goes_on
        try:
            return until()
        finally:
            for one in outputs:
                one.goes_on = before

    # --- The ends outside any chart ----------------------------------------------------------

    def _misconfigured(self, error: ConfigurationError) -> int:
        for warning in error.warnings:
            self.log.warning(warning)
        for problem in error.errors:
            self.log.error(problem)
        count = len(error.errors)
        self.log.error(
            f"{count} problem{'s' if count > 1 else ''} to fix; no request was sent to Fivetran",
            exit_code=MISCONFIGURED,
        )
        told = Explanation(
            headline="the job's variables are wrong",
            reasons=tuple(error.errors),
            at_fivetran=("no request was sent to Fivetran",),
            still_running=None,
            advice=("fix what is named above, and start the job again",),
        )
        self._report("misconfigured", MISCONFIGURED, told, tuple(error.warnings))
        return MISCONFIGURED

    def _runner_failed(self, error: Exception) -> int:
        """The machine has not got what a job needs: descriptors, threads, a disk that can be read."""
        for line in traceback.format_exception(error):
            for part in line.rstrip().splitlines():
                self.log.debug(part)
        begun = self.run_so_far is not None
        code = UNAVAILABLE if begun else MISCONFIGURED
        problem = f"the runner failed: {error}"
        left = "a sync that was triggered may still run" if begun else "no request was sent to Fivetran"
        self.log.error(f"{problem}; {left}", exit_code=code)
        told = Explanation(
            headline="the runner failed",
            reasons=(str(error),),
            at_fivetran=(left,),
            still_running=None,
            advice=("look at the runner's disk and limits (`ulimit -a`), and start the job again",),
        )
        self._report("runner_failed", code, told)
        return code

    def _bug(self, error: Exception) -> int:
        for line in traceback.format_exception(error):
            for part in line.rstrip().splitlines():
                self.log.error(part)
        self.log.error(
            "this is a bug of fivetran-orchestrator, not of your pipeline: please report it with the lines above; "
            "a sync that was triggered may still run",
            exit_code=BUG,
        )
        told = Explanation(
            headline="a bug of fivetran-orchestrator",
            reasons=(f"{type(error).__name__}: {error}",),
            at_fivetran=("a sync that was triggered may still run",),
            still_running=None,
            advice=("report it, with the last lines of the job's log", "look on the connection's page what is running"),
        )
        self._report("bug", BUG, told)
        return BUG

    def _report(self, verdict: str, code: int, told: Explanation, notes: tuple[str, ...] = ()) -> None:
        """The report of an end outside any chart."""
        run, now = self.run_so_far, self.clock.wall()
        standing = run.standing if run else Standing("", Facts(warnings=notes), 0.0, started_at=self.started_at)
        try:
            if run is None:
                self.reporter.clear()
            chart = run.chart if run else None
            subject = subject_of(self.environ)
            document = result_outside(verdict, code, told, subject, standing, now, chart=chart, trace=self.trace)
            self.reporter.write(document)
            if self.reporter.place:
                self.log.info(f"report: {self.reporter.place}")
        except Exception as error:  # noqa: BLE001  # nothing outranks the exit code that is told here
            self.log.warning(f"the report could not be written: {type(error).__name__}: {error}")
