"""What GitLab reads of a run, each drawn from `result.json`: `junit.xml`, `fivetran.env`, `annotations.json`."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

from orchestrator.fivetran.documents import parse_time
from orchestrator.job.report.links import address
from orchestrator.job.result import PAGE, causes
from orchestrator.values.formatting import iso, plain

__all__ = ["annotations", "below_project", "case_of", "dotenv", "junit", "report_url", "suite", "variables"]

LONGEST = 200  # characters of a variable's value

# Fivetran's results as JUnit has them; PASSED and WARNING are passed tests.
_OUTCOMES = {"FAILED": "failure", "JOB_FAILED": "error", "SKIPPED": "skipped"}
# What XML 1.0 cannot carry, not even as a reference. Its complement would take ten times as long to compile.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_UNSAFE = re.compile(r"[^A-Za-z0-9_.:+/-]")  # in a variable's value

Document = Mapping[str, Any]


# --- Links beside the job -------------------------------------------------------------------------


def annotations(document: Document, url: str | None, more: Mapping[str, str | None] = MappingProxyType({})) -> str:
    """`annotations.json` (https://docs.gitlab.com/ci/yaml/artifacts_reports/#artifactsreportsannotations).

    Args:
        document: `result.json`.
        url: Where GitLab will show the page, or None.
        more: Other links by their label.
    """
    links = {"The connection at Fivetran": document.get("page"), "What happened in this job": url, **more}
    shown = [{"external_link": {"label": label, "url": link}} for label, link in links.items() if link]
    return json.dumps({"Fivetran": shown} if shown else {}, indent=2) + "\n"


def report_url(environ: Mapping[str, str], directory: str) -> str | None:
    """Where GitLab shows the page once the job's artifacts are there, or None where that cannot be told.

    Args:
        environ: GitLab's variables: CI_JOB_URL and CI_PROJECT_DIR, below which artifacts lie.
        directory: FIVETRAN_REPORT_DIR.
    """
    job, path = address(environ.get("CI_JOB_URL", "")), below_project(environ, directory)
    return f"{job}/artifacts/file/{quote(os.fsencode(path))}/{PAGE}" if job and path else None


def below_project(environ: Mapping[str, str], directory: str) -> str | None:
    """The path by which a directory is known among the job's artifacts, or None where it is none of them.

    Args:
        environ: GitLab's variables: CI_PROJECT_DIR, else the working directory is taken for it.
        directory: The directory.
    """
    try:
        # Either may be named by way of a link; artifacts are what is really below the project.
        project = os.path.realpath(environ.get("CI_PROJECT_DIR", "").strip() or os.curdir)
        path = os.path.relpath(os.path.realpath(directory), project)
    except OSError:  # the working directory is gone
        return None
    return None if path == os.pardir or path.startswith(f"{os.pardir}/") else path


# --- Variables of later jobs ----------------------------------------------------------------------


def dotenv(document: Document) -> str:
    """`fivetran.env`: a line a variable that later jobs may want to know. What is not known has none.

    GitLab allows 5 KB and 20 variables, no empty line, no quotes; it expands `$` in values, and sets
    the variables in every later job, where they win over the job's own. So none of them may have the
    name of a variable that configures a job of ours; `variables.RESULTS` has all of them.
    """
    running = document["still_running"]
    values = {
        "FIVETRAN_VERDICT": document["verdict"],
        "FIVETRAN_EXIT_CODE": document["exit_code"],
        "FIVETRAN_CONNECTION": document["connector_id"],
        "FIVETRAN_SYNC_ID": (document["sync"] or {}).get("sync_id"),
        "FIVETRAN_SYNC_STATE": document["sync_state"],
        "FIVETRAN_STILL_RUNNING": None if running is None else str(running).lower(),
        "FIVETRAN_SUCCEEDED_AT": _time(document["succeeded_at"]),
        "FIVETRAN_FAILED_AT": _time(document["failed_at"]),
        "FIVETRAN_RESCHEDULED_FOR": _time(document["rescheduled_for"]),
        "FIVETRAN_STARTED_AT": document["started_at"],
        "FIVETRAN_ENDED_AT": document["ended_at"],
        "FIVETRAN_SECONDS": document["elapsed_seconds"],
    }
    return variables(values)


def variables(values: Mapping[str, object]) -> str:
    """The lines of `fivetran.env`; of what is None there is none."""
    told = {name: _UNSAFE.sub("", str(value))[:LONGEST] for name, value in values.items() if value is not None}
    return "".join(f"{name}={value}\n" for name, value in told.items() if value)


def _time(text: object) -> str | None:
    """One of Fivetran's times, always in the same form."""
    seconds = parse_time(text)
    return None if seconds is None else iso(seconds)


# --- The Tests tab --------------------------------------------------------------------------------


def junit(document: Document) -> str:
    """`junit.xml`: TEST has a case a setup test, every other action one case.

    GitLab shows the text inside `failure`, `error` and `skipped`, not their attributes, and of two cases with one
    name only the first (https://docs.gitlab.com/ci/testing/unit_test_reports/).
    """
    cases = list(_setup_tests(document)) if document["setup_tests"] else [case_of(document)]
    return suite(f"{document['action'] or 'job'} {document['connector_id'] or ''}", cases, document)


def suite(name: str, cases: Sequence[ET.Element], document: Document) -> str:
    """The file's text.

    Args:
        name: What the cases are about.
        cases: The cases.
        document: `result.json`.
    """
    outcomes = Counter(outcome.tag for case in cases for outcome in case)
    suite = ET.Element(
        "testsuite",
        name=_clean(f"Fivetran {name}".strip()),
        tests=str(len(cases)),
        failures=str(outcomes["failure"]),
        errors=str(outcomes["error"]),
        skipped=str(outcomes["skipped"]),
        time=f"{document['elapsed_seconds']:.3f}",
        timestamp=document["started_at"].partition(".")[0],
    )
    suite.extend(cases)
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _setup_tests(document: Document) -> Iterator[ET.Element]:
    seen: Counter[str] = Counter()
    for test in document["setup_tests"]:
        title, result = str(test.get("title") or "unnamed"), str(test.get("status"))
        seen[title] += 1
        text = "\n".join(filter(None, (plain(test.get("message")), plain(test.get("details")))))
        kind = _OUTCOMES.get(result, "system-out")
        if kind == "system-out" and (text or result != "PASSED"):
            text = f"{result}: {text}" if text else result
        yield _case(document, title if seen[title] == 1 else f"{title} ({seen[title]})", 0.0, kind, text, result)


def case_of(document: Document, name: str = "") -> ET.Element:
    """The run as one case: passed, failed (exit code 1), skipped (never begun), or an error that prevented an answer.

    Args:
        document: The run's result.
        name: The case's; the action when "".
    """
    lines = [
        document["headline"],
        *(f"why: {line}" for line in causes(document)),
        *(f"at Fivetran: {line}" for line in document["at_fivetran"]),
        *(f"what to do now: {line}" for line in document["advice"]),
        *([f"connection: {document['page']}"] if document["page"] else []),
    ]
    kind = {0: "system-out", 1: "failure"}.get(document["exit_code"], "error")
    if document.get("outcome") == "NOT STARTED":
        kind = "skipped"
    name, result = name or str(document["action"] or "job"), str(document["verdict"] or "unfinished")
    return _case(document, name, document["elapsed_seconds"], kind, "\n".join(lines), result)


def _case(document: Document, name: str, seconds: float, kind: str, text: str, result: str) -> ET.Element:
    """A case with how it ended; `result` is how Fivetran, or this project, calls that."""
    classname = _clean(f"Fivetran {document['connector_id'] or ''}".strip())
    case = ET.Element("testcase", classname=classname, name=_clean(name), time=f"{seconds:.3f}")
    if text or kind != "system-out":
        element = ET.SubElement(case, kind)
        element.text = text = _clean(text or result)
        if kind != "system-out":
            element.set("message", text.partition("\n")[0])
        if kind in {"failure", "error"}:
            element.set("type", _clean(result))
    return case


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("", text)
