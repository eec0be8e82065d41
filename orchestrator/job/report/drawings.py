"""The files that are drawn from `result.json` when a run has ended, and where GitLab shows them."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from orchestrator.job.report import annotations, dotenv, junit, page
from orchestrator.machine.chart import Chart

__all__ = ["PAGE", "drawings", "report_url"]

PAGE = page.NAME

Document = Mapping[str, Any]


def drawings(
    document: Document,
    steps: Callable[[], tuple[Sequence[Document], int, int]],
    chart: Chart | None,
    url: Callable[[], str | None],
) -> Iterator[tuple[str, Callable[[], str]]]:
    """The files by name, each as what draws it, so that a fault in one costs no other.

    Args:
        document: `result.json`, masked.
        steps: Gives the steps (`Trace.entries()`), each with its `record` where there is one, masked; how many
            were dropped in their middle; and before which of them.
        chart: The chart that ran, or None where none did.
        url: Where GitLab will show the page, or None; asked when the page has been drawn.
    """
    yield page.NAME, lambda: page.draw(document, *steps(), chart)
    yield junit.NAME, lambda: junit.draw(document)
    yield dotenv.NAME, lambda: dotenv.draw(document)
    yield annotations.NAME, lambda: annotations.draw(document, url())


def report_url(environ: Mapping[str, str], directory: str) -> str | None:
    """Where GitLab shows the page once the job's artifacts are there, or None where that cannot be told.

    Args:
        environ: GitLab's variables: CI_JOB_URL and CI_PROJECT_DIR, below which artifacts lie.
        directory: FIVETRAN_REPORT_DIR.
    """
    job, project = environ.get("CI_JOB_URL", "").strip(), environ.get("CI_PROJECT_DIR", "").strip()
    try:
        # Either may be named by way of a link; artifacts are what is really below the project.
        path = os.path.relpath(os.path.realpath(directory), os.path.realpath(project or os.curdir))
    except OSError:  # the working directory is gone
        return None
    if not job.startswith(("https://", "http://")) or path == os.pardir or path.startswith(f"{os.pardir}/"):
        return None
    return f"{job}/artifacts/file/{quote(os.fsencode(path))}/{PAGE}"
