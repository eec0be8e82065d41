"""Effects: what to ask, and what the answer means.

An effect is a request as data (or none) and a pure function from settings, facts and answer to one event,
new facts, and the rule that decided. It does not know states or successors, and handles any missing fact.
The machine's driver sends; nothing here waits, retries or reads a clock.
"""

# Importing them registers their effects.
from orchestrator.fivetran.effects import choices, closing, judging, preparing, trigger  # noqa: F401
from orchestrator.fivetran.effects.registry import (
    CHOICES,
    EFFECTS,
    PAUSES,
    TRIGGERS,
    Call,
    Choice,
    Pure,
    Tag,
    Writing,
    resyncs,
    tagged,
)

__all__ = ["CHOICES", "EFFECTS", "PAUSES", "TRIGGERS", "Call", "Choice", "Pure", "Tag", "Writing", "resyncs", "tagged"]
