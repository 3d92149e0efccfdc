"""Kubernetes' quantities in expressions: `quantity('1.5Gi').isGreaterThan(quantity('1G'))`.

Rows of `Overload`.  Source: "Common Expression Language in Kubernetes", quantity library.  Invariant: values are exact.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

from wherry.cel.errors import NoValue
from wherry.cel.functions import Overload, overload
from wherry.cel.values import in_range, register, shown
from wherry.kube.quantities import parse


class Quantity(NamedTuple):
    """An amount."""

    amount: Fraction


register(Quantity, "kubernetes.Quantity")


def _quantity(text: str) -> Quantity:
    try:
        return Quantity(parse(text))
    except ValueError as problem:
        raise NoValue(f"{problem}: {shown(text)}") from None


def _is_quantity(text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _as_integer(value: Quantity) -> int:
    if value.amount.denominator != 1:
        raise NoValue("cannot convert value to integer")
    return in_range(int(value.amount))


def _is_integer(value: Quantity) -> bool:
    return value.amount.denominator == 1 and -(2**63) <= value.amount < 2**63


def _sign(value: Quantity) -> int:
    return (value.amount > 0) - (value.amount < 0)


def _compare(left: Quantity, right: Quantity) -> int:
    return (left.amount > right.amount) - (left.amount < right.amount)


def _amount(value: Any) -> Fraction:
    return value.amount if isinstance(value, Quantity) else Fraction(value)


def _add(left: Quantity, right: Any) -> Quantity:
    return Quantity(left.amount + _amount(right))


def _sub(left: Quantity, right: Any) -> Quantity:
    return Quantity(left.amount - _amount(right))


_Q = "kubernetes.Quantity"
QUANTITIES: list[Overload] = [
    overload(f"quantity(string): {_Q}", _quantity),
    overload("isQuantity(string): bool", _is_quantity),
    overload(f".sign({_Q}): int", _sign),
    overload(f".isInteger({_Q}): bool", _is_integer),
    overload(f".asInteger({_Q}): int", _as_integer),
    overload(f".asApproximateFloat({_Q}): double", lambda value: float(value.amount)),
    overload(f".isGreaterThan({_Q}, {_Q}): bool", lambda left, right: left.amount > right.amount),
    overload(f".isLessThan({_Q}, {_Q}): bool", lambda left, right: left.amount < right.amount),
    overload(f".compareTo({_Q}, {_Q}): int", _compare),
    overload(f".add({_Q}, {_Q}): {_Q}", _add),
    overload(f".add({_Q}, int): {_Q}", _add),
    overload(f".sub({_Q}, {_Q}): {_Q}", _sub),
    overload(f".sub({_Q}, int): {_Q}", _sub),
]
