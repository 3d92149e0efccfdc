"""Constants as a document holds them: protobuf values, whose numbers are doubles.

Called wherever an argument, a default or a property goes into a document.
"""

from __future__ import annotations

from wherry.compiler.places import at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_INFINITY = float("inf")


def constant(value: Any, place: str = "") -> Any:
    """The value of an argument or default.  Raises ValueError for what is not one of the parameter types."""
    if isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, float)):
        return number(value, place)
    if isinstance(value, dict):
        return {_key(key, place): constant(one, place) for key, one in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [constant(one, place) for one in value]  # pyright: ignore[reportUnknownVariableType]
    raise ValueError(
        at(
            "Value must be one of the following types: str, int, float, bool, dict, and list. "
            f'Got: "{value}" of type "{type(value)}".',
            place,
        )
    )


def number(value: float, place: str = "") -> float:
    """A number as a double.  Raises ValueError for what JSON has no number for."""
    result = float(value)
    if result != result or result in (_INFINITY, -_INFINITY):
        raise ValueError(at(f"A document cannot hold the number {value}.", place))
    return result


def metadata(value: Any) -> Any:
    """The properties of an imported artifact: as constants, and None."""
    if value is None:
        return None
    if isinstance(value, dict):
        return {_key(key, ""): metadata(one) for key, one in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, (list, tuple)):
        return [metadata(one) for one in value]  # pyright: ignore[reportUnknownVariableType]
    return constant(value)


def default(value: Any, parameter_type: str, place: str = "") -> Any:
    """The default of a parameter.  Raises TypeError when it is not of the parameter's type."""
    if parameter_type == "STRING":
        ok = isinstance(value, str)
    elif parameter_type in ("NUMBER_INTEGER", "NUMBER_DOUBLE"):
        if isinstance(value, (int, float)):
            return number(value, place)
        ok = False
    elif parameter_type == "BOOLEAN":
        ok = isinstance(value, bool)
        if isinstance(value, int):
            return bool(value)
    else:
        ok = True
    if not ok:
        raise TypeError(at(f"The default {value!r} of type {type(value).__name__} is no {parameter_type}.", place))
    return constant(value, place)


def json_text(value: Any, *, sort_keys: bool = False) -> str:
    """A value as JSON text, as KFP writes it into texts of the document."""
    import json  # noqa: PLC0415 - 7 ms that `import wherry.dsl` by itself does not need

    return json.dumps(value, sort_keys=sort_keys)


def _key(key: Any, place: str) -> str:
    if not isinstance(key, str):
        raise TypeError(at(f"The keys of a dict must be texts. Got: {key!r} of type {type(key)}.", place))
    return key
