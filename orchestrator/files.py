"""Files that are either whole or not there."""

import os
from pathlib import Path

__all__ = ["write_atomically"]


def write_atomically(path: Path, content: str | bytes, *, lasting: bool = True) -> None:
    """Write to a temporary name beside the file, then rename; make the directory if need be.

    Args:
        path: The file.
        content: All of it; of a text, what UTF-8 cannot say is replaced.
        lasting: Wait until the disk has it. Else a machine that loses its power may lose it, too.

    Raises:
        OSError: It could not be written; what was there before is untouched.
    """
    data = content.encode(errors="replace") if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            if lasting:
                stream.flush()
                os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
