"""Journals from elsewhere: any bytes are read, replayed, stepped through and reported, or refused in a line."""

import contextlib
import io
import json
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from fuzzing import altered, assert_clear, fuzzed, growth, torn
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.commands import replay as replay_command
from orchestrator.commands import report as report_command
from orchestrator.debugger.files import as_journal
from orchestrator.debugger.journal_reader import Journal, JournalError, read_journal
from orchestrator.debugger.replay import Divergence, chart_of, replay
from orchestrator.debugger.sources import CannotOpen, forked, opened
from orchestrator.machine.loader import ChartError

FOLDER = Path(__file__).parents[1] / "journals"
NAMES = (
    *("start-succeeds", "start-resumed", "start-rescheduled-twice", "start-lost-answer", "test-fails", "status-stale"),
    *("force-resync-unknown-table", "start-terminated-in-a-request", "start-fails", "start-unknown-connector"),
)
RECORDED = [(FOLDER / f"{name}.jsonl").read_bytes() for name in NAMES]
LINES = [[json.loads(line) for line in content.splitlines()] for content in RECORDED]


@st.composite
def altered_journals(draw: st.DrawFn) -> bytes:
    """A journal with lines altered, torn, missing, there twice, of other journals, or in another order."""
    number = draw(st.integers(0, len(RECORDED) - 1))
    if draw(st.booleans()):
        return draw(torn(RECORDED[number]))
    lines = [json.dumps(line).encode() for line in LINES[number]]
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
                lines.insert(at, json.dumps(draw(st.sampled_from(draw(st.sampled_from(LINES))))).encode())
            case "swap":
                lines[at], lines[-1] = lines[-1], lines[at]
            case "huge":
                lines.insert(at, b"x" * 100_000)
            case _:
                with suppress(ValueError):
                    lines[at] = json.dumps(draw(altered(json.loads(lines[at])))).encode()
    return b"\n".join(lines) + draw(st.sampled_from([b"\n", b"", b"\r\n", b"\n\n"]))


JOURNALS = st.one_of(altered_journals(), altered_journals(), altered_journals(), st.binary(max_size=60))


def changed(name: str, at: int, **members: Any) -> bytes:
    """A recorded journal with other members in a line; those in `facts` beside the ones that are there."""
    lines = [dict(line) for line in LINES[NAMES.index(name)]]
    facts = {**lines[at].get("facts", {}), **members.pop("facts", {})}
    lines[at] = {**lines[at], **members, **({"facts": facts} if facts else {})}
    return b"\n".join(json.dumps(line).encode() for line in lines)


def _written(folder: Path, content: bytes) -> str:
    file = folder / "journal.jsonl"
    file.write_bytes(content)
    return str(file)


def _read(file: str) -> Journal | None:
    """The journal; None where it is refused in one line that names it."""
    try:
        return read_journal(file)
    except JournalError as error:
        assert_clear(str(error), file)
        return None


@fuzzed(60)
@given(content=JOURNALS)
@example(changed("start-succeeds", 1, format="x" * 5_000))
@example(changed("start-succeeds", 0, format="x" * 5_000))
@example(changed("start-succeeds", 0, format=1, version="\x1b[31m\n" * 1_000))
def test_any_bytes_are_a_journal_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever a journal holds, it is replayed, differs at a step that is named, or is refused in one line."""
    journal = _read(_written(tmp_path_factory.getbasetemp(), content))
    if journal is None:
        return
    with suppress(ChartError):
        try:
            end = replay(journal).state
        except Divergence as divergence:
            end = str(divergence).partition(" ")[0]

        assert end == "step" or end in chart_of(journal).states


def _commands(file: str, folder: Path) -> Iterator[Callable[[], int]]:
    for chart in ("today", "recorded"):
        yield lambda chart=chart: replay_command.execute(Namespace(journals=[file], chart=chart), {})  # type: ignore[misc]
    yield lambda: report_command.execute(Namespace(journal=file, output=str(folder / "report")), {})


@fuzzed(25)
@given(content=JOURNALS)
def test_any_journal_ends_a_command_with_a_code(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever a journal holds, `replay` and `report` end with one of their codes, and say why where it is not 0."""
    folder = tmp_path_factory.getbasetemp()
    file = _written(folder, content)

    for command in _commands(file, folder):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = command()
        said = out.getvalue() + err.getvalue()

        assert code in {0, 1, 2}
        assert code == 0 or file in said
        assert "could not be" not in said, said


@fuzzed(25)
@given(content=JOURNALS)
def test_any_journal_can_be_stepped_through(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever a journal holds, a session of the debugger goes through it, forks and saves it, or says why not."""
    file = _written(tmp_path_factory.getbasetemp(), content)
    try:
        session = opened(None, None, file, {}, live=False)
    except CannotOpen as error:
        assert_clear(str(error).replace("\n", " "))
        return
    session.cursor = len(session.moments) // 2

    assert as_journal(session).count("\n") >= 1
    if not session.ended:
        assert forked(session).moments


@pytest.mark.parametrize("filler", [b"{}\n", b"\n", b'{"resumed"\n', b'\n{"resumed": {}}', b'"', b"["])
def test_no_journal_takes_more_time_than_it_is_long(tmp_path: Path, filler: bytes) -> None:
    """Whatever a journal is full of, refusing it takes time in proportion to its length, not to its square."""
    head = RECORDED[0].splitlines()[0] + b"\n"

    def read(content: bytes) -> None:
        with suppress(JournalError):
            read_journal(_written(tmp_path, content))

    assert growth(read, lambda length: head + filler * (length // len(filler)), 2_000) < 100
