"""What is built for a package index: sdist, wheel, and the README as the index shows it."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import BytesParser
from html.parser import HTMLParser
from pathlib import Path

import pytest
from process import environment
from readme_renderer import markdown

from orchestrator import __version__

ROOT = Path(__file__).parent.parent
NAME = f"fivetran_orchestrator-{__version__}"
BUILT = "1700000000"  # SOURCE_DATE_EPOCH


def _build(source: Path, target: str, into: Path) -> Path:
    """Build an sdist or a wheel, with nothing that has to be fetched."""
    done = subprocess.run(
        (sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(into)),
        env=environment(SOURCE_DATE_EPOCH=BUILT),
        cwd=source,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (made,) = into.iterdir()
    return made


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist."""
    return _build(ROOT, "sdist", tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def unpacked(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is in the sdist."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return folder / NAME


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built of the checkout."""
    return _build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def _known_to_git() -> set[str]:
    """The files that are in git, or that would be with the next `git add`."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("needs git, and a checkout")
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    listed = subprocess.run(
        (shutil.which("git") or "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"),
        env=variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return {name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}


def test_sdist_is_the_repository(unpacked: Path) -> None:
    """The sdist holds what git does, tests and all they need, and nothing else but its metadata and the commit."""
    known = _known_to_git()

    assert _files(unpacked) == known | {"PKG-INFO", "orchestrator/commit"}


def test_wheel_is_the_package(wheel: Path) -> None:
    """The wheel holds package, charts, scenarios, templates, py.typed and licence, and no test."""
    here = {f"{top}/{name}" for top in ("orchestrator", "statecharts") for name in _files(ROOT / top)}
    expected = {name for name in here if "__pycache__" not in name} | {"orchestrator/commit"}
    metadata = {f"{NAME}.dist-info/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt")}

    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        commit = archive.read("orchestrator/commit").decode()

    assert names == expected | metadata | {f"{NAME}.dist-info/licenses/LICENSE"}
    assert re.fullmatch(r"[0-9a-f]{10}(\+changes)?\n", commit)


def test_sdist_makes_the_same_wheel(wheel: Path, unpacked: Path, tmp_path: Path) -> None:
    """Built once more, of the sdist and without git, the wheel has the same bytes."""
    again = _build(unpacked, "wheel", tmp_path / "again")

    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()


@pytest.mark.parametrize(
    ("given", "noted"),
    [
        ("0123456789abcdef0123456789abcdef01234567", "0123456789\n"),
        ("0123456789abcdef+changes", "0123456789+changes\n"),
        ("unknown", None),
        ("", None),
    ],
)
def test_build_without_git_is_told_its_commit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str, noted: str | None
) -> None:
    """Where there is no git, as when an image is built, the commit is the one of SOURCE_COMMIT; unknown is left out."""
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setenv("SOURCE_COMMIT", given)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    data: dict[str, dict[str, str]] = {"force_include": {}}

    hook = module.CommitHook(str(tmp_path), {}, None, None, "", "wheel")
    hook.initialize("standard", data)

    assert [*data["force_include"].values()] == (["orchestrator/commit"] if noted else [])
    assert [Path(file).read_text("ascii") for file in data["force_include"]] == ([noted] if noted else [])
    hook.finalize("standard", data, "")
    assert [file for file in data["force_include"] if Path(file).exists()] == []
    hook.initialize("editable", data := {"force_include": {}})
    assert data == {"force_include": {}}


# --- The README on an index -----------------------------------------------------------------------


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, _: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what an attribute leads to."""
        self.found += [value or "" for name, value in attrs if name in {"href", "src"}]


def _metadata(wheel: Path) -> tuple[dict[str, str], str]:
    """The project's URLs, and the README."""
    with zipfile.ZipFile(wheel) as archive:
        about = BytesParser().parsebytes(archive.read(f"{NAME}.dist-info/METADATA"))
    urls = dict(line.split(", ", 1) for line in about.get_all("Project-URL", []))
    return urls, str(about.get_payload())


def _heading_ids(text: str) -> set[str]:
    """What `#` in a link may name, as GitLab makes it of the headings."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_readme_on_an_index(wheel: Path) -> None:
    """As an index shows it, each link of the README leads to a file that the repository has at the version's tag."""
    urls, text = _metadata(wheel)
    home = re.escape(urls["Homepage"])
    links = _Links()

    html = markdown.render(text)
    links.feed(html or "")

    found = [link for link in links.found if not link.startswith("#user-content-")]  # the index's own, at headings
    targets = [re.fullmatch(rf"{home}/-/(blob|tree)/{re.escape(__version__)}/([^#]+)#?(.*)", link) for link in found]
    elsewhere = [link for link, ours in zip(found, targets, strict=True) if not ours]
    assert [link for link in elsewhere if not re.match(r"https://(github\.com/pytransitions|www\.)", link)] == []
    paths = [(kind, ROOT / path, heading) for kind, path, heading in (ours.groups() for ours in targets if ours)]
    assert len(paths) > 10
    assert [path for kind, path, _ in paths if not (path.is_dir() if kind == "tree" else path.is_file())] == []
    named = [(path, heading) for _, path, heading in paths if heading]
    assert [(path, heading) for path, heading in named if heading not in _heading_ids(path.read_text("utf-8"))] == []


def test_readme_on_an_index_draws_nothing(wheel: Path) -> None:
    """What no index can draw is not there; the README's other sections are, and how to try it without a checkout."""
    _, text = _metadata(wheel)
    readme = (ROOT / "README.md").read_text("utf-8")

    assert "```mermaid" in readme
    assert "mermaid" not in text
    assert "make demo\n" not in text
    assert re.findall(r"(?m)^## .*$", text) == re.findall(r"(?m)^## .*$", readme)
    assert "\nuvx --from 'fivetran-orchestrator[demo]' fivetran-orchestrator demo\n" in text


def test_project_urls(wheel: Path) -> None:
    """The links beside the project lead to files that are there, all of them in one place."""
    urls, _ = _metadata(wheel)
    home = urls["Homepage"]
    paths = [url.removeprefix(f"{home}/-/").split("/", 2)[2] for url in urls.values() if "/main/" in url]

    assert set(urls) == {"Homepage", "Documentation", "Changelog", "Issues", "Security"}
    assert [url for url in urls.values() if not url.startswith(home)] == []
    assert sorted(paths) == ["CHANGELOG.md", "SECURITY.md", "docs"]
    assert [path for path in paths if not (ROOT / path).exists()] == []
