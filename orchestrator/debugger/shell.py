"""Where the debugger's commands come from: a terminal, or a file."""

import io
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TextIO

from prompt_toolkit import PromptSession
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.output.plain_text import PlainTextOutput
from rich.text import Text

from orchestrator.debugger import screen
from orchestrator.debugger.commands import complete, perform
from orchestrator.debugger.ports import Refusal
from orchestrator.debugger.screen import Console
from orchestrator.debugger.session import Session
from orchestrator.debugger.views import look
from orchestrator.fivetran.verdicts import explain
from orchestrator.job.limits import Limits
from orchestrator.job.log import LiveLine, steerable
from orchestrator.machine.transition import call_of, unknown
from orchestrator.values.clock import SystemClock
from orchestrator.values.events import Event
from orchestrator.values.exchange import Request
from orchestrator.values.formatting import duration

__all__ = ["attended", "unattended"]

YES = {"y", "yes"}
WIDTH = 100  # columns of a transcript
REFUSED, TERMINATED = 2, 143
GREETING = "`help` lists the commands, `step` takes the first step."


def attended(session: Session, environ: Mapping[str, str]) -> int:
    """Read commands at a terminal.

    Args:
        session: What is debugged.
        environ: NO_COLOR, and where the history of commands is kept (XDG_STATE_HOME).

    Returns:
        0, or 143 after SIGTERM.
    """
    dumb, plain = environ.get("TERM") == "dumb", not steerable(environ)
    console = Console(session, color_system=None if plain else "auto")
    live = LiveLine(sys.stdout, session.mask, environ)
    depth = ColorDepth.DEPTH_1_BIT if plain else None
    # On a dumb terminal the cursor would be shown and hidden all the same.
    with closing(console), create_app_session(output=PlainTextOutput(sys.stdout)) if dumb else nullcontext():
        asking: PromptSession[str] = PromptSession(color_depth=depth)
        typing: PromptSession[str] = PromptSession(
            history=_history(environ),
            completer=_Words(console),
            complete_while_typing=False,
            bottom_toolbar=lambda: _toolbar(console.session),
            refresh_interval=1.0 if session.live else 0.0,  # its time runs on
            color_depth=depth,
        )

        def confirm(request: Request) -> bool:
            live.clear()
            try:
                return asking.prompt(_question(console.session, request)).strip().lower() in YES
            except (EOFError, KeyboardInterrupt):
                return False

        def refuse(refusal: str) -> None:
            live.clear()
            console.print(Text(refusal, "red"))

        look(console)
        console.say(GREETING)
        while console.code is None:
            style = "ansired bold" if console.session.live else "ansicyan"
            try:
                text = typing.prompt([(style, _prompt(console.session))])
                _do(console, text or "look", confirm, refuse, lambda: _tick(console.session, live))
            except KeyboardInterrupt:  # Ctrl-C at the prompt drops the line
                continue
            except EOFError:
                console.code = 0
            finally:
                live.clear()
        _say_what_is_running(console)
    return console.code


def unattended(session: Session, lines: Iterable[str], out: TextIO) -> int:
    """Read commands from a file, and write what would be on the screen to another.

    A line that starts with # goes into the transcript as it is.

    Returns:
        0; 2 where a command was refused; 143 after SIGTERM.
    """
    console = Console(session, file=_Trimmed(out), width=WIDTH, color_system=None, force_terminal=False)
    rest, refusals = iter(lines), list[str]()

    def confirm(request: Request) -> bool:
        reply = next(rest, "").strip()
        console.print(f"{_question(console.session, request)}{reply}", soft_wrap=True)
        return reply.lower() in YES

    def refuse(refusal: str) -> None:
        refusals.append(refusal)
        console.say(refusal)

    with closing(console):
        look(console)
        while console.code is None and (line := next(rest, None)) is not None:
            text = line.strip()
            if text:
                comment = text.startswith("#")
                console.print(f"\n{'' if comment else _prompt(console.session)}{text}", soft_wrap=True)
                if not comment:
                    _do(console, text, confirm, refuse)
        _say_what_is_running(console)
    return console.code or (REFUSED if refusals else 0)


class _Patient(Limits):
    """Ctrl-C, however often, ends the current command and not the debugger."""

    def insist(self, number: int) -> None:
        """A second signal has no further effect."""


def _do(
    console: Console,
    text: str,
    confirm: Callable[[Request], bool],
    refuse: Callable[[str], None],
    tick: Callable[[], None] = lambda: None,
) -> None:
    """Do a command, or say why not; `tick` is called while a pause or a call at the real Fivetran is under way."""
    session = console.session
    ports = session.ports
    clock = SystemClock() if ports is None else ports.clock
    with _Patient(clock, tick if session.live else lambda: None) as limits:
        console.limits = limits
        if ports is not None:
            ports.limits, ports.confirm = limits, confirm
        try:
            perform(console, text)
        except Refusal as refusal:
            refuse(session.mask.line(str(refusal)))
        if limits.noted is Event.TERMINATED:
            console.code = TERMINATED


def _prompt(session: Session) -> str:
    """What stands before the next command: where it comes from, which step, which state."""
    number = str(session.here.standing.number)
    if session.in_the_past:
        number += f" of {session.moments[-1].standing.number}"
    return session.mask.line(f"({screen.origin(session)}) {number} {session.state.name}> ")


def _question(session: Session, asked: Request) -> str:
    """Whether a request that changes something may be sent; what is to be answered has a line of its own."""
    shown = screen.request(session.mask, asked).plain
    return session.mask.block(f"{screen.origin(session)}, to {asked.purpose}:\n{shown}\nsend it? [y/N] ")


def _say_what_is_running(console: Console) -> None:
    """Say what is running at the real Fivetran, where a run is left before its end."""
    session = console.session
    while session.parent is not None:  # what is forked is simulated
        session = session.parent
    if session.ports is None or not session.live or session.ports.run.ended:
        return
    run, cut_off = session.ports.run, session.ports.interrupted
    facts, effect = run.facts, call_of(run.state)
    if cut_off is not None and effect is not None:
        facts = unknown(facts, effect, cut_off, session.moments[-1].now)
    explanation = explain(run.settings, facts.but(verdict=str(Event.INTERRUPTED)), run.chart)
    console.say("You are leaving the run before its end. At Fivetran, as far as the run knows:")
    for one in explanation.at_fivetran:
        console.say(f"- {one}")
    if explanation.still_running is not False and "attach" in run.chart.values("on_running"):
        console.say("To wait for that sync, start the job, or this, with FIVETRAN_ON_RUNNING=attach.")


def _tick(session: Session, live: LiveLine) -> None:
    """While a pause or a call at the real Fivetran lasts."""
    run = session.tip().run
    left = run.wake - run.now
    doing = f"waiting another {duration(left)}" if left > 0 else "waiting for Fivetran's answer"
    live.show(f"{doing}; Ctrl-C returns to the prompt")


def _toolbar(session: Session) -> StyleAndTextTuples:
    here = session.here
    now = here.now if session.ports is None or session.in_the_past else session.ports.run.now
    left = here.standing.due - now
    due = f"next step in {duration(left)}, " if left > 0 else ""
    standing = "ended" if session.ended else f"{due}deadline in {duration(here.standing.deadline - now)}"
    return [("", f" {session.chart.action} {session.settings.connector_id}: {standing}; help: ? ")]


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

    def __init__(self, console: Console) -> None:
        self._console = console

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """What the word before the cursor may become."""
        del complete_event
        text = document.text_before_cursor
        for one in complete(self._console.session, text):
            yield Completion(one, start_position=-len(text.split(" ")[-1]))
