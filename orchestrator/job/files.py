"""Files: read within bounds, and written whole or not at all.

A path may be something other than a file: it may hang the job (a FIFO), never end (a device) or lead
elsewhere (a planted link). So only regular files are read and replaced, and a link is followed only
where the user named it and it is this user's or root's.
"""

import fcntl
import os
import re
import stat
import time
from contextlib import suppress
from errno import EFBIG, EILSEQ, EINVAL, EISDIR, ELOOP
from pathlib import Path
from typing import BinaryIO

__all__ = [
    "PRIVATE",
    "open_for_appending",
    "open_for_reading",
    "read_bytes",
    "read_text",
    "remove_leftovers",
    "write_atomically",
]

MOST = 16_000_000  # bytes of a file that people write
PART = 1_000_000  # bytes at a time
LINKS = 40  # in a row, as Linux has it
BEGINNING = 60.0  # seconds that an empty temporary file may have been there and not be left over
PRIVATE, USUAL = 0o600, 0o666  # modes, the second less the umask

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}
# What a shell has open for us already: `<(command)`, or the end of a pipe.
_OPENED = re.compile(r"/dev/stdin|/dev/fd/[0-9]+|/proc/self/fd/[0-9]+")


# --- Reading --------------------------------------------------------------------------------------


def open_for_reading(path: str | Path) -> BinaryIO:
    """A regular file, or what the shell has open for us (`/dev/stdin`, `<(command)`).

    Args:
        path: The file.

    Raises:
        OSError: It cannot be opened; its `strerror` says why in words.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except ValueError:  # a NUL, or half a character
        raise OSError(EINVAL, "not a valid file name", str(path)) from None
    except OSError:
        _refuse_other(path, Path(path).stat().st_mode)  # a socket cannot even be opened
        raise
    try:
        if _OPENED.fullmatch(os.fspath(path)):
            os.set_blocking(descriptor, True)
        else:
            _refuse_other(path, os.fstat(descriptor).st_mode)
        return os.fdopen(descriptor, "rb")
    except OSError:
        os.close(descriptor)
        raise


def read_bytes(path: str | Path, most: int = MOST) -> bytes:
    """The content of a file.

    Args:
        path: As for `open_for_reading`.
        most: Bytes that it may have.

    Raises:
        OSError: It cannot be read; its `strerror` says why in words.
    """
    content = bytearray()
    with open_for_reading(path) as stream:
        while part := stream.read(PART):
            content += part
            if len(content) > most:
                raise OSError(EFBIG, f"larger than {most:,} bytes", str(path))
    return bytes(content)


def read_text(path: str | Path, most: int = MOST, *, exact: bool = False) -> str:
    """The text of a file in UTF-8, with or without a byte order mark.

    Args:
        path: As for `open_for_reading`.
        most: Bytes that it may have.
        exact: Keep its byte order mark and its line ends; else each of them becomes a line feed.

    Raises:
        OSError: It cannot be read, or is not text; its `strerror` says why in words.
    """
    content = read_bytes(path, most)
    problem = "not UTF-8 text"
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        problem = "UTF-16 text: save it as UTF-8"
    elif b"\0" not in content:
        with suppress(UnicodeDecodeError):
            if exact:
                return content.decode()
            return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    raise OSError(EILSEQ, problem, str(path))


def _refuse_other(path: str | Path, mode: int) -> None:
    """Refuse what is not a regular file."""
    kind = _KINDS.get(stat.S_IFMT(mode))
    if kind is not None:
        raise OSError(EISDIR if stat.S_ISDIR(mode) else EINVAL, f"it is {kind}, not a regular file", str(path))


# --- Writing --------------------------------------------------------------------------------------


def write_atomically(
    path: Path, content: str | bytes, *, lasting: bool = True, named: bool = False, mode: int = USUAL
) -> None:
    """Write to a temporary name beside the file, then rename; make the directory if need be.

    Args:
        path: The file. A link of that name is replaced, unless it is `named`.
        content: All of it; of a text, what UTF-8 cannot say is replaced.
        lasting: Wait until the disk has it. Else a machine that loses its power may lose it, too.
        named: The user named this very file: a link stays one and its target is written, and a file that
            is there keeps its mode and its group.
        mode: That of a new file, less the umask.

    Raises:
        OSError: It could not be written; what was there before is untouched.
    """
    data = content.encode(errors="replace") if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    before = None
    if named:
        path = _target(path)
        with suppress(FileNotFoundError):
            before = path.lstat()
            _refuse_other(path, before.st_mode)
    temporary = path.with_name(f"{_prefix(path)}{os.urandom(4).hex()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if before is not None:
                _keep(descriptor, before)
            stream.write(data)
            stream.flush()
            if lasting:
                os.fsync(stream.fileno())
            temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def open_for_appending(path: Path, *, new: bool) -> int:
    """A descriptor for what is written bit by bit; no link is followed.

    Args:
        path: The file; its directory is made if need be.
        new: What is there is removed first.

    Raises:
        OSError: It cannot be opened.
    """
    if new:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
    flags = os.O_CREAT | os.O_EXCL if new else os.O_NONBLOCK
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | flags, USUAL)
    try:
        _refuse_other(path, os.fstat(descriptor).st_mode)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def remove_leftovers(path: Path, *, named: bool = False) -> None:
    """Remove temporary files that a killed run left for this file, and that no process is writing.

    Args:
        path: The file, as for `write_atomically`.
        named: As for `write_atomically`.
    """
    with suppress(OSError):
        path = _target(path) if named else path
        temporary = re.compile(re.escape(_prefix(path)) + r"[0-9a-f]+\.tmp")
        for entry in os.scandir(path.parent):
            if temporary.fullmatch(entry.name):
                with suppress(OSError):
                    _remove_dead(entry.path)


def _remove_dead(temporary: str) -> None:
    """Remove a temporary file if whoever wrote it is gone: it is no longer locked."""
    descriptor = os.open(temporary, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        here = os.fstat(descriptor)
        begun = here.st_size > 0 or time.time() - here.st_mtime > BEGINNING  # else it may be locked in a moment
        if begun and stat.S_ISREG(here.st_mode) and here.st_uid == os.geteuid():
            os.unlink(temporary)  # noqa: PTH108  # as it was listed
    finally:
        os.close(descriptor)


def _prefix(path: Path) -> str:
    """What a temporary name of this file begins with; a name may be as long as a name can be."""
    return f".{path.name[:40]}."


def _target(path: Path) -> Path:
    """The file at the end of the links; the links are this user's or root's.

    Raises:
        OSError: One belongs to another user, or there are too many.
    """
    for _ in range(LINKS):
        try:
            here = path.lstat()
        except FileNotFoundError:
            return path
        if not stat.S_ISLNK(here.st_mode):
            return path
        if here.st_uid not in {0, os.geteuid()}:
            raise OSError(ELOOP, "links that belong to another user are not followed", str(path))
        path = path.parent / path.readlink()
    raise OSError(ELOOP, "it is a link to itself", str(path))


def _keep(descriptor: int, before: os.stat_result) -> None:
    """Give a new file the group and the mode of the one that it replaces."""
    mode = stat.S_IMODE(before.st_mode)
    try:
        os.fchown(descriptor, -1, before.st_gid)
    except PermissionError:
        mode &= ~stat.S_IRWXG  # they were for another group
    os.fchmod(descriptor, mode)
