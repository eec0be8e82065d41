"""Write the transcripts of docs/debugging.md anew: each command that it names is run, and prints its own.

The page goes to stdout; `make documents` puts it in its place.
"""

import io
import os
import re
import shlex
import sys
from contextlib import redirect_stdout
from pathlib import Path

from orchestrator.cli import main

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "debugging.md"
TRANSCRIPT = re.compile(r"(```\n\$ fivetran-orchestrator (debug .+)\n)(?:.*\n)*?```\n")


def _run(match: re.Match[str]) -> str:
    out = io.StringIO()
    with redirect_stdout(out):
        code = main(shlex.split(match[2]), {})
    if code:
        raise SystemExit(f"{match[2]} ended with {code}")
    return f"{match[1]}{out.getvalue()}```\n"


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.stdout.write(TRANSCRIPT.sub(_run, PAGE.read_text("utf-8")))
