"""Which job the variables ask for: that of one connection, or that of many."""

import re
from collections.abc import Mapping
from typing import Any

from orchestrator.job.job import Job

__all__ = ["job_for", "names_many"]

_NAMES = ("CONNECTOR_ID", "FIVETRAN_CONNECTOR_ID")
# What chooses connections by something else than an id.
_OTHERS = ("FIVETRAN_GROUP_ID", "FIVETRAN_CONNECTION_NAME", "FIVETRAN_INCLUDE", "FIVETRAN_EXCLUDE")


def names_many(environ: Mapping[str, str]) -> bool:
    """Whether these variables may be about several connections, or about one that has to be found."""
    given = [environ.get(name, "").strip() for name in _NAMES]
    listed = any("DATAOPS_VAULT(" in text or re.search(r"[\s,]", text) for text in given)
    return listed or any(environ.get(name, "").strip() for name in _OTHERS)


def job_for(environ: Mapping[str, str], **how: Any) -> Job:  # noqa: ANN401  # as `Job` takes it
    """The job of these variables; the other arguments are those of `Job`."""
    if not names_many(environ):
        return Job(environ, **how)
    from orchestrator.fleet.fleet_job import FleetJob  # noqa: PLC0415  # one connection needs none of it

    return FleetJob(environ, **how)
