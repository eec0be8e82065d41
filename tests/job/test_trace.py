"""The trace: what it keeps of a run, in bounded memory."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from made import step

from orchestrator.job.trace import KEEP, LONGEST_LOOP, SHOWN, Trace


def walk(trace: Trace, way: Iterable[str], start: float = 0.0) -> None:
    """Add the steps of a way, written as the letters of its states, one a second."""
    for number, (source, target) in enumerate(pairwise(way)):
        trace.add(step(source, "went", target, start + number, f"step {start + number:g}"))


def seen(trace: Trace) -> list[tuple[str, int]]:
    """The entries as (way, times)."""
    return [(entry["from"] + entry["to"], entry["times"]) for entry in trace.entries()]


def test_steps_are_kept_in_order() -> None:
    """Each step is an entry with all that the report tells of it."""
    trace = Trace()

    trace.add(step("a", "went", "b", 1.5, "OK"))
    trace.add(step("b", "came", "c", 2.5))

    assert trace.entries() == [
        {"from": "a", "event": "went", "to": "b", "at": 1.5, "until": 1.5, "times": 1, "detail": "GET /x -> 200 OK"},
        {"from": "b", "event": "came", "to": "c", "at": 2.5, "until": 2.5, "times": 1, "detail": ""},
    ]


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        ("abc", [("ab", 1), ("bc", 1)]),
        ("aaaa", [("aa", 3)]),
        ("xababab", [("xa", 1), ("ab", 3), ("ba", 2)]),
        ("abababc", [("ab", 3), ("ba", 2), ("bc", 1)]),
        ("abcabcabc", [("ab", 3), ("bc", 3), ("ca", 2)]),
        ("abcdabcdabcd", [("ab", 3), ("bc", 3), ("cd", 3), ("da", 2)]),
        ("abcdeabcdea", [("ab", 1), ("bc", 1), ("cd", 1), ("de", 1), ("ea", 1)] * 2),
        ("abababacacaca", [("ab", 3), ("ba", 3), ("ac", 3), ("ca", 3)]),
        ("aabaabaab", [("aa", 3), ("ab", 3), ("ba", 2)]),
    ],
)
def test_loop_is_counted(way: str, expected: list[tuple[str, int]]) -> None:
    """A loop of up to four steps is listed once and counted; a longer one is listed."""
    trace = Trace()

    walk(trace, way)

    assert seen(trace) == expected


def test_event_makes_the_step() -> None:
    """The same way by another event is another step."""
    trace = Trace()

    trace.add(step("a", "went", "b", 0.0))
    trace.add(step("a", "ran", "b", 1.0))

    assert [entry["event"] for entry in trace.entries()] == ["went", "ran"]


def test_loop_tells_first_and_last() -> None:
    """A counted step tells when it was first and last taken, and the last answer."""
    trace = Trace()

    walk(trace, "ab" * 1000)
    first, _ = trace.entries()

    assert (first["at"], first["until"], first["detail"], first["times"]) == (
        0.0,
        1998.0,
        "GET /x -> 200 step 1998",
        1000,
    )


def test_middle_is_dropped() -> None:
    """Of more steps than are kept, the first and the last remain, and the dropped ones are counted."""
    trace = Trace()

    for number in range(2 * KEEP + 5):
        trace.add(step(str(number), "went", str(number + 1), float(number)))
    kept = [int(entry["from"]) for entry in trace.entries()]

    assert kept == [*range(KEEP), *range(KEEP + 5, 2 * KEEP + 5)]
    assert trace.dropped == 5


@pytest.mark.parametrize("cut", range(2, 12))
def test_trace_is_taken_up_again(cut: int) -> None:
    """A trace that was written down and read back goes on counting, and loses no step."""
    way = "xabababababab"
    before = Trace()
    walk(before, way[:cut])

    after = Trace(before.entries(), dropped=7)
    walk(after, way[cut - 1 :], start=cut - 1)

    assert sum(entry["times"] for entry in after.entries()) == len(way) - 1
    assert len(after.entries()) <= 3 + LONGEST_LOOP
    assert after.dropped == 7


def test_entries_are_copies() -> None:
    """Nobody can change the trace by changing what it gave."""
    trace = Trace()
    trace.add(step("a", "went", "b", 0.0))

    trace.entries()[0]["times"] = 99

    assert seen(trace) == [("ab", 1)]


def test_page_shows_both_ends() -> None:
    """A page is given the first and the last steps with all that is known of them, and how many it is not."""
    trace = Trace()
    for number in range(2 * SHOWN):
        trace.add(step(f"s{number}", "went", f"s{number + 1}"))

    before, none = trace.shown()
    for number in range(2 * SHOWN, 2 * KEEP + 5):
        trace.add(step(f"s{number}", "went", f"s{number + 1}"))
    after, left_out = trace.shown()

    ends = [*range(SHOWN), *range(2 * KEEP + 5 - SHOWN, 2 * KEEP + 5)]
    assert [entry["step"].source for entry in before] == [f"s{number}" for number in range(2 * SHOWN)]
    assert [entry["step"].source for entry in after] == [f"s{number}" for number in ends]
    assert (none, left_out) == (0, 2 * KEEP + 5 - 2 * SHOWN)


def test_steps_are_kept_for_the_page_alone() -> None:
    """However long a run is, no more of its steps are kept than a page shows."""
    trace = Trace()

    for number in range(1000):
        trace.add(step(f"s{number}", "went", f"s{number + 1}"))

    assert sum("step" in entry for entry in trace._entries) == 2 * SHOWN
