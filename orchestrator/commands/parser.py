"""How the arguments of a command are read, and what is said of those that are unknown."""

import re
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from itertools import takewhile
from typing import NoReturn

from orchestrator.job.masking import Mask
from orchestrator.values.formatting import either
from orchestrator.values.suggestions import did_you_mean, near, sentence

__all__ = ["PROGRAM", "Parser", "add_general"]

PROGRAM = "fivetran-orchestrator"

_FLAG = re.compile("--[a-z][a-z-]*|-[a-z]")  # what a flag looks like, and hardly a secret


class Parser(ArgumentParser):
    """argparse's own. What is given for a flag that it does not know may be a secret, and is not repeated.

    Args:
        prog: The program, or it and the command.
    """

    def __init__(self, prog: str) -> None:
        super().__init__(prog, formatter_class=RawDescriptionHelpFormatter, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Refuse the arguments, with exit code 2."""
        if found := re.search(r"invalid choice: (.*) \(choose from (.*)\)\Z", message, re.DOTALL):
            choices = re.findall(r"[\w.-]+", found[2])
            meant = sentence(did_you_mean(found[1].strip("'"), choices)) or f": give {either(choices)}"
            message = f"{message[: found.start()]}unknown value{meant}"
        super().error(Mask().line(message))  # it may repeat what stands in a variable of the pipeline

    def parsed(self, given: Sequence[str]) -> Namespace:
        """What the arguments say; flags may stand anywhere among them."""
        known = self._option_string_actions
        takers = {name for name, flag in known.items() if flag.nargs is None}  # of one value
        words = list(takewhile(lambda text: text != "--", given))
        names = [text.partition("=")[0] for last, text in zip(["", *words], words, strict=False) if last not in takers]
        unknown = [name for name in names if _FLAG.fullmatch(name) and name not in known]
        if unknown:  # first, before the value that follows one is taken for something else
            given_name = unknown[0].lstrip("-").removeprefix("fivetran-")  # as the variables have it
            longs = [name.removeprefix("--") for name in known if name.startswith("--")]
            meant = "".join(f"did you mean --{name}?" for name in near(given_name, longs))
            self.error(f"unknown flag {unknown[0]}{sentence(meant)}")
        namespace, rest = self.parse_known_intermixed_args(given)
        if rest:
            self.error("one argument too many: a value that belongs to no flag")
        return namespace


def add_general(parser: Parser) -> None:
    """Give the parser what stands before a command."""
    parser.add_argument("--version", action="store_true", help="print version, commit and Python")
