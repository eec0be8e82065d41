"""The command line. Without arguments: the container's job, from its variables alone."""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import NoReturn

from orchestrator.job.network_variables import prepare
from orchestrator.job.streams import standard

__all__ = ["main"]

DESCRIPTION = """\
Run a Fivetran sync from a data pipeline, and end green only when the data is really there.

Without arguments it is the container's job: it reads its variables, does FIVETRAN_ACTION on
CONNECTOR_ID and ends with an exit code. The result goes to stdout, the log to stderr.
"""

EXAMPLES = """\
start here, no account needed:
  fivetran-orchestrator demo
  fivetran-orchestrator demo --scenario rescheduled_twice

a real sync:
  export FIVETRAN_API_KEY=... FIVETRAN_API_SECRET=...
  fivetran-orchestrator run --action START --connector-id speak_inexpensive

exit codes:
{codes}
"""

# Modules of orchestrator.commands, and what they are for.
COMMANDS = {
    "run": "the job, from variables and flags; flags win",
    "list": "the account's connections: id, name, service, state, schedule, last success",
    "demo": "START against a simulated Fivetran, in seconds",
    "simulate": "serve a simulated Fivetran, to rehearse a pipeline",
    "diagram": "draw the charts: Mermaid, DOT, svg, png, or a table",
    "check": "prove charts: the loader's laws, and the promises about all their paths",
    "debug": "step through a run, forwards and backwards",
    "replay": "do recorded runs again, with the code and charts of today",
    "report": "draw the report of a run from its journal",
}

_FLAG = re.compile("--[a-z][a-z-]*|-[a-z]")  # what a flag looks like, and hardly a secret


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Those of the process when None.
        environ: That of the process when None.

    Returns:
        The exit code.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    environ = os.environ if environ is None else environ
    prepare(os.environ)
    try:
        with standard():
            return _dispatch(arguments, environ) if arguments else _job(environ)
    except KeyboardInterrupt:  # before the job's own handlers are there
        return 130


def _job(environ: Mapping[str, str]) -> int:
    import gc  # noqa: PLC0415

    gc.disable()  # what is imported stays: collecting meanwhile costs a tenth of the start
    # structlog imports them for loggers that are awaited or of one thread, which none is here: another tenth.
    for name in ("asyncio", "uuid"):
        sys.modules.setdefault(name, _Deferred(name))
    from orchestrator.job.job import Job  # noqa: PLC0415  # the job's imports, for the job alone

    gc.freeze()
    gc.enable()
    return Job(environ).run()


class _Deferred(ModuleType):
    """Stands in for a module, which is imported once something of it is used."""

    def __getattr__(self, name: str) -> object:
        from importlib import import_module  # noqa: PLC0415

        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


def _dispatch(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    import argparse  # noqa: PLC0415  # the container's job needs none
    from importlib import import_module  # noqa: PLC0415

    from orchestrator import __version__  # noqa: PLC0415
    from orchestrator.job.masking import Mask  # noqa: PLC0415
    from orchestrator.values.exit_codes import EXIT_CODES  # noqa: PLC0415

    class Parser(argparse.ArgumentParser):
        """argparse's own; what is given for a flag that it does not know may be a secret, and is not repeated."""

        def error(self, message: str) -> NoReturn:
            message = re.sub(r"invalid choice: .* \(choose", "invalid choice (choose", message, flags=re.DOTALL)
            super().error(Mask().line(message))  # it may repeat what stands in a variable of the pipeline

    codes = "\n".join(f"  {code:3}  {meaning}" for code, meaning in EXIT_CODES.items())
    parser = Parser(
        "fivetran-orchestrator",
        description=DESCRIPTION,
        epilog=EXAMPLES.format(codes=codes),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"fivetran-orchestrator {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, allow_abbrev=False, formatter_class=parser.formatter_class)
        if name in arguments:  # the others' modules need not be imported
            module = import_module(f"orchestrator.commands.{name}")
            command.set_defaults(execute=module.execute)
            module.add_to(command)
    given, unknown = parser.parse_known_args(arguments)
    if unknown:
        flags = [name for name in (text.partition("=")[0] for text in unknown) if _FLAG.fullmatch(name)]
        parser.error(f"unrecognized arguments: {' '.join(flags) or 'a value that belongs to no flag'}")
    return int(given.execute(given, environ))
