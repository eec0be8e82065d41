"""What a STATUS job costs beside ten lines with `requests` that ask the same two questions.

Both run as whole processes, in turn, in a fresh environment that holds the wheel without
extras (structlog imports rich wherever it is installed, and that would be measured, too).
The simulated Fivetran lives in this process. Times and memory are the kernel's (wait4).
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.simulator.app import Simulator
from orchestrator.simulator.rehearsal import variables
from orchestrator.simulator.scenario import load_scenario
from orchestrator.simulator.server import served
from orchestrator.values.clock import SystemClock

MOST_TIME, MOST_MEMORY = 1.3, 1.2  # times the ten lines
ATTEMPTS = 3  # measurements until one is within the limits
WARM_UP = 2  # runs of each that do not count: files read for the first time, bytecode written

TEN_LINES = """\
import json
import os
import requests
session = requests.Session()
session.auth = (os.environ["FIVETRAN_API_KEY"], os.environ["FIVETRAN_API_SECRET"])
session.headers["Accept"] = "application/json;version=2"
url = f"{os.environ['FIVETRAN_API_URL']}/v1/connections/{os.environ['CONNECTOR_ID']}"
data = session.get(url, timeout=30).json()["data"]
session.patch(url, json={"schedule_type": "manual", "run_setup_tests": False}, timeout=30).raise_for_status()
print(json.dumps(data, indent=2))
"""

# A process's peak starts with that of the process that started it, so that one must be small.
LAUNCHER = """\
import os, sys, time
output = os.open(os.devnull, os.O_WRONLY)
began = time.perf_counter()
process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, output, 1)])
_, status, usage = os.wait4(process, 0)
seconds = time.perf_counter() - began
print(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status) & 255)
"""


class BenchmarkError(Exception):
    """What was to be measured did not do its work."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process cost.

    Attributes:
        seconds: From its start to its end.
        processor: Seconds of processor time, its own and the kernel's.
        kilobytes: Most memory at one time.
    """

    seconds: float
    processor: float
    kilobytes: int


def prepared(folder: Path, wheel: Path) -> Path:
    """The Python of a fresh environment with the wheel, without extras."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel)]
    subprocess.run(install, check=True)  # pip compiles what it installs, as the image does
    return python


def cost(command: Sequence[str], environ: Mapping[str, str]) -> Cost:
    """Run a command to its end.

    Raises:
        BenchmarkError: It failed.
    """
    launched = subprocess.run(
        [sys.executable, "-I", "-S", "-c", LAUNCHER, *command],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if launched.returncode:
        raise BenchmarkError(f"{' '.join(command)}: exit code {launched.returncode}\n{launched.stderr}")
    seconds, processor, most = launched.stdout.split()
    return Cost(float(seconds), float(processor), int(most) // (1024 if sys.platform == "darwin" else 1))


def measured(python: Path, folder: Path, repetitions: int) -> tuple[list[Cost], list[Cost]]:
    """The costs of the job and of the ten lines, run in turn, so that a busy moment meets both.

    Raises:
        BenchmarkError: One failed, or did not ask what it was to ask.
    """
    script = folder / "ten_lines.py"
    script.write_text(TEN_LINES, "utf-8")
    scenario = load_scenario("succeeds")
    simulator = Simulator(scenario, SystemClock())
    job = [str(python), "-I", "-m", "orchestrator"]
    ten_lines = [str(python), "-I", str(script)]
    costs: dict[str, list[Cost]] = {"job": [], "ten lines": []}
    with served(simulator) as url:
        environ = {**variables(scenario, url), "FIVETRAN_ACTION": "STATUS", "LANG": "C.UTF-8"}
        for _ in range(WARM_UP + repetitions):
            for name, command in (("job", job), ("ten lines", ten_lines)):
                simulator.connections.clear()  # a schedule that is manual already would save the PATCH
                simulator.seen.clear()
                costs[name].append(cost(command, environ))
                asked = [seen.method for seen in simulator.seen]
                if asked != ["GET", "PATCH"]:
                    raise BenchmarkError(f"{name}: asked {asked}, not GET and PATCH")
    return costs["job"][WARM_UP:], costs["ten lines"][WARM_UP:]


def told(job: Sequence[Cost], ten_lines: Sequence[Cost]) -> bool:
    """Print the medians side by side; return whether they are within the limits."""
    print(f"medians of {len(job)} runs each, in turn     STATUS job   ten lines    ratio   limit")
    good = True
    for title, attribute, unit, digits, limit in (
        ("whole process", "seconds", 1000, 0, MOST_TIME),
        ("processor time", "processor", 1000, 0, None),
        ("peak memory", "kilobytes", 1 / 1024, 1, MOST_MEMORY),
    ):
        ours, theirs = (
            unit * statistics.median(getattr(one, attribute) for one in costs) for costs in (job, ten_lines)
        )
        ratio = ours / theirs
        kept = limit is None or ratio <= limit
        good = good and kept
        unit_name = "MiB" if attribute == "kilobytes" else "ms"
        print(
            f"{title:36}{ours:8.{digits}f} {unit_name:3}{theirs:9.{digits}f} {unit_name:3}{ratio:9.2f}"
            f"{limit or '':>8}{'' if kept else '  TOO MUCH'}"
        )
    return good


def compared(
    description: str | None,
    measured: Callable[[Path, Path, int], tuple[list[Cost], list[Cost]]],
    told: Callable[[Sequence[Cost], Sequence[Cost]], bool],
) -> int:
    """Measure two kinds of process in an environment of the wheel's own, and tell.

    Args:
        description: What `--help` says.
        measured: Gives the costs of both: of the environment's Python, in a folder, so many times.
        told: Prints them; whether they are within the limits.

    Returns:
        The exit code: 1 if a limit is passed.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path, help="the wheel to measure (make wheel)")
    parser.add_argument("--repetitions", type=int, default=15, metavar="N", help="runs of each (default 15)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = prepared(folder / "venv", given.wheel)
        try:
            # A neighbour on the machine can spoil one measurement, and hardly three.
            good = any(told(*measured(python, folder, given.repetitions)) for _ in range(ATTEMPTS))
        except BenchmarkError as error:
            print(error, file=sys.stderr)
            return 1
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(compared(__doc__, measured, told))
