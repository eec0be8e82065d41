"""The rooms of the package: what there is, and what may import what."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import orchestrator

PACKAGE = Path(orchestrator.__file__).parent
# From the top to the bottom: a room imports rooms below it, and itself.
ROOMS = ("commands", "debugger", "simulator", "airflow", "fleet", "job", "drawing", "machine", "fivetran", "values")
# A run is a value: what runs it waits for nothing, sends nothing and logs nothing.
IO = {"time", "threading", "_thread", "socket", "signal", "requests", "urllib3", "structlog", "subprocess", "asyncio"}
# Where Fivetran is really asked.
SENDING = {"fivetran/client.py", "fivetran/sockets.py"}


def _modules(room: str) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((PACKAGE / room).rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text("utf-8"))


def _imported(tree: ast.Module) -> Iterator[str]:
    """The modules that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_rooms_are_those_of_the_table() -> None:
    """The package has the rooms of its own table, and beside them the command line alone."""
    table = re.findall(r"^ {4}(?:cli, )?([a-z]+)  ", orchestrator.__doc__ or "", re.MULTILINE)

    assert {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()} == set(ROOMS)
    assert {path.name for path in PACKAGE.glob("*.py")} == {"__init__.py", "__main__.py", "cli.py"}
    assert table == list(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_room_imports_downwards(room: str) -> None:
    """No module imports one of a room above its own."""
    above = ROOMS[: ROOMS.index(room)]

    upward = [
        (module, name)
        for module, tree in _modules(room)
        for name in _imported(tree)
        if name.startswith(("orchestrator.cli", *(f"orchestrator.{other}." for other in above)))
    ]

    assert upward == []


@pytest.mark.parametrize("room", ROOMS)
def test_room_says_what_belongs_there(room: str) -> None:
    """Each room opens with what belongs there and what it may import; its map, if it has one, names its modules."""
    said = ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text("utf-8"))) or ""
    there = {
        path.stem for path in (PACKAGE / room).iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()
    }

    mapped = {
        name
        for names in re.findall(r"^ {4}([a-z_]+(?:, [a-z_]+)*)  ", said, re.MULTILINE)
        for name in names.split(", ")
    }

    assert "Imports " in said
    assert mapped in (set(), there - {"__init__"})


def test_airflow_is_imported_in_its_room_alone() -> None:
    """Who has no Airflow installed misses nothing but the room that is about it."""
    others = [room for room in ROOMS if room != "airflow"]

    found = [
        (module, name)
        for room in others
        for module, tree in _modules(room)
        for name in _imported(tree)
        if name.startswith(("airflow", "orchestrator.airflow"))
    ]

    assert found == []


@pytest.mark.parametrize("room", ["machine", "fivetran"])
def test_machine_does_no_io(room: str) -> None:
    """Neither the machine nor what is known about Fivetran reads a clock, waits, sends or logs."""
    found = [
        (module, name)
        for module, tree in _modules(room)
        if module not in SENDING
        for name in _imported(tree)
        if name.partition(".")[0] in IO
    ]

    assert found == []
    assert sys.stdlib_module_names >= IO - {"requests", "urllib3", "structlog"}
