"""What `make lock-check` finds, and what `make lock` does with the base image."""

import json
from pathlib import Path

import pytest

from locks import LOCKS, Sources, main, problems, read, renew_base

DIGEST, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
PYPROJECT = """
[build-system]
requires = ["hatchling"]

[project]
name = "job"
requires-python = ">=3.11"
dependencies = ["requests>=2.1"]

[project.optional-dependencies]
airflow = ["apache-airflow>=3"]
vault = ["PyYAML>=6.0"]
dev = ["job[vault]", "hatchling", "pytest>=8"]
more = ["job[dev]", "cosmic-ray>=8"]

[dependency-groups]
supply = ["uv>=1"]
"""
NEWEST = {"requests": "2.9", "pyyaml": "6.4", "hatchling": "1.5", "pytest": "9.1", "uv": "1.2"}
PACKAGES = {
    "dev": ("hatchling", "pytest", "pyyaml", "requests"),
    "image": ("pyyaml", "requests"),
    "build": ("hatchling",),
    "oldest": ("hatchling", "pytest", "pyyaml", "requests"),
    "supply": ("uv",),
}
HASH = f" \\\n    --hash={DIGEST}\n"


def _pin(name: str, version: str) -> str:
    return f"{name}=={version}{HASH}    # via somebody\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small project whose locks fit."""
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    (tmp_path / "Dockerfile").write_text(f"ARG BASE=python:3.13-slim@{DIGEST}\nFROM ${{BASE}}\n")
    (tmp_path / "locks").mkdir()
    for lock in LOCKS:
        versions = {**NEWEST, "requests": "2.1", "pyyaml": "6.0"} if lock.lowest else NEWEST
        text = "".join(_pin(name, versions[name]) for name in PACKAGES[lock.name])
        (tmp_path / "locks" / f"{lock.name}.txt").write_text(Sources(tmp_path).head(lock) + text)
    node = tmp_path / "tests" / "browser"
    node.mkdir(parents=True)
    wants = {"dependencies": {"mermaid": "11.0.1"}}
    lock_file = {"packages": {"": wants, "node_modules/mermaid": {"version": "11.0.1", "integrity": "sha512-xyz"}}}
    (node / "package.json").write_text(json.dumps(wants))
    (node / "package-lock.json").write_text(json.dumps(lock_file))
    return tmp_path


def test_locks_fit(root: Path) -> None:
    """Where all fits, nothing is found."""
    assert problems(root) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        ("pyproject.toml", '"requests>=2.1"', '"requests>=2.1", "six"',
         "locks/image.txt was made without six, which pyproject.toml asks for"),
        ("pyproject.toml", '"requests>=2.1"', '"requests>=2.2"',
         "locks/dev.txt was made for requests>=2.1, which pyproject.toml does not ask for"),
        ("pyproject.toml", '"requests>=2.1"', '"requests>=3"',
         "locks/image.txt has requests 2.9, pyproject.toml asks for requests>=3"),
        ("pyproject.toml", 'requires = ["hatchling"]', 'requires = ["hatchling>=1.1"]',
         "locks/build.txt was made for hatchling, which pyproject.toml does not ask for"),
        ("pyproject.toml", "uv>=1", "uv>=1.1",
         "locks/supply.txt was made without uv>=1.1, which pyproject.toml asks for"),
        ("Dockerfile", "3.13", "3.14",
         "locks/image.txt begins otherwise than: # Made by `make lock` for Python 3.14, wheels alone. "),
        ("Dockerfile", f"@{DIGEST}", "",
         "Dockerfile: needs one line ARG BASE=python:3.N-slim@sha256:DIGEST; found 0"),
        ("locks/image.txt", "requests==2.9", "requests==2.8",
         "locks/image.txt has requests 2.8, which locks/dev.txt does not test"),
        ("locks/image.txt", "requests==2.9", "requests>=2.9",
         "locks/image.txt: requests>=2.9 is not one version"),
        ("locks/image.txt", "requests==2.9", "requests @ https://example.com/requests.whl",
         "locks/image.txt names an address: where packages come from is for each machine to say"),
        ("locks/dev.txt", "pytest==9.1", "pytest==7.9",
         "locks/dev.txt has pytest 7.9, pyproject.toml asks for pytest>=8"),
        ("locks/supply.txt", HASH, "\n",
         "locks/supply.txt: uv==1.2 has no hash"),
        ("locks/oldest.txt", "requests==2.1", "requests==2.3",
         "pyproject.toml allows requests>=2.1, but the oldest that is tested is 2.3 "),
        ("tests/browser/package.json", "11.0.1", "11.0.2",
         "tests/browser/package-lock.json was made for mermaid 11.0.1, package.json says 11.0.2"),
        ("tests/browser/package-lock.json", '"version": "11.0.1"', '"version": "11.0.3"',
         "tests/browser/package-lock.json has mermaid 11.0.3, package.json asks for 11.0.1"),
        ("tests/browser/package-lock.json", "sha512-xyz", "",
         "tests/browser/package-lock.json: node_modules/mermaid has no hash"),
        ("tests/browser/package-lock.json", '"integrity"', '"resolved": "https://example.com/a.tgz", "integrity"',
         "tests/browser/package-lock.json: node_modules/mermaid names an address; "),
    ],
)  # fmt: skip
def test_lock_that_does_not_fit_is_found(root: Path, file: str, old: str, new: str, problem: str) -> None:
    """Whatever is changed without its lock is found, and named."""
    text = (root / file).read_text()
    (root / file).write_text(text.replace(old, new, 1))

    assert old in text
    assert any(found.startswith(problem) for found in problems(root))


@pytest.mark.parametrize("file", ["locks/dev.txt", "locks/oldest.txt", "tests/browser/package-lock.json"])
def test_missing_lock_is_found(root: Path, file: str) -> None:
    """A lock that is missing is found."""
    (root / file).unlink()

    assert f"{file} is missing" in problems(root)


def test_line_of_a_lock_is_read(tmp_path: Path) -> None:
    """A line's version, marker and hashes are read; comments are not taken for lines."""
    path = tmp_path / "lock.txt"
    path.write_text(
        "# Head.\n#   a>=1\n"
        f"Color_Ama==0.4.6 ; sys_platform == 'win32' \\\n    --hash={DIGEST} \\\n    --hash={OTHER}\n"
        "    # via\n    #   pytest\n"
    )

    head, (pin,) = read(path)

    assert head == "# Head.\n#   a>=1\n"
    assert (pin.name, pin.version, pin.hashes) == ("color-ama", "0.4.6", (DIGEST, OTHER))
    assert str(pin.requirement.marker) == 'sys_platform == "win32"'


def _client(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Have a command `docker` that does this, and no other client of registries."""
    folder.mkdir()
    command = folder / "docker"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_base_image_is_renewed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a registry says the base image is now goes into the Dockerfile."""
    _client(root / "bin", monkeypatch, f"echo {OTHER}")

    said = renew_base(Sources(root))

    assert said == f"Dockerfile: python:3.13-slim@{OTHER}"
    assert f"ARG BASE=python:3.13-slim@{OTHER}\n" in (root / "Dockerfile").read_text()


@pytest.mark.parametrize("script", ["echo 'no such host' >&2; exit 1", "echo 'no such host'"])
def test_base_image_is_left_without_a_registry(root: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Without an answer from a registry the base image stays what it is, and that is said."""
    before = (root / "Dockerfile").read_text()
    _client(root / "bin", monkeypatch, script)

    said = renew_base(Sources(root))

    assert "is left as it is" in said
    assert "no such host" in said
    assert (root / "Dockerfile").read_text() == before


def test_check_ends_with_its_result(
    monkeypatch: pytest.MonkeyPatch, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command's exit code is 0 if all fits, and 1 with a line for each problem if not."""
    monkeypatch.setattr("locks.SOURCE", root)
    fits = main("check")
    (root / "locks" / "dev.txt").unlink()

    assert fits == 0
    assert main("check") == 1
    said = capsys.readouterr().out
    assert "locks/dev.txt is missing\n" in said
    assert said.endswith("The locks do not fit; to renew them: make lock\n")
