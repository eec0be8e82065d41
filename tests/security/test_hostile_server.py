"""A job against a server that answers with anything: it ends in time, within bounds, with a verdict, and no secret."""

import gzip
import json
import socket
import ssl
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from io import DEFAULT_BUFFER_SIZE
from itertools import count
from pathlib import Path

import pytest
import trustme
from attacked import KEY, OK, SECRET, Seen, document, here, variables
from process import Process
from servers import Server, answer

from orchestrator.fivetran import client as client_module
from orchestrator.fivetran import response_body, sockets
from orchestrator.fivetran.client import Client
from orchestrator.job import listing
from orchestrator.values.exchange import Answer, Failure, Request

pytestmark = pytest.mark.usefixtures("_undrawn")

BODY = document()
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
TIMED_OUT = "FAILED: Fivetran's API was unavailable: no answer within 0.3 s"
INCOMPLETE = "FAILED: Fivetran's API was unavailable: no complete answer: "
TOO_LARGE = "FAILED: Fivetran's API was unavailable: 200: the answer is too large: more than "
UNDOCUMENTED = "FAILED: Fivetran's API was unavailable: 200: the answer is JSON, but not"
NOT_JSON = "FAILED: Fivetran's API was unavailable: 200: the answer is not JSON from Fivetran: "


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has a limit meets it soon."""
    monkeypatch.setattr(client_module, "LARGEST", 1_000_000)
    monkeypatch.setattr(sockets, "LONGEST", 1_000_000)


def asked(folder: Path, says: bytes | Callable[[socket.socket], object], **more: str) -> Seen:
    """A job against a server that says this; it asks once, never ends as a bug, and shows no secret."""
    with Server(says) as server:
        seen = here(folder, server.url, **more)
    assert len(server.requests) <= 1
    assert "Traceback" not in seen.stderr
    assert seen.code not in {2, 70}
    assert seen.reveals() == []
    return seen


def endlessly(piece: bytes, before: bytes = b"") -> Callable[[socket.socket], object]:
    """Say something, and then the same thing again and again."""

    def speak(connection: socket.socket) -> None:
        connection.sendall(before)
        while True:
            connection.sendall(piece)

    return speak


def once(said: bytes) -> Callable[[socket.socket], object]:
    """Say that, and hang up."""

    def speak(connection: socket.socket) -> bool:
        connection.sendall(said)
        return False

    return speak


# --- Without end ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize(
    ("piece", "before", "expected"),
    [
        (b"x" * 65_536, HEAD + b"\r\n", INCOMPLETE + "longer than 1 MB"),
        (b"x" * 65_536, b"HTTP/1.1 200 ", INCOMPLETE + "got more than 65536 bytes when reading status line"),
        (b"x" * 65_536, HEAD + b"X: ", INCOMPLETE + "got more than 65536 bytes when reading header line"),
        (b"X: y\r\n" * 1_000_000, HEAD, INCOMPLETE + "got more than 100 headers"),
        (b"HTTP/1.1 100 Continue\r\n" + b"X: " + b"y" * 2_000 + b"\r\n\r\n", b"", INCOMPLETE + "longer than 1 MB"),
        (b"HTTP/1.1 103 Early\r\nLink: " + b"a" * 2_000 + b"\r\n\r\n", b"", INCOMPLETE + "longer than 1 MB"),
        (b"x" * 65_536, CHUNKED, INCOMPLETE),
        (b"0" * 65_536, CHUNKED, INCOMPLETE),
        (b"x" * 65_536, CHUNKED + b"1;", INCOMPLETE),
        (b"x" * 65_536, CHUNKED + b"fffffffffffffff\r\n", INCOMPLETE + "longer than 1 MB"),
        (b"1;" + b"x" * 200 + b"\r\nx\r\n", CHUNKED, INCOMPLETE + "longer than 1 MB"),
        (b"X: y\r\n" * 10_000, CHUNKED + b"0\r\n", INCOMPLETE),
        (b"x" * 65_536, CHUNKED + b"0\r\nX: ", INCOMPLETE),
    ],
    ids=[
        *(
            "body",
            "status line",
            "header line",
            "a million headers",
            "100 Continue",
            "103 Early Hints",
            "size of a chunk",
        ),
        *("zeros of a size", "extension of a chunk", "one chunk", "small chunks", "trailers", "trailer line"),
    ],
)
def test_no_end(tmp_path: Path, piece: bytes, before: bytes, expected: str) -> None:
    """An answer of which any part has no end is given up at a size, with the words for it and exit code 6."""
    seen = asked(tmp_path, endlessly(piece, before))

    assert (seen.code, seen.verdict[: len(expected)]) == (6, expected)


@pytest.mark.parametrize(
    "before", [b"", b"HTTP/1.1 200", HEAD, HEAD + b"Content-Length: 99\r\n\r\n{", CHUNKED + b"5\r\n{"], ids=ascii
)
def test_silence(tmp_path: Path, before: bytes) -> None:
    """A server that falls silent at any point of its answer is given up after FIVETRAN_HTTP_TIMEOUT."""

    def speak(connection: socket.socket) -> None:
        connection.sendall(before)
        connection.recv(1)

    seen = asked(tmp_path, speak, FIVETRAN_HTTP_TIMEOUT="0.3")

    assert (seen.code, seen.verdict) == (6, TIMED_OUT)


def test_byte_by_byte(tmp_path: Path) -> None:
    """A server that never falls silent for long is given up all the same: the limit is that of the whole request."""
    said = iter(answer(BODY))

    def speak(connection: socket.socket) -> None:
        connection.settimeout(0.01)
        for byte in said:
            connection.sendall(bytes((byte,)))
            with suppress(TimeoutError):
                connection.recv(1)

    seen = asked(tmp_path, speak, FIVETRAN_HTTP_TIMEOUT="0.3")

    assert (seen.code, seen.verdict) == (6, TIMED_OUT)


# --- Not as HTTP has it ---------------------------------------------------------------------------


def _chunks(*sizes: str) -> bytes:
    return CHUNKED + "".join(f"{size}\r\n{BODY}\r\n" for size in sizes).encode() + b"0\r\n\r\n"


SIZE = len(BODY)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (answer(BODY, length=SIZE + 9), f"{INCOMPLETE}{SIZE} bytes read, 9 more expected"),
        (answer(BODY, length=9), NOT_JSON),
        (answer(BODY, length="9" * 4_000), INCOMPLETE),
        (answer(BODY, "Content-Length: 9"), f"{INCOMPLETE}content-Length contained multiple unmatching values"),
        (_chunks(f"{SIZE + 9:x}"), INCOMPLETE),
        (_chunks(f"{SIZE - 9:x}"), INCOMPLETE),
        (_chunks("-5"), INCOMPLETE),
        (_chunks("five"), INCOMPLETE),
        (_chunks("f" * 5_000), INCOMPLETE),
        (_chunks(f"{SIZE:x}", f"{SIZE:x}"), NOT_JSON),
        (CHUNKED + f"{SIZE:x}\r\n{BODY}\r\n".encode(), INCOMPLETE),
        (BODY.encode(), f"{INCOMPLETE}not an HTTP answer: "),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", f"{INCOMPLETE}not an HTTP answer: PRI * HTTP/2.0"),
        (b"HTTP/2 200 OK\r\n\r\n", f"{INCOMPLETE}not an HTTP answer: HTTP/2"),
        (b"HTTP/1.1 -20 OK\r\n\r\n", f"{INCOMPLETE}not an HTTP answer: HTTP/1.1 -20 OK"),
        (b"HTTP/1.1\r\n\r\n", f"{INCOMPLETE}not an HTTP answer: HTTP/1.1"),
        (b"\0" * 200 + b"\r\n\r\n", f"{INCOMPLETE}not an HTTP answer: "),
        (answer(BODY, status="101 Switching Protocols"), "FAILED: Fivetran's API was unavailable: 101: "),
        (answer("", status="204 No Content"), "FAILED: Fivetran's API was unavailable: 204: "),
        (answer(BODY, status="999 Odd"), "FAILED: Fivetran's API was unavailable: 999 "),
        (HEAD + b"X-A: \0\0\r\n : y\r\nnonsense\r\n\r\n" + BODY.encode(), ""),
        (b"", f"{INCOMPLETE}remote end closed connection without response"),
    ],
    ids=[
        *("length too long", "length too short", "length immense", "two lengths", "chunk too long", "chunk too short"),
        *("negative chunk", "odd chunk", "immense chunk", "two bodies", "no last chunk", "HTTP/0.9", "HTTP/2 preface"),
        *("HTTP/2", "negative status", "no status", "NULs", "101", "204", "999", "odd headers", "nothing"),
    ],
)
def test_not_http(tmp_path: Path, said: bytes, expected: str) -> None:
    """An answer that is not as HTTP has it is none, or is read as far as it goes; nothing is made up of it."""
    seen = asked(tmp_path, once(said))

    assert seen.verdict.startswith(expected)
    assert seen.code in {0, 6}
    assert (seen.code == 0) == seen.verdict.startswith(OK)


@pytest.mark.parametrize(
    "said",
    [
        answer(f"{SIZE:x}\r\n{BODY}\r\n0\r\n\r\n", "Transfer-Encoding: chunked", length=5),
        answer(BODY, f"Content-Length: {SIZE}"),
        answer(BODY, length=-5),
        answer(BODY, "Content-Type: image/png; charset=utf-7"),
        answer(BODY, 'Content-Type: text/html; charset="\0../../etc"'),
        answer(BODY, "Content-Encoding: identity", "Trailer: Content-Length"),
    ],
    ids=["chunks and a length", "the same length twice", "negative length", "an image", "odd charset", "trailer"],
)
def test_whole_answer_with_odd_headers(tmp_path: Path, said: bytes) -> None:
    """An answer that is there as a whole is read, whatever else its headers say."""
    seen = asked(tmp_path, once(said))

    assert (seen.code, seen.verdict[: len(OK)]) == (0, OK)


def _reset(connection: socket.socket) -> bool:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


@pytest.mark.parametrize("size", [0, 9, len(HEAD), len(answer(BODY)) - SIZE, len(answer(BODY)) - 1])
def test_reset(tmp_path: Path, size: int) -> None:
    """A connection that is reset at any point of the answer is no answer."""

    def speak(connection: socket.socket) -> bool:
        connection.sendall(answer(BODY)[:size])
        return _reset(connection)

    seen = asked(tmp_path, speak)

    assert (seen.code, seen.verdict[: len(INCOMPLETE)]) == (6, INCOMPLETE)


# --- Packed, and not JSON -------------------------------------------------------------------------


def _bomb(pack: Callable[[bytes], bytes]) -> bytes:
    return pack(bytes(20_000_000))


@pytest.mark.parametrize(
    ("packing", "body", "expected"),
    [
        ("gzip", _bomb(gzip.compress), TOO_LARGE + "1 MB"),
        ("deflate", _bomb(zlib.compress), TOO_LARGE + "1 MB"),
        ("gzip", gzip.compress(_bomb(gzip.compress)), NOT_JSON),
        ("gzip", gzip.compress(BODY.encode())[:-9], ""),
        ("gzip", BODY.encode(), INCOMPLETE),
        *(
            (packing, BODY.encode(), "FAILED: Fivetran's API was unavailable: 200: the answer has a Content-Encoding")
            for packing in ("br", "zstd", "gzip, gzip", "gzip" + ", gzip" * 5_000, "\0")
        ),
    ],
    ids=[
        *("gzip", "deflate", "gzip in gzip", "gzip cut short", "not gzip"),
        *("br", "zstd", "gzip twice", "5,000 layers", "odd"),
    ],
)
@pytest.mark.usefixtures("_small")
def test_packed(tmp_path: Path, packing: str, body: bytes, expected: str) -> None:
    """A body that unpacks to more than an answer may have, or in a way that was not asked for, is no answer."""
    seen = asked(tmp_path, answer(body, f"Content-Encoding: {packing}"))

    assert seen.verdict.startswith(expected)
    assert seen.code == (0 if seen.verdict.startswith(OK) else 6)


def _data(content: str) -> str:
    return f'{{"code": "Success", "data": {content}}}'


MANY = response_body.MOST_VALUES + 1


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (_data("[" * 400_000 + "]" * 400_000), TOO_LARGE + "200,000 values"),
        (_data('{"a":' * 150_000 + "1" + "}" * 150_000), NOT_JSON),
        (_data("[" + "{}," * MANY + "{}]"), TOO_LARGE + "200,000 values"),
        (_data("{" + ",".join(f'"{number}":1' for number in range(MANY)) + "}"), TOO_LARGE + "200,000 values"),
        (_data("9" * 900_000), NOT_JSON),
        (_data("1e" + "9" * 900_000), UNDOCUMENTED),
        ('{"code": "Success", "data": {}', NOT_JSON),
        (BODY + "\0", NOT_JSON),
        (BODY[:-1] + "\0}", NOT_JSON),
        ("\0" * 900_000, NOT_JSON),
        (" " * 900_000, NOT_JSON),
        ('{"code": ["Success"], "data": {}}', UNDOCUMENTED),
    ],
    ids=[
        *("nested lists", "nested objects", "many objects", "many members", "immense number", "immense exponent"),
        *("cut short", "NUL after it", "NUL in it", "NULs", "blanks", "another form"),
    ],
)  # fmt: skip
def test_not_json(tmp_path: Path, body: str, expected: str) -> None:
    """A body that Fivetran cannot have sent is refused in one line."""
    seen = asked(tmp_path, answer(body))

    assert (seen.code, seen.verdict[: len(expected)]) == (6, expected)
    assert len(seen.verdict) < 500


CARD = "token-of-a-connect-card"


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-le", "utf-32", "utf-32-be", "utf-7", "utf-8-sig"])
def test_charset(tmp_path: Path, charset: str) -> None:
    """Whatever charset a document is in, the token of a Connect Card is shown and written nowhere."""
    told = json.loads(BODY)
    told["data"]["connect_card"] = {"token": CARD, "uri": f"https://x/{CARD}"}

    seen = asked(tmp_path, answer(json.dumps(told).encode(charset), f"Content-Type: text/plain; charset={charset}"))

    assert (seen.code, seen.reveals(CARD)) == (0 if charset in {"utf-8-sig", "utf-7"} else 6, [])


@pytest.mark.parametrize("text", ["\ud800", "\0", "\x1b]0;x\x07", "\u202e", "section_end:1:x\r\x1b[0K", "a" * 200_000])
def test_texts(tmp_path: Path, text: str) -> None:
    """A text of any characters in a document changes no verdict, and steers no terminal."""
    told = json.loads(BODY)
    told["data"].update(schema=text, service=text)
    told["message"] = text

    seen = asked(tmp_path, answer(json.dumps(told)))

    assert (seen.code, seen.verdict[:11]) == (0, "OK: any_id ")
    assert [sign for sign in "\0\x1b\x07\u202e\r" if sign in seen.stderr + seen.stdout] == []


# --- Headers --------------------------------------------------------------------------------------

HEADERS = {
    "long headers": [b"X: " + b"y" * 60_000] * 90,
    "folded headers": [b"X: y", *([b" y" * 30_000] * 20)],
    "cookies": [b"Set-Cookie: a=" + b"b; " * 20_000] * 90,
    "links": [b"Link: " + b"<" * 60_000] * 90,
    "dates": [b"Date: " + b"1 " * 30_000],
    "Retry-After": [b"Retry-After: " + b"1(" * 30_000],
    "request id": [b"X-Request-Id: " + b"\xff" * 60_000],
    "limits": [b"X-Rate-Limit-Remaining: " + b"9" * 60_000],
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers(tmp_path: Path, name: str) -> None:
    """However many headers there are and whatever they hold, they are read in no time or are no answer."""
    status = "429 Too Many Requests" if name == "Retry-After" else "200 OK"
    lines = [f"HTTP/1.1 {status}".encode(), *HEADERS[name], f"Content-Length: {SIZE}".encode(), b"", BODY.encode()]

    seen = asked(tmp_path, once(b"\r\n".join(lines)))

    assert seen.code == (6 if name == "Retry-After" else 0)
    assert len(seen.verdict) < 500


# --- Memory ---------------------------------------------------------------------------------------

# Runs a job a URL, one after the other, and says what of memory the process has ever had.
ONE_BY_ONE = """
import os, pathlib, re, sys
from orchestrator.cli import main

for url in sys.argv[1:]:
    code = main([], {**os.environ, "FIVETRAN_API_URL": url})
    most = re.search(r"VmHWM:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text("ascii"))
    print("PEAK", code, int(most[1]) // 1_000, file=sys.stderr, flush=True)
"""
MORE = 300  # MB; the body as it came, joined, as text, and as Python's values


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process's memory is read from /proc")
def test_memory(tmp_path: Path) -> None:
    """Whatever is sent without end, packed or in millions of pieces, the process takes a bounded amount of memory."""
    greedy: dict[str, bytes | Callable[[socket.socket], object]] = {
        "endless": endlessly(b"x" * 65_536, HEAD + b"\r\n"),
        "gzip": answer(gzip.compress(bytes(100_000_000), 1), "Content-Encoding: gzip"),
        "objects": answer(_data("[" + '{"":{}},' * 1_900_000 + "{}]")),
        "members": answer(_data("{" + ",".join(f'"{number}":""' for number in range(500_000)) + "}")),
        "text": answer(_data(f'{{"x": "{"x" * 15_000_000}\U0001f600"}}').encode()),
        "headers": once(HEAD + (b"X: " + b"y" * 60_000 + b"\r\n") * 99 + b"\r\n"),
    }
    with ExitStack() as stack:
        usual = stack.enter_context(Server(answer(BODY)))
        servers = [stack.enter_context(Server(said)) for said in greedy.values()]
        urls = [server.url for server in (usual, *servers)]
        more = variables(tmp_path, "", FIVETRAN_STATE_FILE="")
        command = (sys.executable, "-c", ONE_BY_ONE, *urls)
        process = stack.enter_context(Process(variables=more, command=command))
        ended = [process.await_line("PEAK ").split()[1:] for _ in urls]
        process.end()

    codes, peaks = ([int(one) for one in column] for column in zip(*ended, strict=True))
    assert codes == [0, *(0 if name == "text" else 6 for name in greedy)]
    assert max(peaks) - peaks[0] < MORE, dict(zip(("usual", *greedy), peaks, strict=True))
    assert all(len(server.requests) == 1 for server in servers)


# --- Listings -------------------------------------------------------------------------------------


def test_listing_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing that always has another page ends as an outage after so many connections, or pages without any."""
    monkeypatch.setattr(listing, "MOST", 100)
    told = []
    for size in (0, 1, 30):
        numbers = count()

        def ask(_: Request, size: int = size, numbers: Iterator[int] = numbers) -> Answer:
            return Answer(data={"items": [{"id": "x"}] * size, "next_cursor": str(next(numbers))})

        with pytest.raises(Failure) as failed:
            list(listing.pages(ask))
        told.append((failed.value.event, failed.value.message, next(numbers)))

    words = "Fivetran's listing has no end: more than 100 connections or pages"
    assert told == [("unavailable", words, pages) for pages in (100, 100, 4)]


def test_cookies_are_not_kept() -> None:
    """What a server wants to be kept is not sent back."""
    with Server(answer(BODY, "Set-Cookie: a=b", "Set-Cookie: c=d; Domain=127.0.0.1; Path=/")) as server:
        client = Client(server.url, KEY, SECRET)
        outcomes = [client.send(Request("GET", "/v1/x", "look"), 10.0) for _ in range(2)]
        client.close()

    assert all(isinstance(outcome, Answer) for outcome in outcomes)
    assert [b"cookie" in request.lower() for request in server.requests] == [False, False]


@pytest.mark.parametrize(
    "scheme", ["http://127.0.0.1:{port}/v1/x", "file:///etc/passwd", "//127.0.0.1:{port}", "", "\0"]
)
@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Odd", "308 Odd", "300 Choices"])
def test_redirects(status: str, scheme: str) -> None:
    """No redirect is followed, to wherever it leads: to the server itself, to a file, with credentials or nowhere."""
    with Server(answer("", status=status, length=0)) as server:
        target = scheme.format(port=server.port)
        server._speak = lambda connection: connection.sendall(answer("", f"Location: {target}", status=status))
        client = Client(server.url, KEY, SECRET)
        outcome = client.send(Request("GET", "/v1/x", "look"), 10.0)
        client.close()

    assert isinstance(outcome, Failure)
    assert len(server.requests) == 1


def test_credentials_in_a_redirect(tmp_path: Path) -> None:
    """What a redirect says of user and password is not shown."""
    seen = asked(tmp_path, answer("", "Location: https://somebody:of-another@elsewhere.invalid/x", status="302 Found"))

    assert seen.code == 7
    assert "redirected to 'https://elsewhere.invalid/x'; redirects are not followed" in seen.verdict
    assert seen.reveals("somebody:of-another", "of-another") == []


# --- Answers in advance ---------------------------------------------------------------------------


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
def test_answer_in_advance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secure: bool) -> None:  # noqa: FBT001
    """An answer that arrives before its request is asked is taken for no answer of a later one."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    numbers = count(1)

    def speak(connection: socket.socket) -> None:
        first, second = (answer(_data(f'{{"number": {next(numbers)}}}')) for _ in range(2))
        # The first fills what is read at once: TLS alone knows of what comes after it.
        padding = DEFAULT_BUFFER_SIZE - len(first) - len("X: \r\n")
        connection.sendall(first.replace(b"\r\n", b"\r\nX: " + b"x" * padding + b"\r\n", 1) + second)

    with Server(speak, context if secure else None) as server:
        client = Client(server.url, KEY, SECRET)
        outcomes = [client.send(Request("GET", "/v1/x", "look"), 10.0) for _ in range(2)]
        client.close()

    assert [outcome.data for outcome in outcomes if isinstance(outcome, Answer)] == [{"number": 1}, {"number": 3}]
    assert server.connections == 2
