"""The check of a listing's document against that of the connection itself."""

from typing import Any

import pytest

from orchestrator.fleet.reader import Reader, Round
from orchestrator.values.exchange import Answer, Request

WHOLE: dict[str, Any] = {
    "succeeded_at": None,
    "failed_at": None,
    "schedule_type": "manual",
    "status": {"sync_state": "scheduled", "setup_state": "connected"},
}
LATER = {"sync_state": "rescheduled", "rescheduled_for": "2026-11-27T10:00:00Z"}


def _checked(listed: dict[str, Any], own: dict[str, Any]) -> tuple[Reader, list[str]]:
    """A reader after a round in which the listing has one form of a document and the connection another."""
    names = [f"connection_{number}" for number in range(5)]
    warnings = list[str]()
    reader = Reader(warn=warnings.append)
    wanted = {name: Request("GET", f"/v1/connections/{name}", "read the connection") for name in names}
    reading = Round(reader, wanted)
    page = reading.asking.popleft()
    assert [*reading.take(page, Answer(data={"items": [{**listed, "id": name} for name in names]}))] == []
    single = reading.asking.popleft()
    taken = [name for name, _ in reading.take(single, Answer(data={**own, "id": single.connector_id}))]
    assert taken == (names if reader.listed else [single.connector_id])
    return reader, warnings


@pytest.mark.parametrize("name", ["succeeded_at", "failed_at", "schedule_type", "sync_state", "setup_state"])
def test_what_decides_is_missing(name: str) -> None:
    """A listing without a member that decides is not used, though the connection has null there; a warning says so."""
    status = {key: value for key, value in WHOLE["status"].items() if key != name}
    listed = {key: value for key, value in {**WHOLE, "status": status}.items() if key != name}

    reader, warnings = _checked(listed, WHOLE)

    assert (reader.listed, len(warnings), name in warnings[0]) == (False, 1, True)


@pytest.mark.parametrize(
    ("listed", "own", "used"),
    [
        (WHOLE, WHOLE, True),
        (WHOLE, {**WHOLE, "succeeded_at": "2026-11-27T09:00:00Z"}, True),
        (WHOLE, {**WHOLE, "status": {**WHOLE["status"], **LATER}}, True),
        ({**WHOLE, "status": {**WHOLE["status"], **LATER}}, {**WHOLE, "status": {**WHOLE["status"], **LATER}}, True),
        (
            {**WHOLE, "status": {**WHOLE["status"], "sync_state": "rescheduled"}},
            {**WHOLE, "status": {**WHOLE["status"], **LATER}},
            False,
        ),
    ],
)
def test_what_changes_in_between_is_not_missing(listed: dict[str, Any], own: dict[str, Any], used: bool) -> None:  # noqa: FBT001  # a parameter of the test
    """What happened between the listing and the look at the connection is not missing; what is left out is."""
    reader, warnings = _checked(listed, own)

    assert (reader.listed, reader.checked, len(warnings)) == (used, True, int(not used))
