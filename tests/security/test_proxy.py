"""A job behind a proxy that is not to be trusted: it passes on what it cannot read, and learns nothing."""

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from attacked import HOST, OK, Seen, as_process, document, here
from servers import Hasty, Proxy, Server, answer

PASSWORD = "pass/word-of-the-proxy"
THROUGH = f"cannot reach {HOST}:443 through the proxy 127.0.0.1:"
PUBLIC = b"x" * 1_000


@pytest.fixture
def fivetran(authority: trustme.CA) -> Iterator[Server]:
    """A server that has the certificate of the host that is asked for."""
    with Server(answer(document()), _context(authority, HOST)) as server:
        yield server


def _context(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def through(proxy: Proxy, folder: Path, scheme: str = "http", run: Callable[..., Seen] = here, **more: str) -> Seen:
    """A job behind a proxy that wants a password."""
    address = f"{scheme}://user:{PASSWORD.replace('/', '%2F')}@127.0.0.1:{proxy.port}"
    seen = run(folder, f"https://{HOST}", HTTPS_PROXY=address, **more)
    assert seen.reveals(PASSWORD, f"user:{PASSWORD}") == []
    return seen


def test_tunnel(fivetran: Server, bundle: str, tmp_path: Path) -> None:
    """Through a proxy the job ends green: the proxy learns the host alone, and Fivetran nothing of the proxy."""
    with Proxy(fivetran.port) as proxy:
        seen = through(proxy, tmp_path, run=as_process, REQUESTS_CA_BUNDLE=bundle)

    assert (seen.code, seen.verdict[: len(OK)]) == (0, OK)
    assert [asked.partition(b" HTTP/")[0] for asked in proxy.asked] == [f"CONNECT {HOST}:443".encode()]
    assert b"\r\nAuthorization" not in proxy.asked[0]
    assert [b"Proxy-Authorization" in asked for asked in fivetran.requests] == [False]


def test_proxy_that_reads_along(fivetran: Server, tmp_path: Path) -> None:
    """A proxy that answers for Fivetran with a certificate of its own gets no request unless its CA is named."""
    with Proxy(fivetran.port) as proxy:
        seen = through(proxy, tmp_path)

    fix = "if a proxy inspects TLS, set REQUESTS_CA_BUNDLE to its CA certificate"
    assert (seen.code, fivetran.requests) == (6, [])
    assert f"{THROUGH}{proxy.port}: the TLS certificate is not trusted (" in seen.verdict
    assert fix in seen.verdict


def test_proxy_to_another_host(authority: trustme.CA, bundle: str, tmp_path: Path) -> None:
    """Where a proxy leads to another host than was asked for, that gets no request."""
    with Server(answer(document()), _context(authority, "another.invalid")) as server, Proxy(server.port) as proxy:
        seen = through(proxy, tmp_path, REQUESTS_CA_BUNDLE=bundle)

    assert (seen.code, server.requests) == (6, [])
    assert (
        f"certificate is not valid for '{HOST}'); check FIVETRAN_API_URL and the proxy: another server" in seen.verdict
    )


ADDRESS = "the proxy's address (HTTPS_PROXY or ALL_PROXY)"
REFUSED = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("says", "code", "words"),
    [
        (
            REFUSED,
            7,
            f"proxy CONNECT failed: 407 Proxy Authentication Required: check the user and password in {ADDRESS}",
        ),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", 6, "proxy CONNECT failed: 502 Bad Gateway"),
        (b"HTTP/1.1 302 Found\r\nLocation: https://x\r\n\r\n", 6, "proxy CONNECT failed: 302 Found"),
        (b"\x16\x03\x01garbage\r\n\r\n", 6, "proxy CONNECT failed: not an HTTP answer: "),
        (b"", 6, "proxy CONNECT failed: remote end closed connection without response"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200_000 + b"\r\n", 6, ""),  # words differ by Python
        (b"HTTP/1.1 200 " + PUBLIC * 1_000, 6, "proxy CONNECT failed: "),
    ],
    ids=["407", "502", "302", "garbage", "hangs up", "200,000 headers", "long line"],
)
def test_proxy_that_opens_no_tunnel(tmp_path: Path, says: bytes, code: int, words: str) -> None:
    """Whatever a proxy says instead of opening the tunnel, the job ends with what it said, and sends no request."""
    with Proxy(says=says) as proxy:
        seen = through(proxy, tmp_path)

    assert seen.code == code
    assert f"{THROUGH}{proxy.port}: {words}" in seen.verdict
    assert len(seen.verdict) < 3_000
    assert [asked[:8] for asked in proxy.asked] == [b"CONNECT "]


def test_proxy_that_answers_in_plain_text(tmp_path: Path) -> None:
    """Where the proxy opens the tunnel and answers for Fivetran in plain text, no request is sent into it."""
    with Hasty(answer(document())) as server, Proxy(server.port) as proxy:
        seen = through(proxy, tmp_path)

    assert (seen.code, b"\r\nAuthorization" in server.arrived) == (6, False)
    assert f"{THROUGH}{proxy.port}: TLS handshake failed: " in seen.verdict


@pytest.mark.parametrize(("named", "code"), [(True, 0), (False, 6)], ids=["named CA", "unknown CA"])
def test_proxy_with_tls(
    authority: trustme.CA,
    fivetran: Server,
    bundle: str,
    tmp_path: Path,
    named: bool,  # noqa: FBT001
    code: int,
) -> None:
    """A proxy that speaks TLS itself gets its password only if its certificate is good."""
    with Proxy(fivetran.port, context=_context(authority, "127.0.0.1")) as proxy:
        seen = through(proxy, tmp_path, "https", here, **({"REQUESTS_CA_BUNDLE": bundle} if named else {}))

    assert (seen.code, len(proxy.asked), len(fivetran.requests)) == (code, named, named)
