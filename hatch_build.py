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

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the file, where the commit is known; an editable install asks git itself."""
        if version == "editable":
            return
        file = Path(self.root, "orchestrator", "commit")  # an unpacked sdist has it; git and hatchling ignore it
        if not file.exists():
            sys.path.insert(0, self.root)
            from orchestrator.job.version import SHORT, commit  # noqa: PLC0415  # ours is found only now

            said = commit() or os.environ.get("SOURCE_COMMIT", "")
            known = re.fullmatch(rf"([0-9a-f]{{{SHORT}}})[0-9a-f]*(\+changes)?", said)
            if not known:
                return
            self._made = tempfile.TemporaryDirectory()  # its end is that of this process
            file = Path(self._made.name, "commit")
            file.write_text(f"{known[1]}{known[2] or ''}\n", "ascii")
        build_data["force_include"][str(file)] = "orchestrator/commit"
