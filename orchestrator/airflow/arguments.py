"""Settings from the arguments of an operator: each is one of the job's variables, and means the same."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from orchestrator.airflow.board import Account
from orchestrator.job.configuration import ConfigurationError, Configured, configure
from orchestrator.job.python_call import said_of_arguments, variables_of

__all__ = ["Duration", "Tables", "configured", "seconds", "timeout_of"]

Duration = timedelta | float | str
Tables = str | Mapping[str, Sequence[str]]

DAY = 86_400.0  # seconds: the timeout where nothing is said
MARGIN, SHARE = 60.0, 0.1  # seconds of `execution_timeout` that a run leaves, and at most this share of it


def seconds(value: Duration | None) -> float | str | None:
    """A duration as a variable has it."""
    return value.total_seconds() if isinstance(value, timedelta) else value


def timeout_of(timeout: Duration | None, execution_timeout: timedelta | None) -> float | str:
    """How long a run may take: less than Airflow gives the task, so that the task says itself why it ends.

    Args:
        timeout: What the task says.
        execution_timeout: What Airflow gives it, or None.
    """
    given = seconds(timeout)
    if execution_timeout is None:
        return DAY if given is None else given
    all_of_it = execution_timeout.total_seconds()
    most = max(1.0, all_of_it - min(MARGIN, all_of_it * SHARE))
    if given is None:
        return most
    plain = _in_seconds(given)
    return given if plain is not None and plain < most else most


def _in_seconds(given: float | str) -> float | None:
    """The seconds of a timeout; None where it is malformed."""
    from orchestrator.job.inputs import Inputs  # noqa: PLC0415  # with a text and an execution_timeout alone

    inputs = Inputs({"FIVETRAN_TIMEOUT": str(given)})
    found = inputs.seconds("FIVETRAN_TIMEOUT", 1.0)
    return None if inputs.errors else found


def configured(account: Account, given: Mapping[str, Any]) -> Configured:
    """The settings and the chart of a task.

    Args:
        account: What its Airflow connection says.
        given: Its arguments, by the names of their variables; None is not set.

    Raises:
        ConfigurationError: An argument is missing or wrong; the messages name the arguments.
    """
    variables = variables_of(
        {
            **given,
            "FIVETRAN_API_KEY": account.api_key,
            "FIVETRAN_API_SECRET": account.api_secret,
            "FIVETRAN_API_URL": account.api_url or None,
            "FIVETRAN_JOURNAL": "0",
        }
    )
    try:
        return configure(variables)
    except ConfigurationError as error:
        raise said_of_arguments(error, set()) from None
