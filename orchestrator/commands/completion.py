"""`completion`: a script with which a shell completes the commands, made by shtab of their own parsers."""

from argparse import Action, ArgumentParser, Namespace
from collections.abc import Mapping
from importlib import import_module

from orchestrator.commands import COMMANDS
from orchestrator.commands.parser import PROGRAM, Parser, add_general
from orchestrator.job.streams import refuse, say
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.loader import load
from orchestrator.simulator.scenario import FLEET, names
from orchestrator.values.extras import missing

__all__ = ["add_to", "execute"]

SHELLS = ("bash", "zsh", "fish", "tcsh")  # for which shtab has something, and which run where we do

EPILOG = """\
Pressing TAB starts no Python: the script has it all, so write it anew after an update. Where to put it:

  bash   fivetran-orchestrator completion bash > ~/.local/share/bash-completion/completions/fivetran-orchestrator
         (needs the package bash-completion; without it, source the file in ~/.bashrc)
  zsh    fivetran-orchestrator completion zsh > ~/.zfunc/_fivetran-orchestrator
         (with `fpath+=~/.zfunc` before `compinit` in ~/.zshrc)
  fish   fivetran-orchestrator completion fish > ~/.config/fish/completions/fivetran-orchestrator.fish
  tcsh   fivetran-orchestrator completion tcsh > ~/.fivetran-orchestrator.tcsh
         (and source it in ~/.tcshrc)
"""


def add_to(parser: ArgumentParser) -> None:
    """Give the parser the arguments."""
    parser.description = (
        "Print a script with which your shell completes commands, flags and their values, actions, scenarios,\n"
        "states and files. Ids of connections are not completed: only Fivetran knows them."
    )
    parser.epilog = EPILOG
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))


def execute(arguments: Namespace, _: Mapping[str, str]) -> int:
    """Print it; 2 without the extra."""
    try:
        import shtab  # noqa: PLC0415  # the extra
    except ModuleNotFoundError as error:
        if error.name != "shtab":
            raise
        return refuse(missing("completion", "completion", error.name))
    special = {
        **dict.fromkeys(("FILE", "PATH", "JOURNAL", "CHART.toml"), shtab.FILE),
        "DIR": shtab.DIRECTORY,
    }
    whole = Parser(PROGRAM)
    add_general(whole)
    commands = whole.add_subparsers(prog=PROGRAM, parser_class=_Command)
    for name, purpose in COMMANDS.items():
        parser = commands.add_parser(name, help=purpose)
        import_module(f"orchestrator.commands.{name}").add_to(parser)
        for action in parser._actions:  # noqa: SLF001  # as shtab reads them, too
            if action.metavar in special:
                action.complete = special[action.metavar]  # type: ignore[attr-defined]  # what shtab looks for
            else:
                action.choices = action.choices or _values(action)
    say(shtab.complete(whole, arguments.shell))
    return 0


class _Command(Parser):
    def __init__(self, prog: str, **_: object) -> None:  # from Python 3.14 on, argparse gives more
        super().__init__(prog)


def _values(action: Action) -> list[str] | None:
    """What an argument may be that has no choices of its own, since it is read more kindly than they would be."""
    shown = str(action.metavar)
    if shown.startswith("{"):
        return shown.strip("{}").split(",")
    if shown == "ACTION":
        return [*ACTIONS]
    if action.dest == "scenario":
        return [*names(), FLEET]
    if shown == "STATE":
        return sorted({state for name in ACTIONS for state in load(name).states})
    return None
