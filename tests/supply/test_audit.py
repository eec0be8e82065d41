"""What `make audit` says of what is known, of what is excepted, and of silence."""

import json
from pathlib import Path

import pytest
from audit import main

VULNERABLE = {
    "dependencies": [
        {
            "name": "requests",
            "version": "2.1",
            "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2.2"]}],
        },
        {"name": "six", "version": "1.0", "vulns": []},
    ]
}
CLEAN = {"dependencies": [{"name": "six", "version": "1.0", "vulns": []}]}
UNKNOWN = {"dependencies": [{"name": "six", "skip_reason": "not found"}]}


@pytest.fixture
def allowed(tmp_path: Path) -> Path:
    """A file that excepts nothing."""
    path = tmp_path / "allowed.toml"
    path.write_text("[vulnerabilities]\n")
    return path


def _pip_audit(folder: Path, **answers: object) -> str:
    """A pip-audit that has these answers; a service without one cannot be reached."""
    for service, answer in answers.items():
        (folder / service).write_text(json.dumps(answer))
    command = folder / "pip-audit"
    command.write_text(
        '#!/bin/sh\nwhile [ "$1" != --vulnerability-service ]; do shift; done\n'
        f'cat "{folder}/$2" 2> /dev/null || {{ echo "ConnectionError: no such host" >&2; exit 1; }}\n'
    )
    command.chmod(0o755)
    return str(command)


def test_known_vulnerability_fails(tmp_path: Path, allowed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A known vulnerability is named with the version that fixes it, and fails."""
    code = main(_pip_audit(tmp_path, pypi=VULNERABLE), str(allowed), "locks/image.txt")

    assert code == 1
    assert "locks/image.txt: requests 2.1 has PYSEC-1, fixed in 2.2\n" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["PYSEC-1", "CVE-1"])
def test_excepted_vulnerability_passes(
    tmp_path: Path, allowed: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """One that does no harm here, by either of its names and with the reason, passes and is counted."""
    allowed.write_text(f'[vulnerabilities]\n{name} = "we never call it"\n')

    assert main(_pip_audit(tmp_path, pypi=VULNERABLE), str(allowed), "locks/image.txt") == 0
    assert "knows 1 vulnerabilities of 2 packages, 1 excepted" in capsys.readouterr().out


def test_exception_without_a_reason_counts_for_nothing(tmp_path: Path, allowed: Path) -> None:
    """An exception has to say why."""
    allowed.write_text('[vulnerabilities]\nPYSEC-1 = ""\n')

    assert main(_pip_audit(tmp_path, pypi=VULNERABLE), str(allowed), "locks/image.txt") == 1


@pytest.mark.parametrize(
    "answers", [{}, {"pypi": UNKNOWN}, {"pypi": UNKNOWN, "osv": UNKNOWN}, {"osv": {"dependencies": []}}]
)
def test_silence_is_said_and_is_no_failure(
    tmp_path: Path, allowed: Path, capsys: pytest.CaptureFixture[str], answers: dict[str, object]
) -> None:
    """Where nobody answers for all packages, the check is said to be left out, with the causes, and does not fail."""
    code = main(_pip_audit(tmp_path, **answers), str(allowed), "locks/image.txt")

    said = capsys.readouterr().out
    assert code == 0
    assert "locks/image.txt: the check for known vulnerabilities was LEFT OUT" in said
    assert "  the package index: " in said
    assert "  OSV: " in said


def test_next_service_is_asked(tmp_path: Path, allowed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the index has no data, OSV's count."""
    code = main(_pip_audit(tmp_path, pypi=UNKNOWN, osv=CLEAN), str(allowed), "locks/image.txt", "locks/build.txt")

    said = capsys.readouterr().out
    assert code == 0
    assert "locks/image.txt: OSV knows 0 vulnerabilities of 1 packages" in said
    assert "locks/build.txt: OSV knows 0 vulnerabilities of 1 packages" in said
