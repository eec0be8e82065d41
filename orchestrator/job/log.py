"""The log, on stderr: structlog, for people or as JSON, masked in every part."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TextIO

import structlog

from orchestrator.job.masking import Mask
from orchestrator.job.streams import Output, output

__all__ = ["Console", "LiveLine", "Sections", "coloured", "make_log", "steerable"]


def steerable(environ: Mapping[str, str]) -> bool:
    """Whether what shows the log understands escape codes, and they are wanted (TERM=dumb, NO_COLOR)."""
    return not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def coloured(environ: Mapping[str, str], stream: TextIO | Output) -> bool:
    """Whether the log is shown in colour: by a terminal or by GitLab."""
    return steerable(environ) and (bool(environ.get("GITLAB_CI")) or stream.isatty())


class Console:
    """A line of the log for people: time, what kind of line it is, the text; of a debug line also its values.

    Args:
        colours: Colour the kind.
    """

    _WORDS: Mapping[str, str] = {"debug": "debug", "warning": "WARNING", "error": "ERROR"}
    _COLOURS: Mapping[str, str] = {"OK": "32;1", "FAILED": "31;1", "ERROR": "31;1", "debug": "2"}
    INDENT = " " * 10  # as wide as the time

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours

    def __call__(self, _: object, __: str, event: Mapping[str, Any]) -> str:
        """The line, or the block."""
        level, text = event["level"], event["event"]
        word = event.get("outcome") or self._WORDS.get(level, "")
        if word:
            code = self._COLOURS.get(word, "33;1")
            text = f"\x1b[{code}m{word}\x1b[0m: {text}" if self._colours else f"{word}: {text}"
        if level == "debug":
            shown = {name: value for name, value in event.items() if name not in {"timestamp", "level", "event"}}
            text = " ".join((text, *(f"{name}={_plain(value)}" for name, value in shown.items())))
        return "\n".join((f"{event['timestamp']} {text}", *(f"{self.INDENT}{line}" for line in event.get("lines", ()))))


def _plain(value: object) -> str:
    return value if isinstance(value, str) and value and not set(value) & set(" \t=\"'") else repr(value)


class LiveLine:
    """The log's stream with a last line on a terminal that is drawn over again; without one where there is none.

    There may be several lines: a block that is drawn over in place.

    Args:
        stream: Where the log goes.
        mask: Takes the secrets out of it, and what would steer the terminal.
        environ: TERM and NO_COLOR.

    Attributes:
        stream: Where the log goes.
        live: There is such a line.
    """

    def __init__(
        self, stream: TextIO | Output, mask: Mask | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        self.live = stream.isatty() and steerable(environ or {})
        self.stream = output(stream)
        self._mask = mask or Mask()
        self._shown: list[str] = []

    @property
    def shown(self) -> bool:
        """Something is drawn now."""
        return bool(self._shown)

    def show(self, text: str) -> None:
        """Draw the line, in place of the one before; not while the terminal takes nothing."""
        if not self.stream.waiting:
            from shutil import get_terminal_size  # noqa: PLC0415  # only on a terminal

            self._draw(f"\x1b[2K{self._mask.line(text)[: get_terminal_size().columns - 1]}")

    def show_block(self, lines: Sequence[str]) -> None:
        """Draw several lines in place of the ones before, where they differ; not while the terminal takes nothing.

        Args:
            lines: At least one, no more and no longer ones than the terminal has; masked, perhaps with colours.
        """
        drawn = [f"{line}\x1b[K" for line in lines]  # what is not erased first does not flicker
        if drawn != self._shown and not self.stream.waiting:
            self._draw(*drawn)

    def clear(self) -> None:
        """Take it away."""
        if self._shown:
            self._draw("\x1b[2K")
            self._shown = []

    def msg(self, message: str) -> None:
        """Write a line of the log in its place."""
        self.clear()
        self.stream.write(f"{message}\n")

    debug = info = warning = error = critical = msg  # as structlog calls it

    def _draw(self, *lines: str) -> None:
        above = len(self._shown) - 1
        up = f"\x1b[{above}A" if above > 0 else ""
        left_over = "\x1b[J" if above >= len(lines) else ""
        self.stream.write("\r" + up + "\n".join(lines) + left_over)
        self.stream.drain()
        self._shown = [*lines]


class Sections:
    """Parts of the log that GitLab folds away; nothing where it does not show the log.

    The markers are those of https://docs.gitlab.com/ci/jobs/job_logs/.

    Args:
        stream: Where the log goes.
        wall: The time, in seconds since the epoch.
        shown: Whether GitLab shows it, and to people.

    Attributes:
        shown: Likewise.
    """

    def __init__(self, stream: TextIO | Output, wall: Callable[[], float], *, shown: bool) -> None:
        self._stream = output(stream)
        self._wall = wall
        self.shown = shown

    @contextmanager
    def section(self, name: str, title: str, *, collapsed: bool = True) -> Iterator[None]:
        """What is written meanwhile belongs to a section.

        Args:
            name: Letters and underscores.
            title: The line that stays when it is folded.
            collapsed: It is folded at first.
        """
        self._mark("start", name + ("[collapsed=true]" if collapsed else ""), title)
        try:
            yield
        finally:
            self._mark("end", name)

    def _mark(self, kind: str, name: str, title: str = "") -> None:
        if self.shown:
            line_end = "\n" if title else ""
            self._stream.write(f"\x1b[0Ksection_{kind}:{self._wall():.0f}:{name}\r\x1b[0K{title}{line_end}")
            self._stream.drain()


def make_log(
    mask: Mask,
    *,
    json_lines: bool = False,
    debug: bool = False,
    colours: bool = False,
    live: LiveLine | None = None,
    wall: Callable[[], float] = time.time,
    context: Mapping[str, str] | None = None,
) -> structlog.typing.FilteringBoundLogger:
    """A logger.

    Args:
        mask: Takes the secrets out of every value.
        json_lines: One JSON object a line, not text for people.
        debug: Let debug lines through.
        colours: Colour the text.
        live: Where it goes; stderr when None.
        wall: The time, in seconds since the epoch.
        context: What stands in each JSON line; it may change.
    """
    live = live or LiveLine(sys.stderr)

    form = "%Y-%m-%dT%H:%M:%S.%fZ" if json_lines else "%H:%M:%SZ"

    def complete(_: object, level: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        head = {"timestamp": f"{datetime.fromtimestamp(wall(), UTC):{form}}", "level": level}
        return {**head, **{name: mask.value(value) for name, value in ({**(context or {}), **event}).items()}}

    for_people = Console(colours=colours)
    renderer = structlog.processors.JSONRenderer(ensure_ascii=False, default=str) if json_lines else for_people
    processors: list[Any] = [complete, renderer]

    def logger(to: object) -> Any:  # noqa: ANN401  # as structlog has it
        return structlog.wrap_logger(
            to,
            processors=processors,
            wrapper_class=structlog.make_filtering_bound_logger("debug" if debug else "info"),
            context_class=dict,
            cache_logger_on_first_use=True,
        )

    lost = logger(structlog.ReturnLogger())
    why = "lines of the log were dropped here: stderr did not take them in time"
    live.stream.note = lambda number: f"{lost.warning(f'{number} {why}')}\n"
    return logger(live)  # type: ignore[no-any-return]
