"""The log, on stderr: structlog, for people or as JSON, masked in every part."""

import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from typing import Any, TextIO

import structlog

from orchestrator.masking import Mask

__all__ = ["LiveLine", "Sections", "coloured", "make_log"]


def coloured(environ: Mapping[str, str], stream: TextIO) -> bool:
    """Whether the log is shown in colour: by a terminal or by GitLab, and not unwanted (NO_COLOR)."""
    if environ.get("NO_COLOR"):
        return False
    return bool(environ.get("GITLAB_CI")) or stream.isatty()


class LiveLine:
    """A last line on a terminal that is drawn over again; nothing where there is no terminal.

    Args:
        stream: Where the log goes.
    """

    def __init__(self, stream: TextIO) -> None:
        self.live = stream.isatty()
        self._stream = stream
        self._shown = False

    def show(self, text: str) -> None:
        """Draw the line, in place of the one before."""
        _write(self._stream, f"\r\x1b[2K{text[: _width() - 1]}")
        self._shown = True

    def clear(self) -> None:
        """Take it away, so that a log line can take its place."""
        if self._shown:
            _write(self._stream, "\r\x1b[2K")
            self._shown = False


def _write(stream: TextIO, text: str) -> None:
    """Write what the encoding can say. A log that nobody takes any more is no failure of the sync."""
    encoding = stream.encoding or "utf-8"
    with suppress(OSError):  # `| head` has gone, or the disk is full: there is nowhere left to say so
        stream.write(text.encode(encoding, "replace").decode(encoding))
        stream.flush()


def _width() -> int:
    import shutil  # noqa: PLC0415  # only on a terminal

    return shutil.get_terminal_size().columns


class Sections:
    """Parts of the log that GitLab folds away; nothing where it does not show the log.

    The markers are those of https://docs.gitlab.com/ci/jobs/job_logs/.

    Args:
        stream: Where the log goes.
        wall: The time, in seconds since the epoch.
        shown: Whether GitLab shows it, and to people.
    """

    def __init__(self, stream: TextIO, wall: Callable[[], float], *, shown: bool) -> None:
        self._stream = stream
        self._wall = wall
        self._shown = shown

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
        if self._shown:
            line_end = "\n" if title else ""
            _write(self._stream, f"\x1b[0Ksection_{kind}:{self._wall():.0f}:{name}\r\x1b[0K{title}{line_end}")


class _Output:
    """A line at a time to a stream; the live line makes way."""

    def __init__(self, stream: TextIO, live: LiveLine) -> None:
        self._stream = stream
        self._live = live

    def msg(self, message: str) -> None:
        self._live.clear()
        _write(self._stream, f"{message}\n")

    debug = info = warning = error = critical = msg


def make_log(
    mask: Mask,
    *,
    json_lines: bool = False,
    debug: bool = False,
    colours: bool = False,
    stream: TextIO | None = None,
    live: LiveLine | None = None,
) -> structlog.typing.FilteringBoundLogger:
    """A logger.

    Args:
        mask: Takes the secrets out of every value.
        json_lines: One JSON object a line, not text for people.
        debug: Let debug lines through.
        colours: Colour the text.
        stream: Where it goes; stderr when None.
        live: The line to take away first.
    """
    out = sys.stderr if stream is None else stream

    def masked(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {name: mask.value(value) for name, value in event.items()}

    processors: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso" if json_lines else "%H:%M:%SZ", utc=True),
        masked,
    ]
    if json_lines:
        processors.append(structlog.processors.JSONRenderer(ensure_ascii=False, default=str))
    else:
        processors.append(structlog.dev.ConsoleRenderer(colors=colours, sort_keys=False, pad_level=False))
    return structlog.wrap_logger(  # type: ignore[no-any-return]
        _Output(out, live or LiveLine(out)),
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger("debug" if debug else "info"),
        context_class=dict,
        cache_logger_on_first_use=True,
    )
