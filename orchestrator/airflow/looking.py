"""A sensor's look at a connection, on a worker."""

from typing import Any, NamedTuple

from orchestrator.airflow.freshness import Awaited, looked, since_now
from orchestrator.airflow.hooks import FivetranHook
from orchestrator.airflow.reporting import TaskLog, mask_of, masked_by_airflow
from orchestrator.fivetran.effects.situation import get_connection
from orchestrator.job.job import bounded, connected
from orchestrator.job.limits import Limits
from orchestrator.values.clock import SystemClock
from orchestrator.values.exchange import TRANSIENT, Answer, Failure
from orchestrator.values.facts import Facts
from orchestrator.values.settings import Settings

__all__ = ["Looked", "look_once", "reading"]

HTTP_TIMEOUT = 30.0  # seconds


class Looked(NamedTuple):
    """What a look came to.

    Attributes:
        here: What is awaited is there.
        failed: Waiting for it is over.
        transient: A retry may help, then.
        why: In words.
        since: The time after which a sync is a new one, in seconds since the epoch; None where it is not known.
    """

    here: bool
    failed: bool
    transient: bool
    why: str
    since: float | None


def reading(connector_id: str) -> Any:  # noqa: ANN401  # a request
    """What asks for a connection's document."""
    return get_connection(Settings("", connector_id, "", ""), Facts())


def look_once(conn_id: str, connector_id: str, awaited: Awaited, log: Any) -> Looked:  # noqa: ANN401  # Airflow's log
    """Look at a connection.

    Args:
        conn_id: The Airflow connection.
        connector_id: The connection's id.
        awaited: What is awaited.
        log: The task's log.
    """
    try:
        account = FivetranHook(conn_id).account()
    except ValueError as error:
        return Looked(here=False, failed=True, transient=False, why=str(error), since=None)
    mask, clock = mask_of(account), SystemClock()
    masked_by_airflow(account)
    client = connected(account, clock, mask)
    outcome = bounded(client, clock, Limits(clock))(reading(connector_id), HTTP_TIMEOUT, True)  # noqa: FBT003  # Send's form
    client.close()
    says = TaskLog(log, mask)
    if not isinstance(outcome, Answer):
        final = isinstance(outcome, Failure) and outcome.event not in TRANSIENT
        why = mask.line(f"could not read the connection: {outcome}")
        if not final:
            says.warning(why)
        return Looked(here=False, failed=final, transient=False, why=why, since=awaited.after)
    if awaited.after is None and awaited.max_age is None:
        awaited = awaited._replace(after=since_now(outcome.data))
    found = looked(awaited, outcome.data, outcome.date)
    says.info(found.why)
    return Looked(found.here, found.failed, transient=True, why=mask.line(found.why), since=awaited.after)
