"""The job as a process of its own, and a simulated Fivetran in real time for it."""

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Self

from orchestrator.simulator.app import KEY, SECRET, Arrival, Simulator
from orchestrator.simulator.scenario import Scenario
from orchestrator.simulator.server import served
from orchestrator.values.clock import SystemClock

COMMAND = (sys.executable, "-m", "orchestrator")
# Runs the command where a module cannot be imported; the first argument names it.
WITHOUT = """
import sys
missing = sys.argv.pop(1)

class Finder:
    def find_spec(name, path, target=None):
        if name == missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Finder)
from orchestrator.cli import main
sys.exit(main())
"""
PATIENCE = 30.0  # seconds until something that should have happened is missed

# Where commands are found, and what measures coverage in processes that tests start.
_INHERITED = ("PATH", "TMPDIR", "COVERAGE_", "COV_")


def environment(**variables: str) -> dict[str, str]:
    """The environment of a process that a test starts: no variable of the developer's shell is in it."""
    inherited = {name: value for name, value in os.environ.items() if name.startswith(_INHERITED)}
    return {**inherited, "HOME": "/nonexistent", "LANG": "C.UTF-8", **variables}


class Process:
    """A process whose stderr is read line by line while it runs.

    Args:
        arguments: Those of the command.
        variables: Its environment.
        command: What is started, when not our command.
        stdin: As for Popen.
        stdout: As for Popen.
        stderr: As for Popen; what goes elsewhere than into a pipe is not read.
    """

    def __init__(
        self,
        *arguments: str,
        variables: Mapping[str, str],
        command: Sequence[str] = COMMAND,
        stdin: int | None = subprocess.DEVNULL,
        stdout: int = subprocess.PIPE,
        stderr: int = subprocess.PIPE,
    ) -> None:
        self._popen = subprocess.Popen(
            [*command, *arguments],
            env=environment(**variables),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            text=True,
        )
        self.stdout = ""
        self.stderr: list[str] = []
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, args=(self._popen.stderr or (),), daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._popen.kill()
        self._popen.wait()
        self._reader.join()
        for stream in (self._popen.stdout, self._popen.stderr):
            if stream is not None:
                stream.close()

    def _read(self, stream: IO[str] | tuple[()]) -> None:
        for line in stream:
            self._lines.put(line)

    def await_line(self, text: str) -> str:
        """The next line on stderr with that text in it."""
        while True:
            line = self._lines.get(timeout=PATIENCE)
            self.stderr.append(line)
            if text in line:
                return line

    def send(self, number: int) -> float:
        """Send a signal; return when."""
        now = time.monotonic()
        self._popen.send_signal(number)
        return now

    def read_until(self, text: str) -> str:
        """Read stdout until that text is there; return what was read."""
        assert self._popen.stdout is not None
        read = ""
        while not read.endswith(text):
            character = self._popen.stdout.read(1)
            assert character, f"{text!r} is not in:\n{read}"
            read += character
        self.stdout += read
        return read

    def end(self) -> "Ended":
        """Wait for its end."""
        code = self._popen.wait(PATIENCE)  # what it prints fits into the pipe
        at = time.monotonic()
        stdout = self.stdout + (self._popen.stdout.read() if self._popen.stdout else "")
        self._reader.join(PATIENCE)
        while not self._lines.empty():
            self.stderr.append(self._lines.get())
        return Ended(code, stdout, "".join(self.stderr), at)


@dataclass(frozen=True)
class Ended:
    """How a process ended, and when on the monotonic clock."""

    code: int
    stdout: str
    stderr: str
    at: float


@dataclass
class Rehearsal:
    """A simulated Fivetran in real time."""

    url: str
    simulator: Simulator
    arrivals: "queue.Queue[str]" = field(default_factory=queue.Queue)

    def variables(self, action: str, **more: str) -> dict[str, str]:
        """The variables of a job against it."""
        return {
            "FIVETRAN_ACTION": action,
            "CONNECTOR_ID": "speak_inexpensive",
            "FIVETRAN_API_KEY": KEY,
            "FIVETRAN_API_SECRET": SECRET,
            "FIVETRAN_API_URL": self.url,
            "FIVETRAN_POLL_INTERVAL": "0.1",
            **more,
        }

    def await_request(self, operation: str, times: int = 1) -> None:
        """Wait until so many more requests of that kind have arrived; others do not prolong it."""
        until = time.monotonic() + PATIENCE
        for _ in range(times):
            while self.arrivals.get(timeout=max(0.0, until - time.monotonic())) != operation:
                pass


@contextmanager
def rehearsed(scenario: Scenario) -> Iterator[Rehearsal]:
    """Serve a scenario in real time."""
    arrivals: queue.Queue[str] = queue.Queue()

    def arrived(seen: Arrival) -> None:
        arrivals.put(seen.operation)

    simulator = Simulator(scenario, SystemClock(), on_arrival=arrived)
    with served(simulator) as url:
        yield Rehearsal(url, simulator, arrivals)
