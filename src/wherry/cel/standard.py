"""The standard library: operators, conversions, and the functions that every CEL has.

Rows of `Overload`, collected by `wherry.cel.expressions`.  Invariant: each row follows the table of standard
definitions in cel-spec; arithmetic never wraps around, it has no value.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from typing import Any

from wherry.cel.errors import NoValue
from wherry.cel.functions import Overload, fixed, overload
from wherry.cel.regexes import matches, search_cost
from wherry.cel.times import TIMES
from wherry.cel.values import (
    NONE,
    SPOKEN,
    Optional,
    Special,
    TypeName,
    UInt,
    contains,
    double_text,
    equal,
    in_range,
    shown,
    type_of,
    unsigned,
)

_DOUBLE = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity)|nan", re.ASCII | re.IGNORECASE)


def _add(left: Any, right: Any) -> Any:
    return left.plus(right) if isinstance(left, Special) else [*left, *right]


def _divide(left: float, right: float) -> float:
    if right == 0:
        negative = (math.copysign(1, left) < 0) != (math.copysign(1, right) < 0)
        return math.nan if left == 0 or left != left else -math.inf if negative else math.inf
    return left / right


def _quotient(left: int, right: int) -> int:
    if right == 0:
        raise NoValue("division by zero")
    return in_range(abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1))


def _remainder(left: int, right: int) -> int:
    if right == 0:
        raise NoValue("modulus by zero")
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


def _multiply(left: float, right: float) -> float:
    return left * right


def _unsigned(compute: Callable[[int, int], int]) -> Callable[[int, int], UInt]:
    return lambda left, right: unsigned(compute(int(left), int(right)))


def _comparisons() -> list[Overload]:
    """<, <=, >, >= for everything that has an order; numbers compare with numbers."""
    rows: list[Overload] = []
    numbers = ("int", "uint", "double")
    for symbol, compare in (("<", operator.lt), ("<=", operator.le), (">", operator.gt), (">=", operator.ge)):
        for left in numbers:
            rows += [overload(f"_{symbol}_({left}, {right}): bool", compare, fixed) for right in numbers]
        for kind in ("bool", "string", "bytes", "timestamp", "duration"):
            rows.append(overload(f"_{symbol}_({kind}, {kind}): bool", compare))
    return rows


def int_of(value: Any) -> int:
    """CEL's int() of text and doubles: text is base 10, doubles are cut."""
    if isinstance(value, str):
        if not re.fullmatch(r"[+-]?[0-9]{1,30}", value):
            raise NoValue(f"int({shown(repr(value))}): not an integer")
        return in_range(int(value))
    if not math.isfinite(value):
        raise NoValue("integer overflow")
    return in_range(int(value))


def _uint_of(value: Any) -> UInt:
    if isinstance(value, str):
        if not re.fullmatch(r"[0-9]{1,30}", value):
            raise NoValue(f"uint({shown(repr(value))}): not an unsigned integer")
        return unsigned(int(value))
    if not math.isfinite(value):
        raise NoValue("unsigned integer overflow")
    return unsigned(int(value) if value >= 0 else -1)


def _double_of(text: str) -> float:
    if not _DOUBLE.fullmatch(text):
        raise NoValue(f"double({shown(repr(text))}): not a number")
    return float(text)


def _bool_of(text: str) -> bool:
    if text in ("true", "True", "TRUE", "t", "1"):
        return True
    if text in ("false", "False", "FALSE", "f", "0"):
        return False
    raise NoValue(f"bool() does not take {shown(repr(text))}")


def _text_of_bytes(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise NoValue("invalid UTF-8 in bytes, cannot convert to string") from None


def _bytes_of(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise NoValue("the text has half of a character (a lone surrogate)") from None


def _type(value: Any) -> TypeName:
    name = type_of(value)
    return TypeName(SPOKEN.get(name, name))


def _value(given: Optional) -> Any:
    if not given.has:
        raise NoValue("optional.none() dereference")
    return given.value


def _zero(value: Any) -> bool:
    return value is None or (value.__class__ in (bool, int, UInt, float, str, bytes, list, dict) and not value)


def _either(left: Optional, right: Optional) -> Optional:
    return left if left.has else right


_ARITHMETIC = [
    overload("_+_(int, int): int", lambda a, b: in_range(a + b), fixed),
    overload("_-_(int, int): int", lambda a, b: in_range(a - b), fixed),
    overload("_*_(int, int): int", lambda a, b: in_range(a * b), fixed),
    overload("_/_(int, int): int", _quotient, fixed),
    overload("_%_(int, int): int", _remainder, fixed),
    overload("-_(int): int", lambda a: in_range(-a), fixed),
    overload("_+_(uint, uint): uint", _unsigned(operator.add), fixed),
    overload("_-_(uint, uint): uint", _unsigned(operator.sub), fixed),
    overload("_*_(uint, uint): uint", _unsigned(operator.mul), fixed),
    overload("_/_(uint, uint): uint", _unsigned(_quotient), fixed),
    overload("_%_(uint, uint): uint", _unsigned(_remainder), fixed),
    overload("_+_(double, double): double", operator.add, fixed),
    overload("_-_(double, double): double", operator.sub, fixed),
    overload("_*_(double, double): double", _multiply, fixed),
    overload("_/_(double, double): double", _divide, fixed),
    overload("-_(double): double", operator.neg, fixed),
    overload("_+_(string, string): string", operator.add),
    overload("_+_(bytes, bytes): bytes", operator.add),
    overload("_+_(list(A), list(A)): list(A)", _add),
    overload("!_(bool): bool", lambda a: not a, fixed),
]
_LOGIC = [
    overload("_==_(A, A): bool", equal),
    overload("_!=_(A, A): bool", lambda a, b: not equal(a, b)),
    overload("@in(A, list(A)): bool", contains),
    overload("@in(A, map(A, B)): bool", contains, fixed),
]
_CONVERSIONS = [
    overload("int(int): int", int),
    overload("int(uint): int", lambda a: in_range(int(a))),
    overload("int(double): int", int_of),
    overload("int(string): int", int_of),
    overload("uint(uint): uint", UInt),
    overload("uint(int): uint", unsigned),
    overload("uint(double): uint", _uint_of),
    overload("uint(string): uint", _uint_of),
    overload("double(double): double", float),
    overload("double(int): double", float),
    overload("double(uint): double", float),
    overload("double(string): double", _double_of),
    overload("bool(bool): bool", bool),
    overload("bool(string): bool", _bool_of),
    overload("string(string): string", str),
    overload("string(bool): string", lambda a: "true" if a else "false"),
    overload("string(int): string", str),
    overload("string(uint): string", lambda a: str(int(a))),
    overload("string(double): string", double_text),
    overload("string(bytes): string", _text_of_bytes),
    overload("bytes(bytes): bytes", bytes),
    overload("bytes(string): bytes", _bytes_of),
    overload("dyn(A): dyn", lambda a: a, fixed),
    overload("type(A): type", _type, fixed),
]
_SIZES = [
    overload(f"{dot}size({kind}): int", len, fixed)
    for dot in ("", ".")
    for kind in ("string", "bytes", "list(A)", "map(A, B)")
]
_TEXT = [
    overload(".contains(string, string): bool", lambda a, b: b in a),
    overload(".startsWith(string, string): bool", str.startswith),
    overload(".endsWith(string, string): bool", str.endswith),
    overload(".matches(string, string): bool", matches, search_cost),
    overload("matches(string, string): bool", matches, search_cost),
]
_OPTIONALS = [
    overload("optional.of(A): optional(A)", lambda a: Optional(True, a), fixed),
    overload("optional.none(): optional(A)", lambda: NONE, fixed),
    overload("optional.ofNonZeroValue(A): optional(A)", lambda a: NONE if _zero(a) else Optional(True, a)),
    overload(".hasValue(optional(A)): bool", lambda a: a.has, fixed),
    overload(".value(optional(A)): A", _value, fixed),
    overload(".orValue(optional(A), A): A", lambda a, b: a.value if a.has else b, fixed),
    overload(".or(optional(A), optional(A)): optional(A)", _either, fixed),
]
STANDARD: list[Overload] = [
    *_ARITHMETIC, *_comparisons(), *_LOGIC, *_CONVERSIONS, *_SIZES, *_TEXT, *_OPTIONALS, *TIMES,
]  # fmt: skip
