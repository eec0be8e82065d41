"""stdout: the result alone, in the form that the action's chart says; for a person at a terminal, shorter."""

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.fivetran.documents import moment, parse_time, tests_summary
from orchestrator.job.masking import Mask
from orchestrator.job.result import Document, as_text
from orchestrator.values.facts import Facts
from orchestrator.values.formatting import ago, plain

__all__ = ["render", "summary", "table"]


def render(prints: str, facts: Facts, document: Document, mask: Mask, *, as_json: bool = True) -> str:
    """What goes to stdout; "" where there is nothing to show.

    Args:
        prints: What the chart says it carries.
        facts: The facts at the end.
        document: The result (`result.result`).
        mask: Takes the secrets out.
        as_json: The result of a run is a JSON document; else a summary of it.
    """
    match prints:
        case "connection":
            return as_text(mask.document(facts.connection)) if facts.connection is not None else ""
        case "tests":
            return table(mask.value(facts.setup_tests)) if facts.setup_tests is not None else ""
        case _ if not as_json:
            return summary(mask.value(document))
        case _:
            states = {"states": [entry["to"] for entry in document["steps"]]}  # the steps are for the report
            told = {name: value for name, value in document.items() if name != "steps"}
            return as_text(mask.document({**told, **states}))


def summary(document: Document) -> str:
    """A run's result in a line or two: how it ended, and how fresh the data is."""
    ended, lines = parse_time(document["ended_at"]) or 0.0, []
    about = f"{document['action']} {document['connector_id']}: {document['verdict']} (exit {document['exit_code']})"
    succeeded = parse_time(document["succeeded_at"])
    if succeeded is not None:
        lines.append(f"data as of {moment(document['succeeded_at'])}, {ago(ended - succeeded)}")
    return "\n".join((about, *lines, "--json prints all of it")) + "\n"


def table(tests: Sequence[Mapping[str, Any]]) -> str:
    """The setup tests as a table: result, title, message, details (any JSON), and the counts."""
    lines = []
    width = max((len(str(test.get("status", ""))) for test in tests), default=0)
    for test in tests:
        message = test.get("message")
        said = f": {message}" if message else ""
        lines.append(f"{test.get('status', '')!s:{width}}  {test.get('title', '')}{said}")
        if shown := plain(test.get("details")):
            lines.append(f"{'':{width}}    {shown}")
    lines.append(tests_summary(tests))
    return "\n".join(lines) + "\n"
