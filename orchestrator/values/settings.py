"""Settings: how a job was configured, checked and complete. One immutable value."""

from dataclasses import dataclass, field

__all__ = [
    "CONNECTOR_ID",
    "FIVETRAN",
    "LONGEST_POLL",
    "LOOPBACK",
    "SHORTEST_POLL",
    "USUAL_POLL",
    "Settings",
    "page_of",
]

CONNECTOR_ID = r"[A-Za-z0-9_-]+"  # what an id may consist of
FIVETRAN = "https://api.fivetran.com"  # base of its API
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})  # hosts for which plain http will do
SHORTEST_POLL, USUAL_POLL, LONGEST_POLL = 2.0, 10.0, 60.0  # seconds between two polls, where no interval is given


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one job; each is a variable of the README's table.

    Attributes:
        action: What to do: which chart runs.
        connector_id: Fivetran's id of the connection.
        api_key: Never shown.
        api_secret: Never shown.
        schema: Schema at the source, where the action needs it and there is one table.
        table: Table at the source, likewise.
        tables: Where there are several: each schema at the source with its tables.
        keep_schedule: Leave the schedule alone.
        max_age: Seconds since the last success after which the data is stale; None where that does not matter. Who
            asks for it leaves the schedule alone, too: on a manual one no data stays fresh.
        timeout: Seconds for the whole run.
        poll_interval: Seconds between two polls.
        adaptive: Poll this run's own sync by its expected end instead, once it was triggered.
        http_timeout: Seconds for one whole request.
        retry_limit: Transient failures in a row where a state says no `tries`.
        policies: Value of each policy that the action's chart has a choice for.
        unpause: Un-pause a paused connection.
        restore_schedule: What the schedule is to be at the end: "before" (as it was found), "auto", or "" (as it is).
        evidence: When optional requests are made: "1" (always), "red" (not for a green verdict) or "0" (never).
        journal: Write a journal into `report_dir`.
        state_file: Where the run is written down, or "".
        api_url: Base of the API.
        report_dir: Where results are written, or "".
        pipeline: What the pipeline is known by (CI_PIPELINE_ID, GITHUB_RUN_ID), or "".
    """

    action: str
    connector_id: str
    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    schema: str = ""
    table: str = ""
    tables: tuple[tuple[str, tuple[str, ...]], ...] = ()
    keep_schedule: bool = False
    timeout: float = 300.0
    poll_interval: float = USUAL_POLL
    http_timeout: float = 30.0
    retry_limit: int = 8
    policies: tuple[tuple[str, str], ...] = ()
    unpause: bool = False
    restore_schedule: str = ""
    evidence: str = "1"
    journal: bool = True
    state_file: str = ""
    api_url: str = FIVETRAN
    report_dir: str = ""
    pipeline: str = ""
    max_age: float | None = None
    adaptive: bool = False

    def __post_init__(self) -> None:
        if self.max_age is not None:
            object.__setattr__(self, "keep_schedule", True)

    def policy(self, name: str) -> str:
        """The value of a policy.

        Raises:
            KeyError: The action's chart has no choice of that name.
        """
        return dict(self.policies)[name]

    @property
    def longest_poll(self) -> float:
        """The most seconds between two polls."""
        return LONGEST_POLL if self.adaptive else self.poll_interval

    @property
    def scope(self) -> dict[str, list[str]]:
        """The tables that the job is about, by schema, one or several; {} where it is about none."""
        return {schema: [*tables] for schema, tables in self.tables} or (
            {self.schema: [self.table]} if self.table else {}
        )

    @property
    def page(self) -> str:
        """The connection's page on Fivetran's dashboard."""
        return page_of(self.connector_id)


def page_of(connector_id: str) -> str:
    """A connection's page on Fivetran's dashboard."""
    return f"https://fivetran.com/dashboard/connections/{connector_id}"
