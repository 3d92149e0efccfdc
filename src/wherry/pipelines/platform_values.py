"""Values of the platform document: names and JSON that come from inputs of the pipeline.

Called by `platform`, `platform_volumes` and `affinities`.  Pure.  Invariant: null means that the setting is left out;
a value of the wrong shape is refused with the name of its field.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import msgspec

from wherry.errors import WherryError
from wherry.ir.kubernetes import InputSpec

ValueOf = Callable[[InputSpec], Any]
"""Resolves an input spec in the task's place."""


class PlatformRefused(WherryError):
    """A Kubernetes setting of the task cannot be used."""

    def __init__(self, what: str, wanted: str) -> None:
        super().__init__(f"The task's Kubernetes setting {what}, but must be {wanted}.")


def named(field: str, name: str, spec: InputSpec | None, value_of: ValueOf) -> str | None:
    """The name of an object: resolved, or the constant; None when it is null.  Raises PlatformRefused."""
    value = name if spec is None else value_of(spec)
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise PlatformRefused(f"{field} names {value!r}", "the name of an object")
    return value


def mapped(field: str, value: Any) -> dict[str, Any]:
    """A struct, or JSON text of one; null is empty.  Raises PlatformRefused."""
    found = _parsed(field, value)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise PlatformRefused(f"{field} is {found!r}", "a JSON object")
    return cast("dict[str, Any]", found)


def listed(field: str, value: Any) -> list[dict[str, Any]]:
    """A list of structs, or one; null is empty.  Raises PlatformRefused."""
    found = _parsed(field, value)
    if not isinstance(found, list):
        return [mapped(field, found)]
    return [mapped(field, each) for each in cast("list[Any]", found)]


def _parsed(field: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value) if value else None
    except msgspec.DecodeError as error:
        raise PlatformRefused(f"{field} is {value[:80]!r}", f"JSON ({error})") from None
