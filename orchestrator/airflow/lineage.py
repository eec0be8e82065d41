"""OpenLineage: the connection, and the destination's tables that it writes; one request after a sync."""

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.airflow.hooks import FivetranHook
from orchestrator.airflow.reporting import mask_of
from orchestrator.job.job import connected
from orchestrator.values.clock import SystemClock
from orchestrator.values.exchange import Answer, Request

__all__ = ["facets_of", "tables_of"]

LIMIT = 10.0  # seconds: lineage is not worth waiting for


def facets_of(conn_id: str, connector_id: str) -> Any:  # noqa: ANN401  # OpenLineage's
    """Input and outputs of a sync; None where OpenLineage is not installed, or Fivetran does not show the tables.

    Args:
        conn_id: The Airflow connection.
        connector_id: The connection's id.
    """
    try:
        from airflow.providers.openlineage.extractors.base import OperatorLineage  # noqa: PLC0415  # an optional package
        from openlineage.client.event_v2 import Dataset  # noqa: PLC0415  # likewise
    except ImportError:
        return None
    account = FivetranHook(conn_id).account()
    client = connected(account, SystemClock(), mask_of(account))
    path = f"/v1/connections/{connector_id}/schemas"
    outcome = client.send(Request("GET", path, "list the tables", optional=True), LIMIT)
    client.close()
    if not isinstance(outcome, Answer):
        return None
    outputs = [Dataset(namespace="fivetran://destination", name=name) for name in tables_of(outcome.data)]
    return OperatorLineage(inputs=[Dataset(namespace="fivetran://connection", name=connector_id)], outputs=outputs)


def tables_of(document: Mapping[str, Any]) -> Iterator[str]:
    """The tables that are synced, by their names in the destination: SCHEMA.TABLE.

    Args:
        document: The connection's schemas, as Fivetran has them.
    """
    for name, schema in _members(document.get("schemas")):
        if schema.get("enabled") is not False:
            where = schema.get("name_in_destination") or name
            for each, table in _members(schema.get("tables")):
                if table.get("enabled") is not False:
                    yield f"{where}.{table.get('name_in_destination') or each}"


def _members(value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:  # noqa: ANN401  # any JSON
    if isinstance(value, Mapping):
        yield from ((str(name), each) for name, each in value.items() if isinstance(each, Mapping))
