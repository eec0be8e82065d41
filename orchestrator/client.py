"""The client: one session, one request a call, and nothing decided.

It translates exceptions and statuses into the error tree of `orchestrator.exchange`. It does
not retry, wait or follow redirects. The one module that imports `requests`.
"""

import io
import json
import math
import queue
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.client import responses
from traceback import walk_tb
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ProxyError

from orchestrator import __version__
from orchestrator.exchange import (
    Answer,
    AnswerLost,
    Conflict,
    Failure,
    NotFound,
    RateLimited,
    Refused,
    Rejected,
    Request,
    Unavailable,
    unanswered,
)
from orchestrator.settings import LOOPBACK

__all__ = ["Client", "interpret"]

# https://fivetran.com/docs/rest-api: version 2 of the documents.
ACCEPT = "application/json;version=2"
LONGEST_EXCERPT = 200  # characters of a body that is not Fivetran's
DEEPEST = 64  # levels of a document; Fivetran's have some ten


class _Shelf:
    """What urllib3 keeps idle connections in, without a lock.

    A limit or a signal is an exception at any instruction. In Python's own queue it can come
    between the taking of the lock and the block that gives it back, and then whatever touches
    the pool next, its finaliser for one, waits for ever. One thread needs no lock.
    """

    def __init__(self, maxsize: int) -> None:
        self._maxsize = maxsize
        self._kept: list[Any] = []

    def put(self, connection: Any, block: bool = True, timeout: float | None = None) -> None:  # noqa: ANN401, FBT001, FBT002  # queue's form
        del block, timeout
        if len(self._kept) >= self._maxsize:
            raise queue.Full
        self._kept.append(connection)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: ANN401, FBT001, FBT002  # likewise
        del block, timeout
        if not self._kept:
            raise queue.Empty
        return self._kept.pop()

    def qsize(self) -> int:
        return len(self._kept)


class _Pool(HTTPConnectionPool):
    QueueCls = _Shelf  # type: ignore[assignment]  # all of a queue that a pool uses


class _TLSPool(HTTPSConnectionPool):
    QueueCls = _Shelf  # type: ignore[assignment]  # likewise


class _Adapter(HTTPAdapter):
    """requests' own, with pools that can be cut off at any instruction."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401  # requests' form
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401  # likewise
        manager = super().proxy_manager_for(*arguments, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager


_POOLS = {"http": _Pool, "https": _TLSPool}


class Client:
    """Talks to the REST API.

    Args:
        url: Base URL.
        key: API key.
        secret: API secret.
        now: Seconds since the epoch, where an answer has no `Date`.
        hide: Told each secret that an answer carries, so that it can be masked.
    """

    def __init__(
        self,
        url: str,
        key: str,
        secret: str,
        *,
        now: Callable[[], float] = time.time,
        hide: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._url = url.rstrip("/")
        self._auth = HTTPBasicAuth(key, secret)
        self._now = now
        self._hide = hide
        # A simulator on this machine is not behind the proxy that the environment names.
        loopback = urlsplit(url).hostname in LOOPBACK
        self._proxies = dict.fromkeys(("http", "https", "all"), "") if loopback else {}
        self._session = self._open()
        self._connected = False

    def _open(self) -> requests.Session:
        session = requests.Session()
        session.mount("https://", _Adapter())
        session.mount("http://", _Adapter())
        session.auth = self._auth  # set, so that no .netrc takes its place
        session.headers.update({"Accept": ACCEPT, "User-Agent": f"fivetran-orchestrator/{__version__}"})
        return session

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def send(self, request: Request, seconds: float) -> Answer:
        """Send a request once.

        Args:
            request: What to ask.
            seconds: Bound of connecting and of each read. The whole is bounded by the caller.

        Raises:
            Failure: There was no usable answer; the class says what that means.
        """
        try:
            if not self._connected:
                self._look_up_host()
            self._connected = False
            response = self._session.request(
                request.method,
                self._url + request.path,
                json=request.body,
                proxies=self._proxies,
                timeout=seconds,
                allow_redirects=False,  # the credentials are for Fivetran alone
            )
        except requests.RequestException as error:
            raise _translated(request, error) from error
        except ValueError as error:  # urllib3 lets some malformed answers through as such
            raise unanswered(request, f"the answer is malformed: {error}") from error
        except BaseException:
            # Cut off by a limit or a signal: this connection is in the middle of an answer.
            self._session.close()
            self._session = self._open()
            raise
        try:
            answer = _read(request, response, self._now, self._hide)
        except Failure:
            if response.status_code < HTTPStatus.MULTIPLE_CHOICES:
                self._session.close()  # its length may be wrong, and its rest is not the next answer
            raise
        self._connected = True
        return answer

    def _look_up_host(self) -> None:
        """Have the name looked up in a thread, and forget what came of it.

        Python's signal handlers have to wait while the resolver hangs, so neither a limit nor a
        signal could end a request in its first seconds. They can end this wait.
        """
        settings = self._session.merge_environment_settings(self._url, self._proxies, None, None, None)
        parts = urlsplit(requests.utils.select_proxy(self._url, settings["proxies"]) or self._url)

        def look_up() -> None:
            try:
                socket.getaddrinfo(parts.hostname, parts.port, type=socket.SOCK_STREAM)
            except Exception:  # noqa: BLE001, S110  # whatever it is, the request itself will say so
                pass
            finally:
                done.set()

        done = threading.Event()
        threading.Thread(target=look_up, daemon=True).start()
        done.wait()


def interpret(
    request: Request,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: Callable[[], float] = time.time,
    hide: Callable[[str], None] = lambda _: None,
) -> Answer:
    """What an answer would come to, wherever it is from: a test, a recording, a debugger.

    Args:
        request: What was asked.
        status: HTTP status.
        headers: HTTP headers.
        body: The body.
        now: Seconds since the epoch, where there is no `Date`.
        hide: Told each secret that the answer carries.

    Raises:
        Failure: It is no usable answer; the class says what that means.
    """
    response = requests.Response()
    response.status_code = status
    response.reason = responses.get(status, "")
    response.headers.update(headers)
    response.raw = io.BytesIO(body)
    return _read(request, response, now, hide)


def _read(
    request: Request, response: requests.Response, now: Callable[[], float], hide: Callable[[str], None]
) -> Answer:
    body = _json(response)
    code = str(body.get("code") or "")
    message = str(body.get("message") or "")
    request_id = response.headers.get("X-Request-Id", "")
    if response.status_code >= HTTPStatus.MULTIPLE_CHOICES:
        raise _refusal(request, response, code, message, request_id, now())
    data = body.get("data")
    if not code or (request.wants_data and not isinstance(data, dict)):
        said = "no JSON of Fivetran's" if not body else "JSON, but not the documented one"
        raise unanswered(request, f"the answer is {said}: {_excerpt(response)}", status=response.status_code)
    date = _date(response)
    return Answer(
        status=response.status_code,
        code=code,
        message=message,
        data=_scrub(data, hide) if isinstance(data, dict) else {},
        date=now() if date is None else date,
        dated=date is not None,
        request_id=request_id,
    )


def _scrub(data: Mapping[str, Any], hide: Callable[[str], None]) -> dict[str, Any]:
    """The document without the Connect Card's token, which lets its holder set the connection up."""
    card = data.get("connect_card")
    if not isinstance(card, dict):
        return dict(data)
    for name in ("token", "uri"):
        if isinstance(card.get(name), str):
            hide(card[name])
    return {
        **data,
        "connect_card": {name: "***" if name in {"token", "uri"} else value for name, value in card.items()},
    }


def _refusal(
    request: Request, response: requests.Response, code: str, message: str, request_id: str, now: float
) -> Failure:
    """The failure of an answer that is not a success."""
    words = message or (response.reason if code else f"not Fivetran's answer: {_excerpt(response)}") or ""
    if response.is_redirect:
        words = f"redirected to {response.headers.get('Location', '')!r}; redirects are not followed with credentials"
    return _kind(request, response.status_code, code)(
        words,
        status=response.status_code,
        code=code,
        retry_after=_retry_after(response, now),
        request_id=request_id,
    )


def _kind(request: Request, status: int, code: str) -> type[Failure]:
    """What a status means; `code` is Fivetran's, or "" where a proxy or a gateway speaks."""
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Unavailable if request.repeatable else AnswerLost
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimited
    if status == HTTPStatus.CONFLICT and not request.repeatable:
        return Conflict
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return Refused if code else Unavailable
    if status == HTTPStatus.NOT_FOUND and code != "NotFound":  # that one means a wrong path
        return NotFound if code else Unavailable
    return Rejected


def _translated(request: Request, error: requests.RequestException) -> Failure:
    """The failure of a request that had no answer at all."""
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return Unavailable(
            f"the server's TLS certificate is not trusted ({causes[-1]}); behind a proxy that "
            "inspects TLS, set REQUESTS_CA_BUNDLE to its certificate"
        )
    words = _plain(causes)
    if any(isinstance(cause, NewConnectionError | ConnectTimeoutError | ProxyError) for cause in causes):
        return Unavailable(words)  # never sent
    if any(frame.f_code.co_name == "do_handshake" for cause in causes for frame, _ in walk_tb(cause.__traceback__)):
        return Unavailable(f"no TLS connection came about: {words}")  # never sent either
    return unanswered(request, words)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and what it wraps, outermost first."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        wrapped = [getattr(current, "reason", None), *current.args, current.__cause__, current.__context__]
        current = next((one for one in wrapped if isinstance(one, BaseException) and id(one) not in seen), None)


def _plain(causes: list[BaseException]) -> str:
    """The innermost words, without object addresses and pools."""
    words = str(causes[-1]) or type(causes[-1]).__name__
    return f"{type(causes[0]).__name__}: {words}"


def _json(response: requests.Response) -> dict[str, Any]:
    content = response.content
    try:
        body = json.loads(content, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError):
        return {}
    if content.count(b"[") + content.count(b"{") > DEEPEST:  # only then can it be
        body = _cut(body, DEEPEST)
    return body if isinstance(body, dict) else {}


def _finite(text: str) -> float | None:
    """A number; None for one that JSON cannot say again."""
    number = float(text)
    return number if math.isfinite(number) else None


def _cut(value: Any, depth: int) -> Any:  # noqa: ANN401  # any JSON
    """The value without what is nested deeper than that: what reads and writes it later need not cope."""
    if not isinstance(value, dict | list):
        return value
    if depth == 0:
        return "(nested too deeply)"
    if isinstance(value, dict):
        return {name: _cut(content, depth - 1) for name, content in value.items()}
    return [_cut(content, depth - 1) for content in value]


def _excerpt(response: requests.Response) -> str:
    text = " ".join(response.content[: 4 * LONGEST_EXCERPT].decode("utf-8", "replace").split())
    return f"{text[:LONGEST_EXCERPT]!r} ({response.headers.get('Content-Type', 'no content type')})"


def _date(response: requests.Response) -> float | None:
    return _http_date(response.headers.get("Date", ""))


def _http_date(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return seconds if seconds >= 0 else None  # a clock before 1970 is not set


def _retry_after(response: requests.Response, now: float) -> float | None:
    """Seconds that `Retry-After` asks to wait, given in seconds or as a date; None if it asks for no wait."""
    text = response.headers.get("Retry-After", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        until = _http_date(text)
        if until is None:
            return None
        since = _date(response)
        seconds = until - (now if since is None else since)
    # Neither NaN nor "at once": a limit that names no wait is met with the usual back-off.
    return min(seconds, float(sys.maxsize)) if seconds > 0 else None
