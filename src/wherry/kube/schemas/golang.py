"""Values in the words of Go's formatting: what an API server writes of them in its messages.

Called by `wherry.kube.schemas.validation` and by whoever words a `Cause`.  Source: the documentation of Go's package
fmt.  Invariant: every JSON value has a text; none raises.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, cast


def quoted(text: str) -> str:
    """`%q` of a string."""
    return json.dumps(text, ensure_ascii=False)


def plain(value: Any) -> str:
    """`%v` of a number or truth value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return _float(value) if isinstance(value, float) else str(value)


def bad(value: Any) -> str:
    """A value as an error names it: plain numbers, quoted texts, Go's syntax for all else."""
    if value is None:
        return '"null"'
    if isinstance(value, str):
        return quoted(value)
    return plain(value) if isinstance(value, (bool, int, float)) else syntax(value)


def syntax(value: Any) -> str:
    """`%#v` of a JSON value."""
    if value is None:
        return "interface {}(nil)"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        items = sorted(cast("dict[str, Any]", value).items())
        return f"map[string]interface {{}}{{{', '.join(f'{quoted(key)}:{syntax(item)}' for key, item in items)}}}"
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(syntax(item) for item in cast('list[Any]', value))}}}"
    return plain(value)


def _float(value: float) -> str:
    """`%v` of a float: the shortest digits, with an exponent from 21 digits on and below four zeros."""
    if value == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    power = len(digits) + cast("int", exponent) - 1
    mantissa = "".join(map(str, digits))
    if power < -4 or power >= 21:
        text = f"{mantissa[0]}{'.' if mantissa[1:] else ''}{mantissa[1:]}e{'-' if power < 0 else '+'}{abs(power):02d}"
    elif power >= len(mantissa) - 1:
        text = mantissa.ljust(power + 1, "0")
    elif power >= 0:
        text = f"{mantissa[: power + 1]}.{mantissa[power + 1 :]}"
    else:
        text = f"0.{'0' * (-power - 1)}{mantissa}"
    return f"-{text}" if sign else text
