"""SCHEMA and TABLE, or TABLES: what to re-sync. Names are those at the source."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from orchestrator.job.inputs import Inputs
from orchestrator.values.formatting import listed, table_names

__all__ = ["Scope", "parse_tables", "read_tables", "single"]

Scope = dict[str, list[str]]  # tables by schema

FORM = 'write one schema.table per line, or JSON such as {"public": ["orders", "customers"]}'
MOST_SHOWN = 20  # tables among the inputs


def read_tables(inputs: Inputs, action: str) -> Scope:
    """The tables by schema; {} where something is wrong with them."""
    text, (schema, table) = inputs.value("TABLES"), (inputs.value(name) for name in ("SCHEMA", "TABLE"))
    if not text and "TABLES" not in inputs.unknown:
        return _one(inputs, action, schema, table)
    if schema or table:
        also = " and ".join(name for name, given in (("SCHEMA", schema), ("TABLE", table)) if given)
        inputs.error("TABLES", f"is set together with {also}", "set either TABLES, or SCHEMA and TABLE")
        return {}
    try:
        found = parse_tables(text, lambda piece: inputs.quoted("TABLES", piece))
    except ValueError as error:
        inputs.error("TABLES", *error.args)
        return {}
    if inputs.shown["TABLES"] == text:  # and not a reference
        inputs.shown["TABLES"] = listed(table_names(found), MOST_SHOWN)
    return found


def single(scope: Scope) -> tuple[str, str] | None:
    """Schema and table, where there is one."""
    names = [(schema, table) for schema, tables in scope.items() for table in tables]
    return names[0] if len(names) == 1 else None


def _one(inputs: Inputs, action: str, schema: str, table: str) -> Scope:
    for name, text in (("SCHEMA", schema), ("TABLE", table)):
        if not text:
            fix = f"{action} requires SCHEMA and TABLE, the names at the source, or TABLES"
            inputs.error(name, "not set", fix)
        elif not text.isprintable():
            inputs.error(name, f"{inputs.quoted(name, text)} contains control characters", "use the plain name")
    return {schema: [table]}


def parse_tables(text: str, quoted: Callable[[str], str] = repr) -> Scope:
    """Tables by schema, from JSON or lines.

    Args:
        text: What TABLES holds.
        quoted: How a message shows a part of it.

    Raises:
        ValueError: It holds none, or not in one of the forms; its arguments are the problem and the fix.
    """
    found: dict[str, dict[str, None]] = {}
    for schema, table in (_of_json if text.startswith(("{", "[")) else _of_lines)(text, quoted):
        name = quoted(f"{schema}.{table}")
        if not schema.strip() or not table.strip():
            raise ValueError(f"{name} has an empty name", FORM)
        if not (schema + table).isprintable():
            raise ValueError(f"{name} contains control characters", "use the plain names")
        if table in found.setdefault(schema, {}):
            raise ValueError(f"{name} is listed twice", "list each table once")
        found[schema][table] = None
    if not found:
        raise ValueError("contains no table", FORM)
    return {schema: [*tables] for schema, tables in found.items()}


def _of_lines(text: str, quoted: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    for line in filter(None, map(str.strip, text.split("\n"))):
        schema, dot, table = line.partition(".")
        if not dot:
            raise ValueError(f"{quoted(line)} has no dot", FORM)
        yield schema, table


def _of_json(text: str, quoted: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    try:
        document: Any = json.loads(text, object_pairs_hook=tuple)  # a name may be there twice
    except (ValueError, RecursionError):
        raise ValueError("is not JSON", FORM) from None
    if not isinstance(document, tuple):
        raise ValueError("is not an object of schemas", FORM)  # noqa: TRY004  # as what is wrong with the names
    for schema, tables in document:
        if not isinstance(tables, list) or not all(isinstance(table, str) for table in tables) or not tables:
            raise ValueError(f"{quoted(schema)} has no list of tables", FORM)
        yield from ((schema, table) for table in tables)
