"""The folder with a state file for each connection."""

from pathlib import Path

import pytest

from orchestrator.fleet.state_folder import StateFolder
from orchestrator.job.state_file import StateFileError


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
