"""Runs a pipeline with gitlab-ci-local against `simulate`: in a repository of its own, its jobs in a shell.

It shows what becomes of includes and their inputs, rules, stages and `needs`, scripts, exit codes, artifacts, caches
and dotenv. What gitlab-ci-local 4.56 cannot show, and GitLab alone can:

- `resource_group`, `interruptible`, `timeout` and `retry`, which it ignores (`Pipeline.attempts` repeats a job);
- whether later jobs run after `allow_failure: {exit_codes: ...}`: it marks the job by its exit code, as GitLab does,
  but goes on after any failure;
- `regex` of inputs, and functions: tests/gitlab_inputs.py checks the first, and no template of ours has the second;
- what GitLab makes of the reports, what a runner makes of FF_USE_NEW_BASH_EVAL_STRATEGY, and the image.
"""

import json
import re
import shutil
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from process import Process, environment

from orchestrator import __version__

__all__ = ["Pipeline", "Run", "simulated"]

ROOT = Path(__file__).parent.parent
HERE = ROOT / "tests" / "gitlab"
LOCAL = ("node", "--import", HERE / "without_re2.mjs", HERE / "node_modules" / "gitlab-ci-local" / "src" / "index.js")
HOST = "gitlab.example.com"
SSH = f"ssh://git@{HOST}:22"
MIRROR = "data/fivetran-orchestrator"
STATE = ".gitlab-ci-local"
PATIENCE = 120.0  # seconds until a pipeline is taken to hang
# A shell that is not interactive reads this first, and the name of a function may have slashes in it: so a job finds
# its command without a file at the root of the file system, where only root may put one. The others take the place of
# what later jobs of the examples call.
COMMANDS = """\
/dataops() {{ {python} -m orchestrator "$@"; }}
dbt() {{ echo "dbt $*"; }}
curl() {{ echo "curl $*"; }}
"""


@contextmanager
def simulated(scenario: str = "succeeds", *arguments: str) -> Iterator[dict[str, str]]:
    """Serve a scenario with `simulate`; yields the variables that it asks to be set, but for the job's own."""
    options = ("--scenario", scenario, "--port", "0", "--speed", "200", *arguments)
    with Process("simulate", *options, variables={}) as server:
        server.await_line("In another terminal")
        server.await_line("\n")
        exported = dict[str, str]()
        while (line := server.await_line("\n")).startswith("export "):
            name, _, value = line.removeprefix("export ").strip().partition("=")
            exported[name] = value
        yield {name: value for name, value in exported.items() if name not in {"FIVETRAN_ACTION", "CONNECTOR_ID"}}


@dataclass(frozen=True)
class Run:
    """A pipeline that has run.

    Attributes:
        pipeline: The pipeline.
        code: gitlab-ci-local's exit code.
        output: What it printed, the logs of the jobs among it.
    """

    pipeline: "Pipeline"
    code: int
    output: str

    @property
    def marks(self) -> dict[str, str]:
        """How each job that has run is marked: PASS, `WARN 1` (it may fail) or `FAIL 1`."""
        codes = dict(re.findall(r"(?m)^(\S.*?) +finished in .*(?:WARN|FAIL) (\d+) *$", self.output))
        found = re.findall(r"(?m)^ (PASS|WARN|FAIL)  (.+?)(?:  pre_script)? *$", self.output)
        jobs = {name: mark for mark, name in found if not name.startswith("spec:")}
        return {name: f"{mark} {codes[name]}" if mark != "PASS" else mark for name, mark in jobs.items()}

    def exit_code(self, job: str) -> int:
        """How a job that has run has ended."""
        return int(self.marks[job].partition(" ")[2] or 0)

    def artifact(self, job: str, path: str) -> Path:
        """Where an artifact of a job is kept."""
        return self.pipeline.folder / STATE / "artifacts" / _safe(job) / path

    def artifacts(self, job: str) -> set[str]:
        """The artifacts of a job that are files, reports but not dotenv among them."""
        folder = self.artifact(job, "")
        found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        return {path for path in found if not path.startswith(".gitlab-ci-reports/")}

    def cached(self, folder: str) -> Iterator[Path]:
        """The files that the pipeline's caches have in a folder."""
        return (path for path in (self.pipeline.folder / STATE / "cache").glob(f"*/{folder}/**/*") if path.is_file())

    def log(self, job: str) -> str:
        """What a job printed."""
        path = self.pipeline.folder / STATE / "output" / f"{_safe(job)}.log"
        return path.read_text("utf-8") if path.exists() else ""


class Pipeline:
    """A project with a pipeline, in a repository of its own, on a GitLab that has our mirror.

    Args:
        folder: Where to put it.
        text: Its `.gitlab-ci.yml`.
        variables: The project's CI/CD variables.
    """

    def __init__(self, folder: Path, text: str, variables: Mapping[str, str]) -> None:
        self.folder = folder / "pipelines"
        self._home = folder / "home"
        self._home.mkdir(parents=True)
        mirror = folder / "mirror"
        shutil.copytree(ROOT / "templates", mirror / "templates")
        (self._home / ".gitconfig").write_text(
            "[user]\n  name = A user\n  email = user@example.com\n"
            f'[url "{mirror}"]\n  insteadOf = {SSH}/{MIRROR}.git\n',
            "utf-8",
        )
        self.folder.mkdir()
        (self.folder / ".gitlab-ci.yml").write_text(text, "utf-8")
        (self.folder / f"{STATE}-variables.yml").write_text(json.dumps(dict(variables)), "utf-8")
        (self._home / "commands.sh").write_text(COMMANDS.format(python=sys.executable), "utf-8")
        self._jobs = _jobs(yaml.safe_load(text))
        self._git(mirror)
        self._command("git", "tag", __version__, folder=mirror)
        self._git(self.folder)
        self._command("git", "remote", "add", "origin", f"{SSH}/data/pipelines.git", folder=self.folder)

    def _git(self, folder: Path) -> None:
        for arguments in (
            ("init", "--quiet", "--initial-branch=main"),
            ("add", "--all"),
            ("commit", "--quiet", "-m", "x"),
        ):
            self._command("git", *arguments, folder=folder)

    def _command(self, *command: str, folder: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=folder,
            env=environment(HOME=str(self._home), BASH_ENV=str(self._home / "commands.sh")),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=check,
            timeout=PATIENCE,
        )

    def _local(self, *arguments: str) -> Run:
        done = self._command(*map(str, LOCAL), *arguments, folder=self.folder, check=False)
        return Run(self, done.returncode, re.sub(r"\x1b\[[0-9;]*m", "", done.stdout))

    @cached_property
    def configuration(self) -> dict[str, Any]:
        """The whole configuration, with its includes in place; gitlab-ci-local has held it to GitLab's schema.

        Raises:
            ValueError: It is not valid; the message is what gitlab-ci-local says.
        """
        done = self._local("--preview")
        start = done.output.find("---\n")
        if done.code or start < 0:
            raise ValueError(done.output)
        configuration = yaml.safe_load(done.output[start:])
        assert isinstance(configuration, dict)
        return configuration

    def run(self, *arguments: str) -> Run:
        """Run it as it stands, but for the images: the jobs run in a shell, each in a folder of its own."""
        own = self.folder / f"{STATE}.yml"
        own.write_text(json.dumps({name: {"image": None} for name in self._jobs}), "utf-8")
        try:
            # Its schema has no job whose image is null; `configuration` holds the pipeline to it as it stands.
            return self._local("--json-schema-validation=false", "--shell-isolation", *arguments)
        finally:
            own.unlink()

    def attempts(self, job: str) -> list[Run]:
        """Run it as often as the job's `retry` has GitLab do it."""
        retry = self.configuration[job]["retry"]
        runs = [self.run()]
        while len(runs) <= retry["max"] and runs[-1].exit_code(job) in retry["exit_codes"]:
            runs.append(self.run())
        return runs


def _jobs(file: Mapping[str, Any]) -> list[str]:
    """The names of a pipeline's jobs, those of components among them."""
    own = [name for name, job in file.items() if isinstance(job, dict)]
    for include in file.get("include", []):
        component = include["component"].rpartition("/")[2].partition("@")[0]
        own.append(include["inputs"].get("job_name", f"fivetran {component}"))
    return own


def _safe(job: str) -> str:
    """A job's name as its folder has it."""
    return re.sub(r"[^\w-]+", lambda found: urlsafe_b64encode(found[0].encode()).decode().rstrip("="), job)
