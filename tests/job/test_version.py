import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from orchestrator import __version__
from orchestrator.job import version
from orchestrator.job.version import commit, described

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


def _git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=nobody", "-c", "user.email=nobody@localhost")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environ = {**inherited, "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        (shutil.which("git") or "git", *identity, *arguments),
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package in a checkout that has one commit."""
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "module.py").write_text("", "utf-8")
    _git(tmp_path, "init", "--quiet")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "--quiet", "--message", "one")
    return folder


@needs_git
def test_checkout_says_its_commit(package: Path) -> None:
    """In a checkout it is the commit that is checked out, whatever a tag calls it."""
    _git(package, "tag", "--annotate", "--message", "one", "v1.0.0")

    assert commit(package) == _git(package, "rev-parse", "HEAD")[:10]


@needs_git
def test_changed_checkout_says_so(package: Path) -> None:
    """A file that differs from the commit is mentioned; one that git does not know is not."""
    (package / "unknown.txt").write_text("", "utf-8")
    before = commit(package)
    (package / "module.py").write_text("changed", "utf-8")

    assert commit(package) == f"{before}+changes"
    assert "+" not in before


@needs_git
def test_hook_of_another_repository(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git's own variables, as a hook has them, lead to no other repository."""
    monkeypatch.setenv("GIT_DIR", "/nonexistent")

    assert commit(package) == _git(package, "rev-parse", "HEAD")[:10]


def test_build_has_noted_it(tmp_path: Path) -> None:
    """What was built says the commit that the build noted."""
    (tmp_path / "commit").write_text("30782c8ab1\n", "ascii")

    assert commit(tmp_path) == "30782c8ab1"


@needs_git
def test_installed_inside_another_repository(package: Path) -> None:
    """A package that stands somewhere in a repository is not of that repository's commit."""
    installed = package / "site-packages" / "orchestrator"
    installed.mkdir(parents=True)

    assert commit(installed) == ""


def test_checkout_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no git, the commit is unknown."""
    (tmp_path / ".git").mkdir()
    monkeypatch.setenv("PATH", "/nonexistent")

    assert commit(tmp_path / "package") == ""


@pytest.mark.parametrize(("known", "shown"), [("30782c8ab1", "commit 30782c8ab1, "), ("", "")])
def test_text(monkeypatch: pytest.MonkeyPatch, known: str, shown: str) -> None:
    """The text leaves out a commit that is unknown."""
    monkeypatch.setattr(version, "commit", lambda: known)

    assert described() == f"{__version__} ({shown}Python {platform.python_version()})"
