"""What the tests in `tests/fuzz` are made of: how many examples, JSON with anything in it, and torn or altered bytes.

As part of all tests the examples are the same each time, and few. `make fuzz` sets PYTEST_FUZZ_EXAMPLES, and another
seed for each round (tests/fuzz_rounds.py).
"""

import json
import math
import os
import time
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeVar

from hostile import HOSTILE, WHOLE, paths
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from orchestrator.simulator.app import Simulator
from orchestrator.simulator.clock import VirtualClock
from orchestrator.simulator.scenario import Scenario

__all__ = [
    "ANSWERED",
    "JOURNALS",
    "JSON",
    "RECORDED",
    "RECORDED_LINES",
    "RECORDED_NAMES",
    "altered",
    "assert_clear",
    "bodies",
    "fuzzed",
    "growth",
    "no_file",
    "retyped_lines",
    "torn",
]

T = TypeVar("T")

EXAMPLES = int(os.environ.get("PYTEST_FUZZ_EXAMPLES", "0"))  # of a test; 0 for its own, the same each time
USUAL = 25

MORE: list[Any] = [
    *(False, 0, 1, 2**63, 2**64, -(2**63), 1e-320, 1e308, math.nan, math.inf, -math.inf),
    *("\x00", "\x1b[31m", "\n", "a\u2028b", "\u202e", "x" * 3_000, "a " * 1_500, "1970-01-01T00:00:00Z", "é", "😀"),
]


def fuzzed(usual: int = USUAL) -> settings:
    """How a test is fuzzed.

    Args:
        usual: Examples as part of all tests, fewer where one takes long; `make fuzz` keeps the proportion.
    """
    return settings(
        max_examples=max(1, EXAMPLES * usual // USUAL) if EXAMPLES else usual,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        print_blob=True,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )


# --- JSON -----------------------------------------------------------------------------------------

TEXT = st.text(max_size=20) | st.text(st.characters(min_codepoint=0xD700, max_codepoint=0xE000), max_size=4)
SCALARS = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), TEXT, st.sampled_from(HOSTILE), st.sampled_from(MORE))
)
JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=12
)


LEVELS = st.sampled_from([1, 2, 70, 150])
NAMES = st.sampled_from(["x", '""', '"a\\nb"', "edges.x", "a.b.c"])


def _wrapped(value: Any, levels: int, *, in_lists: bool) -> Any:
    for _ in range(levels):
        value = [value] if in_lists else {"a": value}
    return value


@st.composite
def altered(draw: st.DrawFn, document: Any, most: int = 3, values: st.SearchStrategy[Any] = JSON) -> Any:
    """The document with some of its members missing, of another type, there twice, nested, or beside others."""
    document = deepcopy(document)
    for _ in range(draw(st.integers(1, most))):
        known = list(paths(document))
        if not known:
            return deepcopy(draw(values))
        *above, name = draw(st.sampled_from(known))
        inner: Any = document
        for step in above:
            inner = inner[step]
        match draw(st.sampled_from(["retype", "retype", "delete", "add", "nest", "twice", "swap"])):
            case "delete":
                del inner[name]
            case "add" if isinstance(inner, dict):
                inner[draw(TEXT)] = deepcopy(draw(values))
            case "nest":
                inner[name] = _wrapped(inner[name], draw(LEVELS), in_lists=draw(st.booleans()))
            case "twice" if isinstance(inner, list):
                inner.extend([inner[int(name)]] * draw(st.sampled_from([1, 3, 1_100])))
            case "swap":  # another member's value
                *others, last = draw(st.sampled_from(known))
                other: Any = document
                try:
                    for place in (*others, last):
                        other = other[place]
                except (LookupError, TypeError):
                    continue
                inner[name] = deepcopy(other)
            case _:
                inner[name] = deepcopy(draw(values))
    return document


def _text_of(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=True).encode()


@st.composite
def torn(draw: st.DrawFn, content: bytes, most: int = 3) -> bytes:
    """The bytes with some of them missing, others in between, or in another place."""
    for _ in range(draw(st.integers(1, most))):
        at, until = sorted(draw(st.tuples(*[st.integers(0, len(content))] * 2)))
        match draw(st.sampled_from(["end", "start", "cut", "insert", "replace", "double", "byte"])):
            case "end":
                content = content[:at]
            case "start":
                content = content[at:]
            case "cut":
                content = content[:at] + content[until:]
            case "insert":
                content = content[:at] + draw(st.binary(max_size=8)) + content[at:]
            case "replace":
                content = content[:at] + draw(st.sampled_from(ODD_BYTES)) + content[until:]
            case "double":
                content = content[:until] + content[at:]
            case _:
                content = content[:at] + draw(st.binary(min_size=1, max_size=1)) + content[at + 1 :]
    return content


ODD_BYTES = [
    *(b"", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"\xc3", b"\r", b"\n", b"\r\n", b"\x85"),
    *(b"\\ud800", b"\\u0000", b"NaN", b"-Infinity", b"1e999", b"9" * 5_000, b"-", b'"', b"'", b"\\", b"\t", b"null"),
    *(b"[" * 3_000, b'{"a":' * 3_000, b"[]", b"{}", b"{", b"}", b"#", b"=", b".", b",", b":", b"\xe2\x80\xa8"),
]


def bodies(documents: Sequence[Any]) -> st.SearchStrategy[bytes]:
    """Bodies like those of the documents: altered as documents, as bytes, and other ones."""

    def like(document: Any) -> st.SearchStrategy[bytes]:
        made = altered(document).map(_text_of)
        return st.one_of(made, made.flatmap(torn), torn(_text_of(document)))

    return st.one_of(st.sampled_from(documents).flatmap(like), JSON.map(_text_of), st.binary(max_size=60))


@st.composite
def retyped_lines(draw: st.DrawFn, text: str, values: Sequence[str], most: int = 4) -> str:
    """A text of `name = value` lines with other values, other names, lines that are gone or there twice."""
    lines = text.split("\n")
    for _ in range(draw(st.integers(1, most))):
        at = draw(st.integers(0, len(lines) - 1))
        name, equals, _ = lines[at].partition(" = ")
        match draw(st.sampled_from(["value", "value", "name", "gone", "twice", "line"])):
            case "value" if equals:
                lines[at] = f"{name} = {draw(st.sampled_from(values))}"
            case "name" if equals:
                lines[at] = lines[at].replace(name, draw(NAMES), 1)
            case "gone":
                del lines[at]
            case "twice":
                lines.insert(at, draw(st.sampled_from(lines)))
            case _:
                lines.insert(at, draw(st.sampled_from(["[x]", "[[x]]", "[x.y]", "x = 1", f"x = {values[0]}", "["])))
        lines = lines or [""]
    return "\n".join(lines)


# --- What is altered -------------------------------------------------------------------------------

SIMULATED = Simulator(Scenario(), VirtualClock()).connection("speak_inexpensive").document()
ANSWERED: list[Any] = [
    {"code": "Success", "data": WHOLE},
    {"code": "Success", "message": "Found", "data": SIMULATED},
    {"code": "Success", "data": {"items": [SIMULATED, WHOLE], "next_cursor": "abc"}},
    {"code": "NotFound_Connection", "message": "Cannot find connection with id 'x'"},
]

JOURNAL_FOLDER = Path(__file__).parent / "journals"
RECORDED_NAMES = (
    *("start-succeeds", "start-resumed", "start-rescheduled-twice", "start-lost-answer", "test-fails", "status-stale"),
    *("force-resync-unknown-table", "start-terminated-in-a-request", "start-fails", "start-unknown-connector"),
)
RECORDED = [(JOURNAL_FOLDER / f"{name}.jsonl").read_bytes() for name in RECORDED_NAMES]
RECORDED_LINES = [[json.loads(line) for line in content.splitlines()] for content in RECORDED]


@st.composite
def altered_journals(draw: st.DrawFn) -> bytes:
    """A journal with lines altered, torn, missing, there twice, of other journals, or in another order."""
    number = draw(st.integers(0, len(RECORDED) - 1))
    if draw(st.booleans()):
        return draw(torn(RECORDED[number]))
    lines = [json.dumps(line).encode() for line in RECORDED_LINES[number]]
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["alter", "alter", "alter", "tear", "gone", "twice", "other", "swap", "huge"])):
            case "tear":
                lines[at] = draw(torn(lines[at]))
            case "gone" if len(lines) > 1:
                del lines[at]
            case "twice":
                lines.insert(at, lines[at])
            case "other":
                lines.insert(at, json.dumps(draw(st.sampled_from(draw(st.sampled_from(RECORDED_LINES))))).encode())
            case "swap":
                lines[at], lines[-1] = lines[-1], lines[at]
            case "huge":
                lines.insert(at, b"x" * 100_000)
            case _:
                with suppress(ValueError):
                    lines[at] = json.dumps(draw(altered(json.loads(lines[at])))).encode()
    return b"\n".join(lines) + draw(st.sampled_from([b"\n", b"", b"\r\n", b"\n\n"]))


JOURNALS = st.one_of(altered_journals(), altered_journals(), altered_journals(), st.binary(max_size=60))


# --- What is asserted -----------------------------------------------------------------------------

LONGEST = 2_500  # characters of a line that people read: with a path, and words from outside


def no_file(place: Path, kind: str) -> Path:
    """What is no file, in the place of one; of any other kind, nothing is there."""
    match kind:
        case "directory":
            place.mkdir()
        case "fifo":
            os.mkfifo(place)
        case "device":
            return Path("/dev/zero")
        case "link to itself":
            place.symlink_to(place)
        case "socket":
            os.mknod(place, 0o140600)
        case "name too long":
            return place.with_name("x" * 5_000)
    return place


def assert_clear(message: str, *names: str) -> None:
    """A refusal is one line that people can read, and names what it is about."""
    assert message.strip()
    assert not _controls(message), ascii(message[:200])
    assert len(message) <= LONGEST, message[:200]
    assert all(name in message for name in names), message


def _controls(text: str) -> set[str]:
    """What of a text could forge a line; a character that Python does not know yet is none of it."""
    return {sign for sign in text if unicodedata.category(sign) in {"Cc", "Zl", "Zp"} and sign != "\t"}


def growth(read: Callable[[T], object], make: Callable[[int], T], size: int, times: int = 16) -> float:
    """How processor time grows with length: the time for an input `times` as long, divided by that for the shorter one.

    Args:
        read: What reads it.
        make: An input of a length.
        size: The shorter length.
        times: How many times as long the other one is; what grows as the square takes `times` squared.
    """

    def spent(length: int, tries: int) -> float:
        given, found = make(length), list[float]()
        for _ in range(tries):
            begun = time.process_time()
            read(given)
            found.append(time.process_time() - begun)
        return min(found)

    return spent(size * times, 1) / max(spent(size, 3), 1e-4)
