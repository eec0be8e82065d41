"""What publishes a release refuses what is none, says what is missing, and uploads what was built."""

import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from process import environment
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

ROOT = Path(__file__).parent.parent
TWINE = Path(sys.executable).with_name("twine")
NAMES = ("1.2.3-py3-none-any.whl", "1.2.3.tar.gz")

pytestmark = pytest.mark.skipif(not shutil.which("git") or not shutil.which("bash"), reason="needs git and bash")


class Checkout:
    """A project of which the commit is a release, until something is changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "orchestrator").mkdir()
        (folder / ".ci").mkdir()
        for name in ("publish", "engine"):
            shutil.copy(ROOT / ".ci" / name, folder / ".ci")
        self.write("orchestrator/__init__.py", '__version__ = "1.2.3"\n')
        self.write(
            "CHANGELOG.md", "# Changelog\n\n## 1.2.3 (2026-12-01)\n\n- New.\n\n## 1.2.2 (2026-11-01)\n\n- Old.\n"
        )
        self.write(".gitignore", "/dist/\n")
        self.git("init", "--quiet")
        self.commit("1.2.3")

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        (self.folder / name).write_text(text, "utf-8")

    def git(self, *arguments: str) -> str:
        """Run git."""
        command = (shutil.which("git") or "git", "-c", "user.name=nobody", "-c", "user.email=nobody@localhost")
        done = subprocess.run(
            (*command, *arguments), cwd=self.folder, env=environment(), capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, tag: str = "") -> None:
        """Commit all files, and tag the commit."""
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", "one")
        if tag:
            self.git("tag", tag)

    def build(self, commit: str = "") -> None:
        """Have a wheel and an sdist there, of this commit or of another one."""
        (self.folder / "dist" / "package").mkdir(parents=True)
        metadata = "Metadata-Version: 2.4\nName: fivetran-orchestrator\nVersion: 1.2.3\n"
        wheel, sdist = (self.folder / "dist" / "package" / f"fivetran_orchestrator-{name}" for name in NAMES)
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("orchestrator/commit", f"{commit or self.git('rev-parse', '--short=10', 'HEAD')}\n")
            archive.writestr("fivetran_orchestrator-1.2.3.dist-info/METADATA", metadata)
            archive.writestr("fivetran_orchestrator-1.2.3.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        inside = self.folder / "dist" / "fivetran_orchestrator-1.2.3"
        inside.mkdir()
        (inside / "PKG-INFO").write_text(metadata, "utf-8")
        shutil.make_archive(str(sdist).removesuffix(".tar.gz"), "gztar", inside.parent, inside.name)

    def publish(self, *arguments: str, **variables: str) -> tuple[int, str, str]:
        """Run the script; exit code, stdout and stderr."""
        done = subprocess.run(
            (shutil.which("bash") or "bash", ".ci/publish", *arguments),
            cwd=self.folder,
            env=environment(**variables),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A project of which the commit is a release."""
    return Checkout(tmp_path)


# --- Whether it is a release ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "variables",
    [{}, {"CI_COMMIT_TAG": "1.2.3"}, {"GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "1.2.3"}],
    ids=["desk", "gitlab", "github"],
)
def test_release(checkout: Checkout, variables: Mapping[str, str]) -> None:
    """A clean commit with the version's tag and its section in the changelog is a release."""
    code, out, err = checkout.publish("check", **variables)

    assert (code, err) == (0, "")
    assert re.fullmatch(r"1\.2\.3 is a release: commit [0-9a-f]{10}, tag 1\.2\.3\n", out)


@pytest.mark.parametrize(
    ("variables", "tag"),
    [({"CI_COMMIT_TAG": "1.2.4"}, "1.2.4"), ({"GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "v1.2.3"}, "v1.2.3")],
)
def test_tag_of_another_version(checkout: Checkout, variables: Mapping[str, str], tag: str) -> None:
    """A tag that is not the version is refused, whatever else stands at the commit."""
    code, _, err = checkout.publish("check", **variables)

    assert code == 1
    assert err.splitlines() == [
        "make release-check: not a release:",
        f"  the tag is {tag}, but __version__ in orchestrator/__init__.py is 1.2.3: make them alike",
    ]


def test_everything_that_is_wrong_is_named_at_once(checkout: Checkout) -> None:
    """Of a commit that is no release, all reasons are given, each with its remedy."""
    checkout.write("orchestrator/__init__.py", '__version__ = "1.3.0rc1"\n')
    checkout.commit()
    checkout.write("stray", "")

    code, _, err = checkout.publish("check")

    assert code == 1
    assert err.splitlines() == [
        "make release-check: not a release:",
        "  __version__ in orchestrator/__init__.py is 1.3.0rc1: give it three numbers, as in 1.2.0",
        "  the tree has changes: commit or remove them: ?? stray ",
        "  the commit has no tag: git tag --sign 1.3.0rc1",
        "  CHANGELOG.md has no heading '## 1.3.0rc1 (YYYY-MM-DD)', with the day of the release",
    ]


def test_version_that_is_not_released_yet(checkout: Checkout) -> None:
    """A section without the day of the release is none of a release."""
    checkout.write("CHANGELOG.md", "## 1.2.3 (not released yet)\n\n- New.\n")
    checkout.commit()
    checkout.git("tag", "--force", "1.2.3")

    code, _, err = checkout.publish("check")

    assert code == 1
    assert "CHANGELOG.md has no heading" in err


@pytest.mark.parametrize("what", ["package", "image", "manifest", "github"])
def test_only_a_release_is_published(checkout: Checkout, what: str) -> None:
    """Nothing is published of a commit that is no release."""
    checkout.write("stray", "")

    code, _, err = checkout.publish(what, "twine")

    assert code == 1
    assert "the tree has changes" in err


def test_no_checkout(tmp_path: Path) -> None:
    """Outside of git nothing is a release."""
    checkout = Checkout(tmp_path)
    shutil.rmtree(tmp_path / ".git")

    code, _, err = checkout.publish("check")

    assert (code, err) == (1, "make release-check: this is no git checkout, and only a commit can be released\n")


def test_notes_are_the_section_of_the_version(checkout: Checkout) -> None:
    """The notes are what the changelog says about the version, and the image's digest once that is known."""
    first = checkout.publish("notes")[0]
    notes = checkout.folder / "dist" / "release-notes.md"
    before = notes.read_text("utf-8")
    checkout.write("dist/image-digest.txt", "registry.example.com/x:1.2.3@sha256:0123\n")
    checkout.publish("notes")

    assert (first, before.strip()) == (0, "- New.")
    assert notes.read_text("utf-8").split() == ["-", "New.", "Image:", "registry.example.com/x:1.2.3@sha256:0123"]


# --- What it lacks --------------------------------------------------------------------------------


def test_package_that_is_not_built(checkout: Checkout) -> None:
    """Without what `make dist` builds, nothing is uploaded."""
    code, _, err = checkout.publish("package", "twine")

    assert code == 1
    assert err.endswith(".whl is missing: make dist\n")


def test_package_of_another_commit(checkout: Checkout) -> None:
    """What was built of another commit is not uploaded."""
    checkout.build("0123456789")

    code, _, err = checkout.publish("package", "twine")

    assert code == 1
    assert err == "make package-publish: dist/package is of 0123456789, not of this one: make dist\n"


def test_package_without_an_index(checkout: Checkout) -> None:
    """At a desk, the variables that say where to and who are named, those that are not set."""
    checkout.build()

    code, _, err = checkout.publish("package", "twine", TWINE_USERNAME="somebody")

    assert code == 1
    assert err.startswith("make package-publish: not set: TWINE_REPOSITORY_URL TWINE_PASSWORD\n")


@pytest.mark.parametrize("what", ["image", "manifest"])
def test_image_without_a_registry(checkout: Checkout, what: str) -> None:
    """At a desk, the variables that say where the image belongs are named, and half a login is none."""
    code, _, err = checkout.publish(what, REGISTRY_USER="somebody")

    assert code == 1
    assert err.startswith(f"make {what}-publish: not set: REGISTRY_IMAGE REGISTRY_PASSWORD\n")


def test_release_without_a_token(checkout: Checkout) -> None:
    """A release on GitHub needs a token."""
    code, _, err = checkout.publish("github")

    assert code == 1
    assert err.startswith("make github-release: not set: GH_TOKEN, ")


# --- What it uploads ------------------------------------------------------------------------------


def test_package_is_uploaded(checkout: Checkout, httpserver: HTTPServer) -> None:
    """Wheel and sdist go to the index that is named, as who is named."""
    uploads = list[tuple[str | None, str | None, str | None]]()

    def take(request: Request) -> Response:
        who, file = request.authorization, request.files["content"]
        uploads.append((file.filename, who.username if who else None, who.password if who else None))
        request.close()
        return Response(status=200)

    httpserver.expect_request("/legacy/", method="POST").respond_with_handler(take)
    checkout.build()

    code, out, err = checkout.publish(
        "package",
        str(TWINE),
        TWINE_REPOSITORY_URL=httpserver.url_for("/legacy/"),
        TWINE_USERNAME="gitlab-ci-token",
        TWINE_PASSWORD="secret-of-the-job",
    )

    assert code == 0, out + err
    assert uploads == [(f"fivetran_orchestrator-{name}", "gitlab-ci-token", "secret-of-the-job") for name in NAMES]
    assert "secret-of-the-job" not in out + err
