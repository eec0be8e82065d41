"""Settings from the arguments of an operator: each is one of the job's variables, and means the same."""

from collections.abc import Mapping
from typing import Any

from orchestrator.airflow.account import Account
from orchestrator.job.arguments import said_of_arguments, variables_of
from orchestrator.job.configuration import ConfigurationError, Configured, configure

__all__ = ["configured"]


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
