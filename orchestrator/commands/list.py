"""`list`: the account's connections."""

import re
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping

from orchestrator.job.configuration import ConfigurationError
from orchestrator.job.listing import account, as_json, as_table, exit_code, list_connections, matches
from orchestrator.job.streams import refuse, say
from orchestrator.job.variables import VARIABLES
from orchestrator.values.clock import SystemClock
from orchestrator.values.events import Event
from orchestrator.values.exchange import Failure
from orchestrator.values.formatting import duration
from orchestrator.values.settings import CONNECTOR_ID

__all__ = ["add_to", "execute"]

_FLAGS = (
    *("FIVETRAN_API_KEY", "FIVETRAN_API_SECRET", "SET_FIVETRAN_KEYS_TO_ENV", "FIVETRAN_VAULT_FILE"),
    *("FIVETRAN_API_URL", "FIVETRAN_HTTP_TIMEOUT", "FIVETRAN_TIMEOUT"),
)
_HINTS = {
    Event.NOT_FOUND: "check --group: it is the id of a group (a destination), not its name",
    Event.REJECTED: "check FIVETRAN_API_URL; the same request will be rejected again",
    Event.UNAVAILABLE: (
        "try again later; https://status.fivetran.com says whether Fivetran has an outage; "
        "if it has none, check network and proxy (HTTPS_PROXY)"
    ),
    Event.TIMED_OUT: "raise FIVETRAN_TIMEOUT, or list one group with --group",
}


def add_to(parser: ArgumentParser) -> None:
    """Give the parser the arguments."""
    parser.description = "List the account's connections: id, name, service, state, schedule, last success."
    parser.epilog = "exit codes are those of `run`: 3 the API key, 4 no such group, 5 timed out, 6 Fivetran unavailable"
    parser.add_argument(
        "pattern",
        nargs="?",
        default="",
        metavar="PATTERN",
        help="show only connections whose id, name or service contains it; * and ? are wildcards, as in 'sales*'",
    )
    parser.add_argument("--group", metavar="ID", help="show only the connections of this group (destination)")
    parser.add_argument("--json", action="store_true", help="print JSON: a list of objects")
    for name in _FLAGS:
        variable = VARIABLES[name]
        help_text = f"{variable.meaning} [{name}]".replace("%", "%%")
        if variable.any_value:
            parser.add_argument(variable.flag, dest=name, action="store_const", const="1", help=help_text)
        else:
            parser.add_argument(variable.flag, dest=name, metavar="VALUE", help=help_text)


def execute(arguments: Namespace, environ: Mapping[str, str]) -> int:
    """List them; the exit codes are the job's."""
    if arguments.group is not None and not re.fullmatch(CONNECTOR_ID, arguments.group):
        return refuse("--group: what is given is not a group's id: give one such as projected_sickle")
    try:
        about = account(
            {**environ, **{name: value for name in _FLAGS if (value := getattr(arguments, name)) is not None}}
        )
    except ConfigurationError as error:
        return refuse("\n".join((*error.warnings, *error.errors)))
    mask = about.mask

    def note(text: str) -> None:
        say(mask.line(text), error=True)

    for warning in about.warnings:
        note(warning)
    try:
        listed = list_connections(
            about,
            arguments.group or "",
            SystemClock(),
            lambda count: note(f"{count:,} connections so far; reading the next page"),
            note,
        )
    except Failure as failure:
        note(f"could not list the connections: {failure}")
        if hint := _hint(failure):
            note(hint)
        return exit_code(failure)
    found = [each for each in listed.documents if matches(each, arguments.pattern)]
    shown, whole = listed._replace(documents=found), len(listed.documents)
    if arguments.json:
        say(mask.block(as_json(shown)))
    elif found:
        say(as_table(shown, mask))
    if not whole:
        note(f"this API key can see no connection{f' of the group {arguments.group}' if arguments.group else ''}")
    elif arguments.pattern:
        note(f"{len(found):,} of {whole:,} connections match {arguments.pattern!r}")
    return 0


def _hint(failure: Failure) -> str:
    """What to do about it, or ""."""
    if failure.event is Event.RATE_LIMITED:
        wait = "later" if failure.retry_after is None else f"in {duration(failure.retry_after)} (Retry-After)"
        return f"try again {wait}: the limit is the account's, for all of its API keys together"
    if failure.event is Event.REFUSED:
        return "check FIVETRAN_API_KEY and FIVETRAN_API_SECRET, and that the key may read connections"
    return _HINTS.get(failure.event, "")
