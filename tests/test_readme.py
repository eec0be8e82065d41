"""What is written for people agrees with what runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from process import environment

from orchestrator.cli import main
from orchestrator.job.variables import VARIABLES
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.loader import load
from orchestrator.values.exit_codes import EXIT_CODES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
ARISE_OUTSIDE = {2, 70}


def _section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_every_variable_is_in_the_table() -> None:
    """The README's table names every variable and alias that the job reads, and no other."""
    known = {*VARIABLES, *(variable.alias for variable in VARIABLES.values() if variable.alias)}

    names = {
        name
        for row in _section("Variables").splitlines()
        if row.startswith("| `")
        for name in re.findall(r"`([A-Z_]+)`", row.split("|")[1])
    }

    assert names == known


@pytest.mark.parametrize("name", [name for name, variable in VARIABLES.items() if variable.default])
def test_defaults_in_the_table(name: str) -> None:
    """The README's table gives the default that holds."""
    row = next(row for row in _section("Variables").splitlines() if row.startswith(f"| `{name}`"))

    assert row.split("|")[2].strip().strip("`") == VARIABLES[name].default


def test_exit_codes_agree_with_the_charts() -> None:
    """The README's table, `--help` and the charts know the same exit codes."""
    charts = {code for action in ACTIONS for code in load(action).exits()}

    readme = {int(row.split("|")[1]) for row in _section("Exit codes").splitlines() if re.match(r"\| \d", row)}

    assert readme == charts | ARISE_OUTSIDE
    assert set(EXIT_CODES) == readme


@pytest.mark.parametrize(
    "arguments",
    [
        ("-o", str(ROOT / "statecharts" / "README.md")),
        ("START", "--view", "overview", "--into", str(ROOT / "README.md")),
    ],
    ids=["charts", "readme"],
)
def test_drawings_are_up_to_date(arguments: tuple[str, ...]) -> None:
    """`statecharts/README.md` and the README's drawing are what `make documents` would write."""
    assert main(["diagram", *arguments, "--check"], {}) == 0


def _python_of(page: str) -> subprocess.CompletedProcess[str]:
    """The Python of a page, run as it stands."""
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text("utf-8"), re.DOTALL)
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)


def test_replay_in_the_documentation_works() -> None:
    """The Python of docs/journal.md runs as it stands."""
    done = _python_of("journal.md")

    assert done.stderr == ""
    assert " 60.0 s  ending --succeeded--> done\n" in done.stdout
    assert done.stdout.splitlines()[-1] == "awaiting_sign POST /v1/connections/speak_inexpensive/sync"


def test_stepping_in_the_documentation_works() -> None:
    """The Python of docs/stepping.md runs as it stands, to the end of the run."""
    done = _python_of("stepping.md")

    assert done.stderr == ""
    assert "awaiting_sign --waited--> confirming" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("ending --succeeded--> done  ")
