"""The same charts on Apache Airflow: workers act, the triggerer only looks.

    provider                 what Airflow is told of all this
    operators, sensors       what stands in a DAG
    hooks, links, account    the Airflow connection; links beside a task; address and credentials
    task, looking            what an operator, what a sensor does on a worker
    triggers                 what waits in the triggerer
    arguments, durations     settings from an operator's arguments
    handover, note           a run between processes; what a retry finds of it
    worker, watching         a run on a worker; a run in the triggerer
    board, threads           one listing for all triggers of a process; what sends
    freshness                what the sensor waits for
    verdicts                 what a verdict means to Airflow
    reporting, lineage       log and result of a run; OpenLineage

No other room imports Airflow (the extra `airflow`). What stands in a DAG imports little else before it runs: DAGs are
parsed often.
Imports fleet/, job/ and all below them.
"""
