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
from fuzzing import JOURNALS, RECORDED, RECORDED_LINES, RECORDED_NAMES, assert_clear, fuzzed, growth
from hypothesis import example, given

from orchestrator.commands import replay as replay_command
from orchestrator.commands import report as report_command
from orchestrator.debugger.files import as_journal
from orchestrator.debugger.journal_reader import Journal, JournalError, read_journal
from orchestrator.debugger.replay import Divergence, chart_of, replay
from orchestrator.debugger.sources import CannotOpen, forked, opened
from orchestrator.machine.loader import ChartError


def changed(name: str, at: int, **members: Any) -> bytes:
    """A recorded journal with other members in a line; those in `facts` beside the ones that are there."""
    lines = [dict(line) for line in RECORDED_LINES[RECORDED_NAMES.index(name)]]
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
