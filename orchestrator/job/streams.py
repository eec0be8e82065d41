"""The standard streams as a job may find them: closed, full, stalled, non-blocking, or with no reader.

Nothing about them changes what a command does or its exit code. So the program does not write through
Python's own streams: those block, give up at a pipe that is busy, and make the exit code 120 where
the last of it cannot be written.
"""

import io
import math
import os
import select
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from errno import EPIPE
from typing import TextIO, cast

__all__ = ["PATIENCE", "Output", "lines", "output", "refuse", "say", "say_at_once", "standard", "write_bytes"]

MOST = 1_000_000  # bytes that wait for a reader
PATIENCE = 10.0  # seconds that a log's reader has at the end to take some more of it
AGAIN = 0.02  # seconds until a stream that said it had room and took nothing is asked again
TURN = 0.1  # seconds after which whoever waits for a reader asks whether to go on


class Output(io.TextIOBase):
    """A stream to write to. Not for several threads at a time.

    Args:
        stream: Where it goes. Any other object (in a test, a notebook) is written to directly.
        waits: Writing waits until all of it is taken. Else what is not taken at once waits in
            memory, and is tried again with each later write; more than `MOST` bytes are dropped.

    Attributes:
        inherited: Its descriptor, or None.
        error: Why the stream took nothing the last time, if it said so.
        note: The line that replaces dropped lines, from their number.
        goes_on: Asked ten times a second while a reader is waited for; False ends the wait.
    """

    def __init__(self, stream: TextIO, *, waits: bool = False) -> None:
        self.error: OSError | ValueError | None = None
        self.note: Callable[[int], str] = "{} lines were dropped here: the output was not read in time\n".format
        self.goes_on: Callable[[], bool] = lambda: True
        self._stream = stream
        self._waits = waits
        self._queue = bytearray()
        self._full = False
        self._dropped = 0
        self._poll = select.poll()
        self.inherited = _descriptor(stream)
        self._descriptor = self.inherited
        if self.inherited is not None:
            with suppress(OSError):
                stream.flush()
            self._descriptor = _apart(self.inherited)
            self._poll.register(self._descriptor, select.POLLOUT)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the stream."""
        return self._stream.encoding or "utf-8"

    @property
    def waiting(self) -> int:
        """Bytes that wait for a reader."""
        return len(self._queue)

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The inherited descriptor."""
        return self._stream.fileno()

    def writable(self) -> bool:
        """It is."""
        return True

    def is_at(self, other: "Output") -> bool:
        """Whether both go to one place, as after `2>&1`."""
        if self.inherited is None or other.inherited is None:
            return False
        return os.path.sameopenfile(self.inherited, other.inherited)

    def write(self, text: str) -> int:
        """Write a text; what the encoding cannot say becomes a question mark."""
        data = text.encode(self.encoding, "replace")
        if self._descriptor is None:
            self._write_through(lambda: self._stream.write(data.decode(self.encoding)))
        else:
            self._add(data, whole="\n" in text)
        return len(text)

    def write_bytes(self, data: bytes) -> None:
        """Write bytes."""
        if self._descriptor is None:
            self._write_through(lambda: self._stream.buffer.write(data))
        else:
            self._add(data, whole=True)

    def flush(self) -> None:
        """Write what is waiting: all of it, or what is taken at once, as the stream waits or not."""
        self.drain(None if self._waits else 0.0)

    def drain(self, patience: float | None = 0.0) -> bool:
        """Write what is waiting, until nothing more is taken for that long; None: for as long as `goes_on`.

        Returns:
            Whether all of it was taken.
        """
        left = most = math.inf if patience is None else patience
        while self._queue:
            if most and not self.goes_on():
                return False
            # Lines stay whole where they can: another stream may go to the same place.
            end = self._queue.rfind(b"\n", 0, select.PIPE_BUF) + 1 or select.PIPE_BUF
            wait = min(left, TURN)
            try:
                if self._poll.poll(1000 * wait):
                    del self._queue[: os.write(cast("int", self._descriptor), self._queue[:end])]
                    self.error, left = None, most
                    continue
            except BlockingIOError:  # a terminal has room for something, and not for a line's end
                wait = min(left, AGAIN)
                select.select([], [], [], wait)
            except OSError as error:
                self.error = error
                return False
            left -= wait
            if left <= 0:
                return False
        return True

    def finish(self, patience: float | None) -> bool:
        """Write what is waiting, as `drain` does; what is not taken then is given up.

        Returns:
            Whether all of it was taken, by a stream that is written to as it is, too.
        """
        try:
            self._tell_dropped()
            return self.drain(patience) and self.error is None
        finally:
            self._queue.clear()

    def close(self) -> None:
        """Leave it; the inherited descriptor stays open."""
        if self._descriptor != self.inherited and self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = None

    def _add(self, data: bytes, *, whole: bool) -> None:
        if not self._waits:
            room = (MOST // 2 if self._full else MOST) - len(data)
            if len(self._queue) > room:
                self.drain()
            self._full = len(self._queue) > room
            if self._full:
                self._dropped += data.count(b"\n")
                return
            self._tell_dropped()
        self._queue += data
        if whole or len(self._queue) > select.PIPE_BUF:  # `print` writes a line and its end one after the other
            self.flush()

    def _tell_dropped(self) -> None:
        if self._dropped:
            self._queue += self.note(self._dropped).encode(self.encoding, "replace")
            self._dropped = 0

    def _write_through(self, write: Callable[[], object]) -> None:
        try:
            write()
            self._stream.flush()
        except (OSError, ValueError) as error:  # ValueError: it was closed
            self.error = error


def output(stream: "TextIO | Output | None", *, waits: bool = False) -> Output:
    """An output to a stream, which may be one already; to nowhere where there is none."""
    return stream if isinstance(stream, Output) else Output(stream or io.StringIO(), waits=waits)


def _descriptor(stream: TextIO) -> int | None:
    """The descriptor of a stream of Python's own, or None: what else has one may do more with what is written."""
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)
    return raw.fileno() if isinstance(raw, io.FileIO) and not raw.closed else None


def _apart(descriptor: int) -> int:
    """Open a pipe or a terminal once more, as a description of our own that does not block.

    A write to the inherited one may block, whatever `poll` says: a terminal has less room than is
    to be written, or another process fills the pipe in between. Making it non-blocking would make
    it so for all that share it. Where it cannot be opened (`su` leaves such pipes), it has to do.
    """
    with suppress(OSError):
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode) or os.isatty(descriptor):
            return os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    return descriptor


@contextmanager
def standard() -> Iterator[None]:
    """Meanwhile `sys.stdout` and `sys.stderr` are outputs, and all three standard descriptors are open.

    One that was closed from the start is /dev/null: else the next file or socket would get its
    number, and what is meant for the log. At the end stdout is waited for, and stderr for as long
    as somebody reads it.
    """
    before = sys.stdin, sys.stdout, sys.stderr
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        _occupy(number)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    out, err = output(sys.stdout, waits=True), output(sys.stderr)
    sys.stdout, sys.stderr = cast("TextIO", out), cast("TextIO", err)
    try:
        yield
    except KeyboardInterrupt:
        out.finish(0.0)
        raise
    finally:
        try:
            if not out.finish(None) and getattr(out.error, "errno", None) != EPIPE:  # `| head` has seen enough
                err.write(f"stdout: {getattr(out.error, 'strerror', out.error)}: the output is incomplete\n")
        finally:
            try:
                with suppress(KeyboardInterrupt):
                    err.finish(PATIENCE)
            finally:
                sys.stdin, sys.stdout, sys.stderr = before


def _occupy(number: int) -> None:
    """Have a standard descriptor open, on /dev/null where it is closed."""
    try:
        os.fstat(number)
    except OSError:
        with suppress(OSError):
            opened = os.open(os.devnull, os.O_RDWR)  # it gets the lowest number that is free
            os.set_inheritable(opened, True)  # noqa: FBT003


def lines(stream: TextIO) -> Iterator[str]:
    """The lines of a stream, without their ends; a non-blocking one is waited for.

    Raises:
        OSError: It cannot be read.
    """
    descriptor = _descriptor(stream)
    if descriptor is None:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
        yield from (line.rstrip("\n") for line in stream)
        return
    rest, chunk = b"", b"some"
    while chunk:
        select.select([descriptor], [], [])
        with suppress(BlockingIOError):  # another process read it first
            chunk = os.read(descriptor, 65536)
            *whole, rest = (rest + chunk).split(b"\n")
            yield from (line.decode(errors="replace") for line in whole)
    if rest:
        yield rest.decode(errors="replace")


def say(text: object, *, error: bool = False) -> None:
    """Print a line or several for people. Control characters from outside are removed.

    Args:
        text: What to print.
        error: To stderr.
    """
    from orchestrator.job.masking import Mask  # noqa: PLC0415  # the job says nothing in this way

    print(Mask().block(str(text)), file=sys.stderr if error else None)  # what else prints calls this


def refuse(problem: object) -> int:
    """Print to stderr why a command is refused; the exit code for that."""
    say(problem, error=True)
    return 2


def say_at_once(text: str) -> None:
    """Write to stderr if it accepts the text at once; safe in a signal handler."""
    with suppress(OSError):
        descriptor, poll = _apart(2), select.poll()
        poll.register(descriptor, select.POLLOUT)
        if poll.poll(0):
            os.write(descriptor, text.encode())


def write_bytes(data: bytes) -> None:
    """Write bytes to stdout."""
    output(sys.stdout, waits=True).write_bytes(data)
