"""The debugger's commands, a small function each; its docstring is its help."""

import difflib
import inspect
import shlex
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import NamedTuple

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.debugger import screen
from orchestrator.debugger.ports import Halted
from orchestrator.debugger.session import Session
from orchestrator.debugger.timeline import Moment
from orchestrator.drawing.formats import GraphvizError
from orchestrator.drawing.formats import draw as picture
from orchestrator.job.files import open_for_reading, read_bytes, write_atomically
from orchestrator.job.journal import LARGEST
from orchestrator.simulator.scenario import ScenarioError, names
from orchestrator.values.facts import Facts
from orchestrator.values.formatting import duration
from orchestrator.values.parsing import parse_json

__all__ = ["COMMANDS", "Command", "Desk", "Refusal", "complete", "perform"]

LOOP = 4  # steps of a loop that is told once
LIKE = 0.7  # how like a name must be to be what was meant, of 1
HEADER = {"format", "action", "started_at", "chart"}  # what a journal's first line has
LISTED = 20  # steps that `history` lists unless told otherwise


class Refusal(Exception):  # noqa: N818
    """A command that cannot be done; the message is one line that says what to do instead."""


@dataclass
class Desk:
    """Where a session is worked on.

    Attributes:
        session: The session.
        console: Where things are shown.
        left: Whether the desk was left.
        terminated: Whether that was for SIGTERM.
    """

    session: Session
    console: Console
    left: bool = False
    terminated: bool = False

    def show(self, shown: RenderableType) -> None:
        """Show something."""
        self.console.print(shown)

    def say(self, text: str) -> None:
        """Say something in a line."""
        self.show(Text(self.session.mask.line(text)))


Do = Callable[..., None]
Candidates = Callable[[Session, str], Iterable[str]]


class Command(NamedTuple):
    """A command.

    Attributes:
        name: Its name.
        short: Its short form, or "".
        usage: Its arguments.
        do: Does it.
        candidates: What its argument may be, for completion.
    """

    name: str
    short: str
    usage: str
    do: Do
    candidates: Candidates

    @property
    def help(self) -> str:
        """Its whole help."""
        return inspect.getdoc(self.do) or ""

    @property
    def written(self) -> str:
        """Name and arguments."""
        return f"{self.name} {self.usage}".rstrip()


COMMANDS: dict[str, Command] = {}


def _command(short: str = "", usage: str = "", candidates: Candidates = lambda _, __: ()) -> Callable[[Do], Do]:
    def register(do: Do) -> Do:
        name = do.__name__.rstrip("_")  # some are Python's own words
        COMMANDS[name] = Command(name, short, usage, do, candidates)
        return do

    return register


def perform(desk: Desk, text: str) -> None:
    """Do what was typed.

    Raises:
        Refusal: It cannot be done, and nothing was.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise Refusal(f"{error}: close the quotation") from error
    command = _find(words[0] if words else "")
    try:
        inspect.signature(command.do).bind(desk, *words[1:])
    except TypeError:
        raise Refusal(f"write it so: {command.written}") from None
    try:
        command.do(desk, *words[1:])
    except (Halted, ScenarioError) as error:
        raise Refusal(str(error)) from error


def complete(session: Session, text: str) -> list[str]:
    """What the last word of a line may become."""
    *before, word = text.split(" ")
    if not before:
        return sorted(name for name in COMMANDS if name.startswith(word))
    try:
        command = _find(before[0])
    except Refusal:
        return []
    return sorted(one for one in command.candidates(session, word) if one.startswith(word))


def _find(word: str) -> Command:
    for command in COMMANDS.values():
        if word and word in {command.name, command.short}:
            return command
    found = [name for name in COMMANDS if word and name.startswith(word.lower())]
    if len(found) > 1:
        raise Refusal(f"{word!r} may be {_or(found)}: write more of it")
    if not found:
        near = difflib.get_close_matches(word.lower(), COMMANDS, 2, LIKE)
        hint = f"did you mean {_or(near)}? " if near else ""
        raise Refusal(f"no command is called {word!r}: {hint}`help` lists them")
    return COMMANDS[found[0]]


# --- What can be completed -----------------------------------------------------------------------


def _stops(session: Session, _: str) -> Iterable[str]:
    return session.stops


def _breakpoints(session: Session, _: str) -> Iterable[str]:
    return (*session.breakpoints, "all")


def _edges(session: Session, _: str) -> Iterable[str]:
    return session.state.edges


def _states(session: Session, _: str) -> Iterable[str]:
    return ("to", *session.chart.states)


def _known(session: Session, _: str) -> Iterable[str]:
    return session.here.facts.as_json()


def _paths(_: Session, word: str) -> Iterable[str]:
    return (f"{path}/" if Path(path).is_dir() else path for path in glob(f"{word}*"))  # noqa: PTH207  # as it is typed


def _statuses(session: Session, word: str) -> Iterable[str]:
    return ("200", "401", "403", "404", "409", "429", "500", "502", "503", *_paths(session, word))


# --- On and back ---------------------------------------------------------------------------------


@_command("s", "[N]")
def step(desk: Desk, count: str = "1") -> None:
    """Take the next step, or the next N.

    What it is going to do stands under `next`. Waiting takes no time, but for --live.
    """
    _go(desk, most=_count(count))


@_command("c")
def continue_(desk: Desk) -> None:
    """Step on to the next breakpoint, or to the end."""
    _go(desk)


@_command("u", "STATE|EVENT", _stops)
def until(desk: Desk, name: str) -> None:
    """Step on until a state is entered or an event is taken, at most to a breakpoint or the end."""
    _go(desk, _stop(desk.session, name))


@_command("br", "[STATE|EVENT]", _stops)
def break_(desk: Desk, name: str = "") -> None:
    """Stop wherever this state is entered or this event is taken; without a name, list the breakpoints."""
    if name:
        desk.session.breakpoints[_stop(desk.session, name)] = None
    listed = ", ".join(desk.session.breakpoints)
    desk.say(f"breakpoints: {listed}" if listed else "no breakpoints: `break STATE|EVENT` sets one")


@_command("", "STATE|EVENT|all", _breakpoints)
def delete(desk: Desk, name: str) -> None:
    """Delete a breakpoint, or all of them."""
    points = desk.session.breakpoints
    if name.lower() == "all":
        points.clear()
    elif points.pop(name.lower(), "") is not None:
        raise Refusal(f"no breakpoint is called {name!r}: {f'there is {_or(points)}' if points else 'there is none'}")
    break_(desk)


@_command("-", "[N | to STATE]", _states)
def back(desk: Desk, where: str = "1", state: str = "") -> None:
    """Look at the step before, at the Nth before, or at the latest one in a state.

    The run's values go back, the world does not: what was done at Fivetran stays done. To take
    another way from there, `fork`.
    """
    if where == "to" and state:
        name = state.lower()
        if name not in desk.session.chart.states:
            hint = _near(state, desk.session.chart.states)
            raise Refusal(f"no state of {desk.session.chart.action} is called {state!r}: {hint}`draw` shows them")
        if not desk.session.back_to(name):
            raise Refusal(f"no earlier step stands in {name}: `history` lists them")
    elif state:
        raise Refusal("write it so: back [N | to STATE]")
    elif not desk.session.back(_count(where)):
        raise Refusal("this is the beginning: `step` or `forward` goes on")
    desk.show(screen.standing(desk.session))


@_command("+", "[N]")
def forward(desk: Desk, count: str = "1") -> None:
    """Look at the next step that is known, or at the Nth; nothing is done."""
    if not desk.session.forward(_count(count)):
        raise Refusal("no later step is known: `step` takes the next one")
    desk.show(screen.standing(desk.session))


# --- By hand -------------------------------------------------------------------------------------


@_command("i", "EVENT", _edges)
def inject(desk: Desk, event: str) -> None:
    """Take the edge of an event without doing what the state says: no call, no waiting."""
    desk.session.inject(event.lower())
    desk.show(screen.standing(desk.session))


@_command("a", "STATUS [FILE]", _statuses)
def answer(desk: Desk, status: str, file: str = "") -> None:
    """Let the call return this HTTP status, with the file as its body.

    It is read like any answer of Fivetran's. Without a file, 2xx has what Fivetran would say, and
    other statuses have Fivetran's usual form. Against a simulated Fivetran 2xx means that it does
    what it is asked, past any fault of the scenario; anything else, and that it does not. With
    --live nothing is sent.
    """
    code = int(status) if status.isascii() and status.isdecimal() else 0
    if not 200 <= code <= 599:  # noqa: PLR2004  # what a final answer can be
        raise Refusal(f"{status!r} is no status of an answer: give one from 200 to 599, such as 200, 401 or 503")
    try:
        body = read_bytes(file) if file else None
    except OSError as error:
        raise Refusal(f"{file} cannot be read ({error.strerror}): name a file with the body") from error
    moment = desk.session.answer(code, body)
    desk.show(screen.standing(desk.session))
    if not moment.by_hand:
        desk.say("nothing was asked in this step any more, so the answer was not used: `why` says why")


@_command("w", "skip", lambda _, __: ("skip",))
def wait(desk: Desk, skip: str) -> None:
    """`wait skip` has the next step due now, without letting the time pass."""
    if skip != "skip":
        raise Refusal("write it so: wait skip")
    skipped = desk.session.skip_wait()
    if not skipped:
        raise Refusal("there is nothing to wait for: `step` takes the next step")
    desk.show(screen.standing(desk.session))
    desk.say(f"{duration(skipped)} skipped")


@_command("", "[SCENARIO]", lambda _, __: names())
def fork(desk: Desk, scenario: str = "") -> None:
    """Go another way from here, against a simulated Fivetran: what would it have done if?

    The simulated connection stands where the real one stood: its document, its clock, and the
    sync that is under way as far as the run knows. SCENARIO says how Fivetran behaves from here;
    without one, a sync succeeds (in a simulation: all as it was). Nothing reaches the real one.
    `unfork` goes back to the run that was left.
    """
    desk.session.fork(scenario)
    desk.show(screen.standing(desk.session))


@_command()
def unfork(desk: Desk) -> None:
    """Leave a fork, back to the run that it was forked from, at the step where that was left."""
    desk.session.unfork()
    desk.show(screen.standing(desk.session))


# --- Looking -------------------------------------------------------------------------------------


@_command("", "")
def look(desk: Desk) -> None:
    """Show again where we are. So does an empty line."""
    desk.show(screen.standing(desk.session))


@_command("e")
def edges(desk: Desk) -> None:
    """The edges that the state has, and what their events mean."""
    desk.show(screen.edges(desk.session))


@_command("f", "[NAME]", _known)
def facts(desk: Desk, name: str = "") -> None:
    """What the run knows; with a name, that fact in full."""
    if name and name not in Facts().as_json():
        raise Refusal(f"no fact is called {name!r}: {_near(name, Facts().as_json())}`facts` lists those that are known")
    desk.show(screen.facts(desk.session, name))


@_command("l")
def last(desk: Desk) -> None:
    """The last step's request and its answer, in full."""
    desk.show(screen.exchange(desk.session))


PICTURES = {".svg": "svg", ".png": "png", ".mmd": "mermaid", ".dot": "dot"}


@_command("d", "[FILE]", _paths)
def draw(desk: Desk, file: str = "") -> None:
    """Draw the chart with the way so far and the present state marked; into FILE as a picture, else as text.

    The file's ending says the form: .svg and .png (which need Graphviz), .mmd for Mermaid, .dot.
    """
    session = desk.session
    if not file:
        desk.show(screen.way(session))
        return
    form = PICTURES.get(Path(file).suffix)
    if form is None:
        raise Refusal(f"{file!r} does not say what to draw: let it end in {', '.join(PICTURES)}")
    way = {(step.source, step.target) for step in session.way}
    try:
        content = picture([session.chart], form, session.state.name, way=way)
    except GraphvizError as error:
        raise Refusal(str(error)) from error
    _write(file, content)
    desk.say(f"drawn: {file}")


@_command("y")
def why(desk: Desk) -> None:
    """The rule that turned the last answer into its event."""
    desk.show(screen.reason(desk.session))


@_command("h", "[N|all]", lambda _, __: ("all",))
def history(desk: Desk, count: str = str(LISTED)) -> None:
    """The last steps up to here, 20 of them unless told otherwise, and those that are known behind it."""
    session = desk.session
    many = len(session.line.moments) if count == "all" else _count(count)
    first = max(0, session.line.cursor + 1 - many)
    if first:
        desk.say(f"{first} earlier ones: `history all` lists them")
    desk.show(screen.history(session, session.line.moments[first : session.line.cursor + 1 + many]))


# --- Keeping and leaving -------------------------------------------------------------------------


@_command("", "FILE", _paths)
def save(desk: Desk, file: str) -> None:
    """Save the run so far as a journal, without secrets: `debug --replay FILE` walks through it again.

    A journal that is there is overwritten, another file is not.
    """
    if _is_other(Path(file)):
        raise Refusal(f"{file!r} is there and is no journal: name another file")
    _write(file, desk.session.line.journal(desk.session.mask))
    desk.say(f"saved as a journal: {file}")


@_command("q")
def quit_(desk: Desk) -> None:
    """Leave."""
    desk.left = True


@_command("?", "[COMMAND]", lambda _, __: COMMANDS)
def help_(desk: Desk, name: str = "") -> None:
    """List the commands, or tell one of them."""
    if name:
        command = _find(name)
        short = f" (short: {command.short})" if command.short else ""
        desk.show(Text(f"{command.written}{short}\n{command.help}"))
        return
    table = Table.grid(padding=(0, 2, 0, 0))
    for command in COMMANDS.values():
        table.add_row(command.short, Text(command.written, no_wrap=True), command.help.partition("\n")[0])
    desk.show(table)
    desk.say("A beginning will do where it is the only one. Ctrl-C comes back to the prompt, Ctrl-D leaves.")


# --- Shared --------------------------------------------------------------------------------------


class _Teller:
    """Tells steps as they are taken, a line each; a loop that comes round again is counted."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._recent: deque[tuple[str, str, str]] = deque(maxlen=LOOP)
        self._untold: list[Moment] = []

    def tell(self, moment: Moment) -> None:
        step = moment.step
        key = (step.source, step.event, step.target) if step else ("", "", "")
        if key in self._recent:
            self._untold.append(moment)
            return
        self.end()
        self._recent.append(key)
        self._show(moment)

    def end(self) -> None:
        """Tell how many were not told; one takes no more room than saying so."""
        if len(self._untold) > 1:
            self._desk.say(f"      ... {len(self._untold)} more like these")
        else:
            self._show(*self._untold)
        self._untold.clear()

    def _show(self, *moments: Moment) -> None:
        for moment in moments:
            self._desk.show(screen.lines(self._desk.session, [moment]))


def _go(desk: Desk, *names: str, most: int | None = None) -> None:
    session, teller = desk.session, _Teller(desk)
    try:
        reached = session.until(*names, most=most, tell=teller.tell if most != 1 else lambda _: None)
    finally:
        teller.end()
    desk.show(screen.standing(session))
    if reached in session.breakpoints and reached not in names:
        desk.say(f"stopped at the breakpoint {reached}")
    elif names and not reached:
        desk.say(f"{names[0]} was not reached")
    if not session.goes_on and not session.ended:
        desk.say(f"{session.line.end}: `fork` goes on from here against a simulated Fivetran")


def _stop(session: Session, name: str) -> str:
    if name.lower() not in session.stops:
        hint = _near(name, session.stops)
        raise Refusal(f"no state or event of {session.chart.action} is called {name!r}: {hint}`draw` shows the states")
    return name.lower()


def _is_other(path: Path) -> bool:
    """Whether there is a file, and it is no journal as far as its first line says."""
    if not path.is_file():
        return False
    try:
        with open_for_reading(path) as stream:
            header = parse_json(stream.readline(LARGEST))
    except (OSError, ValueError):
        return True
    return not (isinstance(header, dict) and header.keys() >= HEADER)


def _write(file: str, content: str | bytes) -> None:
    path = Path(file)
    try:
        if path.exists() and not path.is_file():
            raise Refusal(f"{file!r} is no regular file: name another file")
        if not path.parent.is_dir():
            raise Refusal(f"{file!r} cannot be written: there is no directory {str(path.parent)!r}: make it first")
        write_atomically(path, content, named=True)
    except (OSError, ValueError) as error:  # a ValueError: it names no file
        raise Refusal(f"{file!r} cannot be written ({error}): name another file") from error


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise Refusal(f"{text!r} is no count: give a whole number from 1")
    return int(text)


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name.lower(), list(known), 2, LIKE)
    return f"did you mean {_or(near)}? " if near else ""


def _or(words: Iterable[str]) -> str:
    *rest, last_one = words
    return f"{', '.join(rest)} or {last_one}" if rest else last_one
