"""Fixtures: a simulated Fivetran behind real HTTP, on a clock on which nobody waits."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from console import Debugger
from phases import HOST
from process import environment
from pytest_httpserver import HTTPServer
from simulated_job import Simulate, SimulatedJob

from orchestrator.job.report_folder import Reporter
from orchestrator.simulator.scenario import Scenario, load_scenario
from orchestrator.simulator.server import Handler

# No variable of a developer's shell or of a runner reaches a test: it could hide what users see.
for name in [name for name in os.environ if not name.startswith(("PATH", "HOME", "LANG", "TMPDIR", "COV", "PYTEST"))]:
    del os.environ[name]


class Server(HTTPServer):
    """pytest-httpserver's; a simulator may take its place, and is asked directly: nothing is matched."""

    def start(self) -> None:
        """Start it."""
        super().start()
        assert self.server is not None
        self.server.RequestHandlerClass = Handler  # its own Date is the machine's
        self._matching = self.server.app

    def clear(self) -> None:
        """Answer as pytest-httpserver does, and with nothing yet."""
        assert self.server is not None
        self.server.app = self._matching
        super().clear()


@pytest.fixture(scope="session")
def http_server() -> Iterator[HTTPServer]:
    """One server for the whole session; each test mounts its own application."""
    with Server(host="127.0.0.1", port=0, threaded=True) as server:
        yield server


def mount(http_server: HTTPServer, job: SimulatedJob) -> None:
    """Have the server answer with the simulator of a job, and with nothing else, until it is cleared."""
    assert http_server.server is not None
    http_server.server.app = job.simulator


@pytest.fixture
def simulate(http_server: HTTPServer, tmp_path: Path) -> Iterator[Simulate]:
    """Make the simulation of a job from a scenario or from a scenario's name."""

    def make(scenario: Scenario | str | None = None, *, over_http: bool = False) -> SimulatedJob:
        chosen = load_scenario(scenario) if isinstance(scenario, str) else scenario or Scenario()
        made = SimulatedJob(chosen, http_server.url_for("").rstrip("/"), tmp_path, over_http=over_http)
        mount(http_server, made)
        return made

    yield make
    http_server.clear()


@pytest.fixture
def _undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is drawn from results: a sixth of a job's time, for tests that look at no drawing."""
    monkeypatch.setattr(Reporter, "_draw", lambda *_: None)


@pytest.fixture(scope="session", autouse=True)
def _unsynced() -> Iterator[None]:
    """Nobody waits for the disk: on a busy machine a job spends more time on that than on all else."""
    with mock.patch("os.fsync"):
        yield


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """A shell that starts the tests in its background has SIGINT ignored, and what they start would inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that is not trusted, and its key, in one file."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            *(shutil.which("openssl") or "openssl", "req", "-x509", "-newkey", "ec"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", f"subjectAltName=IP:127.0.0.1,DNS:{HOST}"),
            *("-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")),
        ],
        env=environment(),
        check=True,
        capture_output=True,
    )
    both = folder / "both.pem"
    both.write_text((folder / "key.pem").read_text() + (folder / "certificate.pem").read_text())
    return both


@pytest.fixture
def debug(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Debugger:
    """Debug a run with commands from a file."""
    return Debugger(tmp_path, capsys)
