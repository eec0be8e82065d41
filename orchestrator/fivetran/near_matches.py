"""Names that are similar to one that Fivetran does not know: tables at the source, connections of the account."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from orchestrator.values.suggestions import near

__all__ = ["missing_tables", "near_connections", "near_matches"]

LIKE = 0.6  # how like a name must be, of 1
MOST = 5  # for one table
MOST_IN_ALL = 20


def near_matches(data: Mapping[str, Any], wanted: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The closest `SCHEMA.TABLE` names, wrong case (the common mistake) first; of several tables, to those not found.

    Args:
        data: `data` of GET `/schemas`: schemas by name, each with its tables by name.
        wanted: The tables as given, by schema.
    """
    notes: dict[str, str] = {}
    by_schema: dict[str, list[tuple[str, str]]] = {}  # folded schema -> its names, each with its folded table
    for schema_name, table_name, is_off in _tables(data):
        name = f"{schema_name}.{table_name}"
        notes[name] = " (not enabled for syncing)" if is_off else ""
        by_schema.setdefault(schema_name.casefold(), []).append((name, table_name.casefold()))
    given = [(schema, table) for schema, tables in wanted.items() for table in tables]
    missing = [(schema, table) for schema, table in given if notes.get(f"{schema}.{table}") != ""] or given
    found = (name for schema, table in missing[:MOST_IN_ALL] for name in _near(by_schema, schema, table))
    return tuple(name + notes[name] for name in dict.fromkeys(found))[:MOST_IN_ALL]


def missing_tables(
    data: Mapping[str, Any], wanted: Mapping[str, Sequence[str]]
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """The tables, each with its schema, that Fivetran does not know, and those that are not enabled for syncing.

    The arguments are those of `near_matches`.
    """
    known = {(schema, table): is_off for schema, table, is_off in _tables(data)}
    given = [(schema, table) for schema, tables in wanted.items() for table in tables]
    return [table for table in given if table not in known], [table for table in given if known.get(table)]


def _tables(data: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """Each schema and table, and whether it is not enabled for syncing."""
    schemas = data.get("schemas")
    for schema, content in (schemas if isinstance(schemas, Mapping) else {}).items():
        tables = content.get("tables") if isinstance(content, Mapping) else None
        for table, settings in (tables if isinstance(tables, Mapping) else {}).items():
            yield schema, table, _is_off(content) or _is_off(settings)


def near_connections(items: Iterable[Mapping[str, Any]], wanted: str) -> tuple[Mapping[str, str], ...]:
    """The connections whose id or name is closest to an id: first those that have it for a name (the common mistake).

    Args:
        items: Connection documents.
        wanted: The id as given.

    Returns:
        `id`, `name` and `service` of each.
    """
    found = [
        {name: _text(item.get(key)) for name, key in (("id", "id"), ("name", "schema"), ("service", "service"))}
        for item in items
    ]
    folded = wanted.casefold()
    others = [each for each in found if each["id"] not in {"", wanted}]
    words = [(each, [text.casefold() for text in (each["id"], each["name"])]) for each in others]
    likest = dict.fromkeys((folded, *near(wanted, (word for _, both in words for word in both), MOST, LIKE)))
    ordered = [
        *(each for each in others if each["name"].casefold() == folded),
        *(each for word in likest for each, both in words if word in both),
    ]
    return tuple({each["id"]: each for each in ordered}.values())[:MOST]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _near(by_schema: Mapping[str, list[tuple[str, str]]], schema: str, table: str) -> list[str]:
    """The names that are close to one table's."""
    folded = schema.casefold()
    # A source may have 100,000 tables, and each comparison takes 0.1 ms: the likely schemas will do.
    likely = [folded] if folded in by_schema else near(schema, by_schema, MOST, LIKE) or list(by_schema)
    pool = [entry for each in likely for entry in by_schema[each]]
    likest = near(table, dict.fromkeys(fold for _, fold in pool), MOST, LIKE)
    ordered = [
        *(name for name, _ in pool if name == f"{schema}.{table}"),
        *(name for wanted in likest for name, fold in pool if fold == wanted),
        *(name for names in by_schema.values() for name, fold in names if fold == table.casefold()),
    ]
    return list(dict.fromkeys(ordered))[:MOST]


def _is_off(settings: object) -> bool:
    return isinstance(settings, Mapping) and settings.get("enabled") is False
