"""The way back from a report: addresses of the job, the pipeline and the commit that it belongs to."""

import re
from collections.abc import Iterator, Mapping

from orchestrator.job.address import parsed

__all__ = ["address", "back"]

_SHA = re.compile("[0-9a-f]{7,64}")
SHORT = 8  # characters of a commit's id that people read


def address(text: str) -> str:
    """A web address as it can be shown and followed: credentials are left out; "" where it is no plain one.

    Args:
        text: What a variable of the runner holds.
    """
    scheme, separator, rest = text.strip().partition("://")
    authority, slash, path = rest.partition("/")
    shown = f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}".rstrip("/")
    return shown if parsed(shown) else ""


def back(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Label and address of what the run belongs to, as far as GitLab's or GitHub's variables say it.

    Args:
        environ: The job's variables.
    """
    given = {name: value.strip().rstrip("/") for name, value in environ.items() if name.startswith(("CI_", "GITHUB_"))}
    yield from _link("Job", given.get("CI_JOB_URL", ""))
    yield from _link("Pipeline", given.get("CI_PIPELINE_URL", ""))
    sha = given.get("CI_COMMIT_SHA") or given.get("CI_COMMIT_SHORT_SHA", "")
    yield from _commit(f"{given.get('CI_PROJECT_URL', '')}/-/commit", sha)
    project = f"{given.get('GITHUB_SERVER_URL', '')}/{given.get('GITHUB_REPOSITORY', '')}"
    run = given.get("GITHUB_RUN_ID", "")
    if run.isascii() and run.isdecimal():
        yield from _link("Workflow run", f"{project}/actions/runs/{run}")
    yield from _commit(f"{project}/commit", given.get("GITHUB_SHA", ""))


def _commit(folder: str, sha: str) -> Iterator[tuple[str, str]]:
    if _SHA.fullmatch(sha):
        yield from _link(f"Commit {sha[:SHORT]}", f"{folder}/{sha}")


def _link(label: str, text: str) -> Iterator[tuple[str, str]]:
    if shown := address(text):
        yield label, shown
