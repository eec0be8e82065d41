"""`run` for Python programs: a job in the caller's process, its result a value.

It is the very job of the command line, with arguments for variables: but it prints nothing, heeds no
signals, may run in any thread and in several at a time, and writes no file that no argument names.
"""

import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self, TextIO, cast

from orchestrator.fivetran.documents import parse_time
from orchestrator.job.arguments import said_of_arguments, variables_of
from orchestrator.job.configuration import ConfigurationError
from orchestrator.job.job import Job
from orchestrator.job.masking import PROXIES
from orchestrator.job.result import Document, result
from orchestrator.job.streams import Output

__all__ = ["ConfigurationError", "Result", "RunError", "run"]

# Variables of the process that are read where the argument is None.
_FROM_ENVIRONMENT = ("FIVETRAN_API_KEY", "FIVETRAN_API_SECRET")


class RunError(Exception):
    """A run that did not end as it should; from `Result.raise_for_verdict`.

    Attributes:
        result: How it ended.
    """

    def __init__(self, result: "Result") -> None:
        super().__init__(str(result))
        self.result = result


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended. Secrets are masked in all of it.

    Attributes:
        ok: What was asked for has been done: what the command line ends with exit code 0 for.
        action: The action.
        connector_id: The connection's id.
        verdict: How it ended, in a word: `succeeded`, `sync_failed`, `timed_out`, `stale`, ...
        exit_code: The command line's exit code for that.
        headline: What happened, in one line.
        reasons: Why, in Fivetran's words where it has any.
        advice: What to do now.
        notes: What else there is to know: the warnings of the log.
        still_running: Whether a sync is running on the connection now; None where that is not known.
        succeeded_at: When the connection last succeeded; None where it never did, or that is not known.
        failed_at: When it last failed, likewise.
        page: The connection's page on Fivetran's dashboard.
        connection: The connection's document as it was read last; None where it never was.
        document: All of the result, as result.json has it (docs/result.schema.json).
    """

    ok: bool
    action: str
    connector_id: str
    verdict: str
    exit_code: int
    headline: str
    reasons: tuple[str, ...]
    advice: tuple[str, ...]
    notes: tuple[str, ...]
    still_running: bool | None
    succeeded_at: datetime | None
    failed_at: datetime | None
    page: str
    connection: Mapping[str, Any] | None = field(repr=False)
    document: Mapping[str, Any] = field(repr=False)

    def __str__(self) -> str:
        running, schedule = self.document["running"], self.document["schedule"]
        headline = "; ".join(filter(None, (self.headline, running)))
        said = [f"{self.action} {self.connector_id}: {headline} ({self.verdict}, exit code {self.exit_code})"]
        said += [f"  why: {reason}" for reason in self.reasons]
        said += [f"  now: {step}" for step in self.advice]
        said += [f"  schedule: {schedule}"] if schedule else []
        said += [f"  note: {note}" for note in self.notes]
        return "\n".join(said)

    def raise_for_verdict(self) -> Self:
        """This very result, where it is `ok`.

        Raises:
            RunError: It is not; the message says why, and what to do.
        """
        if not self.ok:
            raise RunError(self)
        return self


def run(  # noqa: PLR0913  # an argument for each variable
    action: str,
    connector_id: str,
    *,
    api_key: str | None = None,
    api_secret: str | None = None,
    keys_from_vault: bool = False,
    vault_file: str | Path | None = None,
    schema: str | None = None,
    table: str | None = None,
    tables: str | Mapping[str, Sequence[str]] | None = None,
    keep_schedule: bool = False,
    max_age: float | str | None = None,
    timeout: float | str = 300,
    poll_interval: float | str | None = None,
    http_timeout: float | str = 30,
    retry_limit: int = 8,
    on_running: Literal["wait", "attach", "restart", "fail"] = "wait",
    on_reschedule: Literal["wait", "fail"] = "wait",
    on_broken: Literal["fail", "sync"] = "fail",
    unpause: bool = False,
    restore_schedule: bool | Literal["auto"] = False,
    evidence: Literal["1", "red", "0"] = "1",
    chart: str | Path | None = None,
    state_file: str | Path | None = None,
    api_url: str | None = None,
    report_dir: str | Path | None = None,
    journal: bool = True,
    progress: Callable[[str], None] | None = None,
) -> Result:
    """Run an action on a connection, and wait for its end.

    Each argument is one of the job's variables, and means the same; of the environment, key and secret alone are
    read, and what `requests` obeys (proxies, CA bundles). Ctrl-C raises KeyboardInterrupt at once: a sync that was
    started goes on at Fivetran, and `on_running="attach"` waits for it.

    Args:
        action: "START", "STATUS", "TEST" or "FORCE_RESYNC".
        connector_id: Fivetran's id of the connection, such as "speak_inexpensive".
        api_key: Key of the Fivetran API; FIVETRAN_API_KEY of the environment when None.
        api_secret: Its secret; FIVETRAN_API_SECRET of the environment when None.
        keys_from_vault: Take both from the DataOps vault.
        vault_file: The vault; /secrets/vault.yml when None.
        schema: FORCE_RESYNC: the schema, as it is called at the source.
        table: FORCE_RESYNC: the table, likewise.
        tables: FORCE_RESYNC of several: tables by schema, or "SCHEMA.TABLE", one a line.
        keep_schedule: Leave the connection's schedule alone; otherwise it is switched to manual.
        max_age: STATUS: not `ok` if the last success is older than this many seconds, or there is none; any
            will do when None.
        timeout: Seconds for the whole run.
        poll_interval: Seconds between two looks at the sync; 2 to 60, by its expected end, when None.
        http_timeout: Seconds for one request.
        retry_limit: Transient failures in a row before giving up (unlimited after the trigger).
        on_running: What to do about a sync that is running already.
        on_reschedule: What to do where Fivetran reschedules the sync.
        on_broken: What to do about a broken connection; a sync often clears that.
        unpause: Un-pause a paused connection.
        restore_schedule: Restore the schedule at the end; "auto": set it to auto, whatever it was.
        evidence: Optional requests (history, errors): "1" always, "red" only where it is not `ok`, "0" never.
        chart: A chart of your own for the action, a TOML file.
        state_file: The run is saved there, and resumed from it.
        api_url: Base of the API; Fivetran's when None.
        report_dir: Where results are written; nowhere when None.
        journal: Write the journal of the run there, too.
        progress: Called, in this thread, with each line that the job would log.

    Returns:
        How it ended; a sync that failed is no exception.

    Raises:
        ConfigurationError: An argument is missing or wrong, and no request was sent; a ValueError.
    """
    given = {
        "FIVETRAN_ACTION": action,
        "CONNECTOR_ID": connector_id,
        "FIVETRAN_API_KEY": api_key,
        "FIVETRAN_API_SECRET": api_secret,
        "SET_FIVETRAN_KEYS_TO_ENV": keys_from_vault,
        "FIVETRAN_VAULT_FILE": vault_file,
        "SCHEMA": schema,
        "TABLE": table,
        "TABLES": tables,
        "FIVETRAN_DONT_DISABLE_SYNC": keep_schedule,
        "FIVETRAN_MAX_AGE": max_age,
        "FIVETRAN_TIMEOUT": timeout,
        "FIVETRAN_POLL_INTERVAL": poll_interval,
        "FIVETRAN_HTTP_TIMEOUT": http_timeout,
        "FIVETRAN_RETRY_LIMIT": retry_limit,
        "FIVETRAN_ON_RUNNING": on_running,
        "FIVETRAN_ON_RESCHEDULE": on_reschedule,
        "FIVETRAN_ON_BROKEN": on_broken,
        "FIVETRAN_UNPAUSE": unpause,
        "FIVETRAN_RESTORE_SCHEDULE": restore_schedule,
        "FIVETRAN_EVIDENCE": evidence,
        "FIVETRAN_CHART": chart,
        "FIVETRAN_STATE_FILE": state_file,
        "FIVETRAN_API_URL": api_url,
        "FIVETRAN_REPORT_DIR": report_dir,
        "FIVETRAN_JOURNAL": "1" if journal else "0",
    }
    pair = () if keys_from_vault else _FROM_ENVIRONMENT  # the pair wins over the vault, and was not asked for
    known = {*pair, *PROXIES, *map(str.lower, PROXIES)}  # of proxies, for their passwords to be masked
    variables = {name: value for name, value in os.environ.items() if name in known}
    variables |= variables_of(given)
    nowhere = cast("TextIO", io.StringIO())
    job = Job(variables, stdout=nowhere, stderr=cast("TextIO", _Lines(progress or (lambda _: None))))
    try:
        ended = job.run_here()
    except ConfigurationError as error:
        unset = {name for name in _FROM_ENVIRONMENT if given[name] is None}
        raise said_of_arguments(error, unset) from None
    at = job.ended_at or job.clock.wall()
    whole = job.mask.value(result(ended.settings, ended.chart, ended.standing, job.trace, at))
    connection = ended.facts.connection
    return _result(whole, None if connection is None else job.mask.document(connection))


def _result(document: Document, connection: Document | None) -> Result:
    same = ("action", "connector_id", "verdict", "exit_code", "headline", "still_running", "page")
    return Result(
        ok=document["exit_code"] == 0,
        **{name: document[name] for name in same},
        reasons=tuple(document["reasons"]),
        advice=tuple(document["advice"]),
        notes=tuple(document["notes"]),
        succeeded_at=_moment(document["succeeded_at"]),
        failed_at=_moment(document["failed_at"]),
        connection=connection,
        document=document,
    )


def _moment(text: str | None) -> datetime | None:
    seconds = parse_time(text)
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


class _Lines(Output):
    """Where the log goes: each line to a function of the caller's, whose exceptions are the caller's, too."""

    def __init__(self, take: Callable[[str], None]) -> None:
        super().__init__(io.StringIO())
        self._take = take

    def write(self, text: str) -> int:
        """Hand on a line or several."""
        for line in text.splitlines():
            self._take(line)
        return len(text)
