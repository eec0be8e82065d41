"""What is written for people agrees with what runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from process import environment

from orchestrator.cli import main
from orchestrator.job.variables import VARIABLES
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.loader import load
from orchestrator.values.exit_codes import EXIT_CODES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
ARISE_OUTSIDE = {2, 70}
DRAWING = re.compile(r"<!-- diagram START\b[^\n]*-->\n.*?<!-- end of diagram START\b[^\n]*-->\n", re.DOTALL)
# Pages that people write; what is generated is checked where it is made.
PAGES = ["README.md", "CONTRIBUTING.md", *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("docs/**/*.md")))]


def _section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def _rows(text: str) -> list[str]:
    return [row for row in text.splitlines() if row.startswith("| `")]


def _names(row: str) -> list[str]:
    """The variables and aliases of a row."""
    return re.findall(r"`([A-Z_]+)`", row.split("|")[1])


VARIABLE_ROWS = _rows((ROOT / "docs" / "variables.md").read_text("utf-8"))


def test_readme_is_short() -> None:
    """The README is under 200 lines, its drawing among them."""
    assert len(README.splitlines()) < 200
    assert len(DRAWING.findall(README)) == 1


def test_every_variable_is_in_the_table() -> None:
    """docs/variables.md names every variable and alias that the job reads, once, and no other."""
    known = [*VARIABLES, *(variable.alias for variable in VARIABLES.values() if variable.alias)]

    names = [name for row in VARIABLE_ROWS for name in _names(row)]

    assert sorted(names) == sorted(known)


def test_readme_has_the_variables_that_most_jobs_set() -> None:
    """The README's rows are those of docs/variables.md, and every variable that a job needs is among them."""
    rows = _rows(_section("Variables"))

    assert [row for row in rows if row not in VARIABLE_ROWS] == []
    names = {name for row in rows for name in _names(row)}
    assert {name for name, variable in VARIABLES.items() if "required" in variable.meaning} <= names


@pytest.mark.parametrize("name", [name for name, variable in VARIABLES.items() if variable.default])
def test_defaults_in_the_table(name: str) -> None:
    """docs/variables.md gives the default that holds."""
    row = next(row for row in VARIABLE_ROWS if row.startswith(f"| `{name}`"))

    assert row.split("|")[2].strip().strip("`") == VARIABLES[name].default


def test_exit_codes_agree_with_the_charts() -> None:
    """The README's table, `--help` and the charts know the same exit codes."""
    charts = {code for action in ACTIONS for code in load(action).exits()}

    readme = {int(row.split("|")[1]) for row in _section("Exit codes").splitlines() if re.match(r"\| \d", row)}

    assert readme == charts | ARISE_OUTSIDE
    assert set(EXIT_CODES) == readme


def test_every_command_is_in_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """The README's table has every command of `--help`."""
    with pytest.raises(SystemExit):
        main(["--help"], {})
    commands = set(re.findall(r"^    ([a-z]+)  ", capsys.readouterr().out, re.MULTILINE))

    named = {word for row in _rows(_section("Commands")) for word in re.findall(r"`([a-z]+)[ `]", row.split("|")[1])}

    assert len(commands) > 5
    assert commands <= named


def _heading_ids(text: str) -> set[str]:
    """What `#` in a link may name, as GitHub makes it of the headings."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """Each link between files of the repository leads to one that is there, and to a heading of it."""
    path = ROOT / page
    prose = re.sub(r"```.*?```|`[^`\n]+`", "", path.read_text("utf-8"), flags=re.DOTALL)
    broken = []

    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", prose):
        name, _, heading = link.partition("#")
        target = path.parent / name if name else path
        if not target.exists() or (heading and heading not in _heading_ids(target.read_text("utf-8"))):
            broken.append(link)

    assert broken == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("-o", str(ROOT / "statecharts" / "README.md")),
        ("START", "--view", "overview", "--into", str(ROOT / "README.md")),
    ],
    ids=["charts", "readme"],
)
def test_drawings_are_up_to_date(arguments: tuple[str, ...]) -> None:
    """`statecharts/README.md` and the README's drawing are what `make documents` would write."""
    assert main(["diagram", *arguments, "--check"], {}) == 0


def _python_of(page: str) -> subprocess.CompletedProcess[str]:
    """The Python of a page, run as it stands."""
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text("utf-8"), re.DOTALL)
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)


def test_replay_in_the_documentation_works() -> None:
    """The Python of docs/journal.md runs as it stands."""
    done = _python_of("journal.md")

    assert done.stderr == ""
    assert " 60.0 s  ending --succeeded--> done\n" in done.stdout
    assert done.stdout.splitlines()[-1] == "awaiting_sign POST /v1/connections/speak_inexpensive/sync"


def test_stepping_in_the_documentation_works() -> None:
    """The Python of docs/stepping.md runs as it stands, to the end of the run."""
    done = _python_of("stepping.md")

    assert done.stderr == ""
    assert "awaiting_sign --waited--> confirming" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("ending --succeeded--> done  ")
