"""What Airflow is told of this package: the entry point `apache_airflow_provider`."""

from typing import Any

from orchestrator import __version__

__all__ = ["get_provider_info"]


def get_provider_info() -> dict[str, Any]:
    """The provider, as Airflow's schema of providers has it."""
    package = "orchestrator.airflow"
    integration = {"integration-name": "Fivetran"}
    return {
        "package-name": "fivetran-orchestrator",
        "name": "Fivetran Orchestrator",
        "description": "Runs Fivetran syncs by declared state machines: workers act, the triggerer only looks.",
        "versions": [__version__],
        "integrations": [
            {**integration, "external-doc-url": "https://fivetran.com/docs/rest-api", "tags": ["service"]},
        ],
        "operators": [{**integration, "python-modules": [f"{package}.operators"]}],
        "sensors": [{**integration, "python-modules": [f"{package}.sensors"]}],
        "hooks": [{**integration, "python-modules": [f"{package}.hooks"]}],
        "triggers": [{**integration, "python-modules": [f"{package}.triggers"]}],
        "connection-types": [
            {
                "hook-class-name": f"{package}.hooks.FivetranHook",
                "connection-type": "fivetran",
                "hook-name": "Fivetran",
            }
        ],
        "extra-links": [f"{package}.links.ConnectionLink", f"{package}.links.ReportLink"],
    }
