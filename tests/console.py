"""The debugger as somebody sees it who gives it a file of commands."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.cli import main


@dataclass(frozen=True)
class Told:
    """One command: the prompt that it was typed at, and what was shown for it."""

    prompt: str
    command: str
    text: str

    @property
    def line(self) -> str:
        """What was shown, where it is one line."""
        (line,) = self.text.splitlines()
        return line

    def row(self, label: str) -> str:
        """A row of the screen, its lines joined."""
        found = re.search(rf"^{label} +(.*(?:\n  .*)*)", self.text, re.MULTILINE)
        assert found, f"no row {label!r} in:\n{self.text}"
        return " ".join(found[1].split())

    @property
    def state(self) -> str:
        """The state that the screen stands in."""
        return self.row("here").partition(",")[0]


@dataclass(frozen=True)
class Transcript:
    """A whole session."""

    code: int
    opening: str
    told: list[Told]

    @property
    def last(self) -> Told:
        """The last command."""
        return self.told[-1]

    def of(self, command: str) -> Told:
        """The first time that a command was typed."""
        return next(told for told in self.told if told.command == command)


@dataclass
class Debugger:
    """Runs sessions."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    def __call__(self, arguments: str, *commands: str, environ: Mapping[str, str] | None = None) -> Transcript:
        """Debug with these arguments, and do these commands."""
        file = self.folder / "commands.txt"
        file.write_text("\n".join(commands), "utf-8")
        self.capsys.readouterr()
        code = main(["debug", *arguments.split(), "--commands", str(file)], environ or {})
        shown = self.capsys.readouterr()
        assert shown.err == ""
        opening, *rest = re.split(r"^(\([^\n]*?\) \d[^\n]*?> )", shown.out, flags=re.MULTILINE)
        told = [
            Told(prompt.strip(), *(part.strip("\n") for part in text.partition("\n")[::2]))
            for prompt, text in zip(rest[::2], rest[1::2], strict=True)
        ]
        return Transcript(code, opening, told)

    def refused(self, *arguments: str, environ: Mapping[str, str] | None = None) -> str:
        """Why a session cannot begin."""
        self.capsys.readouterr()
        code = main(["debug", *arguments], environ or {})
        shown = self.capsys.readouterr()
        assert (code, shown.out) == (2, "")
        return shown.err
