"""Variables of the job as arguments of Python: `run`, and the operators on Airflow."""

import json
import re
from collections.abc import Mapping

from orchestrator.job.configuration import ConfigurationError
from orchestrator.job.variables import VARIABLES

__all__ = ["ARGUMENTS", "in_arguments", "said_of_arguments", "variables_of"]

# The arguments that are not called as their variables are.
_RENAMED = {"FIVETRAN_DONT_DISABLE_SYNC": "keep_schedule", "SET_FIVETRAN_KEYS_TO_ENV": "keys_from_vault"}
ARGUMENTS = {name: _RENAMED.get(name, name.removeprefix("FIVETRAN_").lower()) for name in VARIABLES}


def variables_of(given: Mapping[str, object]) -> dict[str, str]:
    """Arguments, by the names of their variables, as the variables have them; None is not set."""
    return {name: _text(value) for name, value in given.items() if value is not None}


def said_of_arguments(error: ConfigurationError, unset: set[str]) -> ConfigurationError:
    """What is wrong with variables, said of the arguments.

    Args:
        error: What is wrong.
        unset: The variables that may also be set in the environment, and whose argument is None.
    """
    return ConfigurationError([_with_arguments(problem, unset) for problem in error.errors], error.warnings)


def in_arguments(text: str) -> str:
    """A text with the names of arguments for those of variables."""
    return _with_arguments(text, set())


def _text(value: object) -> str:
    """An argument as the variable has it."""
    if isinstance(value, bool):
        return "1" if value else ""
    if isinstance(value, Mapping):
        return json.dumps({schema: list(tables) for schema, tables in value.items()})
    return str(value)


def _with_arguments(problem: str, unset: set[str]) -> str:
    """What is wrong with a variable, said of the argument."""

    def name_of(found: re.Match[str]) -> str:
        variable = found[0]
        also = f" (or {variable} in the environment)" if variable in unset and found.start() == 0 else ""
        return f"{ARGUMENTS[variable]}{also}"

    return re.sub(rf"\b(?:{'|'.join(ARGUMENTS)})\b", name_of, problem)
