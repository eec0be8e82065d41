"""Links beside a task in Airflow's UI."""

from typing import Any

from airflow.sdk import BaseOperatorLink

from orchestrator.values.settings import page_of

__all__ = ["ConnectionLink", "ReportLink"]


class ConnectionLink(BaseOperatorLink):
    """The connection's page on Fivetran's dashboard."""

    name = "Fivetran connection"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ANN401, ARG002  # Airflow's form
        """The page of the connection that the task is about."""
        connector_id = getattr(operator, "connector_id", None)
        return page_of(connector_id) if isinstance(connector_id, str) else ""


class ReportLink(BaseOperatorLink):
    """The run's report, where the task says at which address it can be read."""

    name = "Report"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ANN401, ARG002  # Airflow's form
        """`report_url` of the task, or nothing."""
        url = getattr(operator, "report_url", None)
        return url if isinstance(url, str) else ""
