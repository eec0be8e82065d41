"""The same charts on Apache Airflow: workers act, the triggerer only looks.

    provider                 what Airflow is told of all this
    operators, sensors       what stands in a DAG
    hooks, links             the Airflow connection; links beside a task
    triggers                 what waits in the triggerer
    arguments                settings from an operator's arguments
    handover, note           a run between processes; what a retry finds of it
    worker, watching         a run on a worker; a run in the triggerer
    board, threads           one listing for all triggers of a process; what sends
    freshness                what the sensor waits for
    verdicts                 what a verdict means to Airflow
    reporting                log, result and report of a run

Only operators, sensors, hooks, links, triggers and reporting import Airflow (the extra `airflow`).
Imports fleet/, job/ and all below them.
"""
