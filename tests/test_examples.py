"""The jobs that are there to be copied are valid, and agree with what runs."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from gitlab_inputs import render
from gitlab_schema import check_schema

from orchestrator import __version__
from orchestrator.job.configuration import report_dir
from orchestrator.job.variables import VARIABLES
from orchestrator.machine.actions import ACTIONS
from orchestrator.values.exit_codes import EXIT_CODES
from orchestrator.values.parsing import parse_duration
from orchestrator.values.settings import USUAL_POLL

ROOT = Path(__file__).parent.parent
EXAMPLES = {path.name: path.read_text("utf-8") for path in sorted((ROOT / "examples").glob("*.gitlab-ci.yml"))}
DOCUMENTS = ("README.md", "docs/pipeline.md")
RUNNERS_FLAG = "FF_USE_NEW_BASH_EVAL_STRATEGY"  # GitLab's; without it every failure is a 1
KILLED = 137
KEYWORDS_OF_FILES = {"stages", "include"}


def _blocks(document: str) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", (ROOT / document).read_text("utf-8"), re.DOTALL)


def _all_jobs(text: str) -> dict[str, dict[str, Any]]:
    """The jobs of a file, those of the components that it includes among them."""
    file = yaml.safe_load(text)
    included = (_rendered(one["component"], one.get("inputs", {})) for one in file.get("include", []))
    own = {name: job for name, job in file.items() if name not in KEYWORDS_OF_FILES}
    return {name: job for jobs in (*included, own) for name, job in jobs.items()}


def _rendered(component: str, inputs: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """A component's job, as GitLab has it once variables are expanded: those that are empty have left no trace."""
    name = component.rpartition("/")[2].partition("@")[0]
    text = render((ROOT / "templates" / f"{name}.yml").read_text("utf-8"), inputs)
    [(name, job)] = yaml.safe_load(text).items()
    empty = [name for name, value in job["variables"].items() if value == ""]
    [(name, job)] = yaml.safe_load(re.sub(rf"\$({'|'.join(empty)})\b", "", text)).items()
    return {name: job | {"variables": {name: value for name, value in job["variables"].items() if value != ""}}}


def _jobs() -> dict[str, dict[str, Any]]:
    """The jobs of examples and documents that are ours."""
    texts = EXAMPLES | {f"{document} {i}": text for document in DOCUMENTS for i, text in enumerate(_blocks(document))}
    return {
        f"{source}: {name}": job
        for source, text in texts.items()
        for name, job in _all_jobs(text).items()
        if any("/dataops" in line for line in job["script"])
    }


JOBS = _jobs()


def test_examples_follow_gitlabs_schema(tmp_path: Path) -> None:
    """Every example and every YAML of the documents is valid for GitLab; `icon` alone is DataOps.live's."""
    blocks = {
        f"{Path(document).stem}-{i}.yml": text for document in DOCUMENTS for i, text in enumerate(_blocks(document))
    }
    texts = {name: re.sub(r"(?m)^  icon: .*\n", "", text) for name, text in (EXAMPLES | blocks).items()}

    done = check_schema(tmp_path, texts)

    assert done.returncode == 0, done.stdout + done.stderr
    assert [name for name, text in EXAMPLES.items() if texts[name] != text] == ["dataops.gitlab-ci.yml"]


def test_the_schema_refuses_a_typo(tmp_path: Path) -> None:
    """What GitLab does not know is found: the test above can fail."""
    text = EXAMPLES["start.gitlab-ci.yml"].replace("resource_group:", "ressource_group:")

    done = check_schema(tmp_path, {"typo.yml": text})

    assert done.returncode == 1
    assert "ressource_group" in done.stdout


@pytest.mark.parametrize(("document", "folder"), [("pipeline.md", "examples"), ("runners.md", "examples/runners")])
def test_documents_show_the_examples_themselves(document: str, folder: str) -> None:
    """A document has the text of each example that it introduces, and no other YAML."""
    text = (ROOT / "docs" / document).read_text("utf-8")

    shown = re.findall(rf"\(\.\./{folder}/([a-z.-]+\.yml)\):\n\n```yaml\n(.*?)```", text, re.DOTALL)

    assert shown
    assert [block for _, block in shown] == _blocks(f"docs/{document}")
    for name, block in shown:
        example = (ROOT / folder / name).read_text("utf-8")
        assert block == example, f"docs/{document}: copy {folder}/{name} into it"


def test_every_example_is_introduced() -> None:
    """docs/pipeline.md leads to every example for GitLab, docs/runners.md to every other one."""
    pages = "".join((ROOT / "docs" / name).read_text("utf-8") for name in ("pipeline.md", "runners.md"))

    files = {str(path.relative_to(ROOT / "examples")) for path in ROOT.glob("examples/**/*.yml")}

    assert set(re.findall(r"\(\.\./examples/([^)]+)\)", pages)) == files


@pytest.mark.parametrize("name", JOBS)
def test_variables_are_known(name: str) -> None:
    """An example sets variables that the job reads, with an action that there is."""
    variables = JOBS[name]["variables"]
    matrix = JOBS[name].get("parallel", {}).get("matrix", [{}])

    assert set(variables).union(*matrix) <= {*VARIABLES, RUNNERS_FLAG}
    assert variables["FIVETRAN_ACTION"] in ACTIONS


@pytest.mark.parametrize("name", JOBS)
def test_job_outlasts_its_run(name: str) -> None:
    """The job's time limit leaves a minute more than FIVETRAN_TIMEOUT, so that the run ends by itself."""
    job = JOBS[name]
    settings = [job["variables"], *job.get("parallel", {}).get("matrix", [])]
    longest = max(parse_duration(str(setting.get("FIVETRAN_TIMEOUT", 300))) for setting in settings)

    assert parse_duration(job["timeout"]) > longest + 60


@pytest.mark.parametrize("name", JOBS)
def test_exit_codes_reach_gitlab(name: str) -> None:
    """A job retries what is worth it, by codes that there are, and has the runner hand them on."""
    job = JOBS[name]

    assert {6} <= set(job["retry"]["exit_codes"]) <= {6, KILLED}
    assert {6} <= set(EXIT_CODES)
    assert job["variables"][RUNNERS_FLAG] == "true"


# Jobs that later ones do not wait for: what they report is to be read by people, or they are started by hand.
FOR_PEOPLE = {"STATUS", "FORCE_RESYNC"}


@pytest.mark.parametrize("name", JOBS)
def test_pipeline_goes_on_only_with_the_data(name: str) -> None:
    """No job allows an exit code, and one that starts a sync for later jobs, or tests, stops the pipeline if red."""
    job = JOBS[name]
    allowed = job.get("allow_failure", False)

    assert allowed is False or (allowed is True and job["variables"]["FIVETRAN_ACTION"] in FOR_PEOPLE)


@pytest.mark.parametrize("name", JOBS)
def test_killed_job_is_retried_with_its_state(name: str) -> None:
    """A retry after a kill is asked for where the state file comes along, and only there."""
    job = JOBS[name]
    file = job["variables"].get("FIVETRAN_STATE_FILE", "")
    kept = job.get("cache", {"paths": []})["paths"]

    assert (KILLED in job["retry"]["exit_codes"]) == any(file.startswith(path) for path in kept)


@pytest.mark.parametrize("name", JOBS)
def test_one_job_a_connection(name: str) -> None:
    """Two jobs never work on one connection, or on one group, at once."""
    about = "FIVETRAN_GROUP_ID" if "FIVETRAN_GROUP_ID" in JOBS[name]["variables"] else "CONNECTOR_ID"

    assert JOBS[name]["resource_group"] == f"fivetran/${about}"


@pytest.mark.parametrize("name", JOBS)
def test_reports_are_where_the_job_writes_them(name: str) -> None:
    """The results are kept however the job ends, under a path and a name that GitLab and DataOps.live can show."""
    artifacts = JOBS[name]["artifacts"]
    folder = f"{report_dir({'CI': 'true'})}/"

    assert artifacts["when"] == "always"
    assert artifacts["expose_as"] == "DataOpsReport"
    assert artifacts["paths"] == [folder]
    names = {kind: path.removeprefix(folder) for kind, path in artifacts["reports"].items()}
    one_of_many = "parallel" in JOBS[name]  # they would set each other's variables
    dotenv = {} if one_of_many else {"dotenv": "fivetran.env"}
    assert names == {"junit": "junit.xml", "annotations": "annotations.json", **dotenv}


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name != "dataops.gitlab-ci.yml"])
def test_example_declares_its_stages(name: str) -> None:
    """An example can be run as it stands: its jobs' stages are all there, and no other."""
    stages = yaml.safe_load(EXAMPLES[name])["stages"]

    assert {job["stage"] for job in _all_jobs(EXAMPLES[name]).values()} == set(stages)


def test_components_are_of_this_version() -> None:
    """An include names a component that there is, in the version that it comes with."""
    texts = [*EXAMPLES.values(), *(block for document in DOCUMENTS for block in _blocks(document))]

    named = [one["component"] for text in texts for one in yaml.safe_load(text).get("include", [])]

    assert len(named) >= 3
    assert {name.partition("@")[2] for name in named} == {__version__}


def test_there_is_an_example_for_each_action() -> None:
    """Every action has a job to copy."""
    assert {job["variables"]["FIVETRAN_ACTION"] for job in JOBS.values()} == set(ACTIONS)


def test_polling_arithmetic() -> None:
    """docs/pipeline.md says how many jobs may wait at once, for the interval too that the default is measured by."""
    text = (ROOT / "docs" / "pipeline.md").read_text("utf-8")
    rows = re.findall(
        r"^\| (\d+)(?: \(at most so often on average by default\))? \| (\d+) \| (\d+) \| (\d+) \|$", text, re.MULTILINE
    )

    table = [tuple(map(int, row)) for row in rows]

    assert table == [(each, 3600 // each, 20_000 * each // 3600, 500 * each // 3600) for each, *_ in table]
    assert f"| {USUAL_POLL:g} (at most so often on average by default) | {table[0][1]} |" in text
