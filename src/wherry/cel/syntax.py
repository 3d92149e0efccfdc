"""The tree of an expression.

Made by `wherry.cel.parser`, read by `checker` and `evaluator`.  `at` is the place of the operator, or of the first
character where there is none: where the API server's messages point.  Invariant: no tree is deeper than MAX_DEPTH.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

MAX_DEPTH = 200


class Constant(NamedTuple):
    """A literal."""

    at: int
    value: Any


class Name(NamedTuple):
    """A variable or a type."""

    at: int
    name: str


class Select(NamedTuple):
    """`operand.field`, `operand.?field` (optional), or `has(operand.field)` (test)."""

    at: int
    operand: Node
    field: str
    optional: bool = False
    test: bool = False


class Index(NamedTuple):
    """`operand[key]`, or `operand[?key]`."""

    at: int
    operand: Node
    key: Node
    optional: bool = False


class Call(NamedTuple):
    """A function or operator; a method's receiver is its first argument."""

    at: int
    function: str
    arguments: Sequence[Node]
    method: bool = False


class Logic(NamedTuple):
    """`&&` (decisive False) and `||` (True) of two or more operands; `places` are the operators'."""

    at: int
    decisive: bool
    operands: Sequence[Node]


class Condition(NamedTuple):
    """`test ? yes : no`."""

    at: int
    test: Node
    yes: Node
    no: Node


class ListOf(NamedTuple):
    """A list; the items whose indices are in `optional` are left out when they are none."""

    at: int
    items: Sequence[Node]
    optional: frozenset[int] = frozenset()


class MapOf(NamedTuple):
    """A map; an entry is key, value, and whether the value is an optional one."""

    at: int
    entries: Sequence[tuple[Node, Node, bool]]


class Macro(NamedTuple):
    """A comprehension: all, exists, exists_one, filter, map, transformList, transformMap; over one or two variables.

    `test` is the predicate (None in a map without one), `step` what is made of each (None where there is nothing to
    make).
    """

    at: int
    macro: str
    operand: Node
    variables: tuple[str, ...]
    test: Node | None
    step: Node | None


class OptionalMap(NamedTuple):
    """`operand.optMap(variable, body)`, or optFlatMap (flat)."""

    at: int
    operand: Node
    variable: str
    body: Node
    flat: bool


Node: TypeAlias = (
    Constant | Name | Select | Index | Call | Logic | Condition | ListOf | MapOf | Macro | OptionalMap
)  # fmt: skip
