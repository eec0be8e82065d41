"""The command line. Without arguments: the container's job, from its variables alone."""

import os
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType

from orchestrator.job.network_variables import prepare
from orchestrator.job.streams import standard

__all__ = ["main"]

DESCRIPTION = """\
Run a Fivetran sync from a data pipeline, and end green only when the data is really there.

Without arguments this is the container's job: it reads its variables, runs FIVETRAN_ACTION on
CONNECTOR_ID and ends with an exit code. The result goes to stdout, the log to stderr.
"""

EPILOG = """\
commands (COMMAND --help says more):
{commands}

start here, no account needed:
  fivetran-orchestrator demo
  fivetran-orchestrator demo --scenario rescheduled-twice

a real sync:
  export FIVETRAN_API_KEY=... FIVETRAN_API_SECRET=...
  fivetran-orchestrator run START speak_inexpensive

a job for your pipeline:
  fivetran-orchestrator init START --connector-id speak_inexpensive

exit codes:
{codes}
"""


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
    # structlog imports the first two for loggers that are awaited or of one thread, dataclasses the third for
    # classes without a docstring. None of these is here: another eighth.
    for name in ("asyncio", "uuid", "inspect"):
        sys.modules.setdefault(name, _Deferred(name))
    from orchestrator.fleet.choice import job_for  # noqa: PLC0415  # the job's imports, for the job alone

    gc.freeze()
    gc.enable()
    return job_for(environ).run()


class _Deferred(ModuleType):
    """Stands in for a module, which is imported once something of it is used."""

    def __getattr__(self, name: str) -> object:
        from importlib import import_module  # noqa: PLC0415

        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


def _dispatch(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    from importlib import import_module  # noqa: PLC0415  # the container's job needs none of it

    from orchestrator.commands import COMMANDS  # noqa: PLC0415
    from orchestrator.commands.parser import PROGRAM, Parser, add_general  # noqa: PLC0415
    from orchestrator.machine.actions import ACTIONS  # noqa: PLC0415
    from orchestrator.values.exit_codes import EXIT_CODES  # noqa: PLC0415
    from orchestrator.values.formatting import either  # noqa: PLC0415
    from orchestrator.values.suggestions import near, sentence  # noqa: PLC0415

    codes = "\n".join(f"  {code:3}  {meaning}" for code, meaning in EXIT_CODES.items())
    commands = "\n".join(f"    {name:11} {purpose}" for name, purpose in COMMANDS.items())
    parser = Parser(PROGRAM)
    parser.usage, parser.description = "%(prog)s [COMMAND] [ARGUMENTS]", DESCRIPTION
    parser.epilog = EPILOG.format(commands=commands, codes=codes)
    add_general(parser)
    before = next((number for number, word in enumerate(arguments) if not word.startswith("-")), len(arguments))
    if parser.parsed(arguments[:before]).version:
        from orchestrator.job.streams import say  # noqa: PLC0415
        from orchestrator.job.version import described  # noqa: PLC0415

        say(f"{PROGRAM} {described()}")
        return 0
    name = "".join(arguments[before : before + 1])
    if name not in COMMANDS:
        words = {**{word: word for word in COMMANDS}, **{action.lower(): f"run {action}" for action in ACTIONS}}
        meant = "".join(f"did you mean {words[word]}?" for word in near(name, words))
        what = "unknown command" if name else "no command"
        parser.error(f"{what}{sentence(meant) or f': give {either(COMMANDS)}'}")
    command = Parser(f"{parser.prog} {name}")
    module = import_module(f"orchestrator.commands.{name}")
    module.add_to(command)
    return int(module.execute(command.parsed(arguments[before + 1 :]), environ))
