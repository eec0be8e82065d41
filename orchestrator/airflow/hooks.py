"""The Airflow connection: login is Fivetran's API key, password the secret."""

from typing import Any

from airflow.sdk import BaseHook

from orchestrator.airflow.account import Account

__all__ = ["DEFAULT_CONNECTION", "FivetranHook"]

DEFAULT_CONNECTION = "fivetran_default"
TEST_LIMIT = 30.0  # seconds


class FivetranHook(BaseHook):
    """Reads the Airflow connection. One of the peer provider's (`Fivetran`) works as it is.

    Args:
        fivetran_conn_id: Its id.
    """

    conn_name_attr = "fivetran_conn_id"
    default_conn_name = DEFAULT_CONNECTION
    conn_type = "fivetran"
    hook_name = "Fivetran"

    def __init__(self, fivetran_conn_id: str = DEFAULT_CONNECTION) -> None:
        super().__init__()
        self.fivetran_conn_id = fivetran_conn_id

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """How the form of the connection looks."""
        return {
            "hidden_fields": ["schema", "port", "host"],
            "relabeling": {"login": "API key", "password": "API secret"},
            "placeholders": {"extra": '{"api_url": "https://api.fivetran.com"}'},
        }

    def account(self) -> Account:
        """Address and credentials, on a worker.

        Raises:
            ValueError: The connection has no key, no secret, or a wrong address.
        """
        return _account(self.get_connection(self.fivetran_conn_id), self.fivetran_conn_id)

    async def async_account(self) -> Account:
        """Address and credentials, in the triggerer.

        Raises:
            ValueError: The connection has no key, no secret, or a wrong address.
        """
        return _account(await self.aget_connection(self.fivetran_conn_id), self.fivetran_conn_id)

    def test_connection(self) -> tuple[bool, str]:
        """Ask Fivetran for one connection: what Airflow's button Test does."""
        from orchestrator.fivetran.effects.situation import listing  # noqa: PLC0415  # a DAG is parsed without it
        from orchestrator.job.job import connected  # noqa: PLC0415  # likewise
        from orchestrator.job.masking import Mask  # noqa: PLC0415  # likewise
        from orchestrator.values.clock import SystemClock  # noqa: PLC0415  # likewise
        from orchestrator.values.exchange import Answer  # noqa: PLC0415  # likewise

        try:
            account = self.account()
        except ValueError as error:
            return False, str(error)
        client = connected(account, SystemClock(), Mask(account.api_key, account.api_secret))
        outcome = client.send(listing("list the connections", limit=1), TEST_LIMIT)
        client.close()
        return isinstance(outcome, Answer), "Fivetran accepts the key" if isinstance(outcome, Answer) else str(outcome)


def _account(connection: Any, conn_id: str) -> Account:  # noqa: ANN401  # Airflow's connection
    from orchestrator.job.address import api_url  # noqa: PLC0415  # likewise
    from orchestrator.job.inputs import Inputs  # noqa: PLC0415  # likewise

    key, secret = (str(part or "").strip() for part in (connection.login, connection.password))
    parts = {"login (the API key)": key, "password (the API secret)": secret}
    where = f"the Airflow connection {conn_id!r}"
    if missing := [name for name, value in parts.items() if not value]:
        raise ValueError(f"{where} has no {' and no '.join(missing)}: set it under Admin > Connections")
    inputs = Inputs({"FIVETRAN_API_URL": str((connection.extra_dejson or {}).get("api_url") or "")})
    url = api_url(inputs)
    if inputs.errors:
        raise ValueError(f"{where}: {inputs.errors[0].replace('FIVETRAN_API_URL', 'api_url in its extra')}")
    return Account(url, key, secret)
