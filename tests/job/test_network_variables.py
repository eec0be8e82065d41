"""Proxies and CA bundles: what is wrong with them is found before the first request."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import certifi
import pytest
from process import Process
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy

from orchestrator.job.configuration import ConfigurationError, configure
from orchestrator.job.network_variables import BUNDLES, faults, prepare

URL = "https://api.fivetran.com"
PROXY_FIX = "set it to an address such as http://proxy.example:3128, or add the host to NO_PROXY"
NAME_ONE = "set it to a PEM file of CA certificates, or leave it out"
VARIABLES = {
    "FIVETRAN_ACTION": "STATUS",
    "CONNECTOR_ID": "speak_inexpensive",
    "FIVETRAN_API_KEY": "simulated-key",
    "FIVETRAN_API_SECRET": "simulated-secret",
}


@pytest.fixture(autouse=True)
def _no_bundles(monkeypatch: pytest.MonkeyPatch) -> None:
    """No bundle of the machine's, and no exception from a proxy."""
    for name in (*BUNDLES, "NO_PROXY", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


# --- CA bundles -----------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files of which none is a bundle."""
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "text").write_text("not a certificate")
    (tmp_path / "der").write_bytes(b"\x30\x82\x01\x00")
    (tmp_path / "damaged").write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    (tmp_path / "key").write_text("-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n")
    (tmp_path / "directory").mkdir()
    (tmp_path / "directory" / "ca.pem").touch()
    os.mkfifo(tmp_path / "fifo")
    return tmp_path


@pytest.mark.parametrize("name", BUNDLES)
@pytest.mark.parametrize(
    ("file", "problem", "fix"),
    [
        ("missing", "cannot be read: No such file or directory", NAME_ONE),
        ("text/missing", "cannot be read: Not a directory", NAME_ONE),
        ("fifo", "cannot be read: it is a FIFO, not a regular file", NAME_ONE),
        ("empty", "is empty", NAME_ONE),
        ("text", "is not a PEM file (it has no line -----BEGIN CERTIFICATE-----)", NAME_ONE),
        ("der", "is not a PEM file (it has no line -----BEGIN CERTIFICATE-----)", NAME_ONE),
        ("damaged", "has no CA certificate, or a damaged one", NAME_ONE),
        ("key", "has no CA certificate, or a damaged one", NAME_ONE),
        (
            "directory",
            "is a directory without hashed certificates",
            "set it to a file, or run `openssl rehash` on the directory",
        ),
    ],
)
def test_bundle_that_is_none_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, file: str, problem: str, fix: str
) -> None:
    """A bundle that requests could not load is refused with the variable, the problem and the fix."""
    monkeypatch.setenv(name, str(folder / file))

    assert list(faults(URL, proxied=True)) == [f"{name}: {str(folder / file)!r} {problem}: {fix}"]


def test_device_is_no_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device is refused without being read."""
    monkeypatch.setenv("CURL_CA_BUNDLE", "/dev/zero")

    assert list(faults(URL, proxied=True)) == [
        f"CURL_CA_BUNDLE: '/dev/zero' cannot be read: it is a device, not a regular file: {NAME_ONE}"
    ]


def test_certificates_themselves_are_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The PEM text as the variable's value is recognised, and not shown."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", Path(certifi.where()).read_text("ascii")[:5000])

    [told] = faults(URL, proxied=True)

    assert told == (
        "REQUESTS_CA_BUNDLE: contains the certificates themselves: set it to the path of a file that has them "
        "(in GitLab, use a variable of type File)"
    )


def test_bundles_that_requests_can_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in PEM and a directory of hashed certificates are taken; only the first variable that is set counts."""
    (tmp_path / "5ed36f99.0").touch()
    monkeypatch.setenv("CURL_CA_BUNDLE", str(tmp_path / "missing"))
    found = []
    for value in (certifi.where(), str(tmp_path)):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", value)
        found.append(list(faults(URL, proxied=True)))

    assert found == [[], []]


# --- Proxies --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("http://proxy:port", "is not a valid address"),
        ("http://proxy:99999", "is not a valid address"),
        ("http://user:hunter2#x@proxy:3128", "is not a valid address"),
        ("http://user:hunter2/x@proxy:3128", "is not a valid address"),
        ("http://[::1", "is not a valid address"),
        ("http:proxy:3128", "is not a valid address"),
        ("http://:3128", "has no host"),
        ("http://", "has no host"),
        ("http:/proxy:3128", "has no host"),
        ("http//proxy:3128", "has no host"),
        ("http://user:hunter2@:3128", "has no host"),
        ("$PROXY", "has an invalid host"),
        ("http://proxy..example:3128", "has an invalid host"),
        (f"http://{'a' * 64}:3128", "has an invalid host"),
        ("http://proxy:0", "has an invalid port"),
        ("ftp://user:hunter2@proxy:21", "has an unsupported scheme"),
        ("socks5://user:hunter2@proxy:1080", "is a SOCKS proxy, which is not supported"),
        ("http://user:hunter2@proxy :3128", "contains a space, a backslash or a control character"),
        ("http://proxy\\:3128", "contains a space, a backslash or a control character"),
        ("http://proxy:3128\n", "contains a space, a backslash or a control character"),
    ],
)
def test_proxy_that_cannot_be_one_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, problem: str
) -> None:
    """A malformed address is refused with its variable and without its value, which may hold a password."""
    monkeypatch.setenv(name, value)
    prepare(os.environ)

    [told] = faults(URL, proxied=True)

    assert told.startswith(f"{name}: {problem}")
    assert told.endswith(PROXY_FIX)
    assert "hunter2" not in told


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("http://proxy:3128", "http://proxy:3128"),
        ("https://user:pass%23word@proxy.example", "https://proxy.example:443"),
        ("HTTP://Proxy:3128/", "http://proxy:3128"),
        ("proxy", "http://proxy:80"),
        ("proxy:3128", "http://proxy:3128"),
        ("user:word@proxy:3128", "http://proxy:3128"),
        ("10.0.0.1:3128", "http://10.0.0.1:3128"),
        ("[::1]:3128", "http://[::1]:3128"),
    ],
)
def test_proxy_is_the_one_that_requests_takes(monkeypatch: pytest.MonkeyPatch, value: str, address: str) -> None:
    """An address with a scheme or without is taken, and requests then connects to it."""
    monkeypatch.setenv("HTTPS_PROXY", value)
    prepare(os.environ)

    assert list(faults(URL, proxied=True)) == []
    proxy = select_proxy(URL, {"https": os.environ["HTTPS_PROXY"]})
    assert proxy is not None
    taken = HTTPAdapter().proxy_manager_for(proxy if "://" in proxy else f"http://{proxy}").proxy
    assert f"{taken.scheme}://{taken.host}:{taken.port}" == address


def test_proxy_that_is_not_used_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """What requests would not go by is not looked at: another scheme's, one that NO_PROXY excepts, one for loopback."""
    monkeypatch.setenv("HTTP_PROXY", "http://:1")
    plain = list(faults(URL, proxied=True))
    monkeypatch.setenv("HTTPS_PROXY", "http://:1")
    monkeypatch.setenv("NO_PROXY", "fivetran.com")
    excepted = list(faults(URL, proxied=True))
    monkeypatch.delenv("NO_PROXY")

    assert (plain, excepted, list(faults(URL, proxied=False))) == ([], [], [])


def test_variable_that_decides_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lower case wins over upper, and a proxy for https over one for all."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://:1")

    [told] = faults(URL, proxied=True)

    assert told.startswith("https_proxy: ")


def test_faults_are_reported_with_all_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """They come with what else is wrong, and only where https is spoken."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/missing")
    monkeypatch.setenv("HTTPS_PROXY", "http://:1")

    with pytest.raises(ConfigurationError) as caught:
        configure({**VARIABLES, "FIVETRAN_TIMEOUT": "soon"})

    assert [line.split(":")[0] for line in caught.value.errors] == [
        "FIVETRAN_TIMEOUT",
        "REQUESTS_CA_BUNDLE",
        "HTTPS_PROXY",
    ]
    assert configure({**VARIABLES, "FIVETRAN_API_URL": "http://127.0.0.1:1"}).warnings == ()


# --- What the environment means -------------------------------------------------------------------


def test_scheme_is_added_where_there_is_none() -> None:
    """Only what is a host and a port gets its scheme; NO_PROXY and other variables stay as they are."""
    environ = {
        "HTTPS_PROXY": "proxy:3128",
        "http_proxy": "user:word@proxy:3128/",
        "ALL_PROXY": "http://proxy:3128",
        "ftp_proxy": "",
        "NO_PROXY": "host:80",
        "OTHER": "a:1",
    }

    prepare(environ)

    assert environ == {
        "HTTPS_PROXY": "http://proxy:3128",
        "http_proxy": "http://user:word@proxy:3128/",
        "ALL_PROXY": "http://proxy:3128",
        "ftp_proxy": "",
        "NO_PROXY": "host:80",
        "OTHER": "a:1",
    }


@contextmanager
def _hanging_up() -> Iterator[int]:
    """A port whose server accepts one connection and hangs up: as far as TLS, no further."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            connection, _ = listening.accept()
            connection.recv(1)
            connection.close()

        thread = threading.Thread(target=accept)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


def test_keys_of_tls_are_written_nowhere(tmp_path: Path) -> None:
    """SSLKEYLOGFILE is not obeyed: not even the file is made when a TLS connection begins."""
    keys = tmp_path / "keys"
    with _hanging_up() as port:
        url = f"https://127.0.0.1:{port}"
        more = {"FIVETRAN_API_URL": url, "FIVETRAN_RETRY_LIMIT": "1", "SSLKEYLOGFILE": str(keys)}
        with Process(variables={**VARIABLES, **more}) as process:
            ended = process.end()

    assert (ended.code, keys.exists()) == (6, False), ended.stderr
