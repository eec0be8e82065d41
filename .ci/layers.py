"""Check what the image's own layers hold; called by image-test, one line a check.

Usage: layers.py ARCHIVE BASE_LAYERS SETUID VERSION

ARCHIVE is the image as docker-archive, BASE_LAYERS the number of its layers that are the base
image's, SETUID a file with the paths that are setuid or setgid there, VERSION what it is said to be.
"""

import json
import os
import re
import stat
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

SOURCE = Path(__file__).parent.parent
HOME = "opt/fivetran-orchestrator/"
FOREIGN = rf"{HOME}.*/(pip|setuptools|wheel|pytest|werkzeug)/|/(gcc|cc|make|pip3?)$"
SECRETIVE = re.compile(rb"(?i)index-url|trusted-host|_authtoken|PRIVATE KEY-----\n[A-Za-z0-9+/]{40}")
SET_IDS = stat.S_ISUID | stat.S_ISGID
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
LIMIT = 40  # MB

failures = 0


def check(what: str, wrong: Iterable[object]) -> None:
    """Print whether there is nothing wrong, and if there is, what."""
    global failures  # noqa: PLW0603  # a script that counts
    found = [str(culprit) for culprit in wrong]
    print("FAILED" if found else "ok    ", what)
    for culprit in found[:20]:
        print("      ", culprit)
    failures += bool(found)


class File(NamedTuple):
    """Whatever is no directory."""

    about: tarfile.TarInfo
    content: bytes


def read(archive: tarfile.TarFile, member: str | tarfile.TarInfo) -> bytes:
    """A member's bytes; none of what has none."""
    stream = archive.extractfile(member)
    return stream.read() if stream else b""


def within(path: str, removed: str | None) -> bool:
    """Whether it goes with what is removed."""
    return removed is not None and (path == removed or path.startswith(f"{removed}/"))


def files_of(archive: tarfile.TarFile, layers: list[str]) -> dict[str, File]:
    """What those layers hold, by path: what a later one replaces or removes is gone, and the mark of that there."""
    found: dict[str, File] = {}
    for name in layers:
        with tarfile.open(fileobj=archive.extractfile(name)) as layer:
            for member in layer:
                if not member.isdir():
                    path = os.path.normpath(member.name).lstrip("/")
                    removed = path.replace(".wh.", "") if "/.wh." in path else None
                    found = {name: file for name, file in found.items() if not within(name, removed)}
                    found[path] = File(member, read(layer, member) if member.isfile() else b"")
    return found


def own_index() -> list[bytes]:
    """Where this machine has its packages from, which is nobody else's business."""
    places = (Path(os.environ.get("PIP_CONFIG_FILE", "/etc/pip.conf")), Path("~/.config/pip/pip.conf").expanduser())
    lines = [line for place in places if place.is_file() for line in place.read_text("utf-8").splitlines()]
    values = (line.partition("=")[2].strip() for line in lines)
    return [value.encode() for value in values if "/" in value]


def check_config(about: dict[str, Any], version: str) -> None:
    """Check how a container of it starts."""
    config = about["config"]
    user, label = config["User"], config["Labels"]["org.opencontainers.image.version"]
    check("no ENTRYPOINT, so that a runner's own shell starts", config.get("Entrypoint") or ())
    check("its user is a number other than 0", [] if re.match(r"[1-9]\d*(:|$)", user) else [user])
    check("it is labelled with its version", [] if label == version else [label])


def check_files(files: dict[str, File], was_setuid: set[str]) -> None:
    """Check that all is there that should be, and nothing else."""

    def expected(path: str, about: tarfile.TarInfo) -> bool:
        if path.startswith("usr/"):
            return "/__pycache__/" in path or f"/{path}" in was_setuid
        return path == "dataops" or path.startswith(HOME) or about.isdev()

    def compiled(path: str) -> bool:
        folder, name = os.path.split(path)
        return any(other.startswith(f"{folder}/__pycache__/{name.removesuffix('py')}") for other in files)

    package = [path for path in files if re.match(rf"{HOME}lib/.*/site-packages/", path)]
    here = (path for top in ("orchestrator", "statecharts") for path in (SOURCE / top).rglob("*") if path.is_file())
    check(
        "our layers hold the job and bytecode: no cache, nothing temporary, nothing that a later one removes",
        (path for path, file in files.items() if not expected(path, file.about) or "/.wh." in path),
    )
    check("nothing of ours is setuid or setgid", (path for path, file in files.items() if file.about.mode & SET_IDS))
    check(
        "all of it is root's, and nobody else may write to it",
        (
            path
            for path, (about, _) in files.items()
            if about.uid or (about.mode & OTHERS_WRITE and not about.issym() and not about.isdev())
        ),
    )
    check("no pip, no compiler and no test came along", (path for path in files if re.search(FOREIGN, path)))
    check("all of the package is compiled", (path for path in package if path.endswith(".py") and not compiled(path)))
    check(
        "every file of the package is there, data too",
        (
            path
            for path in here
            if "__pycache__" not in path.parts
            and not any(other.endswith(f"/site-packages/{path.relative_to(SOURCE)}") for other in package)
        ),
    )
    size = sum(file.about.size for file in files.values()) / 1e6
    check(f"our layers add at most {LIMIT} MB: it is {size:.1f} MB", [size] if size > LIMIT else [])


def check_secrets(about: dict[str, Any], files: dict[str, File]) -> None:
    """Check that nothing of the machine that built it is left."""
    index = own_index()

    def gives_away(text: bytes) -> bool:
        return bool(SECRETIVE.search(text)) or any(value in text for value in index)

    ours = {path: file.content for path, file in files.items() if not path.startswith("usr/")}
    config = about["config"]
    check(
        "no file, variable, label or step names a package index or a secret",
        [
            *(path for path, content in ours.items() if gives_away(content)),
            *(name for name in config["Env"] if re.match(r"(?i)PIP_|[^=]*(proxy|token|secret|passw)", name)),
            *(part for part in ("config", "history") if gives_away(json.dumps(about[part]).encode())),
        ],
    )


def main(archive_path: str, base_layers: str, setuid_path: str, version: str) -> int:
    """Check; 1 if anything is wrong."""
    with tarfile.open(archive_path) as archive:
        (manifest,) = json.loads(read(archive, "manifest.json"))
        about = json.loads(read(archive, manifest["Config"]))
        files = files_of(archive, manifest["Layers"][int(base_layers) :])
    check_config(about, version)
    check_files(files, set(Path(setuid_path).read_text("utf-8").split()))
    check_secrets(about, files)
    return min(failures, 1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
