"""The result of many connections as one JSON document, which `docs/fleet.schema.json` describes.

Each of its connections has the members of a single job's result, less its steps. What is written about the whole
is drawn from it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from orchestrator import __version__
from orchestrator.fivetran.verdicts import HEADLINES, outside
from orchestrator.job.result import FORMAT, Document, result_outside
from orchestrator.job.trace import Trace
from orchestrator.machine.standing import Standing
from orchestrator.values.events import Event
from orchestrator.values.exit_codes import BUG, EXIT_CODES
from orchestrator.values.facts import Facts
from orchestrator.values.formatting import iso, listed

__all__ = ["NOT_STARTED", "OK", "ORDER", "Fail", "fleet_result", "is_green", "member", "not_started", "rank"]

Fail = Literal["any", "fast", "never"]

# The job ends with the first of these codes that any connection ended with. A code that only a user's own chart has
# comes before 6, which says that nothing but a retry is needed.
ORDER = (143, 130, BUG, 3, 4, 1, 7, 5, 8, None, 6, 0)
_SIGNALS: dict[str, int] = {Event.INTERRUPTED: 130, Event.TERMINATED: 143}
_OUT_OF_TIME = 5  # of a connection that was never begun though no other one failed
_NEVER_MIND = {*_SIGNALS.values(), BUG}  # what FIVETRAN_FAIL=never does not make a success of
_OWN = ORDER.index(None)

OK, FAILED, STOPPED, NOT_STARTED = "OK", "FAILED", "STOPPED", "NOT STARTED"  # outcomes
MOST_NAMED = 5  # connections that a sentence names
MOST_TO_COPY = 20  # ids that CONNECTOR_ID can be set to by hand

_SYNCING = {"START", "FORCE_RESYNC"}  # actions that start syncs
_AGAIN = "start the job again"


class _Words(NamedTuple):
    """How an action ends, of "all 30 connections" and of "4 of 30 connections"; `{was}` agrees with their number."""

    good: str
    bad: str


_WORDS = {
    "START": _Words("{which} synced", "{which} did not sync"),
    "FORCE_RESYNC": _Words("the re-sync of {which} succeeded", "the re-sync of {which} did not succeed"),
    "STATUS": _Words("{which} {was} read", "{which} could not be read"),
    "TEST": _Words("the setup tests of {which} passed", "the setup tests of {which} did not pass"),
}
_STALE = "{which} {was} stale, or could not be read"
_ALL_STALE = "the data of {which} is stale"


def fleet_result(  # noqa: PLR0913  # each is a member of the document, or decides one
    action: str,
    members: Sequence[Document],
    *,
    group: str | None,
    notes: Sequence[str],
    started_at: float,
    ended_at: float,
    stop: str | None = None,
    fail: Fail = "any",
    resumes: bool = False,
) -> Document:
    """The result of many connections.

    Args:
        action: What was done to each.
        members: The connections' own results (`member`, `not_started`), in the order in which they were named.
        group: FIVETRAN_GROUP_ID; None where the connections were named.
        notes: What somebody should know of the whole, each thing once.
        started_at: When the job began, in seconds since the epoch.
        ended_at: When this is made, likewise.
        stop: The verdict of the signal that ended the job ("interrupted", "terminated"); None where none did.
        fail: FIVETRAN_FAIL.
        resumes: The job, started again in this pipeline, runs only what is not green (FIVETRAN_STATE_FILE).
    """
    ordered = sorted(members, key=_attention)
    bad = [one for one in members if not is_green(one)]
    worst = min(members, key=lambda one: rank(_code(one)), default=None)
    code = _SIGNALS[stop] if stop else _code(worst) if worst else 0
    if fail == "fast" and not stop:  # what was not begun was not for the failure
        code = min((one["exit_code"] for one in bad if one["exit_code"] is not None), key=rank, default=code)
        worst = next((one for one in bad if one["exit_code"] == code), worst)
    verdict = stop or (worst and worst["verdict"]) or Event.TIMED_OUT.value
    spared = fail == "never" and code and code not in _NEVER_MIND
    its_own = worst["exit_meaning"] if worst and worst["exit_code"] == code else None  # it is the action's
    meaning = its_own or EXIT_CODES.get(code)
    running = [one["connector_id"] for one in bad if one["still_running"]]
    unknown = [one["connector_id"] for one in bad if one["still_running"] is None and "MAY " in one["running"]]
    return {
        "format": FORMAT,
        "action": action,
        "group_id": group,
        "verdict": verdict,
        "exit_code": 0 if spared else code,
        "exit_meaning": f"FIVETRAN_FAIL is never; it would be {code}: {meaning}" if spared else meaning,
        "outcome": _outcome(bad, stop),
        "headline": "; ".join(filter(None, (HEADLINES.get(stop or ""), _headline(action, members, bad)))),
        "total": len(members),
        "counts": dict(Counter(one["outcome"] for one in ordered)),
        "running": _running(action, running, unknown),
        "still_running": True if running else None if unknown else False,
        "running_connections": running,
        "schedules_left": [one["connector_id"] for one in members if one["schedule_left"]],
        "advice": [*_advice(action, bad, running, resumes=resumes)],
        "notes": [*notes],
        "started_at": iso(started_at),
        "ended_at": iso(ended_at),
        "elapsed_seconds": round(max(0.0, ended_at - started_at), 3),
        "version": __version__,
        "connections": ordered,
    }


def member(document: Document, *, details: str | None = None, journal: str | None = None) -> Document:
    """What a fleet's result has of a connection.

    Args:
        document: The connection's result, as of a single job.
        details: Its page, relative to FIVETRAN_REPORT_DIR.
        journal: Its journal, likewise.
    """
    told = {name: value for name, value in document.items() if name not in {"steps", "steps_dropped"}}
    return {**told, "details": details, "journal": journal}


def not_started(subject: Mapping[str, Any], why: str, now: float) -> Document:
    """What a fleet's result has of a connection that was never begun.

    Args:
        subject: What it would have been about (`job.result.subject`).
        why: Why it was not, in a line.
        now: When that was certain, in seconds since the epoch.
    """
    syncs = subject["action"] in _SYNCING
    told = outside(why, (), "no sync was started" if syncs else "", _AGAIN)
    standing = Standing("", Facts(), 0.0, started_at=now)
    return member(result_outside(None, None, told._replace(outcome=NOT_STARTED), subject, standing, now, None, Trace()))


def is_green(document: Mapping[str, Any]) -> bool:
    """Whether a connection ended well."""
    return bool(document["exit_code"] == 0)


def _code(document: Mapping[str, Any]) -> int:
    code: int | None = document["exit_code"]
    return _OUT_OF_TIME if code is None else code


def rank(code: int) -> int:
    """The place of an exit code among those that decide the exit code of the whole."""
    return ORDER.index(code) if code in ORDER else _OWN


def _attention(document: Mapping[str, Any]) -> tuple[int, int, bool]:
    """Its place: failures in the order of their codes, what a signal ended, what was not begun, what is green."""
    code = document["exit_code"]
    kind = 2 if code is None else 3 if code == 0 else 1 if code in _SIGNALS.values() else 0
    return kind, rank(_code(document)), not (document["schedule_left"] or document["notes"])


def _outcome(bad: Sequence[Document], stop: str | None) -> str:
    """In a word or two: the one that all have in common that are not green, if they have."""
    if stop:
        return STOPPED
    found = {one["outcome"] for one in bad} - {NOT_STARTED}
    return OK if not bad else found.pop() if len(found) == 1 else FAILED if found else "TIMED OUT"


def _headline(action: str, members: Sequence[Document], bad: Sequence[Document]) -> str:
    number = len(members)
    noun = "connection" if number == 1 else "connections"
    every = f"all {number:,} {noun}" if number > 1 else f"{number} {noun}"
    good, failed = _WORDS[action]
    stale = sum(one["verdict"] == Event.STALE for one in bad)
    failed = _ALL_STALE if stale and stale == len(bad) else _STALE if stale else failed
    if not bad:
        return good.format(which=every, was="was" if number == 1 else "were")
    return failed.format(which=f"{len(bad):,} of {number:,} {noun}", was="is" if len(bad) == 1 else "are")


def _running(action: str, running: Sequence[str], unknown: Sequence[str]) -> str:
    """What goes on at Fivetran though the job has ended."""
    what, parts = "re-sync" if action == "FORCE_RESYNC" else "sync", []
    if running:
        several = f"1 {what} is" if len(running) == 1 else f"{len(running):,} {what}s are"
        parts.append(f"{several} STILL RUNNING at Fivetran: {listed(running, MOST_NAMED)}")
    if unknown:
        number = "1 more" if len(unknown) == 1 and running else f"{len(unknown):,}{' more' if running else ''}"
        parts.append(f"{number} MAY BE RUNNING: {listed(unknown, MOST_NAMED)}")
    return "; ".join(parts)


def _advice(action: str, bad: Sequence[Document], running: Sequence[str], *, resumes: bool) -> Iterator[str]:
    """What to do now, for the whole; what only one connection needs stands beside it."""
    if not bad:
        return
    begun = [one for one in bad if one["exit_code"] is not None]
    first = begun[0]["advice"] if begun else []
    if len(begun) > 1 and first and all(one["advice"] == first for one in begun):  # such as of a rejected key
        yield from first
    else:
        if len(bad) == 1:
            yield from first[:1]
        elif any(_code(one) not in _SIGNALS.values() for one in begun):
            yield "fix what is wrong with each connection, as its line says"
        if running and action in _SYNCING:
            also = "FIVETRAN_ACTION=START and " if action == "FORCE_RESYNC" else ""
            yield f"to wait for the syncs that are running, start a job with {also}FIVETRAN_ON_RUNNING=attach"
    if action == "STATUS":
        return
    if resumes:
        yield f"{_AGAIN}: it runs only the connections that are not green"
    elif len(bad) <= MOST_TO_COPY:
        ids = ",".join(one["connector_id"] for one in bad)
        yield f"to run only what is not green, {_AGAIN} with CONNECTOR_ID={ids}"
    else:
        yield _AGAIN
