"""The jobs for runners other than GitLab are valid, and agree with what runs."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from process import environment

from orchestrator import __version__
from orchestrator.job.configuration import report_dir
from orchestrator.job.variables import VARIABLES
from orchestrator.machine.actions import ACTIONS
from orchestrator.values.exit_codes import EXIT_CODES, UNAVAILABLE

ROOT = Path(__file__).parent.parent
TEXTS = {path.stem: path.read_text("utf-8") for path in sorted((ROOT / "examples" / "runners").glob("*.yml"))}
GITHUB, KUBERNETES, ARGO = (yaml.safe_load(TEXTS[name]) for name in ("github-actions", "kubernetes", "argo"))
START = GITHUB["jobs"]["start"]
POD = KUBERNETES["spec"]["template"]["spec"]
TEMPLATE = ARGO["spec"]["templates"][0]
RUNNERS_OWN = {"POD_NAME"}


def _values(container: dict[str, Any]) -> dict[str, Any]:
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container["env"]}


SETTINGS: dict[str, dict[str, Any]] = {
    "github-actions": START["env"],
    "kubernetes": _values(POD["containers"][0]),
    "argo": _values(TEMPLATE["container"]),
}


def _check(file: Path) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(file))
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=False)


def test_github_example_follows_its_schema() -> None:
    """The workflow is valid for GitHub."""
    done = _check(ROOT / "examples" / "runners" / "github-actions.yml")

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schema_refuses_a_typo(tmp_path: Path) -> None:
    """What GitHub does not know is found: the test above can fail."""
    file = tmp_path / "typo.yml"
    file.write_text(TEXTS["github-actions"].replace("timeout-minutes:", "timeout-minute:"), "utf-8")

    done = _check(file)

    assert done.returncode == 1
    assert "timeout-minute" in done.stdout


def test_kinds_are_those_of_their_runners() -> None:
    """Kubernetes and Argo get what they know, and the container's command is the job."""
    assert (KUBERNETES["apiVersion"], KUBERNETES["kind"]) == ("batch/v1", "Job")
    assert (ARGO["apiVersion"], ARGO["kind"]) == ("argoproj.io/v1alpha1", "WorkflowTemplate")
    assert POD["containers"][0]["command"] == TEMPLATE["container"]["command"] == ["/dataops"]
    assert ARGO["spec"]["entrypoint"] == TEMPLATE["name"]


@pytest.mark.parametrize("name", SETTINGS)
def test_variables_are_known(name: str) -> None:
    """An example sets variables that the job reads, with an action that there is, as the texts that they must be."""
    variables = SETTINGS[name]

    assert set(variables) - RUNNERS_OWN <= set(VARIABLES)
    assert variables["FIVETRAN_ACTION"] in ACTIONS
    assert all(isinstance(value, str | dict) for value in variables.values())


@pytest.mark.parametrize("name", SETTINGS)
def test_key_and_secret_are_not_in_the_file(name: str) -> None:
    """Key and secret come from the runner's secrets."""
    for variable in ("FIVETRAN_API_KEY", "FIVETRAN_API_SECRET"):
        value = SETTINGS[name][variable]
        expected = f"${{{{ secrets.{variable} }}}}"

        assert value in (expected, {"secretKeyRef": {"name": "fivetran", "key": variable}})


def test_job_outlasts_its_run() -> None:
    """The runner's time limit leaves a minute more than FIVETRAN_TIMEOUT, so that the run ends by itself."""
    limits = {
        "github-actions": START["timeout-minutes"] * 60,
        "kubernetes": POD["activeDeadlineSeconds"],
        "argo": int(TEMPLATE["activeDeadlineSeconds"]),
    }

    for name, limit in limits.items():
        assert limit > float(SETTINGS[name]["FIVETRAN_TIMEOUT"]) + 60


@pytest.mark.parametrize("code", EXIT_CODES)
def test_github_tries_again_after_6_alone(tmp_path: Path, code: int) -> None:
    """The step runs the job up to three times after 6, once after any other exit code, and ends with its exit code."""
    job, pause, runs = tmp_path / "dataops", tmp_path / "sleep", tmp_path / "runs"
    job.write_text(f"#!/bin/sh\necho run >> {runs}\nexit {code}\n", "utf-8")
    pause.write_text("#!/bin/sh\n", "utf-8")
    job.chmod(0o755)
    pause.chmod(0o755)
    script = START["steps"][0]["run"].replace("/dataops", str(job))
    env = environment(PATH=f"{tmp_path}:/usr/bin:/bin")

    done = subprocess.run(("/bin/sh", "-e", "-c", script), env=env, timeout=60, check=False)

    assert done.returncode == code
    assert len(runs.read_text("utf-8").splitlines()) == (3 if code == UNAVAILABLE else 1)


def test_kubernetes_tries_again_after_6_alone() -> None:
    """Every exit code but 6 fails the Job at once; this needs pods that are not restarted in place."""
    (rule,) = KUBERNETES["spec"]["podFailurePolicy"]["rules"]

    assert rule["action"] == "FailJob"
    assert rule["onExitCodes"] == {
        "containerName": POD["containers"][0]["name"],
        "operator": "NotIn",
        "values": [UNAVAILABLE],
    }
    assert POD["restartPolicy"] == "Never"
    assert KUBERNETES["spec"]["backoffLimit"] == 2


def test_argo_tries_again_after_6_alone() -> None:
    """Every exit code but 6 fails the step at once."""
    strategy = TEMPLATE["retryStrategy"]

    assert strategy["expression"] == f"asInt(lastRetry.exitCode) == {UNAVAILABLE}"
    assert strategy["retryPolicy"] == "OnFailure"
    assert strategy["limit"] == "2"


def test_results_are_kept_where_the_job_writes_them() -> None:
    """What a runner keeps is the folder of the results, however the job ends."""
    folder = report_dir({"CI": "true"})
    outputs, upload = START["steps"][1], START["steps"][2]
    (mount,) = POD["containers"][0]["volumeMounts"]
    (artifact,) = TEMPLATE["outputs"]["artifacts"]

    assert upload["with"]["path"] == f"{folder}/"
    assert f"{folder}/fivetran.env" in outputs["run"]
    assert {outputs["if"], upload["if"]} == {"always()"}
    assert SETTINGS["kubernetes"]["FIVETRAN_REPORT_DIR"] == f"{mount['mountPath']}/$(POD_NAME)"
    assert SETTINGS["argo"]["FIVETRAN_REPORT_DIR"] == artifact["path"]


def test_one_job_a_connection() -> None:
    """Two jobs never work on one connection at once."""
    assert START["concurrency"] == {"group": f"fivetran-{START['env']['CONNECTOR_ID']}", "cancel-in-progress": False}
    assert KUBERNETES["metadata"]["name"].endswith(SETTINGS["kubernetes"]["CONNECTOR_ID"].replace("_", "-"))
    assert TEMPLATE["synchronization"]["mutexes"] == [{"name": f"fivetran-{SETTINGS['argo']['CONNECTOR_ID']}"}]


def test_images_have_this_version() -> None:
    """Wherever an image is named with a version, it is this one."""
    texts = [*TEXTS.values(), (ROOT / "docs" / "pipeline.md").read_text("utf-8")]

    tags = [tag for text in texts for tag in re.findall(r"/fivetran-orchestrator:(\S+)", text)]

    assert len(tags) > len(TEXTS)
    assert set(tags) == {__version__}
