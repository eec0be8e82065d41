import fcntl
import os
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.job.files import (
    PRIVATE,
    open_for_appending,
    read_bytes,
    read_text,
    remove_leftovers,
    write_atomically,
)
from orchestrator.values.parsing import parse_json, parse_toml


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    """New files are for everybody to read."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    """The mode of a file, or of a link itself."""
    return stat.S_IMODE(path.lstat().st_mode)


def give_away(link: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a link belong to another user, who is not root."""
    if os.geteuid() == 0:
        os.chown(link, 65534, 65534, follow_symlinks=False)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: link.lstat().st_uid + 1)


# --- Reading --------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"a\nb\n", b"\xef\xbb\xbfa\nb\n", b"a\r\nb\r\n", b"a\rb\r"])
def test_text_is_read_without_what_editors_add(tmp_path: Path, content: bytes) -> None:
    """A byte order mark is dropped, and each form of line end is a line feed, unless it is to be exact."""
    path = tmp_path / "text"
    path.write_bytes(content)

    assert read_text(path) == "a\nb\n"
    assert read_text(path, exact=True).encode() == content


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("größe".encode("utf-16"), "UTF-16 text: save it as UTF-8"),
        (b"\xfe\xff\x00a", "UTF-16 text: save it as UTF-8"),
        ("size".encode("utf-16-le"), "not UTF-8 text"),
        ("größe".encode("latin-1"), "not UTF-8 text"),
        (b"\x7fELF\x00", "not UTF-8 text"),
    ],
)
def test_what_is_not_text_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    """Another encoding and a binary file are refused in words."""
    path = tmp_path / "text"
    path.write_bytes(content)

    with pytest.raises(OSError, match=why) as refused:
        read_text(path)

    assert (refused.value.strerror, refused.value.filename) == (why, str(path))


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("make", "kind"), [(_fifo, "a FIFO"), (_socket, "a socket"), (_device, "a device"), (Path.mkdir, "a directory")]
)
def test_what_is_not_a_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None], kind: str
) -> None:
    """What would hang or never end is refused at once; so it is where the user named it to be written."""
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    path = Path("thing")
    make(path)

    for attempt in (lambda: read_bytes(path), lambda: write_atomically(path, "new", named=True)):
        with pytest.raises(OSError, match=f"it is {kind}, not a regular file"):
            attempt()

    assert [entry.name for entry in tmp_path.iterdir()] == ["thing"]


def test_size_is_bounded(tmp_path: Path) -> None:
    """A file that is larger than it may be is refused; the largest one is read."""
    path = tmp_path / "text"
    path.write_text("12345")

    assert read_bytes(path, 5) == b"12345"
    with pytest.raises(OSError, match="larger than 4 bytes"):
        read_bytes(path, 4)


def test_file_that_says_it_is_empty_is_read() -> None:
    """A file of /proc has content, though its size is 0."""
    assert read_text("/proc/self/cmdline".replace("cmdline", "limits")).startswith("Limit")


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_impossible_name_is_refused(name: str) -> None:
    """A name that no file can have is an OSError like any other."""
    with pytest.raises(OSError, match="not a valid file name"):
        read_bytes(name)


def test_file_that_may_not_be_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's own reason is given where there is a file and it cannot be opened."""

    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "text").touch()
    monkeypatch.setattr(os, "open", refused)

    with pytest.raises(PermissionError, match="Permission denied"):
        read_bytes(tmp_path / "text")


def test_pipe_of_the_shell_is_read() -> None:
    """What the shell has open for us, as in `check <(command)`, is read to its end."""
    reading, writing = os.pipe()
    os.write(writing, b"text")
    os.close(writing)

    text = read_text(f"/dev/fd/{reading}")

    os.close(reading)
    assert text == "text"


def test_descriptor_that_is_not_open_is_an_error() -> None:
    """A descriptor that nobody opened is not there."""
    with pytest.raises(FileNotFoundError):
        read_bytes("/dev/fd/99999")


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "[" * 101 + "]" * 101, '{"a":' * 500 + "1" + "}" * 500, "[1, " + "[" * 200 + "]" * 201]
)
def test_deep_json_is_refused(text: str) -> None:
    """JSON is refused where whatever works on it would run out of stack."""
    with pytest.raises(ValueError, match="nested deeper than 100 levels"):
        parse_json(text)


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, ".".join("a" * 5000) + " = 1", f"[{'.'.join('a' * 500)}]"])
def test_deep_toml_is_refused(text: str) -> None:
    """TOML is refused likewise, though dotted keys are read without any recursion."""
    with pytest.raises(ValueError, match="nested deeper than 100 levels"):
        parse_toml(text)


def test_usual_depth_is_taken() -> None:
    """A hundred levels are no fault, nor are many values beside each other."""
    deep = "[" * 100 + "1" + "]" * 100

    assert str(parse_json(deep)) == deep
    assert parse_json("[" + "[]," * 1000 + "1]")[-1] == 1
    assert parse_json('"text"') == "text"
    assert parse_toml("[a.b]\nc = [{d = 1}]") == {"a": {"b": {"c": [{"d": 1}]}}}


# --- Writing --------------------------------------------------------------------------------------


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


def test_longest_name_can_be_written(tmp_path: Path) -> None:
    """A name may be as long as a name can be: the temporary one is not longer."""
    path = tmp_path / ("n" * 255)

    write_atomically(path, "new")

    assert path.read_text() == "new"


def test_new_file_can_be_read_by_others(tmp_path: Path) -> None:
    """A new file has 0666 less the umask, as the runner's helper needs it; a private one is its user's alone."""
    write_atomically(tmp_path / "report", "new")
    write_atomically(tmp_path / "state", "new", named=True, mode=PRIVATE)

    assert (mode(tmp_path / "report"), mode(tmp_path / "state")) == (0o644, 0o600)


@pytest.mark.parametrize("kept", [0o600, 0o640, 0o664, 0o400])
def test_named_file_keeps_its_mode_and_its_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int) -> None:
    """A file that the user named keeps its mode and its group."""
    path, given = tmp_path / "state", []
    path.touch()
    path.chmod(kept)
    monkeypatch.setattr(os, "fchown", lambda _, uid, gid: given.append((uid, gid)))

    write_atomically(path, "new", named=True, mode=PRIVATE)

    assert (mode(path), path.read_text(), given) == (kept, "new", [(-1, path.stat().st_gid)])


def test_group_that_cannot_be_kept_loses_its_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one group was allowed, another is not."""

    def refused(*_: int) -> None:
        raise PermissionError

    path = tmp_path / "state"
    path.touch()
    path.chmod(0o664)
    monkeypatch.setattr(os, "fchown", refused)

    write_atomically(path, "new", named=True)

    assert mode(path) == 0o604


@pytest.mark.parametrize("there", [True, False])
def test_link_that_the_user_named_stays_one(tmp_path: Path, there: bool) -> None:  # noqa: FBT001
    """Its target is written, at the end of all links, be it there already or not."""
    target = tmp_path / "elsewhere" / "state"
    target.parent.mkdir()
    if there:
        target.write_text("old")
        target.chmod(0o640)
    (tmp_path / "second").symlink_to("elsewhere/state")
    link = tmp_path / "first"
    link.symlink_to(tmp_path / "second")

    write_atomically(link, "new", named=True, mode=PRIVATE)

    assert (link.is_symlink(), target.is_symlink(), target.read_text()) == (True, False, "new")
    assert mode(target) == (0o640 if there else 0o600)


def test_link_of_another_user_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link that is neither this user's nor root's may have been planted."""
    (tmp_path / "victim").write_text("old")
    link = tmp_path / "state"
    link.symlink_to("victim")
    give_away(link, monkeypatch)

    with pytest.raises(OSError, match="belong to another user"):
        write_atomically(link, "new", named=True)

    assert (tmp_path / "victim").read_text() == "old"


def test_link_to_itself_is_refused(tmp_path: Path) -> None:
    """Links in a circle have no end."""
    link = tmp_path / "state"
    link.symlink_to("state")

    with pytest.raises(OSError, match="it is a link to itself"):
        write_atomically(link, "new", named=True)


def test_planted_link_is_replaced(tmp_path: Path) -> None:
    """Where nobody named the file itself, a link in its place becomes a file, and its target is left alone."""
    victim, path = tmp_path / "victim", tmp_path / "result.json"
    victim.write_text("old")
    victim.chmod(0o600)
    path.symlink_to(victim)

    write_atomically(path, "new")

    assert (path.is_symlink(), path.read_text(), victim.read_text()) == (False, "new", "old")
    assert mode(path) == 0o644


def test_planted_temporary_name_is_not_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even whoever guesses the temporary name gets nothing written by a link of that name."""
    victim, planted = tmp_path / "victim", tmp_path / f".result.json.{b'guess'.hex()}.tmp"
    victim.write_text("old")
    planted.symlink_to(victim)
    monkeypatch.setattr(os, "urandom", lambda _: b"guess")

    with pytest.raises(FileExistsError):
        write_atomically(tmp_path / "result.json", "new")

    assert (victim.read_text(), planted.is_symlink()) == ("old", True)


# --- Leftovers ------------------------------------------------------------------------------------


def test_leftovers_of_the_dead_go(tmp_path: Path) -> None:
    """A temporary file that nobody holds any more is removed; one that is being written, or is not the job's, stays."""
    path, old = tmp_path / "state", tmp_path / ".state.00.tmp"
    dead, living, begun = (tmp_path / f".state.{name}.tmp" for name in ("0a", "0b", "0c"))
    foreign = [tmp_path / name for name in (".state.tmp", ".state.xyz.tmp", ".other.0a.tmp", "state.0a.tmp")]
    link = tmp_path / ".state.0d.tmp"
    for one in (dead, living, *foreign):
        one.write_text("something")
    for one in (old, begun):
        one.touch()
    os.utime(old, (0, 0))
    link.symlink_to(dead)

    with living.open("rb+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        remove_leftovers(path)

    assert {entry.name for entry in tmp_path.iterdir()} == {one.name for one in (living, begun, link, *foreign)}


def test_leftovers_lie_beside_the_target(tmp_path: Path) -> None:
    """Of a link that the user named the temporary names are where its target is."""
    (tmp_path / "elsewhere").mkdir()
    left = tmp_path / "elsewhere" / ".real.0a.tmp"
    left.write_text("something")
    (tmp_path / "state").symlink_to("elsewhere/real")

    remove_leftovers(tmp_path / "state", named=True)

    assert not left.exists()


def test_leftovers_of_nothing(tmp_path: Path) -> None:
    """Where there is no folder yet, nothing is left over."""
    remove_leftovers(tmp_path / "none" / "state")

    assert not (tmp_path / "none").exists()


# --- Bit by bit -----------------------------------------------------------------------------------


def test_appending_follows_no_link(tmp_path: Path) -> None:
    """A link is replaced where a file is begun, and refused where it goes on."""
    victim, path = tmp_path / "victim", tmp_path / "folder" / "journal"
    victim.write_text("old")
    path.parent.mkdir()
    path.symlink_to(victim)

    with pytest.raises(OSError, match="symbolic link"):
        open_for_appending(path, new=False)
    with os.fdopen(open_for_appending(path, new=True), "a") as stream:
        stream.write("new")
    with os.fdopen(open_for_appending(path, new=False), "a") as stream:
        stream.write("er")

    assert (path.read_text(), mode(path), victim.read_text()) == ("newer", 0o644, "old")


def test_appending_to_a_fifo_is_refused(tmp_path: Path) -> None:
    """A FIFO neither holds the job up, nor is it written to, whether or not somebody reads it."""
    path = tmp_path / "journal"
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    with pytest.raises(OSError, match="it is a FIFO, not a regular file"):
        open_for_appending(path, new=False)

    os.close(reading)
