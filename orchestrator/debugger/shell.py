"""Where the debugger's commands come from: somebody at a terminal, or a file."""

import io
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from prompt_toolkit import PromptSession
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.output.plain_text import PlainTextOutput
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from orchestrator.debugger import screen
from orchestrator.debugger.commands import Desk, Refusal, complete, perform
from orchestrator.debugger.session import Session
from orchestrator.fivetran.effects import EFFECTS, Call
from orchestrator.fivetran.verdicts import explain
from orchestrator.job.log import LiveLine, steerable
from orchestrator.job.masking import Mask
from orchestrator.machine.transition import unknown
from orchestrator.values.events import Event
from orchestrator.values.exchange import Request
from orchestrator.values.formatting import duration

__all__ = ["attended", "unattended"]

YES = {"y", "yes"}
WIDTH = 100  # columns of a transcript
REFUSED, TERMINATED = 2, 143
GREETING = "`help` lists the commands, `step` takes the first step."


def attended(session: Session, environ: Mapping[str, str]) -> int:
    """Somebody types at a terminal.

    Args:
        session: What is debugged.
        environ: NO_COLOR, and where the history of commands is kept (XDG_STATE_HOME).

    Returns:
        0, or 143 where it was told to end.
    """
    if environ.get("TERM") != "dumb":
        return _attended(session, environ)
    with create_app_session(output=PlainTextOutput(sys.stdout)):  # else the cursor is shown and hidden all the same
        return _attended(session, environ)


def _attended(session: Session, environ: Mapping[str, str]) -> int:
    plain = not steerable(environ)
    console = _Console(session.mask, color_system=None if plain else "auto")
    desk, live = Desk(session, console), LiveLine(sys.stdout, session.mask, environ)
    depth = ColorDepth.DEPTH_1_BIT if plain else None
    asking: PromptSession[str] = PromptSession(color_depth=depth)
    typing: PromptSession[str] = PromptSession(
        history=_history(environ),
        completer=_Words(session),
        complete_while_typing=False,
        bottom_toolbar=lambda: _toolbar(session),
        refresh_interval=1.0 if session.live else 0.0,  # its time runs on
        color_depth=depth,
    )

    def asked(request: Request) -> bool:
        live.clear()
        try:
            return asking.prompt(screen.question(session, request)).strip().lower() in YES
        except (EOFError, KeyboardInterrupt):
            return False

    def told(refusal: str) -> None:
        live.clear()
        desk.show(Text(refusal, "refusal"))

    session.confirm = asked
    desk.show(screen.standing(session))
    desk.say(GREETING)
    while not desk.left:
        try:
            text = typing.prompt([("ansired bold" if session.live else "ansicyan", screen.prompt(session))])
            _do(desk, text or "look", told, lambda: _tick(session, live))
        except KeyboardInterrupt:  # Ctrl-C at the prompt drops the line
            continue
        except EOFError:
            break
        finally:
            live.clear()
    _part(desk)
    return TERMINATED if desk.terminated else 0


def unattended(session: Session, lines: Iterable[str], out: TextIO) -> int:
    """The commands come from a file, and what would have been on the screen goes to another.

    A line that begins with # stands in the transcript as it is.

    Returns:
        0; 2 where a command was refused; 143 where it was told to end.
    """
    console = _Console(session.mask, file=_Trimmed(out), width=WIDTH, color_system=None, force_terminal=False)
    desk, rest, refused = Desk(session, console), iter(lines), False

    def asked(request: Request) -> bool:
        said = next(rest, "").strip()
        console.print(f"{screen.question(session, request)}{said}", soft_wrap=True)
        return said.lower() in YES

    def told(refusal: str) -> None:
        nonlocal refused
        refused = True
        desk.say(refusal)

    session.confirm = asked
    desk.show(screen.standing(session))
    while not desk.left and (line := next(rest, None)) is not None:
        text = line.strip()
        if not text:
            continue
        if text.startswith("#"):
            console.print(f"\n{text}", soft_wrap=True)
            continue
        console.print(f"\n{screen.prompt(session)}{text}", soft_wrap=True)
        _do(desk, text, told)
    _part(desk)
    return TERMINATED if desk.terminated else REFUSED if refused else 0


def _do(desk: Desk, text: str, told: Callable[[str], None], tick: Callable[[], None] = lambda: None) -> None:
    """Do a command; what stands in its way is told."""
    with desk.session.limited(tick if desk.session.live else lambda: None) as limits:
        try:
            perform(desk, text)
        except Refusal as refusal:
            told(desk.session.mask.line(str(refusal)))
        if limits.noted is Event.TERMINATED:
            desk.left = desk.terminated = True


def _part(desk: Desk) -> None:
    """Say what goes on at the real Fivetran, where a run of it is left before its end."""
    line = desk.session.unended
    if line is None or line.ports is None:
        return
    last = line.moments[-1]
    facts, effect = last.facts, EFFECTS.get(line.chart.states[last.standing.state].operand)
    if line.ports.interrupted is not None and isinstance(effect, Call):
        facts = unknown(facts, effect, line.ports.interrupted, last.now)
    said = explain(line.settings, facts.but(verdict=str(Event.INTERRUPTED)), line.chart)
    desk.say("the run is left before its end. At Fivetran, as far as the run knows:")
    for one in said.at_fivetran:
        desk.say(f"- {one}")
    if said.still_running is not False and "attach" in line.chart.values("on_running"):
        desk.say("To wait for that sync, start the job, or this, with FIVETRAN_ON_RUNNING=attach.")


def _tick(session: Session, live: LiveLine) -> None:
    """While a pause or a call at the real Fivetran lasts."""
    run = session.line.run
    left = run.wake - run.now if run is not None else 0.0
    doing = f"{duration(left)} to wait" if left > 0 else "waiting for Fivetran's answer"
    live.show(f"{doing}; Ctrl-C comes back to the prompt")


def _toolbar(session: Session) -> StyleAndTextTuples:
    here, run = session.here, session.line.run
    now = here.now if run is None or session.in_the_past else run.now
    left = here.standing.due - now
    due = f"next step in {duration(left)}, " if left > 0 else ""
    standing = "ended" if session.ended else f"{due}deadline in {duration(here.standing.deadline - now)}"
    return [("", f" {session.chart.action} {session.line.settings.connector_id}: {standing}; help: ? ")]


def _history(environ: Mapping[str, str]) -> History:
    """The commands of former sessions, under XDG_STATE_HOME; kept in memory alone where no file can be."""
    home = environ.get("XDG_STATE_HOME") or Path(environ.get("HOME", ""), ".local", "state")
    file = Path(home, "fivetran-orchestrator", "debug-history")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(file) if file.is_file() else InMemoryHistory()


class _Console(Console):
    """A console that shows neither secrets nor what would steer the terminal, whatever it is given."""

    def __init__(self, mask: Mask, **how: Any) -> None:  # noqa: ANN401  # rich's own
        super().__init__(theme=screen.THEME, highlight=False, markup=False, emoji=False, **how)
        self._mask = mask

    def print(self, *shown: RenderableType, **how: Any) -> None:  # noqa: ANN401
        """Show something."""
        super().print(*(_Clean(one, self._mask) for one in shown), **how)


@dataclass(frozen=True)
class _Clean:
    """What is to be shown, cleaned when it has been laid out."""

    shown: RenderableType
    mask: Mask

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        """Each part of it."""
        for segment in console.render(self.shown, options):
            yield segment if segment.control else Segment(self.mask.block(segment.text), segment.style)


class _Trimmed(io.StringIO):
    """Text without the blanks that fill up the ends of lines."""

    def __init__(self, out: TextIO) -> None:
        super().__init__()
        self._out = out

    def write(self, text: str) -> int:
        """Write it so, and let it be seen at once."""
        encoding = self._out.encoding or "utf-8"
        trimmed = re.sub(" +$", "", text, flags=re.MULTILINE)
        self._out.write(trimmed.encode(encoding, "replace").decode(encoding))
        self._out.flush()
        return len(text)


class _Words(Completer):
    """Completion of the last word."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """What the word before the cursor may become."""
        del complete_event
        text = document.text_before_cursor
        for one in complete(self._session, text):
            yield Completion(one, start_position=-len(text.split(" ")[-1]))
