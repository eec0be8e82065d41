"""Reads variables one at a time: second names, vault references, defaults, and what is wrong with them."""

import re
from collections.abc import Mapping, Sequence

from orchestrator.job.variables import VARIABLES
from orchestrator.values.formatting import STARS, clipped, duration, either
from orchestrator.values.parsing import parse_duration
from orchestrator.values.suggestions import did_you_mean

__all__ = ["LEAST_SECONDS", "MOST_SECONDS", "Inputs", "is_unresolved"]

LEAST_SECONDS = 0.1
LONGEST = 300  # characters of a value in a message
MOST_SECONDS = 31_622_400.0  # a leap year; the system's timers overflow somewhere above

_REFERENCE = re.compile(r"\$\w+|%\w+%")
_VAULT_REFERENCE = re.compile(r"DATAOPS_VAULT\(([^)]+)\)")


class Inputs:
    """The variables, as they are read.

    Args:
        environ: Variables by name.

    Attributes:
        environ: Variables by name.
        errors: One line each: the variable, what is wrong with it, the fix.
        warnings: Warnings found meanwhile.
        shown: Effective value of each variable that was read, secrets as stars.
        secrets: What has to be masked besides key and secret.
        unknown: Variables whose value could not be determined, which is reported once.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.errors: list[str] = []
        self.warnings: list[str] = []
        self.shown: dict[str, str] = {}
        self.secrets: list[str] = []
        self.unknown: set[str] = set()
        self._vault: Mapping[str, object] | None = None
        self._vault_failed = False

    def value(self, name: str) -> str:
        """The effective value: its alias looked at, a vault reference looked up, the default filled in."""
        variable = VARIABLES[name]
        given = self.environ.get(name, "").strip()
        second = self.environ.get(variable.alias, "").strip() if variable.alias else ""
        if given and second and given != second:
            self.error(name, f"differs from {variable.alias}", "set one of the two")
        text = given or second
        self.shown[name] = STARS if variable.secret and text else text or variable.default
        if match := _VAULT_REFERENCE.fullmatch(text):
            self.shown[name] = text
            text = self.looked_up(name, match[1])
            if variable.secret or variable.any_value or name == "FIVETRAN_API_URL":
                self.secrets.append(text)  # not shown anywhere; other values may appear in the log
        elif "DATAOPS_VAULT(" in text:
            problem = "has a malformed DATAOPS_VAULT(...) reference, or text around one"
            self.error(name, problem, "set it to a single reference, such as DATAOPS_VAULT(A.B.C)")
            text = ""
        elif is_unresolved(text):
            what = (
                "an unresolved variable reference"
                if variable.secret
                else f"{self.quoted(name, text)}, an unresolved variable reference"
            )
            fix = "define that variable; in GitLab, protected variables are not set on unprotected branches"
            self.error(name, f"is {what}", fix)
            text = ""
        else:
            return text or variable.default
        if not text:
            self.unknown.add(name)
        return text

    def error(self, name: str, problem: str, fix: str) -> None:
        """Note what is wrong with a variable, unless its value could not be determined."""
        if name not in self.unknown:
            self.errors.append(f"{name}: {problem}: {fix}")

    def quoted(self, name: str, text: str) -> str:
        """A value as a message shows it: the reference, where it came from the vault."""
        given = self.shown[name]
        return f"the value of {given}" if self.is_reference(name) else repr(clipped(text, LONGEST, whole_words=True))

    def is_reference(self, name: str) -> bool:
        """Whether its value came from the vault."""
        return bool(_VAULT_REFERENCE.fullmatch(self.shown[name]))

    def flag(self, name: str) -> bool:
        """Whether it is set, to any value."""
        text = self.value(name)
        if text.lower() in {"false", "0", "no", "off", "none"}:
            self.warnings.append(f"{name} is {text!r}, but any value turns it on; to turn it off, leave it empty")
        return bool(text)

    def seconds(self, name: str, least: float = LEAST_SECONDS) -> float:
        """A duration in seconds, from the least that it may be."""
        text = self.value(name)
        try:
            seconds = parse_duration(text)
        except ValueError:
            problem = f"{self.quoted(name, text)} is not a duration"
        else:
            if least <= seconds <= MOST_SECONDS:  # NaN is not
                return seconds
            problem = f"{self.quoted(name, text)} is not between {least:g} s and {duration(MOST_SECONDS)}"
        usual = VARIABLES[name].example or VARIABLES[name].default
        self.error(name, problem, f"give seconds, such as {usual}, or a duration, such as 90s, 5m or 1h30m")
        return least

    def is_usual(self, name: str) -> bool:
        """Whether its default holds."""
        return self.value(name) == VARIABLES[name].default

    def count(self, name: str, usual: int = 1) -> int:
        """A whole number from 1.

        Args:
            name: The variable.
            usual: An example, where it has no default.
        """
        text = self.value(name)
        if re.fullmatch(r"[0-9]{1,9}", text) and int(text) >= 1:
            return int(text)
        fix = f"set it to 1 or more, such as {VARIABLES[name].default or usual}"
        self.error(name, f"{self.quoted(name, text)} is not a whole number from 1", fix)
        return 1

    def one_of(self, name: str, values: Sequence[str] = (), what: str = "one of its values") -> str:
        """One of some values, in any case; of the variable's own where none are given.

        Args:
            name: The variable.
            values: What it may be.
            what: What these values are, for the message.
        """
        values = values or VARIABLES[name].values
        text = self.value(name).lower()
        if text not in values:
            meant = did_you_mean(text, values)
            fix = f"{meant} Set it to {either(values)}" if meant else f"set it to {either(values)}"
            self.error(name, f"{self.quoted(name, text)} is not {what}", fix)
        return text

    def looked_up(self, name: str, *paths: str) -> str:
        """The first of the paths that the vault has."""
        from orchestrator.job.vault import VaultError, look_up, read_vault  # noqa: PLC0415  # PyYAML: only with a vault

        if self._vault_failed:
            return ""
        given = self.environ.get("FIVETRAN_VAULT_FILE", "").strip()
        file = given or f"{self.environ.get('DATAOPS_SECRETS_DIR', '').strip() or '/secrets'}/vault.yml"
        self.shown["FIVETRAN_VAULT_FILE"] = file
        try:
            if self._vault is None:
                self._vault = read_vault(file)
        except VaultError as error:
            self._vault_failed = True
            self.error(name, f"requires the vault {file}, which {error}", error.fix)
            return ""
        for path in paths:
            found = look_up(self._vault, path)
            if found is not None:
                return found
        self.error(name, f"the vault {file} has no value at {' or '.join(paths)}", "add it, or correct the name")
        return ""


def is_unresolved(text: str) -> bool:
    """Whether it is a reference to a variable that was not resolved."""
    # A name at the source may have a dollar in it, but none has `${...}`.
    start = text.find("${")
    return (start >= 0 and text.find("}", start) >= 0) or bool(_REFERENCE.fullmatch(text))
