"""Effects: what to ask, and what the answer means.

An effect is a request as data (or none) and a pure function from settings, facts and answer
to one event and new facts, and the rule that decided. It knows no state and no successor, and copes
with any fact missing. The machine's driver sends; nothing here waits, repeats or reads a clock.
"""

# Imported, they register theirs.
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
