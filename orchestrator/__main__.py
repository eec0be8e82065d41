"""`python -m orchestrator`, and the command `fivetran-orchestrator`."""

import os
import sys
import threading
from typing import NoReturn

from orchestrator.cli import main

__all__ = ["command"]


def command() -> NoReturn:
    """Run the command line, and end the process with its exit code."""
    code = main()
    if threading.active_count() > 1:
        # A request that was given up may still be inside OpenSSL or the resolver: Python's own way
        # out would take the interpreter from under it, and may crash.
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    command()
