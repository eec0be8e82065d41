"""Which variables ask for a job of many connections."""

import pytest

from orchestrator.fleet.choice import job_for, names_many
from orchestrator.fleet.fleet_job import FleetJob
from orchestrator.job.job import Job


@pytest.mark.parametrize(
    ("variables", "many"),
    [
        ({}, False),
        ({"CONNECTOR_ID": "speak_inexpensive"}, False),
        ({"CONNECTOR_ID": "  speak_inexpensive\n"}, False),
        ({"FIVETRAN_CONNECTOR_ID": "speak_inexpensive"}, False),
        ({"CONNECTOR_ID": "speak_inexpensive", "FIVETRAN_GROUP_ID": "  "}, False),
        ({"CONNECTOR_ID": "$UNSET"}, False),
        ({"CONNECTOR_ID": "a,b"}, True),
        ({"CONNECTOR_ID": "a b"}, True),
        ({"CONNECTOR_ID": "a\nb"}, True),
        ({"CONNECTOR_ID": "a,"}, True),
        ({"FIVETRAN_CONNECTOR_ID": "a,b"}, True),
        ({"CONNECTOR_ID": "DATAOPS_VAULT(A.B)"}, True),
        ({"FIVETRAN_GROUP_ID": "g"}, True),
        ({"FIVETRAN_CONNECTION_NAME": "sales"}, True),
        ({"CONNECTOR_ID": "a", "FIVETRAN_INCLUDE": "b"}, True),
        ({"CONNECTOR_ID": "a", "FIVETRAN_EXCLUDE": "b"}, True),
    ],
)
def test_names_many(variables: dict[str, str], many: bool) -> None:  # noqa: FBT001  # a parameter
    """Several ids, a reference that may be several, a group or a name ask for it; a single id does not."""
    assert names_many(variables) is many
    assert type(job_for(variables)) is (FleetJob if many else Job)
