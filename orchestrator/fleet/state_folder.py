"""FIVETRAN_STATE_FILE of many connections: a folder with a state file for each."""

from pathlib import Path

from orchestrator.job.state_file import StateFileError

__all__ = ["StateFolder"]


class StateFolder:
    """The folder; made where there is none.

    Args:
        path: As given; "" for none.

    Raises:
        StateFileError: It is not a folder, or cannot be made.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        if not path:
            return
        try:
            Path(path).mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise StateFileError(
                path, "is a file", "name a folder: of several connections each has a file there"
            ) from None
        except OSError as error:
            raise StateFileError(path, f"cannot be made a folder ({error.strerror})", "name one that can") from error

    def file(self, connector_id: str) -> str:
        """The state file of a connection; "" for none."""
        return str(Path(self._path, f"{connector_id}.json")) if self._path else ""
