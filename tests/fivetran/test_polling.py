"""Where the next look at a running sync is placed, and what durations it goes by."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.fivetran.polling import durations_of, known_afterwards, next_look
from orchestrator.values.facts import Facts

DURATIONS = st.lists(st.floats(0.0, 2.0**63), max_size=40).map(tuple)
USUAL = (118.0, 121.0, 125.0, 119.5, 122.0, 117.0, 130.0)
ENDED = "2027-01-15T10:02:04Z"
TRIGGERED_AT = 1_800_007_204.0  # two minutes before that, in seconds since the epoch


def _looks(durations: tuple[float, ...], until: float, spent: int = 0) -> Iterator[float]:
    """When looks are taken, up to a moment."""
    lasted = 0.0
    while lasted < until:
        lasted += next_look(durations, lasted, spent)
        yield lasted


# --- The schedule ---------------------------------------------------------------------------------


@given(DURATIONS, st.floats(0.0, 1e9), st.integers(0, 3))
def test_pause_is_from_2_to_60_s(durations: tuple[float, ...], lasted: float, spent: int) -> None:
    """Whatever the durations and however long the sync runs, the next look comes in 2 to 60 s."""
    pause = next_look(durations, lasted, spent)

    assert 2 <= pause <= 60


@given(st.floats(0.0, 1e9))
def test_unknown_durations_are_looked_at_as_ever(lasted: float) -> None:
    """Without any duration there is a look every 10 s."""
    assert next_look((), lasted) == 10


@given(DURATIONS, st.floats(0.0, 1e6))
def test_schedule_follows_from_what_is_known(durations: tuple[float, ...], lasted: float) -> None:
    """The order of the durations, and durations beyond the newest 20, do not move the next look."""
    newest = durations[:20]

    assert next_look(newest, lasted) == next_look(durations, lasted) == next_look(newest[::-1], lasted)


def test_sparse_before_the_expected_end_and_dense_around_it() -> None:
    """Looks before the shortest duration are a minute apart, those around the usual ones seconds."""
    looks = [*_looks(USUAL, 135)]

    before = [look for look in looks if look < 105]
    around = [later - look for look, later in pairwise(look for look in looks if 112 < look < 130)]
    assert before == [60.0]
    assert max(around) < 6


@pytest.mark.parametrize("usual", [30.0, 120.0, 1200.0, 10_000.0])
def test_last_duration_alone_is_dense_around_it(usual: float) -> None:
    """With a single duration, looks are closer around it than before and after."""
    pauses = {at: next_look((usual,), at * usual) for at in (0.2, 1.0, 1.9)}

    assert pauses[1.0] < min(pauses[0.2], pauses[1.9])


def test_gap_between_two_usual_durations_is_passed_over() -> None:
    """Where syncs take half a minute or ten, few looks are taken in between, and the second end is looked for, too."""
    looks = [*_looks((30.0, 31.0, 29.0, 600.0, 30.5, 605.0, 598.0, 29.5, 602.0, 601.0), 640)]

    assert sum(60 < look < 560 for look in looks) <= 10
    assert sum(590 < look < 610 for look in looks) >= 3


def test_first_historical_sync_does_not_mislead() -> None:
    """One sync of four hours among others of two minutes moves no look away from the two minutes."""
    with_first, without = ([*_looks((*USUAL, *first), 135)] for first in ((14_400.0,), ()))

    assert [look for look in with_first if look < 105] == [60.0]
    assert sum(112 < look < 130 for look in with_first) >= 3
    assert len(with_first) <= len(without) + 3


def test_first_historical_sync_alone_is_not_trusted() -> None:
    """Where four hours are all that is known, looks in the first minutes are seconds apart."""
    looks = [*_looks((14_400.0,), 120)]

    assert max(later - look for look, later in pairwise(looks)) <= 30


def test_last_moment_of_the_latest_end_is_followed_by_a_look() -> None:
    """Just before the sync takes longer than it ever did, the next look comes in about 10 s."""
    assert 10 <= next_look(USUAL, 145.5) <= 12


def test_beyond_all_durations_pauses_grow_gently() -> None:
    """Once the sync takes longer than any known one, a look every 10 s grows to one a minute."""
    overrun = [next_look(USUAL, lasted) for lasted in (200.0, 600.0, 1_500.0, 100_000.0)]

    assert overrun == sorted(overrun)
    assert 10 <= overrun[0] < 12
    assert overrun[-1] == 60


def test_requests_for_durations_are_saved_elsewhere() -> None:
    """A run that had to ask for the durations looks later, and so less often."""
    assert [*_looks(USUAL, 125, spent=1)][1] > [*_looks(USUAL, 125)][1]


def test_looks_are_fewer_than_every_10_s() -> None:
    """For durations that vary little, fewer looks find the end than one every 10 s would."""
    assert len([*_looks(USUAL, 122)]) < 122 / 10


# --- Durations ------------------------------------------------------------------------------------


def _item(start: Any, end: Any, status: Any = "COMPLETED") -> dict[str, Any]:
    return {"sync_id": "x", "start": start, "end": end, "status": status}


def test_durations_of_a_history() -> None:
    """Successful syncs with both times count, newest first and each once, whatever order they are listed in."""
    old = _item("2027-01-14T10:00:00Z", "2027-01-14T10:01:00Z")
    new = _item("2027-01-15T10:00:00.25Z", "2027-01-15T10:02:00Z", "SUCCESSFUL")

    assert durations_of([old, new, old]) == (119.75, 60.0)


@pytest.mark.parametrize(
    "odd",
    [
        _item(None, None, None),
        _item("2027-01-15T10:00:00Z", None),
        _item(None, "2027-01-15T10:00:00Z"),
        _item("2027-01-15T10:00:00Z", "2027-01-15T10:00:00Z"),
        _item("2027-01-15T10:00:00Z", "2027-01-15T09:00:00Z"),
        _item("2027-01-01T10:00:00Z", "2027-01-15T10:00:00Z"),
        _item("yesterday", "today"),
        _item(1, 2.5),
        _item("2027-01-15T10:00:00Z", "2027-01-15T10:01:00Z", "FAILURE"),
        _item("2027-01-15T10:00:00Z", "2027-01-15T10:01:00Z", "CANCELED"),
        _item("2027-01-15T10:00:00Z", "2027-01-15T10:01:00Z", "RESCHEDULED"),
        _item("2027-01-15T10:00:00Z", "2027-01-15T10:01:00Z", "A_NEW_WORD"),
        _item("2027-01-15T10:00:00Z", "2027-01-15T10:01:00Z", None),
        {},
    ],
)
def test_odd_items_do_not_count(odd: dict[str, Any]) -> None:
    """Syncs that did not succeed, or whose times are missing or impossible, are left out."""
    good = _item("2027-01-14T10:00:00Z", "2027-01-14T10:01:00Z")

    assert durations_of([odd, good]) == (60.0,)


@pytest.mark.parametrize("status", [["COMPLETED"], {"COMPLETED": 1}, 5])
def test_status_of_another_type_does_not_count(status: object) -> None:
    """A status that is not a text is none."""
    assert durations_of([_item("2027-01-14T10:00:00Z", "2027-01-14T10:01:00Z", status)]) == ()


def test_newest_20_durations_count() -> None:
    """Of a long history the newest 20 syncs count."""
    listed = [_item("2027-01-14T10:00:00Z", f"2027-01-14T10:{minute:02}:00Z") for minute in range(1, 31)]

    assert durations_of(listed) == tuple(60.0 * minute for minute in range(30, 10, -1))


# --- What the next job knows ----------------------------------------------------------------------


def _ended(**facts: Any) -> Facts:
    known = {
        "verdict": "succeeded",
        "asked_at": 1.0,
        "triggered_at": TRIGGERED_AT,
        "connection": {"succeeded_at": ENDED},
    }
    return Facts(**{**known, **facts})


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, (120.0,)),
        ({"durations": ()}, (120.0,)),
        ({"durations": (30.0, 40.0)}, (120.0, 30.0, 40.0)),
        ({"durations": tuple(map(float, range(1, 21)))}, (120.0, *map(float, range(1, 20)))),
        ({"idle_until": 41.0}, (80.0,)),  # nothing was seen of it in the first 40 s
        ({"verdict": "sync_failed", "durations": (30.0,)}, (30.0,)),
        ({"verdict": "timed_out"}, None),
        ({"reschedules": 1, "durations": (30.0,)}, (30.0,)),
        ({"asked_at": None}, None),
        ({"triggered_at": None}, None),
        ({"connection": None}, None),
        ({"connection": {"succeeded_at": "null"}}, None),
        ({"triggered_at": TRIGGERED_AT + 300}, None),  # it ended before it began
    ],
)
def test_known_afterwards(facts: dict[str, Any], expected: tuple[float, ...] | None) -> None:
    """After a green sync its own duration, from the trigger on, is known as the newest one."""
    assert known_afterwards(_ended(**facts)) == expected
