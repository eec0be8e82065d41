"""Say what the image holds, as CycloneDX (a software bill of materials), and judge the licences. `make sbom` calls it.

Usage: sbom.py ARCHIVE TIME ALLOWED FOLDER

ARCHIVE is the image as docker-archive, TIME when it is dated (seconds since 1970), ALLOWED the file that says which
licences are, FOLDER where the bill goes. The same image gives the same bytes.
"""

import json
import os
import re
import sys
import tarfile
import tomllib
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_string
from pathlib import Path
from typing import Any

import cyclonedx
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.contact import OrganizationalEntity
from cyclonedx.model.lifecycle import LifecyclePhase, PredefinedLifecycle
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from license_expression import ExpressionError, LicenseExpression, LicenseSymbol, get_spdx_licensing
from packageurl import PackageURL
from packaging.metadata import RawMetadata, parse_email
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

PACKAGE = "fivetran-orchestrator"
HOME = f"opt/{PACKAGE}/"
LABEL = "org.opencontainers.image."
WANTED = re.compile(
    r"(?:usr/lib|etc)/os-release|var/lib/dpkg/status"
    rf"|{HOME}wheels\.sha256|.*/(?:site|dist)-packages/[^/]+\.dist-info/METADATA"
)
SPDX = get_spdx_licensing()


class SbomError(Exception):
    """The image cannot be described."""


# --- What is in the image -------------------------------------------------------------------------


@dataclass(frozen=True)
class Image:
    """What is read of an image.

    Attributes:
        config: How it is started, and on what.
        layers: The digests of its layers, the base's first.
        files: The few files that say what is installed, by path.
    """

    config: Mapping[str, Any]
    layers: tuple[str, ...]
    files: Mapping[str, str]


def read_image(path: Path) -> Image:
    """Read a docker-archive."""
    with tarfile.open(path) as archive:

        def content(name: str) -> Any:  # noqa: ANN401  # any JSON
            stream = archive.extractfile(name)
            return json.load(stream) if stream else None

        (manifest,) = content("manifest.json")
        about = content(manifest["Config"])
        files: dict[str, str] = {}
        for name in manifest["Layers"]:
            with tarfile.open(fileobj=archive.extractfile(name)) as layer:
                for member in layer:
                    found = os.path.normpath(member.name).lstrip("/")
                    folder, base = os.path.split(found)
                    if base.startswith(".wh."):  # a layer removes what an earlier one has
                        gone = folder if base == ".wh..wh..opq" else os.path.join(folder, base.removeprefix(".wh."))  # noqa: PTH118
                        files = {
                            one: text for one, text in files.items() if one != gone and not one.startswith(f"{gone}/")
                        }
                    elif member.isreg() and WANTED.fullmatch(found):
                        stream = layer.extractfile(member)
                        files[found] = stream.read().decode() if stream else ""
    return Image(about, tuple(about["rootfs"]["diff_ids"]), files)


def licence_of(metadata: RawMetadata) -> str | None:
    """The licence that a package names, as SPDX does; None if it does not."""
    for said in (metadata.get("license_expression"), metadata.get("license")):
        try:
            parsed = SPDX.parse(said or "", validate=True)
        except ExpressionError:
            continue
        if parsed is not None:
            return str(parsed)
    return None


def digests(image: Image) -> dict[tuple[str, str], str]:
    """Name and version of each wheel that was installed -> the SHA-256 of the file."""
    found = {}
    for line in image.files.get(f"{HOME}wheels.sha256", "").splitlines():
        digest, file = line.split()
        name, version, *_ = parse_wheel_filename(file)
        found[str(name), str(version)] = digest
    return found


def python_packages(image: Image) -> Iterator[tuple[Component, list[str]]]:
    """Each Python package, with the names of those that it may need."""
    wheels = digests(image)
    for path, text in sorted(image.files.items()):
        if path.endswith("METADATA"):
            metadata, _ = parse_email(text)
            name, version = canonicalize_name(metadata["name"]), metadata["version"]
            licence, url = licence_of(metadata), PackageURL("pypi", None, name, version)
            digest = wheels.get((name, version)) if path.startswith(HOME) else None
            if path.startswith(HOME) and digest is None:
                raise SbomError(f"{name} {version} is in the image, but not among the wheels that were installed")
            component = Component(
                type=ComponentType.APPLICATION if name == PACKAGE else ComponentType.LIBRARY,
                name=name,
                version=version,
                description=metadata.get("summary"),
                purl=url,
                bom_ref=str(url),
                licenses=[LicenseFactory().make_from_string(licence)] if licence else (),
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)] if digest else (),
                properties=[Property(name="image:path", value=f"/{path.rpartition('/')[0]}")],
            )
            yield component, [canonicalize_name(Requirement(line).name) for line in metadata.get("requires_dist", ())]


def debian_packages(image: Image) -> Iterator[Component]:
    """Each package of the distribution."""
    system = dict(
        re.findall(
            r'^(\w+)="?([^"\n]*)"?$',
            image.files.get("usr/lib/os-release", image.files.get("etc/os-release", "")),
            re.MULTILINE,
        )
    )
    distro = f"{system.get('ID', 'debian')}-{system.get('VERSION_ID', 'unknown')}"
    yield Component(
        type=ComponentType.OPERATING_SYSTEM,
        name=system.get("ID", "debian"),
        version=system.get("VERSION_ID"),
        description=system.get("PRETTY_NAME"),
        bom_ref=f"os:{distro}",
    )
    for stanza in re.split(r"\n\n+", image.files.get("var/lib/dpkg/status", "").strip()):
        about = message_from_string(stanza)
        if "installed" not in about["Status"].split():
            continue
        qualifiers = {"arch": about["Architecture"], "distro": distro}
        if about["Source"]:  # scanners look for what is known of a source
            source, _, version = about["Source"].partition(" ")
            qualifiers["upstream"] = source + (f"@{version.strip('()')}" if version else "")
        url = PackageURL("deb", system.get("ID", "debian"), about["Package"], about["Version"], qualifiers)
        yield Component(
            type=ComponentType.LIBRARY,
            name=about["Package"],
            version=about["Version"],
            purl=url,
            bom_ref=str(url),
            supplier=OrganizationalEntity(name=about["Maintainer"]),
        )


def interpreter(image: Image) -> Iterator[Component]:
    """The Python of the official image, which does not come from a Debian package."""
    variables = dict(line.split("=", 1) for line in image.config["config"].get("Env") or ())
    if version := variables.get("PYTHON_VERSION"):
        yield Component(
            type=ComponentType.PLATFORM,
            name="python",
            version=version,
            purl=PackageURL("generic", None, "python", version),
            bom_ref=f"pkg:generic/python@{version}",
            licenses=[LicenseFactory().make_from_string("PSF-2.0")],
        )


def bill(image: Image, time: int) -> Bom:
    """All of it."""
    labels = image.config["config"]["Labels"]
    version = labels[f"{LABEL}version"]
    root = Component(
        type=ComponentType.CONTAINER,
        name=PACKAGE,
        version=version,
        description=labels[f"{LABEL}description"],
        bom_ref="image",
        licenses=[LicenseFactory().make_from_string(labels[f"{LABEL}licenses"])],
        properties=[
            Property(name="image:platform", value=f"{image.config['os']}/{image.config['architecture']}"),
            Property(name="image:revision", value=labels[f"{LABEL}revision"]),
            *(Property(name=f"image:layer:{place}", value=digest) for place, digest in enumerate(image.layers, 1)),
        ],
    )
    bom = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_OID, " ".join((PACKAGE, version, *image.layers))))
    bom.metadata.timestamp = datetime.fromtimestamp(time, UTC)
    bom.metadata.component = root
    bom.metadata.lifecycles = [PredefinedLifecycle(phase=LifecyclePhase.BUILD)]
    bom.metadata.tools.components.add(
        Component(type=ComponentType.LIBRARY, name="cyclonedx-python-lib", version=cyclonedx.__version__)
    )
    packages = list(python_packages(image))
    inside = {component.name: component for component, _ in packages if _is_ours(component)}
    if PACKAGE not in inside:
        raise SbomError(f"{PACKAGE} is not in the image")
    base = [
        *interpreter(image),
        *debian_packages(image),
        *(component for component, _ in packages if not _is_ours(component)),
    ]
    bom.components.update(component for component, _ in packages)
    bom.components.update(base)
    bom.register_dependency(root, [inside[PACKAGE], *base])
    for component, needs in packages:
        bom.register_dependency(
            component, [inside[name] for name in needs if name in inside] if _is_ours(component) else []
        )
    return bom


def _is_ours(component: Component) -> bool:
    """Whether a Python package is one that the image adds to its base."""
    return any(prop.value and prop.value.startswith(f"/{HOME}") for prop in component.properties)


# --- Whether the licences are allowed -------------------------------------------------------------


def _allows(allowed: Iterable[str], licence: LicenseExpression) -> bool:
    """Whether one of the choices that an expression leaves is allowed."""
    if isinstance(licence, LicenseSymbol):
        return licence.key in allowed
    choices = [_allows(allowed, part) for part in licence.args]
    return any(choices) if isinstance(licence, SPDX.OR) else all(choices)


def licence_problems(components: Iterable[Component], rules: Mapping[str, Any]) -> Iterator[str]:
    """What is not allowed, and what is excepted without need; one line each."""
    exceptions, needed = rules.get("exceptions", {}), set()
    for component in sorted(components, key=lambda component: component.name):
        licence = " AND ".join(
            one.value if hasattr(one, "value") else (one.id or one.name) for one in component.licenses
        )
        if licence and _allows(rules["allowed"], SPDX.parse(licence)):
            continue
        exception = exceptions.get(component.name)
        if exception is None:
            yield f"{component.name} {component.version} has {licence or 'no licence that SPDX knows'}: not on the list"
            continue
        needed.add(component.name)
        if not exception.get("reason"):
            yield f"{component.name}: the exception gives no reason"
        if exception.get("licence") != licence:
            yield f"{component.name} {component.version} has {licence}, the exception is for {exception.get('licence')}"
    yield from (f"{name} needs no exception: remove it" for name in sorted(exceptions.keys() - needed))


def main(archive: str, time: str, allowed: str, folder: str) -> int:
    """Write the bill; 1 if a licence is not allowed.

    Raises:
        SbomError: The image cannot be described.
    """
    image = read_image(Path(archive))
    bom = bill(image, int(time))
    text = JsonV1Dot6(bom).output_as_string(indent=2) + "\n"
    if wrong := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise SbomError(f"not valid CycloneDX: {wrong}")
    version, platform = image.config["config"]["Labels"][f"{LABEL}version"], image.config["architecture"]
    path = Path(folder) / f"{PACKAGE}-{version}-{platform}.cdx.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    ours = [component for component in bom.components if _is_ours(component)]
    print(f"{path}: valid CycloneDX 1.6")
    print(f"{len(ours)} Python packages of the job, {len(bom.components) - len(ours)} components of its base")
    problems = list(licence_problems(ours, tomllib.loads(Path(allowed).read_text("utf-8"))["licences"]))
    for problem in problems:
        print(f"{allowed}: {problem}")
    if not problems:
        print(f"{allowed}: all licences are allowed")
    return min(len(problems), 1)


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except SbomError as error:
        sys.exit(f"no SBOM: {error}")
