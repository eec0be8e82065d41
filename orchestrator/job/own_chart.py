"""A chart of the user's own, from its file."""

from orchestrator.job.files import read_text
from orchestrator.machine.chart import Chart
from orchestrator.machine.loader import ChartError, parse

__all__ = ["UnreadableChartError", "load_file"]


class UnreadableChartError(ChartError):
    """A file that cannot be read, or is not text."""


def load_file(path: str, action: str | None = None) -> Chart:
    """A user's own chart.

    Args:
        path: The file.
        action: The action that it must be the chart of; any when None.

    Raises:
        UnreadableChartError: It cannot be read.
        ChartError: It is not valid.
    """
    try:
        text = read_text(path)
    except OSError as error:
        raise UnreadableChartError(f"{path}: cannot be read: {error.strerror}") from error
    return parse(text, path, action)
