"""Functions: signatures for the checker, implementations for the evaluator, in one table.

Libraries are lists of `Overload`; an `Environment` collects them by name.  Invariant: which overload is taken at run
time follows from the classes of the arguments alone, so that checked and unchecked expressions do the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from wherry.cel.errors import NoValue
from wherry.cel.types import Type, read
from wherry.cel.values import Special, class_name, weight

Implementation = (
    Callable[[], Any] | Callable[[Any], Any] | Callable[[Any, Any], Any] | Callable[[Any, Any, Any], Any]
    | Callable[[Any, Any, Any, Any], Any]
)  # fmt: skip
Cost = Callable[[Sequence[Any], int], int]
"""What a call costs, from its arguments and the steps that are left: counting may stop beyond those."""
_SIGNATURE = re.compile(r"(\.?)([\w.@!+*/%<=>-]+)\((.*)\) *: *([^:]+)")
_ANY = frozenset(("dyn",))
_LIST: type = list


def fixed(arguments: Sequence[Any], steps: int) -> int:
    """One step, whatever the arguments."""
    return 1


def linear(arguments: Sequence[Any], steps: int) -> int:
    """A tenth of a step for each character and item of the arguments, at any depth."""
    return 1 + weight(arguments, 10 * steps + 20) // 10


class Overload(NamedTuple):
    """One signature of a function and what it does."""

    name: str
    method: bool
    arguments: tuple[Type, ...]
    result: Type
    call: Callable[..., Any]
    cost: Cost

    def takes(self, classes: tuple[type, ...]) -> bool:
        """Whether values of these classes are its arguments."""
        return len(classes) == len(self.arguments) and all(
            wanted.name[0] == "$" or wanted.name in _ANY or class_name(given) == wanted.name
            for wanted, given in zip(self.arguments, classes, strict=True)
        )


def overload(signature: str, call: Implementation, cost: Cost = linear) -> Overload:
    """`name(string, list(A)): A`; a dot before the name makes it a method of its first argument.

    `call` takes the arguments and raises NoValue when there is no result.
    """
    found = _SIGNATURE.fullmatch(signature)
    if found is None:
        raise ValueError(f"{signature!r} is no signature")
    dot, name, arguments, result = found.groups()
    listed = read(f"arguments({arguments})").params if arguments.strip() else ()
    return Overload(name, bool(dot), listed, read(result), call, cost)


def _plain(kind: type) -> type:
    return _LIST if issubclass(kind, Special) else kind


class Function:
    """All overloads of one name in one form (`f(x)` or `x.f()`)."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.overloads: list[Overload] = []
        self.known: dict[tuple[type, ...], Overload] = {}

    def find(self, classes: tuple[type, ...]) -> Overload:
        """The overload for arguments of these classes; raises NoValue."""
        found = self.known.get(classes)
        if found is None:
            plain = tuple(map(_plain, classes))
            found = next((each for each in self.overloads if each.takes(plain)), None)
            if found is None:
                given = [class_name(each) or "unknown" for each in classes]
                raise NoValue(f"no such overload: {_spoken(self.name, given)}")
            self.known[classes] = found
        return found


def _spoken(name: str, given: Sequence[str]) -> str:
    """A call in a message, by the types of its arguments: `int + string`, `size(int)`."""
    if name == "@in":
        return " in ".join(given)
    if name.startswith("_") and len(given) == 2:
        return f"{given[0]} {name.strip('_')} {given[1]}"
    return f"{name.strip('_')}({', '.join(given)})"


Functions = dict[tuple[str, bool], Function]


def collect(overloads: Iterable[Overload]) -> Functions:
    """Functions by name and form."""
    found: Functions = {}
    for each in overloads:
        key = (each.name, each.method)
        found.setdefault(key, Function(each.name)).overloads.append(each)
    return found
