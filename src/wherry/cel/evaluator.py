"""From tree to value: every node becomes a function of a frame.

Called by `wherry.cel.expressions`.  Invariant: an evaluation has no effect, ends within the steps that its frame
allows, and raises nothing but NoValue and CostExceeded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from wherry.cel.comprehensions import MACROS, Loop
from wherry.cel.errors import CompileError, Issue, NoValue
from wherry.cel.frames import Evaluate, Frame
from wherry.cel.functions import Function, Functions, linear
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
from wherry.cel.values import (
    MISSING,
    NONE,
    Optional,
    TypeName,
    equal,
    index,
    is_number,
    lookup,
    shown,
    truth,
    type_of,
)

TYPES = {
    **{name: TypeName(name) for name in ("bool", "int", "uint", "double", "string", "bytes", "list", "map", "type")},
    "null_type": TypeName("null_type"),
    "optional_type": TypeName("optional_type"),
    "google.protobuf.Timestamp": TypeName("google.protobuf.Timestamp"),
    "google.protobuf.Duration": TypeName("google.protobuf.Duration"),
}
"""Names that stand for types, where no variable has them."""


def build(tree: Node, functions: Functions, text: str) -> Evaluate:
    """The function that evaluates a tree; raises CompileError for functions that there are not."""
    return _Builder(functions, text).node(tree)


class _Builder:
    def __init__(self, functions: Functions, text: str) -> None:
        self._functions = functions
        self._text = text

    def node(self, node: Node) -> Evaluate:
        builder = _BUILDERS[node.__class__]
        return builder(self, node)

    def constant(self, node: Constant) -> Evaluate:
        value = node.value
        return lambda frame: value

    def name(self, node: Name) -> Evaluate:
        name, type_name = node.name, TYPES.get(node.name)

        def evaluate(frame: Frame) -> Any:
            value = frame.variables.get(name, MISSING)
            if value is not MISSING:
                return value
            if type_name is not None:
                return type_name
            raise NoValue(f"there is no variable {name!r}")

        return evaluate

    def select(self, node: Select) -> Evaluate:
        known = TYPES.get(dotted(node)) if not node.test else None
        if known is not None:
            return lambda frame: known
        operand, field = self.node(node.operand), node.field
        if node.test:
            return _has(operand, field)
        if node.optional:
            return lambda frame: _optional_item(operand(frame), field, frame)

        def evaluate(frame: Frame) -> Any:
            value = operand(frame)
            frame.spend(1)
            if value.__class__ is dict:
                found = value.get(field, MISSING)
                if found is MISSING:
                    raise NoValue(f"no such key: {shown(field)}")
                return found
            if value.__class__ is Optional:
                return _optional_item(value, field, frame)
            raise NoValue(f"no such overload: {type_of(value)} has no field {shown(field)}")

        return evaluate

    def index(self, node: Index) -> Evaluate:
        operand, key = self.node(node.operand), self.node(node.key)
        if node.optional:
            return lambda frame: _optional_item(operand(frame), key(frame), frame)

        def evaluate(frame: Frame) -> Any:
            value = operand(frame)
            frame.spend(1)
            if value.__class__ is Optional:
                return _optional_item(value, key(frame), frame)
            return index(value, key(frame))

        return evaluate

    def call(self, node: Call) -> Evaluate:
        function = self._functions.get((node.function, node.method))
        if function is None:
            raise self._fault(node, f"undeclared reference to '{node.function}' (in container '')")
        if not any(len(each.arguments) == len(node.arguments) for each in function.overloads):
            count = len(node.arguments) - node.method
            raise self._fault(node, f"{node.function}() does not take {count} arguments")
        arguments = [self.node(each) for each in node.arguments]
        if len(arguments) == 1:
            return _call_one(function, arguments[0])
        if len(arguments) == 2:
            if node.function in ("_==_", "_!=_"):
                return _compare(arguments[0], arguments[1], node.function == "_==_")
            return _call_two(function, arguments[0], arguments[1])

        def evaluate(frame: Frame) -> Any:
            values = [argument(frame) for argument in arguments]
            found = function.find(tuple(value.__class__ for value in values))
            frame.spend(found.cost(values, frame.steps))
            return found.call(*values)

        return evaluate

    def logic(self, node: Logic) -> Evaluate:
        operands, decisive = [self.node(each) for each in node.operands], node.decisive

        def evaluate(frame: Frame) -> bool:
            fault: NoValue | None = None
            for operand in operands:
                try:
                    if truth(operand(frame)) is decisive:
                        return decisive
                except NoValue as problem:
                    fault = fault or problem
            if fault:
                raise fault
            return not decisive

        return evaluate

    def condition(self, node: Condition) -> Evaluate:
        test, yes, no = self.node(node.test), self.node(node.yes), self.node(node.no)
        return lambda frame: yes(frame) if truth(test(frame)) else no(frame)

    def list_of(self, node: ListOf) -> Evaluate:
        items, optional = [self.node(each) for each in node.items], node.optional

        def evaluate(frame: Frame) -> Any:
            frame.spend(10)
            if not optional:
                return [item(frame) for item in items]
            made: list[Any] = []
            for position, item in enumerate(items):
                value = item(frame)
                if position not in optional:
                    made.append(value)
                elif _optional(value).has:
                    made.append(value.value)
            return made

        return evaluate

    def map_of(self, node: MapOf) -> Evaluate:
        entries = [(self.node(key), self.node(value), optional) for key, value, optional in node.entries]

        def evaluate(frame: Frame) -> Any:
            frame.spend(30)
            made: dict[Any, Any] = {}
            for key_of, value_of, optional in entries:
                key, value = key_of(frame), value_of(frame)
                if not (is_number(key) and key.__class__ is not float) and key.__class__ not in (str, bool):
                    raise NoValue(f"unsupported key type: {type_of(key)}")
                if optional:
                    if not _optional(value).has:
                        continue
                    value = value.value
                if lookup(made, key) is not MISSING:
                    raise NoValue(f"Failed with repeated key: {shown(key)}")
                made[key] = value
            return made

        return evaluate

    def macro(self, node: Macro) -> Evaluate:
        operand = self.node(node.operand)
        test = self.node(node.test) if node.test is not None else None
        step = self.node(node.step) if node.step is not None else None
        run, variables = MACROS[node.macro], node.variables

        def evaluate(frame: Frame) -> Any:
            value = operand(frame)
            before = {name: frame.variables.get(name, MISSING) for name in variables}
            try:
                return run(frame, Loop(frame, value, variables), test, step)
            finally:
                for name, old in before.items():
                    if old is MISSING:
                        frame.variables.pop(name, None)
                    else:
                        frame.variables[name] = old

        return evaluate

    def optional_map(self, node: OptionalMap) -> Evaluate:
        operand, body, name, flat = self.node(node.operand), self.node(node.body), node.variable, node.flat

        def evaluate(frame: Frame) -> Any:
            value = _optional(operand(frame))
            if not value.has:
                return NONE
            old = frame.variables.get(name, MISSING)
            frame.variables[name] = value.value
            try:
                made = body(frame)
            finally:
                if old is MISSING:
                    del frame.variables[name]
                else:
                    frame.variables[name] = old
            return _optional(made) if flat else Optional(True, made)

        return evaluate

    def _fault(self, node: Node, message: str) -> CompileError:
        return CompileError(self._text, [Issue(node.at, message)])


_BUILDERS: dict[type, Callable[[_Builder, Any], Evaluate]] = {
    Constant: _Builder.constant,
    Name: _Builder.name,
    Select: _Builder.select,
    Index: _Builder.index,
    Call: _Builder.call,
    Logic: _Builder.logic,
    Condition: _Builder.condition,
    ListOf: _Builder.list_of,
    MapOf: _Builder.map_of,
    Macro: _Builder.macro,
    OptionalMap: _Builder.optional_map,
}


def _call_one(function: Function, argument: Evaluate) -> Evaluate:
    def evaluate(frame: Frame) -> Any:
        value = argument(frame)
        found = function.find((value.__class__,))
        frame.spend(found.cost((value,), frame.steps))
        return found.call(value)

    return evaluate


def _call_two(function: Function, left: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(frame: Frame) -> Any:
        a, b = left(frame), right(frame)
        found = function.find((a.__class__, b.__class__))
        frame.spend(found.cost((a, b), frame.steps))
        return found.call(a, b)

    return evaluate


def _compare(left: Evaluate, right: Evaluate, wanted: bool) -> Evaluate:
    def evaluate(frame: Frame) -> bool:
        a, b = left(frame), right(frame)
        frame.spend(linear((a, b), frame.steps))
        return equal(a, b) is wanted

    return evaluate


def _has(operand: Evaluate, field: str) -> Evaluate:
    def evaluate(frame: Frame) -> bool:
        value = operand(frame)
        frame.spend(1)
        if value.__class__ is Optional:
            if not value.has:
                return False
            value = value.value
        if value.__class__ is not dict:
            raise NoValue(f"no such overload: {type_of(value)} has no field {shown(field)}")
        return field in value

    return evaluate


def _optional(value: Any) -> Optional:
    if value.__class__ is not Optional:
        raise NoValue(f"no such overload: an optional value is needed, not {type_of(value)}")
    return cast("Optional", value)


def _optional_item(value: Any, key: Any, frame: Frame) -> Optional:
    """What `value` has at a key, if it has it, and if it is anything at all."""
    frame.spend(1)
    if value.__class__ is Optional:
        if not value.has:
            return NONE
        value = value.value
    if value.__class__ is dict:
        found = lookup(value, key)
        return NONE if found is MISSING else Optional(True, found)
    if isinstance(value, list):
        items = cast("list[Any]", value)
        if is_number(key) and not 0 <= key < len(items):
            return NONE
        return Optional(True, index(items, key))
    raise NoValue(f"no such overload: {type_of(value)} has no items")
