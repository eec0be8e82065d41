"""docs/security.md claims nothing without a test."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
PAGE = (ROOT / "docs" / "security.md").read_text("utf-8")
SECTION = PAGE.split("\n## What is not trusted\n")[1].split("\n## ")[0]
ROWS = [row.strip("|").split("|") for row in SECTION.splitlines() if row.startswith("|")][2:]
IMAGE = "make image-test: "


def _named(row: list[str]) -> list[str]:
    return re.findall(r"`([^`]+)`", row[-1])


@cache
def _collected(file: Path) -> frozenset[str]:
    """The tests that pytest collects from a file: functions of the module that are named like one."""
    functions = (node for node in ast.parse(file.read_text("utf-8")).body if isinstance(node, ast.FunctionDef))
    return frozenset(node.name for node in functions if node.name.startswith("test_"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1].strip()[:40])
def test_each_claim_has_a_test(row: list[str]) -> None:
    """Each row says from whom, what, and what holds, and names at least one test, and each that it names is there."""
    assert len(row) == 4
    assert all(cell.strip() for cell in row[1:])
    assert _named(row)
    for named in _named(row):
        if named.startswith(IMAGE):
            assert f'check "{named.removeprefix(IMAGE)}"' in (ROOT / ".ci" / "image-test").read_text("utf-8")
            continue
        file, _, test = named.partition("::")
        assert Path(file).name.startswith("test_"), named
        assert test in _collected(TESTS / file), named


def test_each_test_of_this_folder_is_claimed() -> None:
    """What the tests of this folder show is on the page, except what only completes one that is."""
    named = {name for row in ROWS for name in _named(row)}
    files = {name.partition("::")[0] for name in named}

    assert {f"security/{file.name}" for file in TESTS.glob("security/test_*.py")} - files == {
        f"security/{Path(__file__).name}"
    }


def test_what_does_not_hold_is_said() -> None:
    """The page says plainly what nobody can promise."""
    _, _, plain = PAGE.partition("\n## What does not hold\n")

    assert [
        word for word in ("LD_PRELOAD", "OPENSSL_CONF", "/proc/PID/environ", "FIVETRAN_API_URL") if word not in plain
    ] == []


def test_both_pages_lead_to_each_other() -> None:
    """Who finds one of the two pages finds the other."""
    assert "](docs/security.md)" in (ROOT / "SECURITY.md").read_text("utf-8")
    assert "](../SECURITY.md)" in PAGE
