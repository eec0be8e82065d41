import gzip
import http.client
import json
import re
import socket
import ssl
import struct
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from process import PATIENCE
from pytest_httpserver import HTTPServer
from simulated_job import CONNECTOR, Simulate
from werkzeug import Response

from orchestrator import __version__
from orchestrator.fivetran import client as client_module
from orchestrator.fivetran import sockets
from orchestrator.fivetran.client import BUNDLE, PROXY, Client, interpret
from orchestrator.job.masking import Mask
from orchestrator.simulator.app import KEY, SECRET
from orchestrator.simulator.scenario import Fault, Scenario
from orchestrator.values.events import Event
from orchestrator.values.exchange import Answer, Failure, Request

PATH = f"/v1/connections/{CONNECTOR}"
GET = Request("GET", PATH, "read the connection")
PATCH = Request("PATCH", PATH, "change the schedule", {"schedule_type": "manual", "run_setup_tests": False})
SYNC = Request("POST", f"{PATH}/sync", "start a sync", {"force": False}, wants_data=False)
TEST = Request("POST", f"{PATH}/test", "run the setup tests", {}, patient=True)

HTML = "<html><body><h1>Blocked by the proxy</h1></body></html>"
DATE = 1_800_000_000.0
OUR_NOW = 1_700_000_000.0
FAR = "Wed, 01 Jan 99999999999999999999 00:00:00 GMT"  # more than a number of the machine holds

# What a failure means that leaves open whether the request was carried out.
OPEN = [(GET, Event.UNAVAILABLE), (PATCH, Event.UNAVAILABLE), (SYNC, Event.ANSWER_LOST), (TEST, Event.ANSWER_LOST)]

Make = Callable[..., Client]


@pytest.fixture
def make() -> Iterator[Make]:
    """Make a client of a URL, with the simulator's key."""
    made: list[Client] = []

    def client(url: str, **more: Any) -> Client:
        made.append(Client(url, KEY, SECRET, now=lambda: OUR_NOW, **more))
        return made[-1]

    yield client
    for one in made:
        one.close()


@pytest.fixture
def answering(http_server: HTTPServer, make: Make) -> Iterator[Callable[..., Client]]:
    """Make a client whose every request gets one and the same answer."""

    def answer(body: str | bytes, status: int = 200, **headers: str) -> Client:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        http_server.clear()
        http_server.expect_request(re.compile(".*")).respond_with_response(Response(body, status, named))
        return make(http_server.url_for(""))

    yield answer
    http_server.clear()


def success(data: object = None) -> str:
    """The body of an answer with that data."""
    return json.dumps({"code": "Success", "message": "Done", "data": {} if data is None else data})


@contextmanager
def raw(answer: bytes, *, reset: bool = False, patient: bool = False) -> Iterator[str]:
    """A server that reads a little, says just this once, and goes; the value is its host and port.

    It may be `patient` with a client that does not take all of it.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            asked = connection.recv(1 if reset else 65536)
            while not reset and len(asked.partition(b"\r\n\r\n")[2]) < _length(asked):
                asked += connection.recv(65536)  # all of it: what is left unread resets the connection
            with suppress(ConnectionError) if patient else nullcontext():
                connection.sendall(answer)
            if reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def _length(request: bytes) -> int:
    """How long a request's body is, as its header says; 1 while there is no end of the headers."""
    said = re.search(rb"(?i)\r\ncontent-length: (\d+)\r\n", request)
    return (int(said[1]) if said else 0) if b"\r\n\r\n" in request else 1


def failed(client: Client, request: Request, seconds: float = 10.0) -> Failure:
    """The failure that a request ends in."""
    failure = client.send(request, seconds)
    assert isinstance(failure, Failure)
    return failure


def answered(client: Client, request: Request = GET) -> Answer:
    """The answer that a request gets."""
    answer = client.send(request, 10.0)
    assert isinstance(answer, Answer)
    return answer


def _of_itself() -> OSError:
    """An error that names itself as its cause."""
    error = OSError("odd")
    error.__cause__ = ValueError("odd")
    error.__cause__.__context__ = error
    return error


# --- Never sent -------------------------------------------------------------------------------


@pytest.mark.parametrize("request_", [GET, PATCH, SYNC, TEST], ids=str)
def test_refused_connection_is_unavailable(make: Make, request_: Request) -> None:
    """Where nothing is listening nothing was carried out, whatever the method."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    failure = failed(make(f"http://127.0.0.1:{port}"), request_)

    assert failure.event is Event.UNAVAILABLE
    assert failure.status is None
    assert failure.message == f"cannot reach 127.0.0.1:{port}: connect failed: connection refused"
    assert "0x" not in str(failure), "object addresses are no words for people"


@pytest.mark.parametrize("request_", [GET, PATCH, SYNC, TEST], ids=str)
def test_unknown_host_is_unavailable(make: Make, monkeypatch: pytest.MonkeyPatch, request_: Request) -> None:
    """A name that does not resolve had nothing carried out, whatever the method."""

    def unresolved(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unresolved)

    failure = failed(make("http://api.fivetran.invalid"), request_)

    assert failure.event is Event.UNAVAILABLE
    assert failure.message == ("cannot reach api.fivetran.invalid:80: name look-up failed: name or service not known")


@pytest.mark.parametrize(
    ("proxy", "port"),
    [
        ("http://proxy.invalid:3128", 3128),
        ("HTTP://proxy.invalid:3128", 3128),
        ("http://proxy.invalid", 80),
        ("proxy.invalid", 80),
        ("https://proxy.invalid", 443),
    ],
)
def test_unknown_proxy_is_named(make: Make, monkeypatch: pytest.MonkeyPatch, proxy: str, port: int) -> None:
    """Where the proxy's name does not resolve, the message names both hosts and says which look-up failed."""
    monkeypatch.setattr(socket, "getaddrinfo", _look_up_nowhere)
    monkeypatch.setenv("HTTPS_PROXY", proxy)

    failure = failed(make("https://api.fivetran.invalid"), SYNC)

    assert failure.message == (
        f"cannot reach api.fivetran.invalid:443 through the proxy proxy.invalid:{port}: "
        "name look-up of the proxy failed: name or service not known"
    )


@pytest.mark.parametrize("request_", [GET, SYNC], ids=str)
def test_unanswered_connecting_is_unavailable(make: Make, request_: Request) -> None:
    """A host that does not answer to connecting had nothing carried out."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)  # noqa: FBT003  # its only argument
            filler.connect_ex(address)

        failure = failed(make(f"http://127.0.0.1:{address[1]}"), request_, seconds=0.05)

        for filler in fillers:
            filler.close()
    assert failure.event is Event.UNAVAILABLE
    assert failure.message == f"cannot reach 127.0.0.1:{address[1]}: connect failed: no answer within 0.05 s"


@pytest.mark.parametrize("proxy", ["http://", "", "http://user:pass-word@", "user:pass-word@"])
@pytest.mark.parametrize("request_", [GET, PATCH, SYNC], ids=str)
def test_refusing_proxy_is_unavailable(
    make: Make, monkeypatch: pytest.MonkeyPatch, request_: Request, proxy: str
) -> None:
    """A proxy that cannot be reached passed nothing on, and is named without its credentials."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setenv("HTTPS_PROXY", f"{proxy}127.0.0.1:{port}")

    failure = failed(make("https://api.fivetran.invalid"), request_)

    assert failure.event is Event.UNAVAILABLE
    assert failure.message == (
        f"cannot reach api.fivetran.invalid:443 through the proxy 127.0.0.1:{port}: connect to the proxy failed: "
        "connection refused"
    )


@pytest.mark.parametrize(
    "proxy",
    [
        "http://user:pa#ss-word@127.0.0.1:9",
        "http://user:pa55/word@127.0.0.1:9",
        "user:pass-word@127.0.0.1:port",
        "http://127.0.0.1:port",
        "http://:3128",
        "http://[::1:9",
        "socks5://pass-word@127.0.0.1:9",
        "ftp://127.0.0.1:9",
    ],
)
@pytest.mark.parametrize("request_", [GET, SYNC], ids=str)
def test_unusable_proxy_is_rejected(make: Make, monkeypatch: pytest.MonkeyPatch, request_: Request, proxy: str) -> None:
    """What is wrong with a proxy's address is said at once, not retried as an outage, and the address is not shown."""
    monkeypatch.setenv("HTTPS_PROXY", proxy)

    failure = failed(make("https://api.fivetran.invalid"), request_)

    assert failure.event is Event.REJECTED
    assert failure.message.startswith("the proxy's address (HTTPS_PROXY or ALL_PROXY) ")
    assert [part for part in ("127.0.0.1", "word", "user") if part in failure.message] == []


@pytest.mark.parametrize(
    "url",
    [
        "https://api.fivetran.invalid:port",
        "https://" + "x" * 64 + ".invalid",
        "https://a\u200bb..invalid",
        "https://*.invalid",
        "https://[::1",
        "api.fivetran.invalid",
        "gopher://api.fivetran.invalid",
    ],
)
def test_unusable_address_is_rejected(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """An address that nothing can be sent to is said at once, and not retried as an outage."""
    monkeypatch.setattr(socket, "getaddrinfo", _look_up_nowhere)
    client = Client("https://api.fivetran.invalid", KEY, SECRET)
    client._url = url  # the configuration refuses most of these before

    failure = failed(client, SYNC)

    assert failure.event is Event.REJECTED
    assert failure.message == "FIVETRAN_API_URL is not a valid address: correct it"


def _look_up_nowhere(host: str, *_: object, **__: object) -> None:
    """What the resolver does with a name, without asking a server."""
    host.encode("idna")
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@contextmanager
def tunnel(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that answers to CONNECT once; its host and port, and what it was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                while not asked or not asked[0].endswith(b"\r\n\r\n"):
                    asked[:] = [b"".join(asked) + connection.recv(65536)]
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", asked
        thread.join()


@pytest.mark.parametrize(
    ("answer", "expected", "words"),
    [
        (
            "407 Proxy Authentication Required",
            Event.REJECTED,
            f"407 Proxy Authentication Required: check the user and password in {PROXY}",
        ),
        ("403 Forbidden", Event.UNAVAILABLE, "403 Forbidden"),
        ("502 Bad Gateway", Event.UNAVAILABLE, "502 Bad Gateway"),
    ],
)
@pytest.mark.parametrize("before", ["", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"], ids=["", "hints"])
def test_proxy_that_opens_no_tunnel(
    make: Make, monkeypatch: pytest.MonkeyPatch, answer: str, expected: Event, words: str, before: str
) -> None:
    """A proxy that will not let the request through is named with what it said, and nothing was sent through it."""
    with tunnel(f"{before}HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode()) as (proxy, asked):
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:pass-word@{proxy}")
        failure = failed(make("https://api.fivetran.invalid"), SYNC)

    unreachable = f"cannot reach api.fivetran.invalid:443 through the proxy {proxy}"
    assert (failure.event, failure.message) == (expected, f"{unreachable}: proxy CONNECT failed: {words}")
    assert asked[0].startswith(b"CONNECT api.fivetran.invalid:443 ")
    assert b"\r\nProxy-Authorization: Basic dXNlcjpwYXNzLXdvcmQ=\r\n" in asked[0]


# --- Addresses --------------------------------------------------------------------------------


def resolved(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> list[object]:
    """Have every name lead to these addresses; the names that were looked up."""
    asked: list[object] = []

    def look_up(host: str, *_: object, **__: object) -> list[tuple[Any, ...]]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


@contextmanager
def dead() -> Iterator[tuple[str, int]]:
    """An address that takes no connection and refuses none, as one that leads nowhere."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, ExitStack() as fillers:
        for _ in range(4):
            filler = fillers.enter_context(socket.socket())
            filler.setblocking(False)  # noqa: FBT003  # its only argument
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()


def test_dead_address_gives_way_to_the_next(
    http_server: HTTPServer, answering: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first address that leads nowhere takes its share of the limit only, and the request keeps its host's name."""
    answering(success())
    with dead() as first:
        asked = resolved(monkeypatch, first, ("127.0.0.1", http_server.port))
        answer = Client(f"http://api.fivetran.invalid:{http_server.port}", KEY, SECRET).send(GET, 0.4)
    assert isinstance(answer, Answer)

    assert (answer.code, asked) == ("Success", ["api.fivetran.invalid"])
    assert http_server.log[-1][0].headers["Host"] == f"api.fivetran.invalid:{http_server.port}"


def test_limit_of_an_address_is_its_own(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a request may take, one address is not waited for longer than the limit of connecting."""
    monkeypatch.setattr(sockets, "CONNECT_LIMIT", 0.05)
    with dead() as first, dead() as second:
        resolved(monkeypatch, first, second)
        failure = failed(make("https://api.fivetran.invalid"), TEST, seconds=86_400.0)

    assert failure.event is Event.UNAVAILABLE
    assert failure.message == (
        "cannot reach api.fivetran.invalid:443: connect failed: no answer within 0.05 s (127.0.0.1)"
    )


def test_address_of_a_family_that_is_not_there(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A family of addresses that the machine does not have is a failure to connect, as any other."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(99, socket.SOCK_STREAM, 6, "", ("nowhere", 1))])

    failure = failed(make("https://api.fivetran.invalid"), SYNC)

    assert failure.event is Event.UNAVAILABLE
    assert failure.message.startswith(
        "cannot reach api.fivetran.invalid:443: connect failed: address family not supported"
    )


# --- TLS --------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def https_server(certificate: Path) -> Iterator[HTTPServer]:
    """A server with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with HTTPServer(host="127.0.0.1", port=0, ssl_context=context) as server:
        server.expect_request(re.compile(".*")).respond_with_data(success())
        yield server


@pytest.mark.parametrize("request_", [GET, PATCH, SYNC, TEST], ids=str)
def test_untrusted_certificate_is_unavailable(make: Make, https_server: HTTPServer, request_: Request) -> None:
    """A certificate that is not trusted ends it before anything is sent, and the message says what to set."""
    failure = failed(make(https_server.url_for("")), request_)

    assert failure.event is Event.UNAVAILABLE
    assert failure.message.startswith("cannot reach 127.0.0.1:")
    assert "the TLS certificate is not trusted (" in str(failure)
    assert "REQUESTS_CA_BUNDLE" in str(failure)
    assert https_server.log == []


def test_named_certificate_is_trusted(
    make: Make, https_server: HTTPServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The certificate of an inspecting proxy is trusted as soon as REQUESTS_CA_BUNDLE names it."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))

    answer = answered(make(https_server.url_for("")))

    https_server.clear_log()
    assert answer.code == "Success"


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "invalid path: "),
        ("-----BEGIN NOTHING", "no certificate or crl found"),
        ("", "no certificate or crl found"),
    ],
    ids=["missing", "no PEM", "empty"],
)
def test_unusable_bundle_is_rejected(
    make: Make,
    https_server: HTTPServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    content: str | None,
    expected: str,
) -> None:
    """A CA bundle that is missing or none is said at once, and not retried as an outage."""
    file = tmp_path / "bundle.pem"
    if content is not None:
        file.write_text(content, "utf-8")
    monkeypatch.setenv(variable, str(file))

    failure = failed(make(https_server.url_for("")), SYNC)

    assert failure.event is Event.REJECTED
    assert failure.message.startswith(f"{BUNDLE} cannot be used: ")
    assert expected in failure.message


@pytest.mark.parametrize("request_", [GET, SYNC], ids=str)
def test_server_without_tls_is_unavailable(make: Make, http_server: HTTPServer, request_: Request) -> None:
    """A handshake that fails had nothing sent, a POST neither."""
    failure = failed(make(f"https://127.0.0.1:{http_server.port}"), request_)

    assert failure.event is Event.UNAVAILABLE
    assert failure.message.startswith(f"cannot reach 127.0.0.1:{http_server.port}: TLS handshake failed: [SSL")


def test_reset_in_the_handshake_is_unavailable(make: Make) -> None:
    """A firewall that cuts the handshake off leaves nothing open, for a POST neither."""
    with raw(b"", reset=True) as address:
        failure = failed(make(f"https://{address}"), SYNC)

    assert failure.event is Event.UNAVAILABLE
    assert failure.message == f"cannot reach {address}: TLS handshake failed: connection reset by peer"


# --- Sent, and no usable answer ---------------------------------------------------------------


@pytest.mark.parametrize("acts", [False, True], ids=["before acting", "after acting"])
@pytest.mark.parametrize("does", ["reset", "truncate", "short", "answer"])
@pytest.mark.parametrize(("request_", "expected"), OPEN, ids=str)
def test_fault_is_sent_once_and_named_by_method(
    simulate: Simulate,
    make: Make,
    request_: Request,
    expected: Event,
    does: str,
    acts: bool,  # noqa: FBT001
) -> None:
    """A fault after sending may be repeated but for a POST, is not retried here, and the next request works."""
    job = simulate(Scenario(faults=(Fault(does=does, acts=acts),)))
    client = make(job.url)

    failure = failed(client, request_)

    assert failure.event is expected
    assert len(job.requests) == 1
    assert answered(client).status == 200


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
@pytest.mark.parametrize(("request_", "expected"), OPEN, ids=str)
def test_server_error_is_named_by_method(
    answering: Callable[..., Client], request_: Request, expected: Event, status: int
) -> None:
    """A 5xx to a POST may have been carried out; anything else may be repeated."""
    failure = failed(answering(HTML, status, Content_Type="text/html"), request_)

    assert (expected, status) == (failure.event, failure.status)


@pytest.mark.parametrize(("request_", "expected"), OPEN, ids=str)
def test_silence_is_named_by_method(simulate: Simulate, make: Make, request_: Request, expected: Event) -> None:
    """A read that times out says nothing of what became of the request."""
    job = simulate(Scenario(faults=(Fault(does="hang"),)))

    failure = failed(make(job.url), request_, seconds=0.05)

    assert failure.event is expected
    assert failure.message == "no complete answer: timed out"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "2 bytes read, 7 more expected"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "not an HTTP answer: SSH-2.0-OpenSSH_9.6"),
        (b"", "remote end closed connection without response"),
    ],
    ids=["truncated", "another protocol", "closed"],
)
def test_incomplete_answer_is_described(make: Make, answer: bytes, expected: str) -> None:
    """What is wrong with an answer that is not complete is said in words, without Python's names."""
    with raw(answer) as address:
        failure = failed(make(f"http://{address}"), GET)

    assert failure.message.strip() == f"no complete answer: {expected}"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(HTML, id="HTML"),
        pytest.param("", id="nothing"),
        pytest.param(b"\xff\xfe\xfd", id="no text"),
        pytest.param("[" * 100_000, id="too deep"),
        pytest.param('["Success"]', id="a list"),
        pytest.param('"Success"', id="text"),
        pytest.param('{"message": "ok"}', id="no code"),
        pytest.param('{"code": null, "data": {}}', id="code null"),
        pytest.param('{"code": "Success"}', id="no data"),
        pytest.param('{"code": "Success", "data": null}', id="data null"),
        pytest.param('{"code": "Success", "data": []}', id="data a list"),
    ],
)
@pytest.mark.parametrize(
    ("request_", "expected"), [(GET, Event.UNAVAILABLE), (PATCH, Event.UNAVAILABLE), (TEST, Event.ANSWER_LOST)]
)
def test_undocumented_success_is_no_answer(
    answering: Callable[..., Client], request_: Request, expected: Event, body: str | bytes
) -> None:
    """Status 200 with anything but the documented JSON is not an answer."""
    failure = failed(answering(body, Content_Type="text/html"), request_)

    assert failure.event is expected
    assert failure.status == 200
    assert "the answer is" in failure.message


@pytest.mark.parametrize("body", ['{"code": "Success"}', '{"code": "Success", "data": null}', success()])
def test_trigger_needs_no_data(answering: Callable[..., Client], body: str) -> None:
    """The answer to a trigger is documented without data."""
    answer = answered(answering(body), SYNC)

    assert (answer.code, answer.data, answer.cut) == ("Success", {}, False)


def test_excerpt_is_short_and_one_line(answering: Callable[..., Client]) -> None:
    """A page that is not Fivetran's is quoted in part, with what steers a terminal escaped."""
    page = "<html>\n\x1b[31m" + "x" * 5000

    failure = failed(answering(page, Content_Type="text/html"), GET)

    assert len(failure.message) < 300
    assert failure.message.isprintable()
    assert "(text/html)" in failure.message


@pytest.mark.parametrize(("request_", "expected"), OPEN, ids=str)
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"220 mail.example.com ESMTP\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
    ],
    ids=["nothing", "not HTTP", "no chunk", "no gzip"],
)
def test_malformed_answer_is_no_answer(make: Make, request_: Request, expected: Event, answer: bytes) -> None:
    """What the HTTP library stumbles over leaves as a failure, not as an exception of its own."""
    with raw(answer) as address:
        failure = failed(make(f"http://{address}"), request_)

    assert failure.event is expected


def answer_of(body: bytes, *headers: str, status: str = "200 OK", before: str = "") -> bytes:
    """An answer as it goes over the wire."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return (before + "\r\n".join(lines)).encode() + body


@pytest.mark.parametrize(
    "before",
    [
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 102 Processing\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 199 Odd\r\n\r\n" * 2,
    ],
    ids=["100", "102", "103", "several"],
)
def test_interim_answers_are_skipped(make: Make, before: str) -> None:
    """Answers 1xx, also several of them, are not the answer."""
    with raw(answer_of(success({"id": "x"}).encode(), before=before)) as address:
        answer = answered(make(f"http://{address}"))

    assert (answer.status, answer.data) == (200, {"id": "x"})


@pytest.mark.parametrize(("request_", "expected"), OPEN, ids=str)
@pytest.mark.parametrize("status", [200, 302, 429])
def test_body_that_is_too_large_is_no_answer(
    make: Make, monkeypatch: pytest.MonkeyPatch, request_: Request, expected: Event, status: int
) -> None:
    """A body is read up to a limit, whatever its status, and what is larger is not an answer."""
    monkeypatch.setattr(client_module, "LARGEST", 1_000_000)
    body = success("x" * 1_000_000).encode()
    with raw(answer_of(body, "Location: /elsewhere", status=f"{status} Odd")) as address:
        failure = failed(make(f"http://{address}"), request_)

    assert (failure.event, failure.status) == (expected, status)
    assert failure.message == "the answer is too large: more than 1 MB"


def test_body_as_large_as_may_be_is_read(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body of just the largest size is read, over a connection and from elsewhere."""
    body = success("x" * 9_000).encode()
    monkeypatch.setattr(client_module, "LARGEST", len(body))
    with raw(answer_of(body)) as address:
        answer = answered(make(f"http://{address}"), SYNC)

    assert answer.status == 200
    assert interpret(SYNC, 200, {}, body, now=lambda: OUR_NOW) == answer


@pytest.mark.parametrize(("request_", "expected"), OPEN, ids=str)
def test_packed_body_is_counted_unpacked(make: Make, request_: Request, expected: Event) -> None:
    """A body that is small on the wire and huge when it is unpacked is too large, and is not unpacked to its end."""
    bomb = gzip.compress(bytes(200_000_000))
    with raw(answer_of(bomb, "Content-Encoding: gzip"), patient=True) as address:
        tracemalloc.start()
        failure = failed(make(f"http://{address}"), request_)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert failure.event is expected
    assert failure.message == "the answer is too large: more than 16 MB"
    assert most < 100_000_000


@pytest.mark.parametrize(
    ("packing", "pack"),
    [("GZIP", gzip.compress), ("gzip", gzip.compress), ("deflate", zlib.compress), ("identity", bytes), ("", bytes)],
)
def test_packed_body_is_read(make: Make, packing: str, pack: Callable[[bytes], bytes]) -> None:
    """A body that is packed as it was asked for, or not at all, is read, however large within the limit."""
    text = "x" * 9_000
    with raw(answer_of(pack(success({"text": text}).encode()), f"Content-Encoding: {packing}")) as address:
        answer = answered(make(f"http://{address}"))

    assert answer.data == {"text": text}


@pytest.mark.parametrize("packing", ["gzip, gzip", "br", "zstd", "compress"])
def test_body_that_is_packed_otherwise_is_no_answer(make: Make, packing: str) -> None:
    """A body in a packing that was not asked for, in layers above all, is not unpacked."""
    with raw(answer_of(success().encode(), f"Content-Encoding: {packing}")) as address:
        failure = failed(make(f"http://{address}"), GET)

    assert (failure.event, failure.status) == (Event.UNAVAILABLE, 200)
    assert failure.message == "the answer has a Content-Encoding that was not requested"


@pytest.mark.parametrize(("request_", "expected"), OPEN, ids=str)
@pytest.mark.parametrize("headers", [["X: y"] * 1_000, ["X: " + "y" * 100_000]], ids=["many headers", "long header"])
def test_flood_of_headers_is_no_answer(make: Make, request_: Request, expected: Event, headers: list[str]) -> None:
    """Too many headers, or longer ones, are not an answer, and nothing of them is repeated."""
    with raw(answer_of(b"{}", *headers), patient=True) as address:
        failure = failed(make(f"http://{address}"), request_)

    assert failure.event is expected
    assert len(failure.message) < 200


@pytest.mark.parametrize(("request_", "expected"), OPEN, ids=str)
@pytest.mark.parametrize(
    "error",
    [
        UnicodeError("odd"),
        RecursionError("odd"),
        AssertionError("odd"),
        http.client.HTTPException("odd"),
        OSError("odd"),
        ssl.SSLError("odd"),
        KeyError("odd"),
        MemoryError("odd"),
        _of_itself(),
    ],
    ids=repr,
)
def test_any_exception_is_a_failure(
    make: Make, monkeypatch: pytest.MonkeyPatch, request_: Request, expected: Event, error: Exception
) -> None:
    """Whatever the libraries stumble over while a request is under way leaves as a failure."""

    def stumble(*_: object) -> None:
        raise error

    with raw(answer_of(success().encode())) as address:
        monkeypatch.setattr(sockets._Response, "begin", stumble)
        failure = failed(make(f"http://{address}"), request_)

    assert failure.event is expected
    assert "odd" in failure.message


# --- Refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "status", "code", "expected"),
    [
        *(
            (request, 429, code, Event.RATE_LIMITED)
            for request in (GET, PATCH, SYNC)
            for code in ("TooManyRequests", "")
        ),
        *((request, 401, "Unauthorized", Event.REFUSED) for request in (GET, PATCH, SYNC)),
        *((request, 403, "Forbidden", Event.REFUSED) for request in (GET, PATCH, SYNC)),
        *((request, status, "", Event.UNAVAILABLE) for request in (GET, PATCH, SYNC) for status in (401, 403, 404)),
        *((request, 404, "NotFound_Connection", Event.NOT_FOUND) for request in (GET, PATCH, SYNC)),
        (SYNC, 404, "NotFound_Table", Event.NOT_FOUND),
        *((request, 404, "NotFound", Event.REJECTED) for request in (GET, PATCH, SYNC)),
        *((request._replace(known=True), 404, "NotFound", Event.UNAVAILABLE) for request in (GET, PATCH, SYNC)),
        *((request._replace(known=True), 404, "NotFound_Table", Event.NOT_FOUND) for request in (GET, PATCH, SYNC)),
        (SYNC, 409, "Conflict", Event.CONFLICT),
        (SYNC, 409, "", Event.CONFLICT),
        (PATCH, 409, "Conflict", Event.REJECTED),
        (GET, 409, "Conflict", Event.REJECTED),
        *((request, 400, "InvalidInput", Event.REJECTED) for request in (GET, PATCH, SYNC)),
        *((SYNC, status, "Illegal", Event.REJECTED) for status in (300, 304, 402, 405, 406, 410, 415, 422, 451)),
        (GET, 407, "", Event.REJECTED),
    ],
)
def test_status_and_code_give_the_class(
    answering: Callable[..., Client], request_: Request, status: int, code: str, expected: Event
) -> None:
    """Each status has one meaning, and 401, 403 and 404 have it in Fivetran's own words only."""
    body = json.dumps({"code": code, "message": "Because"}) if code else HTML

    failure = failed(answering(body, status), request_)

    assert (expected, status) == (failure.event, failure.status)


def test_refusal_carries_the_words_of_fivetran(answering: Callable[..., Client]) -> None:
    """Fivetran's code, message and request id are kept for the report."""
    body = json.dumps({"code": "InvalidInput", "message": "No such field"})

    failure = failed(answering(body, 400, X_Request_Id="r-17"), PATCH)

    assert str(failure) == "400 InvalidInput: No such field"
    assert failure.as_fact(PATCH, 3) == {
        "event": "rejected",
        "request": f"PATCH {PATH}",
        "purpose": "change the schedule",
        "attempts": 3,
        "status": 400,
        "code": "InvalidInput",
        "message": "No such field",
        "retry_after": None,
        "request_id": "r-17",
    }


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            HTML,
            (
                "403: the answer is not from Fivetran: "
                "'<html><body><h1>Blocked by the proxy</h1></body></html>' (text/html)"
            ),
        ),
        ('{"message": "Forbidden by the gateway"}', "403: Forbidden by the gateway"),
        ('{"code": "Forbidden"}', "403 Forbidden: FORBIDDEN"),
    ],
)
def test_refusal_says_whose_answer_it_is(answering: Callable[..., Client], body: str, expected: str) -> None:
    """A failure is reported in the answer's own words, and a proxy's page as what it is."""
    failure = failed(answering(body, 403, Content_Type="text/html"), GET)

    assert expected == str(failure)


@pytest.mark.parametrize("request_", [GET, PATCH, SYNC, SYNC._replace(known=True)], ids=str)
@pytest.mark.parametrize(
    ("said", "expected"), [("Pay up", "Pay up"), (None, "the account's trial or plan has expired")]
)
def test_expired_account_has_words_of_its_own(
    answering: Callable[..., Client], request_: Request, said: str | None, expected: str
) -> None:
    """A trial or plan that has expired is called that, and never retried."""
    failure = failed(answering(json.dumps({"code": "PaymentRequired", "message": said}), 402), request_)

    assert failure.event is Event.REJECTED
    assert failure.message == expected


@pytest.mark.parametrize(
    ("text", "date", "expected"),
    [
        ("7", DATE, 7.0),
        (" 0.5 ", DATE, 0.5),
        (formatdate(DATE + 90, usegmt=True), DATE, 90.0),
        (formatdate(OUR_NOW + 60, usegmt=True), None, 60.0),
        (formatdate(DATE - 90, usegmt=True), DATE, None),
        ("0", DATE, None),
        ("-5", DATE, None),
        ("nan", DATE, None),
        ("soon", DATE, None),
        ("Wed, 99 Foo 2030 00:00:00 GMT", DATE, None),
        ("", DATE, None),
        (None, DATE, None),
        ("inf", DATE, 86_400.0),
        ("1e300", DATE, 86_400.0),
        ("90000", DATE, 86_400.0),
        (formatdate(DATE + 1e9, usegmt=True), DATE, 86_400.0),
    ],
)
def test_retry_after(
    answering: Callable[..., Client], text: str | None, date: float | None, expected: float | None
) -> None:
    """Retry-After is understood in seconds and as a date by Fivetran's clock; what asks for no wait is none."""
    headers = {} if text is None else {"Retry_After": text}
    if date is not None:
        headers["Date"] = formatdate(date, usegmt=True)

    failure = failed(answering('{"code": "TooManyRequests"}', 429, **headers), GET)

    assert expected == failure.retry_after


@pytest.mark.parametrize(("text", "expected"), [("7", 7.0), ("3600", 60.0), ("inf", 60.0), ("0", None)])
@pytest.mark.parametrize("status", [429, 503])
def test_wait_that_a_proxy_asks_for_is_short(
    answering: Callable[..., Client], status: int, text: str, expected: float | None
) -> None:
    """What is not Fivetran's own answer, a proxy's say, cannot have the job wait for more than a minute."""
    failure = failed(answering(HTML, status, Retry_After=text), GET)

    assert expected == failure.retry_after


# --- Credentials ------------------------------------------------------------------------------


@pytest.mark.parametrize("request_", [GET, PATCH, SYNC], ids=str)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_not_followed(
    http_server: HTTPServer, answering: Callable[..., Client], request_: Request, status: int
) -> None:
    """A redirect is a rejection that names its target, and no request goes there."""
    with socket.create_server(("127.0.0.1", 0)) as target:
        target.setblocking(False)  # noqa: FBT003  # its only argument
        url = f"http://127.0.0.1:{target.getsockname()[1]}/stolen"
        client = answering("", status, Location=url)
        http_server.clear_log()

        failure = failed(client, request_)

        assert failure.event is Event.REJECTED
        assert f"redirected to '{url}'; redirects are not followed" in failure.message
        assert len(http_server.log) == 1
        with pytest.raises(BlockingIOError):  # nobody has come
            target.accept()


def test_headers(simulate: Simulate, make: Make) -> None:
    """Each request asks for version 2 of the documents, says who asks, and carries the given pair."""
    job = simulate()

    answered(make(job.url + "/"))

    headers = job.simulator.seen[0].headers
    assert headers["Accept"] == "application/json;version=2"
    assert headers["User-Agent"] == f"fivetran-orchestrator/{__version__}"
    assert headers["Authorization"] == "Basic cmVoZWFyc2FsLWtleTpyZWhlYXJzYWwtc2VjcmV0"


def test_netrc_does_not_take_the_place_of_the_pair(
    simulate: Simulate, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A .netrc with an entry for the host changes nothing."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\ndefault login any password body\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    job = simulate()

    answer = answered(make(job.url))

    assert answer.status == 200


@pytest.mark.parametrize(("request_", "body"), [(PATCH, PATCH.body), (SYNC, {"force": False}), (TEST, {}), (GET, None)])
def test_body_is_sent_as_json(simulate: Simulate, make: Make, request_: Request, body: object) -> None:
    """The body goes out as it is given, and an empty object is one."""
    job = simulate()

    make(job.url).send(request_, 10.0)

    assert body == job.simulator.seen[0].body
    assert (body is not None) == ("application/json" in job.simulator.seen[0].headers.get("Content-Type", ""))


@pytest.mark.parametrize(
    ("request_", "changes", "repeatable"), [(GET, False, True), (PATCH, True, True), (SYNC, True, False)], ids=str
)
def test_method_says_what_a_request_does(request_: Request, changes: bool, repeatable: bool) -> None:  # noqa: FBT001
    """A GET changes nothing, a PATCH may be repeated, a POST may not."""
    assert (changes, repeatable) == (request_.changes, request_.repeatable)


# --- Answers ----------------------------------------------------------------------------------


def test_answer_carries_what_fivetran_said(answering: Callable[..., Client]) -> None:
    """Status, code, message, data, date and request id of an answer are all there."""
    client = answering(success({"id": "x"}), Date=formatdate(DATE, usegmt=True), X_Request_Id="r-1")

    answer = answered(client)

    assert answer == Answer(200, "Success", "Done", {"id": "x"}, DATE, dated=True, request_id="r-1")
    assert str(answer) == "200 Success"


@pytest.mark.parametrize("status", [200, 429, 503])
def test_headers_of_each_answer_are_heeded(
    http_server: HTTPServer, answering: Callable[..., Client], status: int
) -> None:
    """Whoever keeps account of the rate limit sees the headers of each answer, of refusals too."""
    heeded: list[str] = []
    answering(success(), status, X_RateLimit_Remaining="17")
    client = Client(
        http_server.url_for(""), KEY, SECRET, heed=lambda headers: heeded.append(headers["X-RateLimit-Remaining"])
    )

    client.send(GET, 10.0)
    client.close()

    assert heeded == ["17"]


@pytest.mark.parametrize("date", [None, "", "yesterday", "Wed, 99 Foo 2030 00:00:00 GMT", FAR, formatdate(0)])
def test_answer_without_a_date_gets_the_local_time(answering: Callable[..., Client], date: str | None) -> None:
    """Where Fivetran does not say what time it is, this machine's clock does, and the answer says so."""
    answer = answered(answering(success(), **({} if date is None else {"Date": date})))

    assert (answer.date, answer.dated) == (OUR_NOW, False)


@pytest.fixture
def _tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine in Tokyo."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_tokyo")
@pytest.mark.parametrize("zone", ["GMT", "-0000", ""])
def test_date_is_utc(answering: Callable[..., Client], zone: str) -> None:
    """A Date without a zone is not taken for this machine's time."""
    text = formatdate(DATE, usegmt=True).replace("GMT", zone)

    answer = answered(answering(success(), Date=text.strip()))

    assert (answer.date, answer.dated) == (DATE, True)


def test_connect_card_is_scrubbed_and_masked(simulate: Simulate, make: Make) -> None:
    """The Connect Card's token and uri leave the client as stars, and go to the mask."""
    card = {"token": "ey.secret", "uri": "https://fivetran.com/connect-card/setup?auth=ey.secret", "theme": "dark"}
    hidden: list[str] = []

    answer = answered(make(simulate(Scenario(connection={"connect_card": card})).url, hide=hidden.append))

    assert answer.data["connect_card"] == {"token": "***", "uri": "***", "theme": "dark"}
    assert hidden == [card["token"], card["uri"]]


@pytest.mark.parametrize(
    ("card", "expected"), [(None, None), ({}, {}), ({"token": None}, {"token": "***"}), ({"uri": 1}, {"uri": "***"})]
)
def test_odd_connect_card_is_no_trouble(simulate: Simulate, make: Make, card: object, expected: object) -> None:
    """A Connect Card without its texts hides nothing and breaks nothing."""
    answer = answered(make(simulate(Scenario(connection={"connect_card": card})).url))

    assert expected == answer.data["connect_card"]


@pytest.mark.parametrize(("number", "expected"), [("1.5", 1.5), ("1e999", None), ("Infinity", None), ("NaN", None)])
def test_number_that_json_cannot_say_again(
    answering: Callable[..., Client], number: str, expected: float | None
) -> None:
    """A number that is none of JSON's is as good as none: what is written of the answer stays JSON."""
    answer = answered(answering(f'{{"code": "Success", "data": {{"volume": {number}}}}}'))

    assert answer.data == {"volume": expected}


def test_document_is_cut_where_it_is_nested_beyond_measure(answering: Callable[..., Client]) -> None:
    """What is nested deeper than any document of Fivetran's is left out; the rest is as it was."""
    deep = '{"a": [' * 60 + "1" + "]}" * 60
    answer = answered(answering(f'{{"code": "Success", "data": {{"deep": {deep}, "near": [{{"b": 2}}]}}}}'))

    assert answer.data["near"] == [{"b": 2}]
    assert "(nested too deeply)" in json.dumps(answer.data["deep"])


CARD = {"token": "ey.secret.of.a.card", "uri": "https://fivetran.com/connect-card?auth=ey.secret.of.a.card", "x": 1}
SCRUBBED = {"token": "***", "uri": "***", "x": 1}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"deep": {"er": {"connect_card": CARD}}}, {"deep": {"er": {"connect_card": SCRUBBED}}}),
        ({"items": [{"connect_card": CARD}]}, {"items": [{"connect_card": SCRUBBED}]}),
        ({"connect_card": [CARD]}, {"connect_card": "***"}),
        ({"connect_card": CARD["token"]}, {"connect_card": "***"}),
        ({"connect_card": {"y": {"connect_card": CARD}}}, {"connect_card": {"y": {"connect_card": SCRUBBED}}}),
    ],
)
def test_connect_card_is_scrubbed_wherever_it_is(
    answering: Callable[..., Client], data: object, expected: object
) -> None:
    """A Connect Card is scrubbed deep in a document, in lists, and where it is not an object."""
    answer = answered(answering(success(data)))

    assert expected == answer.data


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"connect_card": CARD}},
        {"data": {"connect_card": {"nested": [CARD]}}},
        [{"token": CARD["token"]}],
        {"config": {"host": CARD["token"]}, "auth": CARD["uri"]},
        {"data": [{"auth": {"client_access": CARD["token"]}}]},
        {"my_api_key": CARD["token"], "clientSecret": CARD["uri"], "db_password": CARD["token"]},
        {"code": "Success", "data": [{"config": {"user": CARD["token"]}}]},
        {"message": {"config": {"password": CARD["token"]}}},
        {"message": [{"token": CARD["token"]}], "code": "Odd"},
        json.dumps({"config": {"host": CARD["token"]}}),
        json.dumps({"data": {"connect_card": CARD}}) + "and more that makes it none",
        f"<config><password>{CARD['token']}</password></config>",
        f"Authorization: Basic {CARD['token']}",
        f"see /setup?token={CARD['token']}",
    ],
)
@pytest.mark.parametrize("status", [200, 400, 500])
def test_answer_that_is_not_the_documented_one_shows_nothing_secret(
    answering: Callable[..., Client], body: object, status: int
) -> None:
    """Of what is not the documented form, nothing is quoted that is secret by its name, parsed or not."""
    text = body if isinstance(body, str) and not body.startswith("{") else json.dumps(body)
    text = body if isinstance(body, str) and body.endswith("none") else text

    failure = failed(answering(text, status), GET)

    assert "secret.of" not in str(failure)
    assert len(failure.message) > 2


def test_excerpt_is_masked_before_it_is_cut(answering: Callable[..., Client], http_server: HTTPServer) -> None:
    """A secret that lies across the end of an excerpt is masked whole, not cut to a half that no mask would know."""
    answering("x" * 190 + SECRET + "y" * 100, 502)
    client = Client(http_server.url_for(""), KEY, SECRET, mask=Mask(KEY, SECRET).block)

    failure = failed(client, GET)

    client.close()
    assert failure.message == f"the answer is not from Fivetran: '{'x' * 190}***{'y' * 7}' (text/plain; charset=utf-8)"


@pytest.mark.parametrize("before", [1_990, 1_999, 2_001])
@pytest.mark.parametrize("field", ["message", "code", "X-Request-Id", "Location", "Content-Type"])
def test_words_are_bounded_and_masked_before_they_are_cut(
    answering: Callable[..., Client], http_server: HTTPServer, field: str, before: int
) -> None:
    """Whatever words are taken from an answer have a bearable length, and no half of a secret at their end."""
    words = "x " * (before // 20 if field != "message" else before // 2) + SECRET + " y" * 10_000
    body = {"code": "Odd", "message": "Odd", **({field: words} if field.islower() else {})}
    headers = {} if field.islower() else {field.replace("-", "_"): words}
    client = answering(
        HTML if field == "Content-Type" else json.dumps(body), 302 if field == "Location" else 400, **headers
    )
    client = Client(http_server.url_for(""), KEY, SECRET, mask=Mask(KEY, SECRET).block)

    failure = failed(client, GET)

    client.close()
    told = json.dumps(failure.as_fact(GET, 1))
    assert len(told) < 3_000
    assert SECRET[:5] not in told
    assert " more characters)" in told


def test_document_is_bounded(answering: Callable[..., Client], http_server: HTTPServer) -> None:
    """Texts, names, lists and numbers beyond measure are cut, the rest is kept, and the answer says so."""
    data = {
        "succeeded_at": "2026-01-01T00:00:00Z",
        "text": "x " * 10_000,
        "across": "x" * 9_990 + SECRET + "y" * 10,
        "deep": [{"text": "x" * 20_000}],
        "list": list(range(2_000)),
        "n" * 2_000: 1,
        "number": 10**1_000,
    }
    answering(success(data))
    client = Client(http_server.url_for(""), KEY, SECRET, mask=Mask(KEY, SECRET).block)

    answer = answered(client)

    client.close()
    assert answer.cut
    assert answer.data == {
        "succeeded_at": "2026-01-01T00:00:00Z",
        "text": "x " * 4_999 + "x… (10,001 more characters)",
        "across": "x" * 9_990 + "***" + "y" * 7 + "… (3 more characters)",
        "deep": [{"text": "x" * 10_000 + "… (10,000 more characters)"}],
        "list": list(range(1_000)),
        "n" * 1_000 + "… (1,000 more characters)": 1,
        "number": None,
    }


def test_usual_document_is_not_cut(answering: Callable[..., Client]) -> None:
    """A document of bearable length is all that was said."""
    data = {"text": "x" * 10_000, "list": list(range(1_000)), "number": 2**63}

    answer = answered(answering(success(data)))

    assert (answer.data, answer.cut) == (data, False)


def test_loopback_is_not_behind_the_proxy(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rehearsal against this machine works where the environment names a proxy."""
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")
    job = simulate(over_http=True)

    played = job.play("STATUS")

    assert played.code == 0


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"])
def test_no_proxy_stands_before_this_machine(
    make: Make, monkeypatch: pytest.MonkeyPatch, scheme: str, variable: str
) -> None:
    """Whatever variable names a proxy, what is on this machine is asked directly."""
    monkeypatch.setenv(variable, "http://proxy.invalid:3128")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    failure = failed(make(f"{scheme}://127.0.0.1:{port}"), GET)

    assert failure.message == f"cannot reach 127.0.0.1:{port}: connect failed: connection refused"


def test_malformed_proxy_is_reported_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A proxy address that cannot be read hangs nothing, and no thread of the job prints it."""
    monkeypatch.setenv("HTTPS_PROXY", "http://user:pa55/word@127.0.0.1:9")
    client = Client("https://api.example.com", "key", "secret")

    failed(client, GET, 5)

    assert capsys.readouterr().err == ""


# --- Answers from elsewhere -------------------------------------------------------------------------


def test_answer_from_elsewhere_is_read_by_the_same_rules() -> None:
    """An answer that came over no connection is what it would have been over one: secrets reported, time filled in."""
    hidden: list[str] = []
    body = {"code": "Success", "data": {"connect_card": {"token": "card-token"}}}

    answer = interpret(GET, 200, {}, json.dumps(body).encode(), now=lambda: 7.0, hide=hidden.append)

    assert (answer.date, answer.dated, hidden) == (7.0, False, ["card-token"])
    assert answer.data == {"connect_card": {"token": "***"}}


def test_status_and_code_of_a_success_are_kept() -> None:
    """A success is reported with the status and the code that it had, which need not be the usual ones."""
    answer = interpret(SYNC, 202, {}, b'{"code": "Accepted"}')

    assert str(answer) == "202 Accepted"


@pytest.mark.parametrize(
    ("status", "headers", "body", "expected"),
    [
        (302, {}, b"<html>", "302: the answer is not from Fivetran: '<html>' (no content type)"),
        (400, {"Location": "/elsewhere"}, b'{"message": "No"}', "400: No"),
        (402, {}, b"<html>", "402: the answer is not from Fivetran: '<html>' (no content type)"),
        (418, {}, b'{"code": "Teapot"}', "418 Teapot: I'm a Teapot"),
        (
            400,
            {},
            json.dumps({"code": "c" * 999, "message": "No"}).encode(),
            f"400 {'c' * 200}… (799 more characters): No",
        ),
    ],
)
def test_refusal_is_named_by_what_it_says(status: int, headers: dict[str, str], body: bytes, expected: str) -> None:
    """A redirect is called one only where it leads somewhere, an expired plan only by Fivetran, and a code is short."""
    with pytest.raises(Failure) as raised:
        interpret(GET, status, headers, body)

    assert str(raised.value) == expected


@pytest.mark.parametrize(
    ("body", "problem"),
    [(b'{"id": "x"}', "JSON, but not in the documented form"), (b"<html>", "not JSON from Fivetran")],
)
def test_answer_of_another_form_is_described(body: bytes, problem: str) -> None:
    """A success that does not come from Fivetran is reported as JSON of another form, or as no JSON."""
    with pytest.raises(Failure, match=f"^200: the answer is {problem}: "):
        interpret(GET, 200, {}, body)


def test_closed_client_has_no_connection() -> None:
    """Closing a client closes its connections: the server sees their end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = Client(f"http://127.0.0.1:{listener.getsockname()[1]}", KEY, SECRET)
        ends: list[bytes] = []

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(PATIENCE)
                connection.recv(65536)
                connection.sendall(answer_of(success().encode()))
                with suppress(TimeoutError):
                    ends.append(connection.recv(1))

        thread = threading.Thread(target=serve)
        thread.start()
        answered(client)

        client.close()

        thread.join()
    assert ends == [b""]


def test_answer_that_is_none_is_the_last_of_its_connection() -> None:
    """After a success in another form, whose length may be wrong too, the next request has a connection of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = Client(f"http://127.0.0.1:{listener.getsockname()[1]}", KEY, SECRET)
        ends: list[bytes] = []

        def serve() -> None:
            listener.settimeout(PATIENCE)
            for body in (b"{}", success().encode()):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer_of(body))
                    ends.append(connection.recv(1))
                if ends[-1]:
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        first, second = client.send(GET, 10.0), client.send(GET, 10.0)
        client.close()
        thread.join()

    assert ends == [b"", b""]
    assert isinstance(first, Failure)
    assert isinstance(second, Answer)


def test_answer_from_elsewhere_may_be_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body from elsewhere has the same limit."""
    monkeypatch.setattr(client_module, "LARGEST", 1_000_000)

    with pytest.raises(Failure, match="the answer is too large: more than 1 MB") as raised:
        interpret(SYNC, 200, {}, bytes(1_000_001))

    assert raised.value.event is Event.ANSWER_LOST


@pytest.mark.parametrize(("request_", "event"), [(GET, Event.UNAVAILABLE), (SYNC, Event.ANSWER_LOST)], ids=str)
def test_answer_of_too_many_values_is_not_read(request_: Request, event: Event) -> None:
    """A small body may hold so many values that reading it would take the runner's memory: it is no answer."""
    with pytest.raises(Failure, match="the answer is too large: more than 200,000 values") as raised:
        interpret(request_, 200, {}, b"[" + b"0," * 200_001 + b"0]")

    assert (raised.value.event, raised.value.status) == (event, 200)


def test_answers_come_in_pieces_after_a_failure_too() -> None:
    """The session that takes the place of a failed one reads no body at once, however large it is."""
    client = Client("http://127.0.0.1:9", KEY, SECRET)
    assert isinstance(client.send(GET, 5.0), Failure)

    session = client._session
    assert session.merge_environment_settings("http://127.0.0.1:9", {}, True, None, None)["stream"] is True  # noqa: FBT003  # requests' form
    client.close()


def test_documents_are_remembered_for_all_clients(answering: Callable[..., Client]) -> None:
    """What one client has read is known to each that shares its memory."""
    known: dict[str, Mapping[str, Any]] = {}
    url = answering(success({"items": [{"id": "any_id"}]}))._url

    client = Client(url, KEY, SECRET, known=known)
    assert isinstance(client.send(GET, 5.0), Answer)
    client.close()

    assert known.keys() == {"any_id"}


@pytest.mark.parametrize(
    ("request_", "status", "headers", "body", "expected"),
    [
        (GET, 429, {"Retry-After": "7"}, b"{}", Event.RATE_LIMITED),
        (SYNC, 503, {}, b"<html>", Event.ANSWER_LOST),
        (GET, 200, {}, b"<html>", Event.UNAVAILABLE),
        (GET, 302, {"Location": "https://elsewhere"}, b"", Event.REJECTED),
        (GET, 401, {}, b'{"code": "Unauthorized"}', Event.REFUSED),
    ],
)
def test_failure_from_elsewhere_is_read_by_the_same_rules(
    request_: Request, status: int, headers: dict[str, str], body: bytes, expected: Event
) -> None:
    """A refusal that came over no connection has the event, the words and the wait that it would have had."""
    with pytest.raises(Failure) as raised:
        interpret(request_, status, headers, body)

    assert (raised.value.event, raised.value.status) == (expected, status)
    assert raised.value.retry_after == (7.0 if status == 429 else None)
    assert str(raised.value)
