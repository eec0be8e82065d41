"""The HTTP client: one session, one request per call, no decisions.

It translates exceptions and statuses into the failures of `orchestrator.values.exchange`. It does
not retry, wait or follow redirects. The one module that imports `requests`. A request may be made on
another thread and be cut off there; its result is interpreted in the caller's.
"""

import os
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.client import responses
from traceback import walk_tb
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import LocationValueError
from urllib3.util import parse_url

from orchestrator import __version__
from orchestrator.fivetran import response_body
from orchestrator.fivetran.sockets import CONNECT, LOOK_UP, POOLS, Sending, Unconnected, reason
from orchestrator.values.events import Event
from orchestrator.values.exchange import Answer, Cut, Failure, Request, unanswered
from orchestrator.values.settings import LOOPBACK

__all__ = ["TOO_LARGE", "Client", "Exchange", "Exchanged", "Outcome", "interpret"]

# https://fivetran.com/docs/rest-api: version 2 of the documents.
ACCEPT = "application/json;version=2"
ENCODINGS = ("gzip", "deflate")
LARGEST = 16_000_000  # bytes of a body, unpacked
TOO_LARGE = "the answer is too large"  # how the failure begins that says so
PIECE = 16_384  # bytes that are read at a time; packed, they come to 16 MB at most
MOST_KNOWN = 20_000  # documents that are remembered
LONGEST_WAIT = 86_400.0  # seconds that Retry-After may ask for
LONGEST_WAIT_OF_OTHERS = 60.0  # where it is not Fivetran that asks
PROXY = "the proxy's address (HTTPS_PROXY or ALL_PROXY)"
OF_OPENSSL = "SSL_CERT_FILE"
BUNDLE = f"the CA bundle (REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE or {OF_OPENSSL})"


_SCHEME = "(?i)(?:[a-z][a-z0-9+.-]*:)?//"  # compiled where a proxy is named: the job's start has no use for it


class _Adapter(HTTPAdapter):
    """The adapter of requests, with connections that can be cut off."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401  # requests' form
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:  # noqa: ANN401  # likewise
        if proxy.lower().startswith("socks"):
            raise requests.exceptions.InvalidProxyURL("SOCKS")
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = POOLS
        return manager


class _Session(requests.Session):
    """The session of requests, with two differences.

    It does not follow redirects or read their body, which may be of any size. And a proxy without a
    scheme is an http proxy, as in curl: in `proxy:3128`, `proxy` is the host and not the scheme.
    """

    _merged: Mapping[str, Any] | None = None

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:  # noqa: ANN401  # requests' form
        """What the environment says of proxies and certificates: once, for all goes to one host."""
        if self._merged is None:
            settings = super().merge_environment_settings(url, proxies, stream, verify, cert)
            settings["proxies"] = {
                name: f"http://{address}" if address and not re.match(_SCHEME, address) else address
                for name, address in settings["proxies"].items()
            }
            if settings["verify"] is True:  # no bundle that requests knows; what curl, Go and OpenSSL read
                settings["verify"] = os.environ.get(OF_OPENSSL) or True
            self._merged = settings
        return {**self._merged, "stream": stream}

    def get_redirect_target(self, resp: requests.Response) -> None:  # requests' form
        """Nowhere: no redirect is followed."""


class _Received(NamedTuple):
    """A raw answer, not interpreted yet."""

    status: int
    reason: str | None
    headers: Mapping[str, str]  # whatever the case of the name
    body: bytes


Outcome = Answer | Failure | Cut  # of a request
Exchanged = _Received | Exception | Cut
Within = Callable[[Callable[[], Exchanged]], Exchanged]


class Exchange(NamedTuple):
    """A request on its way, which one thread makes and another may cut off.

    Attributes:
        request: What is asked.
        sending: What cuts it off.
        session: What it is made with.
        url: Where it goes.
        options: More of what `requests` takes.
    """

    request: Request
    sending: Sending
    session: requests.Session
    url: str
    options: Mapping[str, Any]

    def make(self) -> Exchanged:
        """Ask, and read the whole answer; this alone may run on another thread."""
        self.sending.begin()
        try:
            with self.session.request(
                self.request.method,
                self.url,
                allow_redirects=False,  # the credentials are for Fivetran alone
                stream=True,
                **self.options,
            ) as response:
                body = _body(self.request, response)
                return _Received(response.status_code, response.reason, response.headers, body)
        except Exception as error:  # noqa: BLE001  # requests, urllib3, http.client and ssl have many
            return error


class Client:
    """Talks to the REST API. One request at a time.

    Args:
        url: Base URL.
        key: API key.
        secret: API secret.
        now: Seconds since the epoch, where an answer has no `Date`.
        hide: Called with each secret that an answer carries, so that it can be masked.
        mask: Removes secrets from words from outside, before they are cut.
        heed: Called with the headers of each answer.
        known: Documents of listings by their ids, which clients may have in common; what is as it was is not looked
            through again.
    """

    def __init__(
        self,
        url: str,
        key: str,
        secret: str,
        *,
        now: Callable[[], float] = time.time,
        hide: Callable[[str], None] = lambda _: None,
        mask: Callable[[str], str] = str,
        heed: Callable[[Mapping[str, str]], object] = lambda _: None,
        known: dict[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self._heed = heed
        self._url = url.rstrip("/")
        self._auth = HTTPBasicAuth(key, secret)
        self._reader = _Reader(now, hide, mask, known)
        # A simulator on this machine is not reached through the proxy that the environment names.
        loopback = urlsplit(url).hostname in LOOPBACK
        self._proxies = dict.fromkeys(("http", "https"), "") if loopback else {}
        self._session = self._open()

    def _open(self) -> requests.Session:
        session = _Session()
        session.mount("https://", _Adapter())
        session.mount("http://", _Adapter())
        session.auth = self._auth  # set, so that no .netrc takes its place
        session.headers.update(
            {
                "Accept": ACCEPT,
                "Accept-Encoding": ", ".join(ENCODINGS),
                "User-Agent": f"fivetran-orchestrator/{__version__}",
            }
        )
        return session

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def send(self, request: Request, seconds: float, within: Within = lambda call: call()) -> Outcome:
        """Send a request once.

        Args:
            request: What to ask.
            seconds: Bound of connecting and of each read.
            within: Calls what it is given, here or on another thread, and returns the result; or a Cut,
                after which nothing of the request is sent any more.

        Returns:
            The answer; or why there is no usable one: the Failure's event says what that means.
        """
        exchange = self.begin(request, seconds)
        try:
            received = within(exchange.make)
        except BaseException:
            self._give_up(exchange)
            raise
        return self.end(exchange, received)

    def begin(self, request: Request, seconds: float) -> Exchange:
        """A request that is ready to be made, on any thread; one at a time.

        Args:
            request: What to ask.
            seconds: Bound of connecting and of each read.
        """
        options = {"json": request.body, "proxies": self._proxies, "timeout": seconds}
        return Exchange(request, Sending(), self._session, self._url + request.path, options)

    def end(self, exchange: Exchange, received: Exchanged) -> Outcome:
        """What came of a request; to be called on the thread that called `begin`.

        Args:
            exchange: The request.
            received: What `Exchange.make` returned, or a Cut: then nothing of it is sent any more.
        """
        if not isinstance(received, _Received):
            self._give_up(exchange)
            if isinstance(received, Cut | Failure):
                return received
            return self._translated(exchange.request, received)
        self._heed(received.headers)
        try:
            return self._reader.read(exchange.request, received)
        except Failure as failure:
            if received.status < HTTPStatus.MULTIPLE_CHOICES:
                exchange.session.close()  # its length may be wrong, and its rest is not the next answer
            return failure

    def _give_up(self, exchange: Exchange) -> None:
        """It is cut off, or in the middle of an answer, or worse."""
        exchange.sending.cut()
        self._session = self._open()  # the other one is not closed: another thread may be using it

    def _translated(self, request: Request, error: Exception) -> Failure:
        """The failure of a request that got no complete answer."""
        try:
            target, proxy = self._route()
        except ValueError as odd:
            return Failure(Event.REJECTED, str(odd))
        unreachable = f"cannot reach {target}{f' through the proxy {proxy}' if proxy else ''}"
        causes = list(_causes(error))
        passed = {frame.f_code.co_name for cause in causes for frame, _ in walk_tb(cause.__traceback__)}
        if "cert_verify" in passed or ("ssl_wrap_socket" in passed and "_ssl_wrap_socket_impl" not in passed):
            problem = f"{BUNDLE} cannot be used: {self._last(causes)}"
            return Failure(Event.REJECTED, f"{problem}: set it to a PEM file of CA certificates")
        if any(isinstance(cause, _ODD_ADDRESS) for cause in causes):
            return Failure(Event.REJECTED, "FIVETRAN_API_URL is not a valid address: correct it")
        for cause in causes:
            if isinstance(cause, ssl.SSLCertVerificationError):
                why = response_body.words(cause.verify_message, self._reader.mask).rstrip(".")
                fix = _OF_A_CERTIFICATE.get(cause.verify_code, _UNKNOWN_CA)
                return Failure(Event.UNAVAILABLE, f"{unreachable}: the TLS certificate is not trusted ({why}); {fix}")
        for cause in causes:
            if isinstance(cause, Unconnected):
                step = cause.step + (f" {_OF_THE_PROXY[cause.step]}" if proxy else "")
                return Failure(Event.UNAVAILABLE, f"{unreachable}: {step} failed: {cause.why}")
        if "ssl_wrap_socket" in passed:
            reasons = {getattr(cause, "reason", "") for cause in causes if isinstance(cause, ssl.SSLError)}
            fix = next((fix for reason, fix in _OF_TLS.items() if reason in reasons), "")
            return Failure(Event.UNAVAILABLE, f"{unreachable}: TLS handshake failed: {self._last(causes)}{fix}")
        if "_tunnel" in passed:
            words = self._last(causes).removeprefix("tunnel connection failed: ")
            refusal = f"{unreachable}: proxy CONNECT failed: {words}"
            if words.startswith(str(int(HTTPStatus.PROXY_AUTHENTICATION_REQUIRED))):
                return Failure(Event.REJECTED, f"{refusal}: check the user and password in {PROXY}")
            return Failure(Event.UNAVAILABLE, refusal)
        return unanswered(request, f"no complete answer: {self._last(causes)}")

    def _last(self, causes: list[BaseException]) -> str:
        return response_body.words(reason(causes[-1]), self._reader.mask)

    def _route(self) -> tuple[str, str]:
        """Host and port of the API and of the proxy in between, or "", without credentials.

        Raises:
            ValueError: One of the two is not a valid address; the message does not show it.
        """
        try:
            settings = self._session.merge_environment_settings(self._url, self._proxies, None, None, None)
            address = requests.utils.select_proxy(self._url, settings["proxies"])
            parts = urlsplit(self._url)
            target = f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
        except ValueError:
            raise ValueError("FIVETRAN_API_URL is not a valid address: correct it") from None
        if not address:
            return target, ""
        try:
            proxy = parse_url(requests.utils.prepend_scheme_if_needed(address, "http"))
        except Exception:  # noqa: BLE001  # whatever it is, the address is the cause
            proxy = None
        if proxy is None or not proxy.host:
            raise ValueError(
                f"{PROXY} is malformed: write it as http://host:port, "
                "with special characters in its credentials percent-encoded (%XX)"
            )
        if proxy.scheme not in POOLS:
            raise ValueError(f"{PROXY} has the scheme {proxy.scheme}, which is not supported: use an http proxy")
        return target, f"{proxy.host}:{proxy.port or (443 if proxy.scheme == 'https' else 80)}"


# What step of connecting to a proxy failed.
_OF_THE_PROXY = {LOOK_UP: "of the proxy", CONNECT: "to the proxy"}
# What to do about a certificate, by what OpenSSL found (X509_V_ERR).
_UNKNOWN_CA = "if a proxy inspects TLS, set REQUESTS_CA_BUNDLE to its CA certificate"
_NO_TIME = "check this machine's clock; if it is right, the server's certificate has to be renewed"
_NO_HOST = "check FIVETRAN_API_URL and the proxy: another server answers"
_OF_A_CERTIFICATE = {9: _NO_TIME, 10: _NO_TIME, 62: _NO_HOST, 64: _NO_HOST}
# What to do about a handshake, by OpenSSL's reason.
_TOO_OLD = ": the server or proxy must support TLS 1.2 or newer"
_NO_TLS = ": check FIVETRAN_API_URL and the proxy: what answers does not speak TLS"
_OF_TLS = {
    **dict.fromkeys(("TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL"), _TOO_OLD),
    **dict.fromkeys(("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"), _NO_TLS),
}
# What is raised for an address that nothing can be sent to.
_ODD_ADDRESS = (
    LocationValueError,
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)


def _body(request: Request, response: requests.Response) -> bytes:
    """The whole body, unpacked.

    Raises:
        Failure: It is too large, or packed in a way that was not asked for.
        Exception: It could not be read; requests, urllib3, http.client and ssl have many for that.
    """
    packed = response.headers.get("Content-Encoding", "").strip().lower()
    if packed not in {"", "identity", *ENCODINGS}:  # in layers, a few bytes unpack to any size
        raise unanswered(
            request, "the answer has a Content-Encoding that was not requested", status=response.status_code
        )
    pieces, size = [], 0
    for piece in response.iter_content(PIECE):
        size += len(piece)
        if size > LARGEST:
            raise _too_large(request, response.status_code)
        pieces.append(piece)
    return b"".join(pieces)


def _too_large(request: Request, status: int, than: str = "") -> Failure:
    return unanswered(request, f"{TOO_LARGE}: more than {than or f'{LARGEST // 1_000_000} MB'}", status=status)


def interpret(
    request: Request,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: Callable[[], float] = time.time,
    hide: Callable[[str], None] = lambda _: None,
    mask: Callable[[str], str] = str,
) -> Answer:
    """Interpret an answer, wherever it comes from: a test, a recording, a debugger.

    Args:
        request: What was asked.
        status: HTTP status.
        headers: HTTP headers.
        body: The body.
        now: Seconds since the epoch, where there is no `Date`.
        hide: Called with each secret that the answer carries.
        mask: Removes secrets from words from outside, before they are cut.

    Raises:
        Failure: The answer is not usable; the event says what that means.
    """
    if len(body) > LARGEST:
        raise _too_large(request, status)
    received = _Received(status, responses.get(status), CaseInsensitiveDict(headers), body)
    return _Reader(now, hide, mask).read(request, received)


class _Reader(NamedTuple):
    """Reads answers; the members are those of `interpret`."""

    now: Callable[[], float]
    hide: Callable[[str], None]
    mask: Callable[[str], str]
    known: dict[str, Mapping[str, Any]] | None = None

    def _without_known(self, value: Any) -> tuple[Any, dict[int, Mapping[str, Any]]]:  # noqa: ANN401  # any JSON
        """A page without the documents that are as they were before, and these by their places: most are."""
        listed = value.get("data") if isinstance(value, dict) else None
        items = listed.get("items") if isinstance(listed, dict) else None
        if self.known is None or not isinstance(items, list) or len(items) > response_body.LONGEST_LIST:
            return value, {}
        found = {}
        for place, item in enumerate(items):
            identity = item.get("id") if isinstance(item, dict) else None
            before = self.known.get(identity) if isinstance(identity, str) else None
            if before is not None and before == item:
                found[place] = before
        new = [item for place, item in enumerate(items) if place not in found]
        return {**value, "data": {**value["data"], "items": new}}, found

    def _with_known(self, data: Mapping[str, Any], found: Mapping[int, Mapping[str, Any]]) -> Mapping[str, Any]:
        """The page with all of its documents again; those that are new are known from now on."""
        items = data.get("items")
        if self.known is None or not isinstance(items, list):
            return data
        for item in items:
            if isinstance(item, dict) and isinstance(item.get("id"), str) and len(self.known) < MOST_KNOWN:
                self.known[item["id"]] = item
        new = iter(items)
        return {
            **data,
            "items": [found[place] if place in found else next(new) for place in range(len(found) + len(items))],
        }

    def read(self, request: Request, received: _Received) -> Answer:
        if response_body.dense(received.body):
            raise _too_large(request, received.status, f"{response_body.MOST_VALUES:,} values")
        value, known = self._without_known(response_body.parse(received.body))
        value = response_body.shallow(value, received.body)
        if response_body.may_hold_cards(received.body):  # else a page's thousand documents are not gone through
            value = response_body.scrubbed(value, self.hide)
        body = value if isinstance(value, dict) else {}
        code = self.short(body["code"]) if isinstance(body.get("code"), str) else ""  # Fivetran's is a text
        message = response_body.words(body.get("message"), self.mask)
        request_id = self.short(received.headers.get("X-Request-Id"))
        if received.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise Failure(
                _event(request, received.status, code),
                self._refusal(received, value, code, message),
                status=received.status,
                code=code,
                retry_after=_retry_after(received, self.now(), LONGEST_WAIT if code else LONGEST_WAIT_OF_OTHERS),
                request_id=request_id,
            )
        data = body.get("data")
        if not code or (request.wants_data and not isinstance(data, dict)):
            problem = "JSON, but not in the documented form" if body else "not JSON from Fivetran"
            text = f"the answer is {problem}: {self._excerpt(received, value)}"
            raise unanswered(request, text, status=received.status)
        date = _date(received.headers.get("Date", ""))
        kept, was_cut = response_body.bounded(data, self.mask) if isinstance(data, dict) else ({}, False)
        return Answer(
            status=received.status,
            code=code,
            message=message,
            data=self._with_known(kept, known),
            date=self.now() if date is None else date,
            dated=date is not None,
            request_id=request_id,
            cut=was_cut,
        )

    def short(self, text: str | None) -> str:
        return response_body.words(text, self.mask, response_body.LONGEST_CODE)

    def _excerpt(self, received: _Received, value: Any) -> str:  # noqa: ANN401  # any JSON
        return response_body.excerpt(received.body, value, received.headers.get("Content-Type"), self.mask)

    def _refusal(self, received: _Received, value: Any, code: str, message: str) -> str:  # noqa: ANN401  # any JSON
        """Why an answer counts as a failure."""
        if received.status in _REDIRECTS and "Location" in received.headers:
            target = self.short(_USERINFO.sub(r"\1", received.headers["Location"]))
            return f"redirected to {target!r}; redirects are not followed, since the request carries credentials"
        if received.status == HTTPStatus.PAYMENT_REQUIRED and code:
            return message or "the account's trial or plan has expired"
        if not message and not code:
            return f"the answer is not from Fivetran: {self._excerpt(received, value)}"
        return message or response_body.words(received.reason, self.mask)


_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_USERINFO = re.compile("(//)[^/?#]*@")


def _event(request: Request, status: int, code: str) -> Event:
    """What a status means; `code` is Fivetran's, or "" where a proxy or a gateway speaks."""
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Event.UNAVAILABLE if request.repeatable else Event.ANSWER_LOST
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Event.RATE_LIMITED
    if status == HTTPStatus.CONFLICT and not request.repeatable:
        return Event.CONFLICT
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return Event.REFUSED if code else Event.UNAVAILABLE
    if status == HTTPStatus.NOT_FOUND:
        if code == "NotFound":  # there is no such path: a wrong address, unless it was right before
            return Event.UNAVAILABLE if request.known else Event.REJECTED
        return Event.NOT_FOUND if code else Event.UNAVAILABLE
    return Event.REJECTED


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and what it wraps, outermost first."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None:
        seen.add(id(current))
        yield current
        wrapped = [*current.args, current.__cause__, current.__context__]
        current = next((one for one in wrapped if isinstance(one, BaseException) and id(one) not in seen), None)


def _date(text: str) -> float | None:
    """Seconds since the epoch of a date in a header."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return seconds if seconds > 0 else None  # a clock that is not set


def _retry_after(received: _Received, now: float, most: float) -> float | None:
    """Seconds that `Retry-After` asks to wait, given in seconds or as a date; None if it asks for no wait."""
    text = received.headers.get("Retry-After", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        until = _date(text)
        if until is None:
            return None
        since = _date(received.headers.get("Date", ""))
        seconds = until - (now if since is None else since)
    # Neither NaN nor 0: without a usable wait, the usual back-off applies.
    return min(seconds, most) if seconds > 0 else None
