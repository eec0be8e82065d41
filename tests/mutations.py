"""The mutants of a module: each differs from it in one place.

The operators are those of cosmic-ray that change a decision (a comparison, a condition, a constant, a loop, what is
caught), and three of our own. It replaces an operator by any other; of these only the ones are made that somebody might
write by mistake. Annotations, and what is for people alone, stay as they are.
"""

import difflib
from collections.abc import Iterator
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.provider import OperatorProvider
from parso.python.tree import Keyword

_SWAPPED = {
    "Binary": "Add_Sub Sub_Add Mul_Div Div_Mul FloorDiv_Mul Mod_Mul Pow_Mul",
    "Comparison": "Lt_LtE Lt_GtE LtE_Lt LtE_Gt Gt_GtE Gt_LtE GtE_Gt GtE_Lt Eq_NotEq NotEq_Eq Is_IsNot IsNot_Is",
}
_THEIRS = (
    *(f"Replace{kind}Operator_{pair}" for kind, pairs in _SWAPPED.items() for pair in pairs.split()),
    *("ReplaceUnaryOperator_Delete_Not", "ReplaceUnaryOperator_Delete_USub", "AddNot", "ReplaceAndWithOr"),
    *("ReplaceOrWithAnd", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "NumberReplacer", "ExceptionReplacer"),
    *("ZeroIterationForLoop", "ReplaceContinueWithBreak", "ReplaceBreakWithContinue"),
)

Node = Any  # of parso, which cosmic-ray parses with
Position = tuple[tuple[int, int], tuple[int, int]]


class _Operator:
    """The form that cosmic-ray's operators have."""

    def mutation_positions(self, node: Node) -> list[Position]:
        """Where the node can be changed; all at once, for it may be changed before the next is asked for."""
        return [(node.children[begin].start_pos, node.children[end - 1].end_pos) for begin, end in self.spans(node)]

    def spans(self, node: Node) -> Iterator[tuple[int, int]]:
        """The children that can be changed, each as the range of its places."""
        raise NotImplementedError

    def mutate(self, node: Node, index: int) -> Node:
        """The node, changed in one of these places."""
        begin, end = list(self.spans(node))[index]
        node.children[begin:end] = self.instead(node, begin)
        return node

    def instead(self, node: Node, begin: int) -> list[Node]:
        """What takes their place."""
        del node, begin
        return []


class _LeaveOut(_Operator):
    """Leaves out an argument, an element of a display, or an operand of `and` and `or`."""

    _SEPARATORS = {  # noqa: RUF012  # it is never changed
        **dict.fromkeys(("arglist", "testlist_comp", "dictorsetmaker", "testlist_star_expr"), ","),
        "and_test": "and",
        "or_test": "or",
    }

    def spans(self, node: Node) -> Iterator[tuple[int, int]]:
        """Each with the separator after it, or, of the last operand, before it."""
        separator = self._SEPARATORS.get(node.type)
        places = [place for place, child in enumerate(getattr(node, "children", ())) if _text(child) == separator]
        if not places or node.parent.type == "classdef" or node is node.parent.children[0]:
            return
        begins = [0, *(place + 1 for place in places)]
        for begin, end in zip(begins, [*begins[1:], len(node.children)], strict=True):
            if begin < end:
                yield begin - (separator != "," and end == len(node.children)), end


class _LeaveOutStatement(_Operator):
    """Puts `pass` in place of a statement of a function."""

    _NOTHING = ('"', "from ", "pass", "...", "return None", "continue", "break")  # or what others change

    def spans(self, node: Node) -> Iterator[tuple[int, int]]:
        """The statement, without the end of its line."""
        if node.type == "simple_stmt" and not node.get_code(include_prefix=False).startswith(self._NOTHING):
            above = node
            while above is not None and above.type != "funcdef":
                above = above.parent
            if above is not None:
                yield 0, 1

    def instead(self, node: Node, begin: int) -> list[Node]:
        """A statement that does nothing."""
        return _word(node.children[begin], "pass")


class _Swap(_Operator):
    """Swaps `min` and `max`, `in` and `not in`, `any` and `all`."""

    _SWAPS = {"min": "max", "max": "min", "any": "all", "all": "any", "in": "not in", "not in": "in"}  # noqa: RUF012

    def spans(self, node: Node) -> Iterator[tuple[int, int]]:
        """The names and operators."""
        for place, child in enumerate(getattr(node, "children", ())):
            if self._word(child) in self._SWAPS and node.type in {"comparison", "atom_expr", "power"}:
                yield place, place + 1

    def instead(self, node: Node, begin: int) -> list[Node]:
        """The other one of the two."""
        return _word(node.children[begin], self._SWAPS[self._word(node.children[begin])])

    @staticmethod
    def _word(child: Node) -> str:
        return child.get_code(include_prefix=False) if child.type in {"name", "keyword", "comp_op"} else ""


_OPERATORS: dict[str, Any] = {
    **{name: OperatorProvider()[name]() for name in _THEIRS},
    **{type(one).__name__.removeprefix("_"): one for one in (_LeaveOut(), _LeaveOutStatement(), _Swap())},
}


class Mutant(NamedTuple):
    """One change of one module.

    Attributes:
        path: The module's, from the repository's root.
        operator: What changes it.
        occurrence: At which of the operator's places.
        line: Where that is.
        function: The function around it with its class, or "".
        lines: The first and last line of the outermost function around it; of the module where there is none.
    """

    path: str
    operator: str
    occurrence: int
    line: int
    function: str
    lines: tuple[int, int]

    @property
    def code(self) -> str:
        """The module's code with the change."""
        return _changed(self.path, self.operator, self.occurrence)

    @property
    def change(self) -> tuple[str, str]:
        """The lines that differ, as they were and as they are, without what lines begin and end with."""
        before, after = _source(self.path).splitlines(), self.code.splitlines()
        was, now = [], []
        for tag, begin, end, other_begin, other_end in difflib.SequenceMatcher(None, before, after).get_opcodes():
            if tag != "equal":
                was += before[begin:end]
                now += after[other_begin:other_end]
        return " ".join(" ".join(was).split()), " ".join(" ".join(now).split())

    @property
    def diff(self) -> str:
        """The change as a diff."""
        before, after = _source(self.path).splitlines(), self.code.splitlines()
        name = f"{self.path}:{self.line}"
        return "\n".join(difflib.unified_diff(before, after, name, f"{name} ({self.operator})", n=1, lineterm=""))


def mutants(path: str) -> Iterator[Mutant]:
    """Every mutant of a module, in no certain order."""
    nodes = [(node, _is_left(node), *_around(node)) for node in ast_nodes(get_ast(_source(path)))]
    last = len(_source(path).splitlines())
    for name, operator in _OPERATORS.items():
        places = count()  # of all nodes: a place is found again by its number
        for node, is_left, function, lines in nodes:
            for ((line, _), _), place in zip(operator.mutation_positions(node), places, strict=False):
                if not is_left:
                    yield Mutant(path, name, place, line, function, lines or (1, last))


@cache
def _changed(path: str, operator: str, occurrence: int) -> str:
    return mutate_code(_source(path), _OPERATORS[operator], occurrence) or ""


@cache
def _source(path: str) -> str:
    return Path(path).read_text("utf-8")


def _word(node: Node, word: str) -> list[Node]:
    """A word in a node's place."""
    return [Keyword(word, node.start_pos, node.get_first_leaf().prefix)]


def _text(node: Node) -> str:
    return getattr(node, "value", "")


def _around(node: Node) -> tuple[str, tuple[int, int] | None]:
    """The name of the function around a node with its class, and the first and last line of the outermost one."""
    names, lines = [], None
    while node is not None:
        if node.type in {"funcdef", "classdef"}:
            names.append(_text(node.name))
        if node.type == "funcdef":
            lines = node.start_pos[0], node.end_pos[0] - 1  # it ends at the beginning of the next line
        node = node.parent
    return ".".join(reversed(names)), lines


def _is_left(node: Node) -> bool:
    """Whether a node is not changed: an annotation, a type, or a name with underscores (`__all__`)."""
    below, above = node, node.parent
    while above is not None:
        if above.type in {"tfpdef", "import_from", "decorator"} or (below.type, above.type) == (
            "operator",
            "parameters",
        ):
            return True
        if above.type == "trailer" and _text(above.children[0]) == "[":
            return True
        if above.type == "annassign" and below is above.children[1]:
            return True
        if above.type == "funcdef" and above.annotation is below:
            return True
        if above.type == "expr_stmt" and _text(above.children[0]).startswith("__"):
            return True
        below, above = above, above.parent
    return False
