"""The state file: a run saved on entering a state, so that it can be resumed.

Anyone who can write the file could otherwise decide how a run ends: so it is signed with the key pair,
and a file without the signature is not trusted. A signed one is checked for the types and bounds of a run, too.
"""

import hmac
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from orchestrator import __version__
from orchestrator.fivetran import documents
from orchestrator.fivetran.polling import known_afterwards
from orchestrator.job.configuration import ConfigurationError
from orchestrator.job.files import read_text
from orchestrator.job.masking import Mask
from orchestrator.job.trace import Trace
from orchestrator.machine.chart import Chart, Kind
from orchestrator.machine.run import Run
from orchestrator.values.facts import Facts
from orchestrator.values.formatting import printable
from orchestrator.values.parsing import parse_json
from orchestrator.values.settings import Settings

__all__ = [
    "StateFileError",
    "check_run",
    "check_snapshot",
    "compose_state_file",
    "masked",
    "read_durations",
    "read_finished",
    "read_snapshot",
]

FORMAT = 2
LARGEST = 200_000_000  # bytes of a state file that is read
_CHANGED = "since format 2 it is signed with the key pair, and has no `config`"

# The members that are needed to resume a run; it may have more.
_RUN: Mapping[str, Any] = {
    **dict.fromkeys(("state", "last_event"), str),
    **dict.fromkeys(("started_at", "deadline_at", "wake_at"), float),
    **dict.fromkeys(("number", "trail_dropped"), int),
    "facts": Mapping[str, Any],
    "failures": Mapping[str, int],
    "trail": list,
    "hopeless": bool,
}
_TRAIL: Mapping[str, Any] = {
    **dict.fromkeys(("from", "event", "to", "detail"), str),
    **dict.fromkeys(("at", "until"), float),
    "times": int,
}
# Facts in words of our own: a token that happens to be one of them must not take its place.
_OUR_WORDS = ("verdict", "attempted", "answered")


class StateFileError(ConfigurationError):
    """A state file that this job cannot resume from, or cannot write.

    Args:
        file: Its path.
        problem: What is wrong with it.
        fix: What to do about it.
    """

    def __init__(self, file: str, problem: str, fix: str) -> None:
        super().__init__([f"FIVETRAN_STATE_FILE: {file} {problem}: {fix}"], [])


def _subject(settings: Settings) -> dict[str, Any]:
    return {
        "action": settings.action,
        "connector_id": settings.connector_id,
        "schema": settings.schema,
        "table": settings.table,
        **({"tables": settings.scope} if settings.tables else {}),
    }


def compose_state_file(run: Run, trace: Trace, mask: Mask) -> str:
    """The state file's text, signed and without secrets."""
    settings = run.settings
    standing = run.standing.as_json(run.now, run.ports.clock.wall())
    document = {
        "format": FORMAT,
        "version": __version__,
        **_subject(settings),
        "pipeline": settings.pipeline,
        "chart": run.chart.digest,
        "ended": run.ended,
        "run": masked({**standing, "trail": trace.entries(), "trail_dropped": trace.dropped}, mask),
    }
    # In ASCII: half a surrogate pair, which a document may hold, would not come back from UTF-8 as it was.
    return json.dumps({**document, "signature": _signature(settings, document)}, indent=1) + "\n"


def masked(snapshot: dict[str, Any], mask: Mask) -> dict[str, Any]:
    """A run without what is secret; its values, never its text: any text is somewhere in JSON."""
    facts: dict[str, Any] = snapshot["facts"]
    if facts["connection"] is not None:
        facts["connection"] = documents.trimmed(facts["connection"])
    kept = {name: facts[name] for name in _OUR_WORDS}
    clean: dict[str, Any] = mask.document(snapshot)
    clean["facts"].update(kept)
    return clean


def _signature(settings: Settings, document: Mapping[str, Any]) -> str:
    """HMAC-SHA256 over all of the document, in one certain spelling, keyed by the key pair."""
    key = json.dumps([settings.api_key, settings.api_secret])
    content = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hmac.new(key.encode(), content.encode(), "sha256").hexdigest()


def read_snapshot(
    settings: Settings, chart: Chart, now: float, warn: Callable[[str], object], *, however_old: bool = False
) -> Mapping[str, Any] | None:
    """The run that the state file holds for this job, as `standing.resumed` takes it.

    Args:
        settings: The job's settings; the file must be about the same connection and action.
        chart: The job's chart, which must be the one that the run was of.
        now: Seconds since the epoch.
        warn: Called for a run that is not resumed.
        however_old: Resume the run even if it is another pipeline's, or should have ended long ago.

    Returns:
        None where there is no file, its run has ended, or is not resumed.

    Raises:
        StateFileError: The file is not a state file, belongs to another connection, has another format, was
            modified, or is damaged. It is not ignored: its sync may still run, and a new run would start a second one.
    """
    file, another = settings.state_file, "remove it to start afresh, or use another file"

    def pass_over(why: str) -> None:
        warn(f"FIVETRAN_STATE_FILE: {file} has an unfinished run {why}: starting a new run")

    document = _parsed(file, another)
    if document is None:
        return None
    signed = document.get("format") == FORMAT and _is_signed(settings, document)
    if signed and document.get("ended") is True:
        return None
    subject = _subject(settings)
    for name in (*subject, "tables"):
        found, value = document.get(name), subject.get(name)
        if found != value:
            problem = f"belongs to another job: its {name} is {_shown(found or 'none')}, not {value or 'none'}"
            raise StateFileError(file, problem, another)
    pipeline = document.get("pipeline")
    if settings.pipeline and pipeline != settings.pipeline and not however_old:
        pass_over(f"of {f'pipeline {_shown(pipeline)}' if pipeline else 'no pipeline'}")
        return None
    if document.get("format") != FORMAT:
        problem = (
            f"is a state file of format {_shown(document.get('format'))}, written by version "
            f"{_shown(document.get('version'))}; version {__version__} reads format {FORMAT}: {_CHANGED}"
        )
        raise StateFileError(file, problem, _way_on(chart))
    if not signed:
        problem = (
            "does not have this job's signature: the API key or secret has changed since it was written, "
            "or the file was modified"
        )
        raise StateFileError(file, problem, _way_on(chart))
    if document.get("chart") != chart.digest:
        raise StateFileError(file, f"has an unfinished run of another chart than {settings.action} has now", another)
    snapshot: Mapping[str, Any] = document["run"]
    try:
        check_run(snapshot, chart)
    except ValueError as error:
        raise StateFileError(file, f"has an invalid run: {printable(str(error))}", another) from error
    if now > snapshot["deadline_at"] + settings.timeout and not however_old:
        pass_over("whose deadline passed long ago")
        return None
    return snapshot


def read_finished(settings: Settings, chart: Chart) -> Mapping[str, Any] | None:
    """The run that ended green in this very pipeline, as the state file has it; None where there is none.

    Args:
        settings: The job's settings.
        chart: The job's chart.
    """
    try:
        document = _parsed(settings.state_file, "")
    except StateFileError:
        return None  # who reads it to go on says what is wrong with it
    if document is None or document.get("ended") is not True or document.get("format") != FORMAT:
        return None
    ours = {**_subject(settings), "pipeline": settings.pipeline, "chart": chart.digest}
    if not settings.pipeline or any(document.get(name) != value for name, value in ours.items()):
        return None
    snapshot: Mapping[str, Any] = document["run"]
    with suppress(ValueError):
        check_snapshot(snapshot)
        green = snapshot["facts"].get("verdict") == chart.green and snapshot["state"] in chart.states
        return snapshot if green and _is_signed(settings, document) else None
    return None


def read_durations(settings: Settings) -> tuple[float, ...] | None:
    """How long this job's syncs took, newest first, by the state file of its last run, which has ended.

    Args:
        settings: The job's settings; `read_snapshot` has found that there is nothing to resume.

    Returns:
        None where that is not known.
    """
    document, known = _parsed(settings.state_file, ""), {**_subject(settings), "format": FORMAT, "ended": True}
    if document is None or not _is_signed(settings, document):
        return None
    if any(document.get(name) != known.get(name) for name in (*known, "tables")):
        return None
    with suppress(ValueError):
        check_snapshot(document["run"])
        return known_afterwards(Facts.from_json(document["run"]["facts"]))
    return None


def _parsed(file: str, fix: str) -> dict[str, Any] | None:
    """The document in a state file, whatever it says; None where there is no file."""
    try:
        document = parse_json(read_text(file, LARGEST))
    except FileNotFoundError:
        return None
    except OSError as error:  # a directory, a device, not permitted: removing it is not what helps
        problem = f"cannot be read as a state file ({error.strerror})"
        raise StateFileError(file, problem, "use another file") from None
    except ValueError as error:
        raise StateFileError(file, f"cannot be read as a state file ({error})", fix) from None
    if not isinstance(document, dict) or not {"format", "connector_id", "run"} <= set(document):
        raise StateFileError(file, "is not a state file", "use another file")
    return document


def _is_signed(settings: Settings, document: Mapping[str, Any]) -> bool:
    signed = {name: value for name, value in document.items() if name != "signature"}
    given = str(document.get("signature"))
    return hmac.compare_digest(given.encode(errors="replace"), _signature(settings, signed).encode())


def _way_on(chart: Chart) -> str:
    attach = "FIVETRAN_ON_RUNNING=attach and without FIVETRAN_STATE_FILE"
    if "attach" in chart.values("on_running"):
        wait = f"to wait for the sync that may still be running, start a job with {attach}"
        return f"{wait}; to start afresh, remove the file"
    return "check on the connection's page what is running; to start afresh, remove the file"


def check_snapshot(snapshot: Any) -> None:  # noqa: ANN401  # any JSON
    """Check that a saved run has the types and is within the bounds of one.

    Raises:
        ValueError: It is not.
    """
    from orchestrator.values.type_checks import check, check_members  # noqa: PLC0415  # likewise

    check("run", snapshot, Mapping[str, Any])
    check_members("run", snapshot, _RUN)
    for entry in snapshot["trail"]:
        check_members("run.trail", entry, _TRAIL)
    Facts.from_json(snapshot["facts"])


def check_run(snapshot: Any, chart: Chart) -> None:  # noqa: ANN401  # any JSON
    """Check that a saved run is one of this chart, in a state from which it can continue.

    Raises:
        ValueError: It is not.
    """
    check_snapshot(snapshot)
    state, verdict = snapshot["state"], snapshot["facts"].get("verdict")
    if state not in chart.states or chart.states[state].kind is Kind.EXIT:
        raise ValueError(f"{_shown(state)} is not a state in which a run of {chart.action} can continue")
    concluded = state in chart.reachable(chart.conclusion.name)
    if concluded != (verdict is not None):
        raise ValueError(f"it is in {state} {'without a' if concluded else 'with a'} verdict")
    if concluded:
        try:
            chart.exit_of(verdict)
        except KeyError:
            raise ValueError(f"{_shown(verdict)} is not a verdict of {chart.action}") from None


def _shown(value: object) -> str:
    """A value from an untrusted file, cut to a few characters."""
    text = value if isinstance(value, str) else repr(value)
    shown = "".join(sign if sign.isprintable() else "?" for sign in text[:40])  # enough to recognise it by
    return shown if len(text) <= len(shown) else f"{shown}…"
