"""Facts: what a run has learned so far, one immutable value of JSON types.

Each step carries the facts after it, so a step can be written down, replayed and forked.
`None` means "not known": an effect copes with any fact missing.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

__all__ = ["Facts"]

MOST_WARNINGS = 200


@dataclass(frozen=True, slots=True)
class Facts:
    """What the run knows.

    Attributes:
        connection: The freshest connection document (`data`).
        connection_date: Fivetran's now when it was read, in seconds since the epoch.
        schedule_before: `schedule_type` as it was found.
        schedule_after: `schedule_type` in the last document read after our PATCH.
        baseline: `succeeded_at`, `failed_at`, `rescheduled_for` of the last document before
            the trigger, and `date`, before which nothing is ours: Fivetran's now when it was
            read. None: no baseline taken; a date in it may be None.
        triggered_at: Fivetran's now when it accepted our trigger.
        started: After a lost answer, a sign of a sync was found; it was taken for ours.
        restarted: The trigger stopped a running sync.
        syncing_seen: `syncing` was seen since the last trigger or reschedule.
        quiet_since: Fivetran's now at the first poll that found the sync gone without a trace.
        not_started_for: Seconds since the trigger in which nothing of it was seen, or None.
        waited_for: The `rescheduled_for` that the run has waited for.
        reschedules: How often Fivetran put the sync off.
        looks: Looks at the connection since an answer was lost.
        looking_since: Fivetran's now at the first of them.
        setup_tests: Results of the setup tests.
        near_matches: Names at the source close to the ones given.
        sync: The sync of this run as Fivetran's history has it, or None where that is not known.
        errors: Fivetran's active errors of the connection, or None where they are not known.
        attempted: Names of the effects whose request was sent at least once.
        answered: Names of the effects whose request had an answer.
        unanswered: A changing request whose outcome is unknown ("POST /v1/…"), or None.
        failure: The last failure (`Failure.as_fact`), until a request is answered again.
        verdict: How it ended: the last event before the conclusion.
        warnings: What the user should know, each once.
    """

    connection: Mapping[str, Any] | None = None
    connection_date: float | None = None
    schedule_before: str | None = None
    schedule_after: str | None = None
    baseline: Mapping[str, Any] | None = None
    triggered_at: float | None = None
    started: bool = False
    restarted: bool = False
    syncing_seen: bool = False
    quiet_since: float | None = None
    not_started_for: float | None = None
    waited_for: str | None = None
    reschedules: int = 0
    looks: int = 0
    looking_since: float | None = None
    setup_tests: tuple[Mapping[str, Any], ...] | None = None
    near_matches: tuple[str, ...] | None = None
    sync: Mapping[str, Any] | None = None
    errors: tuple[Mapping[str, Any], ...] | None = None
    attempted: tuple[str, ...] = ()
    answered: tuple[str, ...] = ()
    unanswered: str | None = None
    failure: Mapping[str, Any] | None = None
    verdict: str | None = None
    warnings: tuple[str, ...] = ()

    def but(self, **changes: Any) -> Self:  # noqa: ANN401  # any fact
        """These facts with changes; the very same where nothing changes: most polls bring no news."""
        for name, value in changes.items():
            if getattr(self, name) != value:
                return replace(self, **changes)
        return self

    def warned(self, *warnings: str) -> tuple[str, ...]:
        """The warnings with these added, each kept once; Fivetran may find ever new words to warn of."""
        return (*self.warnings, *(new for new in warnings if new not in self.warnings))[:MOST_WARNINGS]

    def as_json(self) -> dict[str, Any]:
        """The facts as JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The facts that `as_json` wrote; a fact of another version is left out.

        Raises:
            TypeError: `document` is not an object.
        """
        return cls().updated(document)

    def updated(self, document: Mapping[str, Any]) -> Self:
        """These facts with those that a document has, as `as_json` writes them.

        Raises:
            TypeError: `document` is not an object.
        """
        known = {field.name for field in fields(self)}
        members: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in dict(document).items()
            if name in known
        }
        return replace(self, **members)

    def changed_from(self, before: Self) -> dict[str, Any]:
        """The facts that are others than before, by name."""
        now = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in now if value != getattr(before, name)}
