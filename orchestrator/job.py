"""One job, from its variables to its exit code: where the parts are put together."""

import io
import random
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from structlog.typing import FilteringBoundLogger

from orchestrator import __version__
from orchestrator.client import Client
from orchestrator.clock import SystemClock
from orchestrator.configuration import ConfigurationError, Configured, configure, report_dir
from orchestrator.driver import Run, Step, drive
from orchestrator.exchange import Answer, Request
from orchestrator.exit_codes import BUG, MISCONFIGURED
from orchestrator.files import write_atomically
from orchestrator.log import LiveLine, coloured, make_log
from orchestrator.masking import Mask
from orchestrator.narrator import Narrator
from orchestrator.output import render
from orchestrator.report import JOURNAL, RESULT, Files, Story, as_text
from orchestrator.settings import Settings
from orchestrator.snapshot import SnapshotError, compose_snapshot, read_snapshot, why_stale
from orchestrator.texts import iso
from orchestrator.variables import VARIABLES
from orchestrator.watch import Watch
from orchestrator.world import World

if TYPE_CHECKING:
    from orchestrator.recorder import Recorder

__all__ = ["Job"]

MARGIN = 1.0  # seconds by which the client's own limit is the longer one: the watch's decides
LONGEST_READ = 86_400.0  # seconds; sockets take no more than some 24 days


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
        # Python has None for a stream that was closed before it started (`>&-`).
        self.stdout = stdout or sys.stdout or io.StringIO()
        self.stderr = stderr or sys.stderr or io.StringIO()
        self.must_resume = must_resume
        self.observe = observe
        self.verdict: str | None = None
        given = (environ.get(f"FIVETRAN_API_{part}", "").strip() for part in ("KEY", "SECRET"))
        # What a vault reference resolves to is secret, the reference is not.
        self.mask = Mask(*("" if text.startswith("DATAOPS_VAULT(") else text for text in given))
        self.live = LiveLine(self.stderr)
        debug = bool(environ.get("DATAOPS_DEBUG", "").strip())
        self.log: FilteringBoundLogger = make_log(
            self.mask,
            json_lines=environ.get("FIVETRAN_LOG_FORMAT", "").strip().lower() == "json",
            debug=debug,
            colours=coloured(environ, self.stderr),
            stream=self.stderr,
            live=self.live,
        )
        self.narrator = Narrator(self.log, self.live, debug=debug)
        self.started_at = self.clock.wall()

    def run(self) -> int:
        """Do it.

        Returns:
            The exit code.
        """
        try:
            with Watch(self.clock) as watch:
                return self._run(watch)
        except ConfigurationError as error:
            return self._misconfigured(error)
        except Exception as error:  # noqa: BLE001  # the last line of defence, and it says so
            return self._bug(error)
        finally:
            self.live.clear()

    def _run(self, watch: Watch) -> int:
        configured = configure(self.environ, self.clock.wall)
        settings = configured.settings
        for secret in (settings.api_key, settings.api_secret, f"{settings.api_key}:{settings.api_secret}"):
            self.mask.add(secret)
        self.narrator.inputs(configured.inputs, configured.warnings, __version__)
        client = Client(
            settings.api_url, settings.api_key, settings.api_secret, now=self.clock.wall, hide=self.mask.add
        )
        world = self._world(settings, client, watch)
        recorder = self._recorder(settings, world)
        run, snapshot = self._begin(configured, recorder.world if recorder else world)
        if recorder:
            recorder.snapshot = snapshot
        watch.tick = lambda: self.narrator.tick(run)
        keep = self._keeper(settings, run)
        self.observe(run, None)
        for step in drive(run, watch.pause):
            self.narrator.step(run, step)
            if recorder:
                recorder.record(run, step)  # first: the journal knows of all that the state file knows of
            keep()
            self.observe(run, step)
        client.close()
        self.verdict = run.facts.verdict
        story = Story(configured.chart, run.trail, run.started_at, self.clock.wall(), resumed=run.resumed)
        self._print(render(settings, run.facts, story, self.mask))
        self.narrator.verdict(settings, run)  # last: it is what somebody looks for at the end of a job's log
        return run.state.exit or 0

    def _world(self, settings: Settings, client: Client, watch: Watch) -> World:
        def send(request: Request, seconds: float, interruptible: bool) -> Answer:  # noqa: FBT001  # World's form
            real = min(self.clock.real(seconds) + MARGIN, LONGEST_READ)
            return watch.call(lambda: client.send(request, real), seconds, interruptible=interruptible)

        def write(files: Files) -> None:
            if settings.report_dir:
                for name, text in files.items():
                    write_atomically(Path(settings.report_dir, name), self.mask.text(text))

        return World(self.clock, send, write, self.jitter, watch.signal)

    def _recorder(self, settings: Settings, world: World) -> "Recorder | None":
        """What writes the journal, where there is to be one."""
        if not settings.journal or not settings.report_dir:
            return None
        from orchestrator.recorder import Recorder  # noqa: PLC0415  # only with a report folder

        return Recorder(world, Path(settings.report_dir, JOURNAL), self.mask, self.log.warning)

    def _begin(self, configured: Configured, world: World) -> tuple[Run, Mapping[str, Any] | None]:
        """The run, and what it was taken up from, if it was."""
        settings, chart = configured.settings, configured.chart
        file = settings.state_file
        try:
            snapshot = read_snapshot(file, settings, chart) if file else None
            why = why_stale(snapshot, settings, self.clock.wall()) if snapshot and not self.must_resume else ""
            if why:
                self.log.warning(f"FIVETRAN_STATE_FILE: {file} holds an unfinished run {why}: a new one is begun")
            elif snapshot is not None:
                run = Run.resume(chart, settings, world, snapshot)
                self.log.info("taken up again", state_file=file, state=run.state.name, since=iso(run.started_at))
                return run, snapshot
        except SnapshotError as error:
            raise ConfigurationError([f"FIVETRAN_STATE_FILE: {error}: {error.mend}"], []) from error
        except (AttributeError, LookupError, OverflowError, TypeError, ValueError) as error:
            problem = (
                f"FIVETRAN_STATE_FILE: {file} is damaged ({type(error).__name__}: {error}): remove it to start afresh"
            )
            raise ConfigurationError([problem], []) from error
        if self.must_resume:
            problem = f"FIVETRAN_STATE_FILE: {file} holds no unfinished run: start one without --resume"
            raise ConfigurationError([problem], [])
        return Run(chart, settings, world), None

    def _keeper(self, settings: Settings, run: Run) -> Callable[[], None]:
        """What writes the run down on entering a state; a disk that fails later costs a warning."""
        if not settings.state_file:
            return lambda: None
        path = Path(settings.state_file)
        warned = False

        def keep() -> None:
            nonlocal warned
            try:
                write_atomically(path, self.mask.text(compose_snapshot(settings, run)))
            except OSError as error:
                if run.number == 0:
                    problem = f"FIVETRAN_STATE_FILE: {path} cannot be written ({error.strerror}): name a file that can"
                    raise ConfigurationError([problem], []) from error
                if not warned:
                    self.log.warning(f"FIVETRAN_STATE_FILE: {path} could not be written: {error}")
                warned = True

        keep()
        return keep

    def _print(self, text: str) -> None:
        """The result to stdout; a reader that went away (`| head`) is no failure of the sync."""
        encoding = self.stdout.encoding or "utf-8"
        try:
            self.stdout.write(text.encode(encoding, "replace").decode(encoding))
            self.stdout.flush()
        except OSError as error:
            self.log.warning(f"the result could not be written to stdout: {error}")
            with suppress(OSError):  # else Python tries again at its end, and makes the exit code 120
                self.stdout.close()

    # --- The two ends outside any chart ----------------------------------------------------------

    def _misconfigured(self, error: ConfigurationError) -> int:
        for warning in error.warnings:
            self.log.warning(warning)
        for problem in error.errors:
            self.log.error(problem)
        count = len(error.errors)
        self.log.error(
            f"{count} thing{'s' if count > 1 else ''} to mend; nothing was asked of Fivetran", exit_code=MISCONFIGURED
        )
        self._report("misconfigured", MISCONFIGURED, "the job's variables are wrong", error.errors)
        return MISCONFIGURED

    def _bug(self, error: Exception) -> int:
        for line in traceback.format_exception(error):
            for part in line.rstrip().splitlines():
                self.log.error(part)
        self.log.error(
            "this is a bug of fivetran-orchestrator, not of your pipeline: please report it with the lines above; "
            "a sync that was triggered may still run",
            exit_code=BUG,
        )
        self._report("bug", BUG, "a bug of fivetran-orchestrator", [f"{type(error).__name__}: {error}"])
        return BUG

    def _report(self, verdict: str, code: int, headline: str, reasons: list[str]) -> None:
        """The report of an end outside any chart."""
        directory = report_dir(self.environ)
        if not directory:
            return
        now = self.clock.wall()
        connector = VARIABLES["CONNECTOR_ID"]
        document: dict[str, Any] = {
            "action": self.environ.get("FIVETRAN_ACTION", "").strip().upper() or None,
            "connector_id": next(
                filter(None, (self.environ.get(name, "").strip() for name in (connector.name, connector.alias))), None
            ),
            "verdict": verdict,
            "exit_code": code,
            "headline": headline,
            "reasons": reasons,
            "started_at": iso(self.started_at),
            "ended_at": iso(now),
            "elapsed_seconds": round(now - self.started_at, 3),
            "version": __version__,
        }
        try:
            write_atomically(Path(directory, RESULT), self.mask.text(as_text(document)))
        except OSError as error:
            self.log.warning(f"the report could not be written: {error}")
