"""JSON values as mappings and lists, for the type checker and for what is absent or null.

Used across `wherry.runtime`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeGuard


def as_object(value: Any) -> dict[str, Any]:
    """`value`, or an empty mapping when it is absent."""
    return value or {}


def as_array(value: Any) -> list[Any]:
    """`value`, or an empty list when it is absent."""
    return value or []


def is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    """Whether `value` is a JSON object."""
    return isinstance(value, dict)


def is_array(value: Any) -> TypeGuard[list[Any]]:
    """Whether `value` is a JSON array."""
    return isinstance(value, list)
