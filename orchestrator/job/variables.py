"""The job's variables: one table for reading them, for the flags and for the help."""

from typing import NamedTuple

from orchestrator.machine.actions import ACTIONS
from orchestrator.values.settings import FIVETRAN, LONGEST_POLL, SHORTEST_POLL

__all__ = ["GROUPS", "RESULTS", "VARIABLES", "Variable"]

# What the `fivetran.env` of an earlier job may have set: neither settings nor typos.
RESULTS = frozenset(
    {
        *("FIVETRAN_VERDICT", "FIVETRAN_EXIT_CODE", "FIVETRAN_CONNECTION"),
        *("FIVETRAN_SYNC_ID", "FIVETRAN_SYNC_STATE", "FIVETRAN_STILL_RUNNING"),
        *("FIVETRAN_SUCCEEDED_AT", "FIVETRAN_FAILED_AT", "FIVETRAN_RESCHEDULED_FOR"),
        *("FIVETRAN_CONNECTIONS", "FIVETRAN_CONNECTIONS_OK", "FIVETRAN_CONNECTIONS_FAILED"),
        *("FIVETRAN_CONNECTIONS_NOT_STARTED", "FIVETRAN_CONNECTIONS_RUNNING"),
        *("FIVETRAN_STARTED_AT", "FIVETRAN_ENDED_AT", "FIVETRAN_SECONDS"),
    }
)


class Variable(NamedTuple):
    """One variable.

    Attributes:
        name: Its name.
        meaning: One line for `--help`.
        default: What holds when it is not set; "" for none.
        alias: A second name.
        any_value: Any value counts as yes, "false" too.
        special: The one value of such a variable that says more than yes.
        secret: Its value is never shown.
        takes: What its value is, in capitals.
        values: The only values that it may have, where no chart says which these are.
        example: A value to show, where the default is none.
    """

    name: str
    meaning: str
    default: str = ""
    alias: str = ""
    any_value: bool = False
    special: str = ""
    secret: bool = False
    takes: str = "VALUE"
    values: tuple[str, ...] = ()
    example: str = ""

    @property
    def flag(self) -> str:
        """The flag of `run` that stands for it."""
        return "--" + self.name.removeprefix("FIVETRAN_").lower().replace("_", "-")


VARIABLES: dict[str, Variable] = {
    variable.name: variable
    for variable in (
        Variable("FIVETRAN_ACTION", "the action (required)", values=ACTIONS),
        Variable(
            "CONNECTOR_ID",
            "Fivetran's id of the connection, or several ids with commas or blanks between them",
            alias="FIVETRAN_CONNECTOR_ID",
            takes="ID",
        ),
        Variable(
            "FIVETRAN_CONNECTION_NAME",
            "in place of CONNECTOR_ID: the connection's name in Fivetran (its schema in the destination)",
            takes="NAME",
        ),
        Variable(
            "FIVETRAN_GROUP_ID", "in place of CONNECTOR_ID: all connections of this group (destination)", takes="ID"
        ),
        Variable(
            "FIVETRAN_INCLUDE",
            "of the group, only connections whose id, name or service matches one of these, such as postgres,sales*",
            takes="PATTERNS",
        ),
        Variable("FIVETRAN_EXCLUDE", "of the group, all but these", takes="PATTERNS"),
        Variable("FIVETRAN_API_KEY", "Fivetran API key", secret=True),
        Variable("FIVETRAN_API_SECRET", "Fivetran API secret", secret=True),
        Variable("SET_FIVETRAN_KEYS_TO_ENV", "take key and secret from the DataOps vault", any_value=True),
        Variable("SCHEMA", "FORCE_RESYNC: the schema's name at the source", alias="FIVETRAN_SCHEMA"),
        Variable("TABLE", "FORCE_RESYNC: the table's name at the source", alias="FIVETRAN_TABLE"),
        Variable(
            "TABLES",
            "FORCE_RESYNC of several tables: one SCHEMA.TABLE per line, or JSON {SCHEMA: [TABLE, ...]}",
            alias="FIVETRAN_TABLES",
        ),
        Variable("FIVETRAN_DONT_DISABLE_SYNC", "leave the connection's schedule alone", any_value=True),
        Variable("FIVETRAN_TIMEOUT", "how long the whole run may take", "300", takes="DURATION"),
        Variable(
            "FIVETRAN_MAX_AGE",
            "STATUS fails if the last success is older than this, or there was none",
            takes="DURATION",
            example="86400",
        ),
        Variable(
            "FIVETRAN_POLL_INTERVAL",
            "time between two polls of the sync",
            f"{SHORTEST_POLL:g} to {LONGEST_POLL:g} s, by expected end",
            takes="DURATION",
            example="10",
        ),
        Variable("FIVETRAN_HTTP_TIMEOUT", "how long one request may take", "30", takes="DURATION"),
        Variable(
            "FIVETRAN_RETRY_LIMIT",
            "transient failures in a row before giving up (unlimited after the trigger)",
            "8",
            takes="N",
        ),
        Variable("FIVETRAN_ON_RUNNING", "what to do if a sync is already running", "wait"),
        Variable("FIVETRAN_ON_RESCHEDULE", "what to do if Fivetran reschedules the sync", "wait"),
        Variable("FIVETRAN_ON_BROKEN", "what to do if the connection is broken (a sync often clears that)", "fail"),
        Variable("FIVETRAN_MAX_PARALLEL", "several connections: how many sync at once", "50", takes="N"),
        Variable(
            "FIVETRAN_FAIL",
            "several connections: any: all run to their end, and one failure fails the job; fast: start no more after "
            "the first failure; never: the job succeeds whatever fails",
            "any",
            values=("any", "fast", "never"),
        ),
        Variable(
            "FIVETRAN_BUDGET",
            "several connections: requests an hour, at most (default: half of what the account has left)",
            takes="N",
        ),
        Variable("FIVETRAN_UNPAUSE", "un-pause a paused connection", any_value=True),
        Variable(
            "FIVETRAN_RESTORE_SCHEDULE",
            "restore the schedule at the end (auto: set it to auto, whatever it was)",
            any_value=True,
            special="auto",
        ),
        Variable(
            "FIVETRAN_EVIDENCE",
            "optional requests (history, errors): 1 always, red only if not green, 0 never",
            "1",
            values=("1", "red", "0"),
        ),
        Variable("FIVETRAN_JOURNAL", "write a journal of the run", "1", values=("1", "0")),
        Variable("FIVETRAN_CHART", "a TOML file with your own chart for FIVETRAN_ACTION", takes="FILE"),
        Variable("FIVETRAN_STATE_FILE", "file in which the run is saved, and from which it is resumed", takes="FILE"),
        Variable("FIVETRAN_API_URL", "base URL of the API", FIVETRAN, takes="URL"),
        Variable(
            "FIVETRAN_VAULT_FILE",
            "file with the DataOps vault",
            "${DATAOPS_SECRETS_DIR:-/secrets}/vault.yml",
            takes="FILE",
        ),
        Variable(
            "FIVETRAN_REPORT_DIR",
            "directory for results (in CI: dataops/report/fivetran; empty: none)",
            takes="DIR",
        ),
        Variable("FIVETRAN_LOG_FORMAT", "format of the log", "console", values=("console", "json")),
        Variable("DATAOPS_DEBUG", "log debug details (secrets stay masked)", any_value=True),
        Variable("NO_COLOR", "do not use colours", any_value=True),
    )
}

# How `run --help` groups them; what is in none of the groups is advanced.
GROUPS: dict[str, tuple[str, ...]] = {
    "what to do": ("FIVETRAN_ACTION", "CONNECTOR_ID", "FIVETRAN_CONNECTION_NAME", "SCHEMA", "TABLE", "TABLES"),
    "several connections": (
        "FIVETRAN_GROUP_ID",
        "FIVETRAN_INCLUDE",
        "FIVETRAN_EXCLUDE",
        "FIVETRAN_MAX_PARALLEL",
        "FIVETRAN_FAIL",
        "FIVETRAN_BUDGET",
    ),
    "credentials": ("FIVETRAN_API_KEY", "FIVETRAN_API_SECRET", "SET_FIVETRAN_KEYS_TO_ENV", "FIVETRAN_VAULT_FILE"),
    "schedule and policies": (
        "FIVETRAN_DONT_DISABLE_SYNC",
        "FIVETRAN_RESTORE_SCHEDULE",
        "FIVETRAN_ON_RUNNING",
        "FIVETRAN_ON_RESCHEDULE",
        "FIVETRAN_ON_BROKEN",
        "FIVETRAN_UNPAUSE",
    ),
    "time": (
        "FIVETRAN_TIMEOUT",
        "FIVETRAN_POLL_INTERVAL",
        "FIVETRAN_HTTP_TIMEOUT",
        "FIVETRAN_RETRY_LIMIT",
        "FIVETRAN_MAX_AGE",
    ),
    "results and log": (
        "FIVETRAN_REPORT_DIR",
        "FIVETRAN_JOURNAL",
        "FIVETRAN_LOG_FORMAT",
        "DATAOPS_DEBUG",
        "NO_COLOR",
    ),
    "advanced": (),
}
