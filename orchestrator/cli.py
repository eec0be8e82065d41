"""The command line. Without arguments: the container's job, from its variables alone."""

import os
import sys
from collections.abc import Mapping, Sequence

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

SLOWEST, FASTEST = 0.1, 1000.0  # far beyond them clocks overflow

EXIT_CODES = {
    0: "done: the sync succeeded, the tests passed, the connection was shown",
    1: "failed: the sync failed or was cancelled, or a setup test failed",
    2: "a variable is missing or wrong; nothing was asked of Fivetran",
    3: "refused: the API key (401, 403)",
    4: "not found: connector, schema or table",
    5: "timed out; the sync may still be running",
    6: "Fivetran was unavailable; a retry may help",
    7: "cannot sync: paused, incomplete, broken, busy or rejected",
    8: "rescheduled past the deadline, or told not to wait",
    70: "a bug of fivetran-orchestrator",
    130: "interrupted (SIGINT)",
    143: "terminated (SIGTERM)",
}


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
    try:
        return _dispatch(arguments, environ) if arguments else _job(environ)
    except KeyboardInterrupt:  # before the job's own handlers are there
        return 130


def _job(environ: Mapping[str, str], *, must_resume: bool = False) -> int:
    import gc  # noqa: PLC0415

    gc.disable()  # what is imported stays: collecting meanwhile costs a tenth of the start
    from orchestrator.job import Job  # noqa: PLC0415  # the job's imports, for the job alone

    gc.freeze()
    gc.enable()
    return Job(environ, must_resume=must_resume).run()


def _dispatch(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    import argparse  # noqa: PLC0415  # the container's job needs none

    from orchestrator import __version__  # noqa: PLC0415
    from orchestrator.variables import VARIABLES  # noqa: PLC0415

    codes = "\n".join(f"  {code:3}  {meaning}" for code, meaning in EXIT_CODES.items())
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "fivetran-orchestrator",
        description=DESCRIPTION,
        epilog=EXAMPLES.format(codes=codes),
        formatter_class=raw,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"fivetran-orchestrator {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    run = commands.add_parser(
        "run",
        help="the job, from variables and flags; flags win",
        description="The job. Each flag stands for the variable in brackets, and wins over it.",
        epilog="key and secret are safer as variables: a flag shows in the list of processes",
        allow_abbrev=False,
    )
    for variable in VARIABLES.values():
        default = f" (default {variable.default})".replace("%", "%%") if variable.default else ""
        help_text = f"{variable.meaning}{default} [{variable.name}]"
        if variable.any_value:
            run.add_argument(variable.flag, dest=variable.name, action="store_const", const="1", help=help_text)
        else:
            run.add_argument(variable.flag, dest=variable.name, metavar="VALUE", help=help_text)
    run.add_argument("--resume", metavar="FILE", help="take up the run that was written to this state file")

    demo = commands.add_parser(
        "demo",
        help="START against a simulated Fivetran, in seconds",
        description="Run START against a simulated Fivetran: no account, no network.",
        formatter_class=raw,
        allow_abbrev=False,
    )
    simulate = commands.add_parser(
        "simulate",
        help="serve a simulated Fivetran, to rehearse a pipeline",
        description="Serve a simulated Fivetran on loopback, to rehearse a pipeline without an account.",
        formatter_class=raw,
        allow_abbrev=False,
    )
    for command, speed in ((demo, 20.0), (simulate, 1.0)):
        command.add_argument(
            "--scenario",
            default="succeeds",
            metavar="NAME",
            help="what happens (default: succeeds); a .toml file is one, too",
        )
        command.add_argument("--list", action="store_true", help="list the scenarios and how START ends in each")
        command.add_argument(
            "--speed", type=float, default=speed, metavar="N", help=f"how much faster than told (default {speed:g})"
        )
    simulate.add_argument(
        "--port", type=int, default=8080, metavar="N", help="port on loopback, 0 for any (default 8080)"
    )

    draw = commands.add_parser(
        "draw",
        help="the charts as Mermaid flowcharts",
        description="Print an action's chart as a Mermaid flowchart; without an action, a page with all of them.",
        allow_abbrev=False,
    )
    draw.add_argument("action", nargs="?", type=str.upper, choices=("STATUS", "START", "TEST", "FORCE_RESYNC"))

    given = vars(parser.parse_args(arguments))
    command = given.pop("command")
    if command == "draw":
        return _draw(given["action"])
    if command != "run":
        return _rehearse(command, given, environ)
    resume = given.pop("resume")
    flags = {name: value for name, value in given.items() if value is not None}
    if resume is not None:
        flags["FIVETRAN_STATE_FILE"] = resume
    aliases = {VARIABLES[name].alias for name in flags}
    kept = {name: value for name, value in environ.items() if name not in aliases}
    return _job({**kept, **flags}, must_resume=resume is not None)


def _draw(action: str | None) -> int:
    from orchestrator.diagram import overview, to_mermaid  # noqa: PLC0415
    from orchestrator.loader import load  # noqa: PLC0415

    print(overview() if action is None else to_mermaid(load(action)), end="")
    return 0


def _rehearse(command: str, given: Mapping[str, object], environ: Mapping[str, str]) -> int:
    try:
        from orchestrator.simulator import rehearsal  # noqa: PLC0415  # needs the extra
        from orchestrator.simulator.scenario import ScenarioError  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "werkzeug":
            raise
        print("the simulator needs werkzeug: pip install werkzeug, or this with its extra demo", file=sys.stderr)
        return 2
    if given["list"]:
        print(rehearsal.scenarios())
        return 0
    name, speed = str(given["scenario"]), float(str(given["speed"]))
    if not SLOWEST <= speed <= FASTEST:
        print(f"--speed: {speed:g} is no speed: give one from {SLOWEST:g} to {FASTEST:g}", file=sys.stderr)
        return 2
    try:
        if command == "demo":
            return rehearsal.demo(name, environ, speed)
        return rehearsal.simulate(name, int(str(given["port"])), speed)
    except (ScenarioError, rehearsal.PortError) as error:
        print(error, file=sys.stderr)
        return 2
