"""`run`: the job, from variables and flags."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Mapping

from orchestrator.commands.words import add_action, add_connector, add_json
from orchestrator.fleet.choice import job_for
from orchestrator.job.configuration import POLICIES
from orchestrator.job.streams import refuse
from orchestrator.job.variables import GROUPS, VARIABLES, Variable
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.loader import load

__all__ = ["add_to", "execute"]

EPILOG = """\
A DURATION is seconds (300) or has units: 90s, 5m, 1h30m, 1d.
The API key and its secret are safer as variables: flags show in the list of processes.

examples:
  fivetran-orchestrator run START speak_inexpensive --timeout 50m
  fivetran-orchestrator run STATUS speak_inexpensive --dont-disable-sync
  fivetran-orchestrator run FORCE_RESYNC speak_inexpensive --schema public --table orders
"""


def add_to(parser: ArgumentParser) -> None:
    """Give the parser the arguments: a flag for each variable."""
    parser.description = "Run the job. A flag wins over its variable, which stands in brackets after it."
    parser.usage = "%(prog)s [ACTION [CONNECTOR_ID]] [flags]"
    parser.epilog = EPILOG
    grouped = {name: title for title, names in GROUPS.items() for name in names}
    groups = {title: parser.add_argument_group(title) for title in GROUPS}
    add_action(groups["what to do"], "; the same as --action")
    add_connector(groups["what to do"], "the same as --connector-id")
    for variable in VARIABLES.values():
        default = f" (default {variable.default})".replace("%", "%%") if variable.default else ""
        flag = groups[grouped.get(variable.name, "advanced")].add_argument
        told = f"{variable.meaning}{default} [{variable.name}]"
        if variable.special:
            word = variable.special
            flag(variable.flag, dest=variable.name, nargs="?", const="1", type=_yes, metavar=word, help=told)
        elif variable.any_value:
            flag(variable.flag, dest=variable.name, action="store_const", const="1", help=told)
        else:
            values = _values(variable)
            takes = f"{{{','.join(values)}}}" if values else variable.takes
            flag(variable.flag, dest=variable.name, metavar=takes, help=told)
    add_json(groups["results and log"])
    groups["what to do"].add_argument(
        "--dry-run", action="store_true", help="change nothing: only read, and print what the job would do"
    )
    groups["advanced"].add_argument("--resume", metavar="FILE", help="resume the run that was saved in this state file")


def _values(variable: Variable) -> tuple[str, ...]:
    """The only values that a variable may have, whatever the action; () for any."""
    policy = variable.name.removeprefix("FIVETRAN_").lower()
    if policy not in POLICIES:
        return variable.values
    each = sorted((load(action).values(policy) for action in ACTIONS), key=len, reverse=True)
    return tuple(dict.fromkeys(value for values in each for value in values))


def _yes(text: str) -> str:
    """The value of a flag that may have one; an action or an id that follows it is not meant.

    Raises:
        ArgumentTypeError: It is neither of its values.
    """
    if text.lower() not in {"auto", "1"}:
        raise ArgumentTypeError("only auto may follow it: put ACTION and CONNECTOR_ID before it")
    return text


def execute(arguments: Namespace, environ: Mapping[str, str]) -> int:
    """Do the job; 2 where an argument and a flag contradict each other."""
    flags = {name: value for name in VARIABLES if (value := getattr(arguments, name)) is not None}
    for name, given in (("FIVETRAN_ACTION", arguments.action), ("CONNECTOR_ID", arguments.connector_id)):
        if given is None:
            continue
        flag = flags.get(name, given)
        same = flag.upper().replace("-", "_") if name == "FIVETRAN_ACTION" else flag
        if given != same:
            return refuse(
                f"{VARIABLES[name].flag} contradicts the argument {name.removeprefix('FIVETRAN_')}: give one of the two"
            )
        flags[name] = given
    if arguments.resume is not None:
        flags["FIVETRAN_STATE_FILE"] = arguments.resume
    aliases = {VARIABLES[name].alias for name in flags}
    kept = {name: value for name, value in environ.items() if name not in aliases}
    if arguments.dry_run:
        if arguments.resume is not None:
            return refuse("--dry-run and --resume: a dry run begins anew; leave one of the two out")
        from orchestrator.job.dry_run import dry_run  # noqa: PLC0415  # not in a job's way to its first request

        return dry_run({**kept, **flags})
    return job_for({**kept, **flags}, must_resume=arguments.resume is not None, json=arguments.json).run()
