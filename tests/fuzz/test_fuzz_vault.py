"""The vault file: any bytes are a vault or a VaultError, in a time that is in proportion to them."""

from pathlib import Path

import pytest
from fuzzing import assert_clear, fuzzed, growth, no_file, torn
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.job.configuration import ConfigurationError, configure
from orchestrator.job.vault import VaultError, look_up, read_vault

VAULT = b"""\
# the project's
FIVETRAN:
  DEFAULT: &pair {API_KEY: abcdefgh, "API_SECRET": 'ijklmnop'}
  OTHER: *pair
2024: [a, "b\\u00e9", |
    block
  , >-
    folded
  ]
? complex
: !!str value
"""
PIECES = st.sampled_from(
    [
        *(
            "a",
            "b",
            ": ",
            ":",
            "- ",
            "-",
            "\n",
            "\n  ",
            " ",
            "\t",
            "[",
            "]",
            "{",
            "}",
            ", ",
            "? ",
            "|",
            ">-",
            "'",
            '"',
            "#",
        ),
        *("&a ", "*a", "&b ", "*b", "<<: ", "!!map ", "!!binary ", "!x ", "!<a%zz> ", "---\n", "...\n", "%YAML 1.1\n"),
        *(
            "%TAG ! b\n",
            "\\",
            "\\U00110000",
            "\\UFFFFFFFF",
            "\\ud800",
            "\\x",
            "9" * 5_000,
            "\ufeff",
            "\u2028",
            "=",
            "~",
        ),
        *("@", "`", "%", "\x07", "\x85", "null", "2024-13-45", "0x", "1e999", ".inf", "FIVETRAN", "DEFAULT", "A.B"),
    ]
)
DEEP = b"? " * 100 + b"x"


def laughs(levels: int) -> bytes:
    """Some hundred bytes that are ten to that power when they are written out, as a value and as a name."""
    lines = ["l0: &l0 [ha]"]
    lines += [f"l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * 10)}]" for level in range(1, levels)]
    return "\n".join([*lines, f"? *l{levels - 1}", ": x"]).encode()


@fuzzed(80)
@given(content=torn(VAULT) | st.lists(PIECES, max_size=30).map("".join).map(str.encode) | st.binary(max_size=60))
@example(b'A: "\\UFFFFFFFF"')
@example(b'A: "\\U00110000"')
@example(b"%YAML 1." + b"1" * 5_000 + b"\n---\nA: b")
@example(b"%YAML " + b"1" * 5_000 + b".1\n---\nA: b")
@example(laughs(40))
@example(DEEP)
def test_any_bytes_are_a_vault_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever the vault file holds, what is looked up in it is a text or nothing, or it is refused in one line."""
    file = tmp_path_factory.getbasetemp() / "vault.yml"
    file.write_bytes(content)

    try:
        vault = read_vault(str(file))
    except VaultError as error:
        assert_clear(f"{error}: {error.fix}")
        return
    for path in ("FIVETRAN.DEFAULT.API_KEY", "FIVETRAN.OTHER.API_SECRET", "a", "2024", ""):
        found = look_up(vault, path)

        assert found is None or (found and found == found.strip())


@fuzzed(15)
@given(content=torn(VAULT))
def test_no_vault_is_a_bug(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever the vault file holds, the job is configured, or told in one line what is wrong: never the content."""
    file = tmp_path_factory.getbasetemp() / "vault.yml"
    file.write_bytes(content)
    given = {"FIVETRAN_ACTION": "START", "CONNECTOR_ID": "a", "SET_FIVETRAN_KEYS_TO_ENV": "1"}

    try:
        configured = configure({**given, "FIVETRAN_VAULT_FILE": str(file)})
    except ConfigurationError as error:
        for line in error.errors:
            assert_clear(line, "FIVETRAN_")
            assert "ijklmnop" not in line
        return

    assert configured.settings.api_key
    assert configured.settings.api_secret


@pytest.mark.parametrize("kind", ["directory", "fifo", "device", "link to itself", "no file", "name too long"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    """A directory, a FIFO, a device or a link to itself in place of the vault is refused, and never waited for."""
    file = no_file(tmp_path / "vault.yml", kind)

    with pytest.raises(VaultError) as refused:
        read_vault(str(file))

    assert_clear(f"{refused.value}: {refused.value.fix}")


@pytest.mark.parametrize("piece", ['"', "\\", "- a\n", "#", "? a\n", "%a\n", "&", "'\n\n'"])
def test_no_vault_takes_more_time_than_it_is_long(tmp_path: Path, piece: str) -> None:
    """Whatever a vault is full of, reading it takes time in proportion to its length, not to its square."""
    file = tmp_path / "vault.yml"

    def read(text: str) -> None:
        file.write_text(text)
        with pytest.raises(VaultError):
            read_vault(str(file))

    assert growth(read, lambda length: "[" + piece * (length // len(piece)), 2_000) < 100
