"""What a mapping out of a file must look like, as a table, and what is wrong with one that does not.

Called by `wherry.components.first_format`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from wherry.compiler.places import at


class Field:
    """A field of a mapping: the types it may be of, and what the things inside of it must be."""

    def __init__(
        self,
        *kinds: type,
        required: bool = False,
        fields: Mapping[str, Field] | None = None,
        items: Field | None = None,
        values: type | None = None,
    ) -> None:
        self.kinds = kinds
        self.required = required
        self.fields = fields
        self.items = items
        self.values = values


def check(document: dict[Any, Any], fields: Mapping[str, Field], where: str = "") -> None:
    """Raise TypeError, with the place, unless the mapping has these fields and no others; None is absence."""
    prefix = f"{where}." if where else ""
    for key in document:
        if key not in fields:
            raise TypeError(at(f"{prefix}{key}: unknown field; known are {', '.join(fields)}."))
    for key, field in fields.items():
        value = document.get(key)
        if value is not None:
            _check_value(value, field, f"{prefix}{key}")
        elif field.required:
            raise TypeError(at(f"{prefix}{key}: missing."))


def _check_value(value: Any, field: Field, where: str) -> None:
    if type(value) not in field.kinds:
        wanted = " or ".join(kind.__name__ for kind in field.kinds)
        raise TypeError(at(f"{where}: must be {wanted}, not {type(value).__name__}: {value!r}"))
    if field.fields is not None:
        check(value, field.fields, where)
    if field.items is not None:
        for index, item in enumerate(cast("list[Any]", value)):
            _check_value(item, field.items, f"{where}[{index}]")
    if field.values is not None:
        for key, item in cast("dict[Any, Any]", value).items():
            _check_value(key, Field(str), f"{where}.{key}")
            _check_value(item, Field(field.values), f"{where}.{key}")
