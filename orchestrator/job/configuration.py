"""Variables -> Settings. Everything wrong is reported at once, before any request."""

import base64
import binascii
import math
import re
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from orchestrator.fivetran.documents import parse_time
from orchestrator.job.masking import LEAST
from orchestrator.job.network_variables import HOST, faults
from orchestrator.job.own_chart import load_file
from orchestrator.job.variables import RESULTS, VARIABLES
from orchestrator.machine.chart import Chart
from orchestrator.machine.loader import ACTIONS, ChartError, load
from orchestrator.values.formatting import STARS
from orchestrator.values.settings import CONNECTOR_ID, LOOPBACK, Settings

__all__ = ["ConfigurationError", "Configured", "configure", "report_dir", "subject_of"]

CI_REPORT_DIR = "dataops/report/fivetran"
CI_MARGIN = 60.0  # seconds of the job's own timeout that are left for its other work
CI_LEAST = 10.0
LAST_PORT = 65_535
LEAST_SECONDS = 0.1
MOST_SECONDS = 31_622_400.0  # a leap year; the system's timers overflow somewhere above
POLICIES = {
    "on_running": "FIVETRAN_ON_RUNNING",
    "on_reschedule": "FIVETRAN_ON_RESCHEDULE",
    "on_broken": "FIVETRAN_ON_BROKEN",
}
POLICY_OF = {
    "on_running": "a sync that is running already",
    "on_reschedule": "a sync that Fivetran reschedules",
    "on_broken": "a connection that is broken",
}

_REFERENCE = re.compile(r"\$\w+|%\w+%")
# One grammar, and a strict one: what the client reads the host from must not see another in it.
_ADDRESS = re.compile(
    rf"(?P<scheme>(?i:https?))://(?P<host>{HOST}|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[1-9][0-9]{{0,4}}))?"
    r"(?P<path>(?:/[A-Za-z0-9._~!$&'()*+,;=:-]+)*)/*"
)
_NUMBER = re.compile(r"(?:^|\.)(?:[0-9]+|0[xX][0-9A-Fa-f]*)$")
_VAULT_REFERENCE = re.compile(r"DATAOPS_VAULT\(([^)]+)\)")
_VAULT_KEY = "FIVETRAN.DEFAULT.API_KEY"
_VAULT_SECRETS = ("FIVETRAN.DEFAULT.API_SECRET", "FIVETRAN.DEFAULT.SECRET")  # both are in use


class ConfigurationError(ValueError):
    """What is wrong with the variables.

    Attributes:
        errors: A line each: the variable, what is wrong with it, the fix.
        warnings: What was noticed besides.
    """

    def __init__(self, errors: list[str], warnings: list[str]) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors
        self.warnings = warnings


class Configured(NamedTuple):
    """What the variables came to.

    Attributes:
        settings: The settings.
        chart: The action's chart.
        inputs: Effective value of each variable, secrets as stars.
        warnings: What the user should know.
        secrets: What has to be masked beside key and secret.
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
    return "" if _is_unresolved(text) or "DATAOPS_VAULT(" in text else text


def subject_of(environ: Mapping[str, str]) -> dict[str, str]:
    """What a job is about as its variables have it, right or wrong: action, connector_id, schema and table."""

    def given(name: str) -> str:
        names = (name, VARIABLES[name].alias)
        return next(filter(None, (environ.get(name, "").strip() for name in names)), "")

    action = given("FIVETRAN_ACTION").upper()
    resync = {"schema": given("SCHEMA"), "table": given("TABLE")} if action == "FORCE_RESYNC" else {}
    return {"action": action, "connector_id": given("CONNECTOR_ID"), **resync}


def configure(environ: Mapping[str, str], now: Callable[[], float] = time.time) -> Configured:
    """Read and check the variables.

    Args:
        environ: Variables by name.
        now: Seconds since the epoch.

    Raises:
        ConfigurationError: Something is missing or malformed.
    """
    return _Reader(environ, now).read()


class _Reader:
    def __init__(self, environ: Mapping[str, str], now: Callable[[], float]) -> None:
        self.environ = environ
        self.now = now
        self.errors: list[str] = []
        self.warnings: list[str] = []
        self.inputs: dict[str, str] = {}
        self.secrets: list[str] = []
        self._unknown: set[str] = set()  # variables whose value could not be told, which is said once
        self._vault: Mapping[str, object] | None = None
        self._vault_failed = False

    def read(self) -> Configured:
        chart = self._chart()
        action = chart.action if chart else ""
        key, secret = self._pair()
        # Other actions have no use for these two, and their names are everybody's.
        schema, table = map(self._name, ("SCHEMA", "TABLE")) if action == "FORCE_RESYNC" else ("", "")
        settings = Settings(
            action=action,
            connector_id=self._connector(),
            api_key=key,
            api_secret=secret,
            schema=schema,
            table=table,
            keep_schedule=self._flag("FIVETRAN_DONT_DISABLE_SYNC"),
            timeout=self._timeout(),
            poll_interval=self._seconds("FIVETRAN_POLL_INTERVAL"),
            http_timeout=self._seconds("FIVETRAN_HTTP_TIMEOUT"),
            retry_limit=self._count("FIVETRAN_RETRY_LIMIT"),
            policies=tuple((name, self._policy(chart, name)) for name in POLICIES if chart and chart.values(name)),
            unpause=self._flag("FIVETRAN_UNPAUSE"),
            restore_schedule=self._restore_schedule(),
            evidence=self._one_of("FIVETRAN_EVIDENCE", ("1", "red", "0")),
            journal=self._one_of("FIVETRAN_JOURNAL", ("1", "0")) == "1",
            state_file=self._value("FIVETRAN_STATE_FILE"),
            api_url=self._url(),
            report_dir=self._report_dir(),
            pipeline=self.environ.get("CI_PIPELINE_ID", "").strip(),
        )
        self._one_of("FIVETRAN_LOG_FORMAT", ("console", "json"))  # the log is there before the settings are
        self._flag("DATAOPS_DEBUG")
        self._look_for_typos()
        if self.errors or chart is None:
            raise ConfigurationError(self.errors, self.warnings)
        return Configured(settings, chart, self.inputs, tuple(self.warnings), tuple(self.secrets))

    # --- One value -----------------------------------------------------------------------------

    def _value(self, name: str) -> str:
        """The effective value: its alias looked at, a vault reference looked up, the default filled in."""
        variable = VARIABLES[name]
        given = self.environ.get(name, "").strip()
        second = self.environ.get(variable.alias, "").strip() if variable.alias else ""
        if given and second and given != second:
            self._error(name, f"{given!r}, but {variable.alias} is {second!r}", "set one of the two")
        text = given or second
        self.inputs[name] = STARS if variable.secret and text else text or variable.default
        if match := _VAULT_REFERENCE.fullmatch(text):
            self.inputs[name] = text
            text = self._looked_up(name, match[1])
            if variable.secret or variable.any_value or name == "FIVETRAN_API_URL":
                self.secrets.append(text)  # nobody needs to read it; of the others the job says what it does with them
        elif "DATAOPS_VAULT(" in text:
            self._error(
                name,
                "holds a DATAOPS_VAULT(...) that is not its whole value or names nothing",
                "set it to one reference alone, such as DATAOPS_VAULT(A.B.C)",
            )
            text = ""
        elif _is_unresolved(text):
            what = "a variable that was not resolved" if variable.secret else f"{text!r}, which was not resolved"
            self._error(
                name,
                f"is {what}",
                "define that variable; in GitLab a protected one is missing on unprotected branches",
            )
            text = ""
        else:
            return text or variable.default
        if not text:
            self._unknown.add(name)
        return text

    def _error(self, name: str, problem: str, fix: str) -> None:
        if name not in self._unknown:
            self.errors.append(f"{name}: {problem}: {fix}")

    def _shown(self, name: str, text: str) -> str:
        """A value as a message shows it: the reference, where it came from the vault."""
        given = self.inputs[name]
        return f"what {given} holds" if _VAULT_REFERENCE.fullmatch(given) else repr(text)

    def _flag(self, name: str) -> bool:
        text = self._value(name)
        if text.lower() in {"false", "0", "no", "off", "none"}:
            self.warnings.append(f"{name} is {text!r}: any value counts as set; to turn it off, leave it empty")
        return bool(text)

    def _number(self, name: str, least: float) -> float:
        text = self._value(name)
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not least <= number <= MOST_SECONDS:  # NaN is neither
            self._error(
                name,
                f"{self._shown(name, text)} is not a number of seconds from {least:g} to {MOST_SECONDS:.0f}",
                f"give one, such as {VARIABLES[name].default}",
            )
            return float(VARIABLES[name].default)
        return number

    def _seconds(self, name: str) -> float:
        return self._number(name, LEAST_SECONDS)

    def _count(self, name: str) -> int:
        text = self._value(name)
        if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < 1:
            self._error(
                name,
                f"{self._shown(name, text)} is not a count",
                f"give a whole number from 1, such as {VARIABLES[name].default}",
            )
            return 1
        return int(text)

    def _one_of(self, name: str, values: tuple[str, ...]) -> str:
        text = self._value(name).lower()
        if text not in values:
            self._error(name, f"{self._shown(name, text)} is not one of its values", f"set it to {' or '.join(values)}")
        return text

    # --- One variable --------------------------------------------------------------------------

    def _chart(self) -> Chart | None:
        name = "FIVETRAN_ACTION"
        text = self._value(name)
        action = text.upper().replace("-", "_")
        if action not in ACTIONS:
            problem = f"{self._shown(name, text)} is not an action" if text else "is not set"
            self._error(name, problem, f"set it to one of {', '.join(ACTIONS)}")
            return None
        self.inputs[name] = action
        own = self._value("FIVETRAN_CHART")
        return self._own_chart(own, action) if own else load(action)

    def _own_chart(self, path: str, action: str) -> Chart | None:
        from orchestrator.machine.promises import broken  # noqa: PLC0415  # only with a user's own chart

        name, fix = "FIVETRAN_CHART", f"`fivetran-orchestrator check {path}` has the details"
        try:
            chart = load_file(path, action)
        except ChartError as error:
            for fault in str(error).splitlines():
                self._error(name, fault, fix)
            return None
        for promise, counterexample in broken(chart).items():
            self._error(name, f"{path}: breaks the promise {promise!r}: {counterexample}", fix)
        return chart

    def _connector(self) -> str:
        name = "CONNECTOR_ID"
        text = self._value(name)
        if not text:
            self._error(name, "is not set", "set it to the id that the connection's Setup tab shows")
        elif not re.fullmatch(CONNECTOR_ID, text):
            self._error(
                name,
                f"{self._shown(name, text)} is not an id",
                "use the id that the connection's Setup tab shows (such as speak_inexpensive), not its name or address",
            )
        return text

    def _name(self, name: str) -> str:
        text = self._value(name)
        if not text:
            self._error(name, "is not set", "FORCE_RESYNC needs SCHEMA and TABLE, as they are called at the source")
        elif not text.isprintable():
            self._error(name, f"{self._shown(name, text)} has control characters", "give the plain name")
        return text

    def _policy(self, chart: Chart, name: str) -> str:
        variable = POLICIES[name]
        text = self._value(variable).lower()
        if text not in chart.values(name):
            self._error(
                variable,
                f"{self._shown(variable, text)} is not a valid choice for {POLICY_OF[name]} in {chart.action}",
                f"set it to {' or '.join(chart.values(name))}",
            )
        return text

    def _restore_schedule(self) -> str:
        """What the schedule is to be at the end: "before", "auto" or "" (as it is then)."""
        name = "FIVETRAN_RESTORE_SCHEDULE"
        if not self._flag(name):
            return ""
        return "auto" if self._value(name).lower() == "auto" else "before"

    def _timeout(self) -> float:
        asked = self._number("FIVETRAN_TIMEOUT", 1.0)
        limit, began = self.environ.get("CI_JOB_TIMEOUT", ""), parse_time(self.environ.get("CI_JOB_STARTED_AT"))
        if not re.fullmatch(r"[0-9]{1,9}", limit.strip()):
            return asked
        since = max(0.0, self.now() - began) if began is not None else 0.0  # the two clocks may differ
        left = max(CI_LEAST, int(limit) - since - CI_MARGIN)
        if left >= asked:
            return asked
        self.warnings.append(
            f"FIVETRAN_TIMEOUT is {asked:g} s, but the job itself may last {int(limit)} s (CI_JOB_TIMEOUT): "
            f"the run gets {left:.0f} s; raise the job's `timeout`"
        )
        self.inputs["FIVETRAN_TIMEOUT"] = f"{left:.0f}"
        return left

    def _url(self) -> str:
        name = "FIVETRAN_API_URL"
        text = self._value(name)
        if "@" in text:  # looked for first: no message may show them
            self._error(name, "holds credentials", "give the address alone; the key goes into FIVETRAN_API_KEY")
            return text
        shown = self._shown(name, text)
        address = _address(text)
        if address is None:
            self._error(
                name, f"{shown} is not an address", f"leave it out, or give one such as {VARIABLES[name].default}"
            )
            return text
        host = address["host"].lower().strip("[]")
        loopback = host in LOOPBACK
        if address["path"].endswith("/v1"):
            self._error(name, f"{shown} ends in /v1", "leave that out: the job adds it")
        if address["scheme"].lower() == "https":
            self.errors.extend(faults(text, proxied=not loopback))
        elif not loopback:
            fix = "use https; plain http goes to localhost, 127.0.0.1 and [::1] alone"
            self._error(name, f"{shown} would send the key in the clear", fix)
        if address["scheme"].lower() == "https" and not loopback and not host.endswith(".fivetran.com"):
            self.warnings.append(f"{name}: key and secret are sent to {shown}, which is not a Fivetran host")
        return text.rstrip("/")

    def _report_dir(self) -> str:
        # Not set and set to nothing differ here: the second says "nowhere".
        name = "FIVETRAN_REPORT_DIR"
        text = self._value(name) or report_dir(self.environ)
        self.inputs[name] = self.inputs[name] or text
        return text

    # --- Key and secret ------------------------------------------------------------------------

    def _pair(self) -> tuple[str, str]:
        names = ("FIVETRAN_API_KEY", "FIVETRAN_API_SECRET")
        wants_vault = self._flag("SET_FIVETRAN_KEYS_TO_ENV")
        key, secret = (self._value(name) for name in names)
        if wants_vault and not key and not secret and self._unknown.isdisjoint(names):
            return self._pair_from_vault()
        if not wants_vault and not secret and names[1] not in self._unknown and (pair := _decoded_pair(key)):
            self.secrets.append(key)
            key, secret = pair
            self.inputs[names[1]] = f"{STARS} (from {names[0]})"
            self.warnings.append(f"{names[0]} is Base64 of a key and its secret: both are taken from it")
        for name, text, other in ((names[0], key, names[1]), (names[1], secret, names[0])):
            if not text:
                fix = "set both, or set neither and SET_FIVETRAN_KEYS_TO_ENV to take them from the DataOps vault"
                self._error(name, "is not set" if not (key or secret) else f"is not set, but {other} is", fix)
        self._check_pair(key, secret)
        return key, secret

    def _check_pair(self, key: str, secret: str) -> None:
        for name, text in (("FIVETRAN_API_KEY", key), ("FIVETRAN_API_SECRET", secret)):
            if text and not re.fullmatch(r"[!-~]+", text):
                self._error(
                    name, "has a blank, a line end or a character outside ASCII in it", "copy it again, it alone"
                )
            elif len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
                self._error(name, "stands in quotes", "take the quotes away")
            elif text and len(text) < LEAST:
                self._error(name, f"is shorter than {LEAST} characters", "copy it again, all of it")
        if key and key == secret:
            self._error("FIVETRAN_API_SECRET", "is the same as FIVETRAN_API_KEY", "set it to the key's secret")
        if _decoded_pair(key):
            self._error(
                "FIVETRAN_API_KEY",
                "is Base64 of a key and its secret",
                "give the key alone, and its secret in FIVETRAN_API_SECRET",
            )

    def _pair_from_vault(self) -> tuple[str, str]:
        key = self._looked_up("SET_FIVETRAN_KEYS_TO_ENV", _VAULT_KEY)
        secret = self._looked_up("SET_FIVETRAN_KEYS_TO_ENV", *_VAULT_SECRETS)
        self.inputs["FIVETRAN_API_KEY"] = self.inputs["FIVETRAN_API_SECRET"] = f"{STARS} (from the vault)"
        self._check_pair(key, secret)
        return key, secret

    def _looked_up(self, name: str, *paths: str) -> str:
        """The first of the paths that the vault has."""
        from orchestrator.job.vault import VaultError, look_up, read_vault  # noqa: PLC0415  # PyYAML: only with a vault

        if self._vault_failed:
            return ""
        file = self._vault_file()
        try:
            if self._vault is None:
                self._vault = read_vault(file)
        except VaultError as error:
            self._vault_failed = True
            self._error(name, f"needs the vault {file}, which {error}", error.fix)
            return ""
        for path in paths:
            found = look_up(self._vault, path)
            if found is not None:
                return found
        self._error(name, f"the vault {file} has no text at {' or '.join(paths)}", "add it there, or correct the name")
        return ""

    def _vault_file(self) -> str:
        given = self.environ.get("FIVETRAN_VAULT_FILE", "").strip()
        file = given or f"{self.environ.get('DATAOPS_SECRETS_DIR', '').strip() or '/secrets'}/vault.yml"
        self.inputs["FIVETRAN_VAULT_FILE"] = file
        return file

    def _look_for_typos(self) -> None:
        known = {*VARIABLES, *(variable.alias for variable in VARIABLES.values())}
        for name in sorted(set(self.environ) - known - RESULTS):
            if name.startswith("FIVETRAN_"):
                import difflib  # noqa: PLC0415  # only after a typo

                close = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
                if close:
                    self.warnings.append(f"{name} is not a variable of this job: did you mean {close[0]}?")


def _address(text: str) -> re.Match[str] | None:
    """The parts of an address of http or https, or None where it is none."""
    import socket  # noqa: PLC0415  # the client has it anyway

    match = _ADDRESS.fullmatch(text)
    if match is None or int(match["port"] or 1) > LAST_PORT:
        return None
    host = match["host"]
    is_number = _NUMBER.search(host)  # what ends in one is looked up as an address: 2130706433 is 127.0.0.1
    if is_number or host.startswith("["):
        try:
            socket.inet_pton(socket.AF_INET if is_number else socket.AF_INET6, host.strip("[]"))
        except OSError:
            return None
    return match


def _is_unresolved(text: str) -> bool:
    """Whether it refers to a variable that nobody has filled in."""
    # A name at the source may have a dollar in it, but none has `${...}`.
    start = text.find("${")
    return (start >= 0 and text.find("}", start) >= 0) or bool(_REFERENCE.fullmatch(text))


def _decoded_pair(text: str) -> tuple[str, str] | None:
    """Key and secret of Base64(key:secret), as Fivetran's own command line wants it; None of anything else."""
    try:
        decoded = base64.b64decode(text, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return None
    key, _, secret = decoded.partition(":")
    return (key, secret) if key and secret and decoded.isprintable() else None
