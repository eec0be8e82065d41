"""Facts: what a run knows so far, one immutable value of JSON types.

Each step carries the facts after it, so a step can be written down, replayed and forked.
`None` means "not known": an effect copes with any fact missing. A number is a date, a duration or
a count: finite, and 0 or more.
"""

from collections.abc import Mapping
from typing import Any, Generic, Literal, NamedTuple, Self, TypeVar

from orchestrator.values.events import Event

__all__ = ["Facts", "Outcome"]

# What is relied on inside facts that are objects: of a failure all of it, of a baseline what there is.
_INSIDE: Mapping[str, Mapping[str, Any]] = {
    "failure": {
        **dict.fromkeys(("event", "request", "purpose", "code", "message", "request_id"), str),
        "attempts": int,
        "status": int | None,
        "retry_after": float | None,
    },
    "baseline": {"date": float | None, "rescheduled_for": str | None},
    "doubt": {
        "since": float,
        "succeeded_at": Any,
        "asked": int,
        "over": bool,
        "verdict": Literal["succeeded", "sync_failed", "broken", "cancelled"],
    },
}
MOST_WARNINGS = 200


class Facts(NamedTuple):
    """What the run knows.

    Attributes:
        connection: The freshest connection document (`data`).
        connection_date: Fivetran's now when it was read, in seconds since the epoch.
        dated: Whether Fivetran sent that time; else it is this machine's, and bounds nothing.
        read_at: When it was read, in seconds since the run began.
        schedule_before: `schedule_type` as it was found.
        schedule_object: The newer `schedule` object as it was found, where `schedule_type` alone cannot bring it back.
        schedule_after: `schedule_type` in the last document read after this run's PATCH.
        unpaused_looks: Looks at the connection since this run un-paused it; None where it did not, or a baseline
            found it idle since.
        ever_syncing: A look of this run saw `syncing`.
        baseline: `succeeded_at`, `failed_at`, `rescheduled_for` of the last document before the trigger, whether it
            was `busy` and `broken`, and `date`: Fivetran's now when it was read, before which no sync is this run's.
            None: no baseline taken; a date in it may be None.
        triggered: Fivetran accepted this run's trigger, after the baseline.
        triggered_at: Fivetran's now when that was asked for, in seconds since the epoch; None without a `Date`.
        asked_at: When this run's trigger was sent, in seconds since the run began: the accepted one, or the first
            whose answer was lost.
        durations: Seconds that recent successful syncs took, newest first; () where none is known, None if not asked.
        idle_until: When a poll last saw nothing of this run's sync yet, in seconds since the run began; None where
            none did, or polls have a fixed interval.
        lost: Triggers in a row whose answer was lost.
        started: After a lost answer, a sign of a sync was found; it counts as this run's.
        restarted: The trigger stopped a running sync.
        syncing_seen: `syncing` was seen since the last trigger or reschedule.
        doubt: The sync seems to be over, and not well: `since` when (seconds since the run began), `verdict` what it
            would be, `succeeded_at` then, whether the quiet is `over`, and how often the history was `asked`.
        not_started_for: Seconds since the trigger in which nothing of it was seen, or None.
        waited_for: The `rescheduled_for` that the run has waited for.
        reschedules: How often Fivetran rescheduled the sync.
        looks: Looks at the connection since an answer was lost.
        looking_since: When the first of them was, in seconds since the run began.
        setup_tests: Results of the setup tests.
        near_matches: Names at the source close to the ones given.
        near_connections: Connections whose id or name is close to an id that Fivetran does not know (`id`, `name`,
            `service`), first those that have it for a name.
        sync: The sync of this run as Fivetran's history has it, or None where that is not known.
        errors: Fivetran's active errors of the connection, or None where they are not known.
        table_warnings: Fivetran's warnings by destination table, or None where they are not known.
        attempted: Names of the effects whose request was sent at least once.
        answered: Names of the effects whose request had an answer.
        given_up: Names of the effects that failed and are not tried again.
        unanswered: A changing request whose outcome is unknown ("POST /v1/…"), or None.
        failure: The last failure (`Failure.as_fact`), until a request is answered again.
        verdict: How it ended: the last event before the conclusion.
        concluded_at: When that was, in seconds since the run began.
        warnings: What the user should know, each once.
    """

    connection: Mapping[str, Any] | None = None
    connection_date: float | None = None
    dated: bool = True
    read_at: float | None = None
    schedule_before: str | None = None
    schedule_object: Mapping[str, Any] | None = None
    schedule_after: str | None = None
    unpaused_looks: int | None = None
    ever_syncing: bool = False
    baseline: Mapping[str, Any] | None = None
    triggered: bool = False
    triggered_at: float | None = None
    asked_at: float | None = None
    durations: tuple[float, ...] | None = None
    idle_until: float | None = None
    lost: int = 0
    started: bool = False
    restarted: bool = False
    syncing_seen: bool = False
    doubt: Mapping[str, Any] | None = None
    not_started_for: float | None = None
    waited_for: str | None = None
    reschedules: int = 0
    looks: int = 0
    looking_since: float | None = None
    setup_tests: tuple[Mapping[str, Any], ...] | None = None
    near_matches: tuple[str, ...] | None = None
    near_connections: tuple[Mapping[str, Any], ...] | None = None
    sync: Mapping[str, Any] | None = None
    errors: tuple[Mapping[str, Any], ...] | None = None
    table_warnings: tuple[Mapping[str, Any], ...] | None = None
    attempted: tuple[str, ...] = ()
    answered: tuple[str, ...] = ()
    given_up: tuple[str, ...] = ()
    unanswered: str | None = None
    failure: Mapping[str, Any] | None = None
    verdict: str | None = None
    concluded_at: float | None = None
    warnings: tuple[str, ...] = ()

    def but(self, **changes: Any) -> Self:  # noqa: ANN401  # any fact
        """These facts with changes; the same object where nothing changes, as after most polls."""
        if any(getattr(self, name) != value for name, value in changes.items()):
            return self._replace(**changes)
        return self

    def without(self, *names: str) -> Self:
        """These facts with some of them reset to their initial values."""
        fresh = type(self)()
        return self.but(**{name: getattr(fresh, name) for name in names})

    def warned(self, *warnings: str) -> tuple[str, ...]:
        """The warnings with these added, each once, up to a limit: some contain words from outside."""
        return (*self.warnings, *(new for new in warnings if new not in self.warnings))[:MOST_WARNINGS]

    def as_json(self) -> dict[str, Any]:
        """The facts as JSON types, not copied."""
        return self._asdict()

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The facts that `as_json` wrote; a fact of another version is left out.

        Raises:
            ValueError: `document` is not an object, or one of its facts is not of its type.
        """
        return cls().updated(document)

    def updated(self, document: Mapping[str, Any]) -> Self:
        """These facts with those that a document has, as `as_json` writes them.

        Raises:
            ValueError: `document` is not an object, or one of its facts is not of its type.
        """
        from orchestrator.values import type_checks  # noqa: PLC0415  # only a resumed or replayed run needs it

        type_checks.check("facts", document, Mapping[str, Any])
        members: dict[str, Any] = {}
        for name, kind in type_checks.types_of(type(self)).items():
            if name in document:
                value = document[name]
                members[name] = tuple(value) if isinstance(value, list) else value
                type_checks.check(f"facts.{name}", members[name], kind)
                if members[name] is not None and name in _INSIDE:
                    type_checks.check_members(f"facts.{name}", value, _INSIDE[name])
        return self._replace(**members)

    def changed_from(self, before: Self) -> dict[str, Any]:
        """The facts that differ from before, by name."""
        together = zip(self._fields, self, before, strict=True)
        return {name: value for name, value, former in together if value != former}


E_co = TypeVar("E_co", bound=Event, covariant=True)


class Outcome(NamedTuple, Generic[E_co]):
    """What an effect came to.

    Attributes:
        event: Which edge is to be taken.
        facts: What is known after it.
        rule: The rule that decided, in words, without a full stop; "" where the event says it all.
    """

    event: E_co
    facts: Facts
    rule: str = ""
