"""`debug`: step through a run, forwards and backwards."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator, Mapping

from orchestrator.commands.words import add_action, add_connector
from orchestrator.job.files import read_text
from orchestrator.job.streams import lines, refuse
from orchestrator.job.variables import VARIABLES
from orchestrator.values.extras import missing

__all__ = ["add_to", "execute"]

EXAMPLES = """\
examples:
  fivetran-orchestrator debug START --scenario lost-answer     a simulated Fivetran: no account, no waiting
  fivetran-orchestrator debug --replay journal.jsonl           a recorded run, on any machine
  fivetran-orchestrator debug START speak_inexpensive --live   the real Fivetran; asks before changing anything

exit codes: 0; 2 for wrong usage, or if a command from a file or a pipe was refused (the others are
still executed); 143 for SIGTERM
history: commands are kept in $XDG_STATE_HOME/fivetran-orchestrator/debug-history (by default under
~/.local/state)
"""


class _Refused(Exception):  # noqa: N818
    """There is nothing to debug, or nothing to read; the message says why."""


def add_to(parser: ArgumentParser) -> None:
    """Give the parser the arguments."""
    parser.description = "Step through a run: see each request before it is sent, and why the run took each edge."
    parser.epilog = EXAMPLES
    add_action(parser, "; not needed with --replay")
    add_connector(parser, "the connection, for --live; in place of the variable CONNECTOR_ID")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--scenario",
        metavar="NAME",
        help="how the simulated Fivetran behaves (default: succeeds); `demo --list` lists all",
    )
    where.add_argument("--live", action="store_true", help="the real Fivetran, with the job's variables")
    where.add_argument("--replay", metavar="FILE", help="a journal; requires neither an account nor an action")
    parser.add_argument("--commands", metavar="FILE", help="read commands from a file, and print a transcript")


def execute(arguments: Namespace, environ: Mapping[str, str]) -> int:
    """Debug a run.

    Returns:
        0; 2 where something is missing or wrong, or a command of a file was refused; 143 for SIGTERM.
    """
    try:
        from orchestrator.debugger import shell, sources  # noqa: PLC0415  # they need the extra
    except ModuleNotFoundError as error:
        if error.name not in {"prompt_toolkit", "rich", "werkzeug"}:
            raise
        return refuse(missing("the debugger", "debug", error.name))
    if arguments.connector_id is not None:
        if not arguments.live:
            return refuse("CONNECTOR_ID is for --live only: a simulated Fivetran has a connection of its own")
        environ = {name: value for name, value in environ.items() if name != VARIABLES["CONNECTOR_ID"].alias}
        environ["CONNECTOR_ID"] = arguments.connector_id
    try:
        given = _commands(arguments.commands)
        session = sources.opened(arguments.action, arguments.scenario, arguments.replay, environ, live=arguments.live)
    except (sources.CannotOpen, _Refused) as error:
        return refuse(error)
    except OSError as error:
        return refuse(f"the session cannot start: {error}")
    if given is None:
        return shell.attended(session, environ)
    try:
        return shell.unattended(session, given, sys.stdout)
    except _Refused as error:
        return refuse(error)


def _commands(file: str | None) -> Iterable[str] | None:
    """The lines of the file, or of stdin; None at a terminal.

    Raises:
        _Refused: The file cannot be read, or is not text; nothing of it has been done then.
    """
    if file is None:
        return None if sys.stdin.isatty() else _piped()
    try:
        return read_text(file).split("\n")
    except OSError as error:
        raise _Refused(f"--commands {file}: {error.strerror}: use a file with one command per line") from error


def _piped() -> Iterator[str]:
    """The lines of stdin, as they come: what has been sent so far is done."""
    try:
        given = lines(sys.stdin)
        yield next(given, "").removeprefix("\ufeff")
        yield from given
    except OSError as error:
        raise _Refused(f"stdin cannot be read: {error.strerror}: put the commands in a file (--commands)") from error
