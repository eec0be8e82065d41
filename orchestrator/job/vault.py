"""The DataOps vault: a plain YAML file, already decrypted by the platform."""

from collections.abc import Mapping
from typing import Any

from orchestrator.job.files import read_text
from orchestrator.values.extras import install

__all__ = ["VaultError", "look_up", "read_vault"]

DEEPEST = 100  # levels of brackets


class VaultError(ValueError):
    """A vault that cannot be used; the message shows nothing of its content.

    Attributes:
        fix: What to do about it.
    """

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(problem)
        self.fix = fix


def read_vault(file: str) -> Mapping[str, Any]:
    """The vault's content; every key and every value is a string, as it is written there.

    Args:
        file: Path of the file.

    Raises:
        VaultError: It cannot be read, or is not a valid vault.
    """
    try:
        import yaml  # noqa: PLC0415  # only where a vault is used
    except ImportError:
        raise VaultError("requires the extra vault (yaml is missing)", install("vault")) from None
    text = _text(file)
    try:
        content = yaml.load(text, Loader=_loader(yaml.BaseLoader))  # noqa: S506  # it constructs nothing else
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise VaultError(f"is not valid YAML{where}", "correct it there") from None
    except RecursionError:
        raise VaultError("is nested too deeply", "nest it like FIVETRAN: {DEFAULT: {API_KEY: ...}}") from None
    except VaultError:
        raise
    except (OverflowError, ValueError):  # of an escape that is no character, or a version of thousands of digits
        raise VaultError("is not valid YAML", "correct it there") from None
    if not isinstance(content, Mapping):
        raise VaultError("is not a mapping of names", "write FIVETRAN: {DEFAULT: {API_KEY: ..., API_SECRET: ...}}")
    if content and all("." in name for name in content):
        raise VaultError("is flat (its names contain dots)", "nest them: FIVETRAN: {DEFAULT: {API_KEY: ...}}")
    return content


def _text(file: str) -> str:
    """The text of a vault that is not encrypted."""
    try:
        text = read_text(file)
    except FileNotFoundError:
        raise VaultError("does not exist", "set FIVETRAN_VAULT_FILE or DATAOPS_SECRETS_DIR to where it is") from None
    except OSError as error:
        raise VaultError(f"cannot be read: {error.strerror}", "check its path and permissions") from None
    if text.lstrip().startswith("$ANSIBLE_VAULT"):
        raise VaultError("is encrypted", "make sure that the platform decrypts it before this job")
    return text


def _loader(base: Any) -> Any:  # noqa: ANN401  # a class of PyYAML, which is imported where a vault is used
    """What makes texts of everything, takes no name twice, and is not nested too deeply."""

    # BaseLoader makes texts of everything, so `2024` is a key and `0123` keeps its zero.
    class Loader(base):  # type: ignore[misc]  # any of PyYAML's
        def fetch_flow_collection_start(self, kind: Any) -> None:  # noqa: ANN401  # PyYAML's form
            if self.flow_level >= DEEPEST:  # what opens more of them takes seconds
                raise RecursionError
            super().fetch_flow_collection_start(kind)

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: ANN401, FBT001, FBT002  # PyYAML's form
            names: set[str] = set()
            for name, _ in node.value:
                if not isinstance(name.value, str):
                    continue  # PyYAML refuses it
                if name.value in names:
                    line = name.start_mark.line + 1
                    raise VaultError(f"has a duplicate name in line {line}", "remove one of the two")
                names.add(name.value)
            made: dict[Any, Any] = super().construct_mapping(node, deep=deep)
            return made

    return Loader


def look_up(vault: Mapping[str, Any], path: str) -> str | None:
    """The value at `A.B.C`, stripped; None if there is none."""
    found: Any = vault
    for segment in path.split("."):
        found = found.get(segment) if isinstance(found, Mapping) else None
    return (found.strip() or None) if isinstance(found, str) else None
