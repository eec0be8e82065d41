"""Reads Fivetran's connection document, whatever of it is missing, null or new.

Facts about the document: https://fivetran.com/docs/rest-api/api-reference/connections/connection-details
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from orchestrator.values.formatting import ago, clipped, few

__all__ = [
    "MANUAL",
    "SETUP_TEST_FAILURES",
    "SETUP_TEST_RESULTS",
    "decisive",
    "moment",
    "parse_time",
    "problems",
    "rescheduled_for",
    "same_schedule",
    "schedule_type",
    "setup_state",
    "special_schedule",
    "status",
    "summary",
    "sync_state",
    "tests_summary",
    "trimmed",
    "unknown_values",
]

MANUAL = "manual"
DAYS = 7  # of a week: a schedule on all of them is the same as one without days

# As SetupTestResultResponse in the official definition of the API has them.
SETUP_TEST_RESULTS = ("PASSED", "SKIPPED", "WARNING", "FAILED", "JOB_FAILED")
SETUP_TEST_FAILURES = frozenset({"FAILED", "JOB_FAILED"})

_KNOWN = {
    "setup_state": ("incomplete", "connected", "broken"),
    "sync_state": ("scheduled", "syncing", "paused", "rescheduled"),
}

# Members that decide something or are shown. The rest (`config`, `auth`, `connect_card` and what Fivetran
# adds next) is about reaching the source: it does not belong in a file that outlives the job.
_LASTING = (
    *("id", "service", "service_version", "schema", "group_id", "connected_by", "created_at"),
    *("succeeded_at", "failed_at", "status", "paused", "pause_after_trial"),
    *("schedule_type", "schedule", "sync_frequency", "daily_sync_time"),
    *("networking_method", "data_delay_sensitivity", "data_delay_threshold"),
)
LONGEST_VALUE = 200  # characters of an unknown value

Document = Mapping[str, Any]


def parse_time(text: object) -> float | None:
    """Seconds since the epoch of one of Fivetran's times, or None where it is not a time.

    Seen: fractions of 6, 3, 1 or 0 digits, `Z` and `+00:00`, null and the text "null". A time before
    1970 does not count either: some programs write the year 1 where there is no date.
    """
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return seconds if seconds >= 0 else None


def moment(text: object) -> str:
    """One of Fivetran's times for people, in UTC; "" where it is none."""
    seconds = parse_time(text)
    return "" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def status(document: Document) -> Mapping[str, Any]:
    """The document's `status` object, or {}."""
    found = document.get("status")
    return found if isinstance(found, Mapping) else {}


def sync_state(document: Document) -> str:
    """`scheduled`, `syncing`, `paused`, `rescheduled`, what Fivetran adds next, or ""."""
    state = _text(status(document).get("sync_state"))
    return "paused" if document.get("paused") is True and state != "syncing" else state


def rescheduled_for(document: Document) -> str | None:
    """When the sync goes on, as Fivetran wrote it; "" when it does not say; None if not rescheduled."""
    if sync_state(document) != "rescheduled":
        return None
    text = status(document).get("rescheduled_for")
    return text if isinstance(text, str) else ""


def setup_state(document: Document) -> str:
    """`incomplete`, `connected`, `broken`, what Fivetran adds next, or ""."""
    return _text(status(document).get("setup_state"))


def schedule_type(document: Document) -> str | None:
    """`manual`, `auto`, or None where the document does not say.

    `schedule_type` may be absent; the newer `schedule` object then says it.
    """
    plain = document.get("schedule_type")
    if isinstance(plain, str) and plain:
        return plain
    kind = _newer_schedule(document)
    if not isinstance(kind, str):
        return None
    return MANUAL if kind.lower() == MANUAL else "auto"


def decisive(document: Document) -> dict[str, Any]:
    """The members of the document that decide something, by name."""
    found = {
        "sync_state": sync_state(document),
        "setup_state": setup_state(document),
        "succeeded_at": document.get("succeeded_at"),
        "failed_at": document.get("failed_at"),
        "schedule_type": schedule_type(document),
        "rescheduled_for": rescheduled_for(document),
    }
    return {name: value for name, value in found.items() if value}


_CONDITIONS = {"scheduled": "idle", "rescheduled": "rescheduled by Fivetran"}


def summary(document: Document, now: float | None) -> str:
    """The connection in a line, without its id: service, condition, dates, schedule; "" where nothing is known.

    Args:
        document: The connection document.
        now: Fivetran's now when it was read, in seconds since the epoch; None where that is not known.
    """
    if not document:
        return ""
    service, state = _text(document.get("service")), sync_state(document)
    parts = [setup_state(document), _CONDITIONS.get(state, state)]
    for name, words in (("succeeded_at", "success"), ("failed_at", "failure")):
        date = parse_time(document.get(name))
        if date is None:
            parts += [f"no {words} yet"] if name in document else []
        else:
            parts.append(f"last {words} {moment(document[name]) if now is None else ago(now - date)}")
    parts.append(f"schedule {schedule_type(document) or 'not known'}")
    return f"{f' ({service})' if service else ''}: {', '.join(filter(None, parts))}"


def tests_summary(tests: Sequence[Mapping[str, Any]]) -> str:
    """The setup tests in a line: how many failed, could not run, warned or were skipped."""
    if not tests:
        return "the connection has no setup tests"
    words = {"FAILED": "failed", "JOB_FAILED": "could not run", "WARNING": "warned", "SKIPPED": "skipped"}
    counts = Counter(words.get(str(test.get("status")), "") for test in tests if test.get("status") != "PASSED")
    found = [(counts[said], said) for said in words.values() if counts[said]]
    found += [(counts[""], "ended otherwise")] if counts[""] else []
    number = len(tests)
    if not found:
        return "the setup test passed" if number == 1 else f"all {number} setup tests passed"
    if not {"failed", "could not run"} & {said for _, said in found}:
        found = [(number - sum(count for count, _ in found), "passed"), *found]
    (first, said), *rest = found
    of = f"of {number} setup test{'' if number == 1 else 's'}"
    return ", ".join((f"{first} {of} {said}", *(f"{count} {said}" for count, said in rest)))


def special_schedule(document: Document) -> str | None:
    """The newer `schedule` object's type where `schedule_type` alone cannot bring it back."""
    kind = _newer_schedule(document)
    return kind if kind in ("CRON", "TIME_OF_DAY") else None


def same_schedule(one: object, other: object) -> bool:
    """Whether two `schedule` objects mean the same: Fivetran fills in seconds, and all days where none is given."""
    return _plain_schedule(one) == _plain_schedule(other)


def _plain_schedule(value: object) -> object:
    if isinstance(value, Mapping):
        return {
            name: _plain_schedule(content)
            for name, content in value.items()
            if content not in (None, []) and not (isinstance(content, list) and len(content) == DAYS)
        }
    if isinstance(value, list):
        return sorted((_plain_schedule(content) for content in value), key=str)
    if isinstance(value, str):
        return value.removesuffix(":00") if value.count(":") > 1 else value
    return value


def problems(document: Document) -> list[str]:
    """`status.tasks` and `status.warnings`, a line each, cut to a readable length: what Fivetran says is wrong."""
    found: list[str] = []
    for kind in ("tasks", "warnings"):
        entries = status(document).get(kind)
        for entry in entries if isinstance(entries, list) else []:
            if isinstance(entry, Mapping):
                code = f" {entry['code']}" if entry.get("code") else ""
                words = ": ".join(str(entry[name]) for name in ("message", "details") if entry.get(name))
                found.append(f"{words} ({kind[:-1]}{code})".strip())
            else:
                found.append(f"{entry} ({kind[:-1]})")
    return list(few(found))


def unknown_values(document: Document) -> list[str]:
    """A warning for each unknown value of a member that decides something."""
    found = status(document)
    return [
        f"Fivetran reports {name} {clipped(repr(found.get(name)), LONGEST_VALUE, whole_words=True)}, "
        "which this version does not know and ignores"
        for name, known in _KNOWN.items()
        if found.get(name) not in known
    ]


def trimmed(document: Document) -> Document:
    """The members of the document that decide something or are shown."""
    return {name: document[name] for name in _LASTING if name in document}


def _newer_schedule(document: Document) -> Any:  # noqa: ANN401  # any JSON
    """The type that the newer `schedule` object names, or None where there is no such object."""
    newer = document.get("schedule")
    return newer.get("schedule_type", newer.get("type")) if isinstance(newer, Mapping) else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
