"""`fivetran.env`: what later jobs of the pipeline may want to know, as variables (GitLab's dotenv report).

GitLab allows 5 KB and 20 variables, no empty line, no quotes; it expands `$` in values, and sets
the variables in every later job, where they win over the job's own. So none of them may have the
name of a variable that configures a job of ours; `variables.RESULTS` has all of them.
"""

import re
from collections.abc import Mapping
from typing import Any

from orchestrator.fivetran.documents import parse_time
from orchestrator.values.formatting import iso

__all__ = ["NAME", "draw"]

NAME = "fivetran.env"
LONGEST = 200  # characters of a value

_UNSAFE = re.compile(r"[^A-Za-z0-9_.:+/-]")


def draw(document: Mapping[str, Any]) -> str:
    """The file's text: a line a variable. What is not known has none."""
    running = document["still_running"]
    values = {
        "FIVETRAN_VERDICT": document["verdict"],
        "FIVETRAN_EXIT_CODE": document["exit_code"],
        "FIVETRAN_CONNECTION": document["connector_id"],
        "FIVETRAN_SYNC_ID": (document["sync"] or {}).get("sync_id"),
        "FIVETRAN_SYNC_STATE": document["sync_state"],
        "FIVETRAN_STILL_RUNNING": None if running is None else str(running).lower(),
        "FIVETRAN_SUCCEEDED_AT": _time(document["succeeded_at"]),
        "FIVETRAN_FAILED_AT": _time(document["failed_at"]),
        "FIVETRAN_RESCHEDULED_FOR": _time(document["rescheduled_for"]),
        "FIVETRAN_STARTED_AT": document["started_at"],
        "FIVETRAN_ENDED_AT": document["ended_at"],
        "FIVETRAN_SECONDS": document["elapsed_seconds"],
    }
    told = {name: _UNSAFE.sub("", str(value))[:LONGEST] for name, value in values.items() if value is not None}
    return "".join(f"{name}={value}\n" for name, value in told.items() if value)


def _time(text: object) -> str | None:
    """One of Fivetran's times, always in the same form."""
    seconds = parse_time(text)
    return None if seconds is None else iso(seconds)
