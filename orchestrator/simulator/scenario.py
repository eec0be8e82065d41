"""Scenarios: what happens to a simulated connection, as TOML."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, time
from importlib.resources import files
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, cast, get_args, get_origin

from orchestrator.job.files import read_text
from orchestrator.values.formatting import clipped
from orchestrator.values.parsing import parse_toml
from orchestrator.values.suggestions import did_you_mean

__all__ = [
    "FLEET",
    "Fault",
    "Mix",
    "Other",
    "Scenario",
    "ScenarioError",
    "SyncPlan",
    "load_scenario",
    "names",
    "parse_scenario",
]

FLEET = "fleet"  # the scenario of many connections that comes with the package
_FOLDER = files("orchestrator.simulator") / "scenarios"
_OPERATIONS = ("any", "get", "patch", "sync", "resync", "test", "schemas", "history", "errors", "warnings", "listing")
# The values of those members that have but a few.
_ALLOWED = {
    "ends": ("succeeds", "fails", "vanishes", "reschedules", "pauses", "breaks"),
    "after": ("", *_OPERATIONS),
    "on": _OPERATIONS,
    "when": ("always", "syncing", "idle"),
    "does": ("answer", "slow", "undated", "reset", "hang", "trickle", "truncate", "short"),
}
# Members that are about all connections at once, and about the job.
_COMMON = ("variables", "neighbours", "rate_limit", "dated", "skew", "ahead", "latency")
_FROM_0 = {"spread": 10.0, "rate_limit": 1e9}  # and how large they may be
MOST = 1e9  # of any number, and of seconds: some thirty years
LONGEST = 200  # characters of a value in a message


class ScenarioError(ValueError):
    """A scenario that does not exist or is malformed; the message says what to fix."""


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """What becomes of one sync."""

    queued: float = 0.0  # seconds between the trigger and the start
    lasts: float = 60.0  # seconds between start and end
    ends: str = "succeeds"  # succeeds, fails, vanishes (cancelled), reschedules, pauses or breaks
    again_in: float = 120.0  # seconds from a reschedule to `rescheduled_for`
    fails_inside: float | None = None  # seconds after the start at which `failed_at` moves, though the sync goes on
    shows_after: float = 0.0  # seconds by which its date shows later than its state
    # Seconds from a failure to Fivetran's own retry, which is the next of the scenario's syncs; None for no retry
    retries_in: float | None = None
    history_status: str = ""  # what the history calls its end, where that is not the documented word
    # Text of the task that Fivetran shows for a failure
    reason: str = "The source database refused the connection: too many clients"


@dataclass(frozen=True, slots=True)
class Other(SyncPlan):
    """A sync that this job did not ask for: from the dashboard, or another tool.

    A plain one starts only if none is queued or running; a forced one stops that first.
    """

    at: float = 0.0  # seconds from the first request about the connection, or from the one that `after` names
    after: str = ""  # right after which request of the job: any, get, patch, sync, ...; "" for none
    nth: int = 1  # after which of them
    force: bool = False  # it stops the sync that is running


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault, a real one: an answer of that status, or something done to the socket."""

    on: str = (
        "any"  # which requests: any, get, patch, sync, resync, test, schemas, history, errors, warnings or listing
    )
    skip: int = 0  # how many of them pass before
    times: int = 1  # how many of them it meets; 0 for all that follow
    when: str = "always"  # only while a sync is running (syncing), only while none is (idle), or always
    # Answer (that status), slow (the true answer, but late), undated (the true answer without a `Date`), reset, hang,
    # trickle, truncate (the connection ends inside the body) or short (the length says less than the body)
    does: str = "answer"
    acts: bool = False  # the request is carried out all the same; a slow or undated one always is
    acts_in: float = 0.0  # seconds until it is carried out, whether or not the client still waits
    answers_in: float = 0.0  # seconds from then to whatever the fault does
    status: int = 502  # HTTP status of an `answer`
    code: str = ""  # Fivetran's code in it; "" for an answer that is not Fivetran's
    # Its message, or the whole body of one that is not Fivetran's
    message: str = "<html><body><h1>502 Bad Gateway</h1></body></html>"
    headers: Mapping[str, str] = field(default_factory=dict)  # more headers

    @property
    def carries_out(self) -> bool:
        """Whether the request is carried out."""
        return self.acts or self.does in {"slow", "undated"}


@dataclass(frozen=True, slots=True)
class Mix:
    """Which of many connections behave otherwise, and how."""

    scenario: "Scenario"  # what happens to them
    place: int = 1  # the first of them, counted from 1
    every: int = 0  # how many places after it the next one is, and so on; 0 where it is the only one

    def takes(self, place: int) -> bool:
        """Whether the connection at that place is one of them."""
        further = place - self.place
        return further == 0 or (self.every > 0 and further > 0 and further % self.every == 0)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario."""

    name: str = "succeeds"
    title: str = ""  # one line for people
    verdict: str = "succeeded"  # the verdict that START ends in against it
    exit_code: int = 0  # the exit code that START ends with
    # Variables that the job has besides key, secret and connector
    variables: Mapping[str, str] = field(default_factory=dict)
    # Members of the connection document that differ from the usual; "null" is null
    connection: Mapping[str, Any] = field(default_factory=dict)
    exists: bool = True  # Fivetran knows the connection
    # Members of its document that the listing has otherwise; "null" is null
    listed: Mapping[str, Any] = field(default_factory=dict)
    # Further connections of the account: members of their documents, at least `id`
    neighbours: tuple[Mapping[str, Any], ...] = ()
    # Of many connections, those that behave otherwise; where several take a place, the first one counts
    mix: tuple[Mix, ...] = ()
    # How much the durations of syncs differ from connection to connection, around those that are given: the standard
    # deviation of their logarithm. 0 for not at all; with 0.4, two thirds are between 0.67 and 1.5 times as long
    spread: float = 0.0
    rate_limit: int = 20_000  # requests that the account may make within an hour; 0 for any number
    overdue: bool = False  # its own schedule starts a sync as soon as it may
    unpausing_starts: bool = False  # un-pausing starts a sync by itself, on a manual schedule, too
    clashes: bool = False  # a trigger on top of a sync that un-pausing started makes two that cancel each other
    sync_conflicts: bool = False  # a trigger is answered 409 while a sync is running, instead of changing nothing
    patch_cancels: bool = False  # a PATCH stops the sync that is running
    stop_takes: float = 0.0  # seconds that it takes to stop a sync; it may come to its own end before
    stop_shows: bool = True  # a stopped sync moves `failed_at`
    failure_breaks: bool = False  # a failed sync makes the connection broken; one that succeeds clears that in any case
    table_resync: bool = True  # the connector can re-sync single tables
    dated: bool = True  # answers carry a `Date`
    skew: float = 0.0  # seconds by which `Date` is ahead of the connection's own dates
    ahead: float = 0.0  # seconds by which all of Fivetran's clock is ahead of the job's
    latency: float = 0.0  # seconds that every answer takes
    running: SyncPlan | None = None  # another sync, already running at the start
    others: tuple[Other, ...] = ()  # other syncs, which start later
    # The syncs in the order in which they are started; the last one repeats
    syncs: tuple[SyncPlan, ...] = (SyncPlan(),)
    faults: tuple[Fault, ...] = ()  # faults, each with its own count
    # What the setup tests find
    setup_tests: tuple[Mapping[str, Any], ...] = (
        {"title": "Validate Login", "status": "PASSED", "message": "", "details": None},
        {"title": "Connecting to Database", "status": "PASSED", "message": "", "details": None},
        {"title": "Checking Replication Lag", "status": "SKIPPED", "message": "Not needed", "details": None},
    )
    test_seconds: float = 20.0  # how long they take
    history: bool = True  # the account has a sync history
    history_delay: float = 0.0  # seconds by which it lags
    errors: bool = True  # the account can list active errors
    warnings: bool = True  # the account can list warnings
    # Schema -> tables at the source
    schemas: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"public": ("orders", "customers")})

    def at(self, place: int) -> "Scenario":
        """What happens to the connection at that place of many, counted from 1."""
        return next((each.scenario for each in self.mix if each.takes(place)), self)

    def faster(self, speed: float) -> "Scenario":
        """The same, in less time."""
        return _faster(self, speed)


T = TypeVar("T")

# Members that are seconds of what happens.
_DURATIONS = {
    *("queued", "lasts", "again_in", "fails_inside", "shows_after", "retries_in", "at", "acts_in", "answers_in"),
    *("test_seconds", "stop_takes", "history_delay", "latency"),
}


def _faster(value: T, speed: float) -> T:
    made: Any = value
    if isinstance(made, tuple):
        made = tuple(_faster(one, speed) for one in made)
    elif isinstance(made, Scenario | Mix | SyncPlan | Fault):
        members = {member.name: getattr(made, member.name) for member in fields(made)}
        for name, member in members.items():
            is_time = name in _DURATIONS and member is not None
            members[name] = member / speed if is_time else _faster(member, speed)
        made = type(made)(**members)
    return cast("T", made)


# What a member of each type is called in TOML.
_WORDS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    float | None: "a number",
    str: "a string",
    Mapping[str, str]: "a table of strings",
    Mapping[str, Any]: "a table",
    Mapping[str, tuple[str, ...]]: "a table of lists of strings",
    tuple[Mapping[str, Any], ...]: "a list of tables",
}


def _fits(value: Any, form: Any) -> bool:  # noqa: ANN401  # any TOML, any annotation
    """Whether a value from TOML can be a member of that type."""
    inner = get_args(form)
    if get_origin(form) is UnionType:
        return any(_fits(value, one) for one in inner)
    if get_origin(form) is tuple:
        return isinstance(value, list) and all(_fits(one, inner[0]) for one in value)
    if get_origin(form) is Mapping:
        return isinstance(value, dict) and all(_fits(one, inner[1]) for one in value.values())
    if form is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return form is Any or type(value) is form


def _make(kind: type[T], name: str, key: str, table: Mapping[str, Any], made: Mapping[str, Any]) -> T:
    """Make what a table of a scenario is about; `made` are members that are made already."""
    where = f"scenario {name}: {key}".removesuffix(": ")
    if not isinstance(table, dict):
        raise ScenarioError(f"{where}: {_shown(table)} is not a table")
    known = {member.name: member.type for member in fields(kind)}  # type: ignore[arg-type]  # only dataclasses
    for member, value in table.items():
        if member not in known:
            meant = did_you_mean(member, known) or f"known: {', '.join(sorted(known))}"
            raise ScenarioError(f"{where}: unknown key {_shown(member)}; {meant}")
        if not _fits(value, known[member]):
            raise ScenarioError(f"{where}: {member}: {_shown(value)} is not {_WORDS[known[member]]}")
        least = 0.0 if member in _DURATIONS else -MOST
        if isinstance(value, int | float) and member not in _FROM_0 and not least <= value <= MOST:  # NaN is not
            raise ScenarioError(f"{where}: {member}: {_shown(value)} is not between {least:,.0f} and {MOST:,.0f}")
        allowed = _ALLOWED.get(member, (value,))
        if value not in allowed:
            raise ScenarioError(
                f"scenario {name}: {member}: {_shown(value)} is not one of {', '.join(filter(None, allowed))}"
            )
    return kind(**{**table, **made})


def parse_scenario(name: str, text: str) -> Scenario:
    """A scenario from its text.

    Raises:
        ScenarioError: It is malformed.
    """
    document = _document(name, text)
    tables = document.pop("mix", [])
    if not isinstance(tables, list):
        raise ScenarioError(f"scenario {name}: mix: write [[mix]] above each one")
    scenario = _scenario(name, document)
    return replace(scenario, mix=tuple(_mix(name, scenario, table) for table in tables))


def _document(name: str, text: str) -> dict[str, Any]:
    try:
        document: dict[str, Any] = _with_texts(parse_toml(text))
    except ValueError as error:
        raise ScenarioError(f"scenario {name}: {error}") from error
    return document


def _with_texts(value: Any) -> Any:  # noqa: ANN401  # any TOML
    """TOML with its dates as texts: JSON has no other, and Fivetran's are in the same form."""
    if isinstance(value, dict):
        return {name: _with_texts(content) for name, content in value.items()}
    if isinstance(value, list):
        return [_with_texts(content) for content in value]
    return value.isoformat() if isinstance(value, date | time) else value  # a datetime is a date


def _shown(value: object) -> str:
    """A value as a message shows it."""
    return clipped(repr(value), LONGEST)


def _scenario(name: str, document: dict[str, Any]) -> Scenario:
    """A scenario without a mix, from its tables."""
    where = f"scenario {name}"
    made: dict[str, Any] = {"name": name}
    if "mix" in document:
        raise ScenarioError(f"{where}: mix: there is none inside of another")
    for key, kind in {"syncs": SyncPlan, "others": Other, "faults": Fault}.items():
        if key in document:
            tables = document.pop(key)
            if not isinstance(tables, list):
                raise ScenarioError(f"{where}: {key}: write [[{key}]] above each one")
            made[key] = tuple(_make(kind, name, key, table, {}) for table in tables)
    if "running" in document:
        made["running"] = _make(SyncPlan, name, "running", document.pop("running"), {})
    scenario = _make(Scenario, name, "", document, made)
    if not scenario.syncs:
        raise ScenarioError(f"{where}: syncs: empty; leave it out for one sync that succeeds")
    if any(not isinstance(each.get("id"), str) for each in scenario.neighbours):
        raise ScenarioError(f"{where}: neighbours: give each an id, a string")
    if not isinstance(scenario.connection.get("status", {}), dict):
        raise ScenarioError(f"{where}: connection: status: {_shown(scenario.connection['status'])} is not a table")
    texts = (text for each in scenario.faults for header in each.headers.items() for text in header)
    if odd := [text for text in texts if not text.isascii() or not text.isprintable()]:
        raise ScenarioError(f"{where}: faults: headers: {_shown(odd[0])} cannot be sent in a header")
    for key, most in _FROM_0.items():
        value = getattr(scenario, key)
        if not 0 <= value <= most:
            bound = f"to {most:,.0f}" if value > most else "up"
            raise ScenarioError(f"{where}: {key}: {_shown(value)} is not a number from 0 {bound}")
    return scenario


def _mix(name: str, whole: Scenario, table: Any) -> Mix:  # noqa: ANN401  # any TOML
    """Some of many connections: but for its own keys, they are like another scenario, or like the one it is in."""
    where = f"{name}: mix"
    if not isinstance(table, dict):
        raise ScenarioError(f"scenario {where}: {_shown(table)} is not a table")
    given = dict(table)
    places = {key: given.pop(key) for key in ("place", "every") if key in given}
    like, base = given.pop("like", None), replace(whole, faults=())  # those are armed for all of them as it is
    common = next((key for key in _COMMON if key in given), None)
    if like is not None:
        if not isinstance(like, str):
            raise ScenarioError(f"scenario {where}: like: {_shown(like)} is not a string")
        try:
            base = _scenario(*_read(like))
        except ScenarioError as error:
            raise ScenarioError(f"scenario {where}: like: {error}") from error
        common = common or next((key for key in _COMMON if getattr(base, key) != getattr(_USUAL, key)), None)
        base = replace(base, connection=_merged(whole.connection, base.connection), spread=whole.spread)
    if common is not None:
        of = "" if common in given else f"like: {base.name}: "
        raise ScenarioError(
            f"scenario {where}: {of}{common} cannot differ between connections: put it above all [[mix]]"
        )
    own = _scenario(where, {**given})
    members = {key: getattr(own, key) for key in given}
    members["connection"] = _merged(base.connection, own.connection)
    mix = _make(Mix, where, "", places, {"scenario": replace(base, **members)})
    if mix.place < 1 or mix.every < 0:
        raise ScenarioError(f"scenario {where}: place is a number from 1 up, and every from 0 up")
    return mix


def _merged(connection: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Members of a connection document; where both have one, the other's."""
    return {**connection, **other, "status": {**connection.get("status", {}), **other.get("status", {})}}


_USUAL = Scenario()


def names() -> list[str]:
    """The names of the scenarios of one connection that come with the package."""
    every = (entry.name.removesuffix(".toml") for entry in _FOLDER.iterdir() if entry.name.endswith(".toml"))
    return sorted(name for name in every if name != FLEET)


def load_scenario(name: str) -> Scenario:
    """A scenario that comes with the package, or one from a file (a name that ends in .toml).

    Raises:
        ScenarioError: There is none of that name, or it is malformed.
    """
    return parse_scenario(*_text(name))


def _read(name: str) -> tuple[str, dict[str, Any]]:
    name, text = _text(name)
    return name, _document(name, text)


def _text(name: str) -> tuple[str, str]:
    """The name of a scenario as it has it itself, and its text."""
    if name.endswith(".toml"):
        try:
            return Path(name).stem, read_text(name)
        except OSError as error:
            raise ScenarioError(f"scenario {name}: cannot be read: {error.strerror}") from error
    name, known = name.replace("-", "_"), [*names(), FLEET]
    if name not in known:
        meant = did_you_mean(name, known) or f"there are: {', '.join(known)}"
        raise ScenarioError(f"no scenario is called {_shown(name)}; {meant}")
    return name, (_FOLDER / f"{name}.toml").read_text("utf-8")
