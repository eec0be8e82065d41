"""Ask what is known of vulnerabilities in the packages that locks name; `make audit` calls it.

Usage: audit.py PIP_AUDIT ALLOWED LOCK...

PIP_AUDIT is the command, ALLOWED the file with the ids that do no harm here, and why. Whoever answers first is
believed: the package index, else OSV. Where neither has an answer for all packages, that is said, and is no failure.
"""

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

SERVICES = {"pypi": "the package index", "osv": "OSV"}


class NoAnswerError(Exception):
    """A service cannot be asked, or does not know all packages."""


def ask(pip_audit: str, service: str, lock: str) -> dict[str, list[dict[str, Any]]]:
    """What a service knows of each package of a lock, by name and version.

    Raises:
        NoAnswerError: It did not answer for each of them.
    """
    command = (
        pip_audit,
        "--progress-spinner=off",
        "--format=json",
        "--disable-pip",
        "--require-hashes",
        "--timeout=20",
    )
    done = subprocess.run(  # noqa: S603  # it is ours
        (*command, "--vulnerability-service", service, "--requirement", lock),
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (json.JSONDecodeError, KeyError):
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        raise NoAnswerError(said[-1]) from None
    if unknown := [package["name"] for package in packages if "skip_reason" in package]:
        raise NoAnswerError(f"no data for {', '.join(unknown)}")
    if not packages:
        raise NoAnswerError(f"{lock} names no package")
    return {f"{package['name']} {package['version']}": package["vulns"] for package in packages}


def main(pip_audit: str, allowed: str, *locks: str) -> int:
    """Ask; 1 if something is known that is not excepted."""
    reasons: dict[str, str] = tomllib.loads(Path(allowed).read_text("utf-8"))["vulnerabilities"]
    problems = []
    for lock in locks:
        without = []
        for service, name in SERVICES.items():
            try:
                found = ask(pip_audit, service, lock)
            except NoAnswerError as error:
                without.append(f"  {name}: {str(error)[:300]}")
                continue
            known = [(package, one) for package, those in found.items() for one in those]
            news = [
                (package, one)
                for package, one in known
                if not any(reasons.get(each) for each in (one["id"], *one["aliases"]))
            ]
            excepted = len(known) - len(news)
            print(f"{lock}: {name} knows {len(known)} vulnerabilities of {len(found)} packages, {excepted} excepted")
            problems += [
                f"{lock}: {package} has {one['id']}, fixed in {' or '.join(one['fix_versions']) or 'no version'}"
                for package, one in news
            ]
            break
        else:
            print(f"{lock}: the check for known vulnerabilities was LEFT OUT, no data could be had", *without, sep="\n")
    for problem in problems:
        print(problem)
    if problems:
        print(f"For versions without them: make lock; where one does no harm, say why in {allowed}")
    return min(len(problems), 1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
