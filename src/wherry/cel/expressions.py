"""Expressions: text that is compiled once and evaluated often.

The entrance of `wherry.cel`, for pipelines' conditions (`wherry.ir.cel`) and Kubernetes' validation rules
(`wherry.kube.rules`).  Invariant: evaluating has no effect, ends within a number of steps, and raises nothing but
CELError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from wherry.cel.checker import Literal, check
from wherry.cel.errors import CompileError, Issue, NoValue
from wherry.cel.evaluator import build
from wherry.cel.frames import Evaluate, Frame
from wherry.cel.functions import Overload, collect
from wherry.cel.parser import parse
from wherry.cel.regexes import compiled
from wherry.cel.syntax import (
    Call,
    Condition,
    Index,
    ListOf,
    Logic,
    Macro,
    MapOf,
    Name,
    Node,
    OptionalMap,
    Select,
)
from wherry.cel.times import read_duration, read_timestamp
from wherry.cel.tokens import Token
from wherry.cel.types import DYN, Type

STEPS = 1_000_000
"""What one evaluation may take, as an API server's limit for one call."""

_LITERALS: dict[tuple[str, int], Literal] = {
    ("matches", 1): compiled,
    ("find", 1): compiled,
    ("findAll", 1): compiled,
    ("timestamp", 0): read_timestamp,
    ("duration", 0): read_duration,
}


class Expression:
    """A compiled expression."""

    def __init__(self, text: str, type: Type, tree: Node, evaluate: Evaluate) -> None:
        self.text = text
        self.type = type
        self._tree = tree
        self._evaluate = evaluate

    def evaluate(self, variables: Mapping[str, Any], steps: int = STEPS) -> Any:
        """Its value; raises NoValue or CostExceeded."""
        return self.measure(variables, steps)[0]

    def measure(self, variables: Mapping[str, Any], steps: int = STEPS) -> tuple[Any, int]:
        """Its value, and the steps that were taken; raises NoValue or CostExceeded."""
        frame = Frame(variables, steps)
        try:
            value = self._evaluate(frame)
        except RecursionError:
            raise NoValue("the expression or a value nests too deeply") from None
        return value, steps - frame.steps

    def names(self, name: str) -> bool:
        """Whether the expression uses a variable of that name (and does not bind it itself)."""
        return _uses(self._tree, name)


class Environment:
    """The functions that expressions may call: the standard library's and more."""

    def __init__(self, overloads: Iterable[Overload]) -> None:
        self._functions = collect(overloads)
        self._qualified = frozenset(name for name, method in self._functions if "." in name and not method)

    def compile(
        self,
        text: str,
        variables: Mapping[str, Type] | None = None,
        *,
        words: Callable[[str], list[Token]] | None = None,
    ) -> Expression:
        """The expression of a text; raises CompileError.

        variables: their types, when they are known; without them nothing is checked ahead but names of functions.
        words: reads the tokens, for a dialect.
        """
        try:
            tree = parse(text, self._qualified, words(text) if words is not None else None)
            kind, issues = DYN, list[Issue]()
            if variables is not None:
                kind, issues = check(tree, self._functions, variables, _LITERALS)
            if issues:
                raise CompileError(text, issues)
            return Expression(text, kind, tree, build(tree, self._functions, text))
        except RecursionError:
            raise CompileError(text, [Issue(0, "the expression nests too deeply")]) from None


def _uses(node: Node, name: str) -> bool:
    if isinstance(node, Name):
        return node.name == name
    if isinstance(node, Macro):
        inner = [each for each in (node.test, node.step) if each is not None]
        return _uses(node.operand, name) or (name not in node.variables and any(_uses(each, name) for each in inner))
    if isinstance(node, OptionalMap):
        return _uses(node.operand, name) or (name != node.variable and _uses(node.body, name))
    return any(_uses(each, name) for each in _children(node))


def _children(node: Node) -> Iterable[Node]:
    if isinstance(node, Select):
        return (node.operand,)
    if isinstance(node, Index):
        return (node.operand, node.key)
    if isinstance(node, Call):
        return node.arguments
    if isinstance(node, Logic):
        return node.operands
    if isinstance(node, Condition):
        return (node.test, node.yes, node.no)
    if isinstance(node, ListOf):
        return node.items
    if isinstance(node, MapOf):
        return [each for key, value, _ in node.entries for each in (key, value)]
    return ()
