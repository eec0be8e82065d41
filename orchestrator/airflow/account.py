"""Address and credentials of an account."""

from typing import NamedTuple

__all__ = ["Account"]


class Account(NamedTuple):
    """What an Airflow connection says. Two tasks with the same one share a board.

    Attributes:
        api_url: Base of the API; "" for Fivetran's.
        api_key: API key.
        api_secret: API secret.
    """

    api_url: str
    api_key: str
    api_secret: str
