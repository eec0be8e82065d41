"""What pipelines and people get to see of many connections, drawn from their `result.json`.

As `orchestrator.job.report` is for one: imported when the first connection has ended, and not before.
"""
