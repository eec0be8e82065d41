"""What states do and edges say, as the promises speak of them."""

from orchestrator.fivetran.effects import EFFECTS, Call, Writing
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
    "needs",
    "reports",
    "tags",
    "takes_time",
    "triggers",
]


def asks(state: State) -> bool:
    """Whether the state asks Fivetran."""
    return state.kind is Kind.DOES and isinstance(EFFECTS[state.operand], Call)


def needs(state: State) -> tuple[str, str] | None:
    """The choice, and its value, that the state must come straight after."""
    effect = EFFECTS[state.operand] if state.kind is Kind.DOES else None
    return None if effect is None or isinstance(effect, Writing) else effect.needs


def changes(state: State) -> bool:
    """Whether the state's request may change something at Fivetran."""
    effect = EFFECTS[state.operand] if state.kind is Kind.DOES else None
    return isinstance(effect, Call) and effect.method != "GET"


def is_optional(state: State) -> bool:
    """Whether the state's request only adds what a choice asks for, and what comes of it leads on."""
    effect = EFFECTS[state.operand] if state.kind is Kind.DOES else None
    return isinstance(effect, Call) and effect.method == "GET" and effect.needs is not None


def takes_time(state: State) -> bool:
    """Whether the state asks or waits."""
    return state.kind is Kind.WAITS or asks(state)


def reports(state: State) -> bool:
    """Whether the state writes the results."""
    return state.kind is Kind.DOES and isinstance(EFFECTS[state.operand], Writing)


def tags(state: State) -> frozenset[Tag]:
    """What the state's effect does."""
    effect = EFFECTS[state.operand] if state.kind is Kind.DOES else None
    return frozenset() if effect is None or isinstance(effect, Writing) else effect.tags


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
