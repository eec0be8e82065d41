"""`junit.xml`: what GitLab shows on a pipeline's Tests tab.

TEST has a case a setup test, every other action one case. GitLab shows the text inside `failure`,
`error` and `skipped`, not their attributes, and of two cases with one name only the first
(https://docs.gitlab.com/ci/testing/unit_test_reports/).
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree import ElementTree as ET

from orchestrator.values.formatting import plain

__all__ = ["NAME", "draw"]

NAME = "junit.xml"

# Fivetran's results as JUnit has them; PASSED and WARNING are passed tests.
_OUTCOMES = {"FAILED": "failure", "JOB_FAILED": "error", "SKIPPED": "skipped"}
# What XML 1.0 cannot carry, not even as a reference. Its complement would take ten times as long to compile.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def draw(document: Mapping[str, Any]) -> str:
    """The file's text."""
    cases = list(_setup_tests(document)) if document["setup_tests"] else [_run(document)]
    outcomes = Counter(outcome.tag for case in cases for outcome in case if outcome.tag != "system-out")
    suite = ET.Element(
        "testsuite",
        name=_clean(f"Fivetran {document['action'] or 'job'} {document['connector_id'] or ''}".strip()),
        tests=str(len(cases)),
        failures=str(outcomes["failure"]),
        errors=str(outcomes["error"]),
        skipped=str(outcomes["skipped"]),
        time=f"{document['elapsed_seconds']:.3f}",
        timestamp=document["started_at"].removesuffix("Z").partition(".")[0],
    )
    suite.extend(cases)
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _setup_tests(document: Mapping[str, Any]) -> Iterator[ET.Element]:
    seen: Counter[str] = Counter()
    for test in document["setup_tests"]:
        title, result = str(test.get("title") or "unnamed"), str(test.get("status"))
        seen[title] += 1
        case = _case(document, title if seen[title] == 1 else f"{title} ({seen[title]})")
        text = "\n".join(filter(None, (plain(test.get("message")), plain(test.get("details")))))
        if result in _OUTCOMES:
            _add(case, _OUTCOMES[result], text or result, result)
        elif text or result != "PASSED":
            _add(case, "system-out", f"{result}: {text}" if text else result)
        yield case


def _run(document: Mapping[str, Any]) -> ET.Element:
    """The run as one case: passed, failed (exit code 1), or an error that kept it from an answer."""
    case = _case(document, str(document["action"] or "job"), document["elapsed_seconds"])
    lines = [
        document["headline"],
        *(f"why: {line}" for line in document["reasons"]),
        *(f"at Fivetran: {line}" for line in document["at_fivetran"]),
        *(f"what to do: {line}" for line in document["advice"]),
        *([f"page: {document['page']}"] if document["page"] else []),
    ]
    text, code = "\n".join(lines), document["exit_code"]
    kind = {0: "system-out", 1: "failure"}.get(code, "error")
    _add(case, kind, text, "" if kind == "system-out" else str(document["verdict"] or "unfinished"))
    return case


def _case(document: Mapping[str, Any], name: str, seconds: float = 0.0) -> ET.Element:
    classname = f"Fivetran {document['connector_id']}" if document["connector_id"] else "Fivetran"
    return ET.Element("testcase", classname=_clean(classname), name=_clean(name), time=f"{seconds:.3f}")


def _add(case: ET.Element, kind: str, text: str, result: str = "") -> None:
    """Say how a case ended; `result` is how Fivetran, or this project, calls that."""
    element = ET.SubElement(case, kind)
    element.text = _clean(text)
    if result:
        element.set("message", _clean(text.partition("\n")[0]))
    if result and kind != "skipped":
        element.set("type", _clean(result))


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("", text)
