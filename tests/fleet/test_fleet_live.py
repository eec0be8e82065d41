"""How many connections stand while they sync: the line with the counts, and the live table of a terminal."""

import io
import os
import re
from collections.abc import Sequence
from typing import Any

import pytest

from orchestrator.fleet import live
from orchestrator.fleet.live import LiveTable, table
from orchestrator.fleet.progress import Progress, Row, counts_line
from orchestrator.job.log import LiveLine, make_log
from orchestrator.job.masking import Mask
from orchestrator.job.streams import output

FAILED = Row("calm_river", outcome="FAILED", headline="the sync failed after 2 min", exit_code=1)
OK = Row("good", outcome="OK", headline="the sync succeeded", exit_code=0)
LATE = Row("late", outcome="NOT STARTED", headline="FIVETRAN_TIMEOUT ran out")
QUEUED = Row("next", doing="queued")
STARTING = Row("soon", "mysql", "waiting for the sync to start", 60.0)

PLAIN = Row("plain", since=695.0)


def syncing(number: int) -> Row:
    """A connection whose sync runs since that many seconds."""
    return Row(f"run_{number}", "postgres", "syncing", float(number), syncing=True)


def progress(*rows: Row, now: float = 700.0, left: float = 1_330.0) -> Progress:
    """How they stand after some time."""
    return Progress(rows, now, now + left)


def plain(lines: Sequence[str]) -> list[str]:
    """The lines without their colours."""
    return [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]


# --- The counts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "left", "expected"),
    [
        (
            [FAILED] * 2 + [OK] * 310 + [syncing(1)] * 180 + [QUEUED] * 6 + [STARTING] * 2,
            1_330.0,
            "312 of 500 done, 2 failed, 180 syncing, 2 waiting, 6 queued; 22 min left",
        ),
        ([OK, QUEUED], 90.0, "1 of 2 done, 1 queued; 1 min 30 s left"),
        ([STARTING], 12_000.0, "0 of 1 done, 1 waiting; 3 h 20 min left"),
        ([OK, OK], 90.0, "2 of 2 done"),
        ([OK, LATE], 90.0, "2 of 2 done, 1 not started"),
        ([syncing(1)] * 1_200, -5.0, "0 of 1,200 done, 1,200 syncing; 0 s left"),
        ([], 1.0, "0 of 0 done"),
    ],
)
def test_counts_in_a_line(rows: list[Row], left: float, expected: str) -> None:
    """The line has what there is to count and no zeros; time is left while something goes on."""
    assert counts_line(progress(*rows, left=left)) == expected


# --- The table ------------------------------------------------------------------------------------


def test_table_shows_what_matters() -> None:
    """A bar, the counts, those that failed, then those that have run longest; neither the green nor the queued."""
    lines = plain(table(progress(syncing(500), OK, QUEUED, FAILED, syncing(90), STARTING, LATE, PLAIN), 90, 24))

    assert lines == [
        "━" * 33 + "─" * 56,
        "3 of 8 done, 1 failed, 1 not started, 2 syncing, 2 waiting, 1 queued; 22 min left",
        "calm_river  FAILED: the sync failed after 2 min",
        "late        NOT STARTED: FIVETRAN_TIMEOUT ran out",
        "soon        waiting for the sync to start, 10 min (mysql)",
        "run_90      syncing, 10 min (postgres)",
        "run_500     syncing, 3 min 20 s (postgres)",
        "plain       starting, 5 s",
    ]


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 50), (40, 10), (20, 3), (10, 2), (2, 1)])
@pytest.mark.parametrize("failed", [0, 3, 400])
def test_table_is_never_more_than_the_screen(columns: int, rows: int, failed: int) -> None:
    """Whatever there is, it has fewer lines than the terminal, and each is shorter, wide characters counted as two."""
    wide = Row("x" * 60, outcome="FAILED", headline="数据库" * 100, exit_code=1)

    lines = plain(table(progress(*[wide] * failed, *map(syncing, range(500)), *[QUEUED] * 100), columns, rows))

    assert 1 <= len(lines) <= max(1, rows - 1)
    assert max(len(line) + sum(letter in "数据库" for letter in line) for line in lines) < columns


@pytest.mark.parametrize(
    ("failed", "running", "expected"),
    [(40, 40, (7, 6)), (2, 40, (2, 11)), (40, 1, (12, 1)), (40, 0, (13, 0)), (0, 40, (0, 13)), (2, 3, (2, 3))],
)
def test_failures_leave_room(failed: int, running: int, expected: tuple[int, int]) -> None:
    """What failed comes first and leaves half of the room to what runs; what is not shown is counted."""
    lines = plain(table(progress(*[FAILED] * failed, *map(syncing, range(running))), 80, 24))

    shown = (sum("FAILED" in line for line in lines), sum("syncing, " in line for line in lines))
    more = [f"{failed - shown[0]} more failed"] * (failed > shown[0])
    more += [f"{running - shown[1]} more under way"] * (running > shown[1])
    assert sum(shown) == min(13, failed + running)
    assert (lines[-1] == f"and {', '.join(more)}") == bool(more)
    assert shown == expected


def test_table_has_colours() -> None:
    """How it ended is in colour: red for a failure, yellow for what is none."""
    lines = table(progress(FAILED, LATE), 80, 24)

    assert "\x1b[31mFAILED\x1b[0m" in lines[2]
    assert "\x1b[33mNOT STARTED\x1b[0m" in lines[3]


def test_table_is_clean() -> None:
    """Names and words from outside steer no terminal, and secrets are masked, before anything is cut."""
    row = Row("a\x1b[2Jb", "s\x9bt", "sync\ning", 0.0)
    failed = FAILED._replace(headline="a-secret [red]plain[/red]")

    lines = plain(table(progress(row, failed, syncing(1)), 60, 24, Mask("a-secret").line))

    assert not re.search(r"[\x00-\x1f\x80-\x9f]", "".join(lines))
    assert any("*** [red]plain[/red]" in line for line in lines)


# --- On a terminal --------------------------------------------------------------------------------


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """It is one."""
        return True


class Screen:
    """What a terminal of so many lines shows, as far as we steer one."""

    def __init__(self) -> None:
        self.lines = [""]
        self.row = self.column = 0

    def feed(self, text: str) -> list[str]:
        """Show a text, and return what is seen then."""
        for part in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|[^\x1b]", text):
            self._do(part)
        return self.lines

    def _do(self, part: str) -> None:
        line = self.lines[self.row]
        if part == "\r":
            self.column = 0
        elif part == "\n":
            self.row, self.column = self.row + 1, 0
            self.lines += [""] * (self.row + 1 - len(self.lines))
        elif part == "\x1b[2K":
            self.lines[self.row] = ""
        elif part == "\x1b[K":
            self.lines[self.row] = line[: self.column]
        elif part == "\x1b[J":
            self.lines[self.row :] = [line[: self.column]]
        elif re.fullmatch(r"\x1b\[\d+A", part):
            self.row -= int(part[2:-1])
            assert self.row >= 0
        elif not part.startswith("\x1b"):
            self.lines[self.row] = line[: self.column] + part + line[self.column + 1 :]
            self.column += 1


def test_block_is_drawn_in_place() -> None:
    """A block is drawn over in place, larger or smaller, makes way for the log, and leaves nothing behind."""
    out, screen = Terminal(), Screen()
    line = LiveLine(out)
    log = make_log(Mask(), live=line, wall=lambda: 0.0)

    def seen() -> list[str]:
        text = out.getvalue()
        out.seek(0)
        out.truncate()
        return [*screen.feed(text)]

    line.show_block(["one", "two", "three"])
    assert seen() == ["one", "two", "three"]

    line.show_block(["1", "2", "3", "4"])
    assert seen() == ["1", "2", "3", "4"]

    line.show_block(["I", "II"])
    assert seen() == ["I", "II"]

    log.info("a line")
    assert seen() == ["00:00:00Z a line", ""]

    line.show_block(["I", "II"])
    assert seen() == ["00:00:00Z a line", "I", "II"]

    line.show("a line alone")
    assert seen() == ["00:00:00Z a line", "a line alone"]

    line.show_block(["I", "II"])
    line.clear()
    assert seen() == ["00:00:00Z a line", ""]

    line.clear()
    assert out.getvalue() == ""


def test_block_is_drawn_only_when_changed() -> None:
    """What is there already is not written again."""
    out = Terminal()
    line = LiveLine(out)

    for lines in (["one", "two"], ["one", "two"], ["one", "2"]):
        line.show_block(lines)

    assert out.getvalue() == "\rone\x1b[K\ntwo\x1b[K" + "\r\x1b[1Aone\x1b[K\n2\x1b[K"


def test_block_waits_for_the_log() -> None:
    """While a terminal does not take the log, no block queues up behind it."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with os.fdopen(writer, "w") as stream:
        out = output(stream)
        line = LiveLine(out)
        while not out.waiting:
            line.msg("x" * 4000)
        before = out.waiting

        line.show_block(["one", "two"])

        assert (out.waiting, line.shown) == (before, False)
        os.read(reader, 1_000_000)
        out.close()
    os.close(reader)


def _asked(live_table: LiveTable, times: Sequence[float]) -> list[float]:
    """When a table asked how things stand, of some ticks."""
    found: list[float] = []
    for now in times:

        def stand(now: float = now) -> Progress:
            found.append(now)
            return progress(FAILED, syncing(1), now=now)

        live_table.tick(now, stand)
    return found


def test_table_is_drawn_twice_a_second() -> None:
    """Ten ticks a second draw it twice; when the log has taken its place, the next tick draws it again."""
    line = LiveLine(Terminal())
    live_table = LiveTable(line, Mask())

    assert _asked(live_table, [number / 10 for number in range(12)]) == [0.0, 0.5, 1.0]

    line.msg("a line of the log")

    assert _asked(live_table, [1.2, 1.3]) == [1.2]


@pytest.mark.parametrize(("stream", "environ"), [(io.StringIO(), {}), (Terminal(), {"TERM": "dumb"})])
def test_no_table_where_there_is_no_live_line(stream: Any, environ: dict[str, str]) -> None:
    """In a file, or on a terminal that understands no escape codes, nothing is drawn and nobody is asked."""
    assert _asked(LiveTable(LiveLine(stream, environ=environ), Mask()), [0.0, 9.0]) == []
    assert stream.getvalue() == ""


def test_counts_alone_without_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where rich is not installed, the live line has the counts."""
    monkeypatch.setattr(live, "find_spec", lambda _: None)
    out = Terminal()

    _asked(LiveTable(LiveLine(out), Mask()), [0.0])

    assert out.getvalue() == "\r\x1b[2K1 of 2 done, 1 failed, 1 syncing; 22 min left"


def test_table_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is drawn for the terminal's size."""
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((30, 6)))
    out = Terminal()

    LiveTable(LiveLine(out), Mask()).tick(0.0, lambda: progress(FAILED, *map(syncing, range(99))))

    lines = plain(Screen().feed(out.getvalue()))
    assert len(lines) == 5
    assert max(map(len, lines)) < 30
