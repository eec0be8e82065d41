"""The live table on a terminal: how many are done, those that failed, and those that have been at it longest.

It is drawn with rich, an extra; without it there is the line with the counts.
"""

import io
from collections.abc import Callable, Iterator
from heapq import nsmallest
from importlib.util import find_spec

from orchestrator.fleet.progress import QUEUED, Progress, Row, counts_line, rounded
from orchestrator.job.log import LiveLine
from orchestrator.job.masking import Mask

__all__ = ["LiveTable", "table"]

PAUSE = 0.5  # seconds between two drawings
MOST_ROWS = 30  # connections, however high the terminal is
HEADER = 2  # lines above them
LEAST = 9  # lines of a low terminal; of a higher one two thirds, so that the log above can be read
_COLOURS = {"OK": "green", "FAILED": "red"}  # of an outcome; any other one is yellow


class LiveTable:
    """Draws the table in place of a live line.

    Args:
        live: Where it is drawn.
        mask: Takes the secrets out, and what would steer the terminal.
    """

    def __init__(self, live: LiveLine, mask: Mask) -> None:
        self._live = live
        self._mask = mask
        self._next = 0.0
        self._rich = find_spec("rich") is not None

    def tick(self, now: float, progress: Callable[[], Progress]) -> None:
        """Draw it, unless it has just been drawn.

        Args:
            now: The time, in seconds since any moment.
            progress: How the connections stand; asked for only when it is drawn.
        """
        if not self._live.live or (self._live.shown and now < self._next):
            return
        self._next = now + PAUSE
        if not self._rich:
            self._live.show(counts_line(progress()))
            return
        from shutil import get_terminal_size  # noqa: PLC0415  # only on a terminal

        size = get_terminal_size()
        self._live.show_block(table(progress(), size.columns, size.lines, self._mask.line))


def table(progress: Progress, columns: int, rows: int, clean: Callable[[str], str] = str) -> list[str]:
    """The table's lines, with colours.

    Args:
        progress: How the connections stand.
        columns: Of the terminal; no line is as long, since some terminals wrap one that is.
        rows: Of the terminal; there are fewer lines.
        clean: Takes the secrets out of a text, and what would steer the terminal.
    """
    # Only on a terminal, and where it is installed.
    from rich.console import Console  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    failed = [row for row in progress.rows if row.outcome and row.exit_code != 0]
    going = [row for row in progress.rows if not row.outcome and row.doing != QUEUED]
    height = min(rows - 1, max(LEAST, rows * 2 // 3))
    room = min(height - HEADER, MOST_ROWS)
    if len(failed) + len(going) > room:
        room -= 1  # for how many more there are
    first = failed[: max(0, room - min(len(going), room // 2))]
    then = nsmallest(max(0, room - len(first)), going, key=lambda row: row.since)
    more = (len(failed) - len(first), len(going) - len(then))

    width, done = columns - 1, sum(bool(row.outcome) for row in progress.rows)
    full = width * done // max(1, len(progress.rows))
    lines = [Text.assemble(("━" * full, "green"), ("─" * (width - full), "dim")), Text(counts_line(progress))]
    shown = [*first, *then]
    wide = min(max((len(row.connector_id) for row in shown), default=0), columns * 2 // 5)
    for row in shown:
        name = Text(clean(row.connector_id))
        name.truncate(wide, overflow="ellipsis", pad=True)
        lines.append(Text.assemble(name, "  ", *_doing(row, progress.now, clean)))
    numbers = zip(more, ("failed", "under way"), strict=True)
    if rest := ", ".join(f"{number:,} more {what}" for number, what in numbers if number):
        lines.append(Text(f"and {rest}", "dim"))
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=True, color_system="standard", legacy_windows=False)
    for line in lines[: max(1, height)]:
        console.print(line, no_wrap=True, overflow="ellipsis", crop=True)
    return file.getvalue().splitlines()


def _doing(row: Row, now: float, clean: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    """What happened to a connection, or what it does and for how long: texts, each with its style."""
    if row.outcome:
        yield row.outcome, _COLOURS.get(row.outcome, "yellow")
        yield f": {clean(row.headline)}", ""
        return
    yield clean(row.doing or "starting"), ""
    yield f", {rounded(now - row.since)}", "dim"
    if row.service:
        yield f" ({clean(row.service)})", "dim"
