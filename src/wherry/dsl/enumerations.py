"""The enumerations in a function's signature, for the source that its component runs.

Called by `wherry.dsl.python_component` and `.notebooks`.  A class that is annotated by its own name is defined anew in
that source, with its members (its methods stay behind); `x.Color` imports `x`, as an artifact class would.
"""

from __future__ import annotations

from wherry.dsl import custom_artifacts
from wherry.dsl.signature import MISSING, parameters_of, returned_annotation
from wherry.runtime import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def definition_lines(func: Callable[..., Any]) -> list[str]:
    """The statements that define or import the enumerations, each once, in the order of the annotations."""
    given = {one.name: one.annotation for one in parameters_of(func)} | {"return": returned_annotation(func)}
    found = {name: annotation for name, annotation in given.items() if annotation is not MISSING}
    classes: dict[str, Any] = {name: annotations.strip_optional(annotation) for name, annotation in found.items()}
    classes = {name: cls for name, cls in classes.items() if annotations.is_enumeration(cls)}
    if not classes:
        return []
    symbols = custom_artifacts.first_names(func)
    lines: dict[str, None] = {}
    for name, cls in classes.items():
        symbol: str = symbols.get(name) or cls.__name__
        if symbol == cls.__name__:
            lines["import enum"] = None
            lines[_definition(cls)] = None
        else:
            lines[custom_artifacts.import_line(symbol, cls)] = None
    return list(lines)


def _definition(cls: Any) -> str:
    """`Color = enum.Enum('Color', {'RED': 'red'})`; of a class that is also a text or a number, that too."""
    members = {name: member.value for name, member in cls.__members__.items()}
    kind = next((one.__name__ for one in (int, str, float) if issubclass(cls, one)), None)
    return f"{cls.__name__} = enum.Enum({cls.__name__!r}, {members!r}{f', type={kind}' if kind else ''})"
