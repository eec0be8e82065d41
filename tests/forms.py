"""The forms that the report's files must have: ours, and what GitLab takes."""

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import xmlschema
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

DOCS = Path(__file__).parent.parent / "docs"
SCHEMA: dict[str, Any] = json.loads((DOCS / "result.schema.json").read_text("utf-8"))
FLEET_SCHEMA: dict[str, Any] = json.loads((DOCS / "fleet.schema.json").read_text("utf-8"))

_VALIDATOR = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)
_FLEET = Draft202012Validator(
    FLEET_SCHEMA,
    format_checker=Draft202012Validator.FORMAT_CHECKER,
    registry=Registry().with_resource("result.schema.json", Resource.from_contents(SCHEMA)),
)
_JUNIT = xmlschema.XMLSchema(Path(__file__).with_name("junit.xsd"))

# https://docs.gitlab.com/ci/yaml/artifacts_reports/#artifactsreportsdotenv
_MOST_VARIABLES, _MOST_BYTES = 20, 5 * 1024


def assert_result(document: object) -> None:
    """The document is as docs/result.schema.json says, its members in that order."""
    _VALIDATOR.validate(document)

    assert isinstance(document, dict)
    assert list(document) == SCHEMA["required"]


def assert_fleet(document: object) -> None:
    """The document is as docs/fleet.schema.json says, its members and those of its connections in that order."""
    _FLEET.validate(document)

    assert isinstance(document, dict)
    assert list(document) == FLEET_SCHEMA["required"]
    inner = FLEET_SCHEMA["properties"]["connections"]["items"]["required"]
    assert [one["connector_id"] for one in document["connections"] if list(one) != inner] == []


def junit_cases(text: str) -> list[tuple[str, str, str]]:
    """Name, outcome and its text of each case of a JUnit report that GitLab takes."""
    _JUNIT.validate(text)

    found = []
    for case in ET.fromstring(text).iter("testcase"):  # noqa: S314  # our own, and without a DTD
        outcome = next(iter(case), None)
        found.append(
            (case.get("name", ""), "" if outcome is None else outcome.tag, getattr(outcome, "text", None) or "")
        )
    return found


def dotenv_variables(text: str) -> dict[str, str]:
    """The variables of a dotenv report that GitLab takes, and in which nothing is resolved."""
    lines = text.splitlines()

    assert len(lines) <= _MOST_VARIABLES
    assert len(text.encode()) < _MOST_BYTES
    assert [line for line in lines if not re.fullmatch(r"[A-Z_]+=[A-Za-z0-9_.:+/-]+", line)] == []
    return dict(line.split("=", 1) for line in lines)
