"""Tags: what an effect does, as the promises about all charts speak of it."""

from enum import StrEnum, unique

__all__ = ["TRIGGERS", "Tag"]


@unique
class Tag(StrEnum):
    """What an effect does at Fivetran, or learns from it, in words for people."""

    READS = "reads the connection"
    TAKES_BASELINE = "takes the baseline"
    STARTS_SYNC = "starts a sync"
    RESTARTS_SYNC = "stops the running sync and starts one"
    STARTS_RESYNC = "starts a re-sync"
    LOOKS = "looks for a sign of a sync whose trigger had no answer"
    JUDGES = "judges what became of the sync"
    UNPAUSES = "un-pauses the connection"
    CHANGES_SCHEDULE = "switches the connection to a manual schedule"
    SWITCHES_LATE = "switches the schedule after the sync has ended"
    RESTORES_SCHEDULE = "puts the schedule back"
    RUNS_TESTS = "runs the setup tests"


TRIGGERS = frozenset({Tag.STARTS_SYNC, Tag.RESTARTS_SYNC, Tag.STARTS_RESYNC})
