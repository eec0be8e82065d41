"""`diagram`: the charts, drawn."""

import re
import shlex
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from orchestrator.commands import words
from orchestrator.drawing.formats import GraphvizError, draw
from orchestrator.drawing.model import View
from orchestrator.drawing.page import fenced
from orchestrator.job.files import read_bytes, read_text, write_atomically
from orchestrator.job.own_chart import load_file
from orchestrator.job.streams import refuse, say, write_bytes
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.chart import Chart
from orchestrator.machine.loader import ChartError, load
from orchestrator.values.suggestions import did_you_mean

__all__ = ["add_to", "execute"]

SUFFIXES = {"mermaid": ".mmd", "dot": ".dot", "svg": ".svg", "png": ".png", "table": ".md", "page": ".md"}

VIEWS = tuple(map(str, (View.OVERVIEW, View.MAIN, View.FULL)))

EPILOG = """\
A page is Markdown: about each chart a paragraph, its drawing, every exit code and every edge.

  fivetran-orchestrator diagram START -o start.svg
  fivetran-orchestrator diagram -o drawings/ --format svg
  fivetran-orchestrator diagram START --view overview --into docs/pipeline.md --check
"""


class UsageError(Exception):
    """What was asked for cannot be; the message says why, and what can."""


def add_to(parser: ArgumentParser) -> None:
    """Give the parser the arguments."""
    parser.description = "Draw the charts of actions, or of all of them where none is named."
    parser.epilog = EPILOG
    parser.add_argument("actions", nargs="*", type=words.action, metavar="ACTION", help=", ".join(ACTIONS))
    parser.add_argument(
        "--format",
        type=str.lower,
        choices=SUFFIXES,
        metavar="FORMAT",
        help=f"{', '.join(SUFFIXES)}; default: what the name after -o says, else mermaid (several: page)",
    )
    parser.add_argument(
        "--view",
        type=str.lower,
        choices=VIEWS,
        default=View.MAIN,
        metavar="VIEW",
        help="overview: a box a group; main: the happy path and what lies beside it (default); full: every state",
    )
    parser.add_argument("--highlight", metavar="STATE", default="", help="mark this state")
    parser.add_argument("--chart", metavar="FILE", help="draw the chart in this file")
    place = parser.add_mutually_exclusive_group()
    place.add_argument("-o", "--output", metavar="PATH", help="write a file; several: a directory")
    place.add_argument(
        "--into",
        metavar="FILE",
        help="write into a Markdown file, between its lines <!-- diagram ACTION --> and <!-- end of diagram ACTION -->",
    )
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 if the file is out of date")


def execute(arguments: Namespace, _: Mapping[str, str]) -> int:
    """Draw them.

    Returns:
        0; 1 if a file that was to be checked is out of date; 2 if it cannot be drawn or written.
    """
    try:
        return _draw(arguments)
    except (ChartError, GraphvizError, UsageError) as error:
        return refuse(error)
    except OSError as error:
        return refuse(f"{error.filename}: {error.strerror}")


def _draw(arguments: Namespace) -> int:
    charts = _charts(arguments)
    form = _format(arguments, len(charts))
    _check_highlight(charts, arguments.highlight)
    drawn = partial(draw, form=form, here=arguments.highlight, view=View(arguments.view))
    if arguments.output is None and arguments.into is None:
        if arguments.check:
            raise UsageError("--check: of which file? Name it with -o or --into")
        return _print(charts, form, drawn)
    stale = []
    for path, content in _files(arguments, charts, form, drawn):
        if path.exists() and not path.is_file():
            raise UsageError(f"{path}: is no regular file, and is left as it is: name another one")
        if not path.exists() or not _same(read_bytes(path), content, form):
            stale.append(path)
            if not arguments.check:
                write_atomically(path, content, named=True)
    if not stale or not arguments.check:
        return 0
    for path in stale:
        say(f"{path}: is {'out of date' if path.exists() else 'not there'}", error=True)
    say(f"to fix: {_command(arguments)}", error=True)
    return 1


def _same(one: bytes, other: bytes, form: str) -> bool:
    """Whether two files say the same: a checkout may have changed a text's line ends."""
    if form != "png":
        one, other = (re.sub(rb"\r\n?", b"\n", text) for text in (one, other))
    return one == other


def _charts(arguments: Namespace) -> list[Chart]:
    if arguments.chart is None:
        return [load(action) for action in dict.fromkeys(arguments.actions or ACTIONS)]
    if arguments.actions:
        raise UsageError(f"--chart {arguments.chart}: the file says itself which action it is for: name none")
    return [load_file(arguments.chart)]


def _format(arguments: Namespace, number: int) -> str:
    if arguments.format:
        return str(arguments.format)
    if arguments.into is not None:
        return "mermaid"
    usual = "mermaid" if number == 1 else "page"
    if arguments.output is None:
        return usual
    suffix = Path(arguments.output).suffix
    known = {suffix: form for form, suffix in SUFFIXES.items()}  # .md is a page
    if suffix not in known and not _is_directory(arguments.output):
        *endings, last = known
        raise UsageError(
            f"-o {arguments.output}: its ending says no format: "
            f"end it with {', '.join(endings)} or {last}, or name one with --format"
        )
    return known.get(suffix, usual)


def _is_directory(output: str) -> bool:
    return output.endswith("/") or Path(output).is_dir()


def _check_highlight(charts: Sequence[Chart], name: str) -> None:
    """Refuse a state that none of the charts has."""
    known = list(dict.fromkeys(state for chart in charts for state in chart.states))
    if not name or name in known:
        return
    one = len(charts) == 1
    where = f"the chart of {charts[0].action} has no such state" if one else "no chart has such a state"
    hint = did_you_mean(name, known) or f"{'it has' if one else 'they have'} {', '.join(known)}"
    raise UsageError(f"--highlight {name}: {where}; {hint}")


def _print(charts: list[Chart], form: str, drawn: Callable[[list[Chart]], bytes]) -> int:
    if len(charts) > 1 and form != "page":
        raise UsageError(f"{form} is a file for each action: name one action, or a directory with -o")
    if form != "png":
        say(drawn(charts).decode().removesuffix("\n"))
    elif sys.stdout.isatty():
        raise UsageError("png is nothing for a terminal: name a file with -o")
    else:
        write_bytes(drawn(charts))
    return 0


def _files(
    arguments: Namespace, charts: list[Chart], form: str, drawn: Callable[[list[Chart]], bytes]
) -> Iterator[tuple[Path, bytes]]:
    """Each file and what belongs in it."""
    if arguments.into is not None:
        path = Path(arguments.into)
        if form not in {"mermaid", "dot", "table"}:
            raise UsageError(f"--into {path}: {form} is not text for a Markdown file: choose mermaid, dot or table")
        yield path, _inserted(path, {chart.action: drawn([chart]).decode() for chart in charts}, form)
        return
    path, directory = Path(arguments.output), _is_directory(arguments.output)
    if form == "page":
        yield (path / "README.md" if directory else path), drawn(charts)
        return
    if len(charts) > 1 and not directory:
        raise UsageError(f"-o {path}: {form} is a file for each action: name a directory, as in -o {path.parent}/")
    for chart in charts:
        name = f"{chart.action.lower()}{SUFFIXES[form]}"
        yield (path / name if directory else path), drawn([chart])


def _inserted(path: Path, drawings: dict[str, str], form: str) -> bytes:
    """A Markdown file with drawings between their markers."""
    text = read_text(path, exact=True)
    for action, drawing in drawings.items():
        opening, closing = f"<!-- diagram {action} -->", f"<!-- end of diagram {action} -->"
        found = re.search(rf"{opening}(\r\n|\n|\r)", text)
        end = text.find(closing, found.end()) if found else -1
        if not found or end < 0:
            raise UsageError(f"{path}: has no lines {opening} and {closing}: write them where the drawing shall stand")
        block = drawing if form == "table" else fenced(form, drawing)
        lines = f"\n{block}\n".replace("\n", found[1])
        text = f"{text[: found.end()]}{lines}{text[end:]}"
    return text.encode()


def _command(arguments: Namespace) -> str:
    """The command that writes what is checked."""
    command = ["fivetran-orchestrator", "diagram", *arguments.actions]
    for flag in ("format", "highlight", "chart", "output", "into"):
        if value := getattr(arguments, flag):
            command += [f"--{flag}", value]
    if arguments.view != View.MAIN:
        command += ["--view", arguments.view]
    return shlex.join(command)
