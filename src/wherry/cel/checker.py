"""The type checker: unknown names, fields and functions are found before anything is evaluated.

Called by `wherry.cel.expressions` for expressions whose variables have types.  Invariant: every issue is reported
once, at the place and in the words of the API server's own compiler; what is wrong has the type dyn further up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from wherry.cel.errors import Issue, NoValue
from wherry.cel.evaluator import TYPES
from wherry.cel.functions import Functions
from wherry.cel.parser import dotted
from wherry.cel.syntax import (
    Call,
    Condition,
    Constant,
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
from wherry.cel.types import (
    BOOL,
    DYN,
    INT,
    Bindings,
    Type,
    concrete,
    fits,
    list_of,
    map_of,
    optional_of,
    renamed,
    resolve,
)
from wherry.cel.values import type_of

Literal = Callable[[str], Any]


def check(
    tree: Node, functions: Functions, variables: Mapping[str, Type], literals: Mapping[tuple[str, int], Literal]
) -> tuple[Type, list[Issue]]:
    """The type of an expression, and what is wrong with it.

    literals: by function and argument, what reads a literal there, and raises NoValue for a wrong one (patterns).
    """
    checker = _Checker(functions, variables, literals)
    found = checker.node(tree)
    return concrete(found, checker.bindings), checker.issues


class _Checker:
    def __init__(
        self, functions: Functions, variables: Mapping[str, Type], literals: Mapping[tuple[str, int], Literal]
    ) -> None:
        self.issues: list[Issue] = []
        self.bindings: Bindings = {}
        self._functions = functions
        self._variables = dict(variables)
        self._literals = literals
        self._fresh = 0

    def node(self, node: Node) -> Type:
        return _CHECKS[node.__class__](self, node)

    def constant(self, node: Constant) -> Type:
        return Type(type_of(node.value))

    def name(self, node: Name) -> Type:
        found = self._variables.get(node.name)
        if found is not None:
            return found
        if node.name in TYPES:
            return Type("type")
        return self._fault(node, f"undeclared reference to '{node.name}' (in container '')")

    def select(self, node: Select) -> Type:
        if not node.test and dotted(node) in TYPES:
            return Type("type")
        operand = self._resolved(node.operand)
        wrapped = operand.name == "optional"
        holder = resolve(operand.params[0], self.bindings) if wrapped else operand
        found = self._field(node, holder)
        if node.test:
            return BOOL
        return optional_of(found) if wrapped or node.optional else found

    def _field(self, node: Select, holder: Type) -> Type:
        if holder.fields is not None:
            found = holder.fields.get(node.field)
            return found if found is not None else self._fault(node, f"undefined field '{node.field}'")
        if holder.name == "map":
            return holder.params[1]
        if holder.name == "dyn" or holder.name[0] == "$":
            return DYN
        return self._fault(node, f"type '{concrete(holder, self.bindings)}' does not support field selection")

    def index(self, node: Index) -> Type:
        operand, key = self._resolved(node.operand), self.node(node.key)
        wrapped = operand.name == "optional"
        holder = resolve(operand.params[0], self.bindings) if wrapped else operand
        name = "_[?_]" if node.optional else "_[_]"
        if holder.name == "list" and fits(INT, key, self.bindings):
            found = holder.params[0]
        elif holder.name == "map" and fits(holder.params[0], key, self.bindings):
            found = holder.params[1]
        elif holder.name == "dyn" or holder.name[0] == "$":
            found = DYN
        else:
            return self._no_overload(node, name, [operand, key])
        return optional_of(found) if wrapped or node.optional else found

    def call(self, node: Call) -> Type:
        arguments = [self.node(each) for each in node.arguments]
        function = self._functions.get((node.function, node.method))
        if function is None:
            return self._fault(node, f"undeclared reference to '{node.function}' (in container '')")
        found: list[tuple[Type, Bindings]] = []
        for each in function.overloads:
            if len(each.arguments) != len(arguments):
                continue
            self._fresh += 1
            suffix, bindings = str(self._fresh), dict(self.bindings)
            wanted = [renamed(argument, suffix) for argument in each.arguments]
            if all(fits(want, given, bindings) for want, given in zip(wanted, arguments, strict=True)):
                found.append((renamed(each.result, suffix), bindings))
        if not found:
            return self._no_overload(node, node.function, arguments, method=node.method)
        self._check_literals(node)
        if len(found) == 1:
            self.bindings = found[0][1]
            return found[0][0]
        first = resolve(*found[0])
        return first if all(resolve(*each) == first for each in found) and first.name[0] != "$" else DYN

    def _check_literals(self, node: Call) -> None:
        for position, argument in enumerate(node.arguments):
            read = self._literals.get((node.function, position))
            if read is not None and isinstance(argument, Constant) and isinstance(argument.value, str):
                try:
                    read(argument.value)
                except NoValue as problem:
                    self._fault(argument, f"invalid {node.function} argument: {problem.message}")

    def logic(self, node: Logic) -> Type:
        given = [self.node(each) for each in node.operands]
        for left, right in pairwise(given):
            if not (fits(BOOL, left, self.bindings) and fits(BOOL, right, self.bindings)):
                return self._no_overload(node, "_||_" if node.decisive else "_&&_", [left, right])
        return BOOL

    def condition(self, node: Condition) -> Type:
        test, yes, no = self.node(node.test), self.node(node.yes), self.node(node.no)
        if not fits(BOOL, test, self.bindings) or not fits(yes, no, self.bindings):
            return self._no_overload(node, "_?_:_", [test, yes, no])
        return no if resolve(yes, self.bindings).name == "null" else yes

    def list_of(self, node: ListOf) -> Type:
        items = [
            self._unwrapped(each, self.node(each)) if position in node.optional else self.node(each)
            for position, each in enumerate(node.items)
        ]
        return list_of(self._common(node.items, items))

    def map_of(self, node: MapOf) -> Type:
        keys = self._common([key for key, _, _ in node.entries], [self.node(key) for key, _, _ in node.entries])
        values = [
            self._unwrapped(value, self.node(value)) if optional else self.node(value)
            for _, value, optional in node.entries
        ]
        return map_of(keys, self._common([value for _, value, _ in node.entries], values))

    def _common(self, nodes: Sequence[Node], given: Sequence[Type]) -> Type:
        """The type that all items of a literal have."""
        self._fresh += 1
        common = given[0] if given else Type(f"$item{self._fresh}")
        for node, each in zip(nodes[1:], given[1:], strict=True):
            if not fits(common, each, self.bindings):
                expected, found = concrete(common, self.bindings), concrete(each, self.bindings)
                return self._fault(node, f"expected type '{expected}' but found '{found}'")
            if resolve(each, self.bindings).name == "dyn":
                common = DYN
        return common

    def macro(self, node: Macro) -> Type:
        operand = self._resolved(node.operand)
        if operand.name == "list":
            key, item = INT, operand.params[0]
        elif operand.name == "map":
            key, item = operand.params
        elif operand.name == "dyn" or operand.name[0] == "$":
            key, item = DYN, DYN
        else:
            spoken = concrete(operand, self.bindings)
            why = f"expression of type '{spoken}' cannot be range of a comprehension (must be list, map, or dynamic)"
            return self._fault(node.operand, why)
        single = key if operand.name == "map" else item
        inner = dict(zip(node.variables, (single,) if len(node.variables) == 1 else (key, item), strict=True))
        test, step = self._inside(inner, node)
        if test is not None and not fits(BOOL, test, self.bindings):
            return self._no_overload(node, "_&&_" if node.macro == "all" else "_||_", [BOOL, test])
        if node.macro == "filter":
            return list_of(single)
        if step is not None:
            return map_of(key, step) if node.macro == "transformMap" else list_of(step)
        return BOOL

    def _inside(self, inner: Mapping[str, Type], node: Macro) -> tuple[Type | None, Type | None]:
        before, self._variables = self._variables, {**self._variables, **inner}
        test = self.node(node.test) if node.test is not None else None
        step = self.node(node.step) if node.step is not None else None
        self._variables = before
        return test, step

    def optional_map(self, node: OptionalMap) -> Type:
        value = self._unwrapped(node.operand, self.node(node.operand))
        before, self._variables = self._variables, {**self._variables, node.variable: value}
        made = self.node(node.body)
        self._variables = before
        return optional_of(self._unwrapped(node.body, made)) if node.flat else optional_of(made)

    def _unwrapped(self, node: Node, given: Type) -> Type:
        given = resolve(given, self.bindings)
        if given.name == "optional":
            return given.params[0]
        if given.name == "dyn":
            return DYN
        return self._fault(node, f"expected type 'optional_type(dyn)' but found '{concrete(given, self.bindings)}'")

    def _resolved(self, node: Node) -> Type:
        return resolve(self.node(node), self.bindings)

    def _no_overload(self, node: Node, name: str, given: Sequence[Type], *, method: bool = False) -> Type:
        spoken = [str(concrete(each, self.bindings)) for each in given]
        listed = f"{spoken[0]}.({', '.join(spoken[1:])})" if method else f"({', '.join(spoken)})"
        return self._fault(node, f"found no matching overload for '{name}' applied to '{listed}'")

    def _fault(self, node: Node, message: str) -> Type:
        issue = Issue(node.at, message)
        if issue not in self.issues:
            self.issues.append(issue)
        return DYN


_CHECKS: dict[type, Callable[[_Checker, Any], Type]] = {
    Constant: _Checker.constant,
    Name: _Checker.name,
    Select: _Checker.select,
    Index: _Checker.index,
    Call: _Checker.call,
    Logic: _Checker.logic,
    Condition: _Checker.condition,
    ListOf: _Checker.list_of,
    MapOf: _Checker.map_of,
    Macro: _Checker.macro,
    OptionalMap: _Checker.optional_map,
}
