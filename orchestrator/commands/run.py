"""`run`: the job, from variables and flags."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping

from orchestrator.job.job import Job
from orchestrator.job.streams import refuse
from orchestrator.job.variables import VARIABLES

__all__ = ["add_to", "execute"]


def add_to(parser: ArgumentParser) -> None:
    """Give the parser the arguments: a flag for each variable."""
    parser.description = "The job. Each flag stands for the variable in brackets, and wins over it."
    parser.epilog = "key and secret are safer as variables: a flag shows in the list of processes"
    for variable in VARIABLES.values():
        default = f" (default {variable.default})".replace("%", "%%") if variable.default else ""
        help_text = f"{variable.meaning}{default} [{variable.name}]"
        if variable.special:
            parser.add_argument(
                variable.flag, dest=variable.name, nargs="?", const="1", metavar=variable.special, help=help_text
            )
        elif variable.any_value:
            parser.add_argument(variable.flag, dest=variable.name, action="store_const", const="1", help=help_text)
        else:
            parser.add_argument(variable.flag, dest=variable.name, metavar="VALUE", help=help_text)
    parser.add_argument("--resume", metavar="FILE", help="take up the run that was written to this state file")
    parser.add_argument(
        "--dry-run", action="store_true", help="change nothing: only read, and print what the job would do"
    )


def execute(arguments: Namespace, environ: Mapping[str, str]) -> int:
    """Do the job."""
    flags = {name: value for name in VARIABLES if (value := getattr(arguments, name)) is not None}
    if arguments.resume is not None:
        flags["FIVETRAN_STATE_FILE"] = arguments.resume
    aliases = {VARIABLES[name].alias for name in flags}
    kept = {name: value for name, value in environ.items() if name not in aliases}
    if arguments.dry_run:
        if arguments.resume is not None:
            return refuse("--dry-run and --resume: a dry run begins anew; leave one of the two out")
        from orchestrator.job.dry_run import dry_run  # noqa: PLC0415  # not in a job's way to its first request

        return dry_run({**kept, **flags})
    return Job({**kept, **flags}, must_resume=arguments.resume is not None).run()
