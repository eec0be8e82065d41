"""Notes the commit in what is built: the sdist, and the wheel."""

import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CommitHook(BuildHookInterface):  # type: ignore[type-arg]  # of any builder's configuration
    """Adds `orchestrator/commit`. A build without git, as the image's is, is given it in SOURCE_COMMIT."""

    _made: tempfile.TemporaryDirectory[str] | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the file, where the commit is known; an editable install asks git itself."""
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        from orchestrator.job.version import SHORT, commit  # noqa: PLC0415  # ours is found only now

        said = commit(Path(self.root, "orchestrator")) or os.environ.get("SOURCE_COMMIT", "")
        if known := re.fullmatch(rf"([0-9a-f]{{{SHORT}}})[0-9a-f]*(\+changes)?", said):
            self._made = tempfile.TemporaryDirectory()
            file = Path(self._made.name, "commit")
            file.write_text(f"{known[1]}{known[2] or ''}\n", "ascii")
            build_data["force_include"][str(file)] = "orchestrator/commit"  # git and hatchling ignore one in the tree

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove what was only there to be packed."""
        if self._made:
            self._made.cleanup()
