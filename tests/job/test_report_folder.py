"""What lies in FIVETRAN_REPORT_DIR already: results of an earlier run, files of others, links that somebody planted."""

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from simulated_job import Played, Simulate

from orchestrator.cli import main
from orchestrator.job.masking import Mask
from orchestrator.job.report.gitlab import report_url
from orchestrator.job.report_folder import is_foreign, write_result
from orchestrator.job.result import DRAWINGS, JOURNAL, RESULT
from orchestrator.machine.run import Run
from orchestrator.machine.step import Step
from orchestrator.simulator.scenario import Scenario, SyncPlan

BRIEF = Scenario(syncs=(SyncPlan(lasts=15),))
NAMES = (RESULT, JOURNAL, *DRAWINGS)
# A file of the same name that somebody else has.
FOREIGN = {
    RESULT: '{"format": 1, "result": "mine"}',
    JOURNAL: '{"day": 1}\n',
    "index.html": "<!DOCTYPE html><title>mine</title>",
    "summary.md": "# Mine\n",
    "junit.xml": '<?xml version="1.0"?><testsuites><testsuite name="pytest"/></testsuites>',
    "fivetran.env": "FIVETRAN_API_KEY=mine\n",
    "annotations.json": '{"mine": []}',
}


class KilledError(BaseException):
    """The process is gone."""


def _die_in(state: str) -> Callable[[Run, Step | None], None]:
    def observe(run: Run, _: Step | None) -> None:
        if run.state.name == state:
            raise KilledError

    return observe


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The report's folder, which is there already."""
    made = tmp_path / "report"
    made.mkdir()
    return made


def told(played: Played) -> list[str]:
    """The warnings about files that are left alone."""
    return [line for line in played.stderr.splitlines() if "is not a file of this job" in line]


def names(folder: Path) -> set[str]:
    """What lies there."""
    return {entry.name for entry in folder.iterdir()}


# --- Ours -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["STATUS", "START", "TEST", "FORCE_RESYNC"])
@pytest.mark.parametrize("timeout", ["300", "wrong"])
def test_every_file_is_recognised(simulate: Simulate, folder: Path, action: str, timeout: str) -> None:
    """Whatever a job writes, the next one knows it for its own; so does `report` of the journal."""
    simulate(BRIEF).play(action, FIVETRAN_TIMEOUT=timeout)

    assert [name for name in NAMES if is_foreign(folder / name)] == []
    assert names(folder) >= {RESULT, *DRAWINGS}


def test_nothing_known_is_recognised(simulate: Simulate, folder: Path) -> None:
    """The results of a job of which nothing is known are recognised, too."""
    simulate().play("", CONNECTOR_ID="")

    assert [name for name in NAMES if is_foreign(folder / name)] == []


def test_results_go_when_a_run_ends_with_2(simulate: Simulate, folder: Path) -> None:
    """An earlier run's journal does not lie beside the results of a job that never began."""
    job = simulate(BRIEF)
    job.play()
    before = names(folder)

    played = job.play(FIVETRAN_TIMEOUT="soon")

    assert (before, names(folder)) == ({*NAMES}, {RESULT, *DRAWINGS})
    assert (played.code, played.report and played.report["verdict"]) == (2, "misconfigured")


def test_run_that_is_taken_up_again_deletes_nothing(simulate: Simulate, folder: Path, tmp_path: Path) -> None:
    """What is there when a run goes on stays until it has something better."""
    job, file, seen = simulate(BRIEF), str(tmp_path / "state.json"), []
    with pytest.raises(KilledError):
        job.play(observe=_die_in("waiting"), FIVETRAN_STATE_FILE=file)
    (folder / "junit.xml").write_text('<?xml version="1.0"?>\n<testsuites><testsuite name="Fivetran START">', "utf-8")
    journal = (folder / JOURNAL).read_bytes()

    job.play(observe=lambda _, step: seen.append(names(folder)) if step is None else None, FIVETRAN_STATE_FILE=file)

    assert seen == [{JOURNAL, "junit.xml"}]
    assert (folder / JOURNAL).read_bytes().startswith(journal)
    assert names(folder) == {*NAMES}


def test_leftovers_go(simulate: Simulate, folder: Path, tmp_path: Path) -> None:
    """Temporary names of a run that was killed do not stay for ever, beside the results and the state file."""
    left = [folder / ".result.json.0a1b.tmp", folder / ".index.html.2c3d.tmp", tmp_path / ".state.json.4e5f.tmp"]
    for file in left:
        file.write_text("half of it")
    (folder / ".mine.tmp").write_text("not ours")

    simulate().play("STATUS", FIVETRAN_STATE_FILE=str(tmp_path / "state.json"))

    assert [file for file in left if file.exists()] == []
    assert (folder / ".mine.tmp").exists()


def test_report_leaves_the_journal(simulate: Simulate, folder: Path) -> None:
    """`report` into the folder of the journal that it reads replaces the drawings, and not the journal."""
    simulate(BRIEF).play()
    journal = (folder / JOURNAL).read_bytes()
    (folder / "index.html").unlink()

    code = main(["report", str(folder / JOURNAL), "-o", str(folder)], {})

    assert (code, names(folder), (folder / JOURNAL).read_bytes()) == (0, {*NAMES}, journal)


# --- Somebody else's ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_file_of_somebody_else_stays(simulate: Simulate, folder: Path, name: str) -> None:
    """It is named in a warning and left as it is, at the second run too, and all the others are written."""
    job = simulate(BRIEF)
    (folder / name).write_text(FOREIGN[name])

    for timeout in ("300", "300", "soon"):
        played = job.play(FIVETRAN_TIMEOUT=timeout)

        assert played.code == (0 if timeout == "300" else 2)
        assert (folder / name).read_text() == FOREIGN[name]
        assert names(folder) >= {RESULT, *DRAWINGS}
        assert [str(folder / name) in line for line in told(played)] == [True]


def test_folder_of_other_things(simulate: Simulate, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FIVETRAN_REPORT_DIR=. in a project that has a page of its own."""
    monkeypatch.chdir(folder)
    (folder / "index.html").write_text(FOREIGN["index.html"])
    (folder / "README.md").write_text("mine")

    played = simulate(BRIEF).play(FIVETRAN_REPORT_DIR=".")

    assert "./index.html is not a file of this job, and is left as it is" in played.stderr
    assert "report    " not in played.stderr
    assert names(folder) == {*NAMES, "README.md"}


def test_file_that_nobody_may_read_is_somebody_else_s(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be looked at is not taken for ours; what is not there, or empty, is nobody's."""
    (folder / RESULT).write_text("{}")
    (folder / JOURNAL).touch()

    def refused(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("orchestrator.job.report_folder.open_for_reading", refused)

    assert [is_foreign(folder / name) for name in (RESULT, JOURNAL, "junit.xml")] == [True, False, False]


def test_debugger_leaves_it_alone_too(folder: Path) -> None:
    """A debugged run does not write over a result that is not one."""
    (folder / RESULT).write_text(FOREIGN[RESULT])

    with pytest.raises(FileExistsError, match="it is not a result of this program"):
        write_result({"verdict": "done"}, folder, Mask())

    assert (folder / RESULT).read_text() == FOREIGN[RESULT]


# --- Planted --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dangling", [False, True])
def test_planted_link_is_not_followed(
    simulate: Simulate,
    folder: Path,
    tmp_path: Path,
    name: str,
    dangling: bool,  # noqa: FBT001
) -> None:
    """A link in the place of a result is replaced by a file that others can read, and what it led to is as it was."""
    victim = tmp_path / "victim"
    if not dangling:
        victim.write_text("precious")
        victim.chmod(0o600)
    (folder / name).symlink_to(victim)
    before = os.umask(0o022)

    played = simulate(BRIEF).play()

    os.umask(before)
    job = (folder / name).lstat()
    assert (played.code, told(played)) == (0, [])
    assert (stat.S_ISREG(job.st_mode), stat.S_IMODE(job.st_mode)) == (True, 0o644)
    assert victim.exists() != dangling
    assert dangling or victim.read_text() == "precious"


def test_planted_fifo_hangs_nothing(simulate: Simulate, folder: Path) -> None:
    """A FIFO in the place of a result or of the journal is replaced, too."""
    for name in NAMES:
        os.mkfifo(folder / name)

    played = simulate(BRIEF).play()

    assert played.code == 0
    assert [name for name in NAMES if not (folder / name).is_file()] == []


# --- What no run fails of -------------------------------------------------------------------------


def test_drawings_that_cannot_be_imported(simulate: Simulate, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where not even the code can be read, the result is there and the verdict stands."""
    monkeypatch.setitem(sys.modules, "orchestrator.job.report.page", None)

    played = simulate(BRIEF).play()

    assert (played.code, names(folder)) == (0, {RESULT, JOURNAL})
    assert "nothing could be drawn from the result: ModuleNotFoundError" in played.stderr


def test_results_can_be_read_by_others(simulate: Simulate, folder: Path) -> None:
    """A runner's helper with another user id must be able to read all of them."""
    before = os.umask(0o027)

    simulate(BRIEF).play()

    os.umask(before)
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in NAMES} == {0o640}


@pytest.mark.parametrize(("directory", "project"), [("link", "real"), ("real", "link"), ("link", "link")])
def test_project_may_be_named_by_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, directory: str, project: str
) -> None:
    """The link to the report is the same, by whichever name the project's folder is known."""
    (tmp_path / "real" / "..report").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path / "real")
    environ = {"CI_JOB_URL": "https://gitlab.example/-/jobs/7", "CI_PROJECT_DIR": str(tmp_path / project)}

    links = [report_url(environ, name) for name in (str(tmp_path / directory / "..report"), "..report")]

    assert links == ["https://gitlab.example/-/jobs/7/artifacts/file/..report/index.html"] * 2


def test_report_that_is_really_elsewhere_has_no_link(tmp_path: Path) -> None:
    """What a link leads out of the project is not among its artifacts."""
    (tmp_path / "project").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "project" / "report").symlink_to(tmp_path / "elsewhere")
    environ = {"CI_JOB_URL": "https://gitlab.example/-/jobs/7", "CI_PROJECT_DIR": str(tmp_path / "project")}

    assert report_url(environ, str(tmp_path / "project" / "report")) is None
