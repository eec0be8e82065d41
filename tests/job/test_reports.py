"""The reports: what is in FIVETRAN_REPORT_DIR however a run ends."""

import json
import os
import random
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from forms import DOCS, SCHEMA, assert_result
from jsonschema import Draft202012Validator
from process import environment
from simulated_job import Simulate

from orchestrator.cli import main
from orchestrator.debugger.journal_reader import read_journal
from orchestrator.job.configuration import configure
from orchestrator.job.masking import Mask
from orchestrator.job.report import page
from orchestrator.job.report.gitlab import report_url
from orchestrator.job.report_folder import Reporter
from orchestrator.job.result import DRAWINGS, RESULT, result
from orchestrator.job.trace import Trace
from orchestrator.machine.loader import load
from orchestrator.machine.run import Run
from orchestrator.machine.standing import Standing
from orchestrator.machine.step import Step
from orchestrator.simulator.app import KEY
from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan, names
from orchestrator.values.facts import Facts

FILES = {
    *("result.json", "journal.jsonl"),
    *("index.html", "summary.md", "junit.xml", "fivetran.env", "annotations.json"),
}


class KilledError(BaseException):
    """The process is gone."""


def report(folder: Path) -> dict[str, str]:
    """The files of a report, by name."""
    return {path.name: path.read_text("utf-8") for path in (folder / "report").iterdir()}


# --- result.json --------------------------------------------------------------------------------


def test_schema_is_one() -> None:
    """The schema is a sound one, describes every member and requires all of them, in their order."""
    Draft202012Validator.check_schema(SCHEMA)

    assert SCHEMA["required"] == list(SCHEMA["properties"])
    assert [name for name, member in SCHEMA["properties"].items() if "description" not in member] == []


@pytest.mark.parametrize("name", names())
def test_scenario_has_a_valid_result(simulate: Simulate, name: str) -> None:
    """Whatever happens at Fivetran, every file is there, and the result is as its schema says."""
    job = simulate(name)

    played = job.play()

    assert report(job.folder).keys() == FILES, played.stderr
    assert_result(played.report)


@pytest.mark.parametrize(
    "variables",
    [
        {"FIVETRAN_TIMEOUT": "soon"},
        {"CONNECTOR_ID": "", "FIVETRAN_ACTION": ""},
        {"CONNECTOR_ID": "<script>", "FIVETRAN_ACTION": "FORCE_RESYNC", "TABLE": ""},
    ],
)
def test_wrong_variables_have_a_valid_result(simulate: Simulate, variables: dict[str, Any]) -> None:
    """So it is for wrong variables: nothing ran, so there is no journal; the rest is there."""
    job = simulate()

    played = job.play(**{"action": "START", **variables})

    assert report(job.folder).keys() == FILES - {"journal.jsonl"}
    assert_result(played.report)
    assert f"report    {job.folder}/report/index.html" in played.stderr


def test_bug_has_a_valid_result(simulate: Simulate) -> None:
    """So it is for a bug of ours, with the steps until it struck."""

    def observe(_: Run, step: Step | None) -> None:
        if step is not None and step.event == "triggered":
            raise ZeroDivisionError

    job = simulate()

    played = job.play(observe=observe)

    assert played.code == 70
    assert report(job.folder).keys() == FILES
    assert_result(played.report)
    assert played.report is not None
    assert (played.report["verdict"], played.report["steps"][-1]["event"]) == ("bug", "triggered")
    assert played.report["schedule_before"] == "auto"


def test_odd_values_of_fivetran(simulate: Simulate) -> None:
    """A date that is no text is left out: the form of the result is ours."""
    job = simulate(Scenario(connection={"succeeded_at": 5, "failed_at": ["x"]}))

    played = job.play("STATUS")

    assert_result(played.report)


def test_documentation_has_every_member() -> None:
    """The table in docs/reports.md says of each member what the schema says."""
    rows = [f"| `{name}` | {member['description']} |" for name, member in SCHEMA["properties"].items()]

    text = (DOCS / "reports.md").read_text("utf-8").partition("## Many connections")[0]
    written = [line for line in text.splitlines() if line.startswith("| `")]

    assert [row for row in written if row.split("`")[1] in SCHEMA["properties"]] == rows


# --- When, and at what cost ---------------------------------------------------------------------


EARLY = """
import io, sys
from orchestrator.values.clock import SystemClock
from orchestrator.simulator.app import Simulator
from orchestrator.simulator.rehearsal import variables
from orchestrator.simulator.scenario import Scenario
from orchestrator.simulator.server import served
from orchestrator.job.job import Job

late = ("orchestrator.job.report", "orchestrator.job.journal", "orchestrator.fivetran.vocabulary")
loaded = []

def arrived(_):
    loaded.append([name for name in late if name in sys.modules])

simulator = Simulator(Scenario(), SystemClock(), on_arrival=arrived)
with served(simulator) as url:
    environ = {**variables(Scenario(), url), "FIVETRAN_ACTION": "STATUS", "FIVETRAN_REPORT_DIR": sys.argv[1]}
    Job(environ, stdout=io.StringIO(), stderr=io.StringIO()).run()
print(loaded[0], [name for name in late if name in sys.modules] == list(late))
"""


def test_nothing_is_drawn_before_the_end(tmp_path: Path) -> None:
    """What the reports need is imported when there is something to report, and not before the first request."""
    command = [sys.executable, "-c", EARLY, str(tmp_path)]

    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr) == ("[] True\n", "")


def test_fault_in_a_drawing_costs_that_drawing(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    """A drawing that fails is a warning; the verdict and the other files stand, and no older run's page is left."""
    job = simulate()
    job.play()

    def draw(*_: object, **__: object) -> str:
        raise ZeroDivisionError(KEY)

    monkeypatch.setattr(page, "draw", draw)

    played = job.play()

    assert played.code == 0
    assert "index.html could not be written: ZeroDivisionError: ***" in played.stderr
    assert report(job.folder).keys() == FILES - {"index.html"}


def test_only_the_result_waits_for_the_disk(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow disk is waited for once, for the result: the rest can be drawn again from the journal."""
    synced: list[int] = []
    monkeypatch.setattr("os.fsync", synced.append)

    simulate().play()

    assert len(synced) == 1


def test_exit_code_of_ones_own(simulate: Simulate) -> None:
    """An exit code that only a chart of one's own has is no bug of ours."""
    settings = configure(simulate().variables()).settings
    chart = load("START")
    failed = replace(chart.states["failed"], exit=9)
    own = replace(chart, states={**chart.states, "failed": failed})

    document = result(settings, own, Standing("", Facts(verdict="sync_failed"), 0.0), Trace(), 1.0)

    assert (document["exit_code"], document["exit_meaning"]) == (9, "the sync failed, or it was cancelled")


def test_place_of_a_drawing_is_taken(simulate: Simulate) -> None:
    """So it is for a file that cannot be written."""
    job = simulate()
    (job.folder / "report" / "junit.xml").mkdir(parents=True)

    played = job.play()

    assert played.code == 0
    assert "junit.xml could not be written: IsADirectoryError" in played.stderr
    assert (job.folder / "report" / "index.html").is_file()


def test_unwritable_result_is_said_once(simulate: Simulate) -> None:
    """Where the result cannot be written, nothing else is, and nobody is sent to a report."""
    job = simulate()
    (job.folder / "report" / RESULT).mkdir(parents=True)

    played = job.play(FIVETRAN_JOURNAL="0")

    assert played.code == 0
    assert "the report could not be written" in played.stderr
    assert [path.name for path in (job.folder / "report").iterdir()] == [RESULT]
    assert "report    " not in played.stderr


def test_reports_can_be_unwanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a directory a reporter writes nothing."""
    monkeypatch.chdir(tmp_path)

    Reporter("", Mask(), pytest.fail, {}).write({}, Trace(), None)

    assert list(tmp_path.iterdir()) == []


def test_secrets_are_in_no_file(simulate: Simulate) -> None:
    """A key that Fivetran says back is masked in every file, however it is escaped there."""
    said = f"<{KEY}>"
    tests = ({"title": said, "status": "FAILED", "message": said, "details": [said]},)
    job = simulate(Scenario(setup_tests=tests, faults=(Fault(on="get", status=429, code="TooMany", message=said),)))

    job.play("TEST")

    files = report(job.folder)
    assert files.keys() == FILES
    assert [name for name, text in files.items() if KEY in text] == []
    assert "&lt;***&gt;" in files["index.html"]


# --- Where GitLab shows it ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "directory", "expected"),
    [
        ({}, "out", None),
        ({"CI_JOB_URL": "javascript:alert(1)", "CI_PROJECT_DIR": "/b/p"}, "/b/p/out", None),
        (
            {"CI_JOB_URL": "https://g/j/7", "CI_PROJECT_DIR": "/b/p"},
            "/b/p/out",
            "https://g/j/7/artifacts/file/out/index.html",
        ),
        (
            {"CI_JOB_URL": "https://g/j/7", "CI_PROJECT_DIR": "/b/p"},
            "/b/p/a b/ü",
            "https://g/j/7/artifacts/file/a%20b/%C3%BC/index.html",
        ),
        ({"CI_JOB_URL": "https://g/j/7", "CI_PROJECT_DIR": "/b/p"}, "/elsewhere/out", None),
        ({"CI_JOB_URL": "https://g/j/7"}, "a/b", "https://g/j/7/artifacts/file/a/b/index.html"),
        ({"CI_JOB_URL": "https://g/j/7"}, "\udcff", "https://g/j/7/artifacts/file/%FF/index.html"),
    ],
)
def test_report_url(environ: dict[str, str], directory: str, expected: str | None) -> None:
    """The page's address is known where GitLab says the job's, and the folder lies where artifacts do."""
    assert expected == report_url(environ, directory)


def test_report_url_without_a_working_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the working directory is gone, the page's address cannot be told."""

    def gone() -> str:
        raise FileNotFoundError

    monkeypatch.setattr(os, "getcwd", gone)

    assert report_url({"CI_JOB_URL": "https://g/j/7"}, "out") is None


def test_page_that_was_not_drawn_is_not_named(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the page could not be drawn, neither the log nor GitLab's annotations lead to it."""
    monkeypatch.setattr(page, "draw", lambda *_, **__: 1 / 0)
    job = simulate()

    played = job.play(CI_JOB_URL="https://g/j/7", CI_PROJECT_DIR=str(job.folder))

    assert "index.html could not be written" in played.stderr
    assert "report    " not in played.stderr
    assert "index.html" not in report(job.folder)["annotations.json"]


def test_results_of_an_older_run_go_when_one_begins(simulate: Simulate) -> None:
    """A run that is killed has no results: those of an older one must not pass for its."""
    job = simulate()
    job.play()

    def die(run: Run, step: Step | None) -> None:
        del run
        if step is not None:
            raise KilledError

    with pytest.raises(KilledError):
        job.play(observe=die)

    assert [path.name for path in (job.folder / "report").iterdir()] == ["journal.jsonl"]
    assert {RESULT, *DRAWINGS, "journal.jsonl"} == FILES


def test_result_and_stdout_tell_the_same_end(simulate: Simulate) -> None:
    """The document on stdout has the times of the one that was written, however long the writing took."""
    job = simulate()

    def slowly(run: Run, step: Step | None) -> None:
        del run
        if step is not None and step.event == "reported":
            job.clock.sleep(2.0)

    played = job.play(observe=slowly)

    assert played.report is not None
    assert json.loads(played.stdout)["ended_at"] == played.report["ended_at"]


def test_log_names_the_report(simulate: Simulate) -> None:
    """The log ends with where to read on: in GitLab a link."""
    job = simulate()

    played = job.play(CI_JOB_URL="https://gitlab.example/-/jobs/7", CI_PROJECT_DIR=str(job.folder))

    assert "report    https://gitlab.example/-/jobs/7/artifacts/file/report/index.html" in played.stderr


# --- From a journal -----------------------------------------------------------------------------


def _drawn(journal: Path, folder: Path) -> dict[str, Any]:
    assert main(["report", str(journal), "-o", str(folder)], {}) == 0
    document: dict[str, Any] = json.loads((folder / RESULT).read_text("utf-8"))
    assert_result(document)
    return document


@pytest.mark.parametrize("name", ["succeeds", "flapping_network", "rescheduled_twice", "wrong_key"])
def test_report_of_a_journal(simulate: Simulate, tmp_path: Path, name: str) -> None:
    """A journal gives the same files that the run wrote; only its last steps are in none of the latter."""
    job = simulate(name)
    played = job.play()

    document = _drawn(job.folder / "report" / "journal.jsonl", tmp_path / "again")

    assert played.report is not None
    steps = document.pop("steps")
    assert [step["event"] for step in steps[-2:]] == ["reported", played.report["verdict"]]
    assert steps[:-2] == played.report.pop("steps")
    assert document == played.report
    assert {path.name for path in (tmp_path / "again").iterdir()} == FILES - {"journal.jsonl"}


def test_report_of_a_run_that_was_killed(simulate: Simulate, tmp_path: Path) -> None:
    """The journal of a run that was killed gives a report, which says that there is no end."""

    def observe(run: Run, _: Step | None) -> None:
        if run.state.name == "polling":
            raise KilledError

    job = simulate()
    with pytest.raises(KilledError):
        job.play(observe=observe)

    document = _drawn(job.folder / "report" / "journal.jsonl", tmp_path / "again")

    assert (document["verdict"], document["exit_code"], document["state"]) == (None, None, None)
    assert document["reasons"] == ["its journal ends before the run did: the job was killed, or is still running"]
    assert document["steps"][-1]["event"] == "waited"
    again = (tmp_path / "again" / "index.html").read_text("utf-8")
    assert "FAILED: " in again
    assert "Exit code" not in again


def test_report_of_a_run_that_was_killed_behind_its_conclusion(simulate: Simulate, tmp_path: Path) -> None:
    """A run that had its verdict and not its end is told as one without an end."""

    def observe(_: Run, step: Step | None) -> None:
        if step is not None and step.event == "looked_up":
            raise KilledError

    job = simulate()
    with pytest.raises(KilledError):
        job.play(observe=observe)

    document = _drawn(job.folder / "report" / "journal.jsonl", tmp_path / "again")

    assert (document["verdict"], document["exit_code"], document["state"]) == (None, None, None)


def test_report_of_a_run_that_was_taken_up(simulate: Simulate, tmp_path: Path) -> None:
    """A run that was taken up without its journal has the steps of its state file in the report."""
    job, file = simulate(), str(tmp_path / "state.json")

    def observe(run: Run, _: Step | None) -> None:
        if run.state.name == "polling":
            raise KilledError

    with pytest.raises(KilledError):
        job.play(observe=observe, FIVETRAN_STATE_FILE=file)
    (job.folder / "report" / "journal.jsonl").unlink()
    played = job.play(FIVETRAN_STATE_FILE=file)

    document = _drawn(job.folder / "report" / "journal.jsonl", tmp_path / "again")

    assert played.report is not None
    assert (played.report["resumed"], document["resumed"]) == (True, True)
    assert document["steps"][0]["from"] == played.report["steps"][0]["from"] == "validating"
    shown = (job.folder / "report" / "index.html").read_text("utf-8")
    assert shown.count("<li id=") == len(played.report["steps"])


@pytest.mark.parametrize("given", ["nowhere.jsonl", "report/result.json"])
def test_no_journal(simulate: Simulate, capsys: pytest.CaptureFixture[str], given: str) -> None:
    """What is no journal is refused by its name, with exit code 2."""
    job = simulate()
    job.play()

    code = main(["report", str(job.folder / given), "-o", str(job.folder / "again")], {})

    assert code == 2
    assert given in capsys.readouterr().err
    assert not (job.folder / "again").exists()


def test_report_cannot_be_written(simulate: Simulate, capsys: pytest.CaptureFixture[str]) -> None:
    """A directory that cannot be had is named, with exit code 2."""
    job = simulate()
    job.play()
    (job.folder / "file").touch()

    code = main(["report", str(job.folder / "report" / "journal.jsonl"), "-o", str(job.folder / "file")], {})

    assert code == 2
    assert re.search(r"file: cannot be written: .*: use another directory", capsys.readouterr().err)


def test_long_run_stays_small(simulate: Simulate) -> None:
    """The page of a thousand polls holds their loop once."""
    job = simulate(Scenario(syncs=(SyncPlan(lasts=10_000),)))

    job.play(FIVETRAN_TIMEOUT="20000")

    drawn = report(job.folder)["index.html"]
    assert len(drawn) < 110_000
    assert "×1,000" in drawn


def test_page_of_ever_other_steps_stays_small(simulate: Simulate) -> None:
    """A run of a thousand steps that make no loop has a page of less than 300 KB, and its middle is left out."""
    job = simulate("flapping_network")
    played = job.play()
    records = read_journal(job.folder / "report" / "journal.jsonl").records
    reporter = Reporter(str(job.folder / "long"), Mask(), pytest.fail, {})
    trace = Trace()
    for second, record in enumerate(random.Random(7).choices(records, k=1000)):  # noqa: S311  # no secret
        trace.add(record.step._replace(at=float(second)))

    reporter.write(played.report or {}, trace, load("START"))

    drawn = (job.folder / "long" / "index.html").read_text("utf-8")
    assert 140_000 < len(drawn) < 300_000
    assert re.search(r"[67]\d\d steps in the middle are left out", drawn)
    assert ">left out</span>" in drawn


def test_charts_are_told_apart(simulate: Simulate) -> None:
    """What an exit code means is that of the chart that ran, however many others ran before it."""
    settings = configure(simulate().variables()).settings
    chart = load("START")

    def meaning(code: int) -> tuple[str, str]:
        own = replace(chart, states={**chart.states, "failed": replace(chart.states["failed"], exit=code)})
        ended = result(settings, own, Standing("", Facts(verdict="sync_failed"), 0.0), Trace(), 1.0)
        assert ended["exit_code"] == code
        return ended["exit_meaning"], ended["chart"]

    found = [meaning(code) for code in (*range(100, 120), *range(100, 120))]

    assert {words for words, _ in found} == {"the sync failed, or it was cancelled"}
    assert len({digest for _, digest in found}) == 20
