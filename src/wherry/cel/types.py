"""The types of expressions, and when one fits where another is wanted.

Called by `wherry.cel.checker` and by whoever declares variables and functions.  Invariant: types are values; a
variable of a signature (`A`) is a type whose name begins with `$`, and what it stands for lies in the checker's
bindings alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple


class Type(NamedTuple):
    """A type: list(int) is `Type("list", (INT,))`; an object's type has its `fields` (and no params)."""

    name: str
    params: tuple[Type, ...] = ()
    fields: Mapping[str, Type] | None = None

    def __str__(self) -> str:
        name = {"optional": "optional_type"}.get(self.name, self.name)
        return f"{name}({', '.join(map(str, self.params))})" if self.params else name.partition("#")[0]


DYN = Type("dyn")
BOOL, INT, UINT, DOUBLE = Type("bool"), Type("int"), Type("uint"), Type("double")
STRING, BYTES, NULL = Type("string"), Type("bytes"), Type("null")
TIMESTAMP, DURATION = Type("timestamp"), Type("duration")
Bindings = dict[str, Type]

_WORD = re.compile(r"\s*([A-Za-z_][\w.]*|[(),])")
_NULLABLE = frozenset(("null", "timestamp", "duration", "object"))


def list_of(item: Type) -> Type:
    """list(item)."""
    return Type("list", (item,))


def map_of(key: Type, value: Type) -> Type:
    """map(key, value)."""
    return Type("map", (key, value))


def optional_of(value: Type) -> Type:
    """optional_type(value)."""
    return Type("optional", (value,))


def object_of(fields: Mapping[str, Type]) -> Type:
    """An object with these fields; no other ones may be named."""
    return Type("object", (), fields)


def read(text: str) -> Type:
    """The type that a signature names: `map(string, A)`; single capital letters are variables."""
    words = _WORD.findall(text)
    found, rest = _read(words, 0)
    if rest != len(words):
        raise ValueError(f"{text!r} is no type")
    return found


def _read(words: list[str], at: int) -> tuple[Type, int]:
    name = words[at]
    at += 1
    params: list[Type] = []
    if at < len(words) and words[at] == "(":
        while words[at] != ")":
            param, at = _read(words, at + 1)
            params.append(param)
        at += 1
    return Type(f"${name}" if len(name) == 1 and name.isupper() else name, tuple(params)), at


def resolve(given: Type, bindings: Bindings) -> Type:
    """The type with all variables that are bound replaced."""
    if given.name[0] == "$":
        bound = bindings.get(given.name)
        return given if bound is None else resolve(bound, bindings)
    if given.params:
        return Type(given.name, tuple(resolve(param, bindings) for param in given.params))
    return given


def concrete(given: Type, bindings: Bindings) -> Type:
    """As `resolve`; variables that nothing binds are dyn."""
    if given.name[0] == "$":
        bound = bindings.get(given.name)
        return DYN if bound is None else concrete(bound, bindings)
    if given.params:
        return Type(given.name, tuple(concrete(param, bindings) for param in given.params))
    return given


def renamed(given: Type, suffix: str) -> Type:
    """The type with variables of its own, for one use of a signature."""
    if given.name[0] == "$":
        return Type(given.name + suffix)
    if given.params:
        return Type(given.name, tuple(renamed(param, suffix) for param in given.params))
    return given


def fits(wanted: Type, given: Type, bindings: Bindings) -> bool:
    """Whether a value of `given` may be where `wanted` is; binds variables, also when the answer is no."""
    wanted, given = _bound(wanted, bindings), _bound(given, bindings)
    if wanted.name[0] == "$":
        if wanted.name != given.name:
            if _occurs(wanted.name, given, bindings):
                return False
            bindings[wanted.name] = given
        return True
    if given.name[0] == "$":
        if _occurs(given.name, wanted, bindings):
            return False
        bindings[given.name] = wanted
        return True
    if wanted.name == "dyn" or given.name == "dyn":
        return True
    if given.name == "null" or wanted.name == "null":
        return (wanted.name if given.name == "null" else given.name) in _NULLABLE
    if wanted.name != given.name or len(wanted.params) != len(given.params):
        return False
    if wanted.fields is not given.fields:
        return wanted.fields == given.fields
    return all(fits(a, b, bindings) for a, b in zip(wanted.params, given.params, strict=True))


def _bound(given: Type, bindings: Bindings) -> Type:
    while given.name[0] == "$" and given.name in bindings:
        given = bindings[given.name]
    return given


def _occurs(name: str, given: Type, bindings: Bindings) -> bool:
    given = _bound(given, bindings)
    return given.name == name or any(_occurs(name, param, bindings) for param in given.params)
