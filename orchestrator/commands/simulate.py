"""`simulate`: a simulated Fivetran, served."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping

from orchestrator.commands.demo import add_scenario, rehearse, scenario

__all__ = ["add_to", "execute"]


def add_to(parser: ArgumentParser) -> None:
    """Give the parser the arguments."""
    parser.description = "Serve a simulated Fivetran on loopback, to rehearse a pipeline without an account."
    add_scenario(parser, 1.0, "serve N connections, and no other id; without it, any id is a connection")
    parser.add_argument(
        "--port", type=int, default=8080, metavar="N", help="port on loopback, 0 for any (default 8080)"
    )


def execute(arguments: Namespace, _: Mapping[str, str]) -> int:
    """Serve it until interrupted."""
    return rehearse(
        arguments,
        lambda there: there.simulate(scenario(arguments), arguments.speed, arguments.port, arguments.connections),
    )
