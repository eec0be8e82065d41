"""`demo`: START against a simulated Fivetran, in seconds; and what `simulate` has in common with it."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.job.streams import refuse, say
from orchestrator.simulator.scenario import ScenarioError

__all__ = ["add_scenario", "add_to", "execute", "rehearse"]

SLOWEST, FASTEST = 0.1, 1000.0  # far beyond them clocks overflow


def add_to(parser: ArgumentParser) -> None:
    """Give the parser the arguments."""
    parser.description = "Run START against a simulated Fivetran: no account, no network."
    add_scenario(parser, 20.0)


def execute(arguments: Namespace, environ: Mapping[str, str]) -> int:
    """Run the scenario; 0 if it ended as that says."""
    return rehearse(arguments, lambda there: there.demo(arguments.scenario, arguments.speed, environ))


def add_scenario(parser: ArgumentParser, speed: float) -> None:
    """Give the parser what both commands take; the speed is their default."""
    parser.add_argument(
        "--scenario",
        default="succeeds",
        metavar="NAME",
        help="what happens (default: succeeds); a .toml file is one, too",
    )
    parser.add_argument("--list", action="store_true", help="list the scenarios and how START ends in each")
    parser.add_argument(
        "--speed", type=float, default=speed, metavar="N", help=f"how much faster than told (default {speed:g})"
    )


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
        return refuse("the simulator needs werkzeug: pip install werkzeug, or this with its extra demo")
    if arguments.list:
        say(rehearsal.scenarios())
        return 0
    if not SLOWEST <= arguments.speed <= FASTEST:
        return refuse(f"--speed: {arguments.speed:g} is not a valid speed: give one from {SLOWEST:g} to {FASTEST:g}")
    try:
        return command(rehearsal)
    except ScenarioError as error:
        return refuse(error)
