"""Run Fivetran syncs from a data pipeline; each action is a declared state machine.

A room is a folder. What belongs there stands at the top of its `__init__.py`, and a room imports only
rooms below it (`tests/test_rooms.py` holds this table):

    cli, commands  the command line; without arguments, the container's job
    debugger       a run step by step, forwards and backwards, and replayed
    simulator      a simulated Fivetran, its scenarios, rehearsals of a job
    airflow        the same charts on Apache Airflow
    fleet          many connections in one job
    job            one connection in a pipeline: variables, vault, masking, limits, log, journal, results
    drawing        charts as Mermaid, DOT, pictures and tables
    machine        charts, what runs them, and what every chart promises
    fivetran       what is known about Fivetran: its API, its documents, effects, verdicts
    values         events, requests and answers, facts, settings, clocks: plain values

From Python: `from orchestrator import run` (docs/python.md).
"""

TYPE_CHECKING = False  # as typing's, which would have to be imported
if TYPE_CHECKING:
    from orchestrator.job.python_call import ConfigurationError, Result, RunError, run

__all__ = ["ConfigurationError", "Result", "RunError", "__version__", "run"]

__version__ = "0.2.0"


def __getattr__(name: str) -> object:
    """What is there for Python programs, imported when it is asked for: the job has no use for it."""
    if name in __all__:
        from orchestrator.job import python_call  # noqa: PLC0415  # not before

        return getattr(python_call, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
