"""The debugger's commands by name, and how a typed line is executed."""

import inspect
import shlex
from collections.abc import Callable, Iterable
from typing import NamedTuple

from rich.text import Text

from orchestrator.debugger import arguments, files, moves, screen, views
from orchestrator.debugger.ports import Refusal
from orchestrator.debugger.screen import Console
from orchestrator.debugger.session import Session
from orchestrator.simulator.scenario import ScenarioError, names
from orchestrator.values.formatting import either

__all__ = ["COMMANDS", "Command", "complete", "perform"]


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
    do: Callable[..., None]
    candidates: Callable[[Session, str], Iterable[str]] = lambda _, __: ()

    @property
    def help(self) -> str:
        """Its whole help."""
        return inspect.getdoc(self.do) or ""

    @property
    def written(self) -> str:
        """Name and arguments."""
        return f"{self.name} {self.usage}".rstrip()


def perform(console: Console, text: str) -> None:
    """Do what was typed.

    Raises:
        Refusal: It cannot be done, and nothing was.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise Refusal(f"{error}: close the quotes") from error
    command = _find(words[0] if words else "")
    try:
        inspect.signature(command.do).bind(console, *words[1:])
    except TypeError:
        raise Refusal(f"usage: {command.written}") from None
    try:
        command.do(console, *words[1:])
    except ScenarioError as error:
        raise Refusal(str(error)) from error


def complete(session: Session, text: str) -> list[str]:
    """What the last word of a line may become."""
    *before, word = text.split(" ")
    try:
        candidates = _find(before[0]).candidates(session, word) if before else COMMANDS
    except Refusal:
        return []
    return sorted(one for one in candidates if one.startswith(word))


def _find(word: str) -> Command:
    for command in COMMANDS.values():
        if word and word in {command.name, command.short}:
            return command
    found = [name for name in COMMANDS if word and name.startswith(word.lower())]
    if len(found) > 1:
        raise Refusal(f"{word!r} is ambiguous: {either(found)}")
    return COMMANDS[found[0] if found else arguments.known(word, COMMANDS, "command", "`help` lists them")]


def leave(console: Console) -> None:
    """Quit the debugger."""
    console.code = 0


def help_(console: Console, name: str = "") -> None:
    """List the commands, or explain one of them."""
    if name:
        command = _find(name)
        short = f" (short: {command.short})" if command.short else ""
        console.print(Text(f"{command.written}{short}\n{command.help}"))
        return
    table = screen.grid("left", "left")
    for command in COMMANDS.values():
        table.add_row(command.short, command.written, command.help.partition("\n")[0])
    console.print(table)
    console.say("Commands can be abbreviated. Ctrl-C returns to the prompt, Ctrl-D quits.")


COMMANDS: dict[str, Command] = {
    command.name: command
    for command in (
        Command("step", "s", "[N]", moves.step),
        Command("continue", "c", "", moves.go),
        Command("until", "u", "STATE|EVENT", moves.until, lambda session, _: session.stops),
        Command("break", "br", "[STATE|EVENT]", moves.break_, lambda session, _: session.stops),
        Command("delete", "", "STATE|EVENT|all", moves.delete, lambda session, _: (*session.breakpoints, "all")),
        Command("back", "-", "[N | to STATE]", moves.back, lambda session, _: ("to", *session.chart.states)),
        Command("forward", "+", "[N]", moves.forward),
        Command("inject", "i", "EVENT", moves.inject, lambda session, _: session.state.edges),
        Command("answer", "a", "STATUS [FILE]", moves.answer, arguments.statuses),
        Command("wait", "w", "skip", moves.wait, lambda _, __: ("skip",)),
        Command("fork", "", "[SCENARIO]", moves.fork, lambda _, __: names()),
        Command("unfork", "", "", moves.unfork),
        Command("look", "", "", views.look),
        Command("edges", "e", "", views.edges),
        Command("facts", "f", "[NAME]", views.facts, lambda session, _: session.here.standing.facts.as_json()),
        Command("last", "l", "", views.last),
        Command("draw", "d", "[FILE]", views.draw, arguments.paths),
        Command("why", "y", "", views.why),
        Command("history", "h", "[N|all]", views.history, lambda _, __: ("all",)),
        Command("save", "", "FILE", files.save, arguments.paths),
        Command("quit", "q", "", leave),
        Command("help", "?", "[COMMAND]", help_, lambda _, __: COMMANDS),
    )
}
