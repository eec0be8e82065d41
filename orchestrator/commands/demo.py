"""`demo`: a job against a simulated Fivetran, in seconds; and what `simulate` has in common with it."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.commands.words import add_action, add_json
from orchestrator.job.streams import refuse, say
from orchestrator.simulator.identities import MOST
from orchestrator.simulator.scenario import FLEET, ScenarioError
from orchestrator.values.extras import missing

__all__ = ["add_scenario", "add_to", "execute", "rehearse", "scenario"]

SLOWEST, FASTEST = 0.1, 1000.0  # far beyond them clocks overflow


def add_to(parser: ArgumentParser) -> None:
    """Give the parser the arguments."""
    parser.epilog = (
        "exit code: 0 if START ended as the scenario expects, 70 if not; for any other action, the job's own"
    )
    parser.description = "Run a job against a simulated Fivetran: no account, no network."
    add_action(parser, " (default: START)")
    add_scenario(parser, 20.0, "one job for a group of N connections, instead of one connection")
    add_json(parser)


def execute(arguments: Namespace, environ: Mapping[str, str]) -> int:
    """Run the scenario; 0 if START ended as that says, and of another action, the job's own exit code."""
    how = {"connections": arguments.connections, "action": arguments.action, "json": arguments.json}
    return rehearse(arguments, lambda there: there.demo(scenario(arguments), arguments.speed, environ, **how))


def add_scenario(parser: ArgumentParser, speed: float, many: str) -> None:
    """Give the parser what both commands take.

    Args:
        parser: The parser.
        speed: The default of `--speed`.
        many: What `--connections` does.
    """
    parser.add_argument(
        "--scenario",
        metavar="NAME",
        help=f"what happens at Fivetran (default: succeeds, or {FLEET} with --connections): one of --list, "
        "or a .toml file of your own",
    )
    parser.add_argument("--connections", type=int, metavar="N", help=f"{many} (1 to {MOST})")
    parser.add_argument("--list", action="store_true", help="list the scenarios, and how START ends in each")
    parser.add_argument(
        "--speed",
        type=float,
        default=speed,
        metavar="N",
        help=f"how many times faster than real time (default {speed:g})",
    )


def scenario(arguments: Namespace) -> str:
    """The scenario's name."""
    name: str | None = arguments.scenario
    return name or ("succeeds" if arguments.connections is None else FLEET)


def rehearse(arguments: Namespace, command: Callable[[Any], int]) -> int:
    """Do one of the two, or say what stands in the way.

    Args:
        arguments: What `add_scenario` has the parser take.
        command: The command itself; it is given the module `rehearsal`, which needs the extra.
    """
    try:
        from orchestrator.simulator import rehearsal  # noqa: PLC0415  # needs the extra
    except ModuleNotFoundError as error:
        if error.name != "werkzeug":
            raise
        return refuse(missing("the simulator", "demo", error.name))
    if arguments.list:
        say(rehearsal.scenarios())
        say("\n--scenario NAME runs one of them", error=True)
        return 0
    if not SLOWEST <= arguments.speed <= FASTEST:
        return refuse(f"--speed: {arguments.speed:g} is not a valid speed: give one from {SLOWEST:g} to {FASTEST:g}")
    if arguments.connections is not None and not 1 <= arguments.connections <= MOST:
        given = arguments.connections
        return refuse(f"--connections: {given} is not a valid number of connections: give one from 1 to {MOST}")
    try:
        return command(rehearsal)
    except ScenarioError as error:
        return refuse(error)
