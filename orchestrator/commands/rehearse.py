"""What `demo` and `simulate` have in common: a scenario and a speed."""

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable

from orchestrator.job.streams import say

__all__ = ["add_scenario", "rehearse"]

SLOWEST, FASTEST = 0.1, 1000.0  # far beyond them clocks overflow


def add_scenario(parser: ArgumentParser, speed: float) -> None:
    """Give the parser what both commands take.

    Args:
        parser: The command's.
        speed: Its default speed.
    """
    parser.formatter_class = RawDescriptionHelpFormatter
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


def rehearse(arguments: Namespace, command: Callable[[], int]) -> int:
    """Do one of the two, or say what stands in the way.

    Args:
        arguments: What `add_scenario` has the parser take.
        command: The command itself.

    Returns:
        The exit code.
    """
    try:
        from orchestrator.simulator import rehearsal  # noqa: PLC0415  # needs the extra
        from orchestrator.simulator.scenario import ScenarioError  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "werkzeug":
            raise
        say("the simulator needs werkzeug: pip install werkzeug, or this with its extra demo", error=True)
        return 2
    if arguments.list:
        say(rehearsal.scenarios())
        return 0
    if not SLOWEST <= arguments.speed <= FASTEST:
        say(f"--speed: {arguments.speed:g} is not a valid speed: give one from {SLOWEST:g} to {FASTEST:g}", error=True)
        return 2
    try:
        return command()
    except (ScenarioError, rehearsal.PortError) as error:
        say(error, error=True)
        return 2
