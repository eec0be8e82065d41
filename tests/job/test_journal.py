"""The journal: what is in it, what is not, and that no run fails of it."""

import base64
import gc
import json
import os
import random
import re
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from made import step
from process import environment
from record_journals import FOLDER, Killed, recordings
from simulated_job import Simulate, SimulatedJob

from orchestrator.cli import main
from orchestrator.debugger.journal_reader import Journal, JournalError, read_journal
from orchestrator.debugger.replay import Divergence, replay
from orchestrator.job.journal import JournalWriter
from orchestrator.job.masking import Mask
from orchestrator.machine.loader import load
from orchestrator.machine.run import Ports, Run, drive
from orchestrator.machine.step import Step
from orchestrator.simulator.app import KEY, SECRET, Simulator
from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan
from orchestrator.values.exchange import Answer, Request
from orchestrator.values.facts import Facts
from orchestrator.values.settings import Settings

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA: dict[str, Any] = json.loads((DOCS / "journal.schema.json").read_text("utf-8"))
BRIEF = Scenario(syncs=(SyncPlan(lasts=25),))


def _file(job: SimulatedJob) -> Path:
    return job.folder / "report" / "journal.jsonl"


def _read(job: SimulatedJob) -> Journal:
    return read_journal(_file(job))


def _lines(job: SimulatedJob) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _file(job).read_text("utf-8").splitlines()]


def _die_in(state: str) -> Callable[[Run, Step | None], None]:
    def observe(run: Run, _: Step | None) -> None:
        if run.state.name == state:
            raise Killed

    return observe


# --- What is in it --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", recordings())
def test_recorded_journals_have_the_form(name: str) -> None:
    """Every line of every recorded journal is one of the JSON Schema's."""
    validator = Draft202012Validator(SCHEMA)
    lines = (FOLDER / f"{name}.jsonl").read_text("utf-8").splitlines()

    wrong = [(number, error.message) for number, line in enumerate(lines, 1) for error in _faults(validator, line)]

    assert wrong == []


def _faults(validator: Any, line: str) -> Any:
    return validator.iter_errors(json.loads(line))


def test_fresh_journal_has_the_form(simulate: Simulate) -> None:
    """So is every line of a journal that has just been written, of a run with nearly everything in it."""
    job = simulate(Scenario(syncs=BRIEF.syncs, faults=(Fault(on="any", does="reset", acts=True, times=3),)))
    job.play(FIVETRAN_RESTORE_SCHEDULE="1")
    validator = Draft202012Validator(SCHEMA)

    wrong = [error.message for line in _lines(job) for error in validator.iter_errors(line)]

    assert wrong == []


def test_schema_refuses_what_is_no_line() -> None:
    """The schema is strict: a line with a name too many, or one too few, is not one of its lines."""
    header, first, *_ = (FOLDER / "status.jsonl").read_text("utf-8").splitlines()
    validator = Draft202012Validator(SCHEMA)
    whole = [json.loads(header), json.loads(first)]

    more = [{**line, "more": 1} for line in whole]
    less = [{name: value for name, value in line.items() if name not in {"chart", "why"}} for line in whole]

    assert [validator.is_valid(line) for line in (*whole, *more, *less)] == [True, True, False, False, False, False]


def _properties(schema: Any) -> set[str]:
    found: set[str] = set()
    if isinstance(schema, Mapping):
        found |= set(schema.get("properties", {}))
        found = found.union(*(_properties(part) for part in schema.values()))
    return found


def test_page_describes_every_name() -> None:
    """docs/journal.md describes every name that the schema has."""
    page = (DOCS / "journal.md").read_text("utf-8")

    missing = [name for name in sorted(_properties(SCHEMA)) if not re.search(rf"[`\"]{name}[`\"]", page)]

    assert missing == []


def test_what_is_read_is_what_was_done(simulate: Simulate) -> None:
    """Reading a journal gives the very steps, and the facts before each."""
    job = simulate("lost_answer")
    played = job.play(jitter=0.5)

    journal = _read(job)

    assert [_plain(record.step) for record in journal.records] == [_plain(step) for step in played.steps]
    assert [record.step.before.facts for record in journal.records[1:]] == [
        record.step.facts for record in journal.records[:-1]
    ]
    assert journal.records[0].step.before.facts == Facts()
    assert [record.line.get("exit") for record in journal.records[-2:]] == [None, 0]


def _plain(step: Step) -> dict[str, Any]:
    """A step as JSON, without what no journal holds."""
    answer = step.answer and {"data": _without_config(step.answer.data), "status": step.answer.status}
    failure = step.failure and (type(step.failure), str(step.failure), step.failure.retry_after)
    request = step.request and (str(step.request), step.request.body)
    facts = {**step.facts.as_json(), "connection": _without_config(step.facts.connection)}
    stands = {"source": step.source, "target": step.target, "number": step.number, "due": step.after.due}
    told = {**step._asdict(), "answer": answer, "failure": failure, "request": request, "facts": facts, **stands}
    return {name: value for name, value in told.items() if name not in {"before", "after", "rule"}}


def _without_config(document: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    return None if document is None else {name: value for name, value in document.items() if name != "config"}


def test_header_tells_the_run(simulate: Simulate) -> None:
    """The header has what decides something, the chart's text and what it says as a number."""
    job = simulate(BRIEF)
    job.play("FORCE_RESYNC", FIVETRAN_TIMEOUT="200", FIVETRAN_RESTORE_SCHEDULE="1")
    chart = load("FORCE_RESYNC")

    header = _read(job).header

    assert (header.source, header.digest, header.packaged) == (chart.source, chart.digest, True)
    assert header.started_at == "2027-01-15T08:00:00.000Z"
    assert header.settings == Settings(
        action="FORCE_RESYNC",
        connector_id="speak_inexpensive",
        api_key="",
        api_secret="",
        schema="public",
        table="orders",
        timeout=200.0,
        policies=(("on_running", "wait"), ("on_reschedule", "wait"), ("on_broken", "fail")),
        restore_schedule="before",
    )


def test_same_document_is_not_written_twice(simulate: Simulate) -> None:
    """A document that has not changed is named by the step that had it first, in answers and in facts."""
    job = simulate("succeeds")
    job.play()

    polls = [line for line in _lines(job) if line.get("state") == "polling"]

    first = polls[0]["step"]
    assert polls[0]["facts"]["connection"] == {"same_as": first}
    assert {str(poll["answer"]["data"]) for poll in polls[1:-1]} == {f"{{'same_as': {first}}}"}
    assert all("connection" not in poll["facts"] for poll in polls[1:-1])


def test_a_new_run_replaces_the_journal(simulate: Simulate) -> None:
    """One journal, one run."""
    job = simulate(BRIEF)
    job.play("STATUS")
    job.play("TEST")

    journal = _read(job)

    assert journal.header.settings.action == "TEST"
    assert [record.step.number for record in journal.records] == list(range(1, len(journal.records) + 1))


@pytest.mark.parametrize("off", [{"FIVETRAN_JOURNAL": "0"}, {"FIVETRAN_REPORT_DIR": ""}])
def test_no_journal_where_none_is_wanted(
    simulate: Simulate, monkeypatch: pytest.MonkeyPatch, off: dict[str, Any]
) -> None:
    """Told to write none, or without a folder for results, a run leaves no journal anywhere."""
    job = simulate(BRIEF)
    monkeypatch.chdir(job.folder)

    job.play(**off)

    assert list(job.folder.glob("**/journal.jsonl")) == []


# --- What is not in it ----------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["STATUS", "START", "TEST"])
def test_nothing_secret_gets_in(simulate: Simulate, action: str) -> None:
    """Key and secret in any form, `config` and the Connect Card are in no journal, not even to debug."""
    pair = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
    card = {"token": "card-token", "uri": "https://fivetran.com/connect-card/setup?auth=card-token"}
    echo = f"who is {KEY} with {SECRET}?\x1b[2J\nBasic {pair}"
    job = simulate(
        Scenario(
            connection={"config": {"password": "deep-in-the-config"}, "connect_card": card, "schema": f"of {KEY}"},
            syncs=BRIEF.syncs,
            faults=(
                Fault(on="patch", status=403, code="Forbidden", message=echo),
                Fault(on="get", status=429, code="TooManyRequests", message=echo),
            ),
            setup_tests=({"title": echo, "status": "FAILED", "message": echo, "details": {"seen": echo}},),
        )
    )
    job.play(action, DATAOPS_DEBUG="1", FIVETRAN_STATE_FILE=str(job.folder / "run.json"))

    text = _file(job).read_text("utf-8")

    secrets = (KEY, SECRET, pair.rstrip("="), *(base64.b64encode(one.encode()).decode() for one in (KEY, SECRET)))
    hidden = (*secrets, "card-token", "connect_card", "deep-in-the-config", '"config"', "\\u001b", "\x1b")
    assert [word for word in hidden if word in text] == []
    assert "who is *** with ***?[2J Basic ***" in text


def test_nothing_secret_gets_in_with_a_resumed_run(simulate: Simulate) -> None:
    """Nor does it come with the snapshot of a run that is taken up again."""
    job = simulate(
        Scenario(connection={"config": {"password": "deep-in-the-config"}}, syncs=BRIEF.syncs), over_http=True
    )
    file = str(job.folder / "run.json")
    with pytest.raises(Killed):
        job.play("START", _die_in("waiting"), FIVETRAN_STATE_FILE=file)
    job.play(FIVETRAN_STATE_FILE=file)

    text = _file(job).read_text("utf-8")

    kept = text + Path(file).read_text("utf-8")
    assert [word for word in ("deep-in-the-config", '"config"') if word in kept] == []


# --- Taken up again ---------------------------------------------------------------------------------


def test_resumed_run_goes_on_in_its_journal(simulate: Simulate) -> None:
    """A run that is taken up again goes on in its journal, from the facts of its snapshot."""
    job = simulate(BRIEF)
    file = str(job.folder / "run.json")
    with pytest.raises(Killed):
        job.play("START", _die_in("waiting"), FIVETRAN_STATE_FILE=file)
    died_after = len(_read(job).records)
    job.clock.sleep(3)
    job.play(FIVETRAN_STATE_FILE=file)

    journal = _read(job)

    again = journal.records[died_after]
    assert [record.step.number for record in journal.records] == list(range(1, len(journal.records) + 1))
    assert [number for number, record in enumerate(journal.records) if record.resumed] == [died_after]
    assert again.resumed is not None
    assert again.resumed.wall == 1_800_000_003.0
    assert again.step.before.facts == journal.records[died_after - 1].step.facts
    assert not journal.torn


@pytest.mark.parametrize("left", [b'{"step": 99, "at": "2027', b'{"step": 99, "why": "\xe2\x82', b"\n"])
def test_resumed_run_passes_over_a_torn_line(simulate: Simulate, left: bytes) -> None:
    """What was torn when the job was killed keeps nobody from going on after it, or from reading it."""
    job = simulate(BRIEF)
    file = str(job.folder / "run.json")
    with pytest.raises(Killed):
        job.play("START", _die_in("waiting"), FIVETRAN_STATE_FILE=file)
    with _file(job).open("ab") as journal:
        journal.write(left)
    job.play(FIVETRAN_STATE_FILE=file)

    journal_now = _read(job)

    assert [record.step.number for record in journal_now.records] == list(range(1, len(journal_now.records) + 1))
    assert not journal_now.torn


def test_run_that_is_resumed_twice_keeps_its_journal(simulate: Simulate) -> None:
    """A character that was torn when the job was killed first does not cost the journal when it is resumed again."""
    job = simulate(BRIEF)
    file = str(job.folder / "run.json")
    with pytest.raises(Killed):
        job.play("START", _die_in("disabling_schedule"), FIVETRAN_STATE_FILE=file)
    with _file(job).open("ab") as journal:
        journal.write(b'{"step": 99, "why": "\xe2\x82')
    with pytest.raises(Killed):
        job.play("START", _die_in("waiting"), FIVETRAN_STATE_FILE=file)
    job.play(FIVETRAN_STATE_FILE=file)

    read = _read(job)

    assert read.header.resumed is None
    assert [record.step.number for record in read.records] == list(range(1, len(read.records) + 1))


@pytest.mark.parametrize("before", ["nothing", "another run's", "of another chart"])
def test_resumed_run_without_its_journal(simulate: Simulate, before: str) -> None:
    """A run that is taken up where its journal is not begins one, whose header has the snapshot."""
    job = simulate(BRIEF)
    file = str(job.folder / "run.json")
    with pytest.raises(Killed):
        job.play("START", _die_in("waiting"), FIVETRAN_STATE_FILE=file)
    own = _file(job).read_text("utf-8")
    text = {
        "another run's": own.replace("08:00:00.000Z", "07:00:00.000Z", 1),
        "of another chart": re.sub('"digest": "[0-9a-f]+"', '"digest": "0"', own),
    }
    _file(job).unlink()
    if before != "nothing":
        _file(job).write_text(text[before], "utf-8")
    job.play(FIVETRAN_STATE_FILE=file)

    journal = _read(job)

    assert journal.header.resumed is not None
    assert journal.header.resumed.snapshot["state"] == "waiting"
    assert journal.records[0].step.source == "waiting"
    assert journal.records[0].step.before.facts.triggered_at == 1_800_000_000.0


# --- What no run fails of ---------------------------------------------------------------------------


def test_unwritable_journal_costs_one_warning(simulate: Simulate) -> None:
    """A journal that cannot be written costs one warning; the run and its result do not care."""
    job = simulate(BRIEF)
    _file(job).mkdir(parents=True)

    played = job.play()

    assert (played.code, played.report and played.report["verdict"]) == (0, "succeeded")
    assert played.stderr.count("the journal ") == 1
    assert re.search(r"the journal \S+journal\.jsonl could not be written, and ends here: .*directory", played.stderr)


def test_journal_that_fails_later_stays_readable(simulate: Simulate) -> None:
    """When the disk fails in the middle, what was written before stays, and nothing is written after the gap."""
    job = simulate(BRIEF)
    kept = job.folder / "kept.jsonl"

    def take_away(run: Run, _: Step | None) -> None:
        if run.standing.number == 3:
            _file(job).rename(kept)
            _file(job).mkdir()
        if run.standing.number == 4:
            _file(job).rmdir()

    played = job.play("START", take_away)

    assert (played.code, played.stderr.count("the journal ")) == (0, 1)
    assert len(read_journal(kept).records) == 3
    assert not _file(job).exists()


def test_document_nested_beyond_measure(simulate: Simulate) -> None:
    """What is nested beyond measure is cut, and costs neither verdict nor results, journal nor state file."""
    nested: Any = "core"
    for _ in range(600):
        nested = [nested]
    test = {"title": "Validate", "status": "PASSED", "message": "", "details": nested}
    job = simulate(Scenario(connection={"nested": nested}, syncs=BRIEF.syncs, setup_tests=(test,)))
    state = str(job.folder / "state.json")

    for action in ("START", "TEST", "STATUS"):
        played = job.play(action, FIVETRAN_STATE_FILE=state)

        assert played.code == 0, played.stderr
        assert "Z WARNING: " not in played.stderr
        assert played.report is not None
        replay(read_journal(_file(job)))


def test_columns_are_left_out(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a source's schemas the journal has what is compared, and no columns; the run repeats without them."""
    table = {"enabled": True, "columns": {"id": {"enabled": True}, "secret_plan": {"enabled": False}}}
    schemas = {"public": {"enabled": True, "tables": {"orders": table, "odd": 5}}}
    monkeypatch.setattr(Simulator, "_schemas", lambda *_: schemas)
    job = simulate()

    job.play("FORCE_RESYNC", TABLE="Orders")

    assert "secret_plan" not in _file(job).read_text("utf-8")
    assert replay(read_journal(_file(job))).facts.near_matches == ("public.orders",)


def test_of_a_listing_there_is_what_is_compared(simulate: Simulate) -> None:
    """Of the account's connections the journal has ids, names and services; the run repeats with them."""
    job = simulate("unknown_connector")

    job.play()

    assert "db.example.com" not in _file(job).read_text("utf-8")
    found = replay(read_journal(_file(job))).facts.near_connections
    assert found == ({"id": "speaks_inexpensive", "name": "demo", "service": "postgres"},)


def test_nothing_is_imported_for_it_before_the_first_request() -> None:
    """What makes a journal's lines is not imported with the job: that is not worth a start."""
    code = "import sys, orchestrator.job.job; print(*sys.modules)"

    command = [sys.executable, "-c", code]

    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=True)

    assert {"orchestrator.job.journal", "orchestrator.fivetran.vocabulary"}.isdisjoint(done.stdout.split())


def test_long_run_stays_small(tmp_path: Path) -> None:
    """However many steps a run has, the journal keeps the same little of them."""
    now = iter(range(1_000_000))

    class Counter:
        def monotonic(self) -> float:
            return float(next(now))

        def wall(self) -> float:
            return 1_800_000_000.0

    def send(request: Request, _: float, __: bool) -> Answer:  # noqa: FBT001  # a port's form
        date = float(next(now))  # another document each time
        status = {"setup_state": "connected", "sync_state": "syncing" if request.changes or date > 50 else "scheduled"}
        return Answer(data={"id": str(date), "schedule_type": "manual", "status": status}, date=date)

    settings = Settings("START", "id", "", "", timeout=1e6, policies=(("on_running", "wait"),))
    run = Run(load("START"), settings, Ports(Counter(), send, lambda _: None, lambda: 0.5))
    journal = JournalWriter(tmp_path / "j.jsonl", run.chart, settings, Mask(), None)

    done = drive(run, lambda _: None)  # the clock goes on whenever it is asked

    def traced_after(steps: int) -> int:
        for taken in islice(done, steps):
            journal.add(taken)
        gc.collect()  # Python keeps some freed tuples otherwise
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    grown = -traced_after(150) + traced_after(500)
    tracemalloc.stop()

    assert grown < 16 * 1024  # the lines alone have 300,000 bytes
    assert len(read_journal(tmp_path / "j.jsonl").records) == 650


# --- Reading ----------------------------------------------------------------------------------------


def _recorded(tmp_path: Path, change: Callable[[list[str]], None]) -> Path:
    """A recorded journal with other lines."""
    lines = (FOLDER / "start-resumed.jsonl").read_text("utf-8").splitlines()
    change(lines)
    file = tmp_path / "journal.jsonl"
    file.write_text("\n".join(lines), "utf-8")
    return file


def test_torn_last_line_is_passed_over(tmp_path: Path) -> None:
    """A job that was killed while it wrote left a line torn: the rest is read, and that is said."""

    def tear(lines: list[str]) -> None:
        lines[-1] = lines[-1][:50]

    whole = read_journal(FOLDER / "start-resumed.jsonl")

    journal = read_journal(_recorded(tmp_path, tear))

    assert (len(journal.records), journal.torn) == (len(whole.records) - 1, True)


def test_line_torn_within_a_character_is_passed_over(tmp_path: Path) -> None:
    """A line may be torn between the bytes of a character: the lines before it are read all the same."""
    whole = read_journal(FOLDER / "start-resumed.jsonl")
    file = _recorded(tmp_path, lambda _: None)
    kept, last = file.read_bytes().rsplit(b"\n", 1)
    file.write_bytes(kept + b"\n" + last[:50] + "\N{EURO SIGN}".encode()[:-1])

    journal = read_journal(file)

    assert (len(journal.records), journal.torn) == (len(whole.records) - 1, True)


def _with(number: int, old: str, new: str) -> Callable[[list[str]], None]:
    def change(lines: list[str]) -> None:
        assert old in lines[number]
        lines[number] = lines[number].replace(old, new)

    return change


def _cut(lines: list[str]) -> None:
    lines[1:] = ['{"step": 1, "at']


def _empty(lines: list[str]) -> None:
    lines[:] = []


NO_HEADER = "not a journal file"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (_empty, NO_HEADER),
        (_with(0, '"format"', '"other"'), NO_HEADER),
        (lambda lines: lines.insert(0, "[]"), NO_HEADER),
        (
            _with(0, '"format": 2, "version": "0.2.0"', '"format": 3, "version": "9.0"'),
            "is a journal of format 3, written by version 9.0; version 0.2.0 reads format 2",
        ),
        (
            _with(0, '"format": 2,', '"format": 1,'),
            (
                "is a journal of format 1, written by version 0.2.0; version 0.2.0 reads format 2, in which times such "
                "as asked_at are seconds since the run began, evidence and restore_schedule are texts"
            ),
        ),
        (_with(0, '"packaged"', '"pack"'), "its header is damaged (ValueError: chart.packaged is missing)"),
        (
            _with(0, '"retry_limit": 8', '"retry_limit": 8.5'),
            "its header is damaged (ValueError: settings.retry_limit: 8.5 is not a non-negative whole number)",
        ),
        (
            _with(0, '"settings": {"action": "START"', '"settings": {"action": "DANCE"'),
            "its header is damaged (ValueError: settings.action: 'DANCE' is not one of FORCE_RESYNC, START",
        ),
        (_with(3, '"kind": "does"', '"kind": "sings"'), "line 4 is damaged (ValueError: 'sings' is not a valid Kind)"),
        (_with(2, '"step"', '"stop"'), "line 3 is damaged (ValueError: step is missing)"),
        (
            _with(3, '"answer"', '"answers"'),
            "line 4 is damaged (ValueError: a request was sent, but there is no outcome",
        ),
        (
            _with(0, '"timeout": 300.0', '"timeout": 9e18'),
            "its header is damaged (ValueError: settings.timeout: 9e+18 is",
        ),
        (_with(0, '"poll_interval"', '"poll"'), "its header is damaged (ValueError: settings.poll is unknown)"),
        (_with(0, '"unpause": false', '"unpause": 0'), "its header is damaged (ValueError: settings.unpause: 0 is not"),
        (_with(0, '"started_at": "2', '"started_at": "x'), "its header is damaged (ValueError: started_at: 'x"),
        (_with(0, '"schema": ""', '"api_key": ""'), "its header is damaged (ValueError: settings.api_key is unknown)"),
        (_with(2, '"ended": ', '"ended": -1, "x": '), "line 3 is damaged (ValueError: ended: -1 is not"),
        (_with(2, '"ended": ', '"ended": NaN, "x": '), "line 3 is damaged (ValueError: NaN is not a finite number)"),
        (
            _with(2, '"ended": ', '"ended": 1e999, "x": '),
            "line 3 is damaged (ValueError: 1e999 is not a finite number)",
        ),
        (
            _with(2, '"due": ', '"due": true, "x": '),
            "line 3 is damaged (ValueError: due: True is not a non-negative number)",
        ),
        (
            _with(1, '"answer": {', '"answer": null, "x": {'),
            "line 2 is damaged (ValueError: answer: None is not an object",
        ),
        (_with(1, '"answer": {', '"answer": {"more": 1, '), "line 2 is damaged (ValueError: answer.more is unknown)"),
        (
            _with(1, '"request": {', '"request": {}, "x": {'),
            "line 2 is damaged (ValueError: request.method is missing)",
        ),
        (
            _with(1, '"answer": {', '"failure": {"event": "conflict", "message": "", "more": 1}, "answer": {'),
            "line 2 is damaged (ValueError: failure.more is unknown)",
        ),
        (
            _with(1, '"answer": {', '"failure": {"event": "dance", "message": ""}, "answer": {'),
            "line 2 is damaged (KeyError: 'dance')",
        ),
        (_with(2, '"why": ', '"cut_off": "knife", "why": '), "line 3 is damaged (ValueError: cut_off: 'knife' is not"),
        (_with(2, '"why": ', '"by_hand": "magic", "why": '), "line 3 is damaged (ValueError: by_hand: 'magic' is not"),
        (_with(2, '"why": ', '"signal": "done", "why": '), "line 3 is damaged (ValueError: signal: 'done' is not"),
        (
            lambda lines: lines.insert(2, f"{'[' * 200}{']' * 200}"),
            "line 3 is damaged (ValueError: it is nested deeper than 100 levels)",
        ),
        (
            lambda lines: lines.insert(2, f"{'[' * 100_000}{']' * 100_000}"),
            "line 3 is damaged (ValueError: it is nested deeper than 100 levels)",
        ),
        (lambda lines: lines.insert(2, "{"), "line 3 is damaged (JSONDecodeError: "),
        (lambda lines: lines.insert(2, "7"), "line 3 is damaged (TypeError: it is not a JSON object)"),
        (lambda lines: lines.insert(2, '{"resumed": {"snapshot": {"state": 1}}}'), "line 3 is damaged (ValueError: "),
        (_cut, "has no complete step: the job was killed while writing the first"),
    ],
)
def test_what_is_no_journal_is_refused(tmp_path: Path, change: Callable[[list[str]], None], problem: str) -> None:
    """What is not a journal, one of another format, or damaged is refused with one line that says so."""
    file = _recorded(tmp_path, change)

    with pytest.raises(JournalError) as refused:
        read_journal(file)

    assert str(refused.value).startswith(f"{file}: {problem}")
    assert "\n" not in str(refused.value)


FACTS = [
    ("setup_tests", ["a"]),
    ("errors", [1]),
    ("near_matches", [None]),
    ("attempted", None),
    ("warnings", "x"),
    ("connection", 5),
    ("baseline", []),
    ("triggered_at", "noon"),
    ("started", 1),
    ("triggered_at", True),
    ("triggered_at", -1),
    ("reschedules", 2**70),
    ("baseline", {"date": "noon"}),
    ("failure", {"request": "GET /"}),
]


@pytest.mark.parametrize(("name", "value"), FACTS)
@pytest.mark.parametrize(
    ("recording", "number", "place", "damaged"),
    [
        ("start-resumed", 2, ("facts",), "line 3 is damaged"),
        ("start-resumed", 7, ("resumed", "snapshot", "facts"), "line 8 is damaged"),
        ("start-resumed-elsewhere", 0, ("resumed", "snapshot", "facts"), "its header is damaged"),
    ],
)
def test_facts_of_another_type_are_refused(
    tmp_path: Path, recording: str, number: int, place: tuple[str, ...], damaged: str, name: str, value: object
) -> None:
    """A fact that is not of its type is damage like any other, in a step and in what a run was taken up from."""
    lines = (FOLDER / f"{recording}.jsonl").read_text("utf-8").splitlines()
    facts = document = json.loads(lines[number])
    for member in place:
        facts = facts[member]
    facts[name] = value
    lines[number] = json.dumps(document)
    file = tmp_path / "journal.jsonl"
    file.write_text("\n".join(lines), "utf-8")

    with pytest.raises(JournalError) as refused:
        read_journal(file)

    assert str(refused.value).startswith(f"{file}: {damaged} (ValueError: facts.{name}")


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A file that is not there, or is not text, is refused by name."""
    binary = tmp_path / "picture.png"
    binary.write_bytes(b"\x89PNG\xff")

    wide = tmp_path / "wide.jsonl"
    wide.write_text("text", "utf-16")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    late = _recorded(tmp_path, _with(2, '"step"', '"st\xe9p"'))
    late.write_bytes(late.read_bytes().replace("\xe9".encode(), b"\xe9"))

    for file, why in (
        (tmp_path / "none.jsonl", "No such file or directory"),
        (tmp_path, "it is a directory, not a regular file"),
        (fifo, "it is a FIFO, not a regular file"),
        (Path("/dev/zero"), "it is a device, not a regular file"),
        (wide, "not UTF-8 text"),
        (binary, "not UTF-8 text"),
        (late, "not UTF-8 text"),
    ):
        with pytest.raises(JournalError) as refused:
            read_journal(file)

        assert str(refused.value) == f"{file}: cannot be read: {why}"


# What an attacker, or a broken disk, may put anywhere.
HOSTILE: list[Any] = [
    None,
    True,
    -1,
    2**63,
    10**400,
    "",
    "x",
    "9999-12-31T23:59:59Z",
    [],
    [[]],
    {},
    {"same_as": 1},
    "interrupted",
]


def _paths(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every member of a document, however deep."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for name, content in members for found in _paths(content, (*path, name)))]


def _forgeries(name: str, count: int) -> Iterator[list[str]]:
    """A recorded journal with one or two members replaced or taken away, and now and then with a line less or twice."""
    chance = random.Random(name)  # noqa: S311  # a table, and not a secret
    recorded = (FOLDER / f"{name}.jsonl").read_text("utf-8").splitlines()
    for _ in range(count):
        lines = list(recorded)
        number = chance.randrange(len(lines))
        document = json.loads(lines[number])
        for path in chance.sample(_paths(document)[1:], chance.randint(1, 2)):
            inner = document
            with suppress(KeyError, IndexError, TypeError):  # the first one may have taken the second away
                for member in path[:-1]:
                    inner = inner[member]
                inner[path[-1]] = chance.choice(HOSTILE)
                if chance.random() < 0.2:
                    del inner[path[-1]]
        lines[number] = json.dumps(document)
        if chance.random() < 0.1:
            lines.insert(number, lines[number])
        yield lines


@pytest.mark.parametrize(
    "name",
    ["start-resumed", "start-resumed-elsewhere", "start-flapping-network", "test-fails", "force-resync-unknown-table"],
)
def test_forged_journal_is_refused_or_differs(name: str, tmp_path: Path) -> None:
    """Whatever is altered in a journal: it is refused in words, differs from what the code does, or repeats."""
    file, outcomes = tmp_path / "journal.jsonl", Counter[str]()
    for lines in _forgeries(name, 60):
        file.write_text("\n".join(lines), "utf-8")
        try:
            replay(read_journal(file))
            outcomes["repeats"] += 1
        except (JournalError, Divergence) as error:
            outcomes[type(error).__name__ if str(error) else "no words"] += 1

    assert set(outcomes) == {"repeats", "JournalError", "Divergence"}


@pytest.mark.parametrize("name", ["start-resumed-elsewhere", "test-fails"])
def test_commands_cope_with_a_forged_journal(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`replay`, `report` and `debug --replay` end with their own exit codes, without a traceback, on any journal."""
    file, orders = tmp_path / "journal.jsonl", tmp_path / "orders.txt"
    orders.write_text("forward 99\nfacts\nlast\nwhy\nhistory all\nback\nfork\nstep 3\n", "utf-8")
    commands = (
        ["replay", str(file)],
        ["report", str(file), "-o", str(tmp_path / "report")],
        ["debug", "--replay", str(file), "--commands", str(orders)],
    )
    for lines in _forgeries(name, 12):
        file.write_text("\n".join(lines), "utf-8")

        codes = [main(command, {}) for command in commands]

        shown = capsys.readouterr()
        assert set(codes) <= {0, 1, 2}
        assert "Traceback" not in shown.err + shown.out


def test_report_of_steps_that_are_not_the_charts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A journal whose steps its own chart does not have, or that ends with no verdict of it, has no report."""
    recorded = (FOLDER / "status.jsonl").read_text("utf-8").splitlines()
    way = [line.replace('"event": "reported"', '"event": "dances"') for line in recorded]
    end = [line.replace('"verdict": "shown"', '"verdict": "seen"') for line in recorded]
    for lines, problem in ((way, "its chart has no edge "), (end, "its chart has no end for the verdict seen")):
        assert lines != recorded
        file = tmp_path / "journal.jsonl"
        file.write_text("\n".join(lines), "utf-8")

        code = main(["report", str(file), "-o", str(tmp_path / "report")], {})

        assert code == 2
        assert capsys.readouterr().err.startswith(f"{file}: {problem}")


def test_foreign_first_line_is_not_this_runs_journal(tmp_path: Path) -> None:
    """Whatever the first line of a file is, a run that is taken up does not go on in it."""
    chart, settings = load("STATUS"), Settings("STATUS", "id", "", "")
    taken = step("a", "went", "b")
    snapshot: dict[str, Any] = {"facts": {}}
    file = tmp_path / "journal.jsonl"
    for first in (b"", b"[]", b"\xff", b"[" * 100_000, b'{"format": 1, "chart": []}', b'{"format": NaN}'):
        file.write_bytes(first + b"\n")

        JournalWriter(file, chart, settings, Mask(), snapshot).add(taken)

        assert file.read_bytes().startswith(b'{"format": 2, ')
