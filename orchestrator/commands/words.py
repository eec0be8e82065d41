"""What several commands take: ACTION, the connection's id, --json."""

from argparse import ArgumentTypeError, _ActionsContainer

from orchestrator.machine.actions import ACTIONS
from orchestrator.values.formatting import either
from orchestrator.values.suggestions import did_you_mean

__all__ = ["action", "add_action", "add_connector", "add_json"]


def action(text: str) -> str:
    """An action as it may be typed: in any case, with hyphens.

    Raises:
        ArgumentTypeError: It is none. What was typed may be a secret, and is not repeated.
    """
    name = text.strip().upper().replace("-", "_")
    if name not in ACTIONS:
        raise ArgumentTypeError(f"unknown action; {did_you_mean(name, ACTIONS) or f'give {either(ACTIONS)}'}")
    return name


def add_action(parser: _ActionsContainer, help_text: str = "") -> None:
    """Give the parser an action that may be left out."""
    help_text = f"{either(ACTIONS)}{help_text}"
    parser.add_argument("action", nargs="?", type=action, metavar="ACTION", help=help_text)


def add_connector(parser: _ActionsContainer, help_text: str) -> None:
    """Give the parser the id of a connection, which may be left out."""
    parser.add_argument("connector_id", nargs="?", metavar="CONNECTOR_ID", help=help_text)


def add_json(parser: _ActionsContainer) -> None:
    """Give the parser, or a group of it, the flag for scripts that are started from a terminal."""
    parser.add_argument("--json", action="store_true", help="print the JSON document even if stdout is a terminal")
