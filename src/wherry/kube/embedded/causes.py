"""What is wrong with a field, in the API server's words.

Called by the rules of kinds.  Source: the messages of apimachinery's `field` package and of its validators.  Invariant:
each function makes a cause or yields causes; none raises, whatever the value is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

from wherry.kube.errors import Cause

_PORT_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


def objects(holder: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The mappings in the list at `key`; what is neither is left out (validation names it)."""
    found: Any = holder.get(key)
    if not isinstance(found, list):
        return []
    return [item for item in cast("list[Any]", found) if isinstance(item, dict)]


def required(field: str, why: str = "") -> Cause:
    """The field has to be there."""
    return Cause(field, f"Required value: {why}" if why else "Required value", "FieldValueRequired")


def invalid_value(field: str, value: Any, why: str) -> Cause:
    """The value breaks a rule."""
    return Cause(field, f"Invalid value: {shown(value)}: {why}")


def unsupported(field: str, value: Any, allowed: Iterable[str]) -> Cause:
    """The value is none of those that there are."""
    listed = ", ".join(f'"{name}"' for name in sorted(allowed))
    return Cause(field, f"Unsupported value: {shown(value)}: supported values: {listed}", "FieldValueNotSupported")


def forbidden_field(field: str, why: str) -> Cause:
    """The field may not be set here, or not be changed."""
    return Cause(field, f"Forbidden: {why}", "FieldValueForbidden")


def duplicate(field: str, value: Any) -> Cause:
    """Another item has this value already."""
    return Cause(field, f"Duplicate value: {shown(value)}", "FieldValueDuplicate")


def immutable(field: str, value: Any) -> Cause:
    """The field never changes."""
    return invalid_value(field, value, "field is immutable")


def shown(value: Any) -> str:
    """A value as messages show it."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        return repr(value)


def whole(value: Any) -> bool:
    """Whether this is an integer."""
    return isinstance(value, int) and not isinstance(value, bool)


def port_number(field: str, value: Any) -> Iterator[Cause]:
    """A port is 1 to 65535."""
    if not whole(value) or not 1 <= value <= 65535:
        yield invalid_value(field, value, "must be between 1 and 65535, inclusive")


def port_name(field: str, value: str) -> Iterator[Cause]:
    """The name of a container's port: an IANA service name."""
    if len(value) > 15:
        yield invalid_value(field, value, "must be no more than 15 characters")
    elif not re.search("[a-z]", value):
        yield invalid_value(field, value, "must contain at least one letter (a-z)")
    elif "--" in value:
        yield invalid_value(field, value, "must not contain consecutive hyphens")
    elif not _PORT_NAME.fullmatch(value):
        why = "must contain only alphanumeric characters (a-z, 0-9), and hyphens (-)"
        yield invalid_value(field, value, "must not begin or end with a hyphen" if value.strip("-") != value else why)


def port_target(field: str, value: Any) -> Iterator[Cause]:
    """A number or the name of a container's port."""
    if isinstance(value, str):
        yield from port_name(field, value)
    else:
        yield from port_number(field, value)


def choice(field: str, value: Any, allowed: Iterable[str]) -> Iterator[Cause]:
    """One of a few words."""
    if value not in allowed:
        yield unsupported(field, value, allowed)


def named(field: str, value: Any, problem: Callable[[str], str], why: str = "") -> Iterator[Cause]:
    """A text that is there and keeps to a rule of `wherry.kube.names`."""
    if not value:
        yield required(field, why)
    elif not isinstance(value, str):
        yield invalid_value(field, value, "must be a string")
    elif found := problem(value):
        yield invalid_value(field, value, found)


def mapping_at(holder: dict[str, Any], key: str, field: str, causes: list[Cause]) -> dict[str, Any] | None:
    """The object at a key; None when there is none, with a cause when there is something else."""
    value: Any = holder.get(key)
    if isinstance(value, dict):
        return cast("dict[str, Any]", value)
    if value is not None:
        causes.append(invalid_value(field, value, "must be an object"))
    return None


def mappings_at(holder: dict[str, Any], key: str, field: str, causes: list[Cause]) -> list[dict[str, Any]]:
    """The objects in the list at a key; what is neither is a cause and left out."""
    value: Any = holder.get(key)
    if value is None:
        return []
    found = objects(holder, key)
    if not isinstance(value, list) or len(found) != len(cast("list[Any]", value)):
        causes.append(Cause(field, "Invalid value: must be a list of objects"))
    return found
