"""`draw`: the charts as Mermaid flowcharts."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping

__all__ = ["HELP", "add_to", "execute"]

HELP = "the charts as Mermaid flowcharts"


def add_to(parser: ArgumentParser) -> None:
    """Give the parser the arguments."""
    parser.description = "Print an action's chart as a Mermaid flowchart; without an action, a page with all of them."
    parser.add_argument("action", nargs="?", type=str.upper, choices=("STATUS", "START", "TEST", "FORCE_RESYNC"))


def execute(arguments: Namespace, environ: Mapping[str, str]) -> int:
    """Print it.

    Returns:
        0.
    """
    from orchestrator.diagram import overview, to_mermaid  # noqa: PLC0415
    from orchestrator.loader import load  # noqa: PLC0415

    del environ
    print(overview() if arguments.action is None else to_mermaid(load(arguments.action)), end="")
    return 0
