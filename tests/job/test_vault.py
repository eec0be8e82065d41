import sys
import traceback
from pathlib import Path

import pytest

from orchestrator.job.vault import VaultError, look_up, read_vault
from orchestrator.values.extras import install


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the vault would be."""
    return tmp_path / "vault.yml"


@pytest.mark.parametrize(
    ("text", "path", "found"),
    [
        ("FIVETRAN: {DEFAULT: {API_KEY: abc}}", "FIVETRAN.DEFAULT.API_KEY", "abc"),
        ("\ufeffA: b", "A", "b"),
        ("A: 'b\n\n  '", "A", "b"),
        ("2024: {01: x}", "2024.01", "x"),
        ("A: 0123", "A", "0123"),
        ("A: 1_000", "A", "1_000"),
        ("A: yes", "A", "yes"),
        ("yes: no", "yes", "no"),
        ("A: 2024-01-02", "A", "2024-01-02"),
        ("A: !!int 012", "A", "012"),
        ("prod-eu (new: {a b: c}", "prod-eu (new.a b", "c"),
        ("A: &same {B: c}\nD: *same", "D.B", "c"),
        ("A.B: c\nD: e", "D", "e"),
    ],
)
def test_texts_are_found_as_they_are_written(file: Path, text: str, path: str, found: str) -> None:
    """Keys and values are texts as they stand in the file: numbers, dates and booleans are none."""
    file.write_text(text, "utf-8")

    assert found == look_up(read_vault(str(file)), path)


@pytest.mark.parametrize(
    "path", ["B", "A.C", "A.B.C", "A", "a.b", "", "A.", "A.EMPTY", "A.BLANK", "A.LIST", "A.LIST.0"]
)
def test_what_is_no_text_is_not_found(file: Path, path: str) -> None:
    """A path to nothing, to blanks, to a list or to more names finds nothing."""
    file.write_text("A: {B: c, EMPTY: , BLANK: ' ', LIST: [d]}", "utf-8")

    assert look_up(read_vault(str(file)), path) is None


def test_vault_with_nothing_in_it_is_one(file: Path) -> None:
    """A mapping without names is a vault in which nothing is found."""
    file.write_text("{}", "utf-8")

    assert look_up(read_vault(str(file)), "A") is None


@pytest.mark.parametrize(
    ("content", "problem", "fix"),
    [
        (b"$ANSIBLE_VAULT;1.1;AES256\nhunter2\n", "is encrypted", "make sure that the platform decrypts it"),
        (
            b"\xef\xbb\xbf\n$ANSIBLE_VAULT;1.1;AES256\nhunter2\n",
            "is encrypted",
            "make sure that the platform decrypts it",
        ),
        (b"hunter2\xff: 1", "cannot be read: not UTF-8 text", "permissions"),
        (b"A: b\nhunter2: [c", "is not valid YAML in line 2", "correct it there"),
        (b"A: hunter2\n---\nA: hunter2\n", "is not valid YAML in line 2", "correct it there"),
        (b"? [hunter2]\n: b", "is not valid YAML in line 1", "correct it there"),
        (b"A: hunter2\x00", "cannot be read: not UTF-8 text", "permissions"),
        (b"A: hunter2\x01", "is not valid YAML", "correct it there"),
        ("A: hunter2".encode("utf-16"), "cannot be read: UTF-16 text: save it as UTF-8", "permissions"),
        (b"A: hunter2\nB: c\nA: hunter2", "has a duplicate name in line 3", "remove one of the two"),
        (b"X: {Y: {hunter2: b, hunter2: b}}", "has a duplicate name in line 1", "remove one of the two"),
        (b"2024: hunter2\n'2024': b", "has a duplicate name in line 2", "remove one of the two"),
        (b"A: &same {B: c}\nD: *same\nD: e", "has a duplicate name in line 3", "remove one of the two"),
        (b"[" * 5000, "is nested too deeply", "FIVETRAN: {DEFAULT"),
        (b"{a: " * 5000, "is nested too deeply", "FIVETRAN: {DEFAULT"),
        (b"- " * 5000, "is nested too deeply", "FIVETRAN: {DEFAULT"),
        (b"A: *hunter2", "is not valid YAML in line 1", "correct it there"),
        (b"", "is not a mapping of names", "FIVETRAN: {DEFAULT: {API_KEY"),
        (b"hunter2", "is not a mapping of names", "FIVETRAN: {DEFAULT: {API_KEY"),
        (b"- hunter2", "is not a mapping of names", "FIVETRAN: {DEFAULT: {API_KEY"),
        (b"FIVETRAN.DEFAULT.API_KEY: hunter2", "is flat (its names contain dots)", "nest them"),
    ],
)
def test_unusable_vault_says_why_and_shows_nothing(file: Path, content: bytes, problem: str, fix: str) -> None:
    """What is not a vault is refused with the problem and the fix, and without a word of its content."""
    file.write_bytes(content)

    with pytest.raises(VaultError) as caught:
        read_vault(str(file))

    assert problem == str(caught.value)
    assert fix in caught.value.fix
    assert "hunter2" not in f"{caught.value} {caught.value.fix}"
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_missing_vault_says_where_to_name_it(file: Path) -> None:
    """A vault that is not there is refused with the two variables that say where it is."""
    with pytest.raises(VaultError, match="does not exist") as caught:
        read_vault(str(file))

    assert caught.value.fix == "set FIVETRAN_VAULT_FILE or DATAOPS_SECRETS_DIR to where it is"


def test_unreadable_vault_says_so(tmp_path: Path) -> None:
    """A path that cannot be opened as a file is refused with the system's reason."""
    with pytest.raises(VaultError, match="cannot be read: it is a directory, not a regular file"):
        read_vault(str(tmp_path))


def test_vault_without_its_library_says_what_to_install(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where PyYAML is not installed, the extra that brings it is named."""
    monkeypatch.setitem(sys.modules, "yaml", None)

    with pytest.raises(VaultError, match=r"requires the extra vault \(yaml is missing\)") as caught:
        read_vault(str(file))

    assert caught.value.fix == install("vault")
