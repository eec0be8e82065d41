"""Which connections a job is about: ids as given, those of a group, or one by its name."""

import fnmatch
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, get_args

from orchestrator.fivetran import documents
from orchestrator.fivetran.effects.situation import items, named
from orchestrator.fivetran.near_matches import near_connections
from orchestrator.fleet.result import Fail
from orchestrator.job.configuration import Configured, configure, refuse_connector
from orchestrator.job.inputs import Inputs
from orchestrator.job.limits import Limits
from orchestrator.job.listing import Ask, asking_until, exit_code, pages
from orchestrator.job.pasted_id import id_in, without_secrets
from orchestrator.machine.run import Send
from orchestrator.machine.transition import back_off
from orchestrator.values.clock import SystemClock
from orchestrator.values.events import Event
from orchestrator.values.exchange import Answer, Failure, Request
from orchestrator.values.exit_codes import MISCONFIGURED
from orchestrator.values.settings import CONNECTOR_ID, Settings

__all__ = ["Nothing", "Options", "Selection", "chosen", "configure_many", "naming", "patient", "read_selection"]

SHOWN = 10  # connections that a message names
_RETRIED = {Event.RATE_LIMITED, Event.UNAVAILABLE}


class Selection(NamedTuple):
    """What the variables name.

    Attributes:
        ids: The ids that are given; () where the connections have to be found.
        group: A group's id, or "".
        include: Patterns of which a connection of the group must match one; () for any.
        exclude: Patterns of which it must match none.
        name: The name of the one connection that is meant, or "".
    """

    ids: tuple[str, ...] = ()
    group: str = ""
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    name: str = ""

    def is_one(self, ids: Sequence[str]) -> bool:
        """Whether the connections that were found are one by itself, and not a group that happens to have one."""
        return len(ids) == 1 and (bool(self.name) or not self.group)


class Options(NamedTuple):
    """How several connections are run.

    Attributes:
        parallel: How many sync at once.
        fail: What a failure means for the others.
        budget: Requests an hour; None where the account says it.
    """

    parallel: int
    fail: Fail
    budget: int | None


class Nothing(Exception):  # noqa: N818  # how a job ends, not a fault
    """No connection can be chosen.

    Attributes:
        verdict: Why, in a word: the verdict that a job would have had.
        code: The exit code.
        headline: Why, in one line.
        reasons: More of it.
        advice: What to do.
    """

    def __init__(self, verdict: str, code: int, headline: str, reasons: Sequence[str], advice: Sequence[str]) -> None:
        super().__init__(headline)
        self.verdict = verdict
        self.code = code
        self.headline = headline
        self.reasons = tuple(reasons)
        self.advice = tuple(advice)


def configure_many(environ: Mapping[str, str], now: Callable[[], float]) -> tuple[Configured, Selection, Options]:
    """Read and check the variables; the settings are about no connection yet.

    Args:
        environ: Variables by name.
        now: Seconds since the epoch.

    Raises:
        ConfigurationError: Something is missing or malformed.
    """
    found = list[tuple[Selection, Options]]()

    def read(inputs: Inputs) -> str:
        found.append((read_selection(inputs), _options(inputs)))
        return ""

    configured = configure(environ, now, read)
    return configured, *found[0]


def naming(environ: Mapping[str, str], connector_id: str) -> dict[str, str]:
    """The variables of a job that is about the one connection that was found."""
    others = {"FIVETRAN_CONNECTOR_ID", "FIVETRAN_CONNECTION_NAME", "FIVETRAN_GROUP_ID"}
    kept = {name: value for name, value in environ.items() if name not in others}
    return {**kept, "CONNECTOR_ID": connector_id}


def _options(inputs: Inputs) -> Options:
    budget = inputs.count("FIVETRAN_BUDGET", 5000) if inputs.value("FIVETRAN_BUDGET") else None
    fail = inputs.one_of("FIVETRAN_FAIL")
    # What is none of them is reported, and the job does not begin.
    known: Fail = next((one for one in get_args(Fail) if one == fail), "any")
    return Options(inputs.count("FIVETRAN_MAX_PARALLEL"), known, budget)


def read_selection(inputs: Inputs) -> Selection:
    """Read and check what names the connections."""
    text, group, name = (inputs.value(one) for one in ("CONNECTOR_ID", "FIVETRAN_GROUP_ID", "FIVETRAN_CONNECTION_NAME"))
    include, exclude = (_listed(inputs.value(one)) for one in ("FIVETRAN_INCLUDE", "FIVETRAN_EXCLUDE"))
    if text and (group or name):
        other = "FIVETRAN_GROUP_ID" if group else "FIVETRAN_CONNECTION_NAME"
        inputs.error(other, "set together with CONNECTOR_ID", "set one of the two")
    elif not (text or group or name):
        fix = "set it to an id or several, or FIVETRAN_GROUP_ID to a group's id, or FIVETRAN_CONNECTION_NAME to a name"
        inputs.error("CONNECTOR_ID", "not set", fix)
    if group and not re.fullmatch(CONNECTOR_ID, group):
        fix = "set it to the id that `fivetran-orchestrator list --json` shows as group_id"
        inputs.error("FIVETRAN_GROUP_ID", f"{inputs.quoted('FIVETRAN_GROUP_ID', group)} is not a group's id", fix)
    if not name.isprintable():
        said = f"{inputs.quoted('FIVETRAN_CONNECTION_NAME', name)} contains control characters"
        inputs.error("FIVETRAN_CONNECTION_NAME", said, "use the plain name")
    for variable, patterns in (("FIVETRAN_INCLUDE", include), ("FIVETRAN_EXCLUDE", exclude)):
        if patterns and (name or not group):
            inputs.error(variable, "it chooses among the connections of a group", "set FIVETRAN_GROUP_ID, or remove it")
    return Selection(_ids(inputs, text), group, include, exclude, name)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part for part in re.split(r"[\s,]+", text) if part))


def _ids(inputs: Inputs, text: str) -> tuple[str, ...]:
    name, given = "CONNECTOR_ID", [part for part in re.split(r"[\s,]+", text) if part]
    wrong = [part for part in given if not re.fullmatch(CONNECTOR_ID, part)]
    if id_in(text) and wrong and not any(map(id_in, wrong)):  # one id with a word before it
        refuse_connector(inputs, name, text)
        return ()
    for part in dict.fromkeys(wrong[:SHOWN]):
        found = id_in(part)
        if found and not inputs.is_reference(name) and len(given) > 1:
            shown = inputs.quoted(name, without_secrets(part))
            inputs.error(name, f"{shown} is not an id", f"write {found} in its place")
        else:
            refuse_connector(inputs, name, part)
    if text and not given:
        inputs.error(name, "has no id in it", "set it to an id or several, with commas or blanks between them")
    if repeated := sorted(part for part, times in Counter(given).items() if times > 1):
        inputs.warnings.append(f"CONNECTOR_ID names {', '.join(repeated[:SHOWN])} more than once: it is run once")
    return tuple(dict.fromkeys(given))


def chosen(selection: Selection, ask: Ask, tell: Callable[[str], object]) -> list[str]:
    """The ids of the connections that are meant.

    Args:
        selection: What the variables name.
        ask: Sends a request; it raises a Failure.
        tell: Told what was found.

    Raises:
        Nothing: There is none, or it is not certain which.
    """
    if selection.ids:
        return list(selection.ids)
    try:
        return [_by_name(selection, ask, tell)] if selection.name else _of_group(selection, ask, tell)
    except Failure as failure:
        about = f"the connections of group {selection.group}" if selection.group else "the connections"
        unknown = failure.event is Event.NOT_FOUND
        what = f"Fivetran knows no group {selection.group}" if unknown else f"{about} could not be listed"
        verdict = Event.GAVE_UP if failure.event in _RETRIED else failure.event
        raise Nothing(verdict, exit_code(failure), what, [str(failure)], [_ADVICE[failure.event]]) from failure


_GROUP = (
    "FIVETRAN_GROUP_ID is the id of a group (a destination), not its name: `fivetran-orchestrator list --json` shows it"
)
_ADVICE = {
    Event.NOT_FOUND: _GROUP,
    Event.REFUSED: "check FIVETRAN_API_KEY and FIVETRAN_API_SECRET, and that the key may list connections; or name the "
    "ids in CONNECTOR_ID",
    Event.REJECTED: "check FIVETRAN_API_URL; the same request will be rejected again",
    Event.RATE_LIMITED: "start the job again later: the limit is the account's, for all of its API keys together",
    Event.UNAVAILABLE: "start the job again; https://status.fivetran.com says whether Fivetran has an outage",
    Event.TIMED_OUT: "raise FIVETRAN_TIMEOUT",
    Event.INTERRUPTED: "start the job again",
    Event.TERMINATED: "start the job again",
}


def _of_group(selection: Selection, ask: Ask, tell: Callable[[str], object]) -> list[str]:
    group = selection.group
    listed = (documents.trimmed(each) for answer in pages(ask, group) for each in items(answer))
    found = [each for each in listed if isinstance(each.get("id"), str)]
    kept = [each for each in found if _matches(each, selection)]
    filtered = bool(selection.include or selection.exclude)
    tell(f"group {group} has {len(found)} connections" + (f", {len(kept)} of them chosen" if filtered else ""))
    if not kept:
        what = f"no connection of group {group} is chosen" if found else f"group {group} has no connection"
        reasons = [f"there are {_named(found)}"] if found else ["or none that this API key can see"]
        advice = "check FIVETRAN_INCLUDE and FIVETRAN_EXCLUDE" if found else _GROUP
        raise Nothing(Event.NOT_FOUND, 4, what, reasons, [advice])
    return [str(each["id"]) for each in kept]


def _matches(document: Mapping[str, Any], selection: Selection) -> bool:
    """Whether the patterns choose it: as a whole, in any case, by id, name or service."""
    texts = [str(document.get(name) or "").casefold() for name in ("id", "schema", "service")]

    def one_of(patterns: Iterable[str]) -> bool:
        return any(fnmatch.fnmatchcase(text, pattern.casefold()) for pattern in patterns for text in texts)

    return (not selection.include or one_of(selection.include)) and not one_of(selection.exclude)


def _by_name(selection: Selection, ask: Ask, tell: Callable[[str], object]) -> str:
    name, group = selection.name, selection.group
    found = [each for each in items(ask(named(name, group))) if isinstance(each.get("id"), str)]
    where = f" in group {group}" if group else ""
    if len(found) == 1:
        tell(f"the connection named {name} is {found[0]['id']}")
        return str(found[0]["id"])
    if found:
        several = f"{len(found)} connections{where} are named {name}"
        fix = "set CONNECTOR_ID to the id of one, or FIVETRAN_GROUP_ID to its group's"
        raise Nothing("misconfigured", MISCONFIGURED, several, [f"they are {_named(found)}"], [fix])
    everyone = [documents.trimmed(each) for answer in pages(ask, group) for each in items(answer)]
    near = near_connections(everyone, name)
    like = [f"{each['name']} ({each['id']}, {each['service']})" for each in near]
    reasons = [f"like it are {', '.join(like)}"] if like else []
    fix = "names are matched exactly, by case too; `fivetran-orchestrator list` shows them"
    raise Nothing(Event.NOT_FOUND, 4, f"no connection{where} is named {name}", reasons, [fix])


def _named(found: Sequence[Mapping[str, Any]]) -> str:
    shown = [f"{each['id']} ({each.get('schema')}, {each.get('service')})" for each in found[:SHOWN]]
    more = [f"{len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return ", ".join((*shown, *more))


def asking_patiently(
    send: Send,
    settings: Settings,
    limits: Limits,
    clock: SystemClock,
    jitter: Callable[[], float],
    warn: Callable[[str], object],
) -> Ask:
    """What asks which connections are meant, within the job's time.

    Args:
        send: Sends a request.
        settings: The job's time limits.
        limits: Time limits and signals.
        clock: The time.
        jitter: A number in [0, 1).
        warn: Told of each failure that is got past.
    """
    until = clock.monotonic() + settings.timeout

    def pause(seconds: float) -> None:
        limits.pause(clock.monotonic() + seconds)
        if noted := limits.noted:
            raise Failure(noted, "stopped by a signal")

    once = asking_until(send, settings.http_timeout, settings.timeout, clock, lambda: limits.noted)
    return patient(once, pause, lambda: until - clock.monotonic(), settings.retry_limit, jitter, warn)


def patient(
    ask: Ask,
    pause: Callable[[float], None],
    left: Callable[[], float],
    tries: int,
    jitter: Callable[[], float],
    warn: Callable[[str], object],
) -> Ask:
    """An `ask` that asks again after a transient failure, as a run would, while there is time.

    Args:
        ask: Sends a request once.
        pause: Waits that many seconds; a signal ends it.
        left: Seconds that are left.
        tries: Attempts in all.
        jitter: A number in [0, 1).
        warn: Told of each failure that is got past.
    """

    def again(request: Request) -> Answer:
        attempts = 0
        while True:
            try:
                return ask(request)
            except Failure as failure:
                attempts += 1
                drawn = jitter()
                seconds = failure.retry_after if failure.retry_after is not None else back_off(attempts, drawn)
                if failure.event not in _RETRIED or attempts >= tries or seconds > left():
                    raise
                warn(f"could not {request.purpose}: {failure}; trying again in {seconds:.1f} s")
                pause(seconds)

    return again
