"""Nothing secret and nothing that steers a terminal gets out: logs, reports, tracebacks."""

import base64
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, quote_plus

__all__ = ["Mask"]

STARS = "***"

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
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        for text in (key, secret, f"{key}:{secret}" if key and secret else ""):
            self.add(text)

    def add(self, secret: str) -> None:
        """Mask this too, as it is and as base64, in a URL and in JSON. "" is ignored."""
        if not secret:
            return
        encoded = base64.b64encode(secret.encode()).decode()
        forms = (secret, encoded, encoded.rstrip("="), base64.urlsafe_b64encode(secret.encode()).decode())
        self._forms.update(
            forms, (quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], repr(secret)[1:-1])
        )
        longest_first = sorted(self._forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def text(self, text: str) -> str:
        """The text with each secret replaced."""
        return self._pattern.sub(STARS, text) if self._pattern else text

    def line(self, text: str) -> str:
        """The text masked, without control characters, as one line."""
        return _CONTROLS.sub("", self.text(text)).replace("\n", " ")

    def block(self, text: str) -> str:
        """The text masked, without control characters, line ends kept."""
        return _CONTROLS.sub("", self.text(text))

    def value(self, value: Any) -> Any:  # noqa: ANN401  # any JSON
        """A JSON value with each of its texts as `line` makes it."""
        if isinstance(value, str):
            return self.line(value)
        if isinstance(value, Mapping):
            return {self.line(str(name)): self.value(content) for name, content in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(content) for content in value]
        return value
