"""`simulate`: a simulated Fivetran, served."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping

from orchestrator.commands.rehearse import add_scenario, rehearse

__all__ = ["HELP", "add_to", "execute"]

HELP = "serve a simulated Fivetran, to rehearse a pipeline"


def add_to(parser: ArgumentParser) -> None:
    """Give the parser the arguments."""
    parser.description = "Serve a simulated Fivetran on loopback, to rehearse a pipeline without an account."
    add_scenario(parser, 1.0)
    parser.add_argument(
        "--port", type=int, default=8080, metavar="N", help="port on loopback, 0 for any (default 8080)"
    )


def execute(arguments: Namespace, environ: Mapping[str, str]) -> int:
    """Serve it until interrupted.

    Returns:
        The exit code.
    """
    del environ

    def simulate() -> int:
        from orchestrator.simulator import rehearsal  # noqa: PLC0415

        return rehearsal.simulate(arguments.scenario, arguments.port, arguments.speed)

    return rehearse(arguments, simulate)
