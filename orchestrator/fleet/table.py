"""stdout of many connections: the result alone, in the form that the action's chart says; shorter at a terminal."""

import json
from collections.abc import Iterator, Mapping

from orchestrator.fleet.verdict_block import MOST_ROWS, attention, counted, groups, happened
from orchestrator.job.masking import Mask
from orchestrator.job.result import Document, as_text
from orchestrator.job.stdout import table
from orchestrator.values.facts import Facts

__all__ = ["render", "summary"]

WIDTH = 100  # characters of what happened to a connection


def render(prints: str, facts: Mapping[str, Facts], document: Document, mask: Mask, *, as_json: bool = True) -> str:
    """What goes to stdout.

    Args:
        prints: What the chart says it carries.
        facts: The facts at the end by the connection's id, in the order in which they were named; only an action that
            prints the connections needs them.
        document: The fleet's result.
        mask: Takes the secrets out.
        as_json: The result is a JSON document; else a summary of it.
    """
    match prints:
        case "connection":
            known = [mask.document(one.connection) for one in facts.values() if one.connection is not None]
            return json.dumps(known, indent=2, ensure_ascii=False) + "\n"
        case "tests":
            return "\n".join(_tests(mask.value(document)))
        case _ if not as_json:
            return summary(mask.value(document))
        case _:
            return as_text(mask.document(document))


def summary(document: Document) -> str:
    """The result in a few lines: those that need attention, and how many there are of the others."""
    rows = groups(attention(document), WIDTH)
    shown, more = rows[:MOST_ROWS], sum(len(row.names) for row in rows[MOST_ROWS:])
    names, kinds = (max((len(getattr(row, name)) for row in shown), default=0) for name in ("name", "outcome"))
    lines = [f"{row.name:{names}}  {row.outcome:{kinds}}  {row.happened}" for row in shown]
    number = document["total"]
    about = f"{document['action']} {number:,} connection{'' if number == 1 else 's'}"
    return "\n".join(
        (
            f"{about}: {counted(document['counts'])} (exit {document['exit_code']})",
            *lines,
            *([f"and {more:,} more"] if more > 0 else []),
            "--json prints all of it\n",
        )
    )


def _tests(document: Document) -> Iterator[str]:
    """Each connection's setup tests under its id; of one that has none, why."""
    for one in document["connections"]:
        tests = one["setup_tests"]
        shown = f"{one['outcome']}: {happened(one)}\n" if tests is None else table(tests)
        yield f"{one['connector_id']}\n{shown}"
