"""The log, on stderr: structlog, for people or as JSON, masked in every part."""

import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, TextIO

import structlog

from orchestrator.job.masking import Mask
from orchestrator.job.streams import Output, output

__all__ = ["LiveLine", "Sections", "coloured", "make_log", "steerable"]


def steerable(environ: Mapping[str, str]) -> bool:
    """Whether what shows the log understands escape codes, and they are wanted (TERM=dumb, NO_COLOR)."""
    return not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def coloured(environ: Mapping[str, str], stream: TextIO | Output) -> bool:
    """Whether the log is shown in colour: by a terminal or by GitLab."""
    return steerable(environ) and (bool(environ.get("GITLAB_CI")) or stream.isatty())


class LiveLine:
    """The log's stream with a last line on a terminal that is drawn over again; without one where there is none.

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
        self._shown = False

    def show(self, text: str) -> None:
        """Draw the line, in place of the one before; not while the terminal takes nothing."""
        if not self.stream.waiting:
            from shutil import get_terminal_size  # noqa: PLC0415  # only on a terminal

            self._draw(self._mask.line(text)[: get_terminal_size().columns - 1])
            self._shown = True

    def clear(self) -> None:
        """Take it away."""
        if self._shown:
            self._draw("")
            self._shown = False

    def msg(self, message: str) -> None:
        """Write a line of the log in its place."""
        self.clear()
        self.stream.write(f"{message}\n")

    debug = info = warning = error = critical = msg  # as structlog calls it

    def _draw(self, text: str) -> None:
        self.stream.write(f"\r\x1b[2K{text}")
        self.stream.drain()


class Sections:
    """Parts of the log that GitLab folds away; nothing where it does not show the log.

    The markers are those of https://docs.gitlab.com/ci/jobs/job_logs/.

    Args:
        stream: Where the log goes.
        wall: The time, in seconds since the epoch.
        shown: Whether GitLab shows it, and to people.
    """

    def __init__(self, stream: TextIO | Output, wall: Callable[[], float], *, shown: bool) -> None:
        self._stream = output(stream)
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
            self._stream.write(f"\x1b[0Ksection_{kind}:{self._wall():.0f}:{name}\r\x1b[0K{title}{line_end}")
            self._stream.drain()


def make_log(
    mask: Mask,
    *,
    json_lines: bool = False,
    debug: bool = False,
    colours: bool = False,
    live: LiveLine | None = None,
) -> structlog.typing.FilteringBoundLogger:
    """A logger.

    Args:
        mask: Takes the secrets out of every value.
        json_lines: One JSON object a line, not text for people.
        debug: Let debug lines through.
        colours: Colour the text.
        live: Where it goes; stderr when None.
    """
    live = live or LiveLine(sys.stderr)

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
