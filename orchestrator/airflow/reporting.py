"""Log, result and report of a run on Airflow."""

import io
import logging
import os
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any, cast

from airflow.sdk.log import mask_secret
from structlog.typing import FilteringBoundLogger

from orchestrator.airflow.account import Account
from orchestrator.airflow.handover import Document
from orchestrator.fivetran import documents
from orchestrator.job.arguments import in_arguments
from orchestrator.job.log import LiveLine, Sections
from orchestrator.job.masking import Mask, proxy_secrets
from orchestrator.job.result import result
from orchestrator.job.run_log import RunLog
from orchestrator.job.trace import Trace
from orchestrator.job.verdict_block import first_line, other_lines
from orchestrator.machine.run import Run

__all__ = ["TaskLog", "ended", "mask_of", "masked_by_airflow", "run_log", "small", "told"]

# `transitions` says each of its steps; Airflow's root logger would let that through.
logging.getLogger("transitions").setLevel(logging.WARNING)

# What a small result leaves out: the steps, and what is in the report or in the members that stay.
_LARGE = {
    "steps",
    "steps_dropped",
    "chart",
    "baseline",
    "problems",
    "near_matches",
    "near_connections",
    "table_warnings",
}
AGAIN = "retry or clear this task: it takes up the sync, and starts no second one"
HEARTBEAT = 600.0  # seconds without a line: a triggerer writes the logs of a thousand runs
_QUIET = LiveLine(io.StringIO())
_UNFOLDED = Sections(io.StringIO(), lambda: 0.0, shown=False)


class TaskLog:
    """The task's log in Airflow, masked by us before Airflow masks it.

    Args:
        log: Airflow's logger of the operator or the trigger.
        mask: Takes the secrets out.
    """

    def __init__(self, log: Any, mask: Mask) -> None:  # noqa: ANN401  # Airflow has several kinds
        self._log = log
        self._mask = mask

    def debug(self, text: str, **_: object) -> None:
        """For those who look for a fault."""
        self._say(self._log.debug, text)

    def info(self, text: str, **fields: Any) -> None:  # noqa: ANN401  # any value
        """For everybody."""
        self._say(self._log.info, text, fields)

    def warning(self, text: str, **fields: Any) -> None:  # noqa: ANN401  # likewise
        """For everybody, soon."""
        self._say(self._log.warning, text, fields)

    def error(self, text: str, **fields: Any) -> None:  # noqa: ANN401  # likewise
        """For everybody, now."""
        self._say(self._log.error, text, fields)

    def _say(self, say: Callable[..., object], text: str, fields: Mapping[str, Any] | None = None) -> None:
        outcome = (fields or {}).get("outcome")
        for line in (f"{outcome}: {text}" if outcome else text, *(fields or {}).get("lines", ())):
            say("%s", self._mask.line(in_arguments(line)))


def mask_of(account: Account) -> Mask:
    """What takes the secrets of an account out."""
    key, secret = account.api_key, account.api_secret
    mask = Mask(key, secret)
    mask.add(*proxy_secrets(os.environ))
    return mask


def masked_by_airflow(account: Account) -> None:
    """Have Airflow mask the key, too: of a connection, it takes the password alone for a secret."""
    key, secret = account.api_key, account.api_secret
    for text in (key, secret, b64encode(f"{key}:{secret}".encode()).decode()):
        mask_secret(text)


def run_log(log: TaskLog, run: Run) -> RunLog:
    """What says how a run goes on, in the task's log."""
    says = RunLog(cast("FilteringBoundLogger", log), _QUIET, _UNFOLDED, heartbeat=HEARTBEAT)
    says.goes_on(run.facts, run.now, "waiting for the sync" if run.chart.triggers else "waiting for Fivetran")
    return says


def ended(run: Run, trace: Trace, mask: Mask, wall: float) -> Document:
    """The result of a run that has ended, masked."""
    document: Document = mask.value(result(run.settings, run.chart, run.standing, trace, wall))
    return document


def small(document: Document, run: Run, mask: Mask) -> Document:
    """The result as XCom has it: what a DAG may decide on, without what a report is for."""
    kept = {name: value for name, value in document.items() if name not in _LARGE}
    if run.chart.prints == "connection" and run.facts.connection is not None:
        kept["connection"] = mask.document(documents.trimmed(run.facts.connection))
    return kept


def told(document: Document, report: str, *, unfinished: bool = False) -> str:
    """How it ended, as an exception says it: what happened, why, what is running, what to do.

    Args:
        document: The result.
        report: Where the report is, or "".
        unfinished: Its sync may go on, and the task takes it up if it runs again.
    """
    first = f"{document['outcome']}: {first_line(document)}"
    if unfinished:  # another job would have to be told to attach to the sync
        others = [advice for advice in document["advice"] if "attach" not in advice]
        document = {**document, "advice": [AGAIN, *others]}
    rest = (re.sub(" {2,}", ": ", line, count=1) for line in other_lines(document, report))
    return in_arguments("\n".join((first, *rest)))
