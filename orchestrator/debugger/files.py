"""What a session leaves in files: pictures, and the run as a journal."""

from pathlib import Path

from orchestrator.debugger.ports import Refusal
from orchestrator.debugger.screen import Console
from orchestrator.debugger.session import Session
from orchestrator.job.files import open_for_reading, write_atomically
from orchestrator.job.journal import LARGEST, JournalLines
from orchestrator.values.parsing import parse_json

__all__ = ["as_journal", "save", "write"]

HEADER = {"format", "action", "started_at", "chart"}  # what a journal's first line has


def save(console: Console, file: str) -> None:
    """Save the run so far as a journal, without secrets, for `debug --replay FILE`.

    An existing journal is overwritten, any other file is not.
    """
    if _is_other(Path(file)):
        raise Refusal(f"{file!r} exists and is not a journal: use another file")
    write(file, as_journal(console.session))
    console.say(f"saved as a journal: {file}")


def as_journal(session: Session) -> str:
    """The whole run as a journal's text, without secrets."""
    lines, first = JournalLines(session.mask), session.moments[0]
    snapshot = None if first.resumed is None else first.resumed.snapshot
    text = [lines.header(session.chart, session.settings, first.standing, snapshot)]
    for moment in session.moments:
        if moment.step is None:
            continue
        if moment.resumed is not None:
            text.append(lines.resumption(moment.step.before, moment.resumed.snapshot))
        text.append(lines.step(moment.step, moment.by_hand))
    return "".join(text)


def _is_other(path: Path) -> bool:
    """Whether there is a file, and it is no journal as far as its first line says."""
    if not path.is_file():
        return False
    try:
        with open_for_reading(path) as stream:
            header = parse_json(stream.readline(LARGEST))
    except (OSError, ValueError):
        return True
    return not (isinstance(header, dict) and header.keys() >= HEADER)


def write(file: str, content: str | bytes) -> None:
    """Write a file.

    Raises:
        Refusal: It cannot be written.
    """
    path = Path(file)
    try:
        if path.exists() and not path.is_file():
            raise Refusal(f"{file!r} is not a regular file: use another file")
        if not path.parent.is_dir():
            raise Refusal(f"{file!r} cannot be written: there is no directory {str(path.parent)!r}: create it first")
        write_atomically(path, content, named=True)
    except (OSError, ValueError) as error:  # a ValueError: it names no file
        raise Refusal(f"{file!r} cannot be written ({error}): use another file") from error
