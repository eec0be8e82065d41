"""Where a session is worked on."""

from collections.abc import Iterator
from typing import Any

from rich import console
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from orchestrator.debugger import screen
from orchestrator.debugger.session import Session
from orchestrator.job.limits import Watch

__all__ = ["Console"]


class Console(console.Console):
    """A console that shows neither secrets nor what would steer the terminal, whatever it is given.

    Args:
        session: What is debugged.
        how: As rich takes it.

    Attributes:
        session: What is debugged.
        watch: Notes the signals that arrive while a command runs.
        code: The exit code, once the console is left.
    """

    watch: Watch

    def __init__(self, session: Session, **how: Any) -> None:  # noqa: ANN401  # rich's own
        super().__init__(theme=screen.THEME, highlight=False, markup=False, emoji=False, **how)
        self.session = session
        self.code: int | None = None

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Each part of what is shown, cleaned."""
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else self.session.mask.block(segment.text)
            yield Segment(text, segment.style, segment.control)

    def say(self, text: str) -> None:
        """Say something in a line."""
        self.print(Text(self.session.mask.line(text)))

    def close(self) -> None:
        """Close the session."""
        self.session.close()
