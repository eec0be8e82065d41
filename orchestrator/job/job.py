"""One job, from its variables to its exit code: where the parts are put together."""

import math
import random
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TextIO

from orchestrator import __version__
from orchestrator.fivetran.client import Client
from orchestrator.fivetran.effects.situation import has_sync
from orchestrator.job.configuration import ConfigurationError, Configured, configure, report_dir, subject_of
from orchestrator.job.files import PRIVATE, remove_leftovers, write_atomically
from orchestrator.job.limits import LONGEST_READ, MARGIN, Limits
from orchestrator.job.log import LiveLine, Sections, coloured, make_log
from orchestrator.job.masking import Mask, proxy_secrets
from orchestrator.job.report_folder import Reporter
from orchestrator.job.result import JOURNAL, result, result_outside
from orchestrator.job.run_log import RunLog, opening
from orchestrator.job.state_file import StateFileError, compose_state_file, read_durations, read_snapshot
from orchestrator.job.stdout import render
from orchestrator.job.streams import PATIENCE, output
from orchestrator.job.trace import Trace
from orchestrator.machine.chart import Chart, Kind
from orchestrator.machine.run import Ports, Run, Send, drive
from orchestrator.machine.standing import GRACE, GRACE_AFTER_SIGNAL, Standing, resumed
from orchestrator.machine.step import Step
from orchestrator.machine.transition import call_of, start
from orchestrator.values.clock import SystemClock
from orchestrator.values.exchange import Answer, Cut, Failure, Request
from orchestrator.values.exit_codes import BUG, MISCONFIGURED, UNAVAILABLE
from orchestrator.values.facts import Facts
from orchestrator.values.formatting import iso
from orchestrator.values.settings import Settings

__all__ = ["MAY_RUN", "RUNNER", "Begun", "Job", "bounded", "connected"]

NOTHING_SENT = "no request was sent to Fivetran"
MAY_RUN = "a sync that was triggered MAY STILL BE RUNNING"
RUNNER = "check the runner's disk and limits (`ulimit -a`), and start the job again"
Heed = Callable[[Mapping[str, str]], object]
NO_THREAD = "can't start new thread"  # what Python's RuntimeError says


def bounded(client: Client, clock: SystemClock, limits: Limits) -> Send:
    """A client's `send` for a run: the limits bound the whole request, the client each read of it."""

    def send(request: Request, seconds: float, interruptible: bool) -> Answer | Failure | Cut:  # noqa: FBT001  # Send's form
        real = min(clock.real(seconds) + MARGIN, LONGEST_READ)
        return client.send(request, real, lambda call: limits.call(call, seconds, interruptible=interruptible))

    return send


class Access(Protocol):
    """What is needed to ask Fivetran, of a job or of an account."""

    @property
    def api_url(self) -> str:
        """Base of the API."""
        ...

    @property
    def api_key(self) -> str:
        """API key."""
        ...

    @property
    def api_secret(self) -> str:
        """API secret."""
        ...


def connected(
    access: Access,
    clock: SystemClock,
    mask: Mask,
    heed: Heed = lambda _: None,
    known: dict[str, Mapping[str, Any]] | None = None,
) -> Client:
    """What asks Fivetran; what its answers have of secrets is masked from then on.

    Args:
        access: Address and credentials.
        clock: The time.
        mask: Learns the secrets.
        heed: Called with the headers of each answer.
        known: As `Client` has it.
    """
    hide, shown, now, who = mask.learn, mask.block, clock.wall, (access.api_key, access.api_secret)
    return Client(access.api_url, *who, now=now, hide=hide, mask=shown, heed=heed, known=known)


# What the next look tells anew.
_FLEETING = {"connection", "connection_date", "dated", "read_at", "not_started_for"}


def _matters(run: Run, kept: Facts) -> bool:
    """Whether a run that was written down with these facts has to be written down again."""
    return _changes(run) or run.ended or not _FLEETING.issuperset(run.facts.changed_from(kept))


def _changes(run: Run) -> bool:
    """Whether a run is about to change something at Fivetran."""
    call = call_of(run.state)
    return call is not None and call.method != "GET"


class Begun(NamedTuple):
    """A run that goes on.

    Attributes:
        run: The run.
        trace: Its steps so far.
        snapshot: What it was taken up from, or None.
    """

    run: Run
    trace: Trace
    snapshot: Mapping[str, Any] | None


class Job:
    """One job.

    Args:
        environ: Its variables.
        clock: The time.
        jitter: A number in [0, 1), for back-offs.
        stdout: Where the result goes; sys.stdout when None.
        stderr: Where the log goes; sys.stderr when None.
        must_resume: There must be a run to take up (`run --resume`).
        json: The result is printed as JSON on a terminal, too (`run --json`).
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
        json: bool = False,
        observe: Callable[[Run, Step | None], None] = lambda _, __: None,
    ) -> None:
        self.environ = environ
        self.clock = clock or SystemClock()
        self.jitter = jitter
        self.stdout = output(stdout or sys.stdout, waits=True)
        self.stderr = output(stderr or sys.stderr)
        self.must_resume = must_resume
        self.json = json
        self.observe = observe
        self.verdict: str | None = None
        given = (environ.get(f"FIVETRAN_API_{part}", "").strip() for part in ("KEY", "SECRET"))
        # What a vault reference resolves to is secret, the reference is not.
        self.mask = Mask(*("" if text.startswith("DATAOPS_VAULT(") else text for text in given))
        self.mask.add(*proxy_secrets(environ))
        self.live = LiveLine(self.stderr, self.mask, environ)
        self.debug = debug = bool(environ.get("DATAOPS_DEBUG", "").strip())
        self.json_lines = json_lines = environ.get("FIVETRAN_LOG_FORMAT", "").strip().lower() == "json"
        colours = coloured(environ, self.stderr)
        self.context: dict[str, str] = {}  # of each JSON line
        self.log = make_log(
            self.mask,
            json_lines=json_lines,
            debug=debug,
            colours=colours,
            live=self.live,
            wall=self.clock.wall,
            context=self.context,
        )
        in_gitlab = bool(environ.get("GITLAB_CI")) and not json_lines
        self.sections = Sections(self.stderr, self.clock.wall, shown=in_gitlab)
        self.run_log = RunLog(self.log, self.live, self.sections, debug=debug, json_lines=json_lines)
        self.started_at = self.clock.wall()
        self.reporter = Reporter(report_dir(environ), self.mask, self.log.warning, environ)
        self.trace = Trace()
        self.run_so_far: Run | None = None
        self.ended_at: float | None = None  # when the results were written

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

    def run_here(self) -> Run:
        """Do it in the present thread, whichever that is: no signal is heeded, and whatever is raised is let through.

        Returns:
            The run at its end.

        Raises:
            ConfigurationError: Something is missing or malformed.
        """
        self._run(Limits(self.clock, warn=self.log.warning))
        assert self.run_so_far is not None  # noqa: S101  # it has ended
        return self.run_so_far

    def _verdict(self, limits: Limits) -> int:
        try:
            return self._run(limits)
        except ConfigurationError as error:
            return self._misconfigured(error)
        except Exception as error:  # noqa: BLE001  # the last line of defence, and it says so
            lack = self._lack(error)
            return self._runner_failed(error, lack) if lack else self._bug(error)

    def _run(self, limits: Limits) -> int:
        self.context["connection_id"] = subject_of(self.environ)["connector_id"]
        configured = configure(self.environ, self.clock.wall)
        settings, chart = configured.settings, configured.chart
        self.context["connection_id"] = settings.connector_id
        self.reporter.directory = settings.report_dir
        self._hide(configured)
        self._tell(configured, opening(settings, chart))
        client = connected(settings, self.clock, self.mask)
        send = bounded(client, self.clock, limits)
        ports = Ports(self.clock, send, self._write, self.jitter, lambda: limits.noted)
        snapshot = self._snapshot(settings, chart)
        if snapshot is None and self.must_resume:
            raise StateFileError(settings.state_file, "holds no unfinished run", "start one without --resume")
        begun = self._begin(settings, chart, ports, snapshot)
        if snapshot is not None:
            standing = begun.run.standing
            self.run_log.resumed(standing, iso(standing.started_at), settings.state_file)
        run, self.trace = begun.run, begun.trace
        limits.tick = lambda: self._tick(run)
        file = (
            Path(settings.report_dir, JOURNAL) if settings.report_dir and JOURNAL not in self.reporter.foreign else None
        )
        # The journal first: it knows of all that the state file knows of.
        journal = self._journal(begun, file)
        keeper = self._keeper(begun)
        consumers: list[Callable[[Step], None]] = [
            lambda step: self.run_log.add(step, settings, run.chart),
            self.trace.add,
            journal,
            keeper,
        ]
        self.run_so_far = run
        if not run.standing.resumed:
            self.reporter.clear()
        self.observe(run, None)
        for step in drive(run, limits.pause):
            for consume in consumers:
                consume(step)
            self.observe(run, step)
        client.close()
        self.verdict = run.facts.verdict
        ended = self.ended_at or self.clock.wall()  # stdout tells the same end, however long the writing took
        document = result(settings, run.chart, run.standing, self.trace, ended)
        as_json = self.json or not self.stdout.isatty()
        text = render(run.chart.prints, run.facts, document, self.mask, as_json=as_json)
        self._print(text, limits, settings.timeout - run.now)
        # Last: it is what somebody looks for at the end of a job's log.
        self.run_log.verdict(self.mask.value(document), run.facts, self.reporter.place)
        return run.state.exit or 0

    def _hide(self, configured: Configured) -> None:
        """Mask what is secret of the settings."""
        key, secret = configured.settings.api_key, configured.settings.api_secret
        self.mask.add(key, secret, f"{key}:{secret}", *configured.secrets)

    def _tell(self, configured: Configured, about: str) -> None:
        """Say what the job is about to do, and what the user should know."""
        self.run_log.inputs(about, configured.inputs, __version__)
        for warning in configured.warnings:
            self.log.warning(warning)

    def _write(self, standing: Standing) -> None:
        """The results of a run that stands there."""
        run = self.run_so_far
        assert run is not None  # noqa: S101  # only a run writes
        self.ended_at = self.clock.wall()
        document = result(run.settings, run.chart, standing, self.trace, self.ended_at)
        self.reporter.write(document, self.trace, run.chart)

    def _journal(self, begun: Begun, file: Path | None, *, each: bool = True) -> Callable[[Step], None]:
        """What writes a run's journal, where there is to be one; a disk that fails costs a warning.

        Args:
            begun: The run.
            file: Where it goes; None for nowhere.
            each: Each step by itself; else together, up to where the run waits, ends or is about to change something.
        """
        run, mask, steps = begun.run, self.mask, list[Step]()
        if file is None or not run.settings.journal:
            return lambda _: None
        write: Callable[..., None] | None = None

        def add(step: Step) -> None:
            nonlocal write
            steps.append(step)
            if not each and not (run.ended or run.state.kind is Kind.WAITS or _changes(run)):
                return
            try:
                if write is None:
                    from orchestrator.job.journal import JournalWriter  # noqa: PLC0415  # not before the first request

                    write = JournalWriter(file, run.chart, run.settings, mask, begun.snapshot).add
                write(*steps)
            except OSError as error:
                write = lambda *_: None  # noqa: E731
                self.log.warning(f"the journal {file} could not be written, and ends here: {error}")
            steps.clear()

        return add

    def _snapshot(self, settings: Settings, chart: Chart) -> Mapping[str, Any] | None:
        """The run that the state file holds, to be taken up; None where there is none."""
        if not settings.state_file:
            return None
        wall, warn = self.clock.wall(), self.log.warning
        return read_snapshot(settings, chart, wall, warn, however_old=self.must_resume)

    def _begin(self, settings: Settings, chart: Chart, ports: Ports, snapshot: Mapping[str, Any] | None) -> Begun:
        """A run at its beginning, or taken up from what its state file holds."""
        file, wall = settings.state_file, self.clock.wall()
        if snapshot is None:
            durations = read_durations(settings) if file else None
            standing = start(chart, settings, wall, Facts(durations=durations))
            return Begun(Run(chart, settings, ports, standing=standing), Trace(), None)
        try:
            standing, elapsed = resumed(chart, settings, snapshot, wall)
            trace = Trace(snapshot["trail"], dropped=int(snapshot["trail_dropped"]))
        except (AttributeError, LookupError, OverflowError, TypeError, ValueError) as error:
            problem = f"is damaged ({type(error).__name__}: {error})"
            raise StateFileError(file, problem, "remove it to start afresh") from error
        return Begun(Run(chart, settings, ports, standing=standing, elapsed=elapsed), trace, snapshot)

    def _keeper(self, begun: Begun, *, each: bool = True) -> Callable[[Step], None]:
        """What writes the run down on entering a state; a disk that fails later costs a warning.

        Args:
            begun: The run.
            each: Every time; else only where it learned something that a look would not show again, or is about to
                change something.
        """
        run, trace = begun.run, begun.trace
        if not run.settings.state_file:
            return lambda _: None
        path = Path(run.settings.state_file)
        remove_leftovers(path, named=True)
        warned, kept = False, run.facts

        def keep(step: Step | None = None) -> None:
            nonlocal warned, kept
            if not run.can_be_resumed_here or (step is not None and not each and not _matters(run, kept)):
                return
            kept = run.facts
            try:
                # It holds all that the run has learned, and a run is taken up from it.
                write_atomically(path, compose_state_file(run, trace, self.mask), named=True, mode=PRIVATE)
            except OSError as error:
                if run.standing.number == 0:
                    problem = f"cannot be written ({error.strerror})"
                    raise StateFileError(str(path), problem, "name a file that can") from error
                if not warned:
                    self.log.warning(f"FIVETRAN_STATE_FILE: {path} could not be written: {error}")
                warned = True

        keep()
        return keep

    def _tick(self, run: Run) -> None:
        """Ten times a second while a pause or a call is under way."""
        self.stderr.drain()
        self.run_log.tick(run)

    def _print(self, text: str, limits: Limits, seconds: float) -> None:
        """The result to stdout, in what is left of the run; if the reader has gone away, the sync has not failed."""
        if not text:
            return
        self.live.clear()
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
        count, problems = len(error.errors), tuple(error.errors)  # each says how to fix it
        headline = f"{count} problem{'' if count == 1 else 's'} to fix"
        notes = tuple(error.warnings)
        return self._end("misconfigured", MISCONFIGURED, headline, problems, NOTHING_SENT, problems, notes)

    def _runner_failed(self, error: Exception, lack: str) -> int:
        """The machine has not got what a job needs: descriptors, threads, memory, a disk that can be read."""
        self._log_traceback(error, self.log.debug)
        running = self._running()
        code = MISCONFIGURED if running == NOTHING_SENT else UNAVAILABLE
        return self._end("runner_failed", code, "the runner failed", (lack,), running, (RUNNER,))

    @staticmethod
    def _lack(error: Exception) -> str:
        """What the machine lacks; "" where it is not the machine."""
        if isinstance(error, MemoryError):
            return "out of memory"
        return (str(error) or repr(error)) if isinstance(error, OSError) or str(error) == NO_THREAD else ""

    def _bug(self, error: Exception) -> int:
        self._log_traceback(error, self.log.error)
        headline = "this is a bug of fivetran-orchestrator, not of your pipeline"
        advice = "see on the connection's page what is running; please report the bug, with the lines above"
        why = f"{type(error).__name__}: {error}"
        return self._end("bug", BUG, headline, (why,), self._running(), (advice,))

    def _running(self) -> str:
        """What may be running at Fivetran, where nobody knows any more."""
        return self._running_of(self.run_so_far)

    @staticmethod
    def _running_of(run: Run | None) -> str:
        if run is None:
            return NOTHING_SENT
        asked = {*run.facts.attempted, run.state.operand}  # of what is under way nobody knows
        if has_sync(run.settings, run.facts) or not asked.isdisjoint(run.chart.triggers):
            return MAY_RUN
        return "no sync was started" if run.chart.triggers else ""

    def _log_traceback(self, error: Exception, say: Callable[[str], object]) -> None:
        for text in traceback.format_exception(error):
            for line in text.rstrip().splitlines():
                say(line)

    def _end(
        self,
        verdict: str,
        code: int,
        headline: str,
        reasons: tuple[str, ...],
        running: str,
        advice: tuple[str, ...],
        notes: tuple[str, ...] = (),
    ) -> int:
        """End outside any chart: write the report, say so in the log, and return the exit code."""
        run, now = self.run_so_far, self.clock.wall()
        standing = run.standing if run else Standing("", Facts(warnings=notes), 0.0, started_at=self.started_at)
        chart = run.chart if run else None
        document = None
        try:
            from orchestrator.fivetran.verdicts import outside  # noqa: PLC0415  # not before the first request

            told, subject = outside(headline, reasons, running, *advice), subject_of(self.environ)
            document = result_outside(verdict, code, told, subject, standing, now, chart, self.trace)
            if run is None:
                self.reporter.clear()
            self.reporter.write(document, self.trace, chart)
        except Exception as error:  # noqa: BLE001  # nothing outranks the exit code that is said here
            self.log.warning(f"the report could not be written: {type(error).__name__}: {error}")
        if document is None:
            self.log.error(f"{'; '.join((headline, *reasons, running))} (exit {code})")
        else:
            self.run_log.verdict(self.mask.value(document), standing.facts, self.reporter.place)
        return code
