"""The debugger over journals: after the fact, on another machine, without credentials."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from console import Debugger

from orchestrator.cli import main
from orchestrator.debugger.files import as_journal
from orchestrator.debugger.journal_reader import read_journal
from orchestrator.debugger.sources import recorded
from orchestrator.machine import loader
from orchestrator.simulator import rehearsal
from orchestrator.simulator.clock import VirtualClock

JOURNALS = sorted((Path(__file__).parents[1] / "journals").glob("*.jsonl"))
LOST = JOURNALS[0].parent / "start-lost-answer.jsonl"


def _changed(folder: Path, change: Callable[[list[dict[str, Any]]], None]) -> Path:
    """The journal of the lost answer, with a change."""
    lines = [json.loads(line) for line in LOST.read_text("utf-8").splitlines()]
    change(lines)
    file = folder / "changed.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return file


def _told(journal: Path) -> list[dict[str, Any]]:
    """What a journal says of each step, but for the words in which this version gives the reason."""
    return [{**record.line, "why": ""} for record in read_journal(journal).records]


def test_what_would_it_have_done_if(debug: Debugger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo's journal, taken elsewhere: back to the lost trigger, forked with a plain 200, run to its end."""
    monkeypatch.setattr(rehearsal, "FastClock", lambda _: VirtualClock())
    assert main(["demo", "--scenario", "lost-answer"], {"FIVETRAN_REPORT_DIR": str(tmp_path / "left")}) == 0
    journal = (tmp_path / "left" / "journal.jsonl").rename(tmp_path / "taken.jsonl")

    transcript = debug(
        f"--replay {journal}",
        "continue",
        "back to triggering",
        "fork",
        "answer 200",
        "continue",
        "history all",
        "unfork",
    )

    recorded, forked = (told for told in transcript.told if told.command == "continue")
    assert transcript.opening.startswith("START speak_inexpensive (recorded), the beginning ---")
    assert "--answer_lost-->" in recorded.text
    assert (
        transcript.of("answer 200").row("came by").startswith("triggering --triggered--> considering_durations POST ")
    )
    assert forked.row("here") == "done, final: exit code 0, verdict succeeded"
    assert "answer_lost" not in transcript.of("history all").text
    assert "confirming" not in transcript.of("history all").text
    assert transcript.last.text.startswith("START speak_inexpensive (recorded), step 4 ---")


@pytest.mark.parametrize("journal", JOURNALS, ids=lambda path: path.stem)
def test_every_recording_has_its_moments(tmp_path: Path, journal: Path) -> None:
    """Each recorded run has a moment for each step, and is saved as it was."""
    copy = tmp_path / "copy.jsonl"

    session = recorded(read_journal(journal))
    copy.write_text(as_journal(session), "utf-8")

    records = read_journal(journal).records
    assert [moment.step.number for moment in session.moments if moment.step] == [
        record.step.number for record in records
    ]
    assert _told(copy) == _told(journal)


def test_recording_is_walked_through(debug: Debugger) -> None:
    """A recording is stepped through, forwards and backwards, and says at each step why."""
    transcript = debug(f"--replay {LOST}", "until answer_lost", "why", "last", "continue", "back to triggering", "step")

    assert transcript.of("why").text.endswith("a POST got no answer and may have been carried out.")
    assert transcript.of("last").row("answered") == "no complete answer: connection reset by peer"
    assert transcript.of("continue").state == "done"
    assert transcript.last.row("came by").startswith("triggering --answer_lost-->")
    assert transcript.code == 0


@pytest.mark.parametrize(
    ("name", "state"),
    [("start-succeeds", "waiting"), ("start-rescheduled-twice", "awaiting_reschedule"), ("start-paused", "validating")],
)
def test_fork_stands_where_the_recording_stood(debug: Debugger, name: str, state: str) -> None:
    """A fork of a recording has its document and its clock: what it reads next is what was read last."""
    file = LOST.parent / f"{name}.jsonl"

    transcript = debug(f"--replay {file}", "continue", f"back to {state}", "fork", "until concluding")

    assert transcript.of("fork").row("deadline") == transcript.of(f"back to {state}").row("deadline")
    assert transcript.of("fork").row("facts") == transcript.of(f"back to {state}").row("facts")
    assert transcript.last.state == "concluding"


def test_fork_has_fivetrans_clock(debug: Debugger, tmp_path: Path) -> None:
    """Where Fivetran's clock is not the machine's, it is not in the fork."""

    def late(lines: list[dict[str, Any]]) -> None:
        for line in lines[1:]:
            if "answer" in line:
                line["answer"]["date"] += 5000.0
            for name in ("connection_date",):
                if name in line["facts"]:
                    line["facts"][name] += 5000.0
            if "baseline" in line["facts"]:
                line["facts"]["baseline"]["date"] += 5000.0

    file = _changed(tmp_path, late)

    transcript = debug(f"--replay {file}", "continue", "back to triggering", "fork", "answer 200", "c")

    assert (
        transcript.of("answer 200").row("facts").startswith("* triggered True * triggered_at 2027-01-15T09:23:20.000Z")
    )
    assert transcript.last.row("here") == "done, final: exit code 0, verdict succeeded"


def test_recording_that_was_broken_off(debug: Debugger, tmp_path: Path) -> None:
    """Where a recording ends before its run did, that is said, and a fork goes on."""
    file = _changed(tmp_path, lambda lines: lines.__delitem__(slice(8, None)))

    transcript = debug(f"--replay {file}", "continue", "step", "inject waited", "fork", "continue")

    hint = "the recording ends here: `fork` continues from here against a simulated Fivetran"
    assert transcript.of("continue").text.endswith(f"\n{hint}")
    assert transcript.of("step").line == transcript.of("inject waited").line == hint
    assert transcript.last.row("here") == "done, final: exit code 0, verdict succeeded"


def test_recording_that_is_not_repeated(debug: Debugger, tmp_path: Path) -> None:
    """What this version does otherwise is not shown as if it had been so, and that is said."""

    def change(lines: list[dict[str, Any]]) -> None:
        lines[6]["target"] = "waiting"

    transcript = debug(f"--replay {_changed(tmp_path, change)}", "continue")

    assert transcript.last.row("came by").startswith("triggering --answer_lost-->")
    assert "from here on this version behaves differently from the recording: `replay` shows" in transcript.last.text


def test_recorded_chart_is_the_one_that_is_shown(debug: Debugger, tmp_path: Path) -> None:
    """A recording is walked through on the chart that it was recorded with, though today's is another one."""

    def change(lines: list[dict[str, Any]]) -> None:
        source = lines[0]["chart"]["source"]
        lines[0]["chart"]["source"] = source.replace('title   = "START: ', 'title   = "START as it was then: ')

    transcript = debug(f"--replay {_changed(tmp_path, change)}", "draw")

    assert transcript.last.text.startswith("START as it was then: ")


def test_recorded_chart_of_another_time(debug: Debugger, tmp_path: Path) -> None:
    """Where today's loader does not take the recorded chart any more, today's is used."""

    def change(lines: list[dict[str, Any]]) -> None:
        lines[0]["chart"]["source"] = "initial = 'nowhere'"

    transcript = debug(f"--replay {_changed(tmp_path, change)}", "draw")

    assert transcript.last.text.startswith(loader.load("START").title)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "{file}: cannot be read: No such file or directory"),
        ("{}", "{file}: not a journal file"),
    ],
)
def test_what_is_no_journal(debug: Debugger, tmp_path: Path, text: str | None, problem: str) -> None:
    """A file that is not a journal is refused in one line."""
    file = tmp_path / "journal.jsonl"
    if text is not None:
        file.write_text(text, "utf-8")

    told = debug.refused("--replay", str(file))

    assert told.startswith(problem.format(file=file))
    assert told.count("\n") == 1


def test_recording_that_begins_in_a_state_that_is_gone(debug: Debugger, tmp_path: Path) -> None:
    """A run that was resumed in a state that the chart does not have cannot be stepped through; the message says so."""
    elsewhere = LOST.parent / "start-resumed-elsewhere.jsonl"
    file = tmp_path / "journal.jsonl"
    file.write_text(elsewhere.read_text("utf-8").replace('"state": "awaiting_sign"', '"state": "nowhere"', 1), "utf-8")

    told = debug.refused("--replay", str(file))

    assert told.startswith(f"{file}: step ")
    assert told.endswith("\n  state: recorded nowhere; today no such state\n")


def test_journal_of_another_action(debug: Debugger) -> None:
    """An action that is not the journal's is refused; the journal's own may be given."""
    told = debug.refused("test", "--replay", str(LOST))

    assert told == f"{LOST} is a journal of START, not of TEST: leave the action out\n"
    assert debug(f"start --replay {LOST}", "quit").code == 0
