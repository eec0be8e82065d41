"""The examples and the component run as pipelines, against a simulated Fivetran (`make test-gitlab`)."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from gitlab_inputs import render
from gitlab_pipeline import Pipeline, Run, simulated

from orchestrator import __version__

pytestmark = pytest.mark.gitlab

ROOT = Path(__file__).parents[2]
EXAMPLES = {path.name.partition(".")[0]: path.read_text("utf-8") for path in ROOT.glob("examples/*.gitlab-ci.yml")}
FOLDER = "dataops/report/fivetran"
REPORTS = {
    f"{FOLDER}/{name}" for name in ("index.html", "result.json", "junit.xml", "fivetran.env", "annotations.json")
}
FAST = {"FIVETRAN_POLL_INTERVAL": "0.1", "FIVETRAN_RETRY_LIMIT": "1"}
SCHEDULED = ("--variable", "CI_PIPELINE_SOURCE=schedule")
RECOVERS = """\
title = "Fivetran is unavailable, and works when it is asked again"
verdict = "gave_up"
exit_code = 6

[[faults]]
times = 1

[[syncs]]
lasts = 20
"""
Play = Callable[..., Run]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Run a pipeline against a scenario."""

    def run(text: str, scenario: str, *arguments: str, connections: int = 0, **variables: str) -> Run:
        many = ("--connections", str(connections)) if connections else ()
        with simulated(scenario, *many) as given:
            return Pipeline(tmp_path, text, {**FAST, **given, **variables}).run(*arguments)

    return run


def _including(component: str, inputs: Mapping[str, Any], **jobs: Any) -> str:
    """A pipeline with one component, and what is added to jobs."""
    name = f"$CI_SERVER_FQDN/data/fivetran-orchestrator/{component}@{__version__}"
    return json.dumps({"include": [{"component": name, "inputs": dict(inputs)}], **jobs})


# Example -> arguments for gitlab-ci-local, and the jobs that pass.
GREEN: dict[str, tuple[tuple[str, ...], set[str]]] = {
    "component": ((), {"fivetran sync", "transform"}),
    "start": ((), {"fivetran start"}),
    "status": ((), {"fivetran status"}),
    "test": ((), {"fivetran test"}),
    "force-resync": (("--manual", "fivetran force resync"), {"fivetran force resync"}),
    "fleet": ((), {"fivetran group"}),
    "results": ((), {"fivetran start", "transform"}),
    "resume": ((), {"fivetran start"}),
    "freshness": (SCHEDULED, {"fivetran freshness", "transform"}),
    "nightly": (
        SCHEDULED,
        {
            f"fivetran nightly: [{each}]"
            for each in ("speak_inexpensive,3000", "shrank_paparazzi,3000", "fluent_glacier,10000")
        },
    ),
}


@pytest.mark.parametrize("example", GREEN)
def test_example_is_valid(tmp_path: Path, example: str) -> None:
    """The example as it stands, with what it includes, is valid for gitlab-ci-local, too."""
    configuration = Pipeline(tmp_path, EXAMPLES[example], {}).configuration

    assert [job for job in configuration.values() if "script" in job] != []


def test_every_example_runs() -> None:
    """No example is left out, but for that of DataOps.live, whose project has what it builds on."""
    assert GREEN.keys() == EXAMPLES.keys() - {"dataops"}


@pytest.mark.parametrize("example", GREEN)
def test_example_is_green(play: Play, example: str) -> None:
    """The example as it stands passes, in each of its jobs, and keeps the results of ours as artifacts."""
    arguments, jobs = GREEN[example]

    done = play(EXAMPLES[example], "succeeds", *arguments, connections=12 if example == "fleet" else 0)

    assert (done.code, done.marks) == (0, dict.fromkeys(jobs, "PASS")), done.output
    for job in jobs - {"transform"}:
        kept = done.artifacts(job)
        assert kept >= REPORTS, job
        assert json.loads(done.artifact(job, f"{FOLDER}/result.json").read_text("utf-8"))["exit_code"] == 0
    if example == "status":
        assert json.loads(done.artifact("fivetran status", f"{FOLDER}/connection.json").read_text("utf-8"))["id"]
    if example in {"fleet", "resume"}:
        assert [*done.cached("dataops/state")] != []


def test_results_reach_later_jobs(play: Play) -> None:
    """`fivetran.env` hands the verdict to the job that needs ours; the alert is not raised."""
    done = play(EXAMPLES["results"], "succeeds")

    assert "Fivetran says succeeded, last success 2" in done.log("transform")
    assert "alert" not in done.marks


def test_failure_stops_the_pipeline_and_is_told(play: Play) -> None:
    """After a failed sync the transformation does not run, and the alert has the connection and the verdict."""
    done = play(EXAMPLES["results"], "fails")

    assert (done.code, done.marks) == (1, {"fivetran start": "FAIL 1", "alert": "PASS"}), done.output
    assert "text=speak_inexpensive sync_failed https://" in done.log("alert")
    assert done.artifacts("fivetran start") >= REPORTS


def test_failure_that_is_allowed(play: Play) -> None:
    """STATUS may fail: the job is marked with the exit code, here that Fivetran is unavailable; the pipeline passes."""
    done = play(EXAMPLES["status"], "unavailable")

    assert (done.code, done.marks) == (0, {"fivetran status": "WARN 6"}), done.output
    assert done.artifacts("fivetran status") >= REPORTS


def test_stale_data_stops_the_pipeline(play: Play) -> None:
    """A project's variable wins over the job's, and dbt does not run on data that is too old."""
    done = play(EXAMPLES["freshness"], "stale", *SCHEDULED, FIVETRAN_MAX_AGE="3600")

    assert (done.code, done.marks) == (1, {"fivetran freshness": "FAIL 1"}), done.output


@pytest.mark.parametrize("example", ["force-resync", "nightly"])
def test_job_waits_to_be_started(play: Play, example: str) -> None:
    """In a pipeline that a push has started, nothing runs by itself that is for a schedule or for people."""
    done = play(EXAMPLES[example], "succeeds")

    assert (done.code, done.marks) == (0, {}), done.output


@pytest.mark.parametrize(
    ("scenario", "codes"), [("recovers.toml", [6, 0]), ("unavailable", [6, 6, 6]), ("fails", [1]), ("wrong_key", [3])]
)
def test_retry_is_by_exit_code(tmp_path: Path, scenario: str, codes: list[int]) -> None:
    """With `retry` as it is written, a job is repeated after 6, at most twice, and after no other exit code."""
    (tmp_path / "recovers.toml").write_text(RECOVERS, "utf-8")
    named = str(tmp_path / scenario) if scenario.endswith(".toml") else scenario

    with simulated(named) as given:
        runs = Pipeline(tmp_path / "project", EXAMPLES["start"], {**FAST, **given}).attempts("fivetran start")

    assert [run.exit_code("fivetran start") for run in runs] == codes, runs[-1].output


@pytest.mark.parametrize(("scenario", "mark"), [("reschedule_refused", "WARN 8"), ("fails", "FAIL 1")])
def test_component_takes_more_keys(play: Play, scenario: str, mark: str) -> None:
    """What is written under the job's name joins the component: an exit code that is allowed, a variable, a cache."""
    added = {
        "allow_failure": {"exit_codes": [8]},
        "variables": {"FIVETRAN_STATE_FILE": "dataops/state/fivetran.json"},
        "cache": {"key": "fivetran", "when": "always", "paths": ["dataops/state/"]},
    }

    done = play(_including("sync", {"connector_id": "speak_inexpensive"}, **{"fivetran sync": added}), scenario)

    assert done.marks == {"fivetran sync": mark}, done.output
    assert done.artifacts("fivetran sync") >= REPORTS
    assert [path.name for path in done.cached("dataops/state")] == ["fivetran.json"]


# Component -> inputs, and a line of the log that shows that they have arrived.
INPUTS: dict[str, tuple[dict[str, Any], str]] = {
    "sync": ({"restore_schedule": "auto", "on_broken": "sync"}, "FIVETRAN_ON_BROKEN=sync"),
    "status": ({"max_age": "36h"}, "FIVETRAN_MAX_AGE=36h"),
    "test": ({"timeout": "20m"}, "FIVETRAN_TIMEOUT=20m"),
    "resync": ({"tables": '{"public": ["orders"]}', "rules": [{"when": "always"}]}, "TABLES=public.orders"),
}


@pytest.mark.parametrize("component", INPUTS)
def test_component_runs_with_inputs(play: Play, component: str) -> None:
    """Each component runs under its name and keeps its results where its inputs say."""
    inputs, logged = INPUTS[component]
    given = {
        **inputs,
        "connector_id": "speak_inexpensive",
        "job_name": "mine",
        "report_dir": "results/x",
        "dont_disable_sync": True,
    }

    done = play(_including(component, given), "succeeds")

    assert (done.code, done.marks) == (0, {"mine": "PASS"}), done.output
    assert logged in done.log("mine")
    assert "FIVETRAN_DONT_DISABLE_SYNC=1" in done.log("mine")
    assert done.artifacts("mine") >= {path.replace(FOLDER, "results/x") for path in REPORTS}


def test_variables_of_the_file(play: Play) -> None:
    """Variables at the top of the file reach a component's job where it has no such input, or one that is false."""
    top = {"FIVETRAN_EVIDENCE": "red", "FIVETRAN_DONT_DISABLE_SYNC": "1", "FIVETRAN_ON_RUNNING": "fail"}

    done = play(_including("sync", {"connector_id": "speak_inexpensive"}, variables=top), "succeeds")

    assert done.marks == {"fivetran sync": "PASS"}, done.output
    log = done.log("fivetran sync")
    assert "FIVETRAN_EVIDENCE=red" in log
    assert "FIVETRAN_DONT_DISABLE_SYNC=1" in log
    assert "FIVETRAN_ON_RUNNING=wait" in log


def test_renderer_agrees(tmp_path: Path) -> None:
    """What our tests make of a component and its inputs is what gitlab-ci-local makes of it."""
    inputs = {
        "connector_id": "one two",
        "retry_exit_codes": [6, 137],
        "max_parallel": 7,
        "unpause": True,
        "fail": "fast",
    }
    [(name, ours)] = yaml.safe_load(render((ROOT / "templates" / "sync.yml").read_text("utf-8"), inputs)).items()

    theirs = Pipeline(tmp_path, _including("sync", inputs), {}).configuration[name]

    assert theirs.pop("image") == {"name": ours.pop("image")}
    assert theirs == ours


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"max_parallel": "many"}, "provided value is not a number"),
        ({"on_running": "kill"}, "not in the list of allowed options"),
    ],
)
def test_wrong_input_stops_the_pipeline(tmp_path: Path, given: dict[str, Any], said: str) -> None:
    """A wrong input is refused before any job."""
    with pytest.raises(ValueError, match=said):
        _ = Pipeline(tmp_path, _including("sync", given), {}).configuration
