"""`'%s is %d'.format([...])`: verbs, precision, and how values read as text.

Part of `wherry.cel.strings`.  Source: cel-go's ext.Strings, format.  Invariant: every value that a verb takes has one
text, whatever the locale; the rest has none, and says so.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any, cast

from wherry.cel.errors import NoValue
from wherry.cel.times import duration_text, timestamp_text
from wherry.cel.values import Duration, Timestamp, TypeName, UInt, double_text, type_of

_VERB = re.compile(r"%(?:\.(\d{1,4}))?(.?)", re.DOTALL)
_MAX_PRECISION = 1000
_DEFAULT_PRECISION = 6
_QUOTES = {
    "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\", '"': '\\"',
}  # fmt: skip


def quote(text: str) -> str:
    """The text in quotes, with escapes for what would break a line."""
    return '"' + "".join(_QUOTES.get(character, character) for character in text) + '"'


def format_text(pattern: str, values: Sequence[Any]) -> str:
    """The pattern with a value in the place of each verb; raises NoValue for verbs and values that do not fit."""
    used = 0

    def place(found: re.Match[str]) -> str:
        nonlocal used
        precision, verb = found.groups()
        if verb == "%":
            return "%"
        write = _VERBS.get(verb)
        if write is None:
            raise NoValue(f'could not parse formatting clause: unrecognized formatting clause "{verb}"')
        if used >= len(values):
            raise NoValue(f"index {used} out of range")
        used += 1
        digits = _DEFAULT_PRECISION if precision is None else int(precision)
        if digits > _MAX_PRECISION:
            raise NoValue(f"the precision {digits} is more than {_MAX_PRECISION}")
        return write(values[used - 1], digits)

    return _VERB.sub(place, pattern)


def _string(value: Any, digits: int) -> str:
    return _text(value, 0)


def _text(value: Any, depth: int) -> str:
    kind = value.__class__
    if kind is str:
        return value
    if kind is bool:
        return "true" if value else "false"
    if kind is int or kind is UInt:
        return str(int(value))
    if isinstance(value, list) and depth < 50:
        return f"[{', '.join(_text(each, depth + 1) for each in cast('list[Any]', value))}]"
    if kind is dict and depth < 50:
        given = cast("dict[Any, Any]", value)
        pairs = sorted((_text(key, depth + 1), _text(item, depth + 1)) for key, item in given.items())
        return "{" + ", ".join(f"{key}: {item}" for key, item in pairs) + "}"
    write = _PLAIN.get(kind)
    if write is None:
        raise NoValue(f"string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, "
                      f"durations, and timestamps, was given {type_of(value)}")  # fmt: skip
    return write(value)


def _double(value: float) -> str:
    if not math.isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    return double_text(value)


_PLAIN: dict[type, Callable[[Any], str]] = {
    float: _double,
    bytes: lambda value: value.decode(errors="replace"),
    type(None): lambda value: "null",
    Timestamp: timestamp_text,
    Duration: duration_text,
    TypeName: lambda value: value.name,
}


def _whole(value: Any, clause: str) -> int:
    if value.__class__ not in (int, UInt):
        raise NoValue(f"{clause} clause can only be used on integers, was given {type_of(value)}")
    return int(value)


def _decimal(value: Any, digits: int) -> str:
    if value.__class__ is float and not math.isfinite(value):
        return _double(value)
    return str(_whole(value, "decimal"))


def _binary(value: Any, digits: int) -> str:
    return str(int(value)) if value.__class__ is bool else f"{_whole(value, 'binary'):b}"


def _octal(value: Any, digits: int) -> str:
    return f"{_whole(value, 'octal'):o}"


def _hexadecimal(value: Any, digits: int) -> str:
    if value.__class__ is str or value.__class__ is bytes:
        return (value.encode() if value.__class__ is str else value).hex()
    return f"{_whole(value, 'hex'):x}"


def _number(value: Any, clause: str) -> float:
    if value.__class__ not in (int, UInt, float):
        raise NoValue(f"{clause} clause can only be used on doubles, was given {type_of(value)}")
    return float(value)


def _fixed(value: Any, digits: int) -> str:
    number = _number(value, "fixed-point")
    return f"{number:.{digits}f}" if math.isfinite(number) else _double(number)


def _scientific(value: Any, digits: int) -> str:
    number = _number(value, "scientific")
    return f"{number:.{digits}e}" if math.isfinite(number) else _double(number)


_VERBS: dict[str, Callable[[Any, int], str]] = {
    "s": _string,
    "d": _decimal,
    "f": _fixed,
    "e": _scientific,
    "b": _binary,
    "o": _octal,
    "x": _hexadecimal,
    "X": lambda value, digits: _hexadecimal(value, digits).upper(),
}
