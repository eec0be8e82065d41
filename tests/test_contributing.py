"""What CONTRIBUTING.md names exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
PROSE = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def _heading_ids(file: Path) -> set[str]:
    """What `#` in a link may name, as GitHub makes it of the headings."""
    headings = re.findall(r"^#+ (.*)$", file.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((?!https?:)([^)]+)\)", PAGE))))
def test_link_leads_somewhere(link: str) -> None:
    """Each link leads to a file that is there, and to a heading of it."""
    name, _, heading = link.partition("#")

    assert (ROOT / name).is_file()
    assert not heading or heading in _heading_ids(ROOT / name)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([\w.-]+/[\w./-]*)`", PROSE))))
def test_path_is_there(name: str) -> None:
    """Each file and folder that is named is there, and a name that ends with a slash is a folder's."""
    assert (ROOT / name).exists()
    assert (ROOT / name).is_dir() or not name.endswith("/")


def test_targets_are_those_of_the_makefile() -> None:
    """Each target that is named is the Makefile's, and each of those for developers is named."""
    named = set(re.findall(r"`make ([a-z-]+)`", PAGE))

    assert named - TARGETS == set()
    assert TARGETS - named == {"help", "image", "clean"}


@pytest.mark.parametrize("path", sorted(set(re.findall(r"pytest -q (\S+)", PAGE))))
def test_tests_of_the_examples_are_there(path: str) -> None:
    """What the examples run is there."""
    assert (ROOT / path).exists()


def test_readme_leads_here() -> None:
    """The README's line for developers points to the page."""
    assert "](CONTRIBUTING.md)" in (ROOT / "README.md").read_text("utf-8")
