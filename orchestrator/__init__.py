"""Run Fivetran syncs from a data pipeline; each action is a declared state machine.

A room is a folder. What belongs there stands at the top of its `__init__.py`, and a room imports only
rooms below it (`tests/test_rooms.py` holds this table):

    cli, commands  the command line; without arguments, the container's job
    debugger       a run step by step, forwards and backwards, and replayed
    simulator      a simulated Fivetran, its scenarios, rehearsals of a job
    job            one connection in a pipeline: variables, vault, masking, limits, log, journal, results
    drawing        charts as Mermaid, DOT, pictures and tables
    machine        charts, what runs them, and what every chart promises
    fivetran       what is known about Fivetran: its API, its documents, effects, verdicts
    values         events, requests and answers, facts, settings, clocks: plain values
"""

__version__ = "0.2.0"
