"""The folder with a state file for each connection, and which of them say that a connection is green."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fleets import FleetRun, names

from orchestrator.fleet.state_folder import StateFolder
from orchestrator.job.configuration import configure
from orchestrator.job.state_file import StateFileError, read_finished
from orchestrator.machine.loader import load
from orchestrator.simulator.scenario import Scenario
from orchestrator.values.settings import Settings


def test_folder_is_made(tmp_path: Path) -> None:
    """A folder that is not there is made, with those above it; one that is there is used."""
    path = tmp_path / "a" / "b"

    assert StateFolder(str(path)).file("speak_inexpensive") == str(path / "speak_inexpensive.json")
    assert path.is_dir()
    assert StateFolder(str(path)).file("x") == str(path / "x.json")


def test_no_folder() -> None:
    """Without FIVETRAN_STATE_FILE no connection has a state file."""
    assert StateFolder("").file("speak_inexpensive") == ""


def test_file_in_its_place(tmp_path: Path) -> None:
    """A file in its place, or above it, is said to be one."""
    file = tmp_path / "state.json"
    file.write_text("")

    with pytest.raises(StateFileError, match=r"state\.json is a file: name a folder"):
        StateFolder(str(file))
    with pytest.raises(StateFileError, match=r"cannot be made a folder \(Not a directory\): name one that can"):
        StateFolder(str(file / "deeper"))


# --- What is green already ------------------------------------------------------------------------


@pytest.fixture
def finished(tmp_path: Path) -> Settings:
    """The settings of a connection that an earlier job of the pipeline brought to a green end."""
    fleet = FleetRun({**dict.fromkeys(names(2), Scenario()), "paused": Scenario(connection={"paused": True})}, tmp_path)
    variables = {"FIVETRAN_STATE_FILE": str(tmp_path / "state"), "CI_PIPELINE_ID": "7"}
    fleet.play(**variables)
    settings = configure(fleet.variables(**{**variables, "CONNECTOR_ID": "c000"})).settings
    return replace(settings, state_file=str(tmp_path / "state" / "c000.json"))


def test_green_in_this_pipeline(finished: Settings) -> None:
    """A signed state file of a run that ended green in the same pipeline is the run."""
    found = read_finished(finished, load("START"))

    assert found is not None
    assert found["facts"]["verdict"] == "succeeded"


def _of_the_paused(settings: Settings) -> Settings:
    return replace(settings, connector_id="paused", state_file=settings.state_file.replace("c000", "paused"))


@pytest.mark.parametrize(
    "other",
    [
        lambda settings: replace(settings, pipeline="8"),
        lambda settings: replace(settings, pipeline=""),
        lambda settings: replace(settings, connector_id="c001"),
        lambda settings: replace(settings, api_secret="another-secret"),
        lambda settings: replace(settings, state_file=settings.state_file.replace("c000", "nobody")),
        lambda settings: replace(settings, state_file=str(Path(settings.state_file).parent)),
        _of_the_paused,
    ],
)
def test_not_green_here(finished: Settings, other: Callable[[Settings], Settings]) -> None:
    """Another pipeline, none, another connection, another key, no file, a folder, a red end: none is green already."""
    assert read_finished(other(finished), load("START")) is None


@pytest.mark.parametrize(
    "change",
    [{"ended": False}, {"ended": 1}, {"format": 1}, {"chart": "another"}, {"version": "0.0.1"}, {"run": {}}],
)
def test_state_that_was_changed(finished: Settings, change: dict[str, Any]) -> None:
    """A file that does not say so itself, or was written by hand, is no green run."""
    path = Path(finished.state_file)
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **change}))

    assert read_finished(finished, load("START")) is None
