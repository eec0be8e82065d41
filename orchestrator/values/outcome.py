"""What an effect came to: the event, what is known after it, and the rule that decided."""

from typing import Generic, NamedTuple, TypeVar

from orchestrator.values.events import Event
from orchestrator.values.facts import Facts

__all__ = ["Outcome"]

E_co = TypeVar("E_co", bound=Event, covariant=True)


class Outcome(NamedTuple, Generic[E_co]):
    """One event, with its reason.

    Attributes:
        event: Which edge is to be taken.
        facts: What is known after it.
        rule: The rule that decided, in words, without a full stop; "" where the event says it all.
    """

    event: E_co
    facts: Facts
    rule: str = ""
