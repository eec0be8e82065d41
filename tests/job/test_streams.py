"""The standard streams, with real processes and real descriptors: whatever they are, the verdict stands."""

import fcntl
import io
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self

import pytest
import requests
from process import COMMAND, PATIENCE, Process, Rehearsal, environment, rehearsed

from orchestrator.cli import main
from orchestrator.commands import COMMANDS
from orchestrator.job import streams
from orchestrator.job.job import Job
from orchestrator.job.log import LiveLine, make_log
from orchestrator.job.masking import Mask
from orchestrator.job.streams import MOST, Output, lines, output
from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan
from orchestrator.values.clock import FastClock

JOURNAL = Path(__file__).parents[1] / "journals" / "start-lost-answer.jsonl"
GREEN = Scenario(syncs=(SyncPlan(lasts=0),))
BIG = Scenario(connection={"config": {f"member_{i}": "x" * 100 for i in range(2000)}})  # 200 KB, more than a pipe holds


@pytest.fixture
def fivetran() -> Iterator[Rehearsal]:
    """A simulated Fivetran in real time."""
    with rehearsed(Scenario()) as served:
        yield served


class Stream:
    """A stream that somebody holds both ends of.

    Args:
        kind: "pipe", "socket" or "terminal".
        blocking: Whether the end that is written to blocks.
    """

    def __init__(self, kind: str = "pipe", *, blocking: bool = True) -> None:
        self.kind = kind
        self.blocking = blocking
        if kind == "pipe":
            self.reading, self.writing = os.pipe()
            fcntl.fcntl(self.writing, fcntl.F_SETPIPE_SZ, select.PIPE_BUF)
        elif kind == "socket":
            ends = socket.socketpair()
            self.reading, self.writing = (one.detach() for one in ends)
        else:
            self.reading, self.writing = pty.openpty()
            tty.setraw(self.writing)
        os.set_blocking(self.writing, blocking)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for end in (self.reading, self.writing):
            if end >= 0:
                os.close(end)

    def fill(self) -> int:
        """Write until it takes no more; how many bytes that were."""
        os.set_blocking(self.writing, False)
        count = 0
        for size in (select.PIPE_BUF, 1):
            try:
                while True:
                    count += os.write(self.writing, b"\n" * size)
            except BlockingIOError:
                pass
        os.set_blocking(self.writing, self.blocking)
        return count

    def given_away(self) -> None:
        """The process that writes has it now; ours is closed, so that an end is seen."""
        os.close(self.writing)
        self.writing = -1

    def left(self) -> None:
        """Nobody reads any more."""
        os.close(self.reading)
        self.reading = -1

    def read(self) -> bytes:
        """All of it to the end."""
        parts = list[bytes]()
        while True:
            ready, _, _ = select.select([self.reading], [], [], PATIENCE)
            assert ready, "nothing more comes, and no end"
            try:
                part = os.read(self.reading, 1000)  # a slow reader
            except OSError:  # what Linux says of a terminal that nobody is in any more
                return b"".join(parts)
            if not part:
                return b"".join(parts)
            parts.append(part)


# --- Every command ------------------------------------------------------------------------------


def _cases(folder: Path) -> dict[str, tuple[int, Sequence[str]]]:
    """Commands with their exit codes: each command, and each way in which it prints."""
    (folder / "refused.toml").write_text("action = 'START'\n", "utf-8")
    (folder / "commands.txt").write_text("step\nno such command\n", "utf-8")
    header, *records = JOURNAL.read_text("utf-8").splitlines()
    (folder / "differs.jsonl").write_text("\n".join((header, *records[1:])), "utf-8")
    (folder / "stale.mmd").write_text("", "utf-8")
    return {
        "bare": (2, []),
        "help": (0, ["--help"]),
        "usage": (2, ["no-such-command"]),
        "run": (2, ["run", "--action", "START"]),
        "demo": (0, ["demo", "--scenario", "paused"]),
        "simulate": (2, ["simulate", "--port", "70000"]),
        "diagram": (0, ["diagram"]),
        "diagram --check": (1, ["diagram", "START", "-o", "stale.mmd", "--check"]),
        "check": (0, ["check"]),
        "check refused": (1, ["check", "refused.toml"]),
        "check missing": (2, ["check", "missing.toml"]),
        "debug": (2, ["debug", "START", "--commands", "commands.txt"]),
        "replay": (0, ["replay", str(JOURNAL)]),
        "replay differs": (1, ["replay", "differs.jsonl"]),
        "report": (0, ["report", str(JOURNAL), "-o", "report"]),
        "init": (0, ["init", "START"]),
        "list": (2, ["list"]),
        "completion": (0, ["completion", "bash"]),
    }


NAMES = (
    *("bare", "help", "usage", "run", "demo", "simulate", "diagram", "diagram --check", "check", "check refused"),
    *("check missing", "debug", "replay", "replay differs", "report", "init", "list", "completion"),
)


def test_every_command_is_tried(tmp_path: Path) -> None:
    """No command is left out of what is tried without readers."""
    cases = _cases(tmp_path)

    assert tuple(cases) == NAMES
    assert {arguments[0] for _, arguments in cases.values() if arguments} >= set(COMMANDS)


@pytest.mark.parametrize("redirection", [">/dev/full 2>&1", "<&- >&- 2>&-", "2>&1"], ids=["full", "closed", "gone"])
@pytest.mark.parametrize("name", NAMES)
def test_exit_code_without_readers(tmp_path: Path, name: str, redirection: str) -> None:
    """A command's exit code is the same with a full disk, with closed streams and without readers."""
    expected, arguments = _cases(tmp_path)[name]
    shell = ("/bin/sh", "-c", f'cd "$0"; exec "$@" {redirection}', str(tmp_path), *COMMAND)
    with Stream() as stream:
        stream.left()
        with Process(*arguments, variables={}, command=shell, stdout=stream.writing) as command:
            ended = command.end()

    assert (ended.code, ended.stderr) == (expected, "")


def test_full_disk_is_reported(tmp_path: Path) -> None:
    """Where what a command prints is not complete, stderr says so; where its reader has seen enough, not."""
    command = [*COMMAND, "check"]
    with Path("/dev/full").open("w", encoding="utf-8") as full, Stream() as stream:
        stream.left()
        ended = [
            subprocess.run(command, env=environment(), cwd=tmp_path, stdout=out, stderr=-1, text=True, check=False)
            for out in (full, stream.writing)
        ]

    told = "stdout: No space left on device: the output is incomplete\n"
    assert [(one.returncode, one.stderr) for one in ended] == [(0, told), (0, "")]


@pytest.mark.parametrize("kind", ["pipe", "socket", "terminal"])
@pytest.mark.parametrize("blocking", [True, False])
def test_slow_reader_of_a_command(kind: str, blocking: bool) -> None:  # noqa: FBT001
    """A command whose reader is slow prints all of it, and leaves the stream as it found it."""
    whole = subprocess.run([*COMMAND, "diagram"], env=environment(), capture_output=True, check=True).stdout

    with Stream(kind, blocking=blocking) as stream:
        kept = os.dup(stream.writing)
        with Process("diagram", variables={}, stdout=stream.writing) as command:
            stream.given_away()
            found = b""
            while len(found) < len(whole):
                found += os.read(stream.reading, 1000)
            ended = command.end()
        still = os.get_blocking(kept)
        os.close(kept)

    assert (ended.code, ended.stderr, found) == (0, "", whole)
    assert still == blocking


def test_interrupted_while_nobody_reads() -> None:
    """Ctrl-C ends a command that waits for its reader, without a traceback."""
    with Stream() as stream, Process("diagram", variables={}, stdout=stream.writing) as command:
        os.read(stream.reading, 1)  # it is at it
        command.send(signal.SIGINT)
        ended = command.end()

    assert (ended.code, ended.stderr) == (130, "")


# --- The job ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "redirection"),
    [
        *(((), one) for one in ("2>&1 | head -c 1 >/dev/null", "2>/dev/full", ">/dev/full", "<&-", ">&-", "2>&-")),
        *((("run",), one) for one in ("2>&1 | head -c 1 >/dev/null", ">/dev/full", "<&- >&- 2>&-")),
    ],
)
def test_green_without_readers(command: tuple[str, ...], redirection: str, tmp_path: Path) -> None:
    """A green job is green whatever its streams are, from variables alone and as `run`."""
    script = f'{{ "$@"; echo $? > code; }} {redirection}'
    with rehearsed(GREEN) as served:
        variables = served.variables("START", FIVETRAN_REPORT_DIR="report")
        flags = ["--poll-interval", "0.1"] if command else []
        subprocess.run(
            ["/bin/sh", "-c", script, "sh", *COMMAND, *command, *flags],
            cwd=tmp_path,
            env=environment(**variables),
            timeout=PATIENCE,
            check=False,
        )

    assert (tmp_path / "code").read_text("utf-8") == "0\n"
    assert json.loads((tmp_path / "report" / "result.json").read_text("utf-8"))["verdict"] == "succeeded"


def test_closed_descriptors_are_not_used_again(fivetran: Rehearsal, tmp_path: Path) -> None:
    """What was closed from the start is /dev/null: no file or socket of the job gets its number."""
    code = (
        "import os, sys\nfrom orchestrator.cli import main\ncode = main()\n"
        "open('found', 'w').write(f'{code}' + ''.join(os.readlink(f'/proc/self/fd/{n}') for n in range(3)))"
    )
    shell = ["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", code]
    variables = fivetran.variables("STATUS", FIVETRAN_REPORT_DIR="report")

    subprocess.run(shell, cwd=tmp_path, env=environment(**variables), timeout=PATIENCE, check=True)

    assert (tmp_path / "found").read_text("utf-8") == "0" + 3 * "/dev/null"


@pytest.mark.parametrize("kind", ["pipe", "socket", "terminal"])
@pytest.mark.parametrize("blocking", [True, False])
def test_run_goes_on_without_the_log(kind: str, blocking: bool) -> None:  # noqa: FBT001
    """While nobody reads stderr the run goes on to its result; all of the log is there when somebody does."""
    with rehearsed(GREEN) as served, Stream(kind, blocking=blocking) as log:
        filled = log.fill()
        kept = os.dup(log.writing)
        variables = served.variables("START", FIVETRAN_LOG_FORMAT="json", DATAOPS_DEBUG="1", TERM="dumb")
        with Process(variables=variables, stderr=log.writing) as job:
            log.given_away()
            result = job.read_until("\n}\n")
            still = os.get_blocking(kept)
            os.close(kept)
            told = log.read()
            ended = job.end()

    entries = [json.loads(line) for line in told[filled:].splitlines()]
    assert (ended.code, json.loads(result)["verdict"], still) == (0, "succeeded", blocking)
    assert entries[0]["event"] == "inputs"
    assert entries[-1]["event"].startswith("verdict")
    assert len([entry for entry in entries if entry["event"] == "exchange"]) == len(served.simulator.seen)


@pytest.mark.parametrize("kind", ["pipe", "socket", "terminal"])
@pytest.mark.parametrize("blocking", [True, False])
def test_nothing_is_lost_to_a_slow_reader(kind: str, blocking: bool) -> None:  # noqa: FBT001
    """Where both streams are one that is read slowly, log and result are whole and in order."""
    with rehearsed(BIG) as served, Stream(kind, blocking=blocking) as both:
        variables = served.variables("STATUS", FIVETRAN_LOG_FORMAT="json", TERM="dumb")
        with Process(variables=variables, stdout=both.writing, stderr=both.writing) as job:
            both.given_away()
            told = both.read().decode()
            ended = job.end()

    before, _, rest = told.partition("{\n")
    document, _, after = rest.partition("\n}\n")
    assert ended.code == 0
    assert len(json.loads(f"{{{document}}}")["config"]) == 2000
    assert json.loads(before.splitlines()[0])["event"] == "inputs"
    assert json.loads(after.splitlines()[-1])["event"].startswith("verdict")


@pytest.mark.parametrize("kind", ["pipe", "socket", "terminal"])
def test_signal_while_nobody_reads_the_log(kind: str, tmp_path: Path) -> None:
    """A signal ends a run whose log nobody reads, with its report."""
    with rehearsed(Scenario()) as served, Stream(kind) as log:
        log.fill()
        variables = served.variables("START", FIVETRAN_POLL_INTERVAL="100", FIVETRAN_REPORT_DIR=str(tmp_path))
        with Process(variables=variables, stderr=log.writing) as job:
            served.await_request("sync")
            job.send(signal.SIGTERM)
            ended = job.end()

    assert ended.code == 143
    assert json.loads((tmp_path / "result.json").read_text("utf-8"))["verdict"] == "terminated"


def test_second_signal_while_nobody_reads_the_log() -> None:
    """A second signal ends such a run at once, too."""
    scenario = Scenario(syncs=(SyncPlan(lasts=0, ends="fails"),), faults=(Fault(on="errors", does="hang"),))
    with rehearsed(scenario) as served, Stream("terminal") as log:
        log.fill()
        with Process(variables=served.variables("START", FIVETRAN_POLL_INTERVAL="0.1"), stderr=log.writing) as job:
            served.await_request("errors")
            job.send(signal.SIGTERM)
            job.send(signal.SIGINT)
            ended = job.end()

    assert ended.code in {130, 143}  # whichever the process is told second
    assert ended.stdout == ""


def test_what_a_full_log_does_not_take_is_not_said_at_once() -> None:
    """What a signal handler says does not wait for a log that takes nothing."""
    before = os.dup(2)
    with Stream() as log:
        filled = log.fill()
        os.dup2(log.writing, 2)
        try:
            streams.say_at_once("not to be waited for")
        finally:
            os.dup2(before, 2)
            os.close(before)
        read = os.read(log.reading, filled + 100)

    assert read == b"\n" * filled


def test_deadline_while_nobody_reads_the_log() -> None:
    """The deadline ends a run whose log nobody reads; the exit code stands while the log's reader is waited for."""
    with rehearsed(Scenario(syncs=(SyncPlan(lasts=1000),))) as served, Stream() as log:
        log.fill()
        with Process(variables=served.variables("START", FIVETRAN_TIMEOUT="1"), stderr=log.writing) as job:
            result = job.read_until("\n}\n")
            job.send(signal.SIGTERM)
            ended = job.end()

    assert (json.loads(result)["verdict"], ended.code) == ("timed_out", 5)


def test_signal_while_nobody_reads_the_result() -> None:
    """A result that nobody reads keeps the job until a signal; the verdict stands, and the log says so."""
    with (
        rehearsed(BIG) as served,
        Stream() as out,
        Process(variables=served.variables("STATUS"), stdout=out.writing) as job,
    ):
        os.read(out.reading, 1)  # it is at it
        job.send(signal.SIGTERM)
        ended = job.end()

    assert ended.code == 0
    assert "the result could not be written to stdout: it was not read before a signal came" in ended.stderr


def test_log_goes_on_while_nobody_reads_the_result() -> None:
    """While the result waits for its reader, the log reaches its own."""
    with rehearsed(BIG) as served, Stream() as out, Stream() as log:
        log.fill()  # so all of it waits
        with Process(variables=served.variables("STATUS"), stdout=out.writing, stderr=log.writing) as job:
            os.read(out.reading, 1)  # it is at it
            log.given_away()
            told = b""
            while b"STATUS speak_inexpensive" not in told:
                told += os.read(log.reading, 1000)
            job.send(signal.SIGTERM)
            rest = log.read()
            ended = job.end()

    assert ended.code == 0
    assert b"a signal came" in rest


def test_deadline_while_nobody_reads_the_result() -> None:
    """A result that nobody reads keeps the job until its deadline at most."""
    log = io.StringIO()
    with rehearsed(BIG) as served, Stream() as out, open(out.writing, "w", encoding="utf-8", closefd=False) as stdout:
        job = Job(served.variables("STATUS"), clock=FastClock(300.0), stdout=stdout, stderr=log)
        code = job.run()

    assert code == 0
    assert "the result could not be written to stdout: it was not read before the deadline" in log.getvalue()


def test_full_disk_for_the_result(fivetran: Rehearsal) -> None:
    """A result that the disk has no room for costs a warning that says why."""
    with (
        Path("/dev/full").open("w", encoding="utf-8") as full,
        Process(variables=fivetran.variables("STATUS"), stdout=full.fileno()) as job,
    ):
        ended = job.end()

    assert ended.code == 0
    assert "the result could not be written to stdout: [Errno 28] No space left on device" in ended.stderr


def test_job_outside_the_main_thread() -> None:
    """A job in another thread than the main one, which alone gets signals, ends as a reported bug."""
    log, codes = io.StringIO(), list[int]()

    thread = threading.Thread(target=lambda: codes.append(Job({}, stderr=log).run()))
    thread.start()
    thread.join()

    assert codes == [70]
    assert "signal only works in main thread" in log.getvalue()


@pytest.mark.parametrize("variable", [{"TERM": "dumb"}, {"NO_COLOR": "1", "TERM": "xterm"}], ids=str)
def test_plain_terminal(variable: dict[str, str]) -> None:
    """TERM=dumb and NO_COLOR get no escape codes from a job at a terminal."""
    with rehearsed(GREEN) as served, Stream("terminal") as terminal:
        variables = served.variables("START", **variable)
        with Process(variables=variables, stdout=terminal.writing, stderr=terminal.writing) as job:
            terminal.given_away()
            told = terminal.read()
            ended = job.end()

    assert ended.code == 0
    assert b"\x1b" not in told
    assert b"Fivetran  https://" in told


# --- stdin --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pipe", "socket"])
@pytest.mark.parametrize("blocking", [True, False])
def test_slow_writer_of_commands(kind: str, blocking: bool) -> None:  # noqa: FBT001
    """The debugger waits for commands that come slowly, also from a stream that does not block."""
    with Stream(kind) as commands:
        os.set_blocking(commands.reading, blocking)
        with Process("debug", "STATUS", variables={}, stdin=commands.reading) as debugger:
            debugger.read_until("facts")  # nothing has come yet
            for part in (b"st", b"ep\n# \xff\n", b"facts"):
                os.write(commands.writing, part)
            commands.given_away()
            ended = debugger.end()

    assert (ended.code, ended.stderr) == (0, "")
    assert "0 validating> step\n" in ended.stdout
    assert "\n# \ufffd\n" in ended.stdout
    assert "> facts\n" in ended.stdout


@pytest.mark.parametrize(
    ("redirection", "code", "told"),
    [
        ("<&-", 0, ""),
        ("0>/dev/null", 2, "stdin cannot be read: Bad file descriptor: put the commands in a file (--commands)\n"),
    ],
)
def test_stdin_that_cannot_be_read(redirection: str, code: int, told: str) -> None:
    """A stdin that is closed holds no commands, and one that cannot be read is reported."""
    shell = ("/bin/sh", "-c", f'exec "$@" {redirection}', "sh", *COMMAND)
    with Process("debug", "STATUS", variables={}, command=shell) as debugger:
        ended = debugger.end()

    assert (ended.code, ended.stderr) == (code, told)


# --- One output ---------------------------------------------------------------------------------


@contextmanager
def _opened(stream: Stream, *, waits: bool = False) -> Iterator[Output]:
    with open(stream.writing, "w", encoding="utf-8", closefd=False) as text, Output(text, waits=waits) as out:
        yield out


@pytest.mark.parametrize("json_lines", [False, True])
def test_dropped_lines_are_counted(json_lines: bool) -> None:  # noqa: FBT001
    """What waits for a reader is bounded; a line of the log stands where lines are missing, and says how many."""
    lines = 12_000
    with Stream() as stream, _opened(stream) as out:
        log = make_log(Mask(), json_lines=json_lines, live=LiveLine(out))
        for number in range(lines):
            log.info(f"line {number:05} {'x' * 100}")
        waiting = out.waiting
        reader = threading.Thread(target=lambda: found.append(stream.read()))
        found = list[bytes]()
        reader.start()
        whole = out.finish(PATIENCE)
        out.close()
        stream.given_away()
        reader.join()

    told = found[0].decode().splitlines()
    missing = lines - (len(told) - 1)
    assert MOST - 1000 < waiting <= MOST
    assert whole
    assert missing > 0
    assert f"{missing} lines of the log were dropped here: stderr did not take them in time" in told[-1]
    assert not json_lines or json.loads(told[-1])["level"] == "warning"


def test_log_goes_on_after_dropped_lines() -> None:
    """When there is room again, the note stands where lines are missing, and later lines after it."""
    line = "x" * 999 + "\n"
    with Stream() as stream, _opened(stream) as out:
        for _ in range(1500):
            out.write(line)
        stream_reader = threading.Thread(target=lambda: found.append(stream.read()))
        found = list[bytes]()
        stream_reader.start()
        out.drain(PATIENCE)
        out.write("the last one\n")
        whole = out.finish(PATIENCE)
        out.close()
        stream.given_away()
        stream_reader.join()

    *kept, note, last = found[0].decode().splitlines()
    assert whole
    assert note == f"{1500 - len(kept)} lines were dropped here: the output was not read in time"
    assert last == "the last one"


@pytest.mark.parametrize("kind", ["pipe", "socket", "terminal"])
@pytest.mark.parametrize("blocking", [True, False])
def test_stalled_stream_is_given_up(kind: str, blocking: bool) -> None:  # noqa: FBT001
    """A stream that takes nothing is given up after the time that it is given, and not written to later."""
    with Stream(kind, blocking=blocking) as stream, _opened(stream) as out:
        stream.fill()
        out.write("lost\n" * 100_000)
        waiting = out.waiting
        whole = out.finish(0.01)

    assert waiting > 0
    assert (whole, out.waiting) == (False, 0)


def test_terminal_without_room_for_a_line_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that says it has room and takes nothing is asked again, for as long as it is given."""
    answers: list[Callable[[], int]] = []

    def write(_: int, data: bytes) -> int:
        return answers.pop()() if answers else len(data)

    def busy() -> int:
        raise BlockingIOError

    with Stream() as stream, _opened(stream) as out:
        monkeypatch.setattr(os, "write", write)
        answers[:] = [busy, busy]
        out.write("line\n")
        taken = [out.waiting, out.drain(1.0)]
        answers[:] = [busy] * 10
        out.write("another\n")
        left = out.drain(2 * streams.AGAIN)
        answers.clear()
        out.finish(0.0)

    assert taken == [5, True]
    assert not left


def test_full_disk_that_has_room_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a full disk did not take is written when it has room again."""
    real, full = os.write, True

    def write(descriptor: int, data: bytes) -> int:
        if full:
            raise OSError(28, "No space left on device")
        return real(descriptor, data)

    with Stream() as stream, _opened(stream) as out:
        monkeypatch.setattr(os, "write", write)
        out.write("first\n")
        error = out.error
        full = False
        out.write("second\n")
        found = os.read(stream.reading, 100)

    assert (str(error), out.error) == ("[Errno 28] No space left on device", None)
    assert found == b"first\nsecond\n"


def test_pipe_that_cannot_be_opened_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe that another user's process made is written to as it is."""

    def refuse(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "open", refuse)
    with Stream() as stream, open(stream.writing, "w", encoding="utf-8", closefd=False) as text:
        out = Output(text)
        out.write("line\n")
        out.close()
        found = os.read(stream.reading, 100)

    assert found == b"line\n"


def test_bytes() -> None:
    """Bytes go out as they are, after the text before them."""
    with Stream() as stream, _opened(stream, waits=True) as out:
        out.write("text")
        out.write_bytes(b"\x89PNG")
        found = os.read(stream.reading, 100)

    assert found == b"text\x89PNG"


def test_parts_of_a_line_are_written_together() -> None:
    """What has no line end yet waits for it, unless it is long or somebody wants it out."""
    with Stream() as stream, _opened(stream) as out:
        out.write("some, ")
        some = out.waiting
        out.write("all\n")
        line = os.read(stream.reading, 100)
        out.write("prompt> ")
        out.flush()
        prompt = os.read(stream.reading, 100)

    assert (some, line, prompt) == (6, b"some, all\n", b"prompt> ")


def test_stream_that_is_no_descriptor() -> None:
    """A stream of a test or a notebook is written to as it is, whatever becomes of it."""
    text, closed = io.StringIO(), io.StringIO()
    closed.close()
    raw = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    outs = [output(text), output(closed), output(raw)]

    whole = []
    for out in outs:
        out.write("größe\n")
        whole.append(out.finish(None))
    outs[2].write_bytes(b"\x89PNG")

    assert whole == [True, False, True]
    assert text.getvalue() == "größe\n"
    assert raw.buffer.getvalue() == b"gr??e\n\x89PNG"
    assert (outs[0].encoding, outs[2].encoding, outs[0].writable()) == ("utf-8", "ascii", True)
    assert not outs[0].is_at(outs[2])
    assert output(outs[0]) is outs[0]
    assert output(None).finish(None)


def test_same_place() -> None:
    """Two outputs are at one place where their descriptors are."""
    with Stream() as one, Stream() as two, ExitStack() as stack:
        first, other = (stack.enter_context(_opened(stream)) for stream in (one, two))
        again = stack.enter_context(_opened(one))
        found = (first.is_at(again), first.is_at(other), first.fileno() == one.writing)

    assert found == (True, False, True)


def test_lines_of_a_stream_with_another_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that was read by another process in between is waited for again."""
    real, busy = os.read, True

    def read(descriptor: int, size: int) -> bytes:
        nonlocal busy
        if busy:
            busy = False
            raise BlockingIOError
        return real(descriptor, size)

    with Stream() as stream, open(stream.reading, encoding="utf-8", closefd=False) as text:
        os.write(stream.writing, b"one\n\ntwo")
        stream.given_away()
        monkeypatch.setattr(os, "read", read)
        found = [*lines(text)]

    assert found == ["one", "", "two"]


# --- What is printed of what came from outside --------------------------------------------------

STEERING = "\x1b[2J\x07\x9b\u202e"
ESCAPED = r"\u001b[2J\u0007\u009b\u202e"


def _foreign(folder: Path) -> dict[str, list[str]]:
    """Commands that print what came from outside, each with what would steer a terminal."""
    chart = (Path(__file__).parents[2] / "statecharts" / "test.toml").read_text("utf-8")
    title = next(line for line in chart.splitlines() if line.startswith("title"))
    (folder / "chart.toml").write_text(chart.replace(title, f'title = "odd {ESCAPED} title"', 1), "utf-8")
    (folder / "refused.toml").write_text(f'action = "TEST"\n"odd {ESCAPED} key" = 1\n', "utf-8")
    journal = JOURNAL.read_text("utf-8").replace("speak_inexpensive", f"odd {ESCAPED} name")
    (folder / "odd.jsonl").write_text(journal, "utf-8")
    (folder / "odd.toml").write_text(
        f'title = "odd {ESCAPED} title"\nvariables = {{ SCHEMA = "odd {ESCAPED} name" }}\n', "utf-8"
    )
    (folder / "commands.txt").write_text("step\nlook\nfacts\nlast\nhistory\n", "utf-8")
    return {
        "check": ["check", "chart.toml"],
        "check refused": ["check", "refused.toml"],
        "diagram": ["diagram", "--chart", "chart.toml"],
        "diagram page": ["diagram", "--chart", "chart.toml", "--format", "page"],
        "replay": ["replay", "odd.jsonl"],
        "replay missing": ["replay", f"odd {STEERING}"],
        "report missing": ["report", f"odd {STEERING}", "-o", "there"],
        "report": ["report", "odd.jsonl", "-o", f"/dev/null/odd {STEERING}"],
        "debug": ["debug", "--replay", "odd.jsonl", "--commands", "commands.txt"],
        "debug missing": ["debug", "--replay", f"odd {STEERING}"],
        "demo": ["demo", "--scenario", "odd.toml", "--speed", "100"],
        "usage": ["demo", "--speed", f"odd{STEERING}"],
    }


FOREIGN = (
    *("check", "check refused", "diagram", "diagram page", "replay", "replay missing", "report", "report missing"),
    *("debug", "debug missing", "demo", "usage"),
)


@pytest.mark.parametrize("name", FOREIGN)
def test_nothing_steers_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """What a command prints of charts, journals, scenarios and arguments steers no terminal."""
    monkeypatch.chdir(tmp_path)

    with suppress(SystemExit):
        main(_foreign(tmp_path)[name], {})

    told = "".join(capsys.readouterr())
    assert "odd" in told
    assert [character for character in STEERING if not character.isprintable() and character in told] == []


def test_requests_steer_no_terminal() -> None:
    """What `simulate` prints of a request steers no terminal."""
    with Process("simulate", "--port", "0", variables={}) as simulator:
        url = re.search(r"http://127.0.0.1:\d+", simulator.await_line("listening on"))
        assert url is not None
        simulator.await_line("__main__.py")
        with requests.Session() as session:
            session.post(f"{url[0]}/odd%1b%5b2J%07%c2%9b%0aend", json={"odd \x1b": "\x9b"}, timeout=PATIENCE)
        told = simulator.await_line("POST /odd")
        simulator.send(signal.SIGINT)
        ended = simulator.end()

    assert ended.code == 0
    assert told.strip().isprintable()
    assert "end {'odd" in told
