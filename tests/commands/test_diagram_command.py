"""The command `diagram`: what it prints, writes, checks and refuses."""

import os
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from orchestrator.cli import main
from orchestrator.drawing import dot, mermaid
from orchestrator.drawing.model import View, diagram
from orchestrator.drawing.page import page, table
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.loader import load

Capture = pytest.CaptureFixture[str]

STATECHARTS = Path(__file__).parents[2] / "statecharts"
NO_FORMAT = "its ending says no format: end it with .mmd, .dot, .svg, .png or .md, or name one with --format"
MARKERS = "<!-- diagram START -->\nan old drawing\n<!-- end of diagram START -->"

needs_graphviz = pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz")


def draw(*arguments: str | Path) -> int:
    """Run the command."""
    return main(["diagram", *map(str, arguments)], {})


# --- What it prints -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("start",), mermaid.render(diagram(load("START")))),
        (("START", "--view", "full"), mermaid.render(diagram(load("START"), View.FULL))),
        (("START", "--view", "OVERVIEW"), mermaid.render(diagram(load("START"), View.OVERVIEW))),
        (("START", "--highlight", "polling"), mermaid.render(diagram(load("START"), here="polling"))),
        (("TEST", "--format", "dot"), dot.render(diagram(load("TEST")))),
        (("TEST", "--format", "table"), table(load("TEST"))),
        (("TEST", "--format", "page"), page([load("TEST")])),
        (("TEST", "START", "TEST"), page([load("TEST"), load("START")])),
        ((), page([load(action) for action in ACTIONS])),
        (("--chart", STATECHARTS / "test.toml"), mermaid.render(diagram(load("TEST")))),
    ],
)
def test_prints(capsys: Capture, arguments: tuple[str, ...], expected: str) -> None:
    """It prints Mermaid for one chart and a page for several, and whatever else it is told to."""
    code = draw(*arguments)

    assert (code, capsys.readouterr().out) == (0, expected)


@needs_graphviz
def test_picture_goes_to_a_pipe(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """A picture goes to stdout as it is, where that is no terminal."""
    code = draw("STATUS", "--format", "png")

    assert code == 0
    assert capfdbinary.readouterr().out.startswith(b"\x89PNG")


# --- What it writes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("start.mmd", mermaid.render(diagram(load("START")))),
        ("start.dot", dot.render(diagram(load("START")))),
        ("start.md", page([load("START")])),
    ],
)
def test_name_says_the_format(tmp_path: Path, name: str, expected: str) -> None:
    """The end of the file's name says what is written; a file is replaced as a whole, directories are made."""
    path = tmp_path / "docs" / name

    assert [draw("START", "-o", path), draw("START", "-o", path, "--check")] == [0, 0]
    assert path.read_text("utf-8") == expected


def test_several_go_to_a_directory(tmp_path: Path) -> None:
    """With a directory each chart gets a file that is called like its action."""
    code = draw("-o", f"{tmp_path}/drawings/", "--format", "dot")

    written = {path.name: path.read_text("utf-8") for path in (tmp_path / "drawings").iterdir()}
    assert code == 0
    assert written == {f"{action.lower()}.dot": dot.render(diagram(load(action))) for action in ACTIONS}


def test_format_needs_no_ending(tmp_path: Path) -> None:
    """With --format a file may be called anything."""
    path = tmp_path / "start.txt"

    code = draw("START", "--format", "dot", "-o", path)

    assert (code, path.read_text("utf-8")) == (0, dot.render(diagram(load("START"))))


def test_directory_without_a_format(tmp_path: Path) -> None:
    """In a directory one chart is Mermaid, and several are a page."""
    codes = [draw("START", "-o", tmp_path), draw("-o", f"{tmp_path}/all/")]

    assert codes == [0, 0]
    assert (tmp_path / "start.mmd").read_text("utf-8") == mermaid.render(diagram(load("START")))
    assert (tmp_path / "all" / "README.md").read_text("utf-8") == page([load(action) for action in ACTIONS])


def test_highlight_in_the_charts_that_have_it(tmp_path: Path) -> None:
    """A state is marked in each chart that has it; the others are drawn as they are."""
    code = draw("TEST", "START", "--highlight", "polling", "--format", "dot", "-o", tmp_path)

    test, start = ((tmp_path / f"{name}.dot").read_text("utf-8") for name in ("test", "start"))
    assert code == 0
    assert test == dot.render(diagram(load("TEST")))
    assert start == dot.render(diagram(load("START"), here="polling")) != dot.render(diagram(load("START")))


@pytest.mark.parametrize("arguments", [(), ("START",)])
def test_page_in_a_directory(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """A page in a directory is its README.md."""
    code = draw(*arguments, "--format", "page", "-o", tmp_path)

    assert (code, [path.name for path in tmp_path.iterdir()]) == (0, ["README.md"])


@pytest.mark.parametrize(
    ("form", "block"),
    [
        ("mermaid", f"```mermaid\n{mermaid.render(diagram(load('START')))}```\n"),
        ("dot", f"```dot\n{dot.render(diagram(load('START')))}```\n"),
        ("table", table(load("START"))),
    ],
)
def test_into_a_page_of_ones_own(tmp_path: Path, form: str, block: str) -> None:
    """What stands between the markers is replaced, and nothing else."""
    path = tmp_path / "pipeline.md"
    path.write_text(f"before\n\n{MARKERS}\n\nafter\n", "utf-8")

    codes = [draw("START", "--format", form, "--into", path) for _ in range(2)]

    assert codes == [0, 0]
    assert path.read_text("utf-8") == (
        f"before\n\n<!-- diagram START -->\n\n{block}\n<!-- end of diagram START -->\n\nafter\n"
    )


# --- What it checks -------------------------------------------------------------------------------


@pytest.mark.parametrize("view", ["overview", "main", "full"])
@pytest.mark.parametrize(("content", "problem"), [(None, "not there"), ("old", "out of date")])
def test_stale_file(tmp_path: Path, capsys: Capture, content: str | None, problem: str, view: str) -> None:
    """`--check` ends with 1 where a file is stale, says which and how to fix it, and writes nothing."""
    path = tmp_path / "a drawing.mmd"
    if content is not None:
        path.write_text(content)

    code = draw("START", "-o", path, "--view", view, "--check")

    told = capsys.readouterr().err.splitlines()
    assert (code, told[0]) == (1, f"{path}: is {problem}")
    assert (path.read_text() if path.exists() else None) == content
    fix = shlex.split(told[1].removeprefix("to fix: fivetran-orchestrator "))
    assert main(fix, {}) == 0
    assert draw("START", "-o", path, "--view", view, "--check") == 0


def test_drawing_that_is_up_to_date_is_left_alone(tmp_path: Path) -> None:
    """A file that is as it should be is not written again: nothing that watches it is woken."""
    path = tmp_path / "start.mmd"
    draw("START", "-o", path)
    before = path.stat()

    code = draw("START", "-o", path)

    assert (code, path.stat().st_ino, path.stat().st_mtime_ns) == (0, before.st_ino, before.st_mtime_ns)


# --- What it refuses ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("START", "--highlight", "poling"), "--highlight poling: the chart of START has no such state; did you mean "),
        (("START", "--highlight", "xyz"), "--highlight xyz: the chart of START has no such state; it has validating, "),
        (("START", "--check"), "--check: of which file? Name it with -o or --into"),
        (("--format", "dot"), "dot is a file for each action: name one action, or a directory with -o"),
        (
            ("--format", "svg", "-o", "all.svg"),
            "-o all.svg: svg is a file for each action: name a directory, as in -o ./",
        ),
        (("START", "--chart", "my.toml"), "--chart my.toml: the file says itself which action it is for: name none"),
        (("--chart", "nowhere.toml"), "nowhere.toml: cannot be read: No such file or directory"),
        (("START", "-o", "x.pdf"), f"-o x.pdf: {NO_FORMAT}"),
        (("START", "-o", "x"), f"-o x: {NO_FORMAT}"),
        (("-o", "x.txt"), f"-o x.txt: {NO_FORMAT}"),
        (("--highlight", "poling"), "--highlight poling: no chart has such a state; did you mean polling?"),
        (("--highlight", "xyz"), "--highlight xyz: no chart has such a state; they have validating, "),
        (
            ("START", "--format", "dot", "-o", "/dev/null"),
            "/dev/null: is no regular file, and is left as it is: name another one",
        ),
        (("START", "-o", "pyproject.toml/start.mmd"), "pyproject.toml: File exists"),
        (("START", "--into", "nowhere.md"), "nowhere.md: No such file or directory"),
        (("TEST", "--into", "README.md"), "README.md: has no lines <!-- diagram TEST --> and <!-- end of diagram TEST"),
        (
            ("START", "--into", "README.md", "--format", "svg"),
            "--into README.md: svg is not text for a Markdown file: ",
        ),
    ],
)
def test_refused(capsys: Capture, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], problem: str) -> None:
    """What cannot be drawn is refused in one line that says why, with exit code 2."""
    monkeypatch.chdir(STATECHARTS.parent)

    code = draw(*arguments)

    told = capsys.readouterr()
    assert (code, told.out, told.err.count("\n")) == (2, "", 1)
    assert told.err.startswith(problem)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("strat",), "argument ACTION: unknown action; did you mean START?"),
        (("dance",), "argument ACTION: unknown action; give FORCE_RESYNC, START, STATUS or TEST"),
        (("--view", "mian"), "argument --view: unknown value. Did you mean main?"),
        (("--view", "states"), "argument --view: unknown value: give overview, main or full"),
        (("--format", "mermiad"), "argument --format: unknown value. Did you mean mermaid?"),
    ],
)
def test_unknown_word(capsys: Capture, arguments: tuple[str, ...], problem: str) -> None:
    """A word that there is not is refused with the one that was probably meant, or else with those that there are."""
    with pytest.raises(SystemExit) as ended:
        draw(*arguments)

    assert ended.value.code == 2
    assert problem in capsys.readouterr().err


def test_unsound_chart(tmp_path: Path, capsys: Capture) -> None:
    """A chart of somebody's own that is not sound is not drawn: its faults are named."""
    path = tmp_path / "my.toml"
    path.write_text((STATECHARTS / "test.toml").read_text("utf-8").replace('"testing"', '"tasting"'))

    code = draw("--chart", path)

    assert code == 2
    assert "unknown target 'tasting'" in capsys.readouterr().err


def test_into_what_is_no_text(tmp_path: Path, capsys: Capture) -> None:
    """A drawing goes into no file that is not text, and the file stays as it is."""
    path = tmp_path / "picture.md"
    path.write_bytes(b"\x89PNG\xff")

    code = draw("START", "--into", path)

    assert (code, path.read_bytes()) == (2, b"\x89PNG\xff")
    assert capsys.readouterr().err == f"{path}: not UTF-8 text\n"


def test_png_on_a_terminal(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A png is not poured over a terminal."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    code = draw("START", "--format", "png")

    assert (code, *capsys.readouterr()) == (2, "", "png is nothing for a terminal: name a file with -o\n")


# --- The page around a drawing --------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("last", ["", "\n", "\nafter"])
def test_page_keeps_its_form(tmp_path: Path, end: str, mark: str, last: str) -> None:
    """Byte order mark, line ends and the end of the file stay, and the drawing has the page's line ends."""
    path = tmp_path / "page.md"
    written = f"{mark}# Title\n\n{MARKERS}{last}".replace("\n", end)
    path.write_bytes(written.encode())
    before, rest = written.split("an old drawing")

    code = draw("START", "--into", path)

    inserted = path.read_bytes().decode()
    assert (code, inserted.startswith(before), inserted.endswith(rest)) == (0, True, True)
    assert "flowchart TD" in inserted
    assert not {"\r", "\n"} & {*inserted.replace(end, "")}


def test_other_line_ends_are_up_to_date(tmp_path: Path, capsys: Capture) -> None:
    """A checkout that changed the line ends changed nothing: `--check` holds, and nothing is written."""
    page_of_all, path = tmp_path / "README.md", tmp_path / "page.md"
    path.write_text(MARKERS)
    drawings: tuple[tuple[str | Path, ...], ...] = (("-o", page_of_all), ("START", "--into", path))
    for arguments in drawings:
        draw(*arguments)
    for file in (page_of_all, path):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    converted = page_of_all.read_bytes()

    codes = [draw(*arguments, *more) for arguments in drawings for more in (("--check",), ())]

    assert (codes, page_of_all.read_bytes()) == ([0, 0, 0, 0], converted)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("flag", ["-o", "--into"])
def test_link_to_a_page_stays_one(tmp_path: Path, flag: str) -> None:
    """Where the file that was named is a link its target is written, with its mode."""
    (tmp_path / "real.md").write_text(MARKERS)
    (tmp_path / "real.md").chmod(0o640)
    link = tmp_path / "link.md"
    link.symlink_to("real.md")

    code = draw("START", flag, link)

    target = tmp_path / "real.md"
    assert (code, link.is_symlink(), "flowchart TD" in target.read_text("utf-8")) == (0, True, True)
    assert target.stat().st_mode & 0o777 == 0o640


def test_png_is_compared_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a picture a line end is no line end: one that differs there is out of date."""
    path = tmp_path / "start.png"
    path.write_bytes(b"\x89PNG\n")
    monkeypatch.setattr("orchestrator.commands.diagram.draw", lambda *_, **__: b"\x89PNG\r\n")

    assert draw("START", "-o", path, "--check") == 1


def test_without_graphviz(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Graphviz a picture is refused in one line, and nothing is written."""
    monkeypatch.setenv("PATH", str(tmp_path))

    code = draw("START", "-o", tmp_path / "start.svg")

    assert (code, [*tmp_path.iterdir()]) == (2, [])
    assert capsys.readouterr().err.startswith("svg needs Graphviz")


def test_reader_that_leaves_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that has seen enough (`| head`) ends the command without a traceback."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", closed)
        code = draw("START")

    assert code == 0
