"""What to install where a library is missing that only a part of the program needs."""

__all__ = ["install", "missing"]


def missing(what: str, extra: str, module: str) -> str:
    """One line for who lacks an extra.

    Args:
        what: What requires it.
        extra: Its name in pyproject.toml.
        module: The module that is not there.
    """
    return f"{what} requires the extra {extra} ({module} is missing): {install(extra)}"


def install(extra: str) -> str:
    """How to install it, whatever installed the program."""
    package = f"'fivetran-orchestrator[{extra}]'"
    return f"pip install {package}; pipx install --force {package}; or uvx --from {package} fivetran-orchestrator ..."
