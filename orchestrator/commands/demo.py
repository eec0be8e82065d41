"""`demo`: START against a simulated Fivetran, in seconds."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping

from orchestrator.commands.rehearse import add_scenario, rehearse

__all__ = ["HELP", "add_to", "execute"]

HELP = "START against a simulated Fivetran, in seconds"


def add_to(parser: ArgumentParser) -> None:
    """Give the parser the arguments."""
    parser.description = "Run START against a simulated Fivetran: no account, no network."
    add_scenario(parser, 20.0)


def execute(arguments: Namespace, environ: Mapping[str, str]) -> int:
    """Run the scenario.

    Returns:
        0 if it ended as the scenario says.
    """

    def demo() -> int:
        from orchestrator.simulator import rehearsal  # noqa: PLC0415

        return rehearsal.demo(arguments.scenario, environ, arguments.speed)

    return rehearse(arguments, demo)
