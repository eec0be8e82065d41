import os
from pathlib import Path

import pytest

from orchestrator.files import write_atomically


def test_file_and_directories_are_made(tmp_path: Path) -> None:
    """The file is there with its whole text, and so are its directories; nothing lies beside it."""
    path = tmp_path / "a" / "b" / "result.json"

    write_atomically(path, "grün\n")

    assert path.read_bytes() == "grün\n".encode()
    assert list(path.parent.iterdir()) == [path]


def test_file_is_replaced(tmp_path: Path) -> None:
    """What was there before is replaced as a whole."""
    path = tmp_path / "result.json"
    path.write_text("a much longer text than the new one")

    write_atomically(path, "new")

    assert path.read_text() == "new"


def test_lone_surrogate_is_replaced(tmp_path: Path) -> None:
    """What UTF-8 cannot say costs a character, not the file."""
    path = tmp_path / "result.json"

    write_atomically(path, "a\ud800b")

    assert path.read_text("utf-8") == "a?b"


def test_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that cannot be written to its end leaves the old file, and no temporary one."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "result.json"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, "new")

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_interruption_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Being interrupted in the middle leaves the old file, and no temporary one."""

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "result.json"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", interrupted)

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, "new")

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_directory_in_its_place_is_an_error(tmp_path: Path) -> None:
    """A directory of that name is left alone, and no temporary file stays."""
    path = tmp_path / "result.json"
    path.mkdir()

    with pytest.raises(IsADirectoryError):
        write_atomically(path, "new")

    assert list(tmp_path.iterdir()) == [path]


def test_file_in_place_of_a_directory_is_an_error(tmp_path: Path) -> None:
    """A path through a file is an OSError, as the caller expects it."""
    (tmp_path / "report").write_text("a file")

    with pytest.raises(OSError, match="report"):
        write_atomically(tmp_path / "report" / "result.json", "new")


def test_bytes_are_written_as_they_are(tmp_path: Path) -> None:
    """A picture is written byte by byte."""
    path = tmp_path / "drawing.png"

    write_atomically(path, b"\x89PNG\r\n\xff")

    assert path.read_bytes() == b"\x89PNG\r\n\xff"
