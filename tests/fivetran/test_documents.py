"""Reading a connection document, whatever of it is missing, null, new or of another type."""

from typing import Any

import pytest

from orchestrator.fivetran import documents

ODD: list[Any] = [None, "null", 3, True, [], ["x"], {}, {"x": 1}]  # what no member should be, and some are


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2023-11-14T22:13:20.123456Z", 1_700_000_000.123456),
        ("2023-11-14T22:13:20.123Z", 1_700_000_000.123),
        ("2023-11-14T22:13:20.1Z", 1_700_000_000.1),
        ("2023-11-14T22:13:20Z", 1_700_000_000.0),
        ("2023-11-14T22:13:20+00:00", 1_700_000_000.0),
        ("2023-11-14T22:13:20.5+00:00", 1_700_000_000.5),
        ("2023-11-15T00:13:20+02:00", 1_700_000_000.0),
        ("2023-11-14T22:13:20", 1_700_000_000.0),
        (" 2023-11-14T22:13:20Z ", 1_700_000_000.0),
        ("9999-12-31T23:59:59-23:59", 253_402_387_139.0),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+23:59", None),
        ("1969-12-31T23:59:59Z", None),
        ("1970-01-01T00:00:00Z", 0.0),
        ("2024-01-01T00:00:00+25:00", None),
        ("2024-01-01T00:00:00\ud800", None),
        ("null", None),
        ("", None),
        ("soon", None),
        ("2023-02-30T00:00:00Z", None),
        (None, None),
        (1_700_000_000, None),
        ({}, None),
    ],
)
def test_time_is_read(text: object, expected: float | None) -> None:
    """A time is read in each of the forms in which Fivetran writes it; anything else is none."""
    assert documents.parse_time(text) == expected


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(
    "name",
    ["status", "paused", "schedule", "schedule_type", "succeeded_at", "setup_state", "sync_state", "rescheduled_for"],
)
def test_odd_member_breaks_nothing(name: str, odd: object) -> None:
    """A member of any type is read as "not known" where it makes no sense."""
    document = {name: odd, "status": {name: odd, "tasks": odd, "warnings": odd}} if name != "status" else {name: odd}

    assert isinstance(documents.sync_state(document), str)
    assert isinstance(documents.setup_state(document), str)
    assert isinstance(documents.schedule_type(document), str | None)
    assert isinstance(documents.rescheduled_for(document), str | None)
    assert documents.special_schedule(document) is None
    assert documents.unknown_values(document)
    assert isinstance(documents.problems(document), list)


@pytest.mark.parametrize(
    ("paused", "state", "expected"),
    [
        (False, "scheduled", "scheduled"),
        (False, "syncing", "syncing"),
        (True, "scheduled", "paused"),
        (True, "rescheduled", "paused"),
        (True, None, "paused"),
        (True, "syncing", "syncing"),
        ("true", "scheduled", "scheduled"),
        (False, "paused", "paused"),
        (None, "resting", "resting"),
        (None, None, ""),
    ],
)
def test_sync_state(paused: object, state: object, expected: str) -> None:
    """The flag `paused` wins over the state, but a sync that runs still runs."""
    assert documents.sync_state({"paused": paused, "status": {"sync_state": state}}) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"sync_state": "scheduled", "rescheduled_for": "2030-01-01T00:00:00Z"}, None),
        ({"sync_state": "rescheduled", "rescheduled_for": "2030-01-01T00:00:00Z"}, "2030-01-01T00:00:00Z"),
        ({"sync_state": "rescheduled", "rescheduled_for": None}, ""),
        ({"sync_state": "rescheduled"}, ""),
        ({}, None),
    ],
)
def test_rescheduled_for(status: dict[str, Any], expected: str | None) -> None:
    """A time is only that of a reschedule while the connection is rescheduled."""
    assert documents.rescheduled_for({"status": status}) == expected


@pytest.mark.parametrize(("state", "expected"), [("broken", "broken"), ("pending", "pending"), (None, "")])
def test_setup_state(state: object, expected: str) -> None:
    """The setup's state is what Fivetran says, or nothing."""
    assert documents.setup_state({"status": {"setup_state": state}}) == expected


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"schedule_type": "auto"}, "auto"),
        ({"schedule_type": "manual"}, "manual"),
        ({"schedule_type": "manual", "schedule": {"schedule_type": "CRON"}}, "manual"),
        ({"schedule": {"schedule_type": "MANUAL"}}, "manual"),
        ({"schedule": {"schedule_type": "INTERVAL"}}, "auto"),
        ({"schedule": {"type": "CRON"}}, "auto"),
        ({"schedule_type": "", "schedule": {"type": "MANUAL"}}, "manual"),
        ({"schedule": {"type": 3}}, None),
        ({"schedule_type": None, "schedule": None}, None),
        ({}, None),
    ],
)
def test_schedule_type(document: dict[str, Any], expected: str | None) -> None:
    """The schedule's type is the plain one, else the newer object's, else not known."""
    assert documents.schedule_type(document) == expected


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ({"schedule_type": "CRON"}, "CRON"),
        ({"type": "TIME_OF_DAY"}, "TIME_OF_DAY"),
        ({"schedule_type": "INTERVAL"}, None),
        ({"schedule_type": {"kind": "CRON"}}, None),
        (None, None),
    ],
)
def test_special_schedule(schedule: object, expected: str | None) -> None:
    """A schedule that `schedule_type` alone cannot bring back is reported."""
    assert documents.special_schedule({"schedule": schedule}) == expected


def test_problems_are_lines() -> None:
    """Each task and each warning is one line, with code and details where there are any."""
    document = {
        "status": {
            "tasks": [{"code": "reconnect", "message": "Reconnect"}, {"message": "Look"}, "as text"],
            "warnings": [{"code": "slow", "message": "It is slow", "details": "very"}],
        }
    }

    assert documents.problems(document) == [
        "Reconnect (task reconnect)",
        "Look (task)",
        "as text (task)",
        "It is slow: very (warning slow)",
    ]


def test_known_values_are_no_news() -> None:
    """A document as documented gives no warning."""
    assert documents.unknown_values({"status": {"setup_state": "connected", "sync_state": "syncing"}}) == []


def test_unknown_values_are_warned_of() -> None:
    """A value that decides something and is not known is named."""
    assert documents.unknown_values({"status": {"setup_state": "connected", "sync_state": "resting"}}) == [
        "Fivetran reports sync_state 'resting', which this version does not know and ignores"
    ]


DAILY = {"type": "TIME_OF_DAY", "time_of_day": "08:00", "days": ["MONDAY", "FRIDAY"]}
WEEK = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (DAILY, True),
        ({**DAILY, "time_of_day": "08:00:00"}, True),
        ({**DAILY, "time_of_day": "08:00:30"}, False),
        ({**DAILY, "time_of_day": "09:00"}, False),
        ({**DAILY, "days": ["FRIDAY", "MONDAY"]}, True),
        ({**DAILY, "days": ["FRIDAY"]}, False),
        ({**DAILY, "timezone": None}, True),
        ({**DAILY, "timezone": "UTC"}, False),
        ({**DAILY, "days": WEEK}, False),
        ({}, False),
        (None, False),
        ("auto", False),
    ],
)
def test_same_schedule(other: object, expected: bool) -> None:  # noqa: FBT001  # parametrized
    """Two schedules are the same where they mean the same, in whatever order and detail they are written."""
    assert documents.same_schedule(DAILY, other) is expected
    assert documents.same_schedule(other, DAILY) is expected


@pytest.mark.parametrize("filled_in", [{"days": WEEK}, {"days": []}, {"days": None}])
def test_every_day_is_no_day(filled_in: dict[str, Any]) -> None:
    """All seven days, which Fivetran fills in, are the same as none."""
    given = {"type": "TIME_OF_DAY", "time_of_day": "08:00"}

    assert documents.same_schedule(given, {**given, **filled_in})
