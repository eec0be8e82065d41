"""Charts of users' own: the example runs, a bad one is refused before any request, and the documentation is true."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from simulated_job import Played, Simulate, SimulatedJob

from orchestrator.cli import main
from orchestrator.job.own_chart import load_file
from orchestrator.job.variables import VARIABLES
from orchestrator.machine.loader import load, parse
from orchestrator.machine.promises import broken
from orchestrator.machine.run import Run
from orchestrator.machine.step import Step
from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan

pytestmark = pytest.mark.usefixtures("_undrawn")

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "charts" / "test_then_start.toml"
START = (ROOT / "statecharts" / "start.toml").read_text("utf-8")
PAGE = (ROOT / "docs" / "charts.md").read_text("utf-8")
BRIEF = SyncPlan(lasts=25)


def written(folder: Path, *edits: tuple[str, str], text: str = START) -> str:
    """A chart with places changed, as a file."""
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / "test_then_start.toml"
    path.write_text(text, "utf-8")
    return str(path)


def setup_test(result: str) -> dict[str, Any]:
    """A result of a setup test."""
    return {"title": "Connecting", "status": result, "message": "so it is", "details": None}


# --- The example --------------------------------------------------------------------------------


def test_example_is_start_with_tests_before_it() -> None:
    """The example is START but for its first state, the tests and their verdict; it keeps each promise."""
    start, own = load("START"), load_file(str(EXAMPLE), "START")

    added = own.states["testing"]
    ending = start.states["ending"]
    with_verdict = {**ending.edges, "tests_failed": "failed"}

    assert (own.initial, added.edges["passed"], added.edges["tests_failed"]) == ("testing", "validating", "concluding")
    assert added == replace(load("TEST").states["testing"], edges={**added.edges}, group="Do the setup tests pass?")
    assert {**own.states, "testing": None} == {
        **start.states,
        "testing": None,
        "ending": replace(ending, edges=with_verdict),
    }
    assert broken(own) == {}


def test_example_starts_when_the_tests_pass(simulate: Simulate) -> None:
    """Setup tests that pass, with a warning, are followed by START as it is."""
    job = simulate(Scenario(syncs=(BRIEF,), setup_tests=(setup_test("PASSED"), setup_test("WARNING"))))

    played = job.play("START", FIVETRAN_CHART=str(EXAMPLE))

    assert (played.code, played.requests) == (0, ["test", "get", "patch", "sync", *["get"] * 3, "history"])
    assert [sync.outcome for sync in job.syncs] == ["succeeds"]


def test_example_starts_nothing_when_a_test_fails(simulate: Simulate) -> None:
    """A setup test that fails ends the run with 1: nothing is started, and nothing changed."""
    job = simulate(Scenario(syncs=(BRIEF,), setup_tests=(setup_test("PASSED"), setup_test("FAILED"))))

    played = job.play("START", FIVETRAN_CHART=str(EXAMPLE))

    assert (played.code, played.requests, job.syncs) == (1, ["test", "errors"], [])
    assert played.report is not None
    assert (played.report["verdict"], played.report["state"]) == ("tests_failed", "failed")
    assert "Connecting: FAILED: so it is" in played.report["reasons"]


def test_example_tests_once_where_it_waits(simulate: Simulate) -> None:
    """While another sync is waited for, the tests are not run again."""
    job = simulate(Scenario(running=BRIEF, syncs=(BRIEF,), setup_tests=(setup_test("PASSED"),)))

    played = job.play("START", FIVETRAN_CHART=str(EXAMPLE))

    assert (played.code, played.requests.count("test"), played.requests.count("sync")) == (0, 1, 1)


# --- FIVETRAN_CHART -----------------------------------------------------------------------------


def refused(job: SimulatedJob, path: str, action: str = "START", **more: Any) -> Played:
    """A job that must ask nothing."""
    played = job.play(action, FIVETRAN_CHART=path, **more)

    assert (played.code, played.requests) == (2, [])
    return played


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (('"poll_sync"', '"pole_sync"'), "polling: does: unknown effect 'pole_sync'"),
        (("initial =", "initial"), "Expected '=' after a key in a key/value pair"),
        (
            ('edges.otherwise = "waiting"', 'edges.otherwise = "triggering"'),
            "breaks the promise 'at most one trigger': validating --busy--> taking_baseline --busy--> ",
        ),
        (
            ('green    = "succeeded"', 'green = "timed_out"'),
            "green: a chart for START has succeeded, not timed_out: leave it out",
        ),
    ],
    ids=["law", "TOML", "promise", "another purpose"],
)
def test_bad_chart_is_refused(simulate: Simulate, tmp_path: Path, edit: tuple[str, str], problem: str) -> None:
    """A chart that breaks a law or a promise ends the job before any request, and says how to learn more."""
    path = written(tmp_path, edit)

    played = refused(simulate(), path)

    assert f"FIVETRAN_CHART: {path}: {problem}" in played.stderr
    assert f"`fivetran-orchestrator check {path}` has the details" in played.stderr


def test_chart_of_the_version_before_is_refused(simulate: Simulate, tmp_path: Path) -> None:
    """A chart with an edge that went says so, and what took its place; the edges that are missing are named, too."""
    path = written(
        tmp_path,
        (
            'edges.busy       = "taking_baseline"\nedges.paused     = "considering_unpause"',
            'edges.schedule_kept = "taking_baseline"\nedges.paused     = "considering_unpause"',
        ),
    )

    played = refused(simulate(), path)

    gone = "validating: edges.schedule_kept: was removed in this version; `ready` now leads to the choice "
    assert f"{path}: {gone}'schedule_to_switch', and a running sync is `busy`: see docs/charts.md" in played.stderr
    assert "validating: no edge for 'busy', a possible outcome of does 'validate_connection'" in played.stderr


def test_chart_of_another_action_is_refused(simulate: Simulate, tmp_path: Path) -> None:
    """A chart must be that of FIVETRAN_ACTION, and be there."""
    job, path = simulate(), written(tmp_path)

    other, missing = refused(job, path, "TEST"), refused(job, str(tmp_path / "missing.toml"))

    assert f"FIVETRAN_CHART: {path}: action: this is a chart for START, not for TEST" in other.stderr
    assert "missing.toml: cannot be read: No such file or directory" in missing.stderr


def test_chart_with_another_purpose_is_replayed_no_more(
    simulate: Simulate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A journal whose chart would call something else green is refused like the chart itself."""
    job = simulate(Scenario(syncs=(BRIEF,)))
    job.play("START", FIVETRAN_CHART=written(tmp_path, ("[done]", "# mine\n[done]")))
    journal = job.folder / "report" / "journal.jsonl"
    fault = "green: a chart for START has succeeded, not cancelled: leave it out"
    text = journal.read_text("utf-8")
    other = text.replace('green    = \\"succeeded\\"', 'green    = \\"cancelled\\"')
    assert other != text

    assert main(["replay", str(journal)], {}) == 0
    journal.write_text(other, "utf-8")
    for command in (["replay", str(journal)], ["report", str(journal), "-o", str(tmp_path / "drawn")]):
        assert main(command, {}) == 2
        assert fault in capsys.readouterr().err


def test_flag_names_the_chart(simulate: Simulate, capsys: pytest.CaptureFixture[str]) -> None:
    """`run --chart` is FIVETRAN_CHART."""
    job = simulate()

    code = main(["run", "--chart", "nowhere.toml"], job.variables("START"))

    assert (code, job.requests) == (2, [])
    assert "FIVETRAN_CHART: nowhere.toml: cannot be read" in capsys.readouterr().err


def test_policies_are_the_charts(simulate: Simulate, tmp_path: Path) -> None:
    """The values of a policy are the edges of the chart that runs, whatever they are called."""
    job = simulate(Scenario(running=BRIEF, syncs=(BRIEF,)))
    path = written(tmp_path, ('edges.attach  = "waiting"', 'edges.leave_it = "concluding"'))

    played = job.play("START", FIVETRAN_CHART=path, FIVETRAN_ON_RUNNING="leave_it")

    assert (played.code, played.requests) == (7, ["get"])
    assert "set it to wait, leave_it, restart or fail" in refused(job, path, FIVETRAN_ON_RUNNING="attach").stderr


def test_verdict_without_words_of_its_own(simulate: Simulate, tmp_path: Path) -> None:
    """Any event can be a verdict: the report names it, and says what failed."""
    job = simulate(Scenario(faults=(Fault(on="sync", status=409, code="Conflict", message="the message"),)))
    path = written(
        tmp_path,
        ('edges.conflict    = "considering_conflict"', 'edges.conflict    = "concluding"'),
        ('edges.answer_lost = "awaiting_sign"', 'edges.answer_lost = "considering_conflict"'),
        (
            'edges.busy        = "unable_to_sync"',
            'edges.busy        = "unable_to_sync"\nedges.conflict = "unable_to_sync"',
        ),
    )

    played = job.play("START", FIVETRAN_CHART=path)

    assert played.report is not None
    assert (played.code, played.report["verdict"]) == (7, "conflict")
    assert played.report["headline"] == "the chart ended the run with conflict"
    assert "409 Conflict: the message" in played.report["reasons"][0]


class Killed(BaseException):
    """SIGKILL: nothing gets to clean up."""


def test_run_goes_on_in_its_own_chart_only(simulate: Simulate, tmp_path: Path) -> None:
    """A run that was begun with one chart is not taken up with another, the action's own included."""
    job = simulate(Scenario(syncs=(BRIEF,), setup_tests=(setup_test("PASSED"),)))
    variables: dict[str, Any] = {"FIVETRAN_CHART": str(EXAMPLE), "FIVETRAN_STATE_FILE": str(tmp_path / "state.json")}

    def die(run: Run, _: Step | None) -> None:
        if run.facts.triggered_at is not None:
            raise Killed

    with pytest.raises(Killed):
        job.play("START", die, **variables)
    for chart in ("", written(tmp_path)):
        other = refused(job, chart, FIVETRAN_STATE_FILE=variables["FIVETRAN_STATE_FILE"])

        assert "has an unfinished run of another chart than START has now: remove it" in other.stderr
    again = job.play("START", **variables)

    assert (again.code, len(job.syncs)) == (0, 1)
    assert "resumed the run of" in again.stderr


# --- docs/charts.md -----------------------------------------------------------------------------


def blocks(language: str) -> list[str]:
    """The page's blocks in a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_page_makes_the_example() -> None:
    """START's chart with the page's blocks in their places is the example."""
    first, state, verdict, _ = blocks("toml")
    places = (
        ('initial = "validating"\n', first),
        ("# --- Can it sync at all?", f"{state}\n# --- Can it sync at all?"),
        ('edges.refused     = "access_denied"\n', f'{verdict}edges.refused     = "access_denied"\n'),
    )
    text = START
    for old, new in places:
        assert text.count(old) == 1
        text = text.replace(old, new)

    assert parse(text, "made").digest == load_file(str(EXAMPLE)).digest


def misplaced() -> tuple[tuple[str, str], ...]:
    """What the page says to change in its chart, so that the tests come right before the trigger."""
    (words,) = re.findall(r"^Or that the tests.*?\. The form is sound", PAGE, re.DOTALL | re.MULTILINE)
    edits = []
    for key, value in re.findall(r'`([\w.]+) = "(\w+)"`', words):
        (line,) = re.findall(rf'^{re.escape(key)} *= "\w+"$', EXAMPLE.read_text("utf-8"), re.MULTILINE)
        edits.append((line, f'{key} = "{value}"'))
    return tuple(edits)


@pytest.mark.parametrize(
    "edits",
    [
        (('edges.tests_failed = "failed"\n', ""),),
        misplaced(),
    ],
    ids=["no verdict", "too late"],
)
def test_mistakes_on_the_page_are_real(
    edits: tuple[tuple[str, str], ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What the page shows of a mistake is what `check` says of it, line for line."""
    monkeypatch.chdir(tmp_path)
    written(tmp_path, *edits, text=EXAMPLE.read_text("utf-8"))

    code = main(["check", "test_then_start.toml"], {})

    told = capsys.readouterr().out.splitlines()
    wrong = [line for line in told if "ok" not in line.split()[:1]]
    shown = [block for block in blocks("console") if block.splitlines()[-1] == wrong[-1]]
    assert code == 1
    assert [block.splitlines() for block in shown] == [wrong[-len(shown[0].splitlines()) :]]
    assert [line for line in wrong if "BROKEN" in line or "REFUSED" in line] == [
        line for line in shown[0].splitlines() if "BROKEN" in line or "REFUSED" in line
    ]


def test_mistake_with_the_first_state_left_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the tests as the first state still, two more promises are broken, as the page says."""
    others = [edit for edit in misplaced() if not edit[0].startswith("initial")]

    assert len(others) == len(misplaced()) - 1
    assert main(["check", written(tmp_path, *others, text=EXAMPLE.read_text("utf-8"))], {}) == 1
    assert [line.strip() for line in capsys.readouterr().out.splitlines() if "BROKEN" in line] == [
        "BROKEN  no trigger without a baseline",
        "BROKEN  no trigger with a stale baseline",
        "BROKEN  only the right sync is judged",
    ]


def test_job_on_the_page_is_one_that_we_know() -> None:
    """The page's job has only known variables, and the chart is among them."""
    (variables,) = yaml.safe_load(blocks("yaml")[0]).values()

    assert set(variables) <= set(VARIABLES)
    assert variables["FIVETRAN_CHART"].endswith(EXAMPLE.name)
