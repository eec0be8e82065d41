"""The state file: a run written down on entering a state, so that it can be taken up again."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator import __version__
from orchestrator.chart import Chart
from orchestrator.driver import Run
from orchestrator.masking import Mask
from orchestrator.settings import Settings

__all__ = ["SnapshotError", "compose_snapshot", "read_snapshot", "why_stale"]

FORMAT = 1


class SnapshotError(ValueError):
    """A state file that this job cannot go on from.

    Attributes:
        mend: What to do about it.
    """

    def __init__(self, problem: str, mend: str) -> None:
        super().__init__(problem)
        self.mend = mend


def _subject(settings: Settings) -> dict[str, str]:
    return {
        "action": settings.action,
        "connector_id": settings.connector_id,
        "schema": settings.schema,
        "table": settings.table,
    }


def compose_snapshot(settings: Settings, run: Run, mask: Mask | None = None) -> str:
    """The state file's text.

    Args:
        settings: The job's settings.
        run: The run.
        mask: Takes the secrets out.
    """
    document = {
        "format": FORMAT,
        "version": __version__,
        **_subject(settings),
        "pipeline": settings.pipeline,
        "chart": run.chart.digest,
        "ended": run.ended,
        "run": run.snapshot(),
    }
    if mask is not None:  # its values, never its text: a token may be any text, and any text is somewhere in JSON
        document = mask.document(document)
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def read_snapshot(file: str, settings: Settings, chart: Chart) -> Mapping[str, Any] | None:
    """The run in a state file, or None where there is none to take up: no file, or it has ended.

    Args:
        file: Path of the file.
        settings: The job's settings, which must be about the same connection and action.
        chart: The job's chart, which must be the one that the run was of.

    Raises:
        SnapshotError: The file is another job's, another version's, or damaged.
    """
    another = "remove the file to start afresh, or name another one"
    try:
        document = json.loads(Path(file).read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise SnapshotError(f"{file} cannot be read as a state file ({type(error).__name__})", another) from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise SnapshotError(f"{file} is no state file of this version", another)
    if document.get("ended") is True:
        return None
    for name, value in _subject(settings).items():
        if document.get(name) != value:
            raise SnapshotError(
                f"{file} holds an unfinished run with {name} {document.get(name)!r}, not {value!r}", another
            )
    if document.get("chart") != chart.digest:
        raise SnapshotError(f"{file} holds an unfinished run of another chart than {settings.action} has now", another)
    run = document.get("run")
    if not isinstance(run, dict) or run.get("state") not in chart.states:
        raise SnapshotError(f"{file} holds a run in a state that this version's chart does not have", another)
    return {**run, "pipeline": document.get("pipeline")}


def why_stale(run: Mapping[str, Any], settings: Settings, now: float) -> str:
    """Why a run is not taken up by itself: what it waited for is not what this job is asked for; or "".

    Args:
        run: What `read_snapshot` gave.
        settings: The job's settings.
        now: Seconds since the epoch.
    """
    if settings.pipeline and run["pipeline"] and run["pipeline"] != settings.pipeline:
        return f"of pipeline {run['pipeline']}"
    if not settings.pipeline and now > run["deadline_at"] + settings.timeout:
        return "that should have ended long ago"
    return ""
