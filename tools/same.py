"""Compare what two builds made; name the files that differ. `make image-twice` calls it.

Usage: same.py FIRST SECOND

Both are images (docker-archive, .tar), wheels, or sdists. Images are compared by their layers, wheels and sdists by
their bytes: if they differ, by what is in them.
"""

import hashlib
import json
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, TypeAlias

Facts: TypeAlias = dict[str, object]


def _of_tar(stream: IO[bytes]) -> dict[str, Facts]:
    """Path -> what a tar says of it, and the digest of its content."""
    found: dict[str, Facts] = {}
    with tarfile.open(fileobj=stream) as archive:
        for place, member in enumerate(archive):
            content = archive.extractfile(member) if member.isreg() else None
            found[member.name] = {
                "content": hashlib.sha256(content.read()).hexdigest()[:12] if content else member.linkname,
                "type": member.type.decode(),
                "mode": f"{member.mode:o}",
                "owner": f"{member.uid}:{member.gid} {member.uname}:{member.gname}",
                "time": int(member.mtime),
                "place": place,
                "more": sorted((key, value) for key, value in member.pax_headers.items() if key != "path"),
            }
    return found


def _of_zip(path: Path) -> dict[str, Facts]:
    """Path -> what a zip says of it, and the checksum of its content."""
    with zipfile.ZipFile(path) as archive:
        return {
            member.filename: {
                "content": f"{member.CRC:08x}",
                "mode": f"{member.external_attr >> 16:o}",
                "time": member.date_time,
                "place": place,
            }
            for place, member in enumerate(archive.infolist())
        }


def differences(first: dict[str, Facts], second: dict[str, Facts]) -> Iterator[str]:
    """The paths that differ and in what, one line each."""
    for path in sorted(first.keys() | second.keys()):
        if path not in first or path not in second:
            yield f"{path}: only in the {'first' if path in first else 'second'}"
        else:
            # Where one file is missing all that follow are elsewhere: that alone says nothing.
            differing = [key for key in first[path] if first[path][key] != second[path][key]]
            if differing and (differing != ["place"] or first.keys() == second.keys()):
                yield f"{path}: " + ", ".join(f"{key} {first[path][key]} or {second[path][key]}" for key in differing)


class Image:
    """An image as docker-archive; to be closed."""

    def __init__(self, path: Path) -> None:
        self._archive = tarfile.open(path)  # noqa: SIM115  # `with` closes it
        (manifest,) = json.load(self._member("manifest.json"))
        self._layers: list[str] = manifest["Layers"]
        self.digests: list[str] = json.load(self._member(manifest["Config"]))["rootfs"]["diff_ids"]

    def close(self) -> None:
        """Read no more of it."""
        self._archive.close()

    def _member(self, name: str) -> IO[bytes]:
        stream = self._archive.extractfile(name)
        if stream is None:
            raise tarfile.TarError(f"{name} is not a file")
        return stream

    def files(self, layer: int) -> dict[str, Facts]:
        """What one layer holds."""
        return _of_tar(self._member(self._layers[layer]))


def of_images(first: Image, second: Image) -> Iterator[str]:
    """How the layers differ."""
    if len(first.digests) != len(second.digests):
        yield f"{len(first.digests)} layers or {len(second.digests)}"
    for layer, (one, other) in enumerate(zip(first.digests, second.digests, strict=False)):
        if one != other:
            yield f"layer {layer + 1}: {one} or {other}"
            found = list(differences(first.files(layer), second.files(layer)))
            yield from (f"  {line}" for line in found or ["the same files; the archives differ"])


def of_packages(first: Path, second: Path) -> Iterator[str]:
    """How two wheels or sdists differ."""
    if first.read_bytes() != second.read_bytes():
        if first.suffix == ".whl":
            found = list(differences(_of_zip(first), _of_zip(second)))
        else:
            with first.open("rb") as one, second.open("rb") as other:
                found = list(differences(_of_tar(one), _of_tar(other)))
        yield from found or ["the same files; the archives differ"]


def main(first: Path, second: Path) -> int:
    """Compare; 1 if they differ."""
    if first.suffix == ".tar":
        with closing(Image(first)) as one, closing(Image(second)) as other:
            found = list(of_images(one, other))
            what = f"{len(one.digests)} layers" + "".join(f"\n        {digest}" for digest in one.digests)
    else:
        found, what = list(of_packages(first, second)), f"{first.name} {hashlib.sha256(first.read_bytes()).hexdigest()}"
    print("FAILED the two builds differ:" if found else f"ok     the same twice: {what}")
    for line in found[:50]:
        print("      ", line)
    return min(len(found), 1)


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
