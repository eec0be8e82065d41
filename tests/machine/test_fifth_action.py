"""A fifth action, as docs/charts.md adds it: its effect and its chart in a copy of the package, and nothing else."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from process import environment
from simulated_job import Simulate

from orchestrator.machine.actions import ACTIONS
from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan

ROOT = Path(__file__).parents[2]
SECTION = (ROOT / "docs" / "charts.md").read_text("utf-8").split("\n## A fifth action\n")[1].split("\n## ")[0]
EFFECTS = re.search(r"`orchestrator/(\S+\.py)`", SECTION)


def block(language: str) -> str:
    """The section's one block in a language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)
    return str(found)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package and the charts, with what the page adds."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("orchestrator", "statecharts"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    assert EFFECTS is not None
    with (folder / "orchestrator" / EFFECTS[1]).open("a", encoding="utf-8") as stream:
        stream.write(f"\n\n{block('python')}")
    (folder / "statecharts" / "pause.toml").write_text(block("toml"), "utf-8")
    return folder


def run(copy: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The copy's command line, as a process."""
    given = {name: value for name, value in environment(**variables).items() if not name.startswith("COV")}
    command = [sys.executable, "-m", "orchestrator", *arguments]
    return subprocess.run(command, cwd=copy, env=given, capture_output=True, text=True, check=False)


def test_it_is_an_action_like_the_others(copy: Path) -> None:
    """The commands know it: its chart keeps the laws and the promises, is drawn, and is in the help."""
    checked, drawn = run(copy, "check"), run(copy, "diagram", "PAUSE")

    assert (checked.returncode, checked.stdout.count("  ok      structure")) == (0, len(ACTIONS) + 1)
    assert "PAUSE: pause the connection" in checked.stdout
    assert drawn.stdout.count("pausing")
    assert "PAUSE" in run(copy, "run", "--help").stdout


def test_it_can_be_debugged(copy: Path) -> None:
    """The debugger steps through it, against the simulated Fivetran, to its end."""
    (copy / "commands").write_text("continue\n", "utf-8")

    shown = run(copy, "debug", "PAUSE", "--commands", str(copy / "commands"))

    assert shown.returncode == 0, shown.stderr + shown.stdout
    assert "pausing" in shown.stdout
    assert "ending --paused--> done" in shown.stdout


def test_promises_are_about_its_effect_too(copy: Path) -> None:
    """A chart that would pause the connection while a sync runs is refused: the change might stop it."""
    careless = copy / "careless.toml"
    careless.write_text(block("toml").replace('edges.busy       = "awaiting_idle"', 'edges.busy = "pausing"'), "utf-8")

    checked = run(copy, "check", str(careless))

    assert checked.returncode == 1
    assert [line.strip() for line in checked.stdout.splitlines() if "BROKEN" in line or "busy" in line] == [
        "BROKEN  changes only right after an idle reading",
        "validating --busy--> pausing",
    ]


def test_it_pauses_the_connection(copy: Path, simulate: Simulate) -> None:
    """The job ends green, shows the connection, and says nothing of what should be done about a paused one."""
    job = simulate(Scenario(syncs=(SyncPlan(),)))

    done = run(copy, **job.variables("PAUSE"))

    report = json.loads((job.folder / "report" / "result.json").read_text("utf-8"))
    assert (done.returncode, job.requests) == (0, ["get", "patch"]), done.stderr
    assert job.connection.members["paused"] is True
    assert json.loads(done.stdout)["paused"] is True
    assert (report["verdict"], report["headline"]) == ("paused", "the connection is paused")
    assert (report["reasons"], report["at_fivetran"], report["advice"]) == ([], [], [])
    assert run(copy, "replay", str(job.folder / "report" / "journal.jsonl")).stdout.endswith(": repeats\n")


def test_it_ends_red_where_it_must_not(copy: Path, simulate: Simulate) -> None:
    """A key that may not change the connection ends the job with 3, and the connection is as it was."""
    job = simulate(Scenario(faults=(Fault(on="patch", status=403, code="Forbidden", message="no"),)))

    done = run(copy, **job.variables("PAUSE"))

    assert (done.returncode, job.requests) == (3, ["get", "patch"]), done.stderr
    assert job.connection.members["paused"] is False
