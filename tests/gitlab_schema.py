"""What the tests of examples and components share: GitLab's own schema."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from process import environment

__all__ = ["check_schema"]


def check_schema(folder: Path, texts: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Hold files to GitLab's own schema, as check-jsonschema brings it along."""
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    schema = ("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci", "--regex-variant", "nonunicode")
    command = (sys.executable, "-m", "check_jsonschema", *schema, *(str(folder / name) for name in texts))
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=False)
