"""`init`: jobs to copy are valid, carry what was chosen, and overwrite nothing."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from gitlab_inputs import render
from process import environment

from orchestrator import __version__
from orchestrator.cli import main
from orchestrator.commands.init import NEEDED, TEMPLATES
from orchestrator.job.variables import VARIABLES
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.loader import load
from orchestrator.values.parsing import parse_duration

Capture = pytest.CaptureFixture[str]

EXAMPLES = Path(__file__).parents[2] / "examples"
COMPONENT = EXAMPLES.parent / "templates"
RUNNERS_FLAG = "FF_USE_NEW_BASH_EVAL_STRATEGY"


def _printed(capsys: Capture, *arguments: str) -> str:
    assert main(["init", *arguments], {}) == 0
    return capsys.readouterr().out


def _job(text: str) -> dict[str, Any]:
    """The job of a pipeline; of a workflow, its variables and script under GitLab's names.

    Of a component it is the rendered job, whose variables are those that the include names.
    """
    document = yaml.safe_load(text)
    if "include" in document:
        [include] = document["include"]
        name = include["component"].rpartition("/")[2].removesuffix(f"@{__version__}")
        [job] = yaml.safe_load(render((COMPONENT / f"{name}.yml").read_text("utf-8"), include["inputs"])).values()
        given = {"FIVETRAN_ACTION", *(one.upper() for one in include["inputs"])}
        named = {key: value for key, value in job["variables"].items() if given & {key, key.removeprefix("FIVETRAN_")}}
        return {**job, "variables": named}
    if "jobs" in document:
        [workflow] = document["jobs"].values()
        script = workflow["steps"][0]["run"]
        commands = [line.strip().removesuffix(" || code=$?") for line in script.splitlines()]
        return {"variables": workflow["env"], "script": [line for line in commands if "dataops" in line]}
    [job] = [value for key, value in document.items() if key != "stages"]
    assert isinstance(job, dict)
    return job


def test_there_is_one_source() -> None:
    """The templates are the examples themselves: a link for each action, one for a group, and nothing else."""
    links = sorted(Path(str(TEMPLATES)).iterdir())
    names = {f"{action.lower().replace('_', '-')}.gitlab-ci.yml" for action in ACTIONS}

    assert {link.name for link in links} == {*names, "fleet.gitlab-ci.yml"}
    assert [link for link in links if not link.is_symlink() or link.resolve() != EXAMPLES / link.name] == []


GITLAB = ("vendor.gitlab-ci", "--data-transform", "gitlab-ci", "--regex-variant", "nonunicode")


@pytest.mark.parametrize(
    ("kind", "schema"),
    [("component", GITLAB), ("gitlab", GITLAB), ("dataops", GITLAB), ("github", ("vendor.github-workflows",))],
)
def test_jobs_follow_the_schema(tmp_path: Path, capsys: Capture, kind: str, schema: tuple[str, ...]) -> None:
    """Each job is valid for what is to run it; `icon` alone is DataOps.live's."""
    written = list[Path]()
    for action in ACTIONS:
        for about in (("--connector-id", "speak_inexpensive"), ("--group-id", "projected_sickle")):
            text = _printed(capsys, action, *about, "--for", kind)
            written.append(tmp_path / f"{action}{about[0]}.yml")
            written[-1].write_text(text.replace("  icon: ${FIVETRAN_ICON}\n", ""), "utf-8")
    command = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", *schema, *map(str, written))

    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("action", ACTIONS)
def test_workflow_is_the_example(capsys: Capture, action: str) -> None:
    """A workflow for GitHub has the script, the variables and the time limit of the example, and the pair's secrets."""
    example = _job((TEMPLATES / f"{action.lower().replace('_', '-')}.gitlab-ci.yml").read_text("utf-8"))
    del example["variables"][RUNNERS_FLAG]
    pair = {name: f"${{{{ secrets.{name} }}}}" for name in ("FIVETRAN_API_KEY", "FIVETRAN_API_SECRET")}
    empty = dict.fromkeys(load(action).needs and ("SCHEMA", "TABLE"), "")

    text = _printed(capsys, action, "speak_inexpensive", "--for", "github")

    job = _job(text)
    assert job["script"] == example["script"]
    assert job["variables"] == {**example["variables"], **empty, **pair}
    assert f"    timeout-minutes: {parse_duration(example['timeout']) / 60 + 15:.0f}\n" in text


@pytest.mark.parametrize("kind", NEEDED)
@pytest.mark.parametrize("action", ACTIONS)
def test_job_does_what_was_chosen(capsys: Capture, action: str, kind: str) -> None:
    """A job has the action and the connection that were named, and says in its first lines what to set."""
    text = _printed(capsys, action.lower().replace("_", "-"), "--for", kind, "--connector-id", "null")

    job, (first, *_) = _job(text), text.splitlines()
    needed = {"SCHEMA", "TABLE"} if load(action).needs else set()
    assert first == f"# {load(action).title}"
    assert (job["variables"]["FIVETRAN_ACTION"], job["variables"]["CONNECTOR_ID"]) == (action, "null")
    assert set(job["variables"]) <= {*VARIABLES, RUNNERS_FLAG}
    assert {name for name, value in job["variables"].items() if value == ""} == needed
    todo = "# Below, fill in what is empty." if kind == "component" else "# In the job below, set SCHEMA and TABLE."
    assert (f"{todo}\n" in text) == bool(needed)
    assert [line for line in job["script"] if "/dataops" in line] != []


@pytest.mark.parametrize("kind", NEEDED)
@pytest.mark.parametrize("action", ACTIONS)
def test_job_of_a_group(capsys: Capture, action: str, kind: str) -> None:
    """A job for a group has that group and the action, no pattern of the example's, and what the action needs."""
    text = _printed(capsys, action, "--group-id", "sales", "--for", kind)

    variables = _job(text)["variables"]
    needed = {"SCHEMA", "TABLE"} if load(action).needs else set()
    assert (variables["FIVETRAN_ACTION"], variables["FIVETRAN_GROUP_ID"]) == (action, "sales")
    assert set(variables) <= {*VARIABLES, RUNNERS_FLAG} - {"CONNECTOR_ID", "FIVETRAN_EXCLUDE"}
    assert {name for name, value in variables.items() if value == ""} == needed


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("about", [("speak_inexpensive",), ("--group-id", "projected_sickle")])
def test_component_is_the_job(capsys: Capture, action: str, about: tuple[str, ...]) -> None:
    """An include gives the component the time limits and the connections of the job that `--for gitlab` prints."""
    job = _job(_printed(capsys, action, *about))
    included = _job(_printed(capsys, action, *about, "--for", "component"))

    shared = included["variables"]
    assert shared == {name: str(job["variables"][name]) for name in shared}
    assert "FIVETRAN_TIMEOUT" in shared or "FIVETRAN_TIMEOUT" not in job["variables"]
    assert included["timeout"] == job["timeout"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("START", "speak_inexpensive", "--group-id", "sales"), "a group or about CONNECTOR_ID"),
        (("START", "--group-id", "My Group"), "is not a group's id"),
    ],
)
def test_group_that_cannot_be_meant(capsys: Capture, arguments: tuple[str, ...], said: str) -> None:
    """A group beside a connection, or one that is no id, is refused in a line."""
    assert main(["init", *arguments], {}) == 2

    assert said in capsys.readouterr().err


def test_job_without_a_connection(capsys: Capture) -> None:
    """Where no connection is named, START's job has none, so that it says so if it is forgotten."""
    text = _printed(capsys)

    assert _job(text)["variables"]["CONNECTOR_ID"] == ""
    assert "# In the job below, set CONNECTOR_ID.\n" in text
    assert '    CONNECTOR_ID: ""  # the id that the connection\'s Setup tab shows\n' in text


def test_dataops_job_is_the_example(capsys: Capture) -> None:
    """For DataOps.live START's job is that of the example, with its own policy beside."""
    example = _job((EXAMPLES / "dataops.gitlab-ci.yml").read_text("utf-8"))

    job = _job(_printed(capsys, "START", "speak_inexpensive", "--for", "dataops"))

    assert job["variables"].pop("FIVETRAN_ON_RUNNING") == "wait"
    assert job == example


@pytest.mark.parametrize("arguments", [["mine"], ["mine", "--connector-id", "mine"], ["--connector-id", "mine"]])
def test_connection_is_named_either_way(capsys: Capture, arguments: list[str]) -> None:
    """The connection is named like `run` names it."""
    assert _job(_printed(capsys, "TEST", *arguments))["variables"]["CONNECTOR_ID"] == "mine"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            ["START", "mine", "--connector-id", "yours"],
            "--connector-id contradicts the CONNECTOR_ID that is given as an argument: give ",
        ),
        (["START", "My Shop"], "CONNECTOR_ID: what is given is not an id: give the id that the connection's Setup "),
        (
            ["START", "https://fivetran.com/dashboard/connections/speak_inexpensive/status"],
            "CONNECTOR_ID: what is given is not an id: give speak_inexpensive\n",
        ),
        (
            ["START", "-o", "/dev/null/job.yml"],
            "/dev/null/job.yml: cannot be written: File exists: name ",
        ),
    ],
)
def test_job_that_cannot_be_made(capsys: Capture, arguments: list[str], problem: str) -> None:
    """What is contradictory, no id or cannot be written is refused in one line, with exit code 2."""
    code = main(["init", *arguments], {})

    told = capsys.readouterr()
    assert (code, told.out) == (2, "")
    assert told.err.startswith(problem)


def test_file_is_written_once(tmp_path: Path, capsys: Capture) -> None:
    """A file is written where there is none; one that exists is overwritten only with --force."""
    path = tmp_path / "jobs" / "fivetran.yml"
    arguments = ("TEST", "mine", "-o", str(path))

    assert _printed(capsys, *arguments) == ""
    assert path.read_text("utf-8") == _printed(capsys, "TEST", "mine")

    path.write_text("theirs\n", "utf-8")
    code = main(["init", *arguments], {})

    told = capsys.readouterr().err
    assert (code, path.read_text("utf-8")) == (2, "theirs\n")
    assert told == f"{path}: exists, and is left as it is: name another file, or overwrite it with --force\n"

    assert _printed(capsys, *arguments, "--force") == ""
    assert path.read_text("utf-8") == _printed(capsys, "TEST", "mine")
