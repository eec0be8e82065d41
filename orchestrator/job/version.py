"""Which build this is: its version, the commit that it was made of, and the Python that runs it."""

import os
import platform
import subprocess
from pathlib import Path

from orchestrator import __version__

__all__ = ["SHORT", "commit", "described"]

SHORT = 10  # digits that name a commit
_PACKAGE = Path(__file__).parent.parent


def described() -> str:
    """As `--version` says it: `0.2.0 (commit 30782c8ab1, Python 3.13.2)`, without a commit that is unknown."""
    known = commit()
    return f"{__version__} ({f'commit {known}, ' if known else ''}Python {platform.python_version()})"


def commit(package: Path = _PACKAGE) -> str:
    """The commit: what the build noted beside the package, or in a checkout what git says.

    Args:
        package: Where the package is.

    Returns:
        Its first digits, with `+changes` if the checkout differs from it; "" if it is unknown.
    """
    try:
        return (package / "commit").read_text("ascii").strip()
    except OSError:
        pass
    home = package.parent
    if not (home / ".git").exists():  # it may be installed inside another project's repository
        return ""
    asked = ("describe", "--always", "--exclude=*", f"--abbrev={SHORT}", "--dirty=+changes")
    foreign = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}  # a hook's
    try:
        said = subprocess.run(  # noqa: S603  # nothing of it comes from outside
            ("git", "--no-optional-locks", "-C", str(home), *asked),  # noqa: S607  # git is found by PATH
            env=foreign,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:  # no git
        return ""
    return said.stdout.strip()
