"""Durations in the arguments of operators, and how they agree with Airflow's own."""

from datetime import timedelta

__all__ = ["Duration", "seconds", "timeout_of"]

Duration = timedelta | float | str

DAY = 86_400.0  # seconds: the timeout where nothing is said
MARGIN, SHARE = 60.0, 0.1  # seconds of `execution_timeout` that a run leaves, and at most this share of it


def seconds(value: Duration | None) -> float | str | None:
    """A duration as a variable has it."""
    return value.total_seconds() if isinstance(value, timedelta) else value


def timeout_of(timeout: Duration | None, execution_timeout: timedelta | None) -> float | str:
    """How long a run may take: less than Airflow gives the task, so that the task says itself why it ends.

    Args:
        timeout: What the task says.
        execution_timeout: What Airflow gives it, or None.
    """
    given = seconds(timeout)
    if execution_timeout is None:
        return DAY if given is None else given
    all_of_it = execution_timeout.total_seconds()
    most = max(1.0, all_of_it - min(MARGIN, all_of_it * SHARE))
    if given is None:
        return most
    plain = _in_seconds(given)
    return given if plain is None or plain < most else most  # what is malformed is said with the other arguments


def _in_seconds(given: float | str) -> float | None:
    """The seconds of a timeout; None where it is malformed."""
    from orchestrator.job.inputs import Inputs  # noqa: PLC0415  # with a text and an execution_timeout alone

    inputs = Inputs({"FIVETRAN_TIMEOUT": str(given)})
    found = inputs.seconds("FIVETRAN_TIMEOUT", 1.0)
    return None if inputs.errors else found
