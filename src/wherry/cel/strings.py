"""The extended strings library: charAt, indexOf, split, format and the rest.

Rows of `Overload` (cel-go's ext.Strings, as Kubernetes has it).  Invariant: positions count characters; no result is
longer than MAX_TEXT.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wherry.cel.errors import NoValue
from wherry.cel.formatting import format_text, quote
from wherry.cel.functions import Overload, overload
from wherry.cel.values import type_of

MAX_TEXT = 10_000_000
_WHITE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f"
    "\u205f\u3000"
)
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_UPPER = {code + 32: code for code in _LOWER}


def _in_range(position: int, last: int) -> int:
    if not 0 <= position <= last:
        raise NoValue(f"index out of range: {position}")
    return position


def _bounded(length: int) -> None:
    if length > MAX_TEXT:
        raise NoValue(f"the result has {length} characters; more than {MAX_TEXT} are refused")


def _char_at(text: str, position: int) -> str:
    return text[_in_range(position, len(text)) : position + 1]


def _index_of(text: str, part: str, start: int = 0) -> int:
    if start < 0:
        raise NoValue(f"index out of range: {start}")
    if not part:
        return start
    return text.find(part, start)


def _last_index_of(text: str, part: str, start: int | None = None) -> int:
    if start is None:
        return text.rfind(part)
    if start < 0:
        raise NoValue(f"index out of range: {start}")
    if not part:
        return start
    return -1 if start >= len(text) else text.rfind(part, 0, start + len(part))


def _replace(text: str, old: str, new: str, limit: int = -1) -> str:
    count = len(text) + 1 if not old else text.count(old)
    if limit >= 0:
        count = min(count, limit)
    _bounded(len(text) + count * (len(new) - len(old)))
    return text.replace(old, new, limit if limit >= 0 else -1)


def _split(text: str, separator: str, limit: int = -1) -> list[str]:
    if limit == 0:
        return []
    if separator:
        return text.split(separator, limit - 1 if limit > 0 else -1)
    if limit < 0 or limit > len(text):
        return list(text)
    return [*text[: limit - 1], text[limit - 1 :]]


def _substring(text: str, start: int, end: int | None = None) -> str:
    end = len(text) if end is None else _in_range(end, len(text))
    _in_range(start, len(text))
    if start > end:
        raise NoValue(f"invalid substring range. start: {start}, end: {end}")
    return text[start:end]


def _join(items: Sequence[Any], separator: str = "") -> str:
    for item in items:
        if item.__class__ is not str:
            raise NoValue(f"no such overload: join(list({type_of(item)}))")
    _bounded(sum(map(len, items)) + len(items) * len(separator))
    return separator.join(items)


STRINGS: list[Overload] = [
    overload(".charAt(string, int): string", _char_at),
    overload(".indexOf(string, string): int", _index_of),
    overload(".indexOf(string, string, int): int", _index_of),
    overload(".lastIndexOf(string, string): int", _last_index_of),
    overload(".lastIndexOf(string, string, int): int", _last_index_of),
    overload(".lowerAscii(string): string", lambda text: text.translate(_LOWER)),
    overload(".upperAscii(string): string", lambda text: text.translate(_UPPER)),
    overload(".replace(string, string, string): string", _replace),
    overload(".replace(string, string, string, int): string", _replace),
    overload(".split(string, string): list(string)", _split),
    overload(".split(string, string, int): list(string)", _split),
    overload(".substring(string, int): string", _substring),
    overload(".substring(string, int, int): string", _substring),
    overload(".trim(string): string", lambda text: text.strip(_WHITE)),
    overload(".reverse(string): string", lambda text: text[::-1]),
    overload(".join(list(string)): string", _join),
    overload(".join(list(string), string): string", _join),
    overload(".format(string, list(dyn)): string", format_text),
    overload("strings.quote(string): string", quote),
]
