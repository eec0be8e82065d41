"""stdout: the result alone, in the form that the action's chart says."""

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.fivetran.documents import SETUP_TEST_RESULTS
from orchestrator.job.masking import Mask
from orchestrator.job.result import Document, as_text
from orchestrator.values.facts import Facts
from orchestrator.values.formatting import plain

__all__ = ["render", "table"]


def render(prints: str, facts: Facts, document: Document, mask: Mask) -> str:
    """What goes to stdout; "" where there is nothing to show.

    Args:
        prints: What the chart says it carries.
        facts: The facts at the end.
        document: The result (`result.result`).
        mask: Takes the secrets out.
    """
    match prints:
        case "connection":
            return as_text(mask.document(facts.connection)) if facts.connection is not None else ""
        case "tests":
            return table(mask.value(facts.setup_tests)) if facts.setup_tests is not None else ""
        case _:
            states = {"states": [entry["to"] for entry in document["steps"]]}  # the steps are for the report
            told = {name: value for name, value in document.items() if name != "steps"}
            return as_text(mask.document({**told, **states}))


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
    counts = ", ".join(f"{sum(test.get('status') == name for test in tests)} {name}" for name in SETUP_TEST_RESULTS)
    lines.append(f"{len(tests)} setup tests: {counts}")
    return "\n".join(lines) + "\n"
