"""The steps of a run as a list; the page's script walks through it, and it is whole without one."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.fivetran.documents import decisive
from orchestrator.job.report.markup import Markup, cut, line, offset, row, said, tag
from orchestrator.values.formatting import iso

__all__ = ["draw"]

MOST = 300  # characters of a body or a fact

# Facts of which the rest of the page speaks.
_SAID_ELSEWHERE = {
    *("attempted", "answered", "failure", "setup_tests", "sync", "errors", "table_warnings", "connection_date"),
}

Record = Mapping[str, Any]


def draw(records: Sequence[Record], now: float, name: str = "step") -> Markup:
    """The list: a line a step or a step of a loop, which opens to all that is known of it.

    Args:
        records: The steps.
        now: When the run ended, in seconds since the epoch.
        name: What the ids of the steps begin with.
    """
    return tag(
        "ol", *(_step(f"{name}-{number}", entry, now) for number, entry in enumerate(records, 1)), class_="steps"
    )


def _step(name: str, entry: Record, now: float) -> Markup:
    record, times = entry.get("record") or {}, entry["times"]
    summary = tag(
        "summary",
        tag("span", f"+{offset(entry['at'])}", class_="at"),
        tag("span", tag("code", entry["from"]), " → ", tag("code", entry["to"]), class_="way"),
        tag("span", entry["event"], class_="event"),
        tag("span", f"×{times:,}", class_="times") if times > 1 else None,
    )
    return tag(
        "li",
        tag("details", summary, tag("dl", *_details(entry, record, now))),
        id=name,
        data_from=entry["from"],
        data_to=entry["to"],
        class_="failed" if record.get("failure") else None,
    )


def _details(entry: Record, record: Record, now: float) -> Iterator[Markup]:
    if entry["times"] > 1:
        repeated = f"{entry['times']:,} times, the last one at +{offset(entry['until'])}, which is the one shown"
        yield row("Repeated", repeated)
    yield row("Why", line(record.get("why"), now))
    if request := record.get("request"):
        body = request.get("body")
        sent = tag("code", _json(body)) if body is not None else None
        yield row("Request", tag("code", f"{request['method']} {request['path']}"), f" to {request['purpose']} ", sent)
        yield row("Answer", *_outcome(record), f" after {record.get('took', 0.0):.2f} s")
    else:  # of before the run was resumed, there is this alone
        yield row("Request", said(entry["detail"]))
    if pause := record.get("pause"):
        yield row("Pause", offset(pause))
    yield row("Facts", *(tag("p", tag("code", name), " ", line(text, now, most=MOST)) for name, text in _facts(record)))


def _outcome(record: Record) -> Iterator[Markup | str]:
    found = record.get("answer") or record.get("failure")
    if not found:
        yield "none: the request was cut off"
        return
    if words := " ".join(str(found[key]) for key in ("status", "code") if found.get(key)):
        yield tag("code", words)
    if found.get("message"):
        yield said(f" {found['message']}")
    if found.get("request_id"):
        yield f" (request id {cut(found['request_id'], 100)})"


def _facts(record: Record) -> Iterator[tuple[str, str]]:
    """What the step changed of the facts; of the connection's document, what decides."""
    for name, value in (record.get("facts") or {}).items():
        if name == "connection" and isinstance(value, Mapping):
            yield name, ", ".join(f"{part}: {said}" for part, said in decisive(value).items() if said)
        elif name == "triggered_at" and value is not None:  # Fivetran's now, in seconds since the epoch
            yield name, iso(value)
        elif name == "baseline" and isinstance(value, Mapping) and value.get("date") is not None:  # likewise
            yield name, _json({**value, "date": iso(value["date"])})
        elif name not in _SAID_ELSEWHERE:
            plain = f"{value:.1f}" if isinstance(value, float) else value
            yield name, plain if isinstance(plain, str) else _json(plain)


def _json(value: object) -> str:
    return cut(json.dumps(value, ensure_ascii=False), MOST)
