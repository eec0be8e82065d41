"""Keeps secrets and terminal control characters out of logs, reports and tracebacks."""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from threading import Lock
from typing import Any
from urllib.parse import quote, quote_plus, unquote

from orchestrator.values.events import Event
from orchestrator.values.formatting import STARS

__all__ = ["LEAST", "Mask", "proxy_secrets"]

LEAST = 8  # characters of a secret: to mask something shorter is to garble what has nothing to do with it
MOST = 16  # tokens that are remembered: each read may bring a new one
PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")  # and in lower case

# Words that a document may hold for a token, and that no result can do without.
_OURS = frozenset({*map(str, Event), "scheduled", "connected"})
# Names of the program's members and variables have this form; no secret is one of them.
_NAME = re.compile("[a-z_]+|[A-Z_]+")
_NUMBERS, _LISTS = (int, float), (list, tuple)  # types
_is_plain = lru_cache(1024)(_NAME.fullmatch)  # the same names come again with each connection

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
        self._own: dict[str, set[str]] = {}  # each secret with its forms
        self._learned: dict[str, set[str]] = {}
        self._learning = Lock()  # answers may be read in several threads
        self._longest_first: list[str] = []
        self.add(key, secret, f"{key}:{secret}" if key and secret else "")

    def add(self, *secrets: str) -> None:
        """Mask these too, as they are and as base64, in a URL and in JSON; what is shorter than 8 characters is not."""
        self._own.update({secret: set(_forms(secret)) for secret in secrets if len(secret) >= LEAST})
        self._sort()

    def learn(self, token: str) -> None:
        """Mask a token that a document carries, too. Only the latest ones are remembered, and no word of our own."""
        if len(token) < LEAST or token in _OURS or token in self._own:
            return
        with self._learning:
            if token in self._learned:
                return
            self._learned[token] = set(_forms(token))
            if len(self._learned) > MOST:
                del self._learned[next(iter(self._learned))]
            self._sort()

    def _sort(self) -> None:
        forms = set().union(*self._own.values(), *self._learned.values())
        self._longest_first = sorted(forms, key=len, reverse=True)

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
        clean = _CONTROLS.sub("", self.text(text))
        # Masked again where something went: a control character inside a secret hid it the first time.
        return clean if clean == text else self.text(clean)

    def value(self, value: Any) -> Any:  # noqa: ANN401  # any JSON
        """A JSON value with each of its texts as `line` makes it; what is no JSON becomes such a text."""
        return self._value(value, self.line)

    def document(self, value: Any) -> Any:  # noqa: ANN401  # any JSON
        """The same with each of its texts as `block` makes it: JSON for programs, not lines for people."""
        return self._value(value, self.block)

    def _value(self, value: Any, clean: Callable[[str], str]) -> Any:  # noqa: ANN401  # any JSON
        known: dict[str, str] = {}  # the same few texts and names come again and again in the results of many

        def once(text: str) -> str:
            if text not in known:
                known[text] = clean(text)
            return known[text]

        return self._cleaned(value, once)

    def _cleaned(self, value: Any, clean: Callable[[str], str]) -> Any:  # noqa: ANN401  # any JSON
        if isinstance(value, str):
            return clean(value)
        if value is None or isinstance(value, _NUMBERS):
            return value
        if isinstance(value, _LISTS):
            return [self._cleaned(content, clean) for content in value]
        if isinstance(value, dict) or isinstance(value, Mapping):  # noqa: SIM101  # checking for a dict is faster
            return {self._name(str(name)): self._cleaned(content, clean) for name, content in value.items()}
        return clean(str(value))  # no JSON, and what it says of itself may hold anything

    def _name(self, name: str) -> str:
        """A member's name: one from outside may hold anything, the program's own have to stay."""
        return name if _is_plain(name) else self.line(name)


def proxy_secrets(environ: Mapping[str, str]) -> Iterator[str]:
    """What is secret of the proxies that the environment names, well-formed or not, in each spelling."""
    for name in PROXIES:
        for address in (environ.get(name, ""), environ.get(name.lower(), "")):
            credentials, at, host = address.strip().rpartition("@")
            if not at:
                continue
            given = re.sub("^[A-Za-z][A-Za-z0-9+.-]*://", "", credentials)
            for text in dict.fromkeys((given, unquote(given))):
                user, colon, password = text.partition(":")
                yield text
                yield f"{_quoted(user)}{colon}{_quoted(password)}"
                yield password or user
                # What is too short to be masked anywhere is masked before its host.
                yield f"{password or user}@{host}"


def _quoted(text: str) -> str:
    """The text as it stands in an address; a variable may hold bytes that are no text."""
    return quote(text, safe="", errors="surrogatepass")


def _forms(secret: str) -> Iterator[str]:
    """The forms in which a secret travels."""
    raw = secret.encode("utf-8", "surrogatepass")  # a variable may hold bytes that are no text
    encoded = base64.b64encode(raw).decode()
    yield from (secret, encoded, encoded.rstrip("="), base64.urlsafe_b64encode(raw).decode().rstrip("="))
    yield from (quote(raw, safe=""), quote_plus(raw), repr(secret)[1:-1])
    yield from (json.dumps(secret, ensure_ascii=escaped)[1:-1] for escaped in (True, False))
