"""What states do and edges say, as the promises speak of them."""

from orchestrator.fivetran.effects import EFFECTS, Call, Pure, Writing
from orchestrator.fivetran.tags import TRIGGERS, Tag
from orchestrator.machine.chart import Kind, State
from orchestrator.machine.promises.paths import Edge

__all__ = [
    "asks",
    "changes",
    "chosen",
    "done",
    "is_optional",
    "leads_on",
    "modifies",
    "needs",
    "reports",
    "tags",
    "takes_time",
    "triggers",
]


def _effect(state: State) -> Call | Pure | Writing | None:
    return EFFECTS[state.operand] if state.kind is Kind.DOES else None


def _method(state: State) -> str:
    """The HTTP method of the state's request, or ""."""
    effect = _effect(state)
    return effect.method if isinstance(effect, Call) else ""


def asks(state: State) -> bool:
    """Whether the state asks Fivetran."""
    return bool(_method(state))


def needs(state: State) -> tuple[str, str] | None:
    """The choice, and its value, that the state must come straight after."""
    effect = _effect(state)
    return effect.needs if effect else None


def changes(state: State) -> bool:
    """Whether the state's request may change something at Fivetran."""
    return _method(state) not in {"", "GET"}


def modifies(state: State) -> bool:
    """Whether the state changes the connection itself: its schedule, or whether it is paused."""
    return _method(state) == "PATCH"


def is_optional(state: State) -> bool:
    """Whether the state's request only adds what a choice asks for, and what comes of it leads on."""
    return _method(state) == "GET" and needs(state) is not None


def takes_time(state: State) -> bool:
    """Whether the state asks or waits."""
    return state.kind is Kind.WAITS or asks(state)


def reports(state: State) -> bool:
    """Whether the state writes the results."""
    return isinstance(_effect(state), Writing)


def tags(state: State) -> frozenset[Tag]:
    """What the state's effect does."""
    effect = _effect(state)
    return effect.tags if effect else frozenset()


def triggers(state: State) -> bool:
    """Whether the state has Fivetran start something."""
    return not TRIGGERS.isdisjoint(tags(state))


def done(edge: Edge, tag: Tag) -> bool:
    """Whether the edge says that a tag was done: its event is one of the effect's own outcomes."""
    return tag in tags(edge.source) and edge.event in EFFECTS[edge.source.operand].outcomes


def chosen(edge: Edge, choice: str) -> str:
    """The value that a choice has on this edge, or ""."""
    return edge.event if edge.source.kind is Kind.CHOOSES and edge.source.operand == choice else ""


def leads_on(edge: Edge) -> bool:
    """Whether the edge leads to another state."""
    return edge.target.name != edge.source.name
