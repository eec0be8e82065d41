"""The exit codes, each with its meaning: the contract with the pipeline."""

__all__ = ["BUG", "EXIT_CODES", "MISCONFIGURED", "UNAVAILABLE"]

MISCONFIGURED, UNAVAILABLE, BUG = 2, 6, 70  # those that arise outside any chart, the second within one, too

EXIT_CODES = {
    0: "done: the sync succeeded, the tests passed, the connection was shown",
    1: "failed: the sync failed or was cancelled, a setup test failed, or the last success is stale",
    MISCONFIGURED: "a variable is missing or wrong; no request was sent to Fivetran",
    3: "the API key was rejected (401), or lacks a permission (403)",
    4: "not found: connection, schema or table",
    5: "timed out, or a re-sync unconfirmed; the sync may still be running",
    UNAVAILABLE: "Fivetran was unavailable; a retry may help",
    7: "cannot sync: paused, incomplete, broken, busy or rejected",
    8: "rescheduled past the deadline, or FIVETRAN_ON_RESCHEDULE is fail",
    BUG: "a bug of fivetran-orchestrator",
    130: "interrupted (SIGINT)",
    143: "terminated (SIGTERM)",
}
