"""Nothing secret and nothing that steers a terminal gets out: logs, reports, tracebacks."""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

__all__ = ["Mask"]

STARS = "***"

# Secrets that are remembered. The job's own come first and stay; of the tokens that documents
# carry each read may bring a new one, and only the latest are kept.
OWN, MOST = 8, 16

# C0 and C1 controls but for the line end and the tab, the two Unicode line ends, and the marks
# that turn the direction of writing: a name from outside must not forge a line or a log section.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class Mask:
    """Replaces secrets, in each form in which they travel.

    Args:
        key: The API key, or "".
        secret: The API secret, or "".
    """

    def __init__(self, key: str = "", secret: str = "") -> None:
        self._secrets: dict[str, set[str]] = {}  # each with its forms
        self._longest_first: list[str] = []
        for text in (key, secret, f"{key}:{secret}" if key and secret else ""):
            self.add(text)

    def add(self, secret: str) -> None:
        """Mask this too, as it is and as base64, in a URL and in JSON. "" is ignored."""
        if not secret or secret in self._secrets:
            return
        self._secrets[secret] = set(_forms(secret))
        if len(self._secrets) > MOST:
            del self._secrets[list(self._secrets)[OWN]]
        self._longest_first = sorted(set().union(*self._secrets.values()), key=len, reverse=True)

    def text(self, text: str) -> str:
        """The text with each secret replaced."""
        for form in self._longest_first:
            text = text.replace(form, STARS)
        return text

    def line(self, text: str) -> str:
        """The text masked, without control characters, as one line."""
        return self.block(text).replace("\n", " ")

    def block(self, text: str) -> str:
        """The text masked, without control characters, line ends kept."""
        # Masked again: a control character inside a secret hid it the first time.
        return self.text(_CONTROLS.sub("", self.text(text)))

    def value(self, value: Any) -> Any:  # noqa: ANN401  # any JSON
        """A JSON value with each of its texts as `line` makes it; what is no JSON becomes such a text."""
        if isinstance(value, str):
            return self.line(value)
        if isinstance(value, Mapping):
            return {self.line(str(name)): self.value(content) for name, content in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(content) for content in value]
        if value is None or isinstance(value, int | float):
            return value
        return self.line(str(value))  # no JSON, and what it says of itself may hold anything


def _forms(secret: str) -> Iterator[str]:
    """The forms in which a secret travels."""
    raw = secret.encode("utf-8", "surrogatepass")  # a variable may hold bytes that are no text
    encoded = base64.b64encode(raw).decode()
    yield from (secret, encoded, encoded.rstrip("="), base64.urlsafe_b64encode(raw).decode().rstrip("="))
    yield from (quote(raw, safe=""), quote_plus(raw), repr(secret)[1:-1])
    yield from (json.dumps(secret, ensure_ascii=escaped)[1:-1] for escaped in (True, False))
