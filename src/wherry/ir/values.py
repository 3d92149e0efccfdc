"""Plain values from anywhere: what no JSON can hold is refused, and how deeply they nest is bounded.

Called by `wherry.ir.reader` for documents and by the service for arguments.  Invariant: nothing here recurses, and what
passes can be encoded, and recursed into, by everything after it.
"""

from __future__ import annotations

import math
from typing import Any, cast

from wherry.ir.forms import IRError
from wherry.ir.limits import MAX_BITS, MAX_DEPTH


def check_values(value: Any) -> None:
    """Raises IRError, beginning with the path, for what no JSON can hold and for more than 100 levels."""
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH + 2):
        deeper: list[Any] = []
        for each in level:
            children: Any = each
            if each.__class__ is dict:
                children = each.values()
                for key in each:
                    if key.__class__ is not str or not (key.isascii() or _is_text(key)):
                        raise IRError(f"{_where(value, each)}: the key {key!r} is not text")
            for child in children:
                kind = child.__class__
                if kind is dict or kind is list:
                    deeper.append(child)
                elif kind is float and not math.isfinite(child):
                    raise IRError(f"{_where(value, child)}: {child} is not a number that JSON has")
                elif kind is int and child.bit_length() > MAX_BITS:
                    raise IRError(f"{_where(value, child)}: the number is larger than a double can be")
                elif kind is str and not (child.isascii() or _is_text(child)):
                    raise IRError(f"{_where(value, child)}: the text has half of a character (a lone surrogate)")
        if not deeper:
            return
        level = deeper
    raise IRError(f"the document nests deeper than {MAX_DEPTH} levels")


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _where(value: Any, wanted: Any) -> str:
    """The path in `value` of the very object `wanted`."""
    level: list[tuple[str, Any]] = [("", value)]
    while level:
        deeper: list[tuple[str, Any]] = []
        for path, each in level:
            if each is wanted:
                return path or "the document"
            if isinstance(each, dict):
                inner = cast("dict[Any, Any]", each).items()
            elif isinstance(each, list):
                inner = enumerate(cast("list[Any]", each))
            else:
                continue
            deeper.extend((f"{path}.{key}" if path else f"{key}", child) for key, child in inner)
        level = deeper
    return "the document"
