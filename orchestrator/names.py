"""Names at the source that are close to a schema and table that Fivetran did not find."""

import difflib
from collections.abc import Mapping
from typing import Any

__all__ = ["near_matches"]

MOST = 5


def near_matches(data: Mapping[str, Any], schema: str, table: str) -> tuple[str, ...]:
    """The closest `SCHEMA.TABLE` names, wrong case (the common mistake) first.

    Args:
        data: `data` of GET `/schemas`: schemas by name, each with its tables by name.
        schema: The schema as given.
        table: The table as given.
    """
    notes: dict[str, str] = {}
    same_table: list[str] = []
    schemas = data.get("schemas")
    for schema_name, content in (schemas if isinstance(schemas, Mapping) else {}).items():
        tables = content.get("tables") if isinstance(content, Mapping) else None
        for table_name, settings in (tables if isinstance(tables, Mapping) else {}).items():
            off = isinstance(settings, Mapping) and settings.get("enabled") is False
            name = f"{schema_name}.{table_name}"
            notes[name] = " (not enabled for syncing)" if off else ""
            if table_name.casefold() == table.casefold():
                same_table.append(name)
    wanted = f"{schema}.{table}"
    close = difflib.get_close_matches(wanted.casefold(), {name.casefold() for name in notes}, n=MOST, cutoff=0.6)
    ordered = [
        *(name for name in notes if name == wanted),
        *(name for fold in close for name in notes if name.casefold() == fold),
        *same_table,
    ]
    return tuple(name + notes[name] for name in dict.fromkeys(ordered))[:MOST]
