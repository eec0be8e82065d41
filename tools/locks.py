"""What this project is built and tested with, to the byte: `make lock` renews it, `make lock-check` judges it.

Usage: locks.py check
       locks.py renew UV

`check` needs no network. `renew` asks the package indexes that are configured, with UV (the command), with npm and with
a client of container registries; what it has no client for, or no answer to, it says and leaves as it is.

A lock of Python packages names in its head what was asked for, so that it can be held against pyproject.toml without
asking anybody. None names an index: where packages come from is for each machine to say, hashes say what they are.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

SOURCE = Path(__file__).parent.parent
PLATFORMS = ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28")  # what the image is built for, as uv calls them
BASE = re.compile(r"^ARG BASE=(?P<name>python:(?P<python>3\.\d+)-slim)@(?P<digest>sha256:[0-9a-f]{64})$", re.MULTILINE)
HEAD = "# Made by `make lock` for Python {python}{wheels}. What pyproject.toml asks for:\n"
ASKED = "#   "


class LockError(Exception):
    """Nothing can be locked as it is."""


@dataclass(frozen=True)
class Lock:
    """One lock: where it is, and for whom.

    Attributes:
        name: Of the file, in locks/.
        purpose: Why there is one.
        part: Of pyproject.toml: "build" is what builds the wheel, "group" what [dependency-groups] has under the
            lock's name, "package" the package with the extras.
        extras: Of the package, where it is that.
        image: Whether it goes into the image: for its Python, of wheels alone, with the versions that the tests have.
        lowest: Whether it holds the oldest versions that the package's ranges allow, and else the newest.
    """

    name: str
    purpose: str
    part: str
    extras: tuple[str, ...] = ()
    image: bool = False
    lowest: bool = False


LOCKS = (
    Lock("dev", "what developing, testing and CI need", "package", ("dev",)),
    Lock("image", "what goes into the image", "package", ("vault",), image=True),
    Lock("build", "what builds the wheel for the image", "build", image=True),
    Lock("oldest", "the oldest packages that the ranges allow, and the tests' tools", "package", ("dev",), lowest=True),
    Lock("supply", "what makes locks and looks for vulnerabilities", "group"),
)


@dataclass(frozen=True)
class Pin:
    """A line of a lock."""

    requirement: Requirement
    hashes: tuple[str, ...]

    @property
    def name(self) -> str:
        """As indexes spell it."""
        return canonicalize_name(self.requirement.name)

    @property
    def version(self) -> str | None:
        """The one version; None if it allows several, or names an address."""
        found = re.fullmatch(r"==([^*,]+)", str(self.requirement.specifier))
        return found[1] if found and self.requirement.url is None else None


# --- What is asked for ----------------------------------------------------------------------------


class Sources:
    """The files that say what is needed, in one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.pyproject: dict[str, Any] = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))

    @property
    def base(self) -> re.Match[str]:
        """The base image in the Dockerfile.

        Raises:
            LockError: It is not named as it should be.
        """
        found = BASE.findall(text := (self.root / "Dockerfile").read_text("utf-8"))
        if len(found) != 1 or not (match := BASE.search(text)):
            raise LockError(
                "Dockerfile: needs one line ARG BASE=python:3.N-slim@sha256:DIGEST; found " + str(len(found))
            )
        return match

    @property
    def oldest_python(self) -> str:
        """The first Python that the package runs on."""
        return str(self.pyproject["project"]["requires-python"]).removeprefix(">=")

    def python(self, lock: Lock) -> str:
        """The Python that a lock is for; unless it is for the image or the oldest, newer ones are included."""
        return self.base["python"] if lock.image else self.oldest_python

    def _of_package(self, extras: Iterable[str]) -> Iterator[Requirement]:
        project = self.pyproject["project"]
        for line in [
            *project["dependencies"],
            *(line for extra in extras for line in project["optional-dependencies"][extra]),
        ]:
            requirement = Requirement(line)
            if self._is_package(requirement):
                yield from self._of_package(sorted(requirement.extras))
            else:
                yield requirement

    def ranges(self) -> set[str]:
        """The packages of which users have versions of their own: the package's, with the extras that dev has of it."""
        (extra,) = (lock.extras for lock in LOCKS if lock.lowest)
        wanted = (
            Requirement(line) for name in extra for line in self.pyproject["project"]["optional-dependencies"][name]
        )
        extras = {one for each in wanted if self._is_package(each) for one in each.extras}
        return {canonicalize_name(requirement.name) for requirement in self._of_package(sorted(extras))}

    def _is_package(self, requirement: Requirement) -> bool:
        """Whether a requirement is for extras of the package itself."""
        return canonicalize_name(requirement.name) == canonicalize_name(self.pyproject["project"]["name"])

    def asked(self, lock: Lock) -> list[str]:
        """What a lock must satisfy, one requirement a line."""
        if lock.part == "package":
            found = self._of_package(lock.extras)
        else:
            lines = (
                self.pyproject["build-system"]["requires"]
                if lock.part == "build"
                else self.pyproject["dependency-groups"][lock.name]
            )
            found = map(Requirement, lines)
        return sorted({str(requirement) for requirement in found}, key=str.lower)

    def path(self, lock: Lock) -> Path:
        """Where a lock is."""
        return self.root / "locks" / f"{lock.name}.txt"

    def head(self, lock: Lock) -> str:
        """How the file begins that fits."""
        reach = "" if lock.image or lock.lowest else " and newer"
        first = HEAD.format(python=self.python(lock) + reach, wheels=", wheels alone" if lock.image else "")
        return f"# {lock.purpose[0].upper()}{lock.purpose[1:]}.\n{first}" + "".join(
            f"{ASKED}{line}\n" for line in self.asked(lock)
        )

    def packages_of_node(self) -> list[Path]:
        """Each package.json of the tests."""
        return sorted(self.root.glob("tests/*/package.json"))


def read(path: Path) -> tuple[str, list[Pin]]:
    """The head of a lock and its lines."""
    text = path.read_text("utf-8")
    head = "".join(re.findall(r"\A(?:#.*\n)*", text))
    pins = []
    for block in re.findall(r"^[A-Za-z0-9].*(?:\n[ \t].*)*", text, re.MULTILINE):
        requirement = re.split(r"\s+(?:\\|--hash|#)", block, maxsplit=1)[0]
        pins.append(Pin(Requirement(requirement.strip()), tuple(re.findall(r"--hash=(sha256:[0-9a-f]{64})\b", block))))
    return head, pins


# --- Whether it fits ------------------------------------------------------------------------------


def _differences(wanted: str, found: str, name: str) -> Iterator[str]:
    """How a lock's head differs from the one that fits."""
    asks, asked = (
        {line.removeprefix(ASKED) for line in text.splitlines() if line.startswith(ASKED)} for text in (wanted, found)
    )
    yield from (f"{name} was made without {line}, which pyproject.toml asks for" for line in sorted(asks - asked))
    yield from (f"{name} was made for {line}, which pyproject.toml does not ask for" for line in sorted(asked - asks))
    if asks == asked and wanted != found:
        yield f"{name} begins otherwise than: {wanted.splitlines()[1]}"


def check_python(sources: Sources, lock: Lock) -> Iterator[str]:
    """What is wrong with one lock of Python packages."""
    name = f"locks/{lock.name}.txt"
    if not sources.path(lock).is_file():
        yield f"{name} is missing"
        return
    head, pins = read(sources.path(lock))
    yield from _differences(sources.head(lock), head, name)
    if "://" in sources.path(lock).read_text("utf-8"):
        yield f"{name} names an address: where packages come from is for each machine to say"
    for pin in pins:
        if pin.version is None:
            yield f"{name}: {pin.requirement} is not one version"
        if not pin.hashes:
            yield f"{name}: {pin.requirement} has no hash"
    for asked in map(Requirement, sources.asked(lock)):
        versions = [pin.version for pin in pins if pin.name == canonicalize_name(asked.name) and pin.version]
        if not any(asked.specifier.contains(version, prereleases=True) for version in versions):
            yield f"{name} has {asked.name} {' and '.join(versions) or 'not at all'}, pyproject.toml asks for {asked}"


def check_oldest(sources: Sources) -> Iterator[str]:
    """Whether the oldest versions that are tested are those that the ranges name."""
    (lock,) = (lock for lock in LOCKS if lock.lowest)
    if not sources.path(lock).is_file():
        return
    versions = {pin.name: pin.version for pin in read(sources.path(lock))[1]}
    for asked in map(Requirement, sources.asked(lock)):
        name = canonicalize_name(asked.name)
        if name in sources.ranges() and versions.get(name):
            lowest = [part.version for part in asked.specifier if part.operator in {">=", "==", "~="}]
            if not any(SpecifierSet(f"=={version}").contains(versions[name] or "") for version in lowest):
                yield (
                    f"pyproject.toml allows {asked}, but the oldest that is tested is {versions[name]} "
                    f"(locks/{lock.name}.txt): raise the range to it"
                )


def check_same(sources: Sources) -> Iterator[str]:
    """Whether the image holds what the tests ran with."""
    found = {lock.name: read(sources.path(lock))[1] for lock in LOCKS if sources.path(lock).is_file()}
    tested = {(pin.name, pin.version) for pin in found.get("dev", ())}
    for lock in LOCKS:
        if lock.image:
            for pin in found.get(lock.name, ()):
                if (pin.name, pin.version) not in tested:
                    yield f"locks/{lock.name}.txt has {pin.name} {pin.version}, which locks/dev.txt does not test"


def check_node(package: Path, root: Path) -> Iterator[str]:
    """What is wrong with one lock of npm's."""
    path = package.with_name("package-lock.json")
    name = path.relative_to(root)
    if not path.is_file():
        yield f"{name} is missing"
        return
    wants = json.loads(package.read_text("utf-8"))
    packages: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8")).get("packages", {})
    for kind in ("dependencies", "devDependencies", "optionalDependencies"):
        asks, asked = wants.get(kind, {}), packages.get("", {}).get(kind, {})
        for each in sorted(asks.keys() | asked.keys()):
            ask, was = asks.get(each, "not at all"), asked.get(each, "not at all")
            if ask != was:
                yield f"{name} was made for {each} {was}, {package.name} says {ask}"
        for each, version in asks.items():
            locked = packages.get(f"node_modules/{each}", {}).get("version")
            if locked is None or (re.fullmatch(r"\d+\.\d+\.\d+", version) and locked != version):
                yield f"{name} has {each} {locked or 'not at all'}, {package.name} asks for {version}"
    for each, about in packages.items():
        if each and not about.get("link"):
            if not str(about.get("integrity", "")).startswith("sha512-"):
                yield f"{name}: {each} has no hash"
            if "resolved" in about:
                yield f"{name}: {each} names an address; omit-lockfile-registry-resolved in .npmrc prevents that"


def problems(root: Path) -> list[str]:
    """What does not fit in that folder, one line each."""
    sources = Sources(root)
    try:
        sources.base  # noqa: B018  # all else depends on it
    except LockError as error:
        return [str(error)]
    return [
        *(problem for lock in LOCKS for problem in check_python(sources, lock)),
        *check_oldest(sources),
        *check_same(sources),
        *(problem for package in sources.packages_of_node() for problem in check_node(package, root)),
    ]


# --- To renew it ----------------------------------------------------------------------------------


def _run(*command: str, given: str = "") -> str:
    """What a command prints.

    Raises:
        LockError: It failed; with the end of what it said.
    """
    done = subprocess.run(  # noqa: S603  # the tools that make locks
        command, input=given, capture_output=True, text=True, check=False, timeout=600
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise LockError(f"{' '.join(command[:3])} failed:\n" + "\n".join(said[-12:]))
    return done.stdout


def renew_python(sources: Sources, lock: Lock, uv: str) -> None:
    """Make one lock of Python packages anew."""
    asked, options = sources.asked(lock), ["--python-version", sources.python(lock)]
    if lock.lowest:
        # Only what users have in versions of their own; the tools of the tests are those of any other run.
        tools = {pin.name: pin for pin in read(sources.path(LOCKS[0]))[1]}
        pinned = [
            line
            if canonicalize_name(Requirement(line).name) in sources.ranges()
            else f"{Requirement(line).name}=={tools[canonicalize_name(Requirement(line).name)].version}"
            for line in asked
        ]
        given, options = pinned, [*options, "--resolution", "lowest-direct", "--no-build"]
    else:
        given, options = asked, [*options, "--universal"]
    if lock.image:
        options += ["--no-build", "--constraint", str(sources.path(LOCKS[0]))]
    made = _run(uv, "pip", "compile", "-", "--no-header", "--generate-hashes", *options, given="\n".join(given))
    path, text = sources.path(lock), sources.head(lock) + made
    if not path.is_file() or path.read_text("utf-8") != text:  # what is up to date needs no new installation
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    for platform in PLATFORMS if lock.image else ():
        with tempfile.TemporaryDirectory() as elsewhere:
            _run(
                uv, "pip", "install", "--dry-run", "--require-hashes", "--no-build", "--target", elsewhere,
                "--python-version", sources.python(lock), "--python-platform", platform,
                "--requirement", str(sources.path(lock)),
            )  # fmt: skip


def renew_node(package: Path) -> str:
    """Make one lock of npm's anew, and say so."""
    name = package.parent.relative_to(SOURCE)
    if not shutil.which("npm"):
        return f"{name}/package-lock.json is left as it is: there is no npm here"
    options = (
        "--package-lock-only",
        "--omit-lockfile-registry-resolved",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
    )
    with tempfile.TemporaryDirectory() as folder:  # npm takes what is installed beside it for known, without a hash
        elsewhere = Path(folder, package.parent.name)  # npm names the lock after it
        elsewhere.mkdir()
        shutil.copy(package, elsewhere)
        _run("npm", "install", "--prefix", str(elsewhere), *options)
        shutil.copy(elsewhere / "package-lock.json", package.parent)
    return f"{name}/package-lock.json"


def renew_base(sources: Sources) -> str:
    """Find the digest that the base image's name has now, and say so."""
    name, digest = sources.base["name"], sources.base["digest"]
    clients = (
        ("docker", "buildx", "imagetools", "inspect", name, "--format", "{{.Manifest.Digest}}"),
        ("skopeo", "inspect", "--format", "{{.Digest}}", f"docker://docker.io/library/{name}"),
    )
    why = "there is neither Docker with buildx nor skopeo here"
    for client in clients:
        if shutil.which(client[0]):
            try:
                said = _run(*client).strip().strip('"')
            except (LockError, subprocess.TimeoutExpired) as error:
                why = str(error).splitlines()[-1]
                continue
            if re.fullmatch(r"sha256:[0-9a-f]{64}", said):
                path = sources.root / "Dockerfile"
                path.write_text(path.read_text("utf-8").replace(digest, said), "utf-8")
                return f"Dockerfile: {name}@{said}" + (" (as before)" if said == digest else "")
            why = f"{client[0]} said {said[:80]}"
    return f"Dockerfile: {name}@{digest} is left as it is, no registry answered: {why}"


def main(verb: str = "check", *arguments: str) -> int:
    """Check or renew; 1 if something does not fit."""
    sources = Sources(SOURCE)
    if verb == "renew":
        print(renew_base(sources))
        for lock in LOCKS:
            renew_python(sources, lock, *arguments)
            print(f"locks/{lock.name}.txt: {lock.purpose}")
        for package in sources.packages_of_node():
            print(renew_node(package))
    found = problems(SOURCE)
    for problem in found:
        print(problem)
    if found:
        print("The locks do not fit; to renew them: make lock")
    else:
        node = len(sources.packages_of_node())
        print(f"The locks fit: {len(LOCKS)} of Python packages, {node} of npm's, the base image's digest")
    return min(len(found), 1)


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except LockError as error:
        sys.exit(str(error))
