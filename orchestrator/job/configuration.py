"""Variables -> Settings. All problems are reported at once, before any request."""

import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from orchestrator.fivetran.documents import parse_time
from orchestrator.job.address import api_url
from orchestrator.job.credentials import key_pair
from orchestrator.job.inputs import Inputs, is_unresolved
from orchestrator.job.masking import Mask
from orchestrator.job.own_chart import load_file
from orchestrator.job.tables import parse_tables, read_tables, single
from orchestrator.job.variables import RESULTS, VARIABLES
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.chart import Chart
from orchestrator.machine.loader import ChartError, load
from orchestrator.values.events import Event
from orchestrator.values.formatting import either
from orchestrator.values.settings import CONNECTOR_ID, USUAL_POLL, Settings
from orchestrator.values.suggestions import did_you_mean, near, sentence

__all__ = ["ConfigurationError", "Configured", "configure", "refuse_connector", "refused", "report_dir", "subject_of"]

CI_REPORT_DIR = "dataops/report/fivetran"
CI_MARGIN = 60.0  # seconds of the job's own timeout that are left for its other work
CI_LEAST = 10.0
PIPELINES = ("CI_PIPELINE_ID", "GITHUB_RUN_ID")  # what a pipeline is known by, in GitLab and GitHub Actions
# A policy -> what it is for; FIVETRAN_ and its name is the variable.
POLICIES = {
    "on_running": "a sync that is running already",
    "on_reschedule": "a sync that Fivetran reschedules",
    "on_broken": "a connection that is broken",
}


class ConfigurationError(ValueError):
    """What is wrong with the variables.

    Attributes:
        errors: One line each: the variable, what is wrong with it, the fix.
        warnings: Warnings found meanwhile.
    """

    def __init__(self, errors: list[str], warnings: list[str]) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors
        self.warnings = warnings


class Configured(NamedTuple):
    """The result of reading the variables.

    Attributes:
        settings: The settings.
        chart: The action's chart.
        inputs: Effective value of each variable, secrets as stars.
        warnings: Warnings for the user.
        secrets: What has to be masked besides key and secret.
    """

    settings: Settings
    chart: Chart
    inputs: Mapping[str, str]
    warnings: tuple[str, ...]
    secrets: tuple[str, ...] = ()


def report_dir(environ: Mapping[str, str]) -> str:
    """FIVETRAN_REPORT_DIR as it is written, or its default; "" for nowhere, or where it needs resolving."""
    default = CI_REPORT_DIR if environ.get("CI") else ""
    text = environ.get("FIVETRAN_REPORT_DIR", default).strip()
    return "" if is_unresolved(text) or "DATAOPS_VAULT(" in text else text


def subject_of(environ: Mapping[str, str]) -> dict[str, Any]:
    """A job's action, connector_id, schema, table and tables as given in its variables, valid or not."""

    def given(name: str) -> str:
        names = (name, VARIABLES[name].alias)
        return next(filter(None, (environ.get(name, "").strip() for name in names)), "")

    action = given("FIVETRAN_ACTION").upper()
    subject = {"action": action, "connector_id": _shown(given("CONNECTOR_ID"))}
    if action not in ACTIONS or "TABLES" not in load(action).needs:
        return subject
    schema, table = given("SCHEMA"), given("TABLE")
    scope = {schema: [table]} if schema and table else {}
    with suppress(ValueError):
        scope = parse_tables(given("TABLES"))
    schema, table = single(scope) or (schema, table)
    return {**subject, "schema": schema, "table": table, "tables": scope}


def _shown(connector: str) -> str:
    """What is given for an id, as far as it may be shown."""
    if re.fullmatch(CONNECTOR_ID, connector):
        return connector
    from orchestrator.job.pasted_id import without_secrets  # noqa: PLC0415  # only if it is not an id

    return without_secrets(connector)


def configure(
    environ: Mapping[str, str],
    now: Callable[[], float] = time.time,
    connector: Callable[[Inputs], str] | None = None,
) -> Configured:
    """Read and check the variables.

    Args:
        environ: Variables by name.
        now: Seconds since the epoch.
        connector: What reads which connection it is about; where None, CONNECTOR_ID says it.

    Raises:
        ConfigurationError: Something is missing or malformed.
    """
    inputs = Inputs(environ)
    chart = _chart(inputs)
    key, secret = key_pair(inputs)
    # Actions that need no tables ignore these variables, whose names other tools use, too.
    scope = read_tables(inputs, chart.action) if chart and "TABLES" in chart.needs else {}
    schema, table = single(scope) or ("", "")
    adaptive = inputs.is_usual("FIVETRAN_POLL_INTERVAL")
    settings = Settings(
        action=chart.action if chart else "",
        connector_id=(connector or _connector)(inputs),
        api_key=key,
        api_secret=secret,
        schema=schema,
        table=table,
        tables=() if table else tuple((name, tuple(tables)) for name, tables in scope.items()),
        keep_schedule=inputs.flag("FIVETRAN_DONT_DISABLE_SYNC"),
        max_age=_max_age(inputs, chart),
        timeout=_timeout(inputs, now),
        poll_interval=USUAL_POLL if adaptive else inputs.seconds("FIVETRAN_POLL_INTERVAL"),
        adaptive=adaptive,
        http_timeout=inputs.seconds("FIVETRAN_HTTP_TIMEOUT"),
        retry_limit=inputs.count("FIVETRAN_RETRY_LIMIT"),
        policies=tuple((name, _policy(inputs, chart, name)) for name in POLICIES if chart and chart.values(name)),
        unpause=inputs.flag("FIVETRAN_UNPAUSE"),
        restore_schedule=_restore_schedule(inputs),
        evidence=inputs.one_of("FIVETRAN_EVIDENCE"),
        journal=inputs.one_of("FIVETRAN_JOURNAL") == "1",
        state_file=inputs.value("FIVETRAN_STATE_FILE"),
        api_url=api_url(inputs),
        report_dir=_report_dir(inputs),
        pipeline=next(filter(None, (inputs.environ.get(name, "").strip() for name in PIPELINES)), ""),
    )
    inputs.one_of("FIVETRAN_LOG_FORMAT")  # the log is there before the settings are
    inputs.flag("DATAOPS_DEBUG")
    _look_for_typos(inputs)
    if inputs.errors or chart is None:
        raise refused(inputs, key, secret)
    return Configured(settings, chart, inputs.shown, tuple(inputs.warnings), tuple(inputs.secrets))


def refused(inputs: Inputs, key: str, secret: str) -> ConfigurationError:
    """What is wrong with the variables: a value that is quoted may be a secret in the wrong place."""
    mask = Mask(key, secret)
    given = (inputs.environ.get(f"FIVETRAN_API_{part}", "").strip() for part in ("KEY", "SECRET"))
    mask.add(*inputs.secrets, *(text for text in given if not text.startswith("DATAOPS_VAULT(")))
    return ConfigurationError(
        [mask.line(text) for text in inputs.errors], [mask.line(text) for text in inputs.warnings]
    )


def _chart(inputs: Inputs) -> Chart | None:
    name = "FIVETRAN_ACTION"
    text = inputs.value(name)
    action = text.upper().replace("-", "_")
    if action not in ACTIONS:
        problem = f"{inputs.quoted(name, text)} is not an action" if text else "not set"
        meant = did_you_mean(action, ACTIONS)
        inputs.error(name, problem, f"{meant} Set it to {either(ACTIONS)}" if meant else f"set it to {either(ACTIONS)}")
        return None
    inputs.shown[name] = action
    own = inputs.value("FIVETRAN_CHART")
    return _own_chart(inputs, own, action) if own else load(action)


def _own_chart(inputs: Inputs, path: str, action: str) -> Chart | None:
    from orchestrator.machine.promises import broken  # noqa: PLC0415  # only with a user's own chart

    name, fix = "FIVETRAN_CHART", f"`fivetran-orchestrator check {path}` has the details"
    try:
        chart = load_file(path, action)
    except ChartError as error:
        for fault in str(error).splitlines():
            inputs.error(name, fault, fix)
        return None
    for promise, counterexample in broken(chart).items():
        inputs.error(name, f"{path}: breaks the promise {promise!r}: {counterexample}", fix)
    return chart


def _connector(inputs: Inputs) -> str:
    name = "CONNECTOR_ID"
    text = inputs.value(name)
    if not text:
        others = (one for one, value in inputs.environ.items() if value.strip())
        problem = "".join(["not set", *(f", but {one} is" for one in near(name, others, cutoff=0.85))])
        inputs.error(name, problem, "set it to the id that the connection's Setup tab shows")
    elif not re.fullmatch(CONNECTOR_ID, text):
        refuse_connector(inputs, name, text)
    return text


def refuse_connector(inputs: Inputs, name: str, text: str) -> None:
    """Say what is wrong with what is no id, and what may have been meant."""
    from orchestrator.job.pasted_id import id_in, is_name, without_secrets  # noqa: PLC0415  # only if it is not an id

    found, shown = id_in(text), inputs.quoted(name, without_secrets(text))
    if found and not inputs.is_reference(name):
        inputs.error(name, f"{shown} is not an id", f"set it to {found}")
        return
    where = "the connection's Setup tab or `fivetran-orchestrator list`"
    problem = "is a connection's name, not its id" if is_name(text) else "is not an id"
    fix = f"use the id that {where} shows (such as speak_inexpensive), not its name or address"
    inputs.error(name, f"{shown} {problem}", fix)


def _policy(inputs: Inputs, chart: Chart, name: str) -> str:
    return inputs.one_of(f"FIVETRAN_{name.upper()}", chart.values(name), f"a choice that {chart.action} has")


def _max_age(inputs: Inputs, chart: Chart | None) -> float | None:
    """FIVETRAN_MAX_AGE in seconds; None where it is not set, or the action has no use for it."""
    name = "FIVETRAN_MAX_AGE"
    if chart is None:
        return None
    checked = _checks_age(chart)
    lacking = not checked and bool(inputs.value("FIVETRAN_CHART")) and _checks_age(load(chart.action))
    if not (checked or lacking) or not inputs.value(name):
        return None
    if lacking:  # passed over, it would be green whatever the age
        inputs.error(name, "FIVETRAN_CHART has no edge for `stale`", f"draw it as `diagram {chart.action}` shows it")
    return inputs.seconds(name)


def _checks_age(chart: Chart) -> bool:
    return Event.STALE in chart.values("verdict")


def _restore_schedule(inputs: Inputs) -> str:
    """What the schedule is to be at the end: "before", "auto" or "" (as it is then)."""
    name = "FIVETRAN_RESTORE_SCHEDULE"
    if not inputs.flag(name):
        return ""
    return "auto" if inputs.value(name).lower() == "auto" else "before"


def _timeout(inputs: Inputs, now: Callable[[], float]) -> float:
    asked = inputs.seconds("FIVETRAN_TIMEOUT", 1.0)
    limit, began = inputs.environ.get("CI_JOB_TIMEOUT", ""), parse_time(inputs.environ.get("CI_JOB_STARTED_AT"))
    if not re.fullmatch(r"[0-9]{1,9}", limit.strip()):
        return asked
    since = max(0.0, now() - began) if began is not None else 0.0  # the two clocks may differ
    left = max(CI_LEAST, int(limit) - since - CI_MARGIN)
    if left >= asked:
        return asked
    inputs.warnings.append(
        f"FIVETRAN_TIMEOUT is {asked:g} s, but the job's own timeout is {int(limit)} s (CI_JOB_TIMEOUT): "
        f"the run gets {left:.0f} s; raise the job's `timeout`"
    )
    inputs.shown["FIVETRAN_TIMEOUT"] = f"{left:.0f}"
    return left


def _report_dir(inputs: Inputs) -> str:
    # Not set and set to nothing differ here: the second says "nowhere".
    name = "FIVETRAN_REPORT_DIR"
    text = inputs.value(name) or report_dir(inputs.environ)
    inputs.shown[name] = inputs.shown[name] or text
    return text


def _look_for_typos(inputs: Inputs) -> None:
    known = {*VARIABLES, *(variable.alias for variable in VARIABLES.values())}
    for name in sorted(set(inputs.environ) - known - RESULTS):
        if name.startswith("FIVETRAN_"):
            meant = did_you_mean(name, known, 0.8)
            if meant:
                inputs.warnings.append(f"unknown variable {name}{sentence(meant)}")
