"""Write the transcripts of docs/debugging.md and docs/debugging/*.md again: run each command, replace its output.

With `--check` nothing is written; the exit code is 1 if a page is out of date.
"""

import difflib
import io
import os
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

from orchestrator.cli import main

__all__ = ["PAGES", "TRANSCRIPT", "outdated"]

ROOT = Path(__file__).parent.parent
PAGES = [Path("docs/debugging.md"), *(path.relative_to(ROOT) for path in sorted(ROOT.glob("docs/debugging/*.md")))]
TRANSCRIPT = re.compile(r"(```\n\$ fivetran-orchestrator (debug .+)\n)(?:.*\n)*?```\n")


def _run(match: re.Match[str]) -> str:
    out = io.StringIO()
    with redirect_stdout(out):
        code = main(shlex.split(match[2]), {})
    if code:
        raise SystemExit(f"{match[2]} ended with {code}")
    return f"{match[1]}{out.getvalue()}```\n"


def outdated() -> Iterator[tuple[Path, str, str]]:
    """Yield each page whose transcripts are out of date: its path, its text, and the text as it should be."""
    os.chdir(ROOT)  # the commands name files of the repository
    for page in PAGES:
        text = page.read_text("utf-8")
        fresh = TRANSCRIPT.sub(_run, text)
        if fresh != text:
            yield page, text, fresh


if __name__ == "__main__":
    stale = list(outdated())
    if sys.argv[1:] == ["--check"]:
        for page, text, fresh in stale:
            sys.stdout.writelines(
                difflib.unified_diff(text.splitlines(keepends=True), fresh.splitlines(keepends=True), str(page))
            )
            print(f"{page} is out of date: make documents", file=sys.stderr)
        sys.exit(bool(stale))
    for page, _, fresh in stale:
        page.write_text(fresh, "utf-8")
