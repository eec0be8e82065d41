"""What `make sbom` writes of an image, and which licences it lets pass."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from sbom import SbomError, main

SITE = "opt/fivetran-orchestrator/lib/python3.13/site-packages"
ALLOWED = '[licences]\nallowed = ["Apache-2.0", "MIT", "BSD-3-Clause"]\n'
OURS = "License-Expression: Apache-2.0\nRequires-Dist: some-lib>=1\nRequires-Dist: rich; extra == 'live'\n"
BASE = {
    "usr/lib/os-release": 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\nVERSION_ID="13"\n',
    "var/lib/dpkg/status": "Package: libssl3t64\nStatus: install ok installed\nArchitecture: amd64\nVersion: 3.5.1-1\n"
    "Source: openssl (3.5.1)\nMaintainer: Debian OpenSSL Team <team@example.org>\nDescription: SSL\n more of it\n\n"
    "Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\nMaintainer: x\n",
    "usr/local/lib/python3.13/site-packages/pip-26.dist-info/METADATA": "Name: pip\nVersion: 26\nLicense: MIT\n",
}


def _package(name: str, version: str, more: str) -> dict[str, str]:
    head = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n"
    return {f"{SITE}/{name}-{version}.dist-info/METADATA": head + more}


def _wheels(**versions: str) -> dict[str, str]:
    lines = (
        f"{place:064x}  {name}-{version}-py3-none-any.whl\n" for place, (name, version) in enumerate(versions.items())
    )
    return {"opt/fivetran-orchestrator/wheels.sha256": "".join(lines)}


def _tar(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content.encode())
            archive.addfile(member, io.BytesIO(content.encode()))
    return buffer.getvalue()


def _image(path: Path, *layers: dict[str, str]) -> str:
    """A docker-archive with these layers on top of each other."""
    labels = {"version": "1.0", "description": "The job", "licenses": "Apache-2.0", "revision": "c0ffee"}
    about = {
        "os": "linux",
        "architecture": "amd64",
        "config": {
            "Env": ["PATH=/bin", "PYTHON_VERSION=3.13.16"],
            "Labels": {f"org.opencontainers.image.{name}": value for name, value in labels.items()},
        },
        "rootfs": {"diff_ids": [f"sha256:{place}" for place, _ in enumerate(layers)]},
    }
    names = [f"{place}.tar" for place, _ in enumerate(layers)]
    with tarfile.open(path, "w") as archive:
        for name, content in (
            ("manifest.json", json.dumps([{"Config": "config.json", "Layers": names}]).encode()),
            ("config.json", json.dumps(about).encode()),
            *((name, _tar(layer)) for name, layer in zip(names, layers, strict=True)),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return str(path)


@pytest.fixture
def described(tmp_path: Path) -> Any:
    """Describe an image of these layers: the exit code, and the bill."""

    def describe(*layers: dict[str, str], allowed: str = ALLOWED) -> tuple[int, dict[str, Any]]:
        (tmp_path / "allowed.toml").write_text(allowed)
        archive = _image(tmp_path / "image.tar", *layers)
        code = main(archive, "1700000000", str(tmp_path / "allowed.toml"), str(tmp_path / "sbom"))
        (path,) = (tmp_path / "sbom").iterdir()
        assert path.name == "fivetran-orchestrator-1.0-amd64.cdx.json"
        return code, json.loads(path.read_bytes())

    return describe


def _job(licence: str = "License: MIT\n") -> dict[str, str]:
    return {
        **_package("fivetran-orchestrator", "1.0", OURS),
        **_package("Some_Lib", "1.2", licence),
        **_wheels(fivetran_orchestrator="1.0", some_lib="1.2"),
    }


def test_bill_says_what_is_in_the_image(described: Any) -> None:
    """The bill has the job's packages with version, licence and digest, the base's packages, and its Python."""
    code, bill = described(BASE, _job())

    components = {component["bom-ref"]: component for component in bill["components"]}
    lib = components["pkg:pypi/some-lib@1.2"]
    assert code == 0
    assert set(components) == {
        "os:debian-13",
        "pkg:deb/debian/libssl3t64@3.5.1-1?arch=amd64&distro=debian-13&upstream=openssl%403.5.1",
        "pkg:generic/python@3.13.16",
        "pkg:pypi/fivetran-orchestrator@1.0",
        "pkg:pypi/pip@26",
        "pkg:pypi/some-lib@1.2",
    }
    assert lib["licenses"] == [{"license": {"id": "MIT"}}]
    assert lib["hashes"] == [{"alg": "SHA-256", "content": f"{1:064x}"}]
    assert bill["metadata"]["timestamp"].startswith("2023-11-14T22:13:20")
    assert {"ref": "pkg:pypi/fivetran-orchestrator@1.0", "dependsOn": ["pkg:pypi/some-lib@1.2"]} in bill["dependencies"]


def test_bill_names_the_layers(described: Any) -> None:
    """The bill says which image it is for: its layers, platform and revision."""
    _, bill = described(BASE, _job())

    assert {(each["name"], each["value"]) for each in bill["metadata"]["component"]["properties"]} == {
        ("image:layer:1", "sha256:0"),
        ("image:layer:2", "sha256:1"),
        ("image:platform", "linux/amd64"),
        ("image:revision", "c0ffee"),
    }


def test_same_image_gives_the_same_bill(described: Any) -> None:
    """Nothing in the bill is of chance or of the time."""
    assert described(BASE, _job()) == described(BASE, _job())


@pytest.mark.parametrize("mark", [f"{SITE}/.wh.Some_Lib-1.2.dist-info", f"{SITE}/Some_Lib-1.2.dist-info/.wh..wh..opq"])
def test_what_a_layer_removes_is_not_there(described: Any, mark: str) -> None:
    """What a later layer removes is not in the bill."""
    _, bill = described(BASE, _job(), {mark: ""})

    assert "some-lib" not in {component["name"] for component in bill["components"]}


@pytest.mark.parametrize(
    "licence",
    [
        "License-Expression: GPL-3.0-only OR MIT\n",
        "License-Expression: Apache-2.0 AND (MIT OR GPL-3.0-only)\n",
        "License: BSD-3-Clause\n",
    ],
)
def test_licence_that_is_allowed(described: Any, licence: str) -> None:
    """A licence passes if what it lets one choose is on the list."""
    code, _ = described(BASE, _job(licence))

    assert code == 0


@pytest.mark.parametrize(
    ("licence", "exception", "problem"),
    [
        ("License-Expression: GPL-3.0-only\n", "", "some-lib 1.2 has GPL-3.0-only: not on the list"),
        ("License-Expression: MIT AND GPL-3.0-only\n", "", "some-lib 1.2 has MIT AND GPL-3.0-only: not on the list"),
        ("License: see the file\n", "", "some-lib 1.2 has no licence that SPDX knows: not on the list"),
        ("", "", "some-lib 1.2 has no licence that SPDX knows: not on the list"),
        ("License: MPL-2.0\n", '[licences.exceptions.some-lib]\nlicence = "MPL-2.0"\n',
         "some-lib: the exception gives no reason"),
        ("License: MPL-2.0\n", '[licences.exceptions.some-lib]\nlicence = "MPL-1.1"\nreason = "x"\n',
         "some-lib 1.2 has MPL-2.0, the exception is for MPL-1.1"),
        ("License: MIT\n", '[licences.exceptions.some-lib]\nlicence = "MIT"\nreason = "x"\n',
         "some-lib needs no exception: remove it"),
    ],
)  # fmt: skip
def test_licence_that_is_not_allowed(
    described: Any, capsys: pytest.CaptureFixture[str], licence: str, exception: str, problem: str
) -> None:
    """A licence that is not on the list fails, and so does an exception that says nothing or is not needed."""
    code, _ = described(BASE, _job(licence), allowed=ALLOWED + exception)

    assert code == 1
    assert f"allowed.toml: {problem}\n" in capsys.readouterr().out


def test_licence_that_is_excepted(described: Any) -> None:
    """An exception for the very licence, with a reason, lets it pass."""
    exception = '[licences.exceptions.some-lib]\nlicence = "MPL-2.0"\nreason = "passed on unchanged"\n'

    code, _ = described(BASE, _job("License: MPL-2.0\n"), allowed=ALLOWED + exception)

    assert code == 0


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({**_job(), **_wheels(fivetran_orchestrator="1.0")}, "some-lib 1.2 is in the image, but not among the wheels"),
        (_wheels(), "fivetran-orchestrator is not in the image"),
    ],
)
def test_image_that_cannot_be_described(described: Any, files: dict[str, str], problem: str) -> None:
    """A package without a wheel, or an image without the job, is not described."""
    with pytest.raises(SbomError, match=problem):
        described(BASE, files)
