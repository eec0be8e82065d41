"""The project's own pipelines are valid, call what there is, and cannot drift apart."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from process import environment

ROOT = Path(__file__).parent.parent
GITLAB = ".gitlab-ci.yml"
GITHUB = ".github/workflows/ci.yml"
SCHEMAS = {
    GITLAB: ("vendor.gitlab-ci", "--data-transform", "gitlab-ci", "--regex-variant", "nonunicode"),
    GITHUB: ("vendor.github-workflows",),
}
# What .gitlab-ci.yml has beside jobs.
KEYWORDS = {"workflow", "stages", "variables", "default"}
# The job that makes a release has to have a script, and the image for it has no make.
SHOWN = "cat dist/release-notes.md"
# What one of the two does in its own way: a release on GitLab is a keyword.
OWN = {"github-release", "release-notes"}

MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
PIPELINES = {name: yaml.safe_load((ROOT / name).read_text("utf-8")) for name in SCHEMAS}
WORKFLOW = (ROOT / GITHUB).read_text("utf-8")
PYTHONS = re.findall(
    r"Python :: (3\.\d+)",
    " ".join(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["classifiers"]),
)


def _gitlab_jobs() -> dict[str, dict[str, Any]]:
    """The jobs, each with what it extends."""
    entries = {name: entry for name, entry in PIPELINES[GITLAB].items() if name not in KEYWORDS}

    def whole(name: str) -> dict[str, Any]:
        entry = entries[name]
        return {**(whole(entry["extends"]) if "extends" in entry else {}), **entry}

    return {name: whole(name) for name in entries if not name.startswith(".")}


def _github_jobs() -> dict[str, dict[str, Any]]:
    jobs: dict[str, dict[str, Any]] = PIPELINES[GITHUB]["jobs"]
    return jobs


def _steps(job: dict[str, Any]) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = job["steps"]
    return steps


def _commands() -> Iterator[tuple[str, str]]:
    """Each line that a pipeline runs, and of which one."""
    for job in (PIPELINES[GITLAB]["default"], *_gitlab_jobs().values()):
        for line in (*job.get("before_script", ()), *job.get("script", ())):
            yield GITLAB, line
    for job in _github_jobs().values():
        for step in _steps(job):
            if "run" in step:
                for target in job.get("strategy", {}).get("matrix", {}).get("include", [{}]):
                    yield GITHUB, step["run"].replace('"$TARGET"', str(target.get("target")))


def _called(pipeline: str) -> set[str]:
    """The targets that a pipeline calls."""
    lines = [line for name, line in _commands() if name == pipeline and line != SHOWN]
    return {word for line in lines for word in line.split()[1:] if "=" not in word}


@pytest.mark.parametrize("name", SCHEMAS)
def test_pipeline_follows_the_schema(name: str, tmp_path: Path) -> None:
    """Each is valid by the schema of the one who runs it, which would find a typo."""
    text = (ROOT / name).read_text("utf-8")
    typo = tmp_path / "typo.yml"
    typo.write_text(text.replace("allow_failure:", "alow_failure:").replace("runs-on:", "run-on:"), "utf-8")
    files = (str(ROOT / name), str(typo))
    command = (sys.executable, "-m", "check_jsonschema", "--output-format", "json", "--builtin-schema", *SCHEMAS[name])

    done = subprocess.run(
        (*command, *files), env=environment(), capture_output=True, text=True, timeout=60, check=False
    )

    found = json.loads(done.stdout)
    assert found["parse_errors"] == []
    assert {error["filename"] for error in found["errors"]} == {str(typo)}


def test_steps_are_targets() -> None:
    """Each step of a pipeline is a call of make, so that it can be done at a desk, and nothing is defined twice."""
    assert [line for _, line in _commands() if not re.match(r"make [a-z]", line) and line != SHOWN] == []


@pytest.mark.parametrize("name", SCHEMAS)
def test_targets_exist(name: str) -> None:
    """The Makefile has each target that a pipeline calls."""
    assert _called(name) - TARGETS == set()


@pytest.mark.parametrize("name", SCHEMAS)
def test_pipeline_does_what_ci_run_does(name: str) -> None:
    """Each pipeline calls every target that .ci/run does."""
    lines = re.findall(r"^ *timed make (.*)$", (ROOT / ".ci" / "run").read_text("utf-8"), re.MULTILINE)
    here = {word for line in lines for word in re.findall(r"(?:^| )([a-z-]+)(?= |$)", line.partition(" #")[0])}

    assert {"check", "test", "image-test"} <= here
    assert here - _called(name) == set()


def test_pipelines_do_the_same() -> None:
    """Neither pipeline does something that the other one leaves out."""
    assert _called(GITLAB) ^ _called(GITHUB) <= OWN


def test_every_python_is_tested() -> None:
    """The tests run on every Python that the classifiers promise, and on no other."""
    (gitlab,) = _gitlab_jobs()["test"]["parallel"]["matrix"]
    github = _github_jobs()["test"]["strategy"]["matrix"]

    assert len(PYTHONS) > 3
    assert gitlab == {"PYTHON_VERSION": PYTHONS}
    assert github == {"python": PYTHONS}


def test_image_is_for_both_architectures() -> None:
    """Image and tests of it run on amd64 and arm64, and both are published."""
    architectures = {"amd64", "arm64"}
    jobs = _github_jobs()

    for name in ("image", "publish-image"):
        assert {leg["architecture"] for leg in jobs[name]["strategy"]["matrix"]["include"]} == architectures
    for name in ("image", "publish image"):
        assert {f"{name} {architecture}" for architecture in architectures} <= set(_gitlab_jobs())


# --- What only a release may do -------------------------------------------------------------------


def test_only_a_tag_publishes() -> None:
    """Jobs that publish run on a tag alone, after everything else has passed."""
    for name, job in _github_jobs().items():
        publishes = any("publish" in str(step.get("run")) for step in _steps(job))
        assert publishes == name.startswith("publish-")
        assert not publishes or job["if"] == "github.ref_type == 'tag'"
    needs = {name: set(job.get("needs", ())) for name, job in _github_jobs().items()}
    others = {name for name in needs if not name.startswith("publish-")}
    assert needs["publish-package"] == needs["publish-image"] == others
    assert needs["publish-release"] == {"publish-package", "publish-image"}

    stages = PIPELINES[GITLAB]["stages"]
    for name, job in _gitlab_jobs().items():
        publishes = any("publish" in line for line in job["script"]) or "release" in job
        assert publishes == (job["stage"] in stages[-2:]), name
        assert not publishes or all(rule["if"].startswith("$CI_COMMIT_TAG") for rule in job["rules"])
        assert not publishes or job["interruptible"] is False


def test_tags_are_versions() -> None:
    """Both start for a tag that is a version, three numbers without a letter before them, and for no other tag."""
    (pattern,) = re.findall(r"CI_COMMIT_TAG =~ /(.*?)/", (ROOT / GITLAB).read_text("utf-8"))

    assert re.match(pattern, "0.2.0")
    assert not re.match(pattern, "v0.2.0")
    assert PIPELINES[GITHUB][True]["push"]["tags"] == ["[0-9]+.[0-9]+.[0-9]+"]  # YAML reads `on` as true


def test_jobs_may_do_what_they_need() -> None:
    """On GitHub a job may read the repository, and only those that publish may write, each what it publishes."""
    assert PIPELINES[GITHUB]["permissions"] == {}
    written = {
        name: {what for what, may in job["permissions"].items() if may == "write"}
        for name, job in _github_jobs().items()
    }

    assert {name: what for name, what in written.items() if what} == {
        "publish-package": {"id-token"},
        "publish-image": {"packages"},
        "publish-release": {"contents", "packages"},
    }
    assert all(job["environment"] == "release" for name, job in _github_jobs().items() if written[name])


def test_actions_are_pinned() -> None:
    """Each action is GitHub's own, and named by its commit, with the version for people."""
    used = re.findall(r"uses: (\S+)(.*)", WORKFLOW)

    assert len(used) > 10
    assert [action for action, _ in used if not re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", action)] == []
    assert [version for _, version in used if not re.fullmatch(r" # v\d+\.\d+\.\d+", version)] == []
    assert len(set(used)) == len({action.partition("@")[0] for action, _ in used})


def test_nothing_from_outside_is_a_script() -> None:
    """No script has an expression in it, and no checkout leaves a token in the working directory."""
    steps = [step for job in _github_jobs().values() for step in _steps(job)]

    assert [step["run"] for step in steps if "${{" in step.get("run", "")] == []
    checkouts = [step for step in steps if step.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) == len(_github_jobs())
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_jobs_have_a_limit() -> None:
    """No job can hang for longer than an hour."""
    assert PIPELINES[GITLAB]["default"]["timeout"] == "1 hour"
    assert all(job["timeout-minutes"] <= 60 for job in _github_jobs().values())
